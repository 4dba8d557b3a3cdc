"""Tests that operators write beside their rules (`tests.yaml`): series in, expected changes at their times out.

    devices:
      - {device: a, kind: air-station, lon: 116.4, lat: 39.9}
    tests:
      - test: an hour above the limit raises, the next below it clears
        rules: pm25-hourly
        every: 1 h
        series:
          a.pm25: 40 80 _ 70
        expect:
          - {at: 1 h, device: a, change: raised, level: blue}
          - {at: 3 h, device: a, change: cleared}

A series has one value a step, in promtool's shorthand: `5`, a gap `_`, `_x3` (three gaps), `5x3` (5 and three more),
`10+5x2` (10 15 20), `10-5x2`; flags are
`true` and `false`, texts with blanks stand in quotes, a list of texts is `a|b`, an empty one `-`. `D.lon` and `D.lat` move a device. Values are in the units of
the vocabulary. `marks` has series of validity marks. `expect: []` expects silence. Everything that the named rules do must
be expected, in this order; what an expectation leaves out is not compared. `withheld: text` asks for a disaster warning held
back. With `flags`, every flag of the tests of quality must be expected: `{at: 1 h, device: a, metric: pm25, flag: suspect}`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from hub.metrics import nearest, vocabulary
from hub.model import (
    LEVELS,
    AlertChange,
    Change,
    Device,
    Event,
    Mark,
    OperatorAction,
    Position,
    Reading,
    Tick,
    Value,
    Zone,
)
from hub.moment import from_text
from hub.units import UnitError
from rules.book import CITY, RuleBook, is_test_file, known_packs, load, pack_file
from rules.engine import Engine
from rules.language import grammar as g
from rules.language.places import Document, Mistake
from rules.language.types import nanoseconds, seconds_text

DEFAULT_START = "2026-06-01T00:00:00Z"
MINUTE = 60_000_000_000
MAX_STEPS = 50_000

TEST_KEYS = (
    "test",
    "rules",
    "start",
    "every",
    "tick",
    "until",
    "delay",
    "devices",
    "zones",
    "series",
    "marks",
    "actions",
    "expect",
    "flags",
)
EXPECT_KEYS = ("at", "device", "rule", "change", "level", "values", "title", "late", "reason", "withheld", "contact")
FLAG_KEYS = ("at", "device", "metric", "flag")
FLAGS = ("suspect", "fail", "missing")
_TOKEN = re.compile(
    r"(?P<first>_|true|false|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?P<step>[+-]\d+(?:\.\d+)?)?(?:x(?P<times>\d+))?\Z"
)
_REPEATED = re.compile(r"(?P<first>.+?)x(?P<times>\d+)\Z")


class Expectation(msgspec.Struct, frozen=True):
    """One expected change; None parts are not compared. `at` is ns after the start."""

    at: int | None
    device: str | None
    rule: str | None
    change: str | None
    level: str | None
    fields: dict[str, Any]

    def shown(self) -> str:
        parts = [self.rule, self.device, self.change, self.level]
        when = f"at {seconds_text(self.at)}: " if self.at else "at 0 s: " if self.at == 0 else ""
        return when + " ".join(part for part in parts if part)


class ExpectedFlag(msgspec.Struct, frozen=True):
    """A flag that the tests of quality are to put on a value; `at` is when it was observed, ns after the start."""

    at: int | None
    device: str | None
    metric: str | None
    flag: str | None

    def shown(self) -> str:
        when = f"at {self.at / 1e9:g} s: " if self.at is not None else ""
        return when + " ".join(part for part in (self.device, self.metric, self.flag) if part)


class RuleTest(msgspec.Struct):
    """One test, read."""

    name: str
    line: int
    rules: tuple[str, ...]
    start: int
    tick: int
    until: int
    devices: list[Device]
    zones: list[Zone]
    events: list[Event]
    expected: list[Expectation]
    flags: list[ExpectedFlag] | None = None


class RuleTestResult(msgspec.Struct):
    """How one test went. `problems` are sentences; empty means it passed. `changes` is all that its rules did."""

    name: str
    file: str
    line: int
    problems: list[str]
    changes: list[AlertChange]

    @property
    def passed(self) -> bool:
        return not self.problems


class Report(msgspec.Struct):
    """Everything one call tested. `mistakes` are in the rule or test files themselves."""

    results: list[RuleTestResult]
    mistakes: list[Mistake]
    untested: list[str]
    """Rules that no test names."""


def run_path(path: Path) -> Report:
    """Test a folder with rules and `tests.yaml`, a single test file beside its rules, or a shipped pack's folder."""
    folder = path if path.is_dir() else path.parent
    pack = folder.name if folder.parent.name == "packs" else CITY
    files = [path] if path.is_file() and is_test_file(path) else sorted(p for p in folder.iterdir() if is_test_file(p))
    if pack != CITY and pack in known_packs():
        return run_pack(pack)
    book = load([folder], [])
    if not isinstance(book, RuleBook):
        return Report([], book, [])
    return _report(book, [(str(file), file.read_text("utf-8-sig")) for file in files], pack)


def run_pack(pack: str) -> Report:
    """Test a shipped pack."""
    book = load([], [pack])
    if not isinstance(book, RuleBook):
        return Report([], book, [])
    text = pack_file(pack, "tests.yaml")
    return _report(book, [(f"{pack}/tests.yaml", text)] if text is not None else [], pack)


def _report(book: RuleBook, files: Sequence[tuple[str, str]], pack: str) -> Report:
    report = Report([], [], [])
    named: set[str] = set()
    for file, text in files:
        tests, mistakes = read_tests(file, text, pack)
        report.mistakes += mistakes
        for test in tests:
            named.update(test.rules)
            unknown = [name for name in test.rules if book.rule(name) is None]
            result = run_test(book, test, file)
            result.problems += [f"there is no rule {name}" for name in unknown]
            report.results.append(result)
    report.untested = sorted(rule.name for rule in book.rules if rule.name not in named)
    return report


def run_test(book: RuleBook, test: RuleTest, file: str = "") -> RuleTestResult:
    """Feed a test's events and compare what its rules did with what was expected."""
    engine = Engine(book, test.devices, test.zones)
    outcome = engine.feed(test.events)
    changes = [c for c in outcome.changes if not test.rules or c.rule.removesuffix(":silent") in test.rules]
    problems: list[str] = []
    for index in range(max(len(changes), len(test.expected))):
        if index >= len(changes):
            problems.append(f"expected {test.expected[index].shown()}, nothing happened")
        elif index >= len(test.expected):
            problems.append(f"not expected: {_shown(changes[index], test.start)}")
        else:
            problems += _compare(test.expected[index], changes[index], test.start)
    problems += _compare_flags(test.flags, outcome.derived, test.start)
    return RuleTestResult(test.name, file, test.line, problems, changes)


def _compare(wanted: Expectation, got: AlertChange, start: int) -> list[str]:
    pairs: list[tuple[object, object]] = [
        (wanted.at, got.at - start), (wanted.device, got.subject), (wanted.change, got.change.value), (wanted.level, got.level),
    ]  # fmt: skip
    if wanted.rule is not None and "/" not in wanted.rule:
        pairs.append((wanted.rule, got.rule.split("/", 1)[-1]))
    else:
        pairs.append((wanted.rule, got.rule))
    if any(a is not None and a != b for a, b in pairs):
        return [f"expected {wanted.shown()}, but {_shown(got, start)}"]
    problems = []
    for name, value in wanted.fields.items():
        found: object = _withheld(got) if name == "withheld" else getattr(got, name)
        if name == "values" and isinstance(value, dict):
            found = {key: got.values.get(key) for key in value}
        if name in ("reason", "withheld") and str(value) in str(found):
            continue
        if found != value and not _close(found, value):
            problems.append(f"{wanted.shown()}: expected {name} {value!r}, got {found!r}")
    return problems


def _withheld(change: AlertChange) -> str:
    return "; ".join(str(item["withheld"]) for item in change.evidence if "withheld" in item)


def _compare_flags(wanted: list[ExpectedFlag] | None, derived: Sequence[Reading], start: int) -> list[str]:
    if wanted is None:
        return []
    found = [
        ExpectedFlag((reading.observed_at or start) - start, reading.device, metric, flag)
        for reading in derived
        for metric, flag in (reading.marks or {}).items()
        if flag in FLAGS
    ]
    problems: list[str] = []
    for index in range(max(len(wanted), len(found))):
        if index >= len(found):
            problems.append(f"expected the flag {wanted[index].shown()}, there was none")
        elif index >= len(wanted):
            problems.append(f"flag not expected: {found[index].shown()}")
        elif any(
            a is not None and a != b
            for a, b in zip(msgspec.structs.astuple(wanted[index]), msgspec.structs.astuple(found[index]), strict=True)
        ):
            problems.append(f"expected the flag {wanted[index].shown()}, but {found[index].shown()}")
    return problems


def _close(found: object, wanted: object) -> bool:
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(_close(found[key], wanted[key]) for key in wanted)
    if isinstance(found, int | float) and isinstance(wanted, int | float):
        return abs(found - wanted) <= 1e-6 * max(1.0, abs(wanted))
    return found == wanted


def _shown(change: AlertChange, start: int) -> str:
    after = change.at - start
    when = seconds_text(after) if after > 0 else f"{after / 1e9:g} s"
    return f"at {when}: {change.rule} {change.subject} {change.change.value} {change.level} ({change.reason})"


# ---------------------------------------------------------------------------------------------- reading test files


def read_tests(file: str, text: str, pack: str) -> tuple[list[RuleTest], list[Mistake]]:
    """The tests of a file, and everything wrong with it."""
    document = Document(file, text, of_pack=pack != CITY)
    tests: list[RuleTest] = []
    if document.root is None:
        return tests, document.mistakes
    devices: list[Device] = []
    for entry in document.entries(document.root, "a test file"):
        if entry.key == "devices":
            devices = _devices(document, entry.value)
        elif entry.key == "tests":
            for node in document.items(entry.value, "tests"):
                before = len(document.mistakes)
                test = _Test(document, node, pack, devices).read()
                if len(document.mistakes) == before:
                    tests.append(test)
        else:
            document.wrong(entry.key_node, f"unknown key {entry.key!r}; a test file has devices and tests")
    return tests, document.mistakes


def _devices(document: Document, node: yaml.Node) -> list[Device]:
    made: list[Device] = []
    for item in document.items(node, "devices"):
        fields = document.plain(item)
        if not isinstance(fields, dict) or not fields.get("device"):
            document.wrong(
                item, "a device is written {device: a, kind: river-gauge, lon: …, lat: …, further attributes}"
            )
            continue
        known = {name: str(fields.pop(name, "") or "") for name in ("device", "name", "kind", "area", "operator")}
        lon, lat = fields.pop("lon", None), fields.pop("lat", None)
        position = (
            Position(float(lon), float(lat)) if isinstance(lon, int | float) and isinstance(lat, int | float) else None
        )
        made.append(Device(position=position, attributes=fields, **known))  # type: ignore[arg-type]
    return made


class _Test:
    """Reads one test."""

    def __init__(self, document: Document, node: yaml.Node, pack: str, devices: list[Device]) -> None:
        self.document = document
        self.node = node
        self.pack = pack
        self.entries = {entry.key: entry for entry in document.entries(node, "a test")}
        for entry in self.entries.values():
            if entry.key not in TEST_KEYS:
                document.wrong(entry.key_node, f"unknown key {entry.key!r} of a test; known are {', '.join(TEST_KEYS)}")
        self.devices = {device.device: device for device in devices}

    def read(self) -> RuleTest:
        start = self._start()
        every, tick = self._duration("every", MINUTE), self._duration("tick", MINUTE)
        delay = self._duration("delay", 0)
        if "devices" in self.entries:
            self.devices |= {device.device: device for device in _devices(self.document, self.entries["devices"].value)}
        series = self._columns("series")
        marks = self._columns("marks")
        steps = max((len(values) for values in series.values()), default=0)
        until = self._duration("until", max(steps - 1, 0) * every)
        if max(steps, until // max(tick, 1)) > MAX_STEPS:
            self.document.wrong(self.node, f"more than {MAX_STEPS} steps or ticks")
            until = 0
        events = self._readings(series, marks, start, every, delay, min(steps, MAX_STEPS))
        events += [(at, 2, Tick(at)) for at in range(start, start + until + 1, tick)]
        events += [(action.at, 1, action) for action in self._actions(start)]
        events.sort(key=lambda item: (item[0], item[1]))
        return RuleTest(
            name=self._text("test", "unnamed"),
            line=self.document.locate(self.node)[0],
            rules=tuple(name if "/" in name else f"{self.pack}/{name}" for name in self._rules()),
            start=start,
            tick=tick,
            until=until,
            devices=list(self.devices.values()),
            zones=self._zones(),
            events=[event for _, _, event in events],
            expected=self._expected(),
            flags=self._flags() if "flags" in self.entries else None,
        )

    def _text(self, key: str, default: str) -> str:
        return (self.document.text_of(self.entries[key].value, key) or default) if key in self.entries else default

    def _start(self) -> int:
        try:
            return from_text(self._text("start", DEFAULT_START))
        except ValueError as error:
            self.document.wrong(self.entries["start"].value, str(error))
            return from_text(DEFAULT_START)

    def _rules(self) -> list[str]:
        if "rules" not in self.entries:
            return []
        node = self.entries["rules"].value
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        return [text for item in nodes if (text := self.document.text_of(item, "rules"))]

    def _duration(self, key: str, default: int) -> int:
        return self._duration_of(self.entries[key].value, key) if key in self.entries else default

    def _duration_of(self, node: yaml.Node, what: str) -> int:
        text = self.document.text_of(node, what) or ""
        try:
            if text.strip() in ("0", "0 s", "0s", "0 min", "0 h"):
                return 0
            clause = g.parse(text)
            if not isinstance(clause.condition, g.Quantity):
                raise UnitError(f"{what} is a duration such as 10 min")
            return nanoseconds(clause.condition.value, clause.condition.unit)
        except (UnitError, g.ExpressionError) as error:
            self.document.wrong(node, str(error))
            return MINUTE

    def _columns(self, key: str) -> dict[tuple[str, str], list[Any]]:
        """Series by (device, metric)."""
        columns: dict[tuple[str, str], list[Any]] = {}
        if key not in self.entries:
            return columns
        for entry in self.document.entries(self.entries[key].value, key):
            device, _, metric = entry.key.rpartition(".")
            if metric not in vocabulary() and metric not in ("lon", "lat"):
                self.document.wrong(
                    entry.key_node, f"{metric!r} is not a metric{nearest(metric)}; a series is named device.metric"
                )
                continue
            if device not in self.devices:
                self.document.wrong(entry.key_node, f"{device!r} is not among the devices of this file")
            text = self.document.text_of(entry.value, entry.key) or ""
            try:
                kind = "mark" if key == "marks" else vocabulary()[metric].type if metric in vocabulary() else "number"
                columns[device, metric] = expand(text, kind)
            except ValueError as error:
                self.document.wrong(entry.value, str(error))
        return columns

    def _readings(
        self,
        series: Mapping[tuple[str, str], list[Any]],
        marks: Mapping[tuple[str, str], list[Any]],
        start: int,
        every: int,
        delay: int,
        steps: int,
    ) -> list[tuple[int, int, Event]]:
        events: list[tuple[int, int, Event]] = []
        for step in range(steps):
            at = start + step * every
            for device in dict.fromkeys(name for name, _ in series):
                found = {
                    metric: values[step]
                    for (name, metric), values in series.items()
                    if name == device and step < len(values) and values[step] is not None
                }
                noted = {
                    metric: words[step]
                    for (name, metric), words in marks.items()
                    if name == device and step < len(words) and words[step] is not None and metric in found
                }
                lon, lat = found.pop("lon", None), found.pop("lat", None)
                position = Position(lon, lat) if lon is not None and lat is not None else None
                if found or position:
                    kind = self.devices[device].kind if device in self.devices else ""
                    events.append(
                        (at + delay, 0, Reading(device, at, found, position, noted or None, at + delay, "test", kind))
                    )
        return events

    def _actions(self, start: int) -> list[OperatorAction]:
        made: list[OperatorAction] = []
        if "actions" not in self.entries:
            return made
        for node in self.document.items(self.entries["actions"].value, "actions"):
            entries = {entry.key: entry for entry in self.document.entries(node, "an action")}
            plain = {key: str(entry.value.value) for key, entry in entries.items()}
            at = start + (self._duration_of(entries["at"].value, "at") if "at" in entries else 0)
            since = start + self._duration_of(entries["since"].value, "since") if "since" in entries else None
            until = start + self._duration_of(entries["until"].value, "until") if "until" in entries else None
            made.append(
                OperatorAction(
                    at,
                    plain.get("who", "operator"),
                    plain.get("do", ""),
                    plain.get("target", ""),
                    plain.get("note", ""),
                    until,
                    since,
                    self._duration_of(entries["every"].value, "every") if "every" in entries else 0,
                )
            )
        return made

    def _zones(self) -> list[Zone]:
        made: list[Zone] = []
        if "zones" not in self.entries:
            return made
        for node in self.document.items(self.entries["zones"].value, "zones"):
            fields = self.document.plain(node)
            if not isinstance(fields, dict) or not isinstance(fields.get("box"), list) or len(fields["box"]) != 4:
                self.document.wrong(
                    node, "a zone is written {zone: name, kind: …, box: [west, south, east, north], limits}"
                )
                continue
            west, south, east, north = (float(number) for number in fields.pop("box"))
            ring = ((west, south), (east, south), (east, north), (west, north), (west, south))
            zone, kind = str(fields.pop("zone", "zone")), str(fields.pop("kind", ""))
            made.append(Zone(zone, kind, zone, (ring,), fields))
        return made

    def _expected(self) -> list[Expectation]:
        if "expect" not in self.entries:
            self.document.wrong(self.node, "expect is missing; 'expect: []' expects silence")
            return []
        made: list[Expectation] = []
        for node in self.document.items(self.entries["expect"].value, "expect"):
            entries = {entry.key: entry for entry in self.document.entries(node, "an expectation")}
            for entry in entries.values():
                if entry.key not in EXPECT_KEYS:
                    self.document.wrong(
                        entry.key_node, f"unknown key {entry.key!r}; known are {', '.join(EXPECT_KEYS)}"
                    )
            words = {
                key: str(entries[key].value.value) for key in ("device", "rule", "change", "level") if key in entries
            }
            for key, known in (("change", [c.value for c in Change]), ("level", list(LEVELS))):
                if key in words and words[key] not in known:
                    self.document.wrong(entries[key].value, f"{words[key]!r} is none of {', '.join(known)}")
            at = self._duration_of(entries["at"].value, "at") if "at" in entries else None
            fields: dict[str, Any] = {
                key: self.document.plain(entries[key].value)
                for key in ("values", "title", "late", "reason", "withheld", "contact")
                if key in entries
            }
            made.append(
                Expectation(at, words.get("device"), words.get("rule"), words.get("change"), words.get("level"), fields)
            )
        return made

    def _flags(self) -> list[ExpectedFlag]:
        made: list[ExpectedFlag] = []
        for node in self.document.items(self.entries["flags"].value, "flags"):
            entries = {entry.key: entry for entry in self.document.entries(node, "a flag")}
            for entry in entries.values():
                if entry.key not in FLAG_KEYS:
                    known = ", ".join(FLAG_KEYS)
                    self.document.wrong(entry.key_node, f"unknown key {entry.key!r}; known are {known}")
            plain = {key: str(entry.value.value) for key, entry in entries.items()}
            if "flag" in plain and plain["flag"] not in FLAGS:
                self.document.wrong(entries["flag"].value, f"{plain['flag']!r} is none of {', '.join(FLAGS)}")
            at = self._duration_of(entries["at"].value, "at") if "at" in entries else None
            made.append(ExpectedFlag(at, plain.get("device"), plain.get("metric"), plain.get("flag")))
        return made


def expand(text: str, kind: str) -> list[Value | None]:
    """A series written in shorthand. Raises ValueError with a sentence."""
    values: list[Value | None] = []
    for token in shlex.split(text) if kind in ("text", "texts") else text.split():
        repeated = _REPEATED.match(token) if kind in ("text", "texts", "mark") else None
        if repeated or (kind in ("text", "texts", "mark") and token != "_"):
            word, times = (repeated["first"], int(repeated["times"])) if repeated else (token, 0)
            values += [_word(word, kind)] * (min(times, MAX_STEPS) + (word != "_"))
            continue
        match = _TOKEN.match(token)
        if match is None or (match["first"] in ("true", "false")) != (kind == "flag" and match["first"] != "_"):
            raise ValueError(f"{token!r} is not a {kind} in a series; write 5, _, 5x3 or 10+5x2 (flags: true, false)")
        times, step = min(int(match["times"] or 0), MAX_STEPS), float(match["step"] or 0)
        gap = match["first"] == "_"
        for index in range(max(times, 1) if gap else times + 1):
            if match["first"] == "_":
                values.append(None)
            elif kind == "flag":
                values.append(match["first"] == "true")
            else:
                values.append(round(float(match["first"]) + step * index, 9))
    return values


def _word(word: str, kind: str) -> Value | None:
    if word == "_":
        return None
    if kind == "texts":
        return [] if word == "-" else word.split("|")
    if kind == "mark" and word not in {mark.value for mark in Mark}:
        raise ValueError(f"{word!r} is not a mark; known are {', '.join(mark.value for mark in Mark)}")
    return word


__all__ = [
    "Expectation",
    "Report",
    "RuleTest",
    "RuleTestResult",
    "expand",
    "read_tests",
    "run_pack",
    "run_path",
    "run_test",
]
