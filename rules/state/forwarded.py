"""Warnings of other hubs: passed on in their place in the stream, each change once, and never judged again.

Their changes are events like readings, so they come out the same in a replay or after a restart. They are numbered anew here:
what people do at this hub (acknowledge, shelve) is a change of the same warning, stays at this hub and above, and needs a number
that the hub below will not give to its next one. A change is known by the hub that made it and its number there.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hub.bilingual import Text
from hub.model import LEVELS, AlertChange, Change, Forwarded, OperatorAction, Origin
from hub.moment import from_text
from rules.state.outcome import Outcome
from rules.state.words import SHELF_OUTGROWN, SHELF_OVER, by
from rules.state.words import until as until_text

WARNINGS_MAX = 50_000
"""Warnings of other hubs remembered; ended ones are forgotten first, the one that changed longest ago first of all."""
ENDS = (Change.CLEARED, Change.EXPIRED)
MATTER = (Change.RAISED, Change.ESCALATED, Change.LOWERED)
WORDS = {"acknowledge": Change.ACKNOWLEDGED, "shelve": Change.SHELVED, "unshelve": Change.UNSHELVED}


class Known:
    """One warning of another hub, as far as this one has heard."""

    __slots__ = (
        "acknowledged_by",
        "area",
        "changed_at",
        "group",
        "heard",
        "hub",
        "level",
        "ordinal",
        "place",
        "raised_at",
        "rule",
        "shelved_level",
        "shelved_until",
        "subject",
        "title",
        "title_zh",
    )
    NEWER = ("shelved_level", "raised_at", "changed_at", "acknowledged_by", "place")
    FROZEN = tuple(sorted({*__slots__} - {*NEWER})) + NEWER
    """In the order of snapshots: what is new stands last."""

    def __init__(self, change: AlertChange, hub: str) -> None:
        self.hub = hub
        self.rule, self.subject = change.rule, change.subject
        self.level, self.area, self.group, self.title = change.level, change.area, change.group, change.title
        self.ordinal = 0
        """Of its newest change here."""
        self.heard: dict[str, int] = {}
        """By the hub that made them, the number of its newest change."""
        self.shelved_until: int | None = None
        self.shelved_level = ""
        """That at which somebody here shelved it."""
        self.title_zh = change.title_zh
        self.raised_at = self.changed_at = change.at
        self.acknowledged_by: str | None = None
        self.place = (change.position.lon, change.position.lat) if change.position else None

    def freeze(self) -> list[Any]:
        return [getattr(self, name) for name in self.FROZEN]

    @classmethod
    def thaw(cls, frozen: list[Any]) -> Known:
        known = cls.__new__(cls)
        known.title_zh = known.shelved_level = ""  # older snapshots lack them, and those below
        known.raised_at = known.changed_at = 0
        known.acknowledged_by = known.place = None
        for name, value in zip(cls.FROZEN, frozen, strict=False):
            setattr(known, name, value)
        return known


class Forwarding:
    """What the engine remembers of other hubs' warnings."""

    def __init__(self) -> None:
        self.open: dict[str, Known] = {}
        """By id, the one that changed longest ago first; so are the ended ones."""
        self.ended: dict[str, Known] = {}
        self.shelved: set[str] = set()
        self.repeated = 0
        """Changes that were told before: the hub below did not hear that they had been taken."""

    def take(self, event: Forwarded, outcome: Outcome) -> None:
        """Pass a change on, unless it, or a later one that the same hub made, was passed on before."""
        change, origin = event.change, event.change.origin
        if origin is None or not origin.path:
            return
        ended = change.alert in self.ended
        known = (self.ended if ended else self.open).get(change.alert) or Known(change, origin.hub)
        maker = origin.path[0]
        if origin.ordinal <= known.heard.get(maker, 0):
            self.repeated += 1
            return
        known.heard[maker] = origin.ordinal
        known.ordinal += 1
        known.changed_at = change.at
        if change.change is Change.RAISED and ended:
            known.raised_at, known.acknowledged_by = change.at, None
        elif change.change is Change.ACKNOWLEDGED:
            known.acknowledged_by = change.who
        if change.change in MATTER:
            known.level, ended = change.level, False
            if change.title:
                known.title, known.title_zh = change.title, change.title_zh
        elif change.change in ENDS:
            ended = True
        if ended and known.shelved_until is not None:
            known.shelved_until = None
            self.shelved.discard(change.alert)
        self._remember(change.alert, known, ended)
        outcome.changes.append(msgspec.structs.replace(change, ordinal=known.ordinal))
        if known.shelved_until is not None and _grade(known.level) > _grade(known.shelved_level):
            self._unshelve(change.alert, known, change.at, SHELF_OUTGROWN, outcome)

    def operate(self, action: OperatorAction, clock: int, outcome: Outcome) -> None:
        """What a person at this hub does to another hub's warning. What does not apply changes nothing."""
        name, known, change = action.target, self.open.get(action.target), WORDS.get(action.action)
        if known is None or change is None or (change is Change.UNSHELVED and known.shelved_until is None):
            return
        reason = by(change, action.who)
        if change is Change.UNSHELVED:
            known.shelved_until = None
            self.shelved.discard(name)
        elif change is Change.SHELVED:
            if action.until is None or action.until <= clock:
                return
            known.shelved_until, known.shelved_level = action.until, known.level
            self.shelved.add(name)
            reason += until_text(action.until)
        self._tell(name, known, change, action.at, reason, outcome, action.who, action.note, known.shelved_until)

    def pass_time(self, clock: int, outcome: Outcome) -> None:
        """End the shelving that is over."""
        for name in sorted(self.shelved):
            known = self.open[name]
            if known.shelved_until is not None and known.shelved_until <= clock:
                self._unshelve(name, known, clock, SHELF_OVER, outcome)

    def _unshelve(self, name: str, known: Known, at: int, reason: Text, outcome: Outcome) -> None:
        known.shelved_until = None
        self.shelved.discard(name)
        self._tell(name, known, Change.UNSHELVED, at, reason, outcome)

    def _tell(
        self,
        name: str,
        known: Known,
        change: Change,
        at: int,
        reason: Text,
        outcome: Outcome,
        who: str = "",
        note: str = "",
        until: int | None = None,
    ) -> None:
        """A change that is made here."""
        known.ordinal += 1
        known.changed_at = at
        if change is Change.ACKNOWLEDGED:
            known.acknowledged_by = who
        outcome.changes.append(
            AlertChange(
                name, known.ordinal, at, known.rule, known.subject, change, known.level, known.title, reason=reason.en, reason_zh=reason.zh,
                area=known.area, who=who, note=note, group=known.group, title_zh=known.title_zh, until=until if change is Change.SHELVED else None,
                origin=Origin(known.hub, known.ordinal),
            )
        )  # fmt: skip

    def _remember(self, name: str, known: Known, ended: bool) -> None:
        """As the one that changed last; the limit takes those that changed longest ago, ended ones first."""
        self.open.pop(name, None)
        self.ended.pop(name, None)
        (self.ended if ended else self.open)[name] = known
        while len(self.open) + len(self.ended) > WARNINGS_MAX:
            oldest = self.ended or self.open
            gone = next(iter(oldest))
            del oldest[gone]
            self.shelved.discard(gone)

    def freeze(self) -> list[Any]:
        return [
            [[name, known.freeze()] for name, known in self.open.items()],
            [[name, known.freeze()] for name, known in self.ended.items()],
            self.repeated,
        ]

    @classmethod
    def thaw(cls, frozen: list[Any] | None) -> Forwarding:
        """None: a snapshot from before hubs forwarded to each other."""
        forwarding = cls()
        if frozen is not None:
            still_open, ended, forwarding.repeated = frozen
            forwarding.open = {name: Known.thaw(state) for name, state in still_open}
            forwarding.ended = {name: Known.thaw(state) for name, state in ended}
            for name, known in forwarding.open.items():
                known.raised_at = known.raised_at or _observed(name)
                known.changed_at = known.changed_at or known.raised_at
            forwarding.shelved = {name for name, known in forwarding.open.items() if known.shelved_until is not None}
        return forwarding


def _observed(name: str) -> int:
    """The time with which a warning's id ends, of what raised it (ns); 0 where it ends with none."""
    try:
        return from_text(name.rpartition("@")[2])
    except ValueError:
        return 0


def _grade(level: str) -> int:
    """-1 for none."""
    return LEVELS.index(level) if level in LEVELS else -1
