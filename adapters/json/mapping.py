"""Foreign JSON read by a declarative map: topic segments and field paths → device, time, place and metrics.

The map's format is described in README.md. Reading a map checks all of it and reports every mistake at once;
applying it never raises.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from adapters.json.codec import READINGS_LIMIT, read_json, refused, twice
from adapters.values import Unusable, accept, device_name, moment, place, seconds, shown
from hub.json_once import Repeated
from hub.metrics import UnitError, nearest, to_vocabulary, vocabulary
from hub.model import Fault, FaultKind, Message, Position, Reading, Value
from hub.moment import from_datetime, from_local, in_one_message, in_reach, naive_text, shown_alike
from hub.numbers import number_reader, pattern_mistake

DEPTH_LIMIT = 16  # steps in one path
MAPS_LIMIT = 64  # maps in one file

_MISSING = object()
_EACH = "[*]"
_NUMBER_TEXT = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?\s*")
_STEP = re.compile(r'\.?(?:"(?P<quoted>[^"]*)"|(?P<plain>[^."\[\]{}\s]+))|\[(?P<index>-?\d{1,6}|\*)\]')
_HOLE = re.compile(r"\{([^{}]*)\}")
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
_UNIX = {"unix": 1, "unix_ms": 1_000, "unix_us": 1_000_000, "unix_ns": 1_000_000_000}


class MapError(ValueError):
    """A map that cannot be used; each line of the text is one mistake, with the key it stands at."""

    @property
    def mistakes(self) -> list[str]:
        return str(self).splitlines()


# ------------------------------------------------------------------------------------------- what stands in the file


class FieldMap(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where a value comes from: a path, its unit, and `value * scale + offset` before the unit is converted."""

    path: str
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    values: dict[str, Any] = {}
    """Words of the source → what they mean: `{ ON = true, OFF = false }`."""
    missing: list[float | str] = []
    """What the source writes where it has no value: `[-999, "N/A"]`."""
    required: bool = False
    decimal: str = "."
    """"," where texts hold numbers as 1.554,25."""
    suffix: str = ""
    """A pattern of what stands behind the number in a text and is none of it: " ?dBm"."""


class TimeMap(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`format`: "iso", "unix", "unix_ms", "unix_us", "unix_ns" or a strptime pattern; `zone` where the text has none."""

    path: str
    format: str = "iso"
    zone: str = ""
    required: bool = False


class PositionMap(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    lon: str
    lat: str
    alt: str = ""


class MapFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One map: which payloads it reads (`topic`, `when`), and how."""

    device: str
    values: dict[str, str | FieldMap] = {}
    topic: str = ""
    when: dict[str, Any] = {}
    each: str = ""
    time: str | TimeMap = ""
    position: PositionMap | None = None
    constants: dict[str, Any] = {}


# --------------------------------------------------------------------------------------------------- paths and texts


class FieldPath:
    """`a.b[0]."c.d"`: steps into a document. `$.a` starts at the payload's root even inside `each`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.from_root = text == "$" or text.startswith(("$.", "$["))
        rest = text[1:].removeprefix(".") if self.from_root else text
        self.steps: list[str | int] = []
        at = 0
        while at < len(rest):
            match = _STEP.match(rest, at)
            if match is None:
                raise ValueError(f'{text!r} is no path: it should look like a.b[0].c or a."b.c"')
            index = match["index"]
            if index is None:
                self.steps.append(match["quoted"] if match["quoted"] is not None else match["plain"])
            else:
                self.steps.append(_EACH if index == "*" else int(index))
            at = match.end()
        if len(self.steps) > DEPTH_LIMIT:
            raise ValueError(f"{text!r} has {len(self.steps)} steps; at most {DEPTH_LIMIT} are followed")
        if not self.steps and not self.from_root:
            raise ValueError("the path is empty")

    def find(self, root: Any, item: Any) -> Any:
        """What stands there, or `_MISSING`."""
        here = root if self.from_root else item
        for step in self.steps:
            here = _follow(here, step)
            if here is _MISSING:
                return _MISSING
        return here

    def every(self, root: Any) -> list[Any]:
        """Every item that this path with its `[*]` steps names, at most `READINGS_LIMIT` + 1 of them."""
        here: list[Any] = [root]
        for step in self.steps:
            if step == _EACH:
                here = [item for found in here if isinstance(found, list) for item in found[: READINGS_LIMIT + 1]]
            else:
                here = [item for found in here if (item := _follow(found, step)) is not _MISSING]
            here = here[: READINGS_LIMIT + 1]
        return here


def _follow(here: Any, step: str | int) -> Any:
    """What one step leads to, or `_MISSING`. Raises `Unusable` where that stands twice; what no map asks for may."""
    if isinstance(step, int):
        return here[step] if isinstance(here, list) and -len(here) <= step < len(here) else _MISSING
    if isinstance(here, Repeated) and step in here.keys_repeated:
        raise Unusable(FaultKind.SYNTAX, twice(here))
    return here.get(step, _MISSING) if isinstance(here, dict) else _MISSING


class Template:
    """Text with holes: `tasmota:{device}`. A hole is a name captured from the topic, else a field path."""

    def __init__(self, text: str, captures: frozenset[str]) -> None:
        self.text = text
        self.parts: list[str | tuple[str, FieldPath | None]] = []
        at = 0
        for hole in _HOLE.finditer(text):
            self.parts.append(text[at : hole.start()])
            name = hole[1]
            self.parts.append((name, None if name in captures else FieldPath(name)))
            at = hole.end()
        rest = text[at:]
        if "{" in rest or "}" in rest:
            raise ValueError(f"{text!r} has a brace without its partner")
        self.parts.append(rest)

    def fill(self, captured: Mapping[str, str], root: Any, item: Any) -> str:
        words = []
        for part in self.parts:
            if isinstance(part, str):
                words.append(part)
                continue
            name, path = part
            found = captured[name] if path is None else path.find(root, item)
            if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
                seen = "is missing" if found is _MISSING else f"is {shown(found)}"
                raise Unusable(FaultKind.SYNTAX, f"the device's name is made from {name!r}, which {seen}")
            words.append(str(found))
        return "".join(words)


class TopicPattern:
    """`tele/{device}/+/#`: an MQTT filter whose `{name}` segments are captured. Empty matches every topic."""

    def __init__(self, text: str) -> None:
        self.segments = text.split("/") if text else ["#"]
        names = [segment[1:-1] for segment in self.segments if segment.startswith("{") and segment.endswith("}")]
        if len(set(names)) < len(names):
            raise ValueError(f"topic {text!r} captures one name twice")
        if "#" in self.segments[:-1]:
            raise ValueError(f"topic {text!r}: # may only stand at the end")
        if any(not name.isidentifier() for name in names):
            raise ValueError(f"topic {text!r}: a captured name is a word such as {{device}}")
        for segment in self.segments:
            if any(sign in segment for sign in "+#{}") and segment not in ("+", "#") and segment[1:-1] not in names:
                raise ValueError(f"topic {text!r}: {segment!r} must be +, #, {{name}} or plain text as a whole")
        self.names = frozenset(names)

    def match(self, topic: str) -> dict[str, str] | None:
        captured: dict[str, str] = {}
        levels = topic.split("/")
        for at, segment in enumerate(self.segments):
            if segment == "#":
                return captured
            if at >= len(levels):
                return None
            if segment.startswith("{"):
                captured[segment[1:-1]] = levels[at]
            elif segment not in ("+", levels[at]):
                return None
        return captured if len(levels) == len(self.segments) else None


# ------------------------------------------------------------------------------------------------- one map, compiled


class _Field:
    """One metric's source."""

    def __init__(self, metric: str, field: str | FieldMap) -> None:
        found = vocabulary().get(metric)
        if found is None:
            raise ValueError(f"the vocabulary has no metric {metric!r}{nearest(metric)}")
        self.metric = metric
        self.map = FieldMap(field) if isinstance(field, str) else field
        self.path = FieldPath(self.map.path)
        self.number = found.type == "number"
        if self.map.decimal not in (".", ","):
            raise ValueError(f'{metric}: decimal is {self.map.decimal!r}; "." or "," was meant')
        if wrong := pattern_mistake(self.map.suffix):
            raise ValueError(f"{metric}: {wrong}")
        self.written = self.map.decimal != "." or bool(self.map.suffix)
        self.of_text = number_reader(self.map.decimal, self.map.suffix)
        self.scaled = self.map.scale != 1.0 or self.map.offset != 0.0
        if self.map.unit and not self.number:
            raise ValueError(f"{metric} is a {found.type} and has no unit")
        if self.map.unit:
            try:
                to_vocabulary(0.0, self.map.unit, metric)
            except UnitError as error:
                raise ValueError(str(error)) from None

    def read(self, root: Any, item: Any) -> Value | None:
        """The value, or None where the payload has none. Raises `Unusable`."""
        value = self.path.find(root, item)
        if value is _MISSING or value is None or any(value == missing for missing in self.map.missing):
            if self.map.required:
                raise Unusable(FaultKind.VALUE, f"{self.metric}: the payload has nothing at {self.map.path}")
            return None
        if self.map.values:
            word = str(value).lower() if isinstance(value, bool) else str(value)
            if word not in self.map.values:
                known = ", ".join(self.map.values)
                raise Unusable(FaultKind.VALUE, f"{self.metric}: {shown(value)} at {self.map.path} is none of {known}")
            value = self.map.values[word]
        elif self.number and isinstance(value, str) and (self.written or _NUMBER_TEXT.fullmatch(value)):
            with suppress(ValueError):  # then it is refused as the text that it is
                value = self.of_text(value)
        if self.scaled and isinstance(value, int | float) and not isinstance(value, bool):
            try:
                value = value * self.map.scale + self.map.offset
            except OverflowError:
                raise Unusable(FaultKind.VALUE, f"{self.metric} is {shown(value)}, too large a number") from None
        return accept(self.metric, value, self.map.unit)


class _Time:
    def __init__(self, time: str | TimeMap) -> None:
        self.map = TimeMap(time) if isinstance(time, str) else time
        self.path = FieldPath(self.map.path)
        self.zone = _zone(self.map.zone)
        if self.map.format not in ("iso", *_UNIX) and "%" not in self.map.format:
            raise ValueError(
                f"time format {self.map.format!r} is neither iso, {', '.join(_UNIX)} nor a pattern like %Y-%m-%d"
            )

    def read(self, root: Any, item: Any, near: int | None = None) -> int | None:
        """ns UTC, None where the payload has no time. Raises `Unusable`."""
        value = self.path.find(root, item)
        if value is _MISSING or value is None or value == "":
            if self.map.required:
                raise Unusable(FaultKind.TIME, f"time: the payload has nothing at {self.map.path}")
            return None
        if self.map.format == "iso":
            return moment(value, self.zone, near)
        try:
            at = self._pattern(value, near) if "%" in self.map.format else self._unix(value)
        except (ValueError, OverflowError) as error:
            why = f": {error}" if isinstance(error, _Untold) else ""
            raise Unusable(
                FaultKind.TIME, f"time: {shown(value)} at {self.map.path} is not {self.map.format}{why}"
            ) from None
        if not in_reach(at):
            raise Unusable(
                FaultKind.TIME, f"time: {shown(value)} at {self.map.path} lies outside the years 1677 to 2262"
            )
        return at

    def either(self, root: Any, item: Any, at: int) -> tuple[int, ...]:
        """The moments of which `read` gave one: two where the payload says a local time of the hour that comes twice in autumn."""
        value = self.path.find(root, item)
        if not isinstance(value, str) or self.zone is None or self.map.format in _UNIX or "%z" in self.map.format:
            return (at,)
        if self.map.format == "iso" and naive_text(value) is None:
            return (at,)
        return shown_alike(at, self.zone)

    def _unix(self, value: Any) -> int:
        if isinstance(value, str) and _NUMBER_TEXT.fullmatch(value):
            value = int(value) if value.strip().lstrip("+-").isdigit() else float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError
        per_second = _UNIX[self.map.format]
        return value * (1_000_000_000 // per_second) if isinstance(value, int) else seconds(value / per_second)

    def _pattern(self, value: Any, near: int | None) -> int:
        read = datetime.strptime(str(value), self.map.format)  # noqa: DTZ007 -- the zone follows
        if read.tzinfo is None:
            if self.zone is None:
                raise ValueError
            try:
                return from_local(read, self.zone, near)
            except ValueError as error:
                raise _Untold(str(error)) from None
        return from_datetime(read)


class _Untold(ValueError):
    """A local time that is read well and is no moment, or one of two."""


def _zone(name: str) -> tzinfo | None:
    if not name:
        return None
    if name in ("UTC", "Z"):
        return UTC
    if offset := _OFFSET.fullmatch(name):
        delta = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        if delta < timedelta(hours=24):
            return timezone(delta if offset[1] == "+" else -delta)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"zone {name!r} is neither +08:00 nor a name such as Asia/Shanghai") from None


class PayloadMap:
    """One `[[map]]`, ready to use."""

    def __init__(self, source: MapFile, where: str = "") -> None:
        self.mistakes: list[str] = []
        self._where = where
        self.uses_topic = bool(source.topic)
        self.topic = self._part("topic", TopicPattern, source.topic) or TopicPattern("")
        self.device = self._part("device", Template, source.device, self.topic.names)
        self.each = self._part("each", FieldPath, source.each) if source.each else None
        self.when = [(self._part(f"when.{path}", FieldPath, path), value) for path, value in source.when.items()]
        self.fields = [self._part(f"values.{metric}", _Field, metric, field) for metric, field in source.values.items()]
        self.time = self._part("time", _Time, source.time) if source.time else None
        self.position: tuple[FieldPath, FieldPath, FieldPath | None] | None = None
        if (position := source.position) is not None:
            self.position = (
                self._part("position.lon", FieldPath, position.lon),
                self._part("position.lat", FieldPath, position.lat),
                self._part("position.alt", FieldPath, position.alt) if position.alt else None,
            )
        self.constants = {
            metric: self._part(f"constants.{metric}", _constant, metric, value)
            for metric, value in source.constants.items()
        }
        if not self.fields and not self.position and not self.constants:
            self.mistakes.append(f"{where}values: the map names no metric and no position")

    def _part(self, key: str, make: Any, *arguments: Any) -> Any:
        try:
            return make(*arguments)
        except ValueError as error:
            self.mistakes.append(f"{self._where}{key}: {error}")
            return None

    def fits(self, topic: str, root: Any) -> dict[str, str] | None:
        """What the topic gave, or None where this map is not for this payload."""
        captured = self.topic.match(topic)
        if captured is None or any(path.find(root, root) != value for path, value in self.when):
            return None
        return captured

    def apply(
        self, captured: Mapping[str, str], root: Any, raw: bytes, received_at: int | None
    ) -> tuple[list[Reading], list[Fault]]:
        items = [root] if self.each is None else self.each.every(root)
        if len(items) > READINGS_LIMIT:
            detail = f"{self.each.text if self.each else ''} holds more than {READINGS_LIMIT} readings"
            return [], [Fault(FaultKind.OVERSIZE, detail, raw)]
        if not items and self.each is not None:
            return [], [Fault(FaultKind.SYNTAX, f"the payload has no readings at {self.each.text}", raw)]
        readings: list[Reading] = []
        read: list[Any] = []
        faults: list[Fault] = []
        for item in items:
            reading, found = self._reading(captured, root, item, received_at)
            if reading is not None:
                readings.append(reading)
                read.append(item)
            elif found:
                found[0].readings = 1
            faults += found
        if faults:
            faults[0].raw = raw
        if self.time is not None and self.time.zone is not None and len(readings) > 1 and received_at is not None:
            self._put_in_order(self.time, readings, root, read, received_at)
        return readings, faults

    def _put_in_order(
        self, time: _Time, readings: list[Reading], root: Any, items: list[Any], received_at: int
    ) -> None:
        """Tell the two hours apart that an array may reach over in autumn, device by device."""
        said = [
            time.either(root, item, reading.observed_at or received_at)
            for reading, item in zip(readings, items, strict=True)
        ]
        for device in {reading.device for reading, moments in zip(readings, said, strict=True) if len(moments) > 1}:
            rows = [n for n, reading in enumerate(readings) if reading.device == device]
            ordered = in_one_message([(frozenset(readings[n].values), said[n]) for n in rows], received_at)
            for n, at in zip(rows, ordered, strict=True):
                readings[n].observed_at = at

    def _reading(
        self, captured: Mapping[str, str], root: Any, item: Any, received_at: int | None
    ) -> tuple[Reading | None, list[Fault]]:
        try:
            device = device_name(self.device.fill(captured, root, item))
        except Unusable as unusable:
            return None, [unusable.fault()]
        faults: list[Fault] = []
        at, untold = None, None
        try:
            at = self.time.read(root, item, received_at) if self.time else None
        except Unusable as unusable:
            untold = unusable.fault(device=device)
            faults.append(untold)
        values: dict[str, Value] = {}
        for field in self.fields:
            try:
                value = field.read(root, item)
            except Unusable as unusable:
                faults.append(unusable.fault(device=device))
                continue
            if value is not None:
                values[field.metric] = value
        position = None
        try:
            position = self._position(root, item)
        except Unusable as unusable:
            faults.append(unusable.fault(device=device))
        if not values and position is None:
            if not faults and not self.constants:
                paths = ", ".join(field.map.path for field in self.fields)
                detail = f"none of the map's fields stands in this payload ({paths})"
                faults.append(Fault(FaultKind.SYNTAX, detail, device=device))
            if faults:
                return None, faults
        reading = Reading(device, received_at if at is None else at, {**self.constants, **values}, position)
        if untold is None:
            return reading, faults
        reading.observed_at, untold.reading = None, reading
        return None, faults

    def _position(self, root: Any, item: Any) -> Position | None:
        if self.position is None:
            return None
        found = [None if path is None else _number(path.find(root, item)) for path in self.position]
        if found[0] is None and found[1] is None:
            return None
        return place(*found)


def _constant(metric: str, value: Any) -> Value:
    return accept(metric, value)


def _number(value: Any) -> Any:
    if value is _MISSING or value == "":
        return None
    return float(value) if isinstance(value, str) and _NUMBER_TEXT.fullmatch(value) else value


# -------------------------------------------------------------------------------------------------- a file of maps


class MapSet:
    """All maps of one file; the first that fits a payload reads it."""

    def __init__(self, maps: list[PayloadMap]) -> None:
        self.maps = maps
        self.uses_topics = any(map.uses_topic for map in maps)

    def decode(self, payload: bytes, received_at: int | None = None, topic: str = "") -> Message:
        """The readings of one foreign payload. Never raises."""
        try:
            root = read_json(payload)
            for map in self.maps:
                captured = map.fits(topic, root)
                if captured is not None:
                    readings, faults = map.apply(captured, root, payload, received_at)
                    device = readings[0].device if len(readings) == 1 else None
                    return Message(readings, faults, device, {"topic": topic} if topic else None, payload)
        except Unusable as unusable:
            return refused(unusable, payload)
        detail = f"no map reads the topic {shown(topic)}" if self.uses_topics else "no map fits this payload"
        return Message([], [Fault(FaultKind.UNSUPPORTED, detail, payload)], raw=payload)

    def decode_line(self, line: bytes, received_at: int | None = None) -> Message:
        """`topic<TAB>payload` where a map uses topics, the bare payload otherwise."""
        if not self.uses_topics:
            return self.decode(line, received_at)
        topic, tab, payload = line.partition(b"\t")
        if not tab:
            detail = "this map reads topics, so a line is the topic, a tab and the payload"
            return Message([], [Fault(FaultKind.FRAME, detail, line)], raw=line)
        return self.decode(payload, received_at, topic.decode("utf-8", "replace"))


def read_map(source: str | Path | Mapping[str, Any]) -> MapSet:
    """The map in a TOML file, or already parsed. Raises `MapError` with every mistake; OSError as open() does."""
    document = source
    if isinstance(source, str | Path):
        try:
            document = tomllib.loads(Path(source).read_text("utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise MapError(f"{source}: {error}") from None
    assert isinstance(document, Mapping)
    entries = document["map"] if set(document) == {"map"} else [document]
    if not isinstance(entries, list) or not 0 < len(entries) <= MAPS_LIMIT:
        raise MapError(f"map: 1 to {MAPS_LIMIT} [[map]] tables make a file")
    maps: list[PayloadMap] = []
    mistakes: list[str] = []
    for number, entry in enumerate(entries, 1):
        where = f"map {number}: " if len(entries) > 1 else ""
        try:
            map = PayloadMap(msgspec.convert(entry, MapFile), where)
        except msgspec.ValidationError as error:
            mistakes.append(f"{where}{error}")
            continue
        mistakes += map.mistakes
        maps.append(map)
    if mistakes:
        raise MapError("\n".join(mistakes))
    return MapSet(maps)
