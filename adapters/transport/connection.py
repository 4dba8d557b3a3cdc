"""One connection, serial line or file: bytes to the codec, messages to the hub, answers back in frame order.

Nothing is answered before the hub's verdict (law 1). Reading stops while too many frames wait for theirs, so that
TCP slows the sender down instead of the hub growing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from adapters.transport.options import StreamOptions
from adapters.transport.session import Session, Sessions
from adapters.transport.tally import Tally
from hub.bilingual import Text
from hub.error_words import words_of
from hub.model import Fault, FaultKind, Message, Verdict
from hub.ports import Intake

READ_BYTES = 65_536
SLICE_BYTES = 4_096
"""Bytes decoded in one go: at the 20 us a byte that no codec may exceed (`tests/laws/test_codec_costs.py`) they take 82 ms."""
TURN_S = 0.02
"""Time of decoding after which other connections have their turn."""
BUSY_PAUSE_S = 0.5
ASSEMBLY_AGE_MAX_NS = 3_600 * 1_000_000_000
"""When a peer has gone, its codec is told that this much time passed, so that half-assembled parts become faults."""


class Source(Protocol):
    """Where bytes come from; `asyncio.StreamReader` is one."""

    async def read(self, n: int) -> bytes: ...


class Connection:
    def __init__(
        self,
        source: Source,
        writer: asyncio.StreamWriter | None,
        session: Session,
        sessions: Sessions,
        intake: Intake,
        tally: Tally,
        options: StreamOptions,
    ) -> None:
        self._source = source
        self._writer = writer
        self._session = session
        self._sessions = sessions
        self._intake = intake
        self._tally = tally
        self._options = options
        self._retry_busy = options.retry_busy or options.file is not None
        self._answers: asyncio.Queue[tuple[list[Message], asyncio.Future[list[Verdict]]]] = asyncio.Queue()
        self._in_flight = 0
        self._settled = asyncio.Event()
        self.messages = 0

    async def run(self) -> Text:
        """Until the peer ends, is idle or misbehaves; returns why. Raises only what the hub's own side raises."""
        answering = asyncio.create_task(self._answer())
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait((answering, reading), return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
            return await reading
        finally:
            for task in (reading, answering):
                task.cancel()
            await asyncio.gather(reading, answering, return_exceptions=True)
            self._sessions.leave(self._session)

    async def _read(self) -> Text:
        clock = asyncio.get_running_loop().time
        why = Text("the peer closed the connection", "对方关闭了连接")
        last_frame_s = opened_s = clock()
        while True:
            try:
                async with asyncio.timeout_at(self._deadline(opened_s, last_frame_s)):
                    data = await self._source.read(READ_BYTES)
            except TimeoutError:
                silent = f"{clock() - last_frame_s:.0f}"
                why = Text(f"no complete frame for {silent} s", f"{silent} 秒内没有完整报文")
                break
            except OSError as error:
                why = words_of(error)
                break
            if not data:
                break
            frames, misbehaves = await self._decode(data)
            if frames:
                last_frame_s = clock()
            if misbehaves:
                most = self._options.faults_max
                why = Text(f"closed after {most} bad frames in a row", f"连续 {most} 条错误报文，连接已关闭")
                break
            await self._keep_to_allowance(frames, len(data))
        await self._finish()
        return why

    async def _decode(self, data: bytes) -> tuple[int, bool]:
        """Decode what was read, in slices, and hand it in; gives the number of messages, and whether the peer sent too many
        bad ones in a row. Other connections have their turn whenever the slices took `TURN_S`: no peer holds the hub."""
        clock = asyncio.get_running_loop().time
        since_s = clock()
        frames, misbehaves = 0, False
        messages: list[Message] = []
        view = memoryview(data)
        for at in range(0, len(data), SLICE_BYTES):
            found = self._session.codec.feed(bytes(view[at : at + SLICE_BYTES]), self._intake.now())
            frames += len(found)
            messages += found
            misbehaves = self._session.count(found)
            if misbehaves:
                messages.append(
                    _note(
                        found[-1], f"{self._session.peer}: closed after {self._options.faults_max} bad frames in a row"
                    )
                )
                break
            if clock() - since_s > TURN_S:
                await self._deliver(messages)
                messages = []
                await asyncio.sleep(0)
                since_s = clock()
        await self._deliver(messages)
        return frames, misbehaves

    def _deadline(self, opened_s: float, last_frame_s: float) -> float | None:
        if self._options.file is not None:
            return None
        deadline_s = last_frame_s + self._options.idle_timeout_s
        if self._options.login_required and not self._session.logged_in:
            deadline_s = min(deadline_s, opened_s + self._options.login_timeout_s)
        return deadline_s

    async def _keep_to_allowance(self, frames: int, size: int) -> None:
        if self._options.file is not None:
            return
        pause_s = self._session.allowance.spend(frames, size, asyncio.get_running_loop().time())
        if pause_s > 0.0:
            self._tally.note(f"{self._session.peer} sends more than its limit; it is read more slowly")
            await asyncio.sleep(pause_s)

    async def _deliver(self, messages: Sequence[Message]) -> None:
        """Hand messages in, at most `in_flight_max` at a time; behind a login, wait for what the hub says to it."""
        batch: list[Message] = []
        for message in messages:
            batch.append(message)
            is_barrier = message.login or self._session.settles
            if is_barrier or len(batch) >= self._options.in_flight_max:
                await self._submit(batch)
                batch = []
            if is_barrier:
                await self._wait_until_in_flight(0)
        if batch:
            await self._submit(batch)

    async def _submit(self, batch: list[Message]) -> None:
        await self._wait_until_in_flight(max(0, self._options.in_flight_max - len(batch)))
        batch = [self._session.admit(message) for message in batch]
        self._in_flight += len(batch)
        self.messages += len(batch)
        self._answers.put_nowait((batch, asyncio.ensure_future(self._intake.submit(batch))))

    async def _wait_until_in_flight(self, most: int) -> None:
        while self._in_flight > most:
            self._settled.clear()
            await self._settled.wait()

    async def _finish(self) -> None:
        """The peer is gone: what its codec still holds goes in, and every verdict is awaited."""
        now = self._intake.now()
        codec = self._session.codec
        await self._deliver([*codec.end(now), *codec.feed(b"", now + ASSEMBLY_AGE_MAX_NS)])
        await self._wait_until_in_flight(0)

    async def _answer(self) -> None:
        while True:
            batch, pending = await self._answers.get()
            verdicts = await pending
            if self._retry_busy:
                verdicts = await self._until_taken(batch, verdicts)
            now = self._intake.now()
            for message, verdict in zip(batch, verdicts, strict=True):
                self._sessions.settle(self._session, message, verdict)
                reply = self._session.codec.reply(message, verdict, now)
                if reply is not None and self._writer is not None:
                    self._writer.write(reply)
            await self._drain()
            self._in_flight -= len(batch)
            self._settled.set()

    async def _until_taken(self, batch: list[Message], verdicts: list[Verdict]) -> list[Verdict]:
        """Offer again what the hub was too busy for, in order, until it is taken or refused."""
        verdicts = list(verdicts)
        while waiting := [at for at, verdict in enumerate(verdicts) if verdict is Verdict.BUSY]:
            await asyncio.sleep(BUSY_PAUSE_S)
            again = await self._intake.submit([batch[at] for at in waiting])
            for at, verdict in zip(waiting, again, strict=True):
                verdicts[at] = verdict
        return verdicts

    async def _drain(self) -> None:
        """Let the peer take its answers; one that does not read them is cut off rather than waited for for ever."""
        if self._writer is None:
            return
        try:
            async with asyncio.timeout(self._options.idle_timeout_s):
                await self._writer.drain()
        except (TimeoutError, OSError):
            self._writer.transport.abort()
            self._writer = None


def _note(last: Message, why: str) -> Message:
    kind = last.faults[-1].kind if last.faults else FaultKind.FRAME
    return Message([], [Fault(kind, why, device=last.device)], last.device)
