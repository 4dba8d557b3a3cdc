"""`derive:`, metrics computed of readings: at the newest moment, and for the moment of a reading that came late.

A late one is computed of what was known at its own moment: its own values, and of the other inputs the newest before it, out of
a short memory. Where that memory no longer reaches back, or the metric asks windows or neighbours, whose past is gone, nothing is
derived; a figure from half of its inputs would replace a better one in the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.model import Reading, Value
from rules.figures.derived import LARGEST
from rules.plan import Plan, Recipe, Shape
from rules.state.moments import as_told
from rules.state.outcome import Outcome
from rules.state.samples import Samples
from rules.state.subject import Subject
from rules.state.track import Recent
from rules.state.world import World


def derive(
    world: World,
    subject: Subject,
    plan: Plan,
    shape: Shape,
    values: Mapping[str, Value],
    at: int,
    reading: Reading,
    outcome: Outcome,
) -> tuple[Mapping[str, Value], Shape]:
    """Compute at the newest moment, hand out as a reading, and let rules see it like what was reported."""
    if plan.words:
        remember(subject, plan, values, at)
    made: dict[str, Value] = {}
    for found in shape.derivations:
        value = figure_of(world, subject, found, subject, at)
        if value is not None:
            made[found.metric] = value
    if not made:
        return values, shape
    _hand_out(subject, made, at, reading, outcome)
    for name, figure in made.items():
        if name in plan.series:
            subject.last[name] = figure
            subject.last_t[name] = at
            if name in plan.spans:
                (subject.samples.get(name) or subject.sampled(name, *plan.spans[name])).add(at, figure)  # type: ignore[arg-type]
    merged = {**values, **made}
    shape = plan.shape(merged)
    if shape.joins:
        world.hood.join_all(subject, shape.joins)
    return merged, shape


def figure_of(world: World, subject: Subject, found: Recipe, of: Subject | _Past, at: int) -> float | None:
    """The figure; None where it is not known, or no finite number, or its expression fails."""
    health = world.failures
    if found.name in health.ill and health.left_out(found.name, subject.id):
        return None
    value = health.alone(found.name, subject.id, world.clock.now, lambda: found.function(of, at), None)
    return value if value is not None and -LARGEST <= value <= LARGEST else None


def derive_late(
    world: World,
    subject: Subject,
    shape: Shape,
    values: Mapping[str, Value],
    at: int,
    reading: Reading,
    outcome: Outcome,
) -> dict[str, Value]:
    """Compute for a moment that is past, and hand out; what rules make of it is the caller's, as is to leave out what only repeats."""
    made: dict[str, Value] = {}
    for found in shape.derivations:
        past = _past(subject, found, values, at) if found.timeless else None
        value = figure_of(world, subject, found, past, at) if past is not None else None
        if value is not None:
            made[found.metric] = value
    if made:
        _hand_out(subject, made, at, reading, outcome)
    return made


def remember(subject: Subject, plan: Plan, values: Mapping[str, Value], at: int) -> bool:
    """Keep the texts and flags that something is derived of; numbers become samples with all others. False where all values that
    something is derived of were known, numbers too."""
    news = False
    for name in plan.words:
        if name in values:
            recent = subject.recent.get(name) or subject.own("recent").setdefault(name, Recent())
            news |= recent.take(at, values[name])
    return news or not all(
        name in subject.samples and subject.samples[name].knows(at, value)
        for name, value in values.items()
        if name in plan.inputs and name in plan.spans
    )


class _Past:
    """A subject as it was, as far as timeless expressions ask."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.last: dict[str, Value] = {}
        self.last_t: dict[str, int] = {}
        self.attributes = attributes


def _past(subject: Subject, found: Recipe, values: Mapping[str, Value], at: int) -> _Past | None:
    """What the inputs were at that moment; None where one of them is not remembered that far back."""
    past = _Past(subject.attributes)
    for name in found.inputs:
        kept: Samples | Recent | None = subject.samples.get(name) or subject.recent.get(name)
        if name in values:
            past.last[name], past.last_t[name] = values[name], at
        elif kept is not None and (known := kept.before(at)) is not None:
            past.last_t[name], past.last[name] = known
        elif kept is not None and kept.forgetful:
            return None
    return past


def _hand_out(subject: Subject, made: dict[str, Value], at: int, reading: Reading, outcome: Outcome) -> None:
    at = as_told(reading, at)
    outcome.derived.append(
        Reading(subject.id, at, dict(made), received_at=reading.received_at, adapter="rules", kind=subject.kind)
    )
