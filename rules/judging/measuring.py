"""`derive:` of places: metrics of a zone or an area, computed of the devices in it once a minute.

When a tick says that a minute is over, every place in which something was told in it is measured as of the minute's end: first all
places, then all figures are kept, then the rules that read them are judged. So no place's turn makes a difference, and a figure that
asks for another place's sees that of the minute before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hub.model import Reading, Value
from rules.judging import deriving, life
from rules.plan import Plan
from rules.state.outcome import Outcome
from rules.state.subject import NEVER, Subject
from rules.state.world import World

MINUTE = 60_000_000_000


def due(world: World) -> int | None:
    """By the clock, when places are to be measured next; None where the rules measure none."""
    if not world.orders.measures or world.clock.now == NEVER:
        return None
    return max(world.measured, world.clock.now // MINUTE * MINUTE) + MINUTE


def over(world: World) -> int | None:
    """The end of the minute that is over by the clock and not measured yet."""
    if not world.orders.measures or world.clock.now == NEVER:
        return None
    minute = world.clock.now // MINUTE * MINUTE
    news, world.measured = minute > world.measured, minute  # also where the clock was set back
    return minute if news else None


def told(place: Subject, plan: Plan, subject: Subject, series: Collection[str], at: int) -> None:
    """A device has told these series at `at`, in that place."""
    for key, size_ns in plan.passing.items():
        name, kinds = key
        if name not in series or subject.last_t.get(name) != at or (kinds and subject.kind not in kinds):
            continue
        value = subject.last[name]
        if isinstance(value, int | float):
            place.passed(key, size_ns).add(at, subject.id, float(value))


def figures(world: World, minute: int) -> list[Reading]:
    """What is measured of the places that are at home here, as of the end of a minute."""
    made: list[Reading] = []
    for name in sorted(name for name, subject in world.subjects.items() if subject.every and not subject.guest):
        place = world.subjects[name]
        plan = place.plan
        if plan is None or not plan.measures:
            continue
        world.touch(place)
        lately = place.newest >= minute - MINUTE
        if not lately and not any(place.last.get(found.metric) for found in plan.measures):
            continue  # nobody told anything; where something stood before, nothing is told once
        values: dict[str, Value] = {}
        for found in plan.measures:
            figure = deriving.figure_of(world, place, found, place, minute)
            if figure is not None:
                values[found.metric] = figure
        if values:
            made.append(Reading(name, minute, values, received_at=minute, adapter="rules", kind=place.kind))
    return made


def keep(world: World, readings: Sequence[Reading], minute: int) -> dict[str, int]:
    """Have the places remember what was measured; by place, the bits of the rules that need attention."""
    hits: dict[str, int] = {}
    for reading in readings:
        place = world.subjects.get(reading.device)
        if place is None or place.plan is None:
            continue
        world.hood.answers.forget(place.id)
        world.touch(place)
        shape = place.plan.shape(reading.values)
        hits[place.id] = shape.take(place, reading.values, minute, False)
        if shape.joins:
            world.hood.join_all(place, shape.joins)
    return hits


def judge(world: World, hits: dict[str, int], minute: int, outcome: Outcome) -> None:
    """Judge the places' rules that read what was measured."""
    for name, hit in hits.items():
        place = world.subjects[name]
        plan = place.plan
        for position, compiled in enumerate(plan.rules if plan is not None else ()):
            if hit >> position & 1:
                life.attend(world, place, compiled, 1 << position, max(minute, place.newest), False, True, outcome)
