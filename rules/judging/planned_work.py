"""Planned work begins and ends: silence is hidden meanwhile, and counts from its end."""

from __future__ import annotations

from hub.bilingual import Text
from hub.model import Change, OperatorAction
from rules.judging import alerts, elapsing
from rules.state.maintenance import apply, at_work, windows_of
from rules.state.outcome import Outcome
from rules.state.world import World


def operator(world: World, action: OperatorAction, outcome: Outcome) -> None:
    """Take an action about maintenance, and what it begins or ends at once."""
    apply(world.maintenance, action)
    spread(world)
    turn(world, outcome)


def spread(world: World) -> None:
    """Tell every subject which windows may concern it, and when to look at them next."""
    world.turns_at = next_turn(world)
    for subject in world.subjects.values():
        subject.maintenance = windows_of(world.maintenance.values(), subject)


def turn(world: World, outcome: Outcome) -> None:
    """A window may have begun or ended: look at every subject that one may concern."""

    clock = world.clock.now
    world.turns_at = next_turn(world)
    for name in sorted(world.subjects):
        subject = world.subjects[name]
        if subject.maintenance is None and not subject.resting:
            continue
        now = at_work(subject, clock)
        if now == subject.resting:
            continue
        world.touch(subject)
        subject.resting = now
        if now:
            for rule in sorted(subject.silent):
                alert = subject.silent.pop(rule)
                alerts.close(
                    world,
                    subject,
                    alert,
                    Change.CLEARED,
                    clock,
                    Text("its device is in maintenance", "设备正在维护"),
                    outcome,
                )
        elapsing.resume(world, subject)


def next_turn(world: World) -> int | None:
    """The next moment at which a window begins or ends; None where none does."""
    turns = [at for window in world.maintenance.values() if (at := window.next_turn(world.clock.now)) is not None]
    return min(turns, default=None)
