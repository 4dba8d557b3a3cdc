"""One line of InfluxDB line protocol as a reading: what this hub wrote, or another's export with a tag `device`.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/, times in ns, as `influx_inspect export` and
`influx query` write them.
"""

from __future__ import annotations

import json
import re

from hub.marks import mark_of
from hub.metrics import vocabulary
from hub.model import Position, Reading, Value
from hub.store.lineprotocol import ALERTS, QUALITY_PREFIX

_NAME = r"(?:\\[,= ]|[^,= ])+"
"""A measurement, a tag or a field's name. A backslash before anything else is itself."""
_HEAD = re.compile(rf"({_NAME})((?:,{_NAME}={_NAME})*) ")
_TAG = re.compile(rf",({_NAME})=({_NAME})")
_FIELD = re.compile(rf"({_NAME})=(\"(?:\\.|[^\"\\])*\"|[^,\" ]+)([, ])")
_ESCAPED = re.compile(r"\\([,= ])")
_QUOTED = re.compile(r'\\(["\\])')


def read_line(line: str) -> Reading | None:
    """None for lines that are no reading (alerts, heartbeats, rollups). Raises ValueError with a sentence."""
    try:
        return _read(line)
    except OverflowError:
        raise ValueError("a number in it is larger than any that is kept") from None
    except RecursionError:
        raise ValueError("a list in it is nested too deeply") from None


def _read(line: str) -> Reading | None:
    head = _HEAD.match(line)
    if head is None:
        raise ValueError("measurement and tags, fields, and a time in ns were meant, with a blank between them")
    measurement = head[1]
    if measurement in (ALERTS, "cityhub") or measurement.endswith(("_1m", "_1h", "_1d")):
        return None
    tags = {_plain(name): _plain(value) for name, value in _TAG.findall(head[2])}
    if "device" not in tags:
        raise ValueError("it has no tag `device`, so nobody knows what it is about")
    values: dict[str, Value] = {}
    at, more = head.end(), ","
    while more == ",":
        field = _FIELD.match(line, at)
        if field is None:
            raise ValueError(f"{line[at : at + 60]!r} is not name=value, or no time stands behind it")
        name = _plain(field[1])
        values[name] = _typed(name, _value(field[2]))
        at, more = field.end(), field[3]
    if not re.fullmatch(r"-?\d{1,19}", line[at:]):
        raise ValueError(f"{line[at : at + 40]!r} is no time in ns")
    moment = int(line[at:])
    told = {
        name.removeprefix(QUALITY_PREFIX): mark_of(int(float(str(values.pop(name)))))
        for name in [name for name in values if name.startswith(QUALITY_PREFIX)]
    }
    marks = {name: mark for name, mark in told.items() if mark}
    received_at = int(values.pop("received_at", moment))  # type: ignore[arg-type]
    lon, lat, alt = (values.pop(name, None) for name in ("lon", "lat", "alt"))
    position = None
    if isinstance(lon, float | int) and isinstance(lat, float | int):
        position = Position(float(lon), float(lat), float(alt) if isinstance(alt, float | int) else None)
    return Reading(tags["device"], moment, values, position, marks or None, received_at, kind=tags.get("kind", ""))


def _plain(name: str) -> str:
    return _ESCAPED.sub(r"\1", name)


def _typed(name: str, value: Value) -> Value:
    """As the vocabulary has it: flags are kept as 0 and 1, lists of texts as a JSON array."""
    known = vocabulary().get(name)
    if known is not None and known.type == "flag" and isinstance(value, float | int):
        return bool(value)
    if known is not None and known.type == "texts" and isinstance(value, str) and value.startswith("["):
        found: Value = json.loads(value)
        return found
    return value


def _value(text: str) -> Value:
    """A number, a flag or a quoted text."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _QUOTED.sub(r"\1", text[1:-1])
    if text.lower() in ("t", "true"):
        return True
    if text.lower() in ("f", "false"):
        return False
    try:
        return int(text[:-1]) if text.endswith(("i", "u")) else float(text)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no number, flag or quoted text") from None
