"""One connection to a SIP server: UDP from one socket, or one TCP connection for everything (the way through NAT, Annex M)."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

from adapters.gb28181.sip import Framer, Malformed, SipMessage, parse

logger = logging.getLogger(__name__)

READ_BYTES = 64 << 10
Hear = Callable[[SipMessage], None]


class Link(ABC):
    """What both have. Only the server's own address is listened to. `lost` is set when nothing more will come."""

    reliable = False
    name = "UDP"

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self.lost = asyncio.Event()
        self.malformed = 0
        self.local = ("0.0.0.0", 0)

    @abstractmethod
    def send(self, data: bytes) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def _take(self, found: SipMessage | Malformed) -> None:
        if isinstance(found, Malformed):
            self.malformed += 1
            logger.warning("SIP server sent something unreadable: %s", found.detail)
            return
        self._hear(found)


class UdpLink(Link, asyncio.DatagramProtocol):
    _transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # not an instance of it before Python 3.12
        self.local = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data.strip(b"\r\n\0"):  # empty lines keep NAT bindings open
            self._take(parse(data))

    def error_received(self, exc: Exception) -> None:
        logger.info("SIP server over UDP: %s", exc)  # nobody listens there now; retransmission goes on

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    def send(self, data: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.sendto(data)

    def close(self) -> None:
        if self._transport:
            self._transport.close()


class TcpLink(Link, asyncio.Protocol):
    reliable = True
    name = "TCP"
    _transport: asyncio.Transport | None = None

    def __init__(self, hear: Hear) -> None:
        super().__init__(hear)
        self._framer = Framer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.local = transport.get_extra_info("sockname")[:2]

    def data_received(self, data: bytes) -> None:
        for found in self._framer.feed(data):
            self._take(found)
        if self._framer.broken:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    def send(self, data: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        if self._transport:
            self._transport.close()


async def connect(scheme: str, host: str, port: int, local: tuple[str, int] | None, hear: Hear) -> Link:
    """A link to the server. Raises OSError where there is none."""
    loop = asyncio.get_running_loop()
    link: Link
    if scheme == "tcp":
        tcp = TcpLink(hear)
        await loop.create_connection(lambda: tcp, host, port, local_addr=local)
        link = tcp
    else:
        udp = UdpLink(hear)
        await loop.create_datagram_endpoint(lambda: udp, local_addr=local, remote_addr=(host, port))
        link = udp
    return link
