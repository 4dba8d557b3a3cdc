"""Readings and alert changes as InfluxDB line protocol. The schema stands in README.md of this folder.

An encoder of our own: 2 to 3 µs a reading against 6 µs for the client library's `Point` (docs/decisions/influxdb-writing.md).
Escaping follows https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/ (special characters), narrowed
to what all three families of servers take.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from hub.marks import quality
from hub.metrics import vocabulary
from hub.model import AlertChange, Reading, Value
from hub.moment import from_text
from hub.ports import Bucket
from hub.store.rows import POSITION_METRIC, as_text, observed

OTHER = "other"
"""The measurement of metrics that the vocabulary does not name."""
ALERTS = "alerts"
QUALITY_PREFIX = "q_"
SERIES_CACHED_MAX = 200_000
"""Tag sets remembered in their escaped form."""
RECEIVED_WITHIN_NS = 1_000_000_000
"""A receive time this near to the observed time is not written: a second field on every point halves what a server
takes (275 k points/s to 140 k), and tells nothing. Such a row reads as received when it was observed."""
BODY_BYTES_MAX = 60_000
"""InfluxDB 1.x takes strings up to 64 KiB; a longer alert change goes without its evidence."""


class Unwritable(ValueError):
    """This metric of the reading cannot be said in line protocol; the message says why."""

    def __init__(self, metric: str, reason: str) -> None:
        super().__init__(f"{metric}: {reason}")
        self.metric = metric


class Field(NamedTuple):
    """Where a metric goes: its measurement, `name=` escaped, and whether the vocabulary says it is text or a number."""

    measurement: str
    key: str
    is_text: bool
    is_number: bool


class Encoder:
    """Lines of readings. `areas` gives devices the tag `area`."""

    def __init__(self, areas: Mapping[str, str] | None = None) -> None:
        self._areas = areas or {}
        self._fields: dict[str, Field] = {}
        self._series: dict[tuple[str, str, str], str] = {}

    def lines(self, reading: Reading) -> list[str]:
        """One line for each measurement that the reading's values belong to, and one for each mark without a value: its field joins the point of
        the value, whenever that was written.

        Raises `Unwritable` for the first value that cannot be said, ValueError for a device name that cannot.
        """
        points: dict[str, str] = {}
        marks = reading.marks
        for metric, value in reading.values.items():
            measurement, key, is_text, is_number = self._fields.get(metric) or self._field(metric)
            if type(value) is float and not is_text:
                if value - value != 0.0:
                    raise Unwritable(metric, f"{value} is not a finite number")
                text = f"{key}{value!r}"
            else:
                text = key + _other_value(metric, value, is_text, is_number)
            if marks is not None and metric in marks:
                text = f"{text},{QUALITY_PREFIX}{key}{quality(marks[metric])}i"
            points[measurement] = f"{points[measurement]},{text}" if measurement in points else text
        if not points and reading.position is not None:
            points[POSITION_METRIC] = ""
        tail = self._tail(reading)
        lines = []
        for measurement, text in points.items():
            series = self._series.get((measurement, reading.device, reading.kind)) or self._head(measurement, reading)
            lines.append(f"{series} {text}{tail}" if text else f"{series} {tail[1:]}")
        if marks is not None:
            for metric in marks.keys() - reading.values.keys():
                measurement, key, _, _ = self._fields.get(metric) or self._field(metric)
                series = self._series.get((measurement, reading.device, reading.kind)) or self._head(
                    measurement, reading
                )
                lines.append(f"{series} {QUALITY_PREFIX}{key}{quality(marks[metric])}i {observed(reading)}")
        return lines

    def _tail(self, reading: Reading) -> str:
        """What every line of a reading ends in: its place, its receive time where that tells something, its time."""
        at = observed(reading)
        late = reading.received_at - at
        tail = (
            f" {at}"
            if -RECEIVED_WITHIN_NS <= late <= RECEIVED_WITHIN_NS
            else f",received_at={reading.received_at}i {at}"
        )
        position = reading.position
        if position is None:
            return tail
        height = "" if position.alt is None else f",alt={float(position.alt)!r}"
        return f",lat={float(position.lat)!r},lon={float(position.lon)!r}{height}{tail}"

    def _field(self, metric: str) -> Field:
        known = vocabulary().get(metric)
        measurement, kind = (known.family, known.type) if known else (OTHER, "")
        if metric in ("lat", "lon", "alt", "received_at", "device", "kind", "area", "time"):
            raise Unwritable(metric, "this name is taken by a column of the store")
        field = Field(measurement, f"{_escaped(metric)}=", kind in ("text", "texts"), kind in ("number", "flag"))
        self._fields[metric] = field
        return field

    def _head(self, measurement: str, reading: Reading) -> str:
        device, kind = reading.device, reading.kind
        tags = {"area": self._areas.get(device, ""), "device": device, "kind": kind}
        series = ",".join([measurement, *(f"{name}={_escaped(value)}" for name, value in tags.items() if value)])
        if len(self._series) >= SERIES_CACHED_MAX:
            self._series.clear()
        self._series[measurement, device, kind] = series
        return series


REWORDED_NS = 1_000_000
"""How far behind its own time a change stands whose words were put in the place of others."""


def alert_time(change: AlertChange) -> int:
    """Its id is told apart from others of the same instant by some ns below a millisecond."""
    return change.at + zlib.crc32(change.id.encode()) % 1_000_000


def alert_line(change: AlertChange, later: int = 0) -> str:
    """One alert change, `later` ns behind its time."""
    tags = {"area": change.area, "change": str(change.change), "level": change.level, "rule": change.rule}
    series = ",".join([ALERTS, *(f"{name}={_escaped(value)}" for name, value in tags.items() if value)])
    texts = {name: getattr(change, name) for name in ("alert", "subject", "title", "who", "note")}
    if change.pair:
        texts["one"], texts["other"] = change.pair
    fields = [f"{name}={_quoted(value)}" for name, value in texts.items() if value]
    seen = [view for view in change.cameras if view.sees] or change.cameras
    if seen:
        fields.append(f"camera={_quoted(seen[0].camera)}")
    began = began_at(change)
    if began is not None:
        fields += [f"age_s={(change.at - began) / 1e9!r}", f"began={began // 1_000_000}i"]
    if change.position is not None:
        fields += [f"lat={float(change.position.lat)!r}", f"lon={float(change.position.lon)!r}"]
    fields += [
        f"ordinal={change.ordinal}i",
        f"late={'true' if change.late else 'false'}",
        f"body={_quoted(_body(change))}",
    ]
    return f"{series} {','.join(fields)} {alert_time(change) + later}"


def rollup_measurement(metric: str, width: str) -> str:
    """Where rollups of this metric are kept: `air_1h`."""
    known = vocabulary().get(metric)
    return f"{known.family if known else OTHER}_{width}"


def rollup_lines(width: str, buckets: Iterable[Bucket], areas: Mapping[str, str]) -> Iterator[str]:
    """Rollups of one width: measurement `air_1h`, the tags of the raw points, fields `pm25` (the mean, so that a query
    reads the same on raw points), `pm25_min`, `pm25_max`, `pm25_last`, `pm25_count`, all metrics of a device on one line."""
    points: dict[tuple[str, str, str, int], list[str]] = {}
    for bucket in buckets:
        name = _escaped(bucket.metric)
        point = (rollup_measurement(bucket.metric, width), bucket.device, bucket.kind, bucket.time)
        points.setdefault(point, []).append(
            f"{name}={float(bucket.mean)!r},{name}_min={float(bucket.min)!r},{name}_max={float(bucket.max)!r},"
            f"{name}_last={float(bucket.last)!r},{name}_count={bucket.count}i"
        )
    for (measurement, device, kind, at), fields in points.items():
        tags = {"area": areas.get(device, ""), "device": device, "kind": kind}
        series = ",".join(f"{tag}={_escaped(value)}" for tag, value in tags.items() if value)
        yield f"{measurement},{series} {','.join(fields)} {at}"


def began_at(change: AlertChange) -> int | None:
    """The time, ns, of the observation that raised the warning: its id ends in it, after an @."""
    try:
        return from_text(change.alert.rpartition("@")[2])
    except ValueError:
        return None


def _body(change: AlertChange) -> str:
    body = msgspec.json.encode(change)
    if len(body) > BODY_BYTES_MAX:
        body = msgspec.json.encode(msgspec.structs.replace(change, evidence=[]))
    return body.decode()


def _other_value(metric: str, value: Value, is_text: bool, is_number: bool) -> str:
    """All but the float of a number. Types follow the vocabulary, so that a field never changes its type."""
    if isinstance(value, (int, float)) and not is_text:
        return repr(float(value))  # flags too: 0 and 1, whose mean is a duty share
    if is_number:
        raise Unwritable(metric, f"{value!r} is a text where the vocabulary has a number")
    return _quoted(as_text(value) if isinstance(value, (str, list)) else json.dumps(value))


_CONTROLS = re.compile(r"\r\n|[\x00-\x08\x0a-\x1f\x7f]")
"""Line breaks break lines; the others break the header X-Influxdb-Error, in which 1.x repeats lines it cannot parse."""


def _quoted(text: str) -> str:
    """A string field. Line breaks (InfluxDB 3 forbids them) and other control characters become blanks."""
    if not text.isascii():
        text.encode()  # a lone surrogate is a ValueError here, not in the middle of a request
    if not text.isprintable():
        text = _CONTROLS.sub(" ", text)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(text: str) -> str:
    """A measurement, tag or field name, or a tag value."""
    text.encode()
    if text.isalnum():
        return text
    if text.endswith("\\") or _CONTROLS.search(text):
        raise ValueError(f"{text!r} cannot be a name in InfluxDB: it ends in a backslash or holds a control character")
    return text.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")
