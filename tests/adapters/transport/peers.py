"""A toy line protocol, and a hub that answers when the test says so."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from adapters.transport import StreamAdapter, StreamOptions
from hub.bilingual import NOTHING, Text
from hub.model import Fault, FaultKind, Message, Reading, Verdict

BUFFER_BYTES = 4096


class LineCodec:
    """`login NAME`, `NAME VALUE` and `bad` lines; every line is answered by the verdict and the line."""

    def __init__(self) -> None:
        self.buffer = b""
        self.skipping = False

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        messages = []
        for line in lines:
            if self.skipping:
                self.skipping = False
            else:
                messages.append(self._message(line))
        if len(self.buffer) > BUFFER_BYTES:
            if not self.skipping:
                messages.append(Message([], [Fault(FaultKind.OVERSIZE, "line too long", self.buffer[:64])]))
            self.buffer, self.skipping = b"", True
        return messages

    def end(self, received_at: int | None = None) -> list[Message]:
        left, self.buffer = self.buffer, b""
        return [Message([], [Fault(FaultKind.TRUNCATED, "no line end", left)], raw=left)] if left else []

    def _message(self, line: bytes) -> Message:
        name, _, value = line.decode("latin-1").partition(" ")
        if name == "bad":
            return Message([], [Fault(FaultKind.SYNTAX, "bad line", line)], raw=line)
        if name == "login":
            return Message([], [], value, raw=line, login=True)
        return Message([Reading(name, None, {"count": float(value)})], [], name, raw=line)

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        return f"{verdict} ".encode() + message.raw + b"\n"


class Hub:
    """An intake that holds its verdicts back while `open` is cleared."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.states: list[tuple[str, str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.busy = 0
        self.in_flight = 0
        self.in_flight_most = 0
        self.refused_devices: set[str] = set()

    async def submit(self, messages: Sequence[Message]) -> list[Verdict]:
        self.in_flight += len(messages)
        self.in_flight_most = max(self.in_flight, self.in_flight_most)
        await self.open.wait()
        self.in_flight -= len(messages)
        if self.busy:
            self.busy -= 1
            return [Verdict.BUSY] * len(messages)
        self.messages += messages
        return [self._verdict(message) for message in messages]

    def _verdict(self, message: Message) -> Verdict:
        refused = message.device in self.refused_devices or (message.faults and not message.readings)
        return Verdict.REFUSED if refused else Verdict.STORED

    def rest_s(self) -> float:
        return 0.0

    def report(self, state: str, why: Text | str = NOTHING) -> None:
        self.states.append((state, str(why)))

    def now(self) -> int:
        return time.time_ns()

    def knows(self, device: str) -> bool:
        return True

    def attribute(self, device: str, name: str) -> float | str | None:
        return None

    @property
    def values(self) -> list[float]:
        return [reading.values["count"] for message in self.messages for reading in message.readings]  # type: ignore[misc]

    def faults(self, kind: FaultKind) -> list[Fault]:
        return [fault for message in self.messages for fault in message.faults if fault.kind is kind]


async def until(condition: Callable[[], Any], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(hub: Hub, **options: Any) -> AsyncIterator[StreamAdapter]:
    adapter = StreamAdapter("toy", StreamOptions(**options), LineCodec)
    task = asyncio.create_task(adapter.run(hub))
    try:
        # One that cannot listen says so a moment before it ends.
        await until(lambda: task.done() or adapter.bound or (hub.states and "listen" not in options))
        if task.done():
            task.result()
        yield adapter
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def port_of(adapter: StreamAdapter) -> int:
    return int(adapter.bound.rpartition(":")[2])


@asynccontextmanager
async def dialled(
    adapter: StreamAdapter, **how: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(adapter), **how)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def soon(awaitable: Awaitable[Any], within_s: float = 60.0) -> Any:
    return await asyncio.wait_for(awaitable, within_s)


TCP = "tcp://127.0.0.1:0"
