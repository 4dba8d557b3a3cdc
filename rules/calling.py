"""Warnings that nobody answers go to the next contact.

A warning waits from when it was raised, or rose to a higher level, in listening time. Acknowledging answers for the level at
which it was done; shelving stops the waiting until the warning comes back, and maintenance of its device until that is over. After each wait that its rule names the next
contact is called, and from then on every change of the warning carries that contact's number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules import maintenance, telling
from rules.language.rule import NO_CALLS

if TYPE_CHECKING:
    from rules.engine import Engine
    from rules.subject import OpenAlert, Subject


def wait(engine: Engine, subject: Subject, alert: OpenAlert) -> None:
    """Begin to wait for an answer, where the alert's level has none yet."""
    if alert.level <= alert.answered or alert.shelved_until is not None:
        return
    alert.waiting = engine.listening
    arm(engine, subject, alert)


def answer(alert: OpenAlert) -> None:
    """Somebody has acknowledged it: nobody further is called, unless it rises above this level."""
    alert.answered, alert.waiting = alert.level, None


def arm(engine: Engine, subject: Subject, alert: OpenAlert) -> None:
    """Have time look at the alert when the next contact is due: after anything that moves that moment."""
    due = _due(engine, alert)
    if due is not None:
        engine.schedule(due, subject, alert.rule.removesuffix(":silent"))


def call_when_due(engine: Engine, subject: Subject, alert: OpenAlert) -> str:
    """Why the next contact is to be called now, in a sentence; empty where it is not. Moves the alert on to that contact."""
    due = _due(engine, alert)
    if due is None or engine.listening < due:
        return ""
    if maintenance.at_work(subject, engine.clock):
        wait(engine, subject, alert)
        return ""
    waited = telling.duration(_waits(engine, alert)[alert.contact - 1])
    alert.contact += 1
    alert.waiting = engine.listening
    arm(engine, subject, alert)
    return f"nobody has answered for {waited}: contact {alert.contact} is called"


def _waits(engine: Engine, alert: OpenAlert) -> tuple[int, ...]:
    return engine.calls.get(alert.rule.removesuffix(":silent"), NO_CALLS)[alert.level]


def _due(engine: Engine, alert: OpenAlert) -> int | None:
    waits = _waits(engine, alert)
    if alert.waiting is None or alert.contact > len(waits):
        return None
    return alert.waiting + waits[alert.contact - 1]
