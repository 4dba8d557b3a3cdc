"""What people write down: comments on warnings, warnings that were false alarms, and what one shift leaves to the next.

One small file of the data folder, replaced at each note before anybody hears that it is kept. The newest `NOTES_MAX` stay, with their words
until `[store] keep_personal_days` (`hub.store.erasing`). The audit knows for ever that each was written, and not its words.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from hub.whole_file import read

NOTES = "notes.json"
"""The file in the data folder."""
NOTES_MAX = 10_000


class Kind(StrEnum):
    """What a note is."""

    COMMENT = "comment"
    FALSE_ALARM = "false-alarm"
    NO_FALSE_ALARM = "no-false-alarm"
    """It was one after all: the mark is taken back."""
    HANDOVER = "handover"


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """One note. `alert` and what follows: the warning it is about, so that it can be told apart when the hub has forgotten that one."""

    number: int
    at: int
    who: str
    kind: Kind
    text: str
    alert: str = ""
    rule: str = ""
    subject: str = ""
    area: str = ""
    level: str = ""
    raised_at: int = 0
    read_by: str = ""
    """Of a hand-over: who has taken it over, empty while nobody has."""
    read_at: int = 0


def standing_mark(notes: Sequence[Note]) -> Note | None:
    """Of notes about one warning, oldest first: the mark of a false alarm, unless it was taken back."""
    marks = [note for note in notes if note.kind in (Kind.FALSE_ALARM, Kind.NO_FALSE_ALARM)]
    return marks[-1] if marks and marks[-1].kind is Kind.FALSE_ALARM else None


class Notes:
    """All notes, oldest first. Threads may share it."""

    def __init__(self, path: Path, keep: Callable[[Path, bytes], None], here: bool = True) -> None:
        """`keep`: how the file is replaced, durably; raises OSError. `here`: whether the file is the city's already; where it is not, there are no
        notes before `read`."""
        self._path, self._keep = path, keep
        self._mutex = threading.Lock()
        self._notes: tuple[Note, ...] = ()
        self._of = _by_alert(self._notes)
        if here:
            self.read()

    def read(self) -> None:
        """Take up what the file holds."""
        nothing: tuple[Note, ...] = ()
        with self._mutex:
            self._notes = read(self._path, lambda data: msgspec.json.decode(data, type=tuple[Note, ...]), nothing)
            self._of = _by_alert(self._notes)

    @property
    def all(self) -> tuple[Note, ...]:
        return self._notes

    @property
    def turn(self) -> tuple[int, int]:
        """Another one after each change: for whoever shows them."""
        return (self._notes[-1].number if self._notes else 0, sum(bool(note.read_by) for note in self._notes))

    def about(self, alert: str) -> tuple[Note, ...]:
        return self._of.get(alert, ())

    def false_alarm(self, alert: str) -> Note | None:
        """The mark that the warning was a false alarm, where it stands."""
        return standing_mark(self.about(alert))

    def stands(self, note: Note) -> bool:
        """Whether this note is such a mark."""
        return self.false_alarm(note.alert) is note

    def add(self, note: Note) -> Note:
        """Keep it under the next number; gives it with that. Blocks; raises OSError, and then nothing has changed."""
        with self._mutex:
            numbered = msgspec.structs.replace(note, number=self._notes[-1].number + 1 if self._notes else 1)
            self._replace((*self._notes, numbered)[-NOTES_MAX:])
        return numbered

    def take_over(self, number: int, who: str, at: int) -> None:
        """The hand-over of that number has been read. Who read it first stays. Blocks; raises OSError."""
        with self._mutex:
            found = next((note for note in self._notes if note.number == number and note.kind is Kind.HANDOVER), None)
            if found is None or found.read_by:
                return
            read_now = msgspec.structs.replace(found, read_by=who, read_at=at)
            self._replace(tuple(read_now if note is found else note for note in self._notes))

    def forget(self, before: int) -> None:
        """Take the words out of notes older than that, ns: who wrote of which warning, and marks, stay. Blocks; raises OSError."""
        with self._mutex:
            if any(note.at < before and note.text for note in self._notes):
                self._replace(
                    tuple(msgspec.structs.replace(note, text="") if note.at < before else note for note in self._notes)
                )

    def _replace(self, notes: tuple[Note, ...]) -> None:
        self._keep(self._path, msgspec.json.encode(notes))
        self._notes, self._of = notes, _by_alert(notes)


def _by_alert(notes: tuple[Note, ...]) -> dict[str, tuple[Note, ...]]:
    found: dict[str, list[Note]] = {}
    for note in notes:
        if note.alert:
            found.setdefault(note.alert, []).append(note)
    return {alert: tuple(about) for alert, about in found.items()}
