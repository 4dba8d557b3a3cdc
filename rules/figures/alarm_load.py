"""How much the alarms ask of the people who watch them, by ANSI/ISA-18.2 and EEMUA 191: a pure function over the stream "alerts".

The targets named below are those commonly quoted of the two; the texts themselves are to be confirmed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hub.model import LEVELS, AlertChange, Change

MINUTE = 60_000_000_000
PERIOD = 10 * MINUTE
"""ISA-18.2 counts per operator and ten minutes: one is acceptable, two can be managed."""
FLOOD_BEGINS, FLOOD_ENDS = 10, 5
"""A flood begins with the period that brings ten alarms or more and ends with the first that brings fewer than five."""
CHATTER, CHATTER_WITHIN = 3, MINUTE
"""The same alarm three times in a minute or less chatters."""
STALE = 24 * 60 * MINUTE
TOP = 10


class Flood(NamedTuple):
    """A run of periods with more alarms than people can read; `until` is the end of its last period (ns)."""

    since: int
    until: int
    alarms: int


class Load(NamedTuple):
    """The figures. An alarm is one raise; its name is (rule, subject). Shares are between 0 and 1."""

    since: int
    until: int
    alarms: int
    per_10_min: float
    """Mean over all periods."""
    peak_10_min: int
    busy_share: float
    """Periods with more than ten alarms; ISA-18.2 wants less than 1 %."""
    floods: tuple[Flood, ...]
    flood_share: float
    """Periods within floods; ISA-18.2 wants less than 1 %."""
    top: tuple[tuple[str, str, int], ...]
    """(rule, subject, raises) of the ten most frequent."""
    top_share: float
    """Their share of all; ISA-18.2 wants less than 5 %."""
    chattering: tuple[tuple[str, str, int], ...]
    """(rule, subject, most raises within a minute); there should be none."""
    stale: tuple[str, ...]
    """Alerts open for more than 24 h at `until`; there should be fewer than five."""
    by_level: Mapping[str, float]
    """Share of raises by level; EEMUA 191 has about 5 % high, 15 % medium, 80 % low priority."""


def alarm_load(changes: Iterable[AlertChange], since: int | None = None, until: int | None = None) -> Load:
    """The load of the changes at or after `since` and before `until` (ns; by default from the first to just behind the last)."""
    kept = sorted(
        (c for c in changes if (since is None or c.at >= since) and (until is None or c.at < until)),
        key=lambda change: (change.at, change.alert, change.ordinal),
    )
    begin = since if since is not None else kept[0].at if kept else 0
    end = until if until is not None else kept[-1].at + 1 if kept else begin
    raises = [change for change in kept if change.change is Change.RAISED]
    periods = max(1, -(-(end - begin) // PERIOD))
    counts = Counter((change.at - begin) // PERIOD for change in raises)
    floods = _floods(counts, begin)
    names = Counter((change.rule, change.subject) for change in raises)
    top = sorted(((*name, n) for name, n in names.items()), key=lambda item: (-item[2], item))[:TOP]
    levels = Counter(change.level for change in raises)
    return Load(
        since=begin,
        until=end,
        alarms=len(raises),
        per_10_min=len(raises) / periods,
        peak_10_min=max(counts.values(), default=0),
        busy_share=sum(n > FLOOD_BEGINS for n in counts.values()) / periods,
        floods=floods,
        flood_share=sum((flood.until - flood.since) // PERIOD for flood in floods) / periods,
        top=tuple(top),
        top_share=sum(item[2] for item in top) / len(raises) if raises else 0.0,
        chattering=_chattering(raises),
        stale=_stale(kept, end),
        by_level={level: levels[level] / len(raises) if raises else 0.0 for level in LEVELS},
    )


def _floods(counts: Mapping[int, int], begin: int) -> tuple[Flood, ...]:
    found: list[Flood] = []
    running: Flood | None = None
    for period in sorted(counts):
        start = begin + period * PERIOD
        if running is not None and (start > running.until or counts[period] < FLOOD_ENDS):
            found.append(running)
            running = None
        if running is not None:
            running = Flood(running.since, start + PERIOD, running.alarms + counts[period])
        elif counts[period] >= FLOOD_BEGINS:
            running = Flood(start, start + PERIOD, counts[period])
    return (*found, running) if running is not None else tuple(found)


def _chattering(raises: Iterable[AlertChange]) -> tuple[tuple[str, str, int], ...]:
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    for change in raises:
        times[change.rule, change.subject].append(change.at)
    found = []
    for (rule, subject), moments in sorted(times.items()):
        first = most = 0
        for last, moment in enumerate(moments):
            while moment - moments[first] > CHATTER_WITHIN:
                first += 1
            most = max(most, last - first + 1)
        if most >= CHATTER:
            found.append((rule, subject, most))
    return tuple(found)


def _stale(changes: Iterable[AlertChange], end: int) -> tuple[str, ...]:
    raised: dict[str, int] = {}
    for change in changes:
        if change.change is Change.RAISED:
            raised[change.alert] = change.at
        elif change.change in (Change.CLEARED, Change.EXPIRED):
            raised.pop(change.alert, None)
    return tuple(sorted(alert for alert, at in raised.items() if end - at > STALE))
