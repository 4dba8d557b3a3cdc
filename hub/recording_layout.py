"""Layouts of recorded CSV files: the two of our own, and foreign ones through a map (`docs/recordings.md`).

A layout turns the cells of one row into the readings that stand in it. A cell that cannot be read costs its value,
not its row; what is missing in every column is an empty row, and is counted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from hub.geo import distance_m
from hub.marks import mark_of
from hub.metrics import vocabulary
from hub.model import Fault, FaultKind, Mark, Message, Position, Reading, Value
from hub.moment import SECOND, LocalOrder, candidates, from_datetime, from_text, in_reach, naive_text
from hub.numbers import number_reader
from hub.recording_map import (
    MISSING,
    DeviceMap,
    Lookup,
    Map,
    Part,
    RecordingError,
    ValueMap,
    zone_of,
)
from hub.text_files import NotText, as_written, open_text, undecoded
from hub.units import conversion

TIMES_KEPT = 4096
"""Parsed times remembered: the same moment stands in the row of many devices."""
LOOKUP_BYTES_MAX = 64 << 20
FIXES_APART_S = (30.0, 1800.0)
"""A speed is worked out between fixes that are so far apart: nearer, rounding makes it up; farther, it tells nothing."""

# ------------------------------------------------------------------------------------------------- layouts

Cells = Sequence[str]


class Unread(Exception):
    """The row cannot be used at all; `kind` and the sentence say why."""

    def __init__(self, kind: FaultKind, why: str) -> None:
        super().__init__(why)
        self.kind = kind


class Layout(NamedTuple):
    """Reads the rows of one file."""

    read: Callable[[Cells], Message | None]
    """The message of a row; None where it holds no value. Raises `Unread`, and IndexError where cells are missing."""
    takes: Callable[[Cells], bool]
    """Whether any part of the map takes the row."""


def plain_layout(header: list[str], path: Path) -> Layout:
    """The two layouts of our own: time,device,metric,value[,quality,kind,lon,lat] and time,device[,kind,lon,lat],<metric>…"""
    if header[:2] != ["time", "device"]:
        raise RecordingError(
            f"{path}: its first line is {','.join(header)[:80]!r}; time,device,metric,value or time,device,<metric>,… was meant (or a --map)"
        )
    places = (header.index("lon"), header.index("lat")) if "lon" in header and "lat" in header else None
    time = _time_reader("iso", None)
    kind_at = header.index("kind") if "kind" in header else None

    def kind(row: Cells) -> str:
        return "" if kind_at is None else as_written(row[kind_at].strip())

    if "metric" in header and "value" in header:
        metric_at, value_at = header.index("metric"), header.index("value")
        columns = {name: _column(name, 0, ValueMap(name)) for name in vocabulary()}
        quality_at = header.index("quality") if "quality" in header else None

        def read_long(row: Cells) -> Message | None:
            metric = row[metric_at].strip()
            known = columns.get(metric)
            # An unknown metric is the front door's to refuse, with the nearest known one.
            column = _Column(metric, value_at, known.read if known else float)
            if row[value_at][:1] == "'":
                row = [*row[:value_at], as_written(row[value_at]), *row[value_at + 1 :]]
            at = time(row[0].strip())[0]
            message = _message(row, as_written(row[1].strip()), at, [column], _MISSING, places, kind(row))
            mark = "" if quality_at is None else _mark(row[quality_at].strip())
            if mark and message is not None:
                for reading in message.readings:
                    reading.marks = {metric: mark}
            return message

        return Layout(read_long, _always)
    taken = {0, 1, kind_at, *(places or ())}
    wide = [
        _column(name, at, ValueMap(name)) if name in vocabulary() else _Column(name, at, _text)
        for at, name in enumerate(header)
        if at not in taken
    ]
    return Layout(
        lambda row: _message(row, row[1].strip(), time(row[0].strip())[0], wide, _MISSING, places, kind(row)), _always
    )


def _mark(text: str) -> str:
    """What an export holds against its value (`hub.marks`). Raises `Unread`: a value of which nobody knows whether it holds is none."""
    if not text.isdecimal() and text not in _MISSING:
        raise Unread(
            FaultKind.VALUE, f"quality is {text[:40]!r}; the number of an export was meant, 0 for a good value"
        )
    return "" if text in _MISSING else mark_of(int(text[:9]))


_MISSING = frozenset(MISSING)


def _always(row: Cells) -> bool:
    return True


def mapped_layout(header: list[str], mapping: Map, path: Path) -> Layout:
    """A foreign layout. Raises `RecordingError` where the file has not the columns that the map names."""

    def at(name: str) -> int:
        if name not in header:
            raise RecordingError(f"{path}: the map names the column {name!r}; the file has {', '.join(header)[:300]}")
        return header.index(name)

    columns = [mapping.time.column] if isinstance(mapping.time.column, str) else mapping.time.column
    time = _RowTime(
        [at(name) for name in columns],
        _time_reader(mapping.time.format, zone_of(mapping.time.zone, path) if mapping.time.zone else None),
    )
    missing = frozenset(mapping.missing)
    parts = [_part(part, at, missing, Path(mapping.folder), path, mapping.decimal) for part in mapping.parts]
    filters = [_filter(part, at) for part in mapping.parts]

    def takes(row: Cells) -> bool:
        return any(takes(row) for takes in filters)

    if len(parts) == 1:
        only = parts[0]
        return Layout(lambda row: only(row, time), takes if mapping.where else _always)

    def read(row: Cells) -> Message | None:
        found: Message | None = None
        for part, takes in zip(parts, filters, strict=True):
            message = part(row, time) if takes(row) else None
            if message is not None and found is not None:
                found.readings += message.readings
                found.faults += message.faults
            elif message is not None:
                found = message
        return found

    return Layout(read, takes)


def _filter(part: Part, at: Callable[[str], int]) -> Callable[[Cells], bool]:
    wanted = [(at(where.column), frozenset(where.is_), frozenset(where.is_not)) for where in part.where]
    return lambda row: all((not yes or row[i].strip() in yes) and row[i].strip() not in no for i, yes, no in wanted)


class _RowTime:
    """The time of a row. A local time that comes twice is the one that keeps the order of its device's rows."""

    def __init__(self, columns: list[int], read: Callable[[str], tuple[int, ...]]) -> None:
        self._columns, self._read = columns, read

    def at(self, row: Cells, device: str, order: LocalOrder) -> int:
        """ns UTC. Raises `Unread`."""
        moments = self._read(" ".join([row[at].strip() for at in self._columns]))
        try:
            return order.choose(device, moments)
        except ValueError as error:
            raise Unread(FaultKind.TIME, f"its time cannot be told: {error}") from None


PartReader = Callable[[Cells, _RowTime], Message | None]


def _part(
    part: Part, at: Callable[[str], int], missing: frozenset[str], folder: Path, path: Path, decimal: str
) -> PartReader:
    device_of = _device_reader(part.device, at, folder, path)
    places = (at(part.position.lon), at(part.position.lat)) if part.position else None
    nowhere = missing.union(part.position.missing) if part.position else missing
    degrees = number_reader(decimal)
    columns = [
        _column(metric, at(source if isinstance(source, str) else source.column), source, decimal)
        for metric, source in part.values.items()
    ]
    marks = [(at(marking.column), marking) for marking in part.marks]
    constants, kind = part.constants, part.device.kind
    estimate = _speed_estimator(part.position.speed) if part.position and part.position.speed else None

    order = LocalOrder()  # of this part's rows: another part may speak of the same moment

    def read(row: Cells, time: _RowTime) -> Message | None:
        device = device_of(row)
        said = [(marking, mark) for at, marking in marks if (mark := marking.texts.get(row[at].strip())) is not None]
        observed_at = time.at(row, device, order)
        message = _message(row, device, observed_at, columns, missing, places, kind, nowhere, bool(said), degrees)
        if message is not None and message.readings:
            reading = message.readings[0]
            if constants:
                reading.values = {**constants, **reading.values}
            if estimate is not None:
                estimate(reading)
            for marking, mark in said:  # without a value: the instrument says of all that it tells that it is ill
                measured = reading.values.keys() - constants.keys()
                spoken_of = marking.metrics or (reading.values if measured else [column.metric for column in columns])
                reading.marks = (reading.marks or {}) | {metric: mark.value for metric in spoken_of}
        return message

    return read


def _speed_estimator(metric: str) -> Callable[[Reading], None]:
    """Adds to a device's fixes the speed since the one before."""
    factor, _ = conversion("m/s", vocabulary()[metric].unit)
    last: dict[str, tuple[int, Position, float | None]] = {}

    def estimate(reading: Reading) -> None:
        at, here = reading.observed_at, reading.position
        if at is None or here is None:
            return
        before = last.get(reading.device)
        speed = None
        if before is not None:
            seconds = (at - before[0]) / SECOND
            if FIXES_APART_S[0] <= seconds <= FIXES_APART_S[1]:
                speed = distance_m(before[1].lon, before[1].lat, here.lon, here.lat) / seconds * factor
            elif before[:2] == (at, here):
                speed = before[2]  # the same fix once more
        last[reading.device] = (at, here, speed)
        if speed is not None:
            reading.values[metric] = speed
            reading.marks = {**(reading.marks or {}), metric: Mark.ESTIMATED.value}

    return estimate


# ------------------------------------------------------------------------------------------------- one row


class _Column(NamedTuple):
    metric: str
    at: int
    read: Callable[[str], Value]
    """Raises ValueError."""


def _message(
    row: Cells,
    device: str,
    observed_at: int,
    columns: Sequence[_Column],
    missing: frozenset[str],
    places: tuple[int, int] | None,
    kind: str = "",
    nowhere: frozenset[str] = _MISSING,
    marked: bool = False,
    degrees: Callable[[str], float] = float,
) -> Message | None:
    """The reading of these cells, with a fault for every cell that cannot be read; None where there is nothing. With `marked` the
    row carries a mark, which is worth a reading without values too."""
    values: dict[str, Value] = {}
    wrong: list[str] = []
    for metric, at, read in columns:
        text = row[at]
        if text in missing:
            continue
        try:
            values[metric] = read(text)
        except ValueError:
            if text.strip() not in missing:
                wrong.append(_sentence(metric, text))
    position: Position | None = None
    if places is not None and row[places[0]].strip() not in nowhere and row[places[1]].strip() not in nowhere:
        try:
            position = Position(degrees(row[places[0]]), degrees(row[places[1]]))
        except ValueError:
            wrong.append(f"its position is {row[places[0]][:40]!r}, {row[places[1]][:40]!r}; degrees were meant")
    kept = bool(values) or position is not None or marked
    if not kept and not wrong:
        return None
    readings = [Reading(device, observed_at, values, position, kind=kind)] if kept else []
    faults = [
        Fault(FaultKind.VALUE, f"{device}: {'; '.join(wrong)}", device=device, readings=0 if kept else 1)
    ] if wrong else []  # fmt: skip
    return Message(readings, faults, device)


def _sentence(metric: str, text: str) -> str:
    found = vocabulary().get(metric)
    meant = "true or false was" if found and found.type == "flag" else "a number was"
    return f"{metric} is {text[:80]!r}; {meant} meant"


def _column(metric: str, at: int, source: ValueMap | str, decimal: str = ".") -> _Column:
    found = vocabulary()[metric]
    source = ValueMap(source) if isinstance(source, str) else source
    if found.type == "flag":
        true = frozenset(source.true)
        return _Column(metric, at, (lambda text: text.strip() in true) if true else _flag)
    if found.type == "texts":
        return _Column(metric, at, lambda text: [part.strip() for part in text.split(";") if part.strip()])
    if found.type == "text":
        return _Column(metric, at, _text)
    scale, shift = conversion(source.unit or found.unit, found.unit)
    factor, added, texts = source.scale * scale, source.offset * scale + shift, source.texts
    number = number_reader(decimal, source.suffix)
    if texts:
        return _Column(metric, at, lambda text: (texts[text] if text in texts else number(text)) * factor + added)
    if (factor, added) == (1.0, 0.0):
        return _Column(metric, at, number)
    return _Column(metric, at, lambda text: number(text) * factor + added)


def _text(text: str) -> str:
    return text.strip()


def _flag(text: str) -> bool:
    word = text.strip().lower()
    if word in ("1", "true", "yes", "1.0"):
        return True
    if word in ("0", "false", "no", "0.0"):
        return False
    raise ValueError


@lru_cache(16)
def _time_reader(format: str, zone: tzinfo | None) -> Callable[[str], tuple[int, ...]]:
    """Reads times, remembering them (two moments for a local time that comes twice): one memory for all files of a recording, since stations report at the same times."""

    def unix(text: str) -> tuple[int, ...]:
        return (round(float(text) * (SECOND if format == "unix" else SECOND // 1000)),)

    def iso(text: str) -> tuple[int, ...]:
        local = naive_text(text)
        return (from_text(text),) if local is None or zone is None else candidates(local, zone)

    def pattern(text: str) -> tuple[int, ...]:
        moment = datetime.strptime(text, format)  # noqa: DTZ007  zone added below
        return (from_datetime(moment),) if moment.tzinfo else candidates(moment, zone or UTC)

    parse = iso if format == "iso" else unix if format in ("unix", "unix_ms") else pattern

    @lru_cache(TIMES_KEPT)
    def read(text: str) -> tuple[int, ...]:
        try:
            moments = parse(text)
        except (ValueError, OverflowError) as error:
            raise Unread(FaultKind.TIME, f"its time cannot be read: {error}" if text else "it has no time") from None
        if not all(map(in_reach, moments)):
            raise Unread(FaultKind.TIME, f"its time {text!r} is beyond the year 2262")
        return moments

    return read


# ------------------------------------------------------------------------------------------------- device ids


def _device_reader(
    device: DeviceMap, at: Callable[[str], int], folder: Path, path: Path
) -> Callable[[Cells], str]:  # fmt: skip
    prefix = device.prefix
    table = _table(device.lookup, folder, path) if device.lookup else None

    def named(text: str) -> str:
        if table is None:
            return prefix + text
        found = table.get(text)
        if found is None and device.lookup:
            why = f"{device.lookup.file} has no row with {device.lookup.key} = {text[:80]!r}"
            raise Unread(FaultKind.UNKNOWN_DEVICE, why)
        return f"{prefix}{found}"

    if device.column is not None:
        column = at(device.column)
        return lambda row: named(row[column].strip())
    if device.file_name is not None:
        match = re.search(device.file_name, path.name)
        if match is None:
            raise RecordingError(f"{path}: its name does not match the map's file_name {device.file_name!r}")
        fixed = named(match[1])
    else:
        fixed = named(device.constant or "")
    return lambda row: fixed


def _table(lookup: Lookup, folder: Path, path: Path) -> Mapping[str, str]:
    """id → device of the lookup's CSV."""
    places = [folder / lookup.file, path.parent / lookup.file]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise RecordingError(f"lookup {lookup.file} is neither in {folder} nor in {path.parent}")
    if file.stat().st_size > LOOKUP_BYTES_MAX:
        raise RecordingError(f"{file}: a lookup may have at most {LOOKUP_BYTES_MAX >> 20} MB")
    try:
        with open_text(file) as text:
            lines = text.read()
        if lost := undecoded(lines):
            raise RecordingError(f"{file}: {lost}")
        return dict(_pairs(csv.DictReader(lines.splitlines()), lookup, file))
    except (OSError, NotText, csv.Error) as error:
        raise RecordingError(f"{file}: {error}") from None


def _pairs(rows: csv.DictReader[str], lookup: Lookup, file: Path) -> Iterator[tuple[str, str]]:
    for name in (lookup.key, lookup.value):
        if name not in (rows.fieldnames or ()):
            raise RecordingError(f"{file}: the lookup names the column {name!r}; the file has {rows.fieldnames}")
    for row in rows:
        if row[lookup.key] and row[lookup.value]:
            yield row[lookup.key].strip(), row[lookup.value].strip()
