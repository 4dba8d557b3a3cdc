"""A subject's news may decide rules of others: of the places it is in, of gauges downstream, and of those that wait for
neighbours (`watchers.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules import life, places
from rules.subject import Subject
from rules.watchers import asks

if TYPE_CHECKING:
    from rules.engine import Engine, Outcome


def wake(engine: Engine, subject: Subject, series: tuple[str, ...], at: int, outcome: Outcome) -> None:
    """Judge whatever others ask of these series, which the subject told at `at`."""
    if engine.over:
        places.wake(engine, subject, series, at, outcome)
    if subject.id in engine.downstream:
        _downstream(engine, subject, series, at, outcome)
    for name in series:
        if name in engine.watchers.waiting:
            _neighbours(engine, subject, name, at, outcome)


def _downstream(engine: Engine, subject: Subject, series: tuple[str, ...], at: int, outcome: Outcome) -> None:
    for lower in engine.downstream[subject.id]:
        below = engine.subjects[lower]
        if below.plan is None:
            continue
        for position, compiled in enumerate(below.plan.rules):
            asked = engine.asks_upstream.get(compiled.rule.name, ())
            if any(name in series and subject in engine.hood.others(below, name, around) for name, around in asked):
                now = max(at, below.newest)
                life.attend(engine, below, compiled, 1 << position, now, False, False, outcome)


def _neighbours(engine: Engine, subject: Subject, series: str, at: int, outcome: Outcome) -> None:
    for watcher, rule in engine.watchers.woken_by(subject, series):
        other, compiled = engine.subjects[watcher], engine.compiled[rule]
        if (
            other is not subject
            and other.plan is not None
            and abs(at - other.newest) <= compiled.rule.hold_ns
            and any(
                asked == series and subject in engine.hood.others(other, series, around)
                for asked, around in asks(other, compiled, other.watching.get(rule, 0))
            )
        ):
            bit = 1 << other.plan.positions[rule]
            life.attend(engine, other, compiled, bit, other.newest, False, False, outcome, news=at)
