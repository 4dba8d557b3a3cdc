"""The alert itself: begun, told, closed, shelved, and passed to the next contact while nobody answers.

**Calls.** A warning waits from when it was raised, or rose to a higher level, in listening time. Acknowledging answers for the level at which
it was done; shelving stops the waiting until the warning comes back, and maintenance of its device until that is over. After each wait that
its rule names the next contact is called, and from then on every change of the warning carries that contact's number.
"""

from __future__ import annotations

from hub.bilingual import NOTHING, Text, duration_zh
from hub.model import Change
from rules.judging import telling
from rules.language.rule import NO_CALLS
from rules.state.maintenance import at_work
from rules.state.outcome import Outcome
from rules.state.subject import OpenAlert, Subject
from rules.state.words import SHELF_OUTGROWN, SHELF_OVER, alert_id, duration
from rules.state.world import World


def begin(world: World, subject: Subject, rule: str, level: int, observed: int, at: int) -> OpenAlert:
    """Open an alert: its id is rule, subject and the observed time of what raised it."""
    name = alert_id(rule, subject.id, observed)
    last, ordinal = _remembering(world, subject).past.get(rule, ("", 0))
    alert = OpenAlert(name, rule, subject.id, level, at, ordinal if last == name else 0)
    join = lambda: world.groups.join(rule, subject.device.area, subject.position, name, at)  # noqa: E731
    alert.group = world.failures.alone(rule, subject.id, at, join, name, judging=False)
    world.alerts[name] = (alert, subject)
    return alert


def tell(
    world: World,
    subject: Subject,
    alert: OpenAlert,
    change: Change,
    at: int,
    reason: Text,
    outcome: Outcome,
    late: bool = False,
    who: str = "",
    note: str = "",
) -> None:
    """Append the change to the outcome."""
    alert.ordinal += 1
    alert.changed_at = at
    outcome.changes.append(telling.change(world, subject, alert, change, at, reason, late, who, note))


def close(
    world: World,
    subject: Subject,
    alert: OpenAlert,
    change: Change,
    at: int,
    reason: Text,
    outcome: Outcome,
    late: bool = False,
) -> None:
    """The alert's last change."""
    tell(world, subject, alert, change, at, reason, outcome, late)
    known = _remembering(world, subject)
    if world.elder is not None:
        world.elder.touch(known)
    known.own("past")[alert.rule] = (alert.alert, alert.ordinal)
    world.alerts.pop(alert.alert, None)


def _remembering(world: World, subject: Subject) -> Subject:
    """Where the last alerts of a subject are remembered: with the hub's own world, since an edited rule may change lanes."""
    known = world.elder.subjects.get(subject.id) if world.elder is not None else None
    return known or subject


def end_shelf(world: World, subject: Subject, alert: OpenAlert) -> None:
    """Have time look at a shelved alert when the hub's clock, which deafness and waiting do not stop, comes to its end."""
    assert alert.shelved_until is not None
    world.clock.schedule(
        alert.shelved_until - world.clock.lag - world.clock.deaf, subject.id, alert.rule.removesuffix(":silent")
    )


def unshelve_when_due(world: World, subject: Subject, alert: OpenAlert, outcome: Outcome) -> None:
    if alert.shelved_until is None:
        return
    now = world.clock.now + world.clock.lag
    if alert.shelved_until > now:
        end_shelf(world, subject, alert)
        return
    alert.shelved_until = None
    tell(world, subject, alert, Change.UNSHELVED, now, SHELF_OVER, outcome)
    wait(world, subject, alert)


def unshelve_when_outgrown(world: World, subject: Subject, alert: OpenAlert, at: int, outcome: Outcome) -> None:
    """Whoever shelved a yellow warning has not seen a red one."""
    if alert.shelved_until is not None and alert.level > alert.shelved_level:
        alert.shelved_until = None
        tell(world, subject, alert, Change.UNSHELVED, at, SHELF_OUTGROWN, outcome)


def tell_call_when_due(world: World, subject: Subject, alert: OpenAlert, outcome: Outcome) -> None:
    reason = call_when_due(world, subject, alert)
    if reason:
        tell(world, subject, alert, Change.CALLED, world.clock.now + world.clock.lag, reason, outcome)


# ------------------------------------------------------------------------------------------------ calls


def wait(world: World, subject: Subject, alert: OpenAlert) -> None:
    """Begin to wait for an answer, where the alert's level has none yet."""
    if alert.level <= alert.answered or alert.shelved_until is not None:
        return
    alert.waiting = world.clock.listening
    arm(world, subject, alert)


def answer(alert: OpenAlert) -> None:
    """Somebody has acknowledged it: nobody further is called, unless it rises above this level."""
    alert.answered, alert.waiting = alert.level, None


def arm(world: World, subject: Subject, alert: OpenAlert) -> None:
    """Have time look at the alert when the next contact is due: after anything that moves that moment."""
    due = _due(world, alert)
    if due is not None:
        world.clock.schedule(due, subject.id, alert.rule.removesuffix(":silent"))


def next_call(world: World, name: str) -> int | None:
    """By the hub's clock, when the next contact of the open alert of that name is called if nobody answers; None where none is."""
    found = world.alerts.get(name)
    due = _due(world, found[0]) if found and not at_work(found[1], world.clock.now) else None
    return None if due is None else due + world.clock.deaf + world.clock.lag


def call_when_due(world: World, subject: Subject, alert: OpenAlert) -> Text:
    """Why the next contact is to be called now, in a sentence; empty where it is not. Moves the alert on to that contact."""
    due = _due(world, alert)
    if due is None or world.clock.listening < due:
        return NOTHING
    if at_work(subject, world.clock.now):
        wait(world, subject, alert)
        return NOTHING
    waited = _waits(world, alert)[alert.contact - 1]
    alert.contact += 1
    alert.waiting = world.clock.listening
    arm(world, subject, alert)
    return Text(
        f"nobody has answered for {duration(waited)}: contact {alert.contact} is called",
        f"{duration_zh(waited)}无人应答：呼叫第{alert.contact}联系人",
    )


def _waits(world: World, alert: OpenAlert) -> tuple[int, ...]:
    return world.orders.calls.get(alert.rule.removesuffix(":silent"), NO_CALLS)[alert.level]


def _due(world: World, alert: OpenAlert) -> int | None:
    waits = _waits(world, alert)
    if alert.waiting is None or alert.contact > len(waits):
        return None
    return alert.waiting + waits[alert.contact - 1]
