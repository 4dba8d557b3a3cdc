"""Polling one bus: one task, one client, a schedule for each device, and a breaker for each unit.

The adapter's state is what the units answer; a connection alone is no news. A dead unit costs its bus one question a minute at most; a
block that is refused, unanswered or answered in part costs only its own fields; a bus that is down is tried again with back-off.
Nothing is ever written unless the map says `writable = true` for the device and the field.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from adapters.modbus import sunspec
from adapters.modbus.bus import Bus, Down, Refused, Short, Silent, parse_url
from adapters.modbus.codec import scale_exponent
from adapters.modbus.planner import Block, halve, plan, split
from adapters.modbus.registers import Field, RegisterMap, Unit, load_map, value_of
from adapters.modbus.values import ValueProblem, encode
from hub.bilingual import NOTHING, Text, joined
from hub.error_words import words_of
from hub.metrics import vocabulary
from hub.model import Fault, FaultKind, Message, Reading, Value, Verdict
from hub.ports import Intake
from hub.units import conversion

BREAK_MAX_S = 60.0
"""Seconds between two questions to a unit that does not answer: 1, 2, 4 … up to this."""
OFFLINE_AFTER = 3
"""Unanswered questions in a row after which a device is said to be offline."""
FOR_GOOD = (1, 2, 3)
"""Exceptions by which a device refuses a block for good: function, address or value is illegal."""
CONFIGURATION_PAUSE_S = 600.0
"""Seconds for which such a block is left alone."""
BUSY_PAUSE_S = 0.2
"""Seconds before the one repeated question to a unit that says it is busy (exceptions 5 and 6)."""
RECONNECT_S = (1.0, 60.0)
SILENT_BLOCKS_MAX = 2
"""Blocks asked of a unit in one cycle while it answers none of them; of an offline unit one."""
UNHEARD_MAX = 4
"""Questions in a row without one byte of answer, after which the connection is made anew: it may be dead itself."""
FULL_LOG_PAUSE_S = 1.0
"""Seconds before a reading is offered again to a hub that is busy; polling stands still meanwhile."""


class ModbusOptions(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of a Modbus `[[adapters]]` block."""

    connect: str
    """The bus: tcp://host:502, rtu+tcp://host:4001 (RTU frames over TCP) or serial:///dev/ttyUSB0?baud=9600&parity=E."""
    map: str
    """The register map, a TOML file in the city folder."""
    timeout_s: float = 1.0
    """Seconds to wait for an answer."""
    late_s: float | None = None
    """Lines without transaction numbers (serial, rtu+tcp): seconds to wait for a late answer after a time-out, before anything
    else is asked. Left out: three times `timeout_s`."""
    retries: int = 0
    """Further tries of a request without an answer, before the unit counts as silent."""
    pause_ms: float = 0.0
    """Silence between two requests; some gateways need 100 ms."""
    connect_pause_ms: float = 0.0
    """Silence after connecting."""
    close_after_cycle: bool = False
    """Close the connection after each reading; for gateways that serve one master at a time."""

    def __post_init__(self) -> None:
        parse_url(self.connect)
        load_map(self.map)
        if not 0 < self.timeout_s <= 60 or not 0 <= self.retries <= 5:
            raise ValueError("timeout_s is more than 0 and at most 60 seconds, retries 0 to 5")
        if self.pause_ms < 0 or self.connect_pause_ms < 0:
            raise ValueError("pause_ms and connect_pause_ms are not negative")
        if self.late_s is not None and not 0 <= self.late_s <= 600:
            raise ValueError("late_s is 0 to 600 seconds")


class Health:
    """A circuit breaker: how a unit has been answering, and when it may be asked next (monotonic seconds)."""

    def __init__(self) -> None:
        self.failures = 0
        self.closed_until = 0.0
        self.online: bool | None = None
        self.why = NOTHING
        """What the last question without an answer brought."""

    def answered(self) -> bool:
        """It answered. True if that is news."""
        news = self.online is False
        self.failures, self.closed_until, self.online, self.why = 0, 0.0, True, NOTHING
        return news

    def failed(self, now: float, why: Text = NOTHING) -> bool:
        """It did not. True if it is offline by that."""
        self.failures += 1
        self.why = why
        self.closed_until = now + min(BREAK_MAX_S, 2.0 ** (self.failures - 1))
        news = self.failures >= OFFLINE_AFTER and self.online is not False
        if news:
            self.online = False
        return news


class Group:
    """The fields of one device that share a schedule, and the requests that read them."""

    def __init__(self, unit: Unit, every_s: float, fields: Sequence[Field]) -> None:
        self.unit, self.every_s, self.fields = unit, every_s, list(fields)
        self.blocks = plan(unit, self.fields)
        self.left_alone: dict[Block, float] = {}
        self.unanswered: dict[Block, tuple[int, Text]] = {}
        """Blocks without an answer: how often in a row, and what the bus said last."""
        self.heard: set[Block] = set()
        """Blocks that were answered once."""
        self._beat = 0.0
        self.due = 0.0

    def start(self, now: float) -> None:
        """Begin the schedule; jitter spreads the devices of a bus."""
        self._beat = self.due = now + random.uniform(0, min(self.every_s, self.unit.jitter_s))

    def next(self, now: float) -> None:
        """Set the next time: on the beat, with jitter; beats that were missed are left out."""
        self._beat = max(self._beat + self.every_s, now)
        self.due = max(now, self._beat + random.uniform(-1.0, 1.0) * self.unit.jitter_s)

    def in_turn(self, now: float) -> list[Block]:
        """The blocks to ask now: those that answer first, then those least often asked in vain."""
        open_now = [block for block in self.blocks if self.left_alone.get(block, 0.0) <= now]
        return sorted(open_now, key=lambda block: self.unanswered.get(block, (0, NOTHING))[0])

    def refuses_all(self) -> bool:
        """Whether the unit has refused every block for good: nothing is read of it though it answers."""
        return bool(self.blocks) and all(
            block in self.left_alone and block not in self.unanswered for block in self.blocks
        )

    def replace(self, block: Block, parts: Sequence[Block]) -> None:
        """Ask for these instead, from now on."""
        at = self.blocks.index(block)
        self.blocks[at : at + 1] = [part for part in parts if part not in self.blocks]
        self.unanswered.pop(block, None)


class Cycle:
    """What one reading of a group brought: words by table and address, faults, and whether the unit answered."""

    def __init__(self) -> None:
        self.words: dict[tuple[str, int], int] = {}
        self.faults: list[Fault] = []
        self.answered = False
        self.silence = NOTHING


def polled(options: ModbusOptions) -> list[str]:
    """The devices that its map names."""
    return [unit.device for unit in load_map(options.map).devices]


class ModbusAdapter:
    """A bus as a source of readings."""

    def __init__(self, name: str, options: ModbusOptions) -> None:
        self.name, self.options = name, options
        self.map: RegisterMap = load_map(options.map)
        self.bus = Bus(
            options.connect,
            timeout_s=options.timeout_s,
            retries=options.retries,
            pause_s=options.pause_ms / 1000,
            connect_pause_s=options.connect_pause_ms / 1000,
            late_s=options.late_s,
        )
        self.health: dict[int, Health] = {unit.unit: Health() for unit in self.map.devices}
        self.groups = [group for unit in self.map.devices for group in _groups(unit, unit.fields)]
        self._undiscovered = [unit for unit in self.map.devices if unit.sunspec]
        self._drops = 0
        """Ends of the connection in a row since a unit last answered."""

    async def run(self, intake: Intake) -> None:
        """Poll until cancelled."""
        began = time.monotonic()
        for group in self.groups:
            group.start(began)
        try:
            while True:
                try:
                    await self.bus.connect()
                    await self._poll(intake)
                except Down as error:
                    pause = min(RECONNECT_S[1], RECONNECT_S[0] * 2.0**self._drops)
                    self._drops = min(self._drops + 1, 16)
                    where = Text(f"{self.options.connect}: ", f"{self.options.connect}：")
                    again = Text(f"; tried again in {pause:.0f} s", f"；{pause:.0f} 秒后重试")
                    intake.report("down", where + words_of(error) + again)
                    await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        finally:
            self.bus.close()

    async def _poll(self, intake: Intake) -> None:
        while True:
            await self._discover(intake)
            if not self.groups:
                await asyncio.sleep(BREAK_MAX_S)
                continue
            group = min(self.groups, key=lambda one: one.due)
            wait = group.due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            health = self.health[group.unit.unit]
            now = time.monotonic()
            if now >= health.closed_until:
                message = await self._read(group, health, intake)
                if message is not None:
                    await self._hand_over(intake, message)
                if self.options.close_after_cycle or self.bus.unheard >= UNHEARD_MAX:
                    self.bus.close()
            group.next(time.monotonic())

    # ------------------------------------------------------------------------------------------------- reading

    async def _read(self, group: Group, health: Health, intake: Intake) -> Message | None:
        """One reading of a group; None where it brought nothing to tell."""
        unit = group.unit
        cycle = await self._cycle(group)
        at = intake.now()
        values, problems = _values(group.fields, cycle.words)
        faults = [
            *cycle.faults,
            *(Fault(FaultKind.VALUE, f"{unit.device}: {said}", device=unit.device) for said in problems),
        ]
        if cycle.answered:
            self._drops = 0
            if health.answered():
                values["online"] = True
        elif cycle.silence and health.failed(time.monotonic(), cycle.silence):
            values["online"] = False
        self._report(intake)
        readings = [Reading(unit.device, at, values)] if values else []
        if not readings and not faults:
            return None
        body = {"unit": unit.unit, "blocks": [block.text for block in group.blocks]}
        return Message(readings, faults, unit.device, body)

    def _report(self, intake: Intake) -> None:
        """Say what the units answer. Nothing is said until one of them has been asked."""
        asked = {
            number: health for number, health in self.health.items() if health.online is not None or health.failures
        }
        if not asked:
            return
        gone = {number: health.why for number, health in asked.items() if health.online is not True}
        said = [
            Text(f"unit {number} does not answer ({why.en})", f"从站 {number} 无应答（{why.zh}）")
            for number, why in gone.items()
        ]
        said += [
            Text(
                f"unit {group.unit.unit} leaves {block.text} unanswered ({why.en})",
                f"从站 {group.unit.unit} 未应答 {block.text}（{why.zh}）",
            )
            for group in self.groups
            if group.unit.unit not in gone
            for block, (times, why) in group.unanswered.items()
            if times >= OFFLINE_AFTER or block not in group.heard
        ]
        said += [
            Text(f"unit {group.unit.unit} refuses all that is asked", f"从站 {group.unit.unit} 拒绝全部请求")
            for group in self.groups
            if group.refuses_all()
        ]
        if not said:
            intake.report("up")
        elif len(gone) == len(self.health) and all(health.online is False for health in asked.values()):
            intake.report("down", Text("no unit answers: ", "所有从站均无应答：") + joined(said))
        else:
            intake.report("degraded", joined(said))

    async def _cycle(self, group: Group) -> Cycle:
        """Ask for every block. What is refused or unanswered costs its own block; a unit that answers nothing is left in peace soon."""
        cycle, unit = Cycle(), group.unit
        enough = 1 if self.health[unit.unit].online is False else SILENT_BLOCKS_MAX
        waiting = group.in_turn(time.monotonic())
        silent = 0
        while waiting and (cycle.answered or silent < enough):
            block = waiting.pop(0)
            try:
                words = await self._ask(unit, block)
            except Refused as refusal:
                if refusal.code not in (10, 11):
                    cycle.answered = True
                    if refusal.code in FOR_GOOD:
                        group.unanswered.pop(block, None)
                    else:  # busy, or broken: the unit is there and gives no values
                        self._unanswered(group, block, words_of(refusal))
                    waiting = self._refused(group, block, refusal, cycle) + waiting
                    continue
                cycle.silence = words_of(refusal)
                silent += 1
                self._unanswered(group, block, words_of(refusal))
            except Short as short:
                cycle.answered = True
                waiting = self._short(group, block, str(short), cycle) + waiting
            except Silent as silence:
                cycle.silence = words_of(silence)
                silent += 1
                self._unanswered(group, block, words_of(silence))
            else:
                cycle.answered = True
                group.heard.add(block)
                group.unanswered.pop(block, None)
                group.left_alone.pop(block, None)
                cycle.words.update({(block.table, block.address + i): word for i, word in enumerate(words)})
        if cycle.answered:
            self._rest(group)
        return cycle

    def _unanswered(self, group: Group, block: Block, why: Text) -> None:
        times, _ = group.unanswered.get(block, (0, NOTHING))
        group.unanswered[block] = (times + 1, why)

    def _rest(self, group: Group) -> None:
        """A unit that answers other blocks is not asked in vain for this one again and again."""
        now = time.monotonic()
        for block, (times, _) in group.unanswered.items():
            if group.left_alone.get(block, 0.0) <= now:
                group.left_alone[block] = now + min(BREAK_MAX_S, 2.0 ** (times - 1))

    async def _ask(self, unit: Unit, block: Block) -> list[int]:
        try:
            return await self.bus.read(unit.unit, block.table, block.address, block.count)
        except Refused as refusal:
            if refusal.code not in (5, 6):
                raise
        await asyncio.sleep(BUSY_PAUSE_S)
        return await self.bus.read(unit.unit, block.table, block.address, block.count)

    def _refused(self, group: Group, block: Block, refusal: Refused, cycle: Cycle) -> list[Block]:
        """What to ask instead of a refused block, remembered for all later cycles."""
        # 3 is said of a number of registers that the device does not serve at once (6.1 to 6.4, "quantity").
        parts = split(group.unit, block) if refusal.code == 2 else halve(group.unit, block) if refusal.code == 3 else []
        if parts:
            group.replace(block, parts)
            return parts
        if refusal.code in FOR_GOOD:
            group.left_alone[block] = time.monotonic() + CONFIGURATION_PAUSE_S
        device = group.unit.device
        metrics = ", ".join(field.metric for field in block.fields)
        said = f"{device}: unit {group.unit.unit} refuses {block.text} ({metrics}): {refusal}"
        cycle.faults.append(Fault(FaultKind.UNSUPPORTED, said, device=device))
        return []

    def _short(self, group: Group, block: Block, said: str, cycle: Cycle) -> list[Block]:
        """Two halves instead of a block that is answered in part: the device serves fewer at once. Its values are not used."""
        parts = halve(group.unit, block)
        if parts:
            group.replace(block, parts)
            return parts
        group.left_alone[block] = time.monotonic() + CONFIGURATION_PAUSE_S
        metrics = ", ".join(field.metric for field in block.fields)
        sentence = f"{group.unit.device}: unit {group.unit.unit} answers {block.text} ({metrics}) in part: {said}"
        cycle.faults.append(Fault(FaultKind.INCOMPLETE, sentence, device=group.unit.device))
        return []

    async def _hand_over(self, intake: Intake, message: Message) -> None:
        """Give it to the hub. While the hub is busy, polling waits: nothing that was read is lost."""
        while True:
            (verdict,) = await intake.submit([message])
            if verdict is not Verdict.BUSY:
                return
            await asyncio.sleep(FULL_LOG_PAUSE_S)

    # ------------------------------------------------------------------------------------------------- sunspec

    async def _discover(self, intake: Intake) -> None:
        """Find the models of units that have not been found yet; one that is silent is tried again by its breaker."""
        for unit in list(self._undiscovered):
            health = self.health[unit.unit]
            if time.monotonic() < health.closed_until:
                continue

            async def read(address: int, count: int, number: int = unit.unit) -> list[int]:
                return await self.bus.read(number, "holding", address, count)

            try:
                models = await sunspec.discover(read, Refused)
            except (Silent, Short) as silence:
                health.failed(time.monotonic(), words_of(silence))
                self._report(intake)
                continue
            self._undiscovered.remove(unit)
            if not models:
                bases = ", ".join(map(str, sunspec.BASES))
                missing = Text(
                    f"{unit.device}: no SunSpec models at {bases}", f"{unit.device}：在 {bases} 处未找到 SunSpec 模型"
                )
                intake.report("degraded", missing)
            known = {field.metric for field in unit.fields}
            found = [field for field in sunspec.fields(models, unit.every_s) if field.metric not in known]
            now = time.monotonic()
            for group in _groups(unit, found):
                group.start(now)
                self.groups.append(group)

    # ------------------------------------------------------------------------------------------------- writing

    async def write(self, device: str, metric: str, value: Value) -> None:
        """Write one field, in the metric's own unit. Raises PermissionError, `ValueProblem`, `Down`, `Silent`
        or `Refused`."""
        unit = next((one for one in self.map.devices if one.device == device), None)
        field = next((one for one in unit.fields if one.metric == metric), None) if unit else None
        if unit is None or field is None:
            raise PermissionError(f"the map of {self.name} has no {metric} of {device}")
        if not (unit.writable and field.writable):
            raise PermissionError(
                f"{device}, {metric}: the map does not say writable = true for the device and the field"
            )
        await self.bus.write(unit.unit, field.table, field.address, _words(field, value))


def _groups(unit: Unit, fields: Sequence[Field]) -> list[Group]:
    beats = sorted({field.every_s for field in fields})
    return [Group(unit, every_s, [field for field in fields if field.every_s == every_s]) for every_s in beats]


def _values(fields: Sequence[Field], words: dict[tuple[str, int], int]) -> tuple[dict[str, Value], list[str]]:
    """The fields whose registers all came, and sentences about those that hold no usable value."""
    values: dict[str, Value] = {}
    problems: list[str] = []
    for field in fields:
        span = range(field.address, field.address + max(1, field.registers))
        if any((field.table, address) not in words for address in span):
            continue
        exponent = None
        if field.scale_register is not None:
            word = words.get((field.table, field.scale_register))
            exponent = None if word is None else scale_exponent(word)
            if exponent is None:
                continue
        try:
            value = value_of(field, [words[field.table, address] for address in span], exponent)
        except ValueProblem as problem:
            problems.append(str(problem))
            continue
        if value is not None:
            values[field.metric] = value
    return values, problems


def _words(field: Field, value: Value) -> list[int]:
    """The registers that make the field hold `value`. Raises `ValueProblem`."""
    if field.bit is not None or field.scale_register is not None:
        raise ValueProblem(f"{field.metric} is a part of a register, or scaled by another one, and is not written")
    raw: Any = value
    if field.states:
        raw = next(
            (int(key) for key, text in field.states.items() if text == value and key.lstrip("-").isdecimal()), None
        )
        if raw is None:
            raise ValueProblem(f"{value!r} is none of the states of {field.metric}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        metric = vocabulary()[field.metric]
        if metric.type == "number":
            scale, shift = conversion(metric.unit, field.unit or metric.unit)
            number = value * scale + shift
            if field.range and not field.range[0] <= number <= field.range[1]:
                raise ValueProblem(f"{number:g} is outside the range {list(field.range)} of {field.metric}")
            raw = (number - field.offset) / field.scale
    if field.is_bits:
        return [int(bool(raw))]
    return encode(raw, field.type, field.order, field.length)
