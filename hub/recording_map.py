"""What a map says of a foreign CSV layout (`docs/recordings.md`): its tables as types, and whether it makes sense."""

from __future__ import annotations

import re
import tomllib
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from hub.metrics import nearest, vocabulary
from hub.model import Mark
from hub.numbers import pattern_mistake
from hub.text_files import known_encoding
from hub.units import UnitError, conversion

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "None")
"""Texts that mean "no value here" unless a map says otherwise."""
WHITESPACE = "whitespace"
"""The delimiter of files whose columns are set apart by any run of blanks and tabs."""


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


class Lookup(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A CSV that translates ids: the row whose `key` column holds the id gives the device in its `value` column."""

    file: str
    """Beside the map, or beside the recording."""
    key: str
    value: str


class DeviceMap(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The device id, from a column, from the file's name (the first group of a pattern), or one for all rows."""

    column: str | None = None
    file_name: str | None = None
    constant: str | None = None
    lookup: Lookup | None = None
    prefix: str = ""
    kind: str = ""


class PositionMap(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The columns of longitude and latitude (WGS-84 degrees)."""

    lon: str
    lat: str
    missing: list[str] = []
    """Texts in either column by which the source says that it has no fix, such as 0.0."""
    speed: str | None = None
    """For sources without a speed: the metric (`sog`, `speed`) to work out between fixes, marked as estimated."""


class ValueMap(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One metric's column, and the unit its numbers are in (the vocabulary's own if not stated)."""

    column: str
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    texts: dict[str, float] = {}
    """Numbers for texts that stand in the column, such as wind = {N = 0, NE = 45}."""
    suffix: str = ""
    """A pattern of what stands behind the number and is none of it, such as " ?dBm"."""
    true: list[str] = []
    """For flags: the texts that mean true; all others mean false."""


class Where(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Rows to take: those whose column holds one of `is` (where it is given) and none of `is_not`."""

    column: str
    is_: list[str] = msgspec.field(default_factory=list, name="is")
    is_not: list[str] = msgspec.field(default_factory=list)


class MarkMap(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A column in which the source says something against the row's values: its texts, and the marks they mean."""

    column: str
    texts: dict[str, Mark]
    metrics: list[str] = []
    """The values it speaks of; all of the row's if not stated."""


class Part(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One device's share of a row."""

    values: dict[str, ValueMap | str]
    device: DeviceMap = DeviceMap()
    position: PositionMap | None = None
    constants: dict[str, float | bool | str] = {}
    marks: list[MarkMap] = []
    where: list[Where] = []


class Map(Part, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How a foreign CSV layout reads: see `docs/recordings.md`."""

    time: TimeMap = TimeMap()
    missing: tuple[str, ...] = MISSING
    encoding: str = ""
    """Of the file, such as gb18030; UTF-8 (or UTF-16 with its mark in front) if not stated."""
    decimal: str = "."
    """"," where numbers are written 1.554,20: then a point groups thousands."""
    delimiter: str = ","
    columns: list[str] | None = None
    """Names of the columns where the file has no header line."""
    comment: str = "#"
    order: str = "file"
    """"file": rows stand in the order of their arrival. "time": they stand in another (by device, say), and are sorted."""
    also: list[Part] = []
    """Further devices, or further kinds of rows, in the same file."""
    folder: str = ""
    """Where the map itself lies: filled in by `load_map`."""

    @property
    def parts(self) -> list[Part]:
        return [self, *self.also]


def load_map(path: Path) -> Map:
    """Read and check a map. Raises `RecordingError`."""
    try:
        found = msgspec.convert(tomllib.loads(path.read_text("utf-8-sig")), Map)
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: {error}") from None
    if found.order not in ("file", "time"):
        raise RecordingError(f'{path}: order is {found.order!r}; "file" or "time" was meant')
    if found.encoding and not known_encoding(found.encoding):
        raise RecordingError(
            f"{path}: encoding is {found.encoding!r}; a name such as gb18030, cp1252 or utf-16 was meant"
        )
    if found.decimal not in (".", ","):
        raise RecordingError(f'{path}: decimal is {found.decimal!r}; "." or "," was meant')
    if found.decimal == found.delimiter:
        raise RecordingError(
            f'{path}: decimal and delimiter are both {found.decimal!r}; say delimiter = ";", or what it is'
        )
    if found.delimiter != WHITESPACE and len(found.delimiter) != 1:
        raise RecordingError(f"{path}: delimiter is {found.delimiter!r}; one character or {WHITESPACE!r} was meant")
    if found.time.zone is not None:
        zone_of(found.time.zone, path)
    for part in found.parts:
        _check_part(part, path)
    return msgspec.structs.replace(found, folder=str(path.parent))


def _is_speed(unit: str) -> bool:
    try:
        return bool(conversion("m/s", unit))
    except UnitError:
        return False


def _check_part(part: Part, path: Path) -> None:
    if not part.values and part.position is None:
        raise RecordingError(f"{path}: neither [values] nor [position]: there is nothing to read")
    for metric, source in part.values.items():
        known = vocabulary().get(metric)
        if known is None:
            raise RecordingError(f"{path}: unknown metric {metric!r}{nearest(metric)}")
        if isinstance(source, ValueMap) and source.suffix and (wrong := pattern_mistake(source.suffix)):
            raise RecordingError(f"{path}: {metric}: {wrong}")
        if isinstance(source, ValueMap) and source.unit is not None:
            try:
                conversion(source.unit, known.unit)
            except UnitError as error:
                raise RecordingError(f"{path}: {metric}: {error}") from None
    speed = part.position.speed if part.position else None
    if speed is not None and (speed not in vocabulary() or not _is_speed(vocabulary()[speed].unit)):
        raise RecordingError(f"{path}: [position] speed is {speed!r}; the metric of a speed was meant, such as sog")
    for metric in part.constants:
        if metric not in vocabulary():
            raise RecordingError(f"{path}: [constants]: unknown metric {metric!r}{nearest(metric)}")
    device = part.device
    if sum(source is not None for source in (device.column, device.file_name, device.constant)) != 1:
        raise RecordingError(f"{path}: [device] needs exactly one of column, file_name and constant")
    if device.file_name is not None:
        try:
            groups = re.compile(device.file_name).groups
        except re.error as error:
            raise RecordingError(f"{path}: [device] file_name is no pattern: {error}") from None
        if groups < 1:
            raise RecordingError(f"{path}: [device] file_name needs a group, as in '(.+)_rain'")


def zone_of(name: str, path: Path) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise RecordingError(f"{path}: unknown zone {name!r}; a name such as Asia/Shanghai was meant") from None
