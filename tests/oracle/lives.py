"""Lives of one hub: each a real process of `cityhub run` under the shim, forked from one that has loaded the program already
(`tests.acceptance.forked`).

A fork costs milliseconds where a start costs seconds of loading; everything else of a start is the real thing.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from tests.acceptance import forked
from tests.oracle.shim import Orders, built


class Nursery:
    """The process that lives are forked from."""

    def __init__(self) -> None:
        self._nursery: forked.Nursery | None = None
        self._life: forked.Forked | None = None

    async def open(self) -> None:
        self._nursery = forked.Nursery("tests.oracle.lives", LD_PRELOAD=str(built()))

    async def begin(
        self,
        folder: Path,
        record: Path,
        orders: Orders,
        said: Path,
        canary: str = "",
        files: int = 0,
        memory_mb: int = 0,
    ) -> int:
        """A life of the hub in the city `folder`; what it says goes to `said`. It may open so many files, and take so much memory beside
        what it has when it begins (0: as usual). Gives its process id."""
        order = {
            "folder": str(folder), "record": str(record), "orders": str(orders.path), "canary": canary, "files": files,
        }  # fmt: skip
        self._life = await asyncio.to_thread(self._fork, order, said)
        if memory_mb:  # before anybody knows of the life, and may give it all memory again
            most = address_space(self._life.pid) + memory_mb * (1 << 20)
            resource.prlimit(self._life.pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
        return self._life.pid

    def _fork(self, order: dict[str, Any], said: Path) -> forked.Forked:
        assert self._nursery is not None
        with said.open("ab") as words, open(os.devnull, "wb") as nothing:
            return self._nursery.fork(order, nothing.fileno(), words.fileno())

    async def end(self) -> int:
        """Wait until the life has ended; gives its exit code, or minus the signal that ended it."""
        assert self._life is not None
        return await asyncio.to_thread(self._life.wait)

    async def close(self) -> None:
        """A life that may still be going on ends with it."""
        if self._nursery is not None:
            await asyncio.to_thread(self._nursery.close)


def address_space(pid: int) -> int:
    """Bytes (proc(5), statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


# ------------------------------------------------------------------------------------------------- in the nursery itself


def _live(order: dict[str, Any]) -> int:
    """In the forked process: the shim begins, then the command."""
    _end_with_the_parent()
    from hub.cli import main
    from tests.oracle import canaries

    shim = ctypes.CDLL(None)
    folder, record, orders = (os.fsencode(order[name]) for name in ("folder", "record", "orders"))
    if shim.oracle_begin(folder + b"/var", record, orders):
        raise SystemExit("the shim could not begin")
    if order["files"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(order["files"]), int(order["files"])))
    if order["canary"]:
        canaries.let_in(order["canary"])
    return int(main(["run", order["folder"]]) or 0)


def _end_with_the_parent() -> None:
    """A test that is killed leaves no hubs behind (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _lived(order: dict[str, Any]) -> int:
    code = 70
    try:
        code = _live(order)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
    return code


if __name__ == "__main__":
    orders = socket.socket(fileno=int(sys.argv[1]))
    _end_with_the_parent()
    forked.load()
    os._exit(_lived(forked.nurse(orders)))
