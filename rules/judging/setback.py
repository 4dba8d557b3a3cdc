"""The hub's clock was set back: what it had dated in the future no longer stands in the way of what comes.

A clock may run ahead for a while, by an hour or a day, and be put right. Readings without a time of their own, and all that is
measured on receive time, then lie in the future. A tick that is earlier than the clock says so. Listening time goes on as if
nothing had happened, since the hub listened all the while; values from the future stay the newest until the next ones come;
windows and memories forget what they hold of it.
"""

from __future__ import annotations

from rules.state.samples import Samples
from rules.state.subject import Subject, new_standing
from rules.state.world import World

BACK_NS = 5_000_000_000
"""A tick so much earlier than the clock means that the clock was set back; less is the order in which two doors wrote."""
LEEWAY_NS = 60_000_000_000
"""Values from the future are dated so long before the tick: what is on its way already is newer."""


def set_back(world: World, to: int) -> None:
    """The clock goes back to `to`."""
    world.clock.deaf -= world.clock.now - to
    world.clock.now = to
    world.clock.deaf_until = min(world.clock.deaf_until, to)
    world.clock.started = min(world.clock.started, to)
    world.groups.go_back(to)
    world.hood.answers.forget_all()
    for subject in world.subjects.values():
        if max(subject.newest, subject.position_t, *subject.last_t.values(), 0) > to:
            world.touch(subject)
            _forget_the_future(world, subject, to)


def no_later(at: int, to: int) -> int:
    """A moment as it counts once the clock has gone back to `to`."""
    return at if at <= to else to - LEEWAY_NS


def _forget_the_future(world: World, subject: Subject, to: int) -> None:
    subject.last_t = {name: no_later(at, to) for name, at in subject.last_t.items()}
    subject.newest, subject.position_t = no_later(subject.newest, to), no_later(subject.position_t, to)
    subject.jumps = {metric: jump for metric, jump in subject.jumps.items() if jump.at <= to}
    subject.leaps = {metric: leap for metric, leap in subject.leaps.items() if leap.at <= to}
    subject.flat = {metric: known for metric, known in subject.flat.items() if known[3] <= to}
    subject.raises = {rule: [min(at, to) for at in times] for rule, times in subject.raises.items()}
    subject.recent = {name: recent.until(to) for name, recent in subject.recent.items()}
    for series, samples in subject.samples.items():
        if samples.times and samples.times[-1] > to:
            kept = subject.samples[series] = Samples(samples.size, samples.least)
            kept.overflow = samples.overflow
            for at, value in zip(samples.times, samples.values, strict=True):
                if at <= to:
                    kept.add(at, value)
            subject.keep_windows(lambda key, gone=series: key.series != gone)  # type: ignore[misc]
    for name, standing in subject.standing.items():
        standing.judged = min(standing.judged, to)
        if name in world.orders.compiled:
            standing.before = None
            standing.memories = new_standing(world.orders.compiled[name].rule).memories
