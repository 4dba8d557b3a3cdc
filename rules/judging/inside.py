"""Places as subjects: a rule `for_each: {every: zone}` or `{every: area}` is judged over the devices inside.

A place is judged when a device in it reports something that its rules ask for, or enters or leaves it: at the newest
observed time that any of them has told. While nothing is going on, a rule that only counts devices is looked at for those
alone that meet what it counts.
"""

from __future__ import annotations

from collections.abc import Collection

from rules.judging import elapsing, life, measuring
from rules.language.codegen import Compiled
from rules.language.rule import Rule
from rules.state.maintenance import at_work
from rules.state.outcome import Outcome
from rules.state.subject import Subject
from rules.state.world import World


def wake(
    world: World, subject: Subject, series: Collection[str], at: int, outcome: Outcome, crossed: tuple[str, ...] = ()
) -> None:
    """A device inside has told these series at observed time `at`, or has `crossed` the edges of these places."""
    for name in crossed or world.hood.stands.get(subject.id, ()):
        place = world.subjects.get(name)
        plan = place.plan if place is not None else None
        if place is None or plan is None or not (plan.rules or plan.measures):
            continue
        world.touch(place)
        if plan.passing and not crossed and not place.guest:
            measuring.told(place, plan, subject, series, at)
        if place.maintenance is not None and at_work(place, at):
            continue
        fresh = at >= place.newest
        now = place.newest = max(at, place.newest)
        for position, compiled in enumerate(plan.rules):
            rule = compiled.rule
            if world.orders.over.get(rule.name, _NOTHING).isdisjoint(series) or not _counts(rule, subject):
                continue
            if rule.silent_ns is not None and not crossed:
                _hear(world, place, rule, outcome)
            bit = 1 << position
            if place.busy & bit or _decides(world, place, compiled, subject, now):
                life.attend(world, place, compiled, bit, now, False, fresh, outcome)


_NOTHING: frozenset[str] = frozenset()


def _counts(rule: Rule, subject: Subject) -> bool:
    return not rule.select.of or subject.kind in rule.select.of


def _decides(world: World, place: Subject, compiled: Compiled, subject: Subject, now: int) -> bool:
    """Whether the device could make a level of the place's rule true that is not."""
    decides = compiled.decides
    return decides is None or world.failures.alone(
        compiled.rule.name, place.id, world.clock.now, lambda: decides(subject, now), True
    )


def _hear(world: World, place: Subject, rule: Rule, outcome: Outcome) -> None:
    """Somebody inside reports: the silence of a place is counted from the first time anybody did."""
    listening = world.clock.listening
    if rule.name not in place.heard:
        world.clock.schedule(listening + (rule.silent_ns or 0), place.id, rule.name)
    place.own("heard")[rule.name] = listening
    if rule.name in place.silent:
        elapsing.end_silence(world, place, rule.name, outcome)
