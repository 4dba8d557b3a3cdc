"""The life of an alert: pending, raised, escalated, lowered, cleared, expired; acknowledged and shelved by people.

A level takes effect once its condition has certainly held for its `for`, and loses it once its clear condition has
(without one: once its own condition certainly does not hold). The alert's level is the highest in effect. Unknown
values change nothing: a gap neither raises nor clears.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hub.bilingual import LEVELS_ZH, NOTHING, Text, duration_zh, joined
from hub.model import LEVELS, Change
from rules.judging import alerts, quality, telling, tracing
from rules.language.codegen import CLEAR, FALSE, NOT_CLEAR, TRUE, Compiled
from rules.language.rule import Rule
from rules.state.memories import Memory
from rules.state.outcome import Outcome
from rules.state.subject import OpenAlert, Standing, Subject, new_standing
from rules.state.watchers import HOPING, WITHHELD
from rules.state.words import duration
from rules.state.world import World

_DISASTERS, _LEVELS = 0b1100, 0b1111


def attend(
    world: World,
    subject: Subject,
    compiled: Compiled,
    bit: int,
    at: int,
    late: bool,
    fresh: bool,
    outcome: Outcome,
    news: int = 0,
) -> None:
    """Judge one rule, unless it is ill. One that fails here harms nobody else (`rules.state.health`): an open alert of it stays
    until it expires, and what was pending is forgotten, so that time alone raises nothing of it."""
    health, name = world.failures, compiled.rule.name
    if subject.guest:
        return
    if world.freezing is not None:
        world.freezing.touch(subject)
    if name in health.ill and health.left_out(name, subject.id):
        return

    def work() -> bool:
        _judge(world, subject, compiled, bit, at, late, fresh, outcome, news)
        return True

    standing = subject.standing.get(name) if not health.alone(name, subject.id, world.clock.now, work, False) else None
    if standing is not None:
        standing.since = [since if standing.latched >> k & 1 else None for k, since in enumerate(standing.since)]
        standing.quiet = [None, None, None, None]


def _judge(
    world: World,
    subject: Subject,
    compiled: Compiled,
    bit: int,
    at: int,
    late: bool,
    fresh: bool,
    outcome: Outcome,
    news: int,
) -> None:
    """Judge one rule at observed time `at`. `fresh`: the subject's own values are new, so memories move on. `news` is
    when a neighbour's reading was observed that had the rule judged again."""
    rule = compiled.rule
    standing = subject.standing.get(rule.name)
    known = None
    if standing is None:
        if not rule.memories:
            calm = compiled.raises is not None and not compiled.raises(subject, at)
            known = 0 if calm else compiled.judge(subject, at, ())
        if known is not None and not known >> TRUE & _LEVELS:
            if compiled.hopeful is not None or subject.watching:  # nothing is so, and there was nothing before
                world.watchers.watch(subject, compiled, HOPING * _hopes(compiled, subject, at, (), known))
            return
        standing = subject.standing[rule.name] = new_standing(rule)
    if fresh and compiled.advance is not None:
        if subject.leaps and any(leap.at == at for leap in subject.leaps.values()):
            standing.look_out(at)
        compiled.advance(subject, at, standing.memories)
    if compiled.any is not None and not standing.busy() and not compiled.any(subject, at, standing.memories):
        subject.busy |= bit
        if subject.watching:
            world.watchers.watch(subject, compiled, 0)
        return
    bits = compiled.judge(subject, at, standing.memories) if known is None else known
    if subject.jumps or subject.every:
        bits = _withhold(world, subject, compiled, standing, bits, at)
    hoping = compiled.hopeful is not None and _hopes(compiled, subject, at, standing.memories, bits)
    # All that is the rule's own has been computed: from here on nothing fails halfway.
    listening = world.clock.listening
    standing.judged = at
    standing.heard = listening
    waiting = move_levels(compiled.waits, standing, bits, at, listening)
    if waiting is not None and (standing.timer is None or waiting < standing.timer):
        standing.timer = waiting
        world.clock.schedule(waiting, subject.id, rule.name)
    withheld = standing.withheld is not NOTHING and bool(standing.withheld)
    if compiled.hopeful is not None or withheld or subject.watching:
        world.watchers.watch(subject, compiled, HOPING * hoping | WITHHELD * withheld)
    late = late or world.clock.now - at > rule.late_ns
    settle(world, subject, compiled, standing, max(at, news), late, outcome)
    if standing.idle():
        del subject.standing[rule.name]
        subject.busy &= ~bit
    else:
        subject.busy |= bit


def _hopes(compiled: Compiled, subject: Subject, at: int, memories: Sequence[Memory], bits: int) -> bool:
    """Whether the neighbours could make a level true that is not."""
    return compiled.hopeful is not None and compiled.hopeful(subject, at, memories) & ~bits & _LEVELS != 0


def _withhold(world: World, subject: Subject, compiled: Compiled, standing: Standing, bits: int, at: int) -> int:
    """The bits without those levels of disaster that a lone jump would raise."""
    rule = compiled.rule
    new = (bits >> TRUE) & _DISASTERS & ~standing.latched
    if subject.every:
        return _without_doubted(world, subject, compiled, standing, bits, new, at)
    standing.withheld = (
        quality.withheld(world.hood, subject, rule.own_series(), at, rule.hold_ns) if new and rule.levels else NOTHING
    )
    return bits & ~(new << TRUE) if standing.withheld else bits


def _without_doubted(
    world: World, place: Subject, compiled: Compiled, standing: Standing, bits: int, new: int, at: int
) -> int:
    """The bits of a place without those levels of disaster that hold no longer once lone jumps inside it are left out."""
    standing.withheld = NOTHING
    doubts = quality.doubted(world, place, compiled.rule, at) if new else {}
    if not doubts:
        return bits
    world.hood.doubted = frozenset(doubts)
    lost = new & ~(compiled.judge(place, at, standing.memories) >> TRUE)
    world.hood.doubted = frozenset()
    standing.withheld = joined(doubts.values()) if lost else NOTHING
    return bits & ~(lost << TRUE)


def move_levels(waits: Sequence[tuple[int, int]], standing: Standing, bits: int, at: int, listening: int) -> int | None:
    """Put the levels into effect whose conditions have held long enough, and out of it those whose clear conditions have; when (listening
    time) a tick may be the first to do so with another, None where time alone does nothing."""
    true, latched = bits >> TRUE & _LEVELS, standing.latched
    if not true | latched and not any(standing.since):
        return None
    quiet = latched & (bits >> CLEAR) & ~true
    for k in _ONES[latched & (bits >> NOT_CLEAR | true)]:
        standing.quiet[k] = None
    for k in _ONES[bits >> FALSE & _LEVELS & ~(latched | true)]:
        standing.since[k] = None
    waiting: int | None = None
    for k in _ONES[true & ~latched | quiet]:
        when_ns, clear_ns = waits[k]
        if quiet >> k & 1:
            due = _clear_or_wait(standing, k, clear_ns, at, listening)
        else:
            due = _raise_or_wait(standing, k, when_ns, at, listening)
        if due is not None and (waiting is None or due < waiting):
            waiting = due
    return waiting


_ONES = tuple(tuple(k for k in range(4) if bits >> k & 1) for bits in range(16))
"""The levels whose bits are set."""


def _raise_or_wait(standing: Standing, k: int, for_ns: int, at: int, listening: int) -> int | None:
    """Level k, not in effect, is true: latch it if it has been long enough; else when (listening time) a tick may do so."""
    since = standing.since[k]
    if since is None or since[0] > at:
        since = standing.since[k] = (at, listening)
    if at - since[0] < for_ns:
        return since[1] + for_ns
    standing.latched |= 1 << k
    return None


def _clear_or_wait(standing: Standing, k: int, for_ns: int, at: int, listening: int) -> int | None:
    """Level k, in effect, is clear: release it if it has been long enough; else when (listening time) a tick may do so."""
    quiet = standing.quiet[k]
    if quiet is None or quiet[0] > at:
        quiet = standing.quiet[k] = (at, listening)
    if at - quiet[0] < for_ns:
        return quiet[1] + for_ns
    release(standing, k)
    return None


def release(standing: Standing, k: int) -> None:
    standing.latched &= ~(1 << k)
    standing.since[k] = None
    standing.quiet[k] = None


def settle(
    world: World, subject: Subject, compiled: Compiled, standing: Standing, at: int, late: bool, outcome: Outcome
) -> None:
    """Make the alert's level what is latched, telling the change if there is one."""
    level = standing.latched.bit_length() - 1
    alert = standing.alert
    if alert is None:
        if level < 0:
            return
        alert = standing.alert = alerts.begin(world, subject, compiled.rule.name, level, standing.judged, at)
        change = Change.RAISED
        world.clock.schedule(standing.heard + compiled.rule.expire_ns, subject.id, compiled.rule.name)
    elif level == alert.level:
        standing.calm = None
        return
    elif level < 0:
        if _held_for_flapping(world, subject, compiled.rule, standing):
            return
        reason = _said(world, compiled, subject, standing, alert.level, telling.cleared) + _flapping(subject, alert)
        alerts.close(world, subject, alert, Change.CLEARED, at, reason, outcome, late)
        standing.alert = standing.calm = None
        return
    elif level < alert.level:
        reason = _said(world, compiled, subject, standing, alert.level, telling.cleared)
        alert.level = level
        standing.calm = None
        alerts.tell(world, subject, alert, Change.LOWERED, at, reason, outcome, late)
        alerts.arm(world, subject, alert)
        return
    else:
        change = Change.ESCALATED
        alert.level = level
    standing.calm = None
    reason = _said(world, compiled, subject, standing, level, telling.reason)
    if change is Change.RAISED:
        subject.own("raises")[alert.rule] = [*subject.raises.get(alert.rule, ()), at][-FLAPS:]
        reason += _flapping(subject, alert)
    traced = _traced(world, subject, compiled.rule, standing) if compiled.rule.tracing is not None else None
    alerts.tell(world, subject, alert, change, at, reason + traced.said if traced else reason, outcome, late)
    if traced:
        outcome.changes[-1].evidence.append(traced.evidence)
    alerts.unshelve_when_outgrown(world, subject, alert, at, outcome)
    alerts.wait(world, subject, alert)


def _traced(world: World, subject: Subject, rule: Rule, standing: Standing) -> tracing.Traced | None:
    """Who may have emitted it."""
    return world.failures.alone(
        rule.name,
        subject.id,
        world.clock.now,
        lambda: tracing.trace(world, subject, rule, standing.judged),
        None,
        judging=False,
    )


def _said(
    world: World,
    compiled: Compiled,
    subject: Subject,
    standing: Standing,
    level: int,
    words: Callable[[Compiled, Subject, Standing, int], Text],
) -> Text:
    """The sentence of a change; where it cannot be put together, the level alone."""
    return world.failures.alone(
        compiled.rule.name,
        subject.id,
        world.clock.now,
        lambda: words(compiled, subject, standing, level),
        Text(LEVELS[level], LEVELS_ZH[LEVELS[level]]),
        judging=False,
    )


FLAPS, FLAP_WITHIN_NS, FLAP_HOLD_NS = 4, 3_600_000_000_000, 1_800_000_000_000
"""An alert raised four times within an hour flaps; from then on it clears only after half an hour of calm."""


def _flaps(subject: Subject, rule: str) -> bool:
    times = subject.raises.get(rule, [])
    return len(times) == FLAPS and times[-1] - times[0] <= FLAP_WITHIN_NS


def _flapping(subject: Subject, alert: OpenAlert) -> Text:
    if not _flaps(subject, alert.rule):
        return NOTHING
    held, held_zh = duration(FLAP_HOLD_NS), duration_zh(FLAP_HOLD_NS)
    return Text(
        f"; it flaps, {FLAPS} times within an hour, and clears only after {held} of calm",
        f"；反复触发，1小时内{FLAPS}次，平稳{held_zh}后才解除",
    )


def _held_for_flapping(world: World, subject: Subject, rule: Rule, standing: Standing) -> bool:
    """Whether a flapping alert that would clear now has yet to stay calm."""
    if not _flaps(subject, rule.name):
        return False
    listening = world.clock.listening
    if standing.calm is None:
        standing.calm = listening
        world.clock.schedule(listening + FLAP_HOLD_NS, subject.id, rule.name)
    return listening - standing.calm < FLAP_HOLD_NS


# ---------------------------------------------------------------------------------------------- time passing


# ---------------------------------------------------------------------------------------------- silence


# ---------------------------------------------------------------------------------------------- people
