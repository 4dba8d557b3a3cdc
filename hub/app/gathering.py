"""Where the parts of the rules are judged on several machines: what stands in for the engine with the holder of the lease `rules`.

It hears what the parts say, and gives for each batch of events what one engine would give, as soon as all parts are through it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import msgspec

from hub.app.part_worker import Begin, Message, decode, entries_of
from hub.model import Edition, Event, Maintenance, OperatorAction
from hub.ports import Batch
from rules.book import RuleBook, from_text
from rules.desk import Entry
from rules.lateness import split
from rules.snapshot import grouped
from rules.state import maintenance
from rules.state.outcome import Outcome
from rules.together import Together

ALIKE = frozenset({"rules", "maintenance_windows", "forwarded_alerts", "forwarded_repeated"})
"""Figures that are not the sum of those of the parts."""
LOOK_S = 1.0
"""So often is looked whether the hearing has failed, of which a thread without memory may not be able to tell."""


class Letters(Protocol):
    """Reads what all parts write (`hub.log.jetstream.posts.Reader`)."""

    def read(self, after: int, wait: bool) -> list[tuple[int, int, bytes]]: ...

    def close(self) -> None:
        """Whoever waits for messages waits no more."""
        ...


class _State(msgspec.Struct):
    """What is kept of it."""

    parts: int
    together: list[Any]
    read: int
    """The newest message of which nothing is needed any more."""
    windows: list[Maintenance]


class Gathering:
    """As an `Engine` to whoever tells (`hub.app.warning`)."""

    def __init__(self, parts: int, letters: Letters, book: RuleBook) -> None:
        self.parts, self.book = parts, book
        self._letters = letters
        self.together = Together()
        self._read = 0
        """The newest message that was read."""
        self._waiting: list[deque[tuple[int, Entry]]] = [deque() for _ in range(parts)]
        """By part: the number of the message, and what it said in it."""
        self._through = [-1] * parts
        self._figures: list[dict[str, Any]] = [{} for _ in range(parts)]
        self.newest = [0] * parts
        """The number of the newest message of each part."""
        self._windows: dict[str, Maintenance] = {}
        self._from = -1
        """What is said of earlier events was told before."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._more = asyncio.Event()
        self._failed: Exception | None = None
        """What ended the hearing."""
        self._ended = False

    @classmethod
    def begun(cls, begin: Begin, letters: Letters) -> Gathering:
        """As the parts begin. Raises ValueError."""
        book = from_text(begin.rules)
        if book is None:
            raise ValueError("the rules with which the parts begin cannot be read")
        made = cls(begin.parts, letters, book)
        made._from = begin.cursor
        if begin.engine:  # what one engine knew of what is brought together here
            known = grouped(begin.engine)
            made.together = Together([known.groups, known.group_of])
            made._windows = {window.id: window for window in known.windows}
        return made

    @classmethod
    def thawed(cls, state: bytes, book: RuleBook, cursor: int, parts: int, letters: Letters) -> Gathering:
        """From what `frozen` gave. Raises ValueError."""
        found = msgspec.msgpack.decode(state, type=_State, strict=False)
        if found.parts != parts:
            raise ValueError(f"the snapshot is of {found.parts} parts")
        made = cls(parts, letters, book)
        made.together, made._read, made._from = Together(found.together), found.read, cursor
        made._windows = {window.id: window for window in found.windows}
        return made

    def frozen(self) -> Iterator[bytes]:
        """As of now, however late it is asked for its pieces."""
        windows = list(self._windows.values())
        state = _State(self.parts, self.together.freeze(), self.needs_from() - 1, windows)
        return iter([msgspec.msgpack.encode(state)])

    def needs_from(self) -> int:
        """The number of the oldest message of which something is needed."""
        return min([self._read + 1, *(said[0][0] for said in self._waiting if said)])

    # ------------------------------------------------------------------------------------------ hearing

    def listen(self) -> None:
        """Hear the parts from now on, in a thread of its own."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._hear, name="rules together", daemon=True).start()

    def end(self) -> None:
        self._ended = True
        self._letters.close()

    def _hear(self) -> None:
        assert self._loop is not None
        try:
            self._pass_on(self._loop)
        except Exception as error:
            self._fail(error)

    def _pass_on(self, loop: asyncio.AbstractEventLoop) -> None:
        read = self._read
        while not self._ended:
            found = self._letters.read(read, wait=True)
            if not found:
                return
            read = found[-1][0]
            heard = [(number, part, decode(data)) for number, part, data in found]
            loop.call_soon_threadsafe(self._heard, heard)

    def _fail(self, error: Exception) -> None:
        """Whoever waits for an outcome has to begin anew: a message that was not heard whole would be missed for good."""
        self._failed, self._ended = error, True

    def _heard(self, heard: list[tuple[int, int, Message]]) -> None:
        """In the event loop."""
        if self._failed is not None:
            return
        try:
            self._take(heard)
        except Exception as error:
            self._fail(error)
        self._more.set()

    def _take(self, heard: list[tuple[int, int, Message]]) -> None:
        for number, part, message in heard:
            if part < self.parts:  # one of an earlier generation has no more to say
                self._take_of(part, number, message)
            self._read = number

    def _take_of(self, part: int, number: int, message: Message) -> None:
        said = entries_of(message.said)
        self._waiting[part].extend((number, entry) for entry in said if entry.event >= self._from)
        self._through[part] = max(self._through[part], message.through)
        self.newest[part] = number
        if message.figures is not None:
            self._figures[part] = message.figures

    # ------------------------------------------------------------------------------------------ judging

    async def outcome(self, batch: Batch) -> Outcome:
        """What all parts say of these events, as soon as all have judged them."""
        last = batch.positions[len(batch.entries) - 1]
        while min(self._through) <= last:
            self._more.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._more.wait(), LOOK_S)
            if self._failed is not None:
                raise RuntimeError("what the parts of the rules say could not be heard") from self._failed
        told: list[tuple[int, Entry]] = []
        for part, said in enumerate(self._waiting):
            while said and said[0][1].event <= last:
                told.append((part, said.popleft()[1]))
        self._from = last + 1
        return self.bring(batch.entries, batch.positions, told)

    def bring(self, events: Sequence[Event], places: Sequence[int], told: list[tuple[int, Entry]]) -> Outcome:
        """`told`: all that the parts say of these events."""
        outcome = Outcome([], [])
        for event, place in zip(events, places, strict=False):
            if isinstance(event, Edition):  # what was said before it belongs to the rules of before
                self._add([one for one in told if one[1].event <= place], outcome)
                told = [one for one in told if one[1].event > place]
            if isinstance(event, Edition | OperatorAction):
                self._note(event)
        self._add(told, outcome)
        return outcome

    def _add(self, told: list[tuple[int, Entry]], outcome: Outcome) -> None:
        more = self.together.bring(told)
        outcome.changes += more.changes
        outcome.derived += more.derived

    def _note(self, event: Edition | OperatorAction) -> None:
        if isinstance(event, OperatorAction):
            if event.action in ("maintenance", "cancel-maintenance"):
                maintenance.apply(self._windows, event)
        elif event.what == "rules" and (book := from_text(event.text)) is not None:
            self.book = book
            self.together.keep_lanes(split(book)[1])

    # ------------------------------------------------------------------------------------------ looking in

    def behind(self) -> list[int]:
        """By part, the place before which it has judged all."""
        return list(self._through)

    @property
    def windows(self) -> Mapping[str, Maintenance]:
        return self._windows

    @property
    def skipped(self) -> int:
        return sum(figures.get("events_skipped", 0) for figures in self._figures)

    def health(self) -> list[dict[str, Any]]:
        ill = [item for figures in self._figures for item in figures.get("ill", ())]
        return sorted(ill, key=lambda item: (-item["event"], item["rule"]))

    def stats(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for figures in self._figures:
            for name, count in figures.items():
                if name != "ill":
                    counts[name] = max(counts.get(name, 0), count) if name in ALIKE else counts.get(name, 0) + count
        return counts

    def next_call(self, alert: str) -> int | None:
        """Nobody here knows: the part does that judges the alert's subject."""
        return None
