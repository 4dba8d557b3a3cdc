"""Commands of cityhub: each a real process, forked from one that has loaded the program already (a nursery).

    python -m tests.acceptance.forked FD        forks a command for each order (JSON) that comes by the socket FD

To load the program costs more than a second of a processor, a fork some milliseconds, and the tests start some hundred hubs and commands.
Everything after the loading is the real thing: the command reads its arguments, environment, files and signals, and ends, as if it had been
started by itself. What is about the loading starts it anew: `python -m hub.cli`.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
ORDER_BYTES = 1 << 17


class Forked:
    """One running process; of `subprocess.Popen` it has what tests use."""

    def __init__(self, pid: int, ended: int) -> None:
        """`ended`: a pipe by which the nursery tells its end."""
        self.pid, self._ended = pid, ended
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, or minus the signal that ended it; None while it runs."""
        if self.returncode is None and select.select([self._ended], [], [], 0)[0]:
            self._take()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code once it has ended. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self._take()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _take(self) -> None:
        code = os.read(self._ended, 32)
        os.close(self._ended)
        if not code:
            raise RuntimeError("the process that others are forked from has ended")
        self.returncode = int(code)


class Nursery:
    """A process `python -m MODULE FD` that has loaded the program and calls `nurse`. Of any thread."""

    def __init__(self, module: str, **environment: str) -> None:
        self._ordering = threading.Lock()  # tests start several machines at once: each must hear of its own process
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno())],
                cwd=ROOT,
                env={
                    **os.environ,
                    "OPENBLAS_NUM_THREADS": "1",
                    **environment,
                },  # no thread may run where a fork is made
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def fork(self, order: dict[str, Any], stdout: int, stderr: int) -> Forked:
        """A process that does this and writes to these file descriptors."""
        ended, told = os.pipe()
        with self._ordering:
            try:
                socket.send_fds(self._orders, [json.dumps(order).encode()], [stdout, stderr, told])
            finally:
                os.close(told)
            return Forked(int(self._orders.recv(32)), ended)

    def close(self) -> None:
        """End it, and every process forked from it."""
        self._orders.close()
        self._process.wait()


@cache
def _commands() -> Nursery:
    """Started with the first command, once a worker, and ended with it."""
    made = Nursery("tests.acceptance.forked")
    atexit.register(made.close)
    return made


_FIRST = threading.Lock()


def command(arguments: Sequence[str], stdout: int, stderr: int) -> Forked:
    """`cityhub` with these arguments, in the root of the project, with the environment of now."""
    with _FIRST:
        nursery = _commands()
    order = {"arguments": list(arguments), "environment": dict(os.environ), "folder": str(ROOT)}
    return nursery.fork(order, stdout, stderr)


def start(arguments: Sequence[str]) -> tuple[Forked, IO[str]]:
    """The command, and what it will say on stderr; its stdout is that of the tests."""
    reading, writing = os.pipe()
    try:
        return command(arguments, 1, writing), open(reading, encoding="utf-8")
    finally:
        os.close(writing)


def run(arguments: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """The command to its end, with all that it said. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as error:
        running = command(arguments, out.fileno(), error.fileno())
        try:
            code = running.wait(timeout)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            raise
        out.seek(0)
        error.seek(0)
        return subprocess.CompletedProcess(["cityhub", *arguments], code, out.read(), error.read())


# ------------------------------------------------------------------------------------------------- in the nursery itself


def load() -> None:
    """All that a hub or a command loads, before the first fork."""
    for name in ("hub.app.hub", "hub.store.duckdb", "hub.store.influxdb", "uvicorn.protocols.websockets.auto"):
        import_module(name)
    from hub.app.plugins import Plugins
    from hub.cli import parser
    from rules.book import known_packs, load

    parser()  # every command
    assert list(Plugins())  # every adapter
    load([], known_packs())
    assert len(os.listdir("/proc/self/task")) == 1, "something that is loaded starts a thread, which no fork would have"


def nurse(orders: socket.socket) -> dict[str, Any]:
    """Fork a process for each order. Comes back in the forked ones only, with their order; they have the signals and files of a process that begins."""
    running: dict[int, int] = {}
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        ready = select.select([orders, woken], [], [])[0]
        if woken in ready:
            os.read(woken, 512)
            for pid in list(running):
                if (done := os.waitpid(pid, os.WNOHANG))[0]:
                    _tell(running.pop(pid), os.waitstatus_to_exitcode(done[1]))
        if orders not in ready:
            continue
        text, files, _, _ = socket.recv_fds(orders, ORDER_BYTES, 3)
        if not text:
            for pid in running:
                os.kill(pid, signal.SIGKILL)
            os._exit(0)
        order, (out, error, told) = json.loads(text), files
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for end in (orders.detach(), woken, waker, told, *running.values()):
                os.close(end)
            _begin(out, error)
            return dict(order)
        os.close(out)
        os.close(error)
        running[pid] = told
        orders.send(str(pid).encode())


def _tell(told: int, code: int) -> None:
    with suppress(BrokenPipeError):  # nobody asks any more
        os.write(told, str(code).encode())
    os.close(told)


def _begin(out: int, error: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for given, place in ((out, 1), (error, 2)):
        os.dup2(given, place)
        os.close(given)


def _become(order: dict[str, Any]) -> None:
    """The command of that order."""
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    os.chdir(order["folder"])
    sys.argv = ["cityhub", *order["arguments"]]


if __name__ == "__main__":
    orders = socket.socket(fileno=int(sys.argv[1]))
    load()
    order = nurse(orders)
    _become(order)
    from hub.cli import main

    sys.exit(main(order["arguments"]))
