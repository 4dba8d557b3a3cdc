"""Brings together what the parts of the rules say: one outcome for each event, as one engine would give it.

What reaches over parts is made here: the order of what is said at one event, and the groups of warnings.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from hub.model import AlertChange, Change
from rules.desk import Entry, Said, WentBack
from rules.state.groups import Groups
from rules.state.outcome import Outcome

ENDS = (Change.CLEARED, Change.EXPIRED)


class Together:
    def __init__(self, frozen: list[Any] | None = None) -> None:
        """`frozen`: what `freeze` gave."""
        groups, group_of = frozen or ({}, {})
        self._groups = {lane: Groups(known) for lane, known in groups.items()}
        self._group_of: dict[str, str] = dict(group_of)
        """By open alert."""

    def freeze(self) -> list[Any]:
        return [{lane: groups.freeze() for lane, groups in self._groups.items()}, self._group_of]

    def groups_of(self, lane: int) -> Groups:
        """Those of what is judged at once (0), or in the lane of that wait, ns."""
        return self._groups.setdefault(lane, Groups())

    def group_of(self, alert: str, otherwise: str) -> str:
        """The group of an open alert; `otherwise` where nothing is known of it."""
        return self._group_of.get(alert, otherwise)

    def bring(self, entries: Iterable[tuple[int, Entry]]) -> Outcome:
        """What the parts (each entry with the number of its part) say of some events: everything, in any order."""
        outcome = Outcome([], [])
        ordered = sorted(entries, key=lambda one: (one[1].event, one[1].step, one[0], one[1].number))
        for _, step in groupby(ordered, key=lambda one: (one[1].event, one[1].step)):
            self._step([entry.what for _, entry in step], outcome)
        return outcome

    def _step(self, told: list[Any], outcome: Outcome) -> None:
        changes: list[AlertChange] = []
        lane, device = 0, ""
        for what in told:
            if isinstance(what, WentBack):
                self.groups_of(what.lane).go_back(what.to)
            elif isinstance(what, Said):
                lane, device = what.lane, what.device
                changes += what.changes
                outcome.derived += what.derived
        changes.sort(key=lambda change: (change.subject != device, change.subject))
        for change in changes:
            change.group = self._group(lane, change)
        outcome.changes += changes

    def _group(self, lane: int, change: AlertChange) -> str:
        if change.origin is not None:  # another hub's
            return change.group
        if change.change is Change.RAISED:
            joined = self.groups_of(lane).join(change.rule, change.area, change.position, change.alert, change.at)
            self._group_of[change.alert] = joined
        group = self._group_of.get(change.alert, change.group)
        if change.change in ENDS:
            self._group_of.pop(change.alert, None)
        return group

    def keep_lanes(self, lanes: Iterable[int]) -> None:
        """After another edition of the rules: a lane that is gone has forgotten its groups."""
        wanted = {0, *lanes}
        self._groups = {lane: groups for lane, groups in self._groups.items() if lane in wanted}
