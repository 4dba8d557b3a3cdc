"""What a reading may hold: the vocabulary's types and ranges, a believable time, a place on Earth. Pure.

Used by the front door and by back-tests alike, so that a recording meets the same checks as a live device.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple

import msgspec

from hub.device_clock import without_rollover
from hub.metrics import nearest, vocabulary
from hub.model import USABLE_MARKS, FaultKind, Position, Reading, Value
from hub.moment import SECOND, in_reach, to_text
from hub.options import IngestOptions

TEXT_MAX = 2000
"""Characters of one text value."""
DEVICE_MAX = 200
"""Characters of a device id."""
SUGGESTIONS_MAX = 3
"""Unknown metrics of one reading for which a known one is looked up."""
WHOLE_TOLD_MAX = 10
"""Values whose faults are told in the sentence about a reading of which nothing can be used."""
DAY = 86_400 * SECOND


class Finding(NamedTuple):
    """Something in a reading that cannot be used. `whole`: nothing else of the reading is left."""

    kind: FaultKind
    detail: str
    whole: bool


class Validator:
    """Checks readings and takes out of them, in place, what cannot be used."""

    def __init__(self, options: IngestOptions) -> None:
        self._future_max = int(options.future_max_s * SECOND)
        self._past_max = int(options.past_max_days * DAY)
        self._no_zero = not options.zero_position
        self._metrics = vocabulary()
        self._spans = {
            name: (metric.low, metric.high) for name, metric in self._metrics.items() if metric.type == "number"
        }

    def check(self, reading: Reading, at: int, brief: bool = False) -> list[Finding] | None:
        """None where all of it can be used. `at` is the receive time (ns) and stands in for a missing observed time.

        `brief`: nobody will read the sentences, so no time is spent on suggestions.
        """
        if reading.observed_at is None:
            reading.observed_at = at
        ahead = reading.observed_at - at
        if not -self._past_max <= ahead <= self._future_max:
            return [
                Finding(
                    FaultKind.TIME,
                    f"{reading.device}: its clock says {_moment(reading.observed_at)}, {_span(ahead)}{_remedy(reading.observed_at, at)}",
                    True,
                )
            ]
        spans = self._spans
        bad: dict[str, tuple[FaultKind, str]] | None = None
        for name, value in reading.values.items():
            span = spans.get(name)
            if span is not None and (type(value) is float or type(value) is int) and span[0] <= value <= span[1]:
                continue
            problem = self._problem(name, value, reading, brief or (bad is not None and len(bad) >= SUGGESTIONS_MAX))
            if problem:
                bad = bad or {}
                bad[name] = problem
        position = reading.position
        misplaced = position is not None and (
            not (-180 <= position.lon <= 180 and -90 <= position.lat <= 90) or (self._no_zero and is_zero(position))
        )
        if reading.marks:
            for name in reading.marks.keys() - reading.values.keys() - self._metrics.keys():
                bad = bad or {}
                bad[name] = self._unknown(name, brief or len(bad) >= SUGGESTIONS_MAX)
        if not bad and not misplaced and (reading.values or position is not None or reading.marks):
            return None
        return self._findings(reading, bad or {}, misplaced)

    def _findings(self, reading: Reading, bad: dict[str, tuple[FaultKind, str]], misplaced: bool) -> list[Finding]:
        device = reading.device
        findings: list[Finding] = []
        if misplaced and reading.position is not None:
            findings.append(Finding(FaultKind.POSITION, f"{device}: {_place(reading.position)}", False))
            reading.position = None
        kept = _denied(reading, bad)
        if reading.position is None and not kept and not reading.values.keys() - bad.keys():
            told = [why for _, why in islice(bad.values(), WHOLE_TOLD_MAX)]
            if len(bad) > len(told):
                told.append(f"and {len(bad) - len(told)} more of its values")
            why = "; ".join(told) or "a reading without any value or position"
            kind = next(iter(bad.values()))[0] if bad else FaultKind.POSITION if misplaced else FaultKind.VALUE
            return [
                Finding(
                    kind, f"{device}: {findings[0].detail.partition(': ')[2] if findings and not bad else why}", True
                )
            ]
        for name, (kind, why) in bad.items():
            rest = f"its mark {kept[name]!r}" if name in kept else "the rest of its reading"
            findings.append(Finding(kind, f"{device}: {why}; {rest} was kept", False))
            reading.values.pop(name, None)
            if reading.marks and name not in kept:
                reading.marks.pop(name, None)
        return findings

    def _unknown(self, name: str, brief: bool) -> tuple[FaultKind, str]:
        return FaultKind.UNKNOWN_METRIC, f"unknown metric {name[:80]!r}" + ("" if brief else nearest(name[:80]))

    def _problem(self, name: str, value: Value, reading: Reading, brief: bool) -> tuple[FaultKind, str] | None:
        """Why this value cannot be used, None where it can (a flag written as 0 or 1 is mended in place)."""
        metric = self._metrics.get(name)
        if metric is None:
            return self._unknown(name, brief)
        said = f"{name} is {str(value)[:80]!r}"
        if metric.type == "number":
            if isinstance(value, bool) or not isinstance(value, float | int):
                return FaultKind.VALUE, f"{said}; a number in {metric.unit} was meant"
            if value != value:
                return FaultKind.VALUE, f"{name} is not a number (NaN)"
            return (
                FaultKind.VALUE,
                f"{name} is {value} {metric.unit}, outside what is possible ({metric.low:g} to {metric.high:g})",
            )
        if metric.type == "flag":
            if isinstance(value, float | int) and value in (0, 1):  # bool is an int
                reading.values[name] = bool(value)
                return None
            return FaultKind.VALUE, f"{said}; true or false was meant"
        if metric.type == "text":
            fits = isinstance(value, str) and len(value) <= TEXT_MAX and unicode(value) == value
            return None if fits else (FaultKind.VALUE, f"{said}; a text of at most {TEXT_MAX} characters was meant")
        texts = value if isinstance(value, list) else [""]
        fits = (
            isinstance(value, list)
            and all(isinstance(text, str) for text in texts)
            and sum(map(len, texts)) <= TEXT_MAX
        )
        if fits and [unicode(text) for text in texts] == texts:
            return None
        return FaultKind.VALUE, f"{said}; a list of texts was meant"


def _denied(reading: Reading, bad: Mapping[str, tuple[FaultKind, str]]) -> dict[str, str]:
    """Marks by which the device itself denies a metric, the value of which is missing or impossible. They are news without it: an
    instrument that is ill often says -9999 as well."""
    return {
        name: mark
        for name, mark in (reading.marks or {}).items()
        if mark not in USABLE_MARKS and bad.get(name, (None,))[0] is not FaultKind.UNKNOWN_METRIC
    }


def no_device_id(device: str) -> str | None:
    """Why this cannot be a device id, None where it can."""
    if device and len(device) <= DEVICE_MAX and device.isprintable():
        return None
    return f"{device[:50]!r} is no device id: 1 to {DEVICE_MAX} printable characters are"


def writable(reading: Reading) -> Reading:
    """The reading as it can be kept in quarantine: no number beyond 64 bits, no text that is not Unicode."""
    at = reading.observed_at
    return msgspec.structs.replace(
        reading,
        device=unicode(reading.device)[:DEVICE_MAX],
        observed_at=at if at is not None and in_reach(at) else None,
        values={unicode(name): _writable_value(value) for name, value in reading.values.items()},
        marks={unicode(name): unicode(mark) for name, mark in reading.marks.items()} if reading.marks else None,
    )


def unicode(text: str) -> str:
    """The text, cut to the limit, with what is no Unicode replaced."""
    return text[:TEXT_MAX].encode("utf-8", "replace").decode()


def _writable_value(value: Value) -> Value:
    if isinstance(value, str):
        return unicode(value)
    if isinstance(value, list):
        return [unicode(str(text)) for text in value]
    return value if isinstance(value, bool | float) or abs(value) < 1 << 63 else str(value)[:80]


def is_zero(position: Position) -> bool:
    """Whether this is latitude 0, longitude 0 to a metre: what receivers say without a fix, whatever their valid flag says."""
    return abs(position.lat) < 1e-5 and abs(position.lon) < 1e-5


def without_zero(reading: Reading) -> Finding | None:
    """Take a position of 0/0 out, and say so; None where there is none."""
    if reading.position is None or not is_zero(reading.position):
        return None
    finding = Finding(FaultKind.POSITION, f"{reading.device}: {_place(reading.position)}", False)
    reading.position = None
    return finding


def _place(position: Position) -> str:
    if is_zero(position):
        return "lon 0, lat 0 is no fix; its position was left out ([ingest] zero_position keeps it)"
    return f"lon {position.lon}, lat {position.lat} is no place on Earth; its position was left out"


def _moment(at: int) -> str:
    try:
        return to_text(at)
    except (OverflowError, ValueError):
        return f"{at} ns"


def _span(ahead: int) -> str:
    seconds = abs(ahead) / SECOND
    span = f"{seconds:.0f} seconds"
    for size, name in ((86_400 * 365.25, "years"), (86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            span = f"{seconds / size:.0f} {name}"
            break
    return f"{span} in the future" if ahead > 0 else f"{span} ago"


def _remedy(observed: int, received: int) -> str:
    """What an operator can do about such a clock."""
    if without_rollover(observed, received) != observed:
        return """: the week number of its receiver has rolled over; clock = "gps-week" on its adapter or device moves it on"""
    zone = " (or its time zone)" if observed > received else ""
    return f"""; set the device's clock{zone}, or let the hub's count: clock = "hub" on its adapter or device"""
