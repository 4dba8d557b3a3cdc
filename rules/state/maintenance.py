"""Planned work on devices: while it lasts their values reach no threshold and their silence is hidden.

A window is set and cancelled by operator actions in the log, for a device, `area:NAME` or `zone:NAME`. Values are held against the
moment at which they were observed, silence against the clock. When a window begins, an open alert about silence ends; when it is
over, silence counts from that moment, and the wait for an answer to what is still open too.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hub.model import Maintenance, Mark, OperatorAction, Reading
from hub.moment import to_text
from rules.state.subject import Subject

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
    names = {subject.id, *(subject.pair or ())}
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
