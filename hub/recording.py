"""Recorded readings from files: long and wide CSV, other layouts through a map, raw frames through a codec.

Rows come in the order in which they stand, which is taken as the order of arrival; several files are merged by time.
A CSV has no receive time, so a reading counts as received at its observed time, or at that of an earlier row if that
was later: nothing is received before it was observed.
"""

from __future__ import annotations

import csv
import gzip
import heapq
import io
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import IO, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from hub.metrics import convert, nearest, vocabulary
from hub.model import Fault, FaultKind, Message, Position, Reading, Value
from hub.moment import SECOND, from_datetime, from_text
from hub.ports import Codec

LINE_MAX = 1 << 20
"""Characters of one line of a recording."""


class Recorded(NamedTuple):
    """One row or frame of a recording: when it arrived (ns) and what it held."""

    at: int
    message: Message


class RecordingError(ValueError):
    """A file or map that cannot be read; the message names it and says why."""


# ------------------------------------------------------------------------------------------------- the map


class TimeMap(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where the time stands: one column, or several whose texts are joined by a space."""

    column: str | list[str] = "time"
    format: str = "iso"
    """"iso", "unix" (seconds), "unix_ms", or a strptime pattern."""
    zone: str | None = None
    """Zone of times that carry none."""


class DeviceMap(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The device id: a column, or a constant for a file of one device; `prefix` goes before it."""

    column: str | None = None
    constant: str | None = None
    prefix: str = ""
    kind: str = ""


class PositionMap(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    lon: str
    lat: str


class ValueMap(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One metric's column, and the unit its numbers are in (the vocabulary's own if not stated)."""

    column: str
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    texts: dict[str, float] = {}
    """Numbers for texts that stand in the column, such as wind = {N = 0, NE = 45}."""
    true: list[str] = []
    """For flags: the texts that mean true."""


class Where(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Rows to take: those whose column holds one of these texts (or none of them, with `not`)."""

    column: str
    is_: list[str] = msgspec.field(default_factory=list, name="is")
    is_not: list[str] = msgspec.field(default_factory=list)


class Map(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How a foreign CSV layout reads: see `docs/recordings.md`."""

    values: dict[str, ValueMap | str]
    device: DeviceMap = DeviceMap()
    time: TimeMap = TimeMap()
    position: PositionMap | None = None
    constants: dict[str, float | bool | str] = {}
    missing: tuple[str, ...] = ("", "NA", "NaN", "nan", "null", "None")
    delimiter: str = ","
    columns: list[str] | None = None
    """Names of the columns where the file has no header line."""
    comment: str = "#"
    where: list[Where] = []


def load_map(path: Path) -> Map:
    """Read and check a map. Raises `RecordingError`."""
    try:
        found = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Map)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise RecordingError(f"{path}: {error}") from None
    for metric, source in found.values.items():
        if metric not in vocabulary():
            raise RecordingError(f"{path}: unknown metric {metric!r}{nearest(metric)}")
        if isinstance(source, ValueMap) and source.unit is not None:
            try:
                convert(1.0, source.unit, vocabulary()[metric].unit)
            except ValueError as error:
                raise RecordingError(f"{path}: {metric}: {error}") from None
    if found.time.zone is not None:
        _zone(found.time.zone, path)
    if (found.device.column is None) == (found.device.constant is None):
        raise RecordingError(f"{path}: [device] needs either column or constant")
    return found


# ------------------------------------------------------------------------------------------------- reading


def read_files(
    paths: Sequence[Path], mapping: Map | None = None, codec: Callable[[], Codec] | None = None, binary: bool = False
) -> Iterator[Recorded]:
    """What the files hold, merged by arrival. `codec` makes one decoder a file for recordings of raw frames."""
    if codec is not None:
        sources = [_frames(path, codec(), binary) for path in paths]
    else:
        sources = [_rows(path, mapping) for path in paths]
    return (
        heapq.merge(*sources, key=lambda recorded: recorded.at)
        if len(sources) > 1
        else iter(sources[0] if sources else ())
    )


def open_text(path: Path) -> IO[str]:
    """A text file, unpacked where its name ends in .gz. Raises `RecordingError`."""
    try:
        raw = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115  the caller closes it
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None
    return io.TextIOWrapper(raw, "utf-8-sig", errors="replace", newline="")


def _rows(path: Path, mapping: Map | None) -> Iterator[Recorded]:
    with open_text(path) as file:
        rows = csv.reader(
            (line for line in file if not (mapping and mapping.comment and line.startswith(mapping.comment))),
            delimiter=mapping.delimiter if mapping else ",",
        )
        try:
            header = mapping.columns if mapping and mapping.columns else [name.strip() for name in next(rows, [])]
        except csv.Error as error:
            raise RecordingError(f"{path}: {error}") from None
        read = _mapped(path, header, mapping) if mapping else _plain(path, header)
        newest = 0
        while True:
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield Recorded(newest, _unreadable(f"{path.name} line {rows.line_num}: {error}", ""))
                continue
            if row is None:
                return
            if not row or not any(row):
                continue
            try:
                reading = read(row)
            except (ValueError, IndexError, OverflowError) as error:
                why = "has too few columns" if isinstance(error, IndexError) else str(error)
                yield Recorded(newest, _unreadable(f"{path.name} line {rows.line_num}: {why}", ",".join(row)))
                continue
            if reading is not None:
                newest = max(newest, reading.observed_at or 0)
                yield Recorded(newest, Message([reading], [], reading.device))


def _unreadable(why: str, row: str) -> Message:
    return Message([], [Fault(FaultKind.SYNTAX, why, row.encode()[:2000], readings=1)])


def _plain(path: Path, header: list[str]) -> Callable[[list[str]], Reading | None]:
    """The two layouts of the contract: time,device,metric,value[,lon,lat] and time,device[,lon,lat],<metric>…"""
    if header[:2] != ["time", "device"]:
        raise RecordingError(
            f"{path}: its first line is {','.join(header)[:80]!r}; time,device,metric,value or time,device,<metric>,… was meant (or a --map)"
        )
    lon = header.index("lon") if "lon" in header else None
    lat = header.index("lat") if "lat" in header else None
    types = {name: metric.type for name, metric in vocabulary().items()}
    if "metric" in header and "value" in header:
        metric_at, value_at = header.index("metric"), header.index("value")

        def read_long(row: list[str]) -> Reading | None:
            metric = row[metric_at].strip()
            text = row[value_at]
            return Reading(
                row[1],
                from_text(row[0]),
                {metric: _value(text, types.get(metric, "number"), metric)} if text != "" else {},
                _at(row, lon, lat),
            )

        return read_long
    metrics = [
        (at, name, types.get(name, "number")) for at, name in enumerate(header) if at > 1 and at not in (lon, lat)
    ]

    def read_wide(row: list[str]) -> Reading | None:
        values = {
            name: _value(row[at], kind, name) for at, name, kind in metrics if row[at] not in ("", "NA", "NaN", "nan")
        }
        position = _at(row, lon, lat)
        return Reading(row[1], from_text(row[0]), values, position) if values or position else None

    return read_wide


def _mapped(path: Path, header: list[str], mapping: Map) -> Callable[[list[str]], Reading | None]:
    def column(name: str) -> int:
        if name not in header:
            raise RecordingError(f"{path}: the map names the column {name!r}; the file has {', '.join(header)}")
        return header.index(name)

    missing = set(mapping.missing)
    time_columns = [mapping.time.column] if isinstance(mapping.time.column, str) else mapping.time.column
    times = [column(name) for name in time_columns]
    read_time = _time_reader(mapping.time, path)
    device_at = column(mapping.device.column) if mapping.device.column else None
    lon, lat = (column(mapping.position.lon), column(mapping.position.lat)) if mapping.position else (None, None)
    readers = [_column_reader(metric, source, column) for metric, source in mapping.values.items()]
    filters = [(column(where.column), set(where.is_), set(where.is_not)) for where in mapping.where]

    def read(row: list[str]) -> Reading | None:
        for at, wanted, unwanted in filters:
            if (wanted and row[at] not in wanted) or row[at] in unwanted:
                return None
        values: dict[str, Value] = {
            metric: value
            for metric, at, value_of in readers
            if row[at] not in missing and (value := value_of(row[at])) is not None
        }
        position = _at(row, lon, lat)
        if not values and position is None:
            return None
        device = mapping.device.prefix + (
            row[device_at].strip() if device_at is not None else mapping.device.constant or ""
        )
        observed_at = read_time(" ".join(row[at].strip() for at in times))
        return Reading(device, observed_at, {**mapping.constants, **values}, position, kind=mapping.device.kind)

    return read


def _column_reader(
    metric: str, source: ValueMap | str, column: Callable[[str], int]
) -> tuple[str, int, Callable[[str], Value | None]]:
    source = ValueMap(source) if isinstance(source, str) else source
    kind, target = vocabulary()[metric].type, vocabulary()[metric].unit
    unit, scale, offset, texts, true = (
        source.unit or target,
        source.scale,
        source.offset,
        source.texts,
        set(source.true),
    )

    def number(text: str) -> Value | None:
        value = texts[text] if text in texts else _number(text, metric)
        return convert(value * scale + offset, unit, target)

    def flag(text: str) -> Value | None:
        return text in true if true else bool(_value(text, "flag", metric))

    reader = {"number": number, "flag": flag}.get(kind, lambda text: text)
    return metric, column(source.column), reader


def _time_reader(time: TimeMap, path: Path) -> Callable[[str], int]:
    zone = _zone(time.zone, path) if time.zone else None
    if time.format == "iso":
        return lambda text: from_text(text, zone)
    if time.format in ("unix", "unix_ms"):
        factor = SECOND if time.format == "unix" else SECOND // 1000
        return lambda text: round(float(text) * factor)

    def parse(text: str) -> int:
        moment = datetime.strptime(text, time.format)  # noqa: DTZ007  zone added below
        return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=zone or UTC))

    return parse


def _zone(name: str, path: Path) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise RecordingError(f"{path}: unknown zone {name!r}; a name such as Asia/Shanghai was meant") from None


def _at(row: list[str], lon: int | None, lat: int | None) -> Position | None:
    if lon is None or lat is None or lon >= len(row) or lat >= len(row) or not row[lon] or not row[lat]:
        return None
    return Position(_number(row[lon], "lon"), _number(row[lat], "lat"))


def _value(text: str, kind: str, name: str) -> Value:
    if kind == "number":
        return _number(text, name)
    if kind == "flag":
        if text.strip().lower() in ("1", "true", "yes", "1.0"):
            return True
        if text.strip().lower() in ("0", "false", "no", "0.0"):
            return False
        raise ValueError(f"{name} is {text[:80]!r}; true or false was meant")
    return [part.strip() for part in text.split(";") if part.strip()] if kind == "texts" else text


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} is {text[:80]!r}; a number was meant") from None


# ------------------------------------------------------------------------------------------------- raw frames


_RECEIVED = re.compile(r"(\d{4}-\d\d-\d\dT[^\t]+|\d{9,19}(?:\.\d+)?)\t(.*)", re.DOTALL)


def _frames(path: Path, codec: Codec, binary: bool) -> Iterator[Recorded]:
    """One frame a line, hex for binary protocols; a receive time and a tab may stand before it."""
    at: int | None = None
    with open_text(path) as file:
        while line := file.readline(LINE_MAX):
            at, data = split_received(line, at)
            for message in codec.feed(frame_bytes(data, binary), at):
                yield _dated(message, at)
            if binary:
                for message in codec.end(at):
                    yield _dated(message, at)
        for message in codec.end(at):
            yield _dated(message, at)


def _dated(message: Message, at: int | None) -> Recorded:
    times = [reading.observed_at for reading in message.readings if reading.observed_at is not None]
    return Recorded(at if at is not None else max(times, default=0), message)


def split_received(line: str, before: int | None = None) -> tuple[int | None, str]:
    """(receive time or the one before, the frame) of a line that may begin with a time and a tab."""
    found = _RECEIVED.match(line)
    if not found:
        return before, line
    text = found[1]
    if text[4:5] == "-":
        try:
            return from_text(text), found[2]
        except ValueError:
            return before, line
    digits = float(text)
    scale = SECOND if digits < 1e11 else SECOND // 1000 if digits < 1e14 else 1000 if digits < 1e17 else 1
    return round(digits * scale), found[2]


def frame_bytes(text: str, binary: bool) -> bytes:
    """The bytes of one frame: hex for binary protocols, else the text with its line break; bad hex stays as it is."""
    if not binary:
        return text.encode("utf-8", "surrogateescape")
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text.strip().encode("utf-8", "surrogateescape")
