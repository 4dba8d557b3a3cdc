"""Planned work on devices: while it lasts their values reach no threshold and their silence is hidden.

A window is set and cancelled by operator actions in the log, for a device, `area:NAME` or `zone:NAME`. Values are held against the
moment at which they were observed, silence against the clock. When a window begins, an open alert about silence ends; when it is
over, silence counts from that moment, and the wait for an answer to what is still open too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from hub.model import Change, Maintenance, Mark, OperatorAction, Reading
from hub.moment import to_text

if TYPE_CHECKING:
    from rules.engine import Engine, Outcome
    from rules.subject import Subject

MAX_WINDOWS = 1_000
"""Windows kept; beyond, the one that is over longest gives way, and where none is over a new one is not taken."""
KEEP_NS = 24 * 3_600_000_000_000
"""So long after its end a window is kept for values that come late."""

Windows = dict[str, Maintenance]
"""By id."""


def apply(windows: Windows, action: OperatorAction) -> None:
    """What a person planned or cancelled. Without `until`, `maintenance` ends all windows of its target."""
    if action.action == "cancel-maintenance":
        windows.pop(action.target, None)
    elif action.until is None:
        for name in [name for name, window in windows.items() if window.target == action.target]:
            del windows[name]
    else:
        since = action.at if action.since is None else action.since
        window = Maintenance(
            f"{action.target}@{to_text(since)}",
            action.target,
            since,
            action.until,
            action.every,
            action.who,
            action.note,
        )
        if since < action.until and (not action.every or action.every >= action.until - since):
            _drop_over(windows, action.at)
            if window.id in windows or len(windows) < MAX_WINDOWS:
                windows[window.id] = window


def _drop_over(windows: Windows, clock: int) -> None:
    over = sorted(
        (window.until, name) for name, window in windows.items() if not window.every and window.until <= clock
    )
    for until, name in over:
        if until + KEEP_NS <= clock or len(windows) >= MAX_WINDOWS:
            del windows[name]


def windows_of(windows: Iterable[Maintenance], subject: Subject) -> tuple[Maintenance, ...] | None:
    """Those that may concern a subject, None where there are none. Zones are asked when it matters: devices move."""
    names = {subject.id, *subject.id.split("+")}
    if subject.area:
        names.add(f"area:{subject.area}")
    found = tuple(window for window in windows if window.target in names or window.target.startswith("zone:"))
    return found or None


def at_work(subject: Subject, at: int) -> bool:
    """Whether the subject is in maintenance at that moment."""
    for window in subject.maintenance or ():
        if window.covers(at) and (
            not window.target.startswith("zone:")
            or window.target == subject.id
            or subject.hood.in_zone(subject, window.target.removeprefix("zone:"))
        ):
            return True
    return False


def marked(reading: Reading, at: int) -> Reading:
    """The reading with all its values marked, for the store."""
    marks = dict.fromkeys(reading.values, Mark.MAINTENANCE.value)
    return msgspec.structs.replace(reading, observed_at=at, marks=marks)


def operator(engine: Engine, action: OperatorAction, outcome: Outcome) -> None:
    """Take an action about maintenance, and what it begins or ends at once."""
    apply(engine.windows, action)
    spread(engine)
    turn(engine, outcome)


def spread(engine: Engine) -> None:
    """Tell every subject which windows may concern it, and when to look at them next."""
    engine.turns_at = next_turn(engine)
    for subject in engine.subjects.values():
        subject.maintenance = windows_of(engine.windows.values(), subject)


def turn(engine: Engine, outcome: Outcome) -> None:
    """A window may have begun or ended: look at every subject that one may concern."""
    from rules import life

    clock = engine.clock
    engine.turns_at = next_turn(engine)
    for name in sorted(engine.subjects):
        subject = engine.subjects[name]
        if subject.maintenance is None and not subject.resting:
            continue
        now = at_work(subject, clock)
        if now == subject.resting:
            continue
        subject.resting = now
        if now:
            for rule in sorted(subject.silent):
                alert = subject.silent.pop(rule)
                life.close(engine, subject, alert, Change.CLEARED, clock, "its device is in maintenance", outcome)
        life.resume(engine, subject)


def next_turn(engine: Engine) -> int | None:
    """The next moment at which a window begins or ends; None where none does."""
    turns = [at for window in engine.windows.values() if (at := window.next_turn(engine.clock)) is not None]
    return min(turns, default=None)
