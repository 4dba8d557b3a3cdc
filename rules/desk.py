"""What parts of the rules write for each other and for who brings together what they say: the entries of the log of parts.

Each belongs to an event of the log and to a step in judging it; the steps of an event are the same for every part. So what a part that
begins anew writes again is known by its number, and what is needed at an event depends on earlier steps only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from hub.model import AlertChange, Reading
from rules.hand_over import HandOver


class Said(msgspec.Struct, array_like=True, tag="said", frozen=True):
    """What the part's rules said in that step. `lane`: its wait, ns; 0 for what is judged at once. `device`: whose reading it was; "" where none."""

    lane: int
    device: str
    changes: list[AlertChange]
    derived: list[Reading]


class Figures(msgspec.Struct, array_like=True, tag="figures", frozen=True):
    """What the part measured of its places: every other one has to know it."""

    readings: list[Reading]


class WentBack(msgspec.Struct, array_like=True, tag="went-back", frozen=True):
    """The clock was set back to `to`."""

    lane: int
    to: int


What: TypeAlias = HandOver | Figures | Said | WentBack


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """One thing that a part wrote."""

    event: int
    """Where the event stands in the log."""
    step: int
    number: int
    """Of all that the part wrote at that event."""
    what: What


_Waiting = tuple[list[tuple[int, int, HandOver]], list[tuple[int, int, dict[int, Figures]]]]


class Ended(BaseException):
    """The part is to end, in the middle of an event: none of the errors that judging may survive."""


class Desk(ABC):
    """Of one part: what it has written and not sent yet, and what others have written for it."""

    def __init__(self, part: int, parts: int) -> None:
        self.part, self.parts = part, parts
        self.outgoing: list[Entry] = []
        self.event, self.step = -1, 0
        """What the part is at."""
        self._number = 0
        self._handed: dict[tuple[int, int, str], HandOver] = {}
        self._figures: dict[tuple[int, int], dict[int, Figures]] = {}

    # ------------------------------------------------------------------------------------------ the part's side

    def begin(self, event: int) -> None:
        """The part comes to this event."""
        self.event, self.step, self._number = event, 0, 0

    def freeze(self) -> list[Any]:
        """What others have written for events to come. Nothing of its own may wait to be sent."""
        handed = [[event, step, given] for (event, step, _), given in self._handed.items()]
        return [handed, [[*key, told] for key, told in self._figures.items()]]

    def thaw(self, frozen: list[Any]) -> None:
        handed, figures = msgspec.convert(frozen, _Waiting)
        self._handed = {(event, step, given.device): given for event, step, given in handed}
        self._figures = {(event, step): told for event, step, told in figures}

    def write(self, what: What) -> None:
        self.outgoing.append(Entry(self.event, self.step, self._number, what))
        self._number += 1

    def handed(self, name: str, of: int) -> HandOver | None:
        """The subject that part `of` hands to this one in this step; waits for it. None where that part has gone on without: it had to skip the
        event, and nobody may wait for it for ever."""
        key = self.event, self.step, name
        while key not in self._handed and not self.is_past(of):
            self.wait()
        return self._handed.pop(key, None)

    def measured(self, own: Figures) -> list[Reading]:
        """What all parts measured in this step, in their order; waits for it, but for what a part had to skip."""
        key = self.event, self.step
        others = [part for part in range(self.parts) if part != self.part]
        while any(part not in self._figures.get(key, {}) and not self.is_past(part) for part in others):
            self.wait()
        told = {**self._figures.get(key, {}), self.part: own}
        return [reading for part in sorted(told) for reading in told[part].readings]

    # ------------------------------------------------------------------------------------------ the log's side

    @abstractmethod
    def is_past(self, part: int) -> bool:
        """Whether another part has been heard to be through this event."""

    @abstractmethod
    def wait(self) -> None:
        """Send what is written, for others may wait for it, and block until more has come. Raises `Ended`."""

    def take(self, part: int, entries: Iterable[Entry]) -> None:
        """What another part has written."""
        self._handed = {key: given for key, given in self._handed.items() if key[0] >= self.event}
        self._figures = {key: told for key, told in self._figures.items() if key[0] >= self.event}
        for entry in entries:
            if entry.event < self.event:
                continue
            if isinstance(entry.what, HandOver):
                if entry.what.to == self.part:
                    self._handed[entry.event, entry.step, entry.what.device] = entry.what
            elif isinstance(entry.what, Figures):
                self._figures.setdefault((entry.event, entry.step), {})[part] = entry.what
