"""A subject's news may decide rules of others: of the places it is in, of gauges downstream, and of those that wait for
neighbours (`watchers.py`)."""

from __future__ import annotations

from rules.judging import inside, life
from rules.state.outcome import Outcome
from rules.state.subject import Subject
from rules.state.watchers import asks
from rules.state.world import World


def wake(world: World, subject: Subject, series: tuple[str, ...], at: int, outcome: Outcome) -> None:
    """Judge whatever others ask of these series, which the subject told at `at`."""
    if world.orders.over or world.orders.measures:
        inside.wake(world, subject, series, at, outcome)
    if subject.id in world.downstream:
        _downstream(world, subject, series, at, outcome)
    for name in series:
        if name in world.watchers.waiting:
            _neighbours(world, subject, name, at, outcome)


def _downstream(world: World, subject: Subject, series: tuple[str, ...], at: int, outcome: Outcome) -> None:
    for lower, rules in world.downstream[subject.id].items():
        below = world.subjects[lower]
        if below.plan is None:
            continue
        now = max(at, below.newest)
        for rule, asked in rules:
            position = below.plan.positions.get(rule)
            if position is not None and not asked.isdisjoint(series):
                life.attend(world, below, below.plan.rules[position], 1 << position, now, False, False, outcome)


def _neighbours(world: World, subject: Subject, series: str, at: int, outcome: Outcome) -> None:
    for watcher, rule in world.watchers.woken_by(subject, series):
        other, compiled = world.subjects[watcher], world.orders.compiled[rule]
        if (
            other is not subject
            and other.plan is not None
            and abs(at - other.newest) <= compiled.rule.hold_ns
            and any(
                asked == series and subject in world.hood.others(other, series, around)
                for asked, around in asks(other, compiled, other.watching.get(rule, 0))
            )
        ):
            bit = 1 << other.plan.positions[rule]
            life.attend(world, other, compiled, bit, other.newest, False, False, outcome, news=at)
