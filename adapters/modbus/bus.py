"""One master on one bus or gateway: one request at a time, and an answer is believed only where it must be that request's own.

With Modbus/TCP the transaction's number says so. Without numbers (RTU, serial or over TCP) a late answer looks like the answer to the
next request. So after a time-out the line is waited out and flushed before anything else is asked; and where nothing came at
all, the unit still owes an answer: its next one of the same shape is taken only if no second one follows it.
What came and was not taken is kept in words, for the adapter's state.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import NamedTuple

from adapters.modbus.framing import Answer, Request, read_request, write_request
from adapters.modbus.line import Down, Line, parse_url
from adapters.modbus.pdu import EXCEPTIONS, READS
from hub.bilingual import NOTHING, Text, quoted

__all__ = ["Bus", "Down", "Refused", "Short", "Silent", "parse_url"]

LATE_FACTOR = 3.0
"""How long after a time-out a late answer is waited for, in time-outs, where `late_s` says nothing."""
SETTLE_S = 0.05
"""Silence after a late answer before the line counts as clear."""
MISSES_MAX = 3
"""A unit without any answer so often in a row is dead rather than late: the line is not held up for it again."""
SENT_MAX = 64
"""Requests without an answer whose numbers are remembered, so that a late answer is known as such."""
OWED_S = 120.0
"""How long a unit owes an answer that never came."""
SAID_MAX = 3


class Silent(Exception):
    """The unit did not answer in time, or with what cannot be the answer; the bus may be well."""


class Short(Exception):
    """The answer held fewer values than were asked for."""


class Refused(Exception):
    """The unit (or the gateway for it) answered with an exception."""

    def __init__(self, code: int) -> None:
        said = EXCEPTIONS.get(code, "unknown exception")
        super().__init__(Text(f"{said} ({code})", f"异常码 {code}「{said}」"))
        self.code = code


class _Sent(NamedTuple):
    unit: int
    at: float


class _Waiting:
    """The request that is out, and the answers that could be its own."""

    def __init__(self, request: Request, transaction: int, at: float) -> None:
        self.request, self.transaction, self.at = request, transaction, at
        self.answers: list[bytes] = []
        self.short: bytes | None = None
        self.news = asyncio.Event()
        self.late = False


class Bus:
    """Requests to the units of one line. Concurrent callers wait for each other."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 1.0,
        retries: int = 0,
        pause_s: float = 0.0,
        connect_pause_s: float = 0.0,
        late_s: float | None = None,
    ) -> None:
        address = parse_url(url)
        self._line = Line(address, self._heard, self._junk, self._ended)
        self._timeout_s, self._retries = timeout_s, retries
        self._late_s = LATE_FACTOR * timeout_s if late_s is None else late_s
        self._pause_s, self._connect_pause_s = max(pause_s, address.silence_s), connect_pause_s
        self._lock = asyncio.Lock()
        self._transaction = 0
        self._waiting: _Waiting | None = None
        self._sent: OrderedDict[int, _Sent] = OrderedDict()
        self._misses: dict[int, int] = {}
        self._owed: dict[tuple[int, int, int], float] = {}
        self._said: dict[int, list[str]] = {}
        self._end = NOTHING
        self.unheard = 0
        """Requests in a row after which not one byte came: the connection itself may be dead."""
        self.discarded = 0
        """Frames that came and were no answer to what was asked."""

    async def connect(self) -> None:
        """Be connected. Says nothing about the units. Raises `Down`."""
        async with self._lock:
            await self._connect()

    async def _connect(self) -> None:
        if self._line.connected:
            return
        self._end = NOTHING
        await self._line.open(max(self._timeout_s, 1.0))
        self.unheard = 0
        self._sent.clear()
        await asyncio.sleep(self._connect_pause_s)

    def close(self) -> None:
        self._line.close()

    async def read(self, unit: int, table: str, address: int, count: int) -> list[int]:
        """`count` words (or bits, as 0 and 1) of a table. Raises `Down`, `Silent`, `Short` or `Refused`."""
        request = read_request(unit, table, address, count)
        return request.values(await self._ask(request))

    async def write(self, unit: int, table: str, address: int, words: list[int]) -> None:
        """Write a coil or registers. Raises `Down`, `Silent` or `Refused`."""
        await self._ask(write_request(unit, table, address, words))

    async def _ask(self, request: Request) -> bytes:
        async with self._lock:
            for further in range(self._retries, -1, -1):
                await self._connect()
                try:
                    pdu = await self._exchange(request)
                    break
                except Silent:
                    if not further:
                        raise
                finally:
                    await asyncio.sleep(self._pause_s)
        if pdu[0] & 0x80:
            raise Refused(pdu[1])
        return pdu

    async def _exchange(self, request: Request) -> bytes:
        clock = asyncio.get_running_loop().time
        self._transaction = self._transaction % 65_535 + 1
        self._line.flush()
        waiting = self._waiting = _Waiting(request, self._transaction, clock())
        try:
            self._line.send(self._line.framing.wrap(request, waiting.transaction))
            if not await self._came(waiting, waiting.at + self._timeout_s, 1):
                if waiting.short is not None and self._line.framing.numbered:
                    raise _short(request, waiting.short)
                raise await self._nothing_in_time(waiting)
            if self._owes(request, waiting.answers[0], clock()):
                await self._make_sure(waiting)
        finally:
            self._waiting = None
        self.unheard = self._misses[request.unit] = 0
        self._said.pop(request.unit, None)
        return waiting.answers[0]

    async def _came(self, waiting: _Waiting, until: float, count: int) -> bool:
        """Whether so many answers came by then. Raises `Down` where the connection ends."""
        clock = asyncio.get_running_loop().time
        while len(waiting.answers) < count:
            if self._end or not self._line.connected:
                raise Down(self._end or Text("the connection was closed", "连接已关闭"))
            if clock() >= until or (waiting.short is not None and self._line.framing.numbered):
                return False
            waiting.news.clear()
            try:
                async with asyncio.timeout_at(until):
                    await waiting.news.wait()
            except TimeoutError:
                pass
        return True

    async def _nothing_in_time(self, waiting: _Waiting) -> Exception:
        """After a time-out: what to raise. A line without numbers is waited out first."""
        request = waiting.request
        self.unheard = 0 if self._line.last_byte_at > waiting.at else self.unheard + 1
        if self._line.framing.numbered:
            self._sent[waiting.transaction] = _Sent(request.unit, waiting.at)
            while len(self._sent) > SENT_MAX:
                self._sent.popitem(last=False)
        else:
            await self._wait_out(waiting)
        self._misses[request.unit] = self._misses.get(request.unit, 0) + 1
        if waiting.short is not None:
            return _short(request, waiting.short)
        came = self._said.pop(request.unit, [])
        return Silent(
            Text(f"no answer in {self._timeout_s:g} s", f"{self._timeout_s:g} 秒内无应答")
            + (Text("; came and was discarded: ", "；收到但已丢弃：") + quoted(", ".join(came)) if came else NOTHING)
        )

    async def _wait_out(self, waiting: _Waiting) -> None:
        """Let the late answer come, and let the line fall silent behind it."""
        clock = asyncio.get_running_loop().time
        request = waiting.request
        waiting.late = True
        dead = self._misses.get(request.unit, 0) >= MISSES_MAX
        until = clock() + (0.0 if dead else self._late_s)
        if waiting.short is not None or await self._came(waiting, until, 1):
            self._misses[
                request.unit
            ] = -1  # late, not dead: this time-out is no miss, and the next one is waited out as well
        else:
            self._owed[request.unit, request.function, request.size] = clock() + OWED_S
        while (left := self._line.last_byte_at + SETTLE_S - clock()) > 0:
            await asyncio.sleep(left)
        self._line.flush()

    def _owes(self, request: Request, pdu: bytes, now: float) -> bool:
        """Whether this answer could be one that the unit owes since before."""
        self._owed = {key: until for key, until in self._owed.items() if until > now}
        unit, function, size = request.unit, request.function, request.size
        return any(owing[:2] == (unit, function) and (owing[2] == size or pdu[0] & 0x80) for owing in self._owed)

    async def _make_sure(self, waiting: _Waiting) -> None:
        """An owed answer may be what came. Then the right one follows, as late as answers are waited for, and neither is taken."""
        clock = asyncio.get_running_loop().time
        request = waiting.request
        came = 1
        until = waiting.at + self._timeout_s + self._late_s
        while await self._came(waiting, max(until, clock() + self._timeout_s), came + 1):
            came = len(waiting.answers)
        self._owed = {key: until for key, until in self._owed.items() if key[:2] != (request.unit, request.function)}
        if came > 1:
            self.discarded += came
            raise Silent(
                Text(
                    f"{came} answers came to one request, late ones among them; all were discarded",
                    f"一次请求收到 {came} 个应答，其中有迟到的；已全部丢弃",
                )
            )

    # ------------------------------------------------------------------------------------------------- what comes

    def _heard(self, answer: Answer, now: float) -> None:
        waiting = self._waiting
        if answer.transaction is not None and (waiting is None or answer.transaction != waiting.transaction):
            self._misnumbered(answer, now)
            return
        if waiting is None:
            self._discard(answer.unit, "an answer to nothing that was asked")
            return
        request, function = waiting.request, answer.pdu[0] & 0x7F
        # On TCP unit 0 means the device itself, which may answer under its own number.
        own = answer.unit == request.unit or (answer.transaction is not None and request.unit == 0)
        if not own:
            self._discard(request.unit, f"unit {answer.unit} for unit {request.unit}")
        elif function != request.function:
            self._discard(request.unit, f"function {function} for {request.function}")
        elif not _fits(request, answer.pdu):
            self._misfit(waiting, answer)
        elif waiting.late and not waiting.answers:
            self._discard(request.unit, self._late(now - waiting.at))
            waiting.answers.append(answer.pdu)
        else:
            waiting.answers.append(answer.pdu)
        waiting.news.set()

    def _misnumbered(self, answer: Answer, now: float) -> None:
        sent = self._sent.pop(answer.transaction or 0, None)
        if sent is not None:
            self._discard(sent.unit, self._late(now - sent.at))
        elif self._waiting is not None:
            wanted = self._waiting
            self._discard(wanted.request.unit, f"transaction {answer.transaction} for {wanted.transaction}")
        else:
            self._discard(answer.unit, f"transaction {answer.transaction}, which was not asked")

    def _misfit(self, waiting: _Waiting, answer: Answer) -> None:
        """The right function with the wrong size or content. Where answers are not numbered it may be another request's."""
        request, size = waiting.request, len(answer.pdu) - 2
        self._discard(
            request.unit, f"{size} bytes of values for {request.size}" if request.size else "another write's answer"
        )
        if 0 < size < request.size and answer.pdu[1] == size:
            waiting.short = answer.pdu
            if answer.transaction is not None:
                waiting.news.set()

    def _late(self, after_s: float) -> str:
        return f"answered {after_s:.1f} s late (time-out {self._timeout_s:g} s)"

    def _junk(self, size: int) -> None:
        if self._waiting is not None:
            self._discard(self._waiting.request.unit, f"{size} bytes that are no Modbus frame")

    def _discard(self, unit: int, said: str) -> None:
        self.discarded += 1
        kept = self._said.setdefault(unit, [])
        if said not in kept:
            kept.append(said)
            del kept[:-SAID_MAX]

    def _ended(self, why: Text) -> None:
        self._end = why
        if self._waiting is not None:
            self._waiting.news.set()


def _fits(request: Request, pdu: bytes) -> bool:
    if pdu[0] & 0x80:
        return len(pdu) == 2
    if request.function in READS:
        return len(pdu) == 2 + request.size and pdu[1] == request.size
    return pdu == request.pdu[:5]


def _short(request: Request, pdu: bytes) -> Short:
    came = 8 * pdu[1] if request.function in (1, 2) else pdu[1] // 2
    return Short(
        Text(f"{request.count} values were asked for, {came} came", f"请求 {request.count} 个数值，只收到 {came} 个")
    )
