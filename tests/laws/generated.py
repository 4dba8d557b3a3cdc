"""Series made for a pack, and what it says of them: the shapes of events and of faults that no recording here has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from hub.model import LEVELS, Change, Device, Event, Position, Reading, Tick, Value, Zone
from rules.book import RuleBook, load
from rules.engine import Engine

SECOND = 1_000_000_000
NOW = 1_780_272_000_000_000_000  # 2026-06-01, the present editions
Row = Mapping[str, Value]
"""The values of one reading; `lon` and `lat` are its position."""


class Raise(NamedTuple):
    """A step up: which rule, for whom, how high, and how many seconds after the beginning."""

    rule: str
    subject: str
    level: str
    at_s: int
    reason: str


@cache
def book(pack: str) -> RuleBook:
    found = load([], [pack])
    assert isinstance(found, RuleBook), found
    return found


def every(seconds: float, rows: Sequence[Row | None]) -> list[tuple[float, Row]]:
    """Rows so many seconds apart; None is a reading that never came."""
    return [(n * seconds, row) for n, row in enumerate(rows) if row is not None]


def said(
    pack: str,
    devices: Iterable[Device],
    series: Mapping[str, Sequence[tuple[float, Row]]],
    zones: Iterable[Zone] = (),
    tick_s: int = 60,
) -> list[Raise]:
    """What the pack raised over these series, silence left out: rows by device, each with its seconds after the beginning."""
    events: list[tuple[int, int, Event]] = []
    for device, rows in series.items():
        for seconds, row in rows:
            at, values = NOW + round(seconds * SECOND), dict(row)
            lon, lat = values.pop("lon", None), values.pop("lat", None)
            here = Position(float(lon), float(lat)) if isinstance(lon, float) and isinstance(lat, float) else None
            events.append((at, 0, Reading(device, at, values, here, received_at=at, adapter="test")))
    last = max(at for at, _, _ in events)
    events += [(at, 1, Tick(at)) for at in range(NOW, last + 1, tick_s * SECOND)]
    events.sort(key=lambda item: item[:2])
    changes = Engine(book(pack), list(devices), list(zones)).feed([event for _, _, event in events]).changes
    return [
        Raise(change.rule, change.subject, change.level, (change.at - NOW) // SECOND, change.reason)
        for change in changes
        if change.change in (Change.RAISED, Change.ESCALATED) and not change.rule.endswith(":silent")
    ]


def grave(raises: Iterable[Raise]) -> list[Raise]:
    """Those of orange and red."""
    return [one for one in raises if LEVELS.index(one.level) >= LEVELS.index("orange")]


def first(raises: Iterable[Raise], level: str, rule: str = "") -> int | None:
    """When a level (or a higher one) was first reached, in seconds; None where it never was."""
    wanted = LEVELS.index(level)
    return min(
        (one.at_s for one in raises if LEVELS.index(one.level) >= wanted and one.rule.startswith(rule)), default=None
    )
