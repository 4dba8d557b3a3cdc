"""One connection to the API, as uvicorn makes it, with two things more: slow requests are cut off, and a client's certificate is known.

A request line and headers that come byte by byte hold a connection for ever otherwise (Slowloris); so does a body.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from hub.api.problem import problem
from hub.tls import names_in

HEAD_S = 15.0
"""From the first byte of a request, or the connection's start, to the end of its headers."""
BODY_S = 300.0
"""And to the end of its body: 8 MiB over a line of 230 kbit/s."""
NO_HTTP = "this is no request of HTTP/1.1 (RFC 9112)"


class Connection(H11Protocol):  # type: ignore[misc]
    """`head_s`, `body_s`: shorter in tests."""

    head_s, body_s = HEAD_S, BODY_S
    app_state: dict[str, Any]
    _timer: asyncio.TimerHandle | None = None
    _awaits: str = ""

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        names = names_in(transport.get_extra_info("peercert"))
        self.app_state = {**self.app_state, "certificate": names}
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def end_if_certified(self) -> None:
        """End it where a certificate says who the client is: that certificate may have been taken back since. Who may come in comes again."""
        if self.app_state.get("certificate"):
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP hears so as every other refusal is told, and the connection ends. Where an answer has begun, it ends with it."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            told = problem(400, NO_HTTP)
            headers = [*told.raw_headers, (b"connection", b"close")]
            answer = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            for event in (answer, h11.Data(data=bytes(told.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None:
            self.cycle.disconnected = True  # whoever waits for the rest of its body hears that none comes
            self.cycle.message_event.set()
        self.transport.close()

    def _should_upgrade(self) -> bool:
        """Nothing here speaks WebSocket; who asks for it is answered over HTTP (RFC 9110, 7.8)."""
        return False

    def _watch(self) -> None:
        """Time what is awaited of the client: the head, the body, or nothing."""
        awaits = {h11.IDLE: "head", h11.SEND_BODY: "body"}.get(self.conn.their_state, "")
        if awaits == self._awaits and self._timer is not None:
            return
        self._stop()
        self._awaits = awaits
        if awaits:
            seconds = self.head_s if awaits == "head" else self.body_s
            self._timer = asyncio.get_running_loop().call_later(seconds, self._late)

    def _late(self) -> None:
        self._timer = None
        busy = self.cycle is not None and not self.cycle.response_complete
        if self._awaits == "head" and busy:
            return  # the client waits for its answer, and has asked nothing more
        self.transport.close()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def settings(proxies: list[str]) -> dict[str, Any]:
    """What uvicorn is told beside the application. Forwarded addresses are believed of stated proxies alone."""
    return {
        "http": Connection,
        "proxy_headers": bool(proxies),
        "forwarded_allow_ips": proxies,
        "log_level": "error",  # what any stranger can bring about belongs to the answer, not to the journal
        "log_config": None,  # the hub's own handlers write it, which leave out what may tell of a person
        "access_log": False,
        "lifespan": "off",
        "server_header": False,
        "timeout_graceful_shutdown": 2,
    }
