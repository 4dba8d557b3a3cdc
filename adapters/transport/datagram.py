"""UDP: one codec per peer, remembered for a while, within bounds; what does not fit is dropped and counted."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TypeAlias, cast

from adapters.transport.connection import ASSEMBLY_AGE_MAX_NS
from adapters.transport.options import StreamOptions
from adapters.transport.session import Session, Sessions
from adapters.transport.tally import Tally
from hub.model import Message, Verdict
from hub.ports import Codec, Intake

Address: TypeAlias = tuple[str, int]

HELD_DATAGRAMS_MAX = 16
"""Datagrams of one peer that wait for the verdict on its login."""
EXPIRY_INTERVAL_S = 5.0


class DatagramPeer:
    """A remembered sender."""

    def __init__(self, session: Session, now_s: float) -> None:
        self.session = session
        self.heard_s = now_s
        self.logging_in = False
        self.held: deque[bytes] = deque()
        self.last_answer: asyncio.Task[None] | None = None


class DatagramHub(asyncio.DatagramProtocol):
    """Every peer of one UDP socket."""

    def __init__(
        self, make_codec: Callable[[], Codec], sessions: Sessions, intake: Intake, tally: Tally, options: StreamOptions
    ) -> None:
        self._make_codec = make_codec
        self._sessions = sessions
        self._intake = intake
        self._tally = tally
        self._options = options
        self._by_host: OrderedDict[str, OrderedDict[int, DatagramPeer]] = OrderedDict()
        self._peers = 0
        self._in_flight = 0
        self._congested = False
        self._transport: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # ------------------------------------------------------------------------------------------------- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        peer = self._peer(addr)
        if peer.logging_in:
            if len(peer.held) < HELD_DATAGRAMS_MAX:
                peer.held.append(data)
            else:
                self._tally.note(f"{peer.session.peer}: datagrams dropped while its login waits for the log", data)
            return
        self._take(peer, data)

    def pause_writing(self) -> None:
        self._congested = True  # answers that do not fit are lost, as datagrams may be; devices send again

    def resume_writing(self) -> None:
        self._congested = False

    def error_received(self, exc: Exception) -> None:
        """An ICMP refusal of some answer: that peer's own affair."""

    def connection_lost(self, exc: Exception | None) -> None:
        if self.failure.done():
            return
        if exc is None:
            self.failure.cancel()
        else:
            self.failure.set_exception(exc)

    # ----------------------------------------------------------------------------------------------------- taking data

    def _take(self, peer: DatagramPeer, data: bytes) -> None:
        session = peer.session
        now_s = asyncio.get_running_loop().time()
        if session.allowance.exhausted(now_s):
            self._tally.note(f"{session.peer} sends more than its limit; datagrams dropped", data)
            return
        if self._in_flight >= self._options.in_flight_max:
            self._tally.note("datagrams dropped: too many frames wait for the log", data)
            return
        now = self._intake.now()
        messages = [*session.codec.feed(data, now), *session.codec.end(now)]
        session.allowance.spend(max(1, len(messages)), len(data), now_s)
        peer.heard_s = now_s
        if messages:
            self._submit(peer, messages)

    def _submit(self, peer: DatagramPeer, messages: list[Message]) -> None:
        messages = [peer.session.admit(message) for message in messages]
        peer.logging_in = peer.session.settles or any(message.login for message in messages)
        self._in_flight += len(messages)
        pending = asyncio.ensure_future(self._intake.submit(messages))
        task = asyncio.create_task(self._answer(peer, messages, pending, peer.last_answer))
        peer.last_answer = task
        self._tasks.add(task)
        task.add_done_callback(self._answered)

    async def _answer(
        self,
        peer: DatagramPeer,
        messages: list[Message],
        pending: asyncio.Future[list[Verdict]],
        before: asyncio.Task[None] | None,
    ) -> None:
        if before is not None and not before.done():
            await asyncio.wait((before,))
        try:
            verdicts = await pending
        finally:
            self._in_flight -= len(messages)
        now = self._intake.now()
        for message, verdict in zip(messages, verdicts, strict=True):
            self._sessions.settle(peer.session, message, verdict)
            reply = peer.session.codec.reply(message, verdict, now)
            if reply is not None:
                peer.session.send(reply)
            elif verdict is Verdict.BUSY:
                self._tally.note("datagrams dropped: the hub was busy", message.raw)
        if peer.logging_in:
            peer.logging_in = False
            while peer.held and not peer.logging_in:
                self._take(peer, peer.held.popleft())

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.failure.done():
            self.failure.set_exception(error)

    # ----------------------------------------------------------------------------------------------- remembering peers

    def _peer(self, addr: Address) -> DatagramPeer:
        host, port = addr[0], addr[1]
        of_host = self._by_host.get(host)
        peer = of_host.get(port) if of_host is not None else None
        if peer is None:
            peer = self._remember(addr)
        self._by_host.move_to_end(host)
        self._by_host[host].move_to_end(port)
        return peer

    def _remember(self, addr: Address) -> DatagramPeer:
        """A new peer; the address with too many gives up its own oldest, else the longest silent address does."""
        host, port = addr[0], addr[1]
        of_host = self._by_host.get(host)
        if of_host is not None and len(of_host) >= self._options.connections_per_peer_max:
            self._forget(host, next(iter(of_host)))
        elif self._peers >= self._options.connections_max:
            silent = next(iter(self._by_host))
            self._forget(silent, next(iter(self._by_host[silent])))
        where = f"udp peer {host}:{port}"

        def send(data: bytes) -> bool:
            if self._transport is None or self._transport.is_closing() or self._congested:
                return False
            self._transport.sendto(data, None if self._connected() else addr)
            return True

        session = Session(where, self._make_codec(), self._options, send, lambda _why: self._forget(host, port))
        peer = DatagramPeer(session, asyncio.get_running_loop().time())
        self._by_host.setdefault(host, OrderedDict())[port] = peer
        self._peers += 1
        return peer

    def _connected(self) -> bool:
        return self._transport is not None and self._transport.get_extra_info("peername") is not None

    def _forget(self, host: str, port: int) -> None:
        of_host = self._by_host.get(host)
        peer = of_host.pop(port, None) if of_host is not None else None
        if peer is None:
            return
        if not of_host:
            del self._by_host[host]
        self._peers -= 1
        self._sessions.leave(peer.session)
        left = peer.session.codec.feed(b"", self._intake.now() + ASSEMBLY_AGE_MAX_NS)
        if left:
            self._submit(peer, left)

    async def run(self) -> None:
        """Forget silent peers until cancelled; raises what the hub's own side raised."""
        try:
            while True:
                await asyncio.wait((self.failure,), timeout=EXPIRY_INTERVAL_S)
                if self.failure.done():
                    self.failure.result()
                self._expire()
        finally:
            if self._transport is not None:
                self._transport.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.sleep(0)  # the loop closes the socket in its next turn

    def _expire(self) -> None:
        silent_since_s = asyncio.get_running_loop().time() - self._options.idle_timeout_s
        stale = [
            (host, port)
            for host, of_host in self._by_host.items()
            for port, peer in of_host.items()
            if peer.heard_s < silent_since_s
        ]
        for host, port in stale:
            self._forget(host, port)
