"""Where the API listens: its address, bound again and again until it can be, and a socket in the data folder for commands."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from hub.api.routes import build
from hub.api.state import State
from hub.app.connections import settings
from hub.app.files import SOCKET, socket_path
from hub.bilingual import Text
from hub.config import split_address
from hub.error_words import words_of
from hub.health import Part
from hub.sockets import listener, not_bound
from hub.tls import LOOK_EVERY_S, ServerTls

AGAIN_S = 5.0
"""Between two attempts to listen on an address that cannot be had."""
UNLISTEN_S = 0.5
"""uvicorn waits a tenth of a second for connections that it asked to end; open streams then end by themselves."""
DATE_EVERY_S = 1.0
"""So often the Date of answers is made anew."""

COMMANDS_ONLY = Text(
    "for commands on this machine only: it has not the role api", "只接受本机命令：此节点没有 api 角色"
)


class Listening:
    """The API of one hub. `open` returns when commands on this machine can be answered; the public address may come later."""

    def __init__(self, state: State, listen: str, data: Path, part: Part) -> None:
        api = state.config.api
        self._tls = api.server_tls()
        self._scheme = "https" if self._tls else "http"
        self.address = f"{self._scheme}://{listen}"
        self._state, self._listen, self._data, self._part = state, listen, data, part
        self._servers: list[_Server] = []
        self._serving: list[asyncio.Task[None]] = []
        self._sockets: list[socket.socket] = []
        self._trying: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def open(self, public: bool = True) -> None:
        """`public`: listen at the address too, and not only for commands on this machine."""
        path = self._data / SOCKET
        path.unlink(missing_ok=True)
        local = socket.socket(socket.AF_UNIX)
        local.bind(socket_path(self._data))
        path.chmod(0o600)
        await self._serve(local, trusted=True)
        if not public:
            self._part.report("up", COMMANDS_ONLY)
        elif not await self._try():
            self._trying = asyncio.create_task(self._try_again())

    @property
    def listens(self) -> bool:
        return self._part.state == "up"

    @property
    def reason(self) -> str:
        """Why it does not listen, or where it does."""
        return self._part.reason

    def _where(self) -> Text:
        return Text(f"listening on {self.address}", f"正在监听 {self.address}")

    async def _try(self) -> bool:
        try:
            public = listener(*split_address(self._listen))
        except OSError as error:
            self._part.report(
                "down",
                not_bound(self._listen, error)
                + Text(f"; tried again every {AGAIN_S:.0f} s", f"；每 {AGAIN_S:.0f} 秒重试"),
            )
            return False
        self.address = "{}://{}:{}".format(self._scheme, *_shown(public))
        await self._serve(public, trusted=False)
        self._part.report("up", self._where())
        if self._tls is not None and self._renewing is None:
            self._renewing = asyncio.create_task(self._renew(self._tls))
        return True

    async def _renew(self, tls: ServerTls) -> None:
        """Certificates are renewed every few weeks, lists of what was taken back every day or so. New connections get the new ones, and
        whoever is known by a certificate has to show it again."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                if tls.renew():
                    for connection in [one for server in self._servers for one in server.server_state.connections]:
                        connection.end_if_certified()
                    self._part.report("up", self._where() + Text(", with the certificate renewed", "，证书已更新"))
            except OSError as error:
                kept = Text("; the certificate of before is in use: ", "；仍使用原证书：")
                self._part.report("up", self._where() + kept + words_of(error))

    async def _try_again(self) -> None:
        while True:
            await asyncio.sleep(AGAIN_S)
            if await self._try():
                return

    async def _serve(self, sock: socket.socket, trusted: bool) -> None:
        self._sockets.append(sock)
        tls = None if trusted else self._tls
        told = uvicorn.Config(
            build(self._state, trusted),
            ssl_context_factory=None if tls is None else lambda *_: tls.context,
            **settings([] if trusted else self._state.config.api.proxies),
        )
        server = _Server(told)
        self._servers.append(server)
        self._serving.append(asyncio.create_task(server.serve(sockets=[sock])))
        while not server.started:
            await asyncio.sleep(0.01)

    def shut(self) -> None:
        """Take no more requests; those under way are answered."""
        for task in (self._trying, self._renewing):
            if task is not None:
                task.cancel()
        for server in self._servers:
            server.end()

    async def close(self) -> None:
        """After `shut`. Sockets must leave the loop before they are closed, or the loop keeps dead descriptors."""
        if self._serving:
            await asyncio.wait(self._serving, timeout=UNLISTEN_S)
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        for sock in self._sockets:
            sock.close()
        (self._data / SOCKET).unlink(missing_ok=True)


class _Server(uvicorn.Server):  # type: ignore[misc]
    """uvicorn without its signal handlers: the hub decides when to stop, and says so. It does not look ten times a second, which is a fifth of
    what a hub costs that has nothing to do."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    def end(self) -> None:
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(DATE_EVERY_S):
                    await self._ending.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _shown(sock: socket.socket) -> tuple[str, int]:
    host, port = sock.getsockname()[:2]
    return (f"[{host}]" if ":" in host else host), port
