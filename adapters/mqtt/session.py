"""One connection to a broker: handshake, messages in groups, acknowledgements held back until the hub's verdict.

An `asyncio.Protocol`, because one call for each chunk of bytes, one `submit` for all messages in it and one write for
all their acknowledgements is what carries tens of thousands of messages a second (docs/decisions/mqtt-client.md).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from adapters.mqtt import codec
from adapters.mqtt.codec import Connack, Decoder, Disconnect, Publish, Pubrel, Suback
from hub.bilingual import NOTHING, Text, quoted
from hub.decoding import AT_ONCE_BYTES, decoded
from hub.defects import told
from hub.error_words import words_of
from hub.model import Message, Verdict
from hub.ports import Intake

Read = Callable[[Publish, int | None], Message]
_Received = tuple[Publish, int | None]
"""A message, and when it was received where that may stand for its readings' time."""
FollowUp = Callable[[Message, int], bytes]
"""What is to be sent because of a message, beside its acknowledgement: (message, protocol version) → packets."""


def nothing(message: Message, version: int) -> bytes:
    return b""


class Lost(Exception):
    """The connection ended, or never came to be; the text says why, in words for people."""

    def __init__(self, why: Text, code: int = 0) -> None:
        super().__init__(why)
        self.code = code


IN_FLIGHT_BYTES_MAX = 16 << 20
"""Of payloads that are read and not yet answered; beyond, nothing more is read. `receive_max` alone would let a broker hand over
2,000 messages of a mebibyte each."""


class _Group:
    """The messages of one chunk of bytes: their verdicts, and what answers them."""

    __slots__ = ("answers", "count", "size", "verdicts")

    def __init__(self, verdicts: asyncio.Future[list[Verdict]], answers: list[bytes], count: int, size: int) -> None:
        self.verdicts = verdicts
        self.answers = answers
        self.count = count
        self.size = size


class Session(asyncio.Protocol):
    """From TCP connected to connection lost. `read` decodes a message; its exceptions end the connection."""

    def __init__(
        self,
        intake: Intake,
        read: Read,
        now: Callable[[], int],
        version: int,
        in_flight_max: int,
        packet_bytes_max: int,
        follow_up: FollowUp = nothing,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.connack: asyncio.Future[Connack] = loop.create_future()
        self._suback: asyncio.Future[Suback] = loop.create_future()
        self._subscribing = 0
        self.closed: asyncio.Future[None] = loop.create_future()
        self.in_flight = 0
        self.in_flight_bytes = 0
        self.version = version
        self._loop = loop
        self._intake = intake
        self._read = read
        self._follow_up = follow_up
        self._now = now
        self._in_flight_max = in_flight_max
        self._decoder = Decoder(version, packet_bytes_max)
        self._groups: deque[_Group] = deque()
        self._transport: asyncio.Transport | None = None
        self._why: Lost | None = None
        self._paused = False
        """Whether the socket is not read; `_full`, `_resting` and `_leaving` are why."""
        self._full = self._leaving = False
        self._resting: asyncio.TimerHandle | None = None
        """While nothing that comes could be acknowledged any sooner if it was read."""
        self._writable = True
        self._next_at = 0
        self._reading: asyncio.Event | None = None
        """Set when the newest group that is decoded apart has been; None where none is."""
        self._heard_at = loop.time()
        self._pinged = False
        self._pinger: asyncio.TimerHandle | None = None
        self._drained: asyncio.Event = asyncio.Event()
        self._drained.set()

    # ------------------------------------------------------------------------------------------ what the adapter does

    def send(self, packet: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(packet)

    async def subscribe(self, packet_id: int, topics: Sequence[str]) -> Suback:
        """The broker's answer to a SUBSCRIBE with this id. Raises `Lost` where the connection ends before it."""
        if self._subscribing and self._suback.done() and self._suback.exception() is None:
            self._suback = self._loop.create_future()
        self._subscribing = packet_id
        self.send(codec.subscribe(packet_id, topics, self.version))
        return await self._suback

    def keep_alive(self, seconds: float) -> None:
        """Ask after the broker when it was silent for `seconds`, and give it up when it does not answer."""
        self._pinger = self._loop.call_later(seconds, self._ping, seconds)

    def give_up(self, why: Text, code: int = 0) -> None:
        """Drop the connection at once: what is not acknowledged the broker will deliver again."""
        if self._why is None:
            self._why = Lost(why, code)
        if self._transport is not None:
            self._transport.abort()

    async def leave(self, timeout_s: float = 5.0) -> None:
        """Take no more, acknowledge what the log still owes a verdict, say good-bye; the broker keeps the session."""
        if self._transport is None or self._transport.is_closing():
            return
        self._leaving = True
        self._balance()
        try:
            await asyncio.wait_for(self._drained.wait(), timeout_s)
        except TimeoutError:
            pass
        self.send(codec.disconnect(self.version))
        self._transport.close()

    # ---------------------------------------------------------------------------------------------- what asyncio does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        for timer in (self._pinger, self._resting):
            if timer is not None:
                timer.cancel()
        broke = Text("the connection broke: ", "连接中断：")
        lost = self._why or Lost(
            broke + words_of(error) if error else Text("the broker closed the connection", "消息代理关闭了连接")
        )
        for waiter in (self.connack, self._suback, self.closed):
            if not waiter.done():
                waiter.set_exception(lost)
                waiter.exception()  # whoever waits gets it; whoever does not has no need of a warning
        self._groups.clear()
        self._drained.set()

    def pause_writing(self) -> None:
        self._writable = False
        self._balance()

    def resume_writing(self) -> None:
        self._writable = True
        self._balance()

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._pinged = False
        received: list[_Received] = []
        answers: list[bytes] = []
        # Undated readings get the receive time as theirs, and a store keys them by it: no two messages may share one.
        now = max(self._now(), self._next_at)
        for packet in self._decoder.feed(data):
            if type(packet) is Publish:
                received.append((packet, None if packet.retain else now))
                now += 1
                if packet.qos:
                    answer = codec.puback if packet.qos == 1 else codec.pubrec
                    answers.append(answer(packet.packet_id))
                else:
                    answers.append(b"")
            else:
                self._control(packet)
        self._next_at = now
        if received:
            self._take(received, answers)
            self._rest()
            self._balance()
        if self._decoder.error is not None:
            self.send(codec.disconnect(self.version, 0x81) if self.version == codec.V5 else b"")
            self.give_up(quoted(self._decoder.error), 0x81)

    # ------------------------------------------------------------------------------------------------------- the flow

    def _take(self, received: list[_Received], answers: list[bytes]) -> None:
        sizes = [len(packet.payload) for packet, _ in received]
        if self._reading is None and max(sizes) <= AT_ONCE_BYTES:
            verdicts: Awaitable[list[Verdict]] = self._hand_over([self._read(packet, at) for packet, at in received])
        else:
            before, self._reading = self._reading, asyncio.Event()
            verdicts = self._read_apart(received, before, self._reading)
        group = _Group(asyncio.ensure_future(verdicts), answers, len(received), sum(sizes))
        self.in_flight += group.count
        self.in_flight_bytes += group.size
        self._drained.clear()
        self._groups.append(group)
        group.verdicts.add_done_callback(self._settle)

    def _hand_over(self, messages: list[Message]) -> Awaitable[list[Verdict]]:
        if self._follow_up is not nothing:
            for message in messages:
                if more := self._follow_up(message, self.version):
                    self.send(more)
        return self._intake.submit(messages)

    async def _read_apart(
        self, received: list[_Received], before: asyncio.Event | None, read: asyncio.Event
    ) -> list[Verdict]:
        """A group that takes long to decode, or that came while one did: its turn comes when the one before is with the hub."""
        try:
            if before is not None:
                await before.wait()
            messages = [await decoded(len(packet.payload), self._read, packet, at) for packet, at in received]
        except Exception as error:
            self.give_up(Text("a message could not be read: ", "有消息无法读取：") + told(error))
            raise
        finally:
            if self._reading is read:
                self._reading = None
            read.set()
        return await self._hand_over(messages)

    async def read(self) -> None:
        """Returns when nothing that came is being decoded any more: a session's decoding keeps state, so two must not overlap."""
        while self._reading is not None:
            await self._reading.wait()

    def _settle(self, _: asyncio.Future[list[Verdict]]) -> None:
        """Acknowledge every group at the head of the line that has its verdicts: in the order received (§4.6)."""
        ready: list[bytes] = []
        busy = NOTHING
        while self._groups and self._groups[0].verdicts.done() and not busy:
            group = self._groups.popleft()
            self.in_flight -= group.count
            self.in_flight_bytes -= group.size
            failed = group.verdicts.cancelled() or group.verdicts.exception() is not None
            if failed:
                busy = Text("the hub could not take messages", "中枢未能接收消息")
                break
            for verdict, answer in zip(group.verdicts.result(), group.answers, strict=True):
                if verdict is Verdict.BUSY:
                    busy = Text("the hub is busy", "中枢繁忙")
                    break
                ready.append(answer)
        if ready:
            self.send(b"".join(ready))
        if not self.in_flight:
            self._drained.set()
        if busy:
            again = Text(
                "; the broker will deliver what was not acknowledged again", "；未确认的消息将由消息代理重新投递"
            )
            self._loop.call_soon(self.give_up, busy + again)
        if self._full:
            self._balance()

    def _rest(self) -> None:
        """Leave what comes next in the socket where it would only wait: a broker that sends each message at once wakes the hub for each."""
        if self._resting is None and self._reading is None and (rest_s := self._intake.rest_s()) > 0:
            self._resting = self._loop.call_later(rest_s, self._rested)

    def _rested(self) -> None:
        self._resting = None
        self._balance()

    def _balance(self) -> None:
        """Read while what is in flight is bounded, and there is a use in it; the broker waits on its side of the socket."""
        if self._transport is None or self._transport.is_closing():
            return
        most = self._in_flight_max // 2 + 1 if self._full else self._in_flight_max
        self._full = not self._writable or self.in_flight_bytes >= IN_FLIGHT_BYTES_MAX or self.in_flight >= most
        pauses = self._full or self._leaving or self._resting is not None
        if pauses and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        elif self._paused and not pauses:
            self._paused = False
            self._heard_at = self._loop.time()
            self._transport.resume_reading()

    def _control(self, packet: codec.Packet) -> None:
        if isinstance(packet, Connack) and not self.connack.done():
            self.connack.set_result(packet)
        elif isinstance(packet, Suback) and not self._suback.done() and self._subscribing in (0, packet.packet_id):
            self._suback.set_result(packet)
        elif isinstance(packet, Pubrel):
            self.send(codec.pubcomp(packet.packet_id))
        elif isinstance(packet, Disconnect):
            said = codec.reason(packet.code, packet.properties)
            self.give_up(Text("the broker said good-bye: ", "消息代理主动断开：") + said, packet.code)

    def _ping(self, seconds: float) -> None:
        """§3.1.2.10: something must be sent within the keep-alive time; an unanswered PINGREQ means a dead broker."""
        silent = self._loop.time() - self._heard_at
        if self._pinged and silent >= seconds and not self._paused:
            self.give_up(Text(f"the broker did not answer for {silent:.0f} s", f"消息代理 {silent:.0f} 秒未应答"))
            return
        self.send(codec.PINGREQ)
        self._pinged = True
        self._pinger = self._loop.call_later(seconds, self._ping, seconds)
