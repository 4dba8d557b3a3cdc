"""What people do: acknowledge, shelve, unshelve an alert; plan or end work on devices."""

from __future__ import annotations

from hub.model import Change, OperatorAction
from rules.judging import alerts, planned_work
from rules.state.outcome import Outcome
from rules.state.words import by, until
from rules.state.world import World


def operator(world: World, action: OperatorAction, outcome: Outcome) -> None:
    """Acknowledge, shelve, unshelve an alert; plan or end work on devices. What does not apply changes nothing."""
    if action.action in ("maintenance", "cancel-maintenance"):
        planned_work.operator(world, action, outcome)
    found = world.alerts.get(action.target)
    if found is None:
        world.forwarding.operate(action, world.clock.now, outcome)
        return
    alert, subject = found
    world.touch(subject)
    words = {"acknowledge": Change.ACKNOWLEDGED, "shelve": Change.SHELVED, "unshelve": Change.UNSHELVED}
    change = words.get(action.action)
    if change is None or (change is Change.UNSHELVED and alert.shelved_until is None):
        return
    reason = by(change, action.who)
    if change is Change.ACKNOWLEDGED:
        alert.acknowledged_by = action.who
        alerts.answer(alert)
    elif change is Change.UNSHELVED:
        alert.shelved_until = None
        alerts.wait(world, subject, alert)
    elif action.until is None or action.until <= world.clock.now + world.clock.lag:
        return
    else:
        alert.shelved_until, alert.shelved_level = action.until, alert.level
        alert.waiting = None
        reason += until(action.until)
        alerts.end_shelf(world, subject, alert)
    alerts.tell(world, subject, alert, change, action.at, reason, outcome, who=action.who, note=action.note)
