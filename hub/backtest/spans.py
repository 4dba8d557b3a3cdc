"""The levels of warnings over time, made of their changes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hub.model import LEVELS, AlertChange, Change

ORANGE = LEVELS.index("orange")
SILENT = ":silent"


class Span(NamedTuple):
    """A stretch of time during which a warning stood at one level; `until` is None while it stands still."""

    subject: str
    rule: str
    level: int
    since: int
    until: int | None


def spans_of(changes: Iterable[AlertChange]) -> list[Span]:
    """The levels of all warnings over time, silence left out."""
    standing: dict[str, tuple[int, int]] = {}  # alert → level, since
    names: dict[str, tuple[str, str]] = {}
    found: list[Span] = []
    for change in changes:
        if change.rule.endswith(SILENT):
            continue
        before = standing.pop(change.alert, None)
        if before is not None:
            found.append(Span(change.subject, change.rule, before[0], before[1], change.at))
        names[change.alert] = (change.subject, change.rule)
        if change.change not in (Change.CLEARED, Change.EXPIRED):
            standing[change.alert] = (LEVELS.index(change.level), change.at)
    found += [Span(*names[alert], level, since, None) for alert, (level, since) in standing.items()]
    return sorted(found, key=lambda span: span.since)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Stretches at orange or above without a break; their level is the highest."""
    high = sorted(
        (span for span in spans if span.level >= ORANGE), key=lambda span: (span.subject, span.rule, span.since)
    )
    found: list[Span] = []
    for span in high:
        last = found[-1] if found else None
        if last and (last.subject, last.rule, last.until) == (span.subject, span.rule, span.since):
            found[-1] = last._replace(level=max(last.level, span.level), until=span.until)
        else:
            found.append(span)
    return found
