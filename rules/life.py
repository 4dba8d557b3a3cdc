"""The life of an alert: pending, raised, escalated, lowered, cleared, expired; acknowledged and shelved by people.

A level takes effect once its condition has certainly held for its `for`, and loses it once its clear condition has
(without one: once its own condition certainly does not hold). The alert's level is the highest in effect. Unknown
values change nothing: a gap neither raises nor clears.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hub.model import LEVELS, Change, OperatorAction
from rules import calling, grouping, maintenance, places, quality, telling, tracing
from rules.language.codegen import CLEAR, FALSE, NOT_CLEAR, TRUE, Compiled
from rules.language.rule import Rule
from rules.maintenance import at_work
from rules.memories import KINDS, Memory
from rules.subject import OpenAlert, Standing, Subject
from rules.watchers import HOPING, WITHHELD

if TYPE_CHECKING:
    from rules.engine import Engine, Outcome


DISASTER = LEVELS.index("orange")
"""The lowest level that is a disaster warning, which a lone jump may not raise."""
_DISASTERS, _LEVELS = 0b1100, 0b1111


def applicable(rule: Rule, subject: Subject) -> bool:
    """Whether any level of the rule can work with the attributes that this subject has."""
    if not rule.levels or rule.silent_ns is not None:
        return True
    have = subject.attributes
    return any(all(name in have for name in rule.attributes_of(level)) for level in rule.levels)


def attend(
    engine: Engine,
    subject: Subject,
    compiled: Compiled,
    bit: int,
    at: int,
    late: bool,
    fresh: bool,
    outcome: Outcome,
    news: int = 0,
) -> None:
    """Judge one rule, unless it is ill. One that fails here harms nobody else (`rules.health`): an open alert of it stays
    until it expires, and what was pending is forgotten, so that time alone raises nothing of it."""
    health, name = engine.failures, compiled.rule.name
    if name in health.ill and health.left_out(name, subject.id):
        return

    def work() -> bool:
        _judge(engine, subject, compiled, bit, at, late, fresh, outcome, news)
        return True

    standing = subject.standing.get(name) if not health.alone(name, subject.id, engine.clock, work, False) else None
    if standing is not None:
        standing.since = [since if standing.latched >> k & 1 else None for k, since in enumerate(standing.since)]
        standing.quiet = [None, None, None, None]


def _judge(
    engine: Engine,
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
    if standing is None:
        if not rule.memories and not (bits := compiled.judge(subject, at, ())) >> TRUE & _LEVELS:
            if compiled.hopeful is not None or subject.watching:  # nothing is so, and there was nothing before
                engine.watchers.watch(subject, compiled, HOPING * _hopes(compiled, subject, at, (), bits))
            return
        standing = subject.standing[rule.name] = new_standing(rule)
    if fresh and compiled.advance is not None:
        if subject.leaps and any(leap.at == at for leap in subject.leaps.values()):
            standing.look_out(at)
        compiled.advance(subject, at, standing.memories)
    if compiled.any is not None and not standing.busy() and not compiled.any(subject, at, standing.memories):
        subject.busy |= bit
        if subject.watching:
            engine.watchers.watch(subject, compiled, 0)
        return
    bits = compiled.judge(subject, at, standing.memories)
    if subject.jumps or subject.every:
        bits = _withhold(engine, subject, compiled, standing, bits, at)
    hoping = compiled.hopeful is not None and _hopes(compiled, subject, at, standing.memories, bits)
    # All that is the rule's own has been computed: from here on nothing fails halfway.
    listening = engine.clock - engine.deaf
    standing.judged = at
    standing.heard = listening
    waiting: int | None = None
    for level in rule.levels:
        k = level.level
        due = _raise_or_wait(standing, k, level.when.for_ns, bits, at, listening)
        if due is not None and (waiting is None or due < waiting):
            waiting = due
        due = _clear_or_wait(standing, k, level.clear.for_ns if level.clear else 0, bits, at, listening)
        if due is not None and (waiting is None or due < waiting):
            waiting = due
    if waiting is not None and (standing.timer is None or waiting < standing.timer):
        standing.timer = waiting
        engine.schedule(waiting, subject, rule.name)
    if compiled.hopeful is not None or standing.withheld or subject.watching:
        engine.watchers.watch(subject, compiled, HOPING * hoping | WITHHELD * bool(standing.withheld))
    late = late or engine.clock - at > rule.late_ns
    settle(engine, subject, compiled, standing, max(at, news), late, outcome)
    if standing.idle():
        del subject.standing[rule.name]
        subject.busy &= ~bit
    else:
        subject.busy |= bit


def _hopes(compiled: Compiled, subject: Subject, at: int, memories: Sequence[Memory], bits: int) -> bool:
    """Whether the neighbours could make a level true that is not."""
    return compiled.hopeful is not None and compiled.hopeful(subject, at, memories) & ~bits & _LEVELS != 0


def _withhold(engine: Engine, subject: Subject, compiled: Compiled, standing: Standing, bits: int, at: int) -> int:
    """The bits without those levels of disaster that a lone jump would raise."""
    rule = compiled.rule
    new = (bits >> TRUE) & _DISASTERS & ~standing.latched
    if subject.every:
        return _without_doubted(engine, subject, compiled, standing, bits, new, at)
    standing.withheld = (
        quality.withheld(engine.hood, subject, rule.own_series(), at, rule.hold_ns) if new and rule.levels else ""
    )
    return bits & ~(new << TRUE) if standing.withheld else bits


def _without_doubted(
    engine: Engine, place: Subject, compiled: Compiled, standing: Standing, bits: int, new: int, at: int
) -> int:
    """The bits of a place without those levels of disaster that hold no longer once lone jumps inside it are left out."""
    standing.withheld = ""
    doubts = places.doubted(engine, place, compiled.rule, at) if new else {}
    if not doubts:
        return bits
    engine.hood.doubted = frozenset(doubts)
    lost = new & ~(compiled.judge(place, at, standing.memories) >> TRUE)
    engine.hood.doubted = frozenset()
    standing.withheld = "; ".join(doubts.values()) if lost else ""
    return bits & ~(lost << TRUE)


def _raise_or_wait(standing: Standing, k: int, for_ns: int, bits: int, at: int, listening: int) -> int | None:
    """Latch level k if its condition has held long enough; else when (listening time) a tick may do so."""
    if bits >> (TRUE + k) & 1:
        if standing.latched >> k & 1:
            return None
        since = standing.since[k]
        if since is None or since[0] > at:
            since = standing.since[k] = (at, listening)
        if at - since[0] >= for_ns:
            standing.latched |= 1 << k
            standing.since[k] = since
            standing.quiet[k] = None
            return None
        return since[1] + for_ns
    if bits >> (FALSE + k) & 1 and not standing.latched >> k & 1:
        standing.since[k] = None
    return None


def _clear_or_wait(standing: Standing, k: int, for_ns: int, bits: int, at: int, listening: int) -> int | None:
    """Release level k if its clear condition has held long enough; else when a tick may do so."""
    if not standing.latched >> k & 1:
        standing.quiet[k] = None
        return None
    if bits >> (CLEAR + k) & 1 and not bits >> (TRUE + k) & 1:
        quiet = standing.quiet[k]
        if quiet is None or quiet[0] > at:
            quiet = standing.quiet[k] = (at, listening)
        if at - quiet[0] >= for_ns:
            _release(standing, k)
            return None
        return quiet[1] + for_ns
    if bits >> (NOT_CLEAR + k) & 1 or bits >> (TRUE + k) & 1:
        standing.quiet[k] = None
    return None


def _release(standing: Standing, k: int) -> None:
    standing.latched &= ~(1 << k)
    standing.since[k] = None
    standing.quiet[k] = None


def settle(
    engine: Engine, subject: Subject, compiled: Compiled, standing: Standing, at: int, late: bool, outcome: Outcome
) -> None:
    """Make the alert's level what is latched, telling the change if there is one."""
    level = standing.latched.bit_length() - 1
    alert = standing.alert
    if alert is None:
        if level < 0:
            return
        alert = standing.alert = begin(engine, subject, compiled.rule.name, level, standing.judged, at)
        change = Change.RAISED
        engine.schedule(standing.heard + compiled.rule.expire_ns, subject, compiled.rule.name)
    elif level == alert.level:
        standing.calm = None
        return
    elif level < 0:
        if _held_for_flapping(engine, subject, compiled.rule, standing):
            return
        reason = _said(engine, compiled, subject, standing, alert.level, telling.cleared) + _flapping(subject, alert)
        close(engine, subject, alert, Change.CLEARED, at, reason, outcome, late)
        standing.alert = standing.calm = None
        return
    elif level < alert.level:
        reason = _said(engine, compiled, subject, standing, alert.level, telling.cleared)
        alert.level = level
        standing.calm = None
        tell(engine, subject, alert, Change.LOWERED, at, reason, outcome, late)
        calling.arm(engine, subject, alert)
        return
    else:
        change = Change.ESCALATED
        alert.level = level
    standing.calm = None
    reason = _said(engine, compiled, subject, standing, level, telling.reason)
    if change is Change.RAISED:
        subject.raises[alert.rule] = [*subject.raises.get(alert.rule, ()), at][-FLAPS:]
        reason += _flapping(subject, alert)
    traced = engine.failures.alone(
        alert.rule,
        subject.id,
        engine.clock,
        lambda: tracing.trace(engine, subject, compiled.rule, standing.judged),
        None,
        judging=False,
    )
    tell(engine, subject, alert, change, at, reason + (traced.said if traced else ""), outcome, late)
    if traced:
        outcome.changes[-1].evidence.append(traced.evidence)
    calling.wait(engine, subject, alert)


def _said(
    engine: Engine,
    compiled: Compiled,
    subject: Subject,
    standing: Standing,
    level: int,
    words: Callable[[Compiled, Subject, Standing, int], str],
) -> str:
    """The sentence of a change; where it cannot be put together, the level alone."""
    return engine.failures.alone(
        compiled.rule.name,
        subject.id,
        engine.clock,
        lambda: words(compiled, subject, standing, level),
        LEVELS[level],
        judging=False,
    )


FLAPS, FLAP_WITHIN_NS, FLAP_HOLD_NS = 4, 3_600_000_000_000, 1_800_000_000_000
"""An alert raised four times within an hour flaps; from then on it clears only after half an hour of calm."""


def _flaps(subject: Subject, rule: str) -> bool:
    times = subject.raises.get(rule, [])
    return len(times) == FLAPS and times[-1] - times[0] <= FLAP_WITHIN_NS


def _flapping(subject: Subject, alert: OpenAlert) -> str:
    held = telling.duration(FLAP_HOLD_NS)
    return (
        f"; it flaps, {FLAPS} times within an hour, and clears only after {held} of calm"
        if _flaps(subject, alert.rule)
        else ""
    )


def _held_for_flapping(engine: Engine, subject: Subject, rule: Rule, standing: Standing) -> bool:
    """Whether a flapping alert that would clear now has yet to stay calm."""
    if not _flaps(subject, rule.name):
        return False
    listening = engine.clock - engine.deaf
    if standing.calm is None:
        standing.calm = listening
        engine.schedule(listening + FLAP_HOLD_NS, subject, rule.name)
    return listening - standing.calm < FLAP_HOLD_NS


def begin(engine: Engine, subject: Subject, rule: str, level: int, observed: int, at: int) -> OpenAlert:
    """Open an alert: its id is rule, subject and the observed time of what raised it."""
    name = telling.alert_id(rule, subject.id, observed)
    last, ordinal = _past(engine, subject).get(rule, ("", 0))
    alert = OpenAlert(name, rule, subject.id, level, at, ordinal if last == name else 0)
    alert.group = engine.failures.alone(
        rule, subject.id, at, lambda: grouping.join(engine.groups, rule, subject, name, at), name, judging=False
    )
    engine.alerts[name] = (alert, subject)
    return alert


def tell(
    engine: Engine,
    subject: Subject,
    alert: OpenAlert,
    change: Change,
    at: int,
    reason: str,
    outcome: Outcome,
    late: bool = False,
    who: str = "",
    note: str = "",
) -> None:
    """Append the change to the outcome."""
    alert.ordinal += 1
    alert.changed_at = at
    outcome.changes.append(telling.change(engine, subject, alert, change, at, reason, late, who, note))


def close(
    engine: Engine,
    subject: Subject,
    alert: OpenAlert,
    change: Change,
    at: int,
    reason: str,
    outcome: Outcome,
    late: bool = False,
) -> None:
    """The alert's last change."""
    tell(engine, subject, alert, change, at, reason, outcome, late)
    _past(engine, subject)[alert.rule] = (alert.alert, alert.ordinal)
    engine.alerts.pop(alert.alert, None)


def _past(engine: Engine, subject: Subject) -> dict[str, tuple[str, int]]:
    """Where the last alerts of a subject are remembered: with the hub's own engine, since an edited rule may change lanes."""
    known = engine.outer.subjects.get(subject.id) if engine.outer is not None else None
    return (known or subject).past


def new_standing(rule: Rule) -> Standing:
    return Standing([KINDS[memory.kind](*memory.numbers) for memory in rule.memories])


# ---------------------------------------------------------------------------------------------- time passing


def on_time(engine: Engine, subject: Subject, rule_name: str, outcome: Outcome) -> None:
    """Listening time has reached something that was scheduled for this subject and rule."""
    plan = subject.plan
    if plan is None or rule_name not in plan.positions:
        return
    compiled = plan.rules[plan.positions[rule_name]]
    standing = subject.standing.get(rule_name)
    if standing is not None:
        _hold(engine, subject, compiled, standing, outcome)
        if standing.alert is not None:
            _shelf_and_expiry(engine, subject, compiled, standing, outcome)
        bit = 1 << plan.positions[rule_name]
        if standing.idle():
            subject.standing.pop(rule_name, None)
            subject.busy &= ~bit
    if compiled.rule.silent_ns is not None:
        _silence(engine, subject, compiled.rule, outcome)


def _hold(engine: Engine, subject: Subject, compiled: Compiled, standing: Standing, outcome: Outcome) -> None:
    """Complete, by the tick, what the newest reading left holding."""
    listening = engine.clock - engine.deaf
    waiting: list[int] = []
    for level in compiled.rule.levels:
        k = level.level
        since, quiet = standing.since[k], standing.quiet[k]
        if not standing.latched >> k & 1 and since is not None:
            if listening - since[1] >= level.when.for_ns:
                standing.latched |= 1 << k
            else:
                waiting.append(since[1] + level.when.for_ns)
        elif standing.latched >> k & 1 and quiet is not None:
            for_ns = level.clear.for_ns if level.clear else 0
            if listening - quiet[1] >= for_ns:
                _release(standing, k)
            else:
                waiting.append(quiet[1] + for_ns)
    settle(engine, subject, compiled, standing, engine.clock, False, outcome)
    standing.timer = min(waiting) if waiting else None
    if standing.timer is not None:
        engine.schedule(standing.timer, subject, compiled.rule.name)


def _shelf_and_expiry(
    engine: Engine, subject: Subject, compiled: Compiled, standing: Standing, outcome: Outcome
) -> None:
    alert = standing.alert
    assert alert is not None
    _unshelve_when_due(engine, subject, alert, outcome)
    _call_when_due(engine, subject, alert, outcome)
    rule = compiled.rule
    due = standing.heard + rule.expire_ns
    if engine.clock - engine.deaf < due:
        engine.schedule(due, subject, rule.name)
        return
    reason = f"no usable data for {telling.duration(rule.expire_ns)}: nobody can say whether it still holds"
    close(engine, subject, alert, Change.EXPIRED, engine.clock, reason, outcome)
    standing.alert = standing.calm = None
    standing.latched = 0
    standing.since = [None, None, None, None]
    standing.quiet = [None, None, None, None]


def end_shelf(engine: Engine, subject: Subject, alert: OpenAlert) -> None:
    """Have time look at a shelved alert when the hub's clock, which deafness and waiting do not stop, comes to its end."""
    assert alert.shelved_until is not None
    engine.schedule(alert.shelved_until - engine.lag - engine.deaf, subject, alert.rule.removesuffix(":silent"))


def _unshelve_when_due(engine: Engine, subject: Subject, alert: OpenAlert, outcome: Outcome) -> None:
    if alert.shelved_until is None:
        return
    now = engine.clock + engine.lag
    if alert.shelved_until > now:
        end_shelf(engine, subject, alert)
        return
    alert.shelved_until = None
    tell(engine, subject, alert, Change.UNSHELVED, now, "the time it was shelved for is over", outcome)
    calling.wait(engine, subject, alert)


def _call_when_due(engine: Engine, subject: Subject, alert: OpenAlert, outcome: Outcome) -> None:
    reason = calling.call_when_due(engine, subject, alert)
    if reason:
        tell(engine, subject, alert, Change.CALLED, engine.clock + engine.lag, reason, outcome)


# ---------------------------------------------------------------------------------------------- silence


def listen(engine: Engine, subject: Subject) -> None:
    """Start to count silence for the subject's rules that want to know of it (a place's: `rules.places`)."""
    if subject.plan is None or engine.started < 0 or subject.every:
        return
    listening = engine.clock - engine.deaf
    for name in subject.plan.silent:
        if name not in subject.heard:
            subject.heard[name] = listening
            rule = engine.compiled[name].rule
            engine.schedule(listening + (rule.silent_ns or 0), subject, name)


USUAL_SHARE, USUAL_MAX_NS = 8, 24 * 3_600_000_000_000
"""The longest pause fades by a part in 2 ** 8 with each report, and counts up to a day."""
REPORT_EVERY = "report_every_min"
"""The attribute that says how often a device reports, in minutes."""


def word(subject: Subject, rule: str, listening: int) -> None:
    """The subject has said something that the rule listens for: how long it was silent before is what it is used to."""
    heard, usual = subject.heard.get(rule), subject.usual.get(rule)
    subject.heard[rule] = listening
    if heard is None or usual is None:
        subject.usual[rule] = 0  # its first word: what was before is no pause of its own
        return
    pause = listening - heard
    subject.usual[rule] = usual - (usual >> USUAL_SHARE) if pause <= usual else min(pause, USUAL_MAX_NS)


def patience(subject: Subject, rule: Rule) -> int:
    """How long the subject may be silent, ns: as long as the rule says, and longer where it is used to longer pauses: by half than the longest of
    late, or three times what the registry says. A warning of orange and red, as of a gas detector, has no patience."""
    after = rule.silent_ns or 0
    if rule.silent_exactly or rule.silent_level >= DISASTER:
        return after
    stated = subject.attributes.get(REPORT_EVERY)
    if isinstance(stated, int | float):
        return max(after, round(3 * stated * 60_000_000_000))
    usual = subject.usual.get(rule.name, 0)
    return max(after, usual + (usual >> 1))


def _silence(engine: Engine, subject: Subject, rule: Rule, outcome: Outcome) -> None:
    listening = engine.clock - engine.deaf
    heard = subject.heard.get(rule.name)
    if heard is None:
        return  # A timer left from before the registry took the subject away and gave it back: nobody listens now.
    silent_ns = patience(subject, rule)
    standing_alert = subject.silent.get(rule.name)
    if standing_alert is not None:
        _unshelve_when_due(engine, subject, standing_alert, outcome)
        _call_when_due(engine, subject, standing_alert, outcome)
        return
    if listening - heard >= silent_ns and at_work(subject, engine.clock):
        heard = subject.heard[rule.name] = listening
    if listening - heard < silent_ns:
        engine.schedule(heard + silent_ns, subject, rule.name)
        return
    if any(alert.level >= rule.silent_level for alert in subject.silent.values()):
        return  # One dead device, one alert: this one is looked at again when that one ends.
    alert = begin(engine, subject, rule.silent_name, rule.silent_level, max(subject.newest, 0), engine.clock)
    subject.silent[rule.name] = alert
    who = " from anybody inside" if subject.every else ""
    shown = silent_ns if silent_ns == rule.silent_ns else silent_ns // 60_000_000_000 * 60_000_000_000
    longer = ", longer than it is used to" if silent_ns != rule.silent_ns else ""
    reason = f"no data{who} for {telling.duration(shown)}{longer}" + (
        "" if subject.newest > 0 else "; it never reported"
    )
    tell(engine, subject, alert, Change.RAISED, engine.clock, reason, outcome)
    calling.wait(engine, subject, alert)


def resume(engine: Engine, subject: Subject) -> None:
    """Maintenance has begun or is over: silence, and waiting for an answer to what is open, count from now on."""
    listening = engine.clock - engine.deaf
    for name in subject.plan.silent if subject.plan else ():
        if name not in subject.silent:
            subject.heard[name] = listening
            engine.schedule(listening + (engine.compiled[name].rule.silent_ns or 0), subject, name)
    for standing in subject.standing.values():
        if standing.alert is not None and standing.alert.waiting is not None:
            calling.wait(engine, subject, standing.alert)


def end_silence(engine: Engine, subject: Subject, rule: str, outcome: Outcome) -> None:
    """The subject is heard again."""
    alert = subject.silent.pop(rule)
    close(engine, subject, alert, Change.CLEARED, engine.clock, "it reports again", outcome)
    silent_ns = engine.compiled[rule].rule.silent_ns or 0
    engine.schedule(engine.clock - engine.deaf + silent_ns, subject, rule)
    for other in subject.plan.silent if subject.plan else ():
        if other != rule and other not in subject.silent:
            engine.schedule(subject.heard.get(other, 0) + (engine.compiled[other].rule.silent_ns or 0), subject, other)


# ---------------------------------------------------------------------------------------------- people


def operator(engine: Engine, action: OperatorAction, outcome: Outcome) -> None:
    """Acknowledge, shelve, unshelve an alert; plan or end work on devices. What does not apply changes nothing."""
    if action.action in ("maintenance", "cancel-maintenance"):
        maintenance.operator(engine, action, outcome)
    if engine.lanes:
        for lane in engine.lanes.values():
            operator(lane.engine, action, outcome)
    found = engine.alerts.get(action.target)
    if found is None:
        engine.forwarding.operate(action, engine.clock, outcome)
        return
    alert, subject = found
    words = {"acknowledge": Change.ACKNOWLEDGED, "shelve": Change.SHELVED, "unshelve": Change.UNSHELVED}
    change = words.get(action.action)
    if change is None or (change is Change.UNSHELVED and alert.shelved_until is None):
        return
    reason = f"{change.value} by {action.who}"
    if change is Change.ACKNOWLEDGED:
        alert.acknowledged_by = action.who
        calling.answer(alert)
    elif change is Change.UNSHELVED:
        alert.shelved_until = None
        calling.wait(engine, subject, alert)
    elif action.until is None or action.until <= engine.clock + engine.lag:
        return
    else:
        alert.shelved_until = action.until
        alert.waiting = None
        reason += f" until {telling.moment(action.until)}"
        end_shelf(engine, subject, alert)
    tell(engine, subject, alert, change, action.at, reason, outcome, who=action.who, note=action.note)
