"""Lives of one hub: each a real process of `cityhub run`, forked from one that has loaded the program already, under the shim.

    python -m tests.oracle.lives        one order (JSON) a line on stdin, what became of it on stdout

A fork costs milliseconds where a start costs seconds of loading; everything else of a start is the real thing.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.oracle.shim import Orders, built

ROOT = Path(__file__).resolve().parents[2]


class Nursery:
    """The process that lives are forked from."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def open(self) -> None:
        environment = {
            **os.environ,
            "LD_PRELOAD": str(built()),
            "OPENBLAS_NUM_THREADS": "1",  # no thread may run where a fork is made
            "PYTHONPATH": str(ROOT),
        }
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.oracle.lives",
            cwd=ROOT, env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert (await self._line())["ready"]

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
        assert self._process is not None
        assert self._process.stdin is not None
        order = {
            "folder": str(folder), "record": str(record), "orders": str(orders.path), "said": str(said), "canary": canary, "files": files,
            "memory_mb": memory_mb,
        }  # fmt: skip
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return int((await self._line())["pid"])

    async def end(self) -> int:
        """Wait until the life has ended; gives its exit code, or minus the signal that ended it."""
        return int((await self._line())["code"])

    async def _line(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that hubs are forked from has ended")
        found: dict[str, Any] = json.loads(line)
        return found

    async def close(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()  # and the life that may still be going on ends with it
            await self._process.wait()


def address_space(pid: int) -> int:
    """Bytes (proc(5), statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


# ------------------------------------------------------------------------------------------------- in the nursery itself


def _live(order: dict[str, Any]) -> int:
    """In the forked process: the shim begins, then the command."""
    _end_with_the_parent()
    from hub.cli import main
    from tests.oracle import canaries

    said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.dup2(said, 2)
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


def _nurse() -> None:
    _end_with_the_parent()
    import hub.app.hub
    import hub.app.plugins
    import hub.cli.serving
    import hub.store.influxdb

    for name in ("webhook", "mqtt"):
        hub.app.plugins.Plugins()[name]
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin.buffer:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                code = _live(order)
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else 1
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stderr.flush()
                os._exit(code)
        if order["memory_mb"]:  # before anybody knows of the life, and may give it all memory again
            most = address_space(pid) + int(order["memory_mb"]) * (1 << 20)
            resource.prlimit(pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
        print(json.dumps({"pid": pid}), flush=True)
        status = os.waitpid(pid, 0)[1]
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _nurse()
