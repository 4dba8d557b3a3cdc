"""Makes one of parts: the snapshot that one engine would have, from those of all parts between the same two events.

So another number of parts, or one engine, can go on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rules.engine import Engine
from rules.judge import Judge
from rules.lateness import Lane
from rules.part import Part, PartEngine
from rules.state.health import Health
from rules.state.world import World
from rules.together import Together
from rules.whole import whole


def reunited(engines: Sequence[PartEngine], together: Together) -> bytes:
    """The snapshot of one engine that had come as far as these, which are all parts, in their order. They are of no use afterwards. `together`: what
    brought together all that they said."""
    first = engines[0]
    one = Engine(first.book, first.registry.values(), first.zones)
    one.judge = Judge(_world([engine.judge for engine in engines], together))
    one.world = one.judge.world
    one.world.failures = Health.of_all([engine.world.failures for engine in engines])
    one.lanes = {wait_ns: _lane(engines, wait_ns, one.world, together) for wait_ns in first.lanes}
    return one.snapshot()


def _world(parts: Sequence[Part], together: Together) -> World:
    made = whole([part.world for part in parts], parts[0].homes.home_of, together.groups_of(parts[0].lane))
    for name, (alert, _) in made.alerts.items():
        alert.group = together.group_of(name, alert.group)
    return made


def _lane(engines: Sequence[PartEngine], wait_ns: int, elder: World, together: Together) -> Lane:
    lanes = [engine.lanes[wait_ns] for engine in engines]
    parts = [engine.parts()[wait_ns] for engine in engines]
    world = _world(parts, together)
    world.elder = elder
    _remember(elder, world)
    made = Lane(Judge(world), wait_ns)
    made.held, made.overflowed = lanes[0].held, lanes[0].overflowed
    return made


def _remember(elder: World, lane: World) -> None:
    """A part has the last alerts of a lane's rules in the lane; one engine has them with its other subjects."""
    for name, subject in lane.subjects.items():
        known = elder.subjects.get(name)
        if known is not None and subject.past:
            past: Mapping[str, tuple[str, int]] = subject.past
            rules = lane.orders.compiled.keys()
            known.own("past").update({rule: last for rule, last in past.items() if rule in rules})
            subject.past = {rule: last for rule, last in past.items() if rule not in rules}
