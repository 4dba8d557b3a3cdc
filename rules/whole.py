"""One world of the worlds of all parts, each subject as it is where it is at home: for a snapshot that is that of one engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rules.state.groups import Groups
from rules.state.world import World


def whole(worlds: Sequence[World], home_of: Callable[[str], int], groups: Groups) -> World:
    """What is of no subject is the same everywhere, or the first one's."""
    first = worlds[0]
    world, clock = World(first.clock.lag), first.clock
    world.clock.now, world.clock.started = clock.now, clock.started
    world.clock.deaf, world.clock.deaf_until = clock.deaf, clock.deaf_until
    world.orders, world.elder, world.failures = first.orders, first.elder, first.failures
    world.measured = first.measured
    world.maintenance, world.turns_at, world.forwarding = first.maintenance, first.turns_at, first.forwarding
    world.groups = groups
    world.refused = sum(one.refused for one in worlds)
    for number, one in enumerate(worlds):
        world.orphans += one.orphans
        world.alerts |= one.alerts
        world.plans |= one.plans
        world.clock.timers += one.clock.timers
        world.subjects |= {name: subject for name, subject in one.subjects.items() if home_of(name) == number}
    return world
