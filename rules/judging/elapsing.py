"""What time completes: levels that have held, expiry, shelving, silence."""

from __future__ import annotations

from hub.bilingual import NOTHING, Text, duration_zh
from hub.model import Change
from rules.judging import alerts, life
from rules.language.codegen import Compiled
from rules.language.rule import Rule
from rules.plan import DISASTER
from rules.state.maintenance import at_work
from rules.state.outcome import Outcome
from rules.state.subject import Standing, Subject
from rules.state.words import duration
from rules.state.world import World


def on_time(world: World, subject: Subject, rule_name: str, outcome: Outcome) -> None:
    """Listening time has reached something that was scheduled for this subject and rule."""
    plan = subject.plan
    if plan is None or rule_name not in plan.positions:
        return
    compiled = plan.rules[plan.positions[rule_name]]
    standing = subject.standing.get(rule_name)
    if standing is not None:
        _hold(world, subject, compiled, standing, outcome)
        if standing.alert is not None:
            _shelf_and_expiry(world, subject, compiled, standing, outcome)
        bit = 1 << plan.positions[rule_name]
        if standing.idle():
            subject.standing.pop(rule_name, None)
            subject.busy &= ~bit
    if compiled.rule.silent_ns is not None:
        _silence(world, subject, compiled.rule, outcome)


def _hold(world: World, subject: Subject, compiled: Compiled, standing: Standing, outcome: Outcome) -> None:
    """Complete, by the tick, what the newest reading left holding."""
    listening = world.clock.listening
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
                life.release(standing, k)
            else:
                waiting.append(quiet[1] + for_ns)
    life.settle(world, subject, compiled, standing, world.clock.now, False, outcome)
    standing.timer = min(waiting) if waiting else None
    if standing.timer is not None:
        world.clock.schedule(standing.timer, subject.id, compiled.rule.name)


def _shelf_and_expiry(world: World, subject: Subject, compiled: Compiled, standing: Standing, outcome: Outcome) -> None:
    alert = standing.alert
    assert alert is not None
    alerts.unshelve_when_due(world, subject, alert, outcome)
    alerts.tell_call_when_due(world, subject, alert, outcome)
    rule = compiled.rule
    due = standing.heard + rule.expire_ns
    if world.clock.listening < due:
        world.clock.schedule(due, subject.id, rule.name)
        return
    reason = Text(
        f"no usable data for {duration(rule.expire_ns)}: nobody can say whether it still holds",
        f"{duration_zh(rule.expire_ns)}无可用数据：无法判断是否仍成立",
    )
    alerts.close(world, subject, alert, Change.EXPIRED, world.clock.now, reason, outcome)
    standing.alert = standing.calm = None
    standing.latched = 0
    standing.since = [None, None, None, None]
    standing.quiet = [None, None, None, None]


def listen(world: World, subject: Subject) -> None:
    """Start to count silence for the subject's rules that want to know of it (a place's: `rules.judging.inside`)."""
    if subject.plan is None or world.clock.started < 0 or subject.every:
        return
    listening = world.clock.listening
    for name in subject.plan.silent:
        if name not in subject.heard:
            subject.own("heard")[name] = listening
            rule = world.orders.compiled[name].rule
            world.clock.schedule(listening + (rule.silent_ns or 0), subject.id, name)


USUAL_SHARE, USUAL_MAX_NS = 8, 24 * 3_600_000_000_000
"""The longest pause fades by a part in 2 ** 8 with each report, and counts up to a day."""


REPORT_EVERY = "report_every_min"
"""The attribute that says how often a device reports, in minutes."""


def word(subject: Subject, rule: str, listening: int) -> None:
    """The subject has said something that the rule listens for: how long it was silent before is what it is used to."""
    heard, usual = subject.heard.get(rule), subject.usual.get(rule)
    if heard is None or usual is None:
        subject.own("heard")[rule] = listening
        subject.own("usual")[rule] = (0, 0)  # its first word: what was before is no pause of its own
        return
    subject.heard[rule] = listening
    longest, second = usual
    pause = listening - heard
    if pause <= second:
        subject.usual[rule] = (longest - (longest >> USUAL_SHARE), second - (second >> USUAL_SHARE))
    elif pause <= longest:
        subject.usual[rule] = (longest, pause)
    else:
        subject.usual[rule] = (min(pause, USUAL_MAX_NS), longest)


def patience(subject: Subject, rule: Rule) -> int:
    """How long the subject may be silent, ns: as long as the rule says, and longer where it is used to longer pauses: by half than the second
    longest of late (what happened once is no habit), or three times what the registry says. A warning of orange and red, as of a gas detector, has no patience."""
    after = rule.silent_ns or 0
    if rule.silent_exactly or rule.silent_level >= DISASTER:
        return after
    stated = subject.attributes.get(REPORT_EVERY)
    if isinstance(stated, int | float):
        return max(after, round(3 * stated * 60_000_000_000))
    _, second = subject.usual.get(rule.name, (0, 0))
    return max(after, second + (second >> 1))


def _silence(world: World, subject: Subject, rule: Rule, outcome: Outcome) -> None:
    listening = world.clock.listening
    heard = subject.heard.get(rule.name)
    if heard is None:
        return  # A timer left from before the registry took the subject away and gave it back: nobody listens now.
    silent_ns = patience(subject, rule)
    standing_alert = subject.silent.get(rule.name)
    if standing_alert is not None:
        alerts.unshelve_when_due(world, subject, standing_alert, outcome)
        alerts.tell_call_when_due(world, subject, standing_alert, outcome)
        return
    if listening - heard >= silent_ns and at_work(subject, world.clock.now):
        heard = subject.heard[rule.name] = listening
    if listening - heard < silent_ns:
        world.clock.schedule(heard + silent_ns, subject.id, rule.name)
        return
    if any(alert.level >= rule.silent_level for alert in subject.silent.values()):
        return  # One dead device, one alert: this one is looked at again when that one ends.
    alert = alerts.begin(world, subject, rule.silent_name, rule.silent_level, max(subject.newest, 0), world.clock.now)
    subject.own("silent")[rule.name] = alert
    who = Text(" from anybody inside", "区内所有设备") if subject.every else NOTHING
    shown = silent_ns if silent_ns == rule.silent_ns else silent_ns // 60_000_000_000 * 60_000_000_000
    longer = Text(", longer than it is used to", "，超过其惯常间隔") if silent_ns != rule.silent_ns else NOTHING
    reason = Text(f"no data{who.en} for {duration(shown)}", f"{who.zh}{duration_zh(shown)}无数据") + longer
    if subject.newest <= 0:
        reason += Text("; it never reported", "；从未上报")
    alerts.tell(world, subject, alert, Change.RAISED, world.clock.now, reason, outcome)
    alerts.wait(world, subject, alert)


def resume(world: World, subject: Subject) -> None:
    """Maintenance has begun or is over: silence, and waiting for an answer to what is open, count from now on."""
    listening = world.clock.listening
    for name in subject.plan.silent if subject.plan else ():
        if name not in subject.silent:
            subject.own("heard")[name] = listening
            world.clock.schedule(listening + (world.orders.compiled[name].rule.silent_ns or 0), subject.id, name)
    for standing in subject.standing.values():
        if standing.alert is not None and standing.alert.waiting is not None:
            alerts.wait(world, subject, standing.alert)


def end_silence(world: World, subject: Subject, rule: str, outcome: Outcome) -> None:
    """The subject is heard again."""
    alert = subject.silent.pop(rule)
    alerts.close(
        world, subject, alert, Change.CLEARED, world.clock.now, Text("it reports again", "已恢复上报"), outcome
    )
    silent_ns = world.orders.compiled[rule].rule.silent_ns or 0
    world.clock.schedule(world.clock.listening + silent_ns, subject.id, rule)
    for other in subject.plan.silent if subject.plan else ():
        if other != rule and other not in subject.silent:
            world.clock.schedule(
                subject.heard.get(other, 0) + (world.orders.compiled[other].rule.silent_ns or 0), subject.id, other
            )


def arm(world: World, subject: Subject) -> None:
    """Schedule everything that time could complete for this subject."""
    plan = subject.plan
    if plan is None:
        return
    for name, standing in subject.standing.items():
        rule = world.orders.compiled[name].rule
        waiting = [
            pair[1] + (level.when.for_ns if pairs is standing.since else level.clear.for_ns if level.clear else 0)
            for level in rule.levels
            for pairs in (standing.since, standing.quiet)
            if (pair := pairs[level.level]) is not None
            and (pairs is standing.since) != bool(standing.latched >> level.level & 1)
        ]
        standing.timer = min(waiting) if waiting else None
        if standing.timer is not None:
            world.clock.schedule(standing.timer, subject.id, name)
        if standing.calm is not None:
            world.clock.schedule(standing.calm + life.FLAP_HOLD_NS, subject.id, name)
        if standing.alert is not None:
            world.clock.schedule(standing.heard + rule.expire_ns, subject.id, name)
            if standing.alert.shelved_until is not None:
                alerts.end_shelf(world, subject, standing.alert)
            alerts.arm(world, subject, standing.alert)
    for name in plan.silent:
        alert = subject.silent.get(name)
        if alert is None and name in subject.heard:
            world.clock.schedule(
                subject.heard[name] + (world.orders.compiled[name].rule.silent_ns or 0), subject.id, name
            )
        elif alert is not None and alert.shelved_until is not None:
            alerts.end_shelf(world, subject, alert)
        if alert is not None:
            alerts.arm(world, subject, alert)
