"""What is open now: the stream "alerts" folded, change by change, into warnings and their histories."""

from __future__ import annotations

from collections.abc import Iterable

from hub.model import Alert, AlertChange, Change

CLOSED_MAX = 5_000
"""Closed warnings remembered; older ones are in the log and the store."""
ENDING = frozenset({Change.CLEARED, Change.EXPIRED})


class Alerts:
    """Every open warning, and the latest closed ones, by id."""

    def __init__(self) -> None:
        self.open: dict[str, Alert] = {}
        self.closed: dict[str, Alert] = {}

    def feed(self, changes: Iterable[AlertChange]) -> None:
        for change in changes:
            alert = self.open.get(change.alert) or self.closed.get(change.alert)
            if alert is None:
                alert = Alert(
                    change.alert, change.rule, change.subject, change.level, change.at, change.at, True, None, None, []
                )
                self.open[change.alert] = alert
            elif alert.changes and change.ordinal <= alert.changes[-1].ordinal:
                continue  # told before
            if not alert.open and change.change is Change.RAISED:
                self._again(alert, change)
            _apply(alert, change)
            if not alert.open and alert.alert in self.open:
                del self.open[alert.alert]
                self.closed[alert.alert] = alert
                while len(self.closed) > CLOSED_MAX:
                    self.closed.pop(next(iter(self.closed)))

    def know(self, standing: Iterable[Alert]) -> None:
        """Warnings that stand, though the log no longer has what was said of them, or not the beginning of it."""
        for alert in standing:
            if (known := self.open.get(alert.alert)) is not None:
                _complete(known, alert)
            elif alert.alert not in self.closed:
                self.open[alert.alert] = alert

    def _again(self, alert: Alert, change: AlertChange) -> None:
        """It stands once more under the id it had, as that of a dead gauge does when the work on it is over. What people did was about the time before."""
        del self.closed[alert.alert]
        alert.open, alert.raised_at = True, change.at
        alert.acknowledged_by = alert.shelved_until = None
        self.open[alert.alert] = alert

    def newest_first(self, with_closed: bool = False) -> list[Alert]:
        found = [*self.open.values(), *(self.closed.values() if with_closed else ())]
        return sorted(found, key=lambda alert: alert.changed_at, reverse=True)


def _complete(alert: Alert, standing: Alert) -> None:
    """What was said before the log begins. Where the log speaks of it too, that is newer."""
    said = {change.change for change in alert.changes}
    if Change.RAISED in said:
        return
    alert.raised_at = standing.raised_at or alert.raised_at
    if Change.ACKNOWLEDGED not in said:
        alert.acknowledged_by = standing.acknowledged_by
    if not said & {Change.SHELVED, Change.UNSHELVED}:
        alert.shelved_until = standing.shelved_until


def _apply(alert: Alert, change: AlertChange) -> None:
    alert.changes.append(change)
    alert.changed_at = change.at
    alert.contact = change.contact
    match change.change:
        case Change.RAISED | Change.ESCALATED | Change.LOWERED:
            alert.level = change.level
        case Change.ACKNOWLEDGED:
            alert.acknowledged_by = change.who
        case Change.SHELVED:
            alert.shelved_until = change.until or change.at
        case Change.UNSHELVED:
            alert.shelved_until = None
    if change.change in ENDING:
        alert.open = False
