"""The rules reader: events in, changes of warnings out, with the cameras that see the place.

Its cursor lies inside its snapshot. After a crash it takes up the snapshot, reads the tail of what it had already
appended to "alerts" and "derived" since then, and repeats none of it: the same events give the same changes and the same
derived readings, so known ids, and readings that the log has next, are dropped and everything else is new.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from hub.api.state import ReaderState
from hub.app.eyes import look
from hub.app.gathering import Gathering, Letters
from hub.app.part_worker import Begin
from hub.app.parts_number import ends
from hub.app.rules_snapshot import Head, Snapshot, decode_snapshot, pieces, restored, snapshot_of, written
from hub.app.telemetry import noted_by_the_hub
from hub.bilingual import NOTHING, Text, joined, quoted, same
from hub.cameras import Cameras
from hub.defects import told
from hub.error_words import of_system, words_of
from hub.model import AlertChange, Device, Edition, Reading
from hub.ports import FRAME_ENTRIES_MAX, Batch, Log, LogFull, LogPosition, Stream, Unwritable
from hub.registry import Registry
from hub.stages import LOGGED_TO_JUDGED, Journey
from hub.whole_file import Data, read, replace
from rules.book import RuleBook, from_text
from rules.edition import registry_text
from rules.engine import Engine
from rules.partition import engine_of
from rules.state.health import ENGINE
from rules.together import Together

logger = logging.getLogger(__name__)

BATCH_MAX = 1_000
"""Events evaluated in one go: a few milliseconds, so that other tasks get their turn."""
SNAPSHOT_EVERY_S = 10.0
"""So often the state is written down, or so seldom that writing it takes no more than `SNAPSHOT_SHARE` of the time."""
SNAPSHOT_SHARE = 0.02
SNAPSHOT_EVENTS = 10_000
"""And not before so many events have been judged since: fewer are judged again, after a crash, in some tenths of a second."""
SNAPSHOT_AT_LAST_S = 60.0
"""However few they are, so long after it could have been."""


class _Repeats:
    """What the stream "derived" has already of what the rules derive again after a restart: the same readings in the same order,
    so they are compared one by one, and none is kept in memory."""

    def __init__(self, stream: Stream, offset: LogPosition) -> None:
        self._stream, self._offset = stream, offset
        self._known: list[tuple[Reading, LogPosition]] = []
        """What the log has next, each with the place behind it."""
        self._at = 0
        self.position = offset
        """The place behind the last that was derived again."""

    def without(self, derived: Sequence[Reading]) -> Sequence[Reading]:
        """Those that the log does not have. From the first that differs on all are new: other rules derive other readings."""
        for number, reading in enumerate(derived):
            known, behind = self._next()
            if reading != known:
                self.position = self._offset = self._stream.next
                self._known = []
                return derived[number:]
            self._at, self.position = self._at + 1, behind
        return ()

    def _next(self) -> tuple[Reading | None, LogPosition]:
        while self._at == len(self._known) and self._offset < self._stream.next:
            batch = self._stream.read_now(self._offset, BATCH_MAX)
            self._known = [(reading, behind) for reading, behind in batch.after_each() if not noted_by_the_hub(reading)]
            self._at, self._offset = 0, batch.next
        return self._known[self._at] if self._at < len(self._known) else (None, self._offset)


class Gather(Protocol):
    """What is needed to bring together what parts on several machines say."""

    wanted: int
    """The number of parts that the city folder says: a city of which nothing is judged yet begins with it."""

    def letters(self) -> Letters:
        """What all parts write. Raises OSError."""
        ...

    def begin(self) -> Begin | None:
        """Where the parts, or the engine after them, began; None where one engine has always judged. Raises OSError."""
        ...

    def keep(self, begin: Begin) -> None:
        """Have this generation begin there. Raises OSError."""
        ...

    async def next_of(self, begin: Begin, parts: int, together: Together) -> Begin:
        """The generation behind that which began so, as soon as all its parts have ended."""
        ...


class Warner:
    """Runs the city's rules over the stream "events"."""

    def __init__(
        self,
        log: Log,
        book: RuleBook,
        registry: Registry,
        cameras: Cameras,
        path: Path,
        begin: LogPosition,
        partitions: int = 1,
        keep: Callable[[Path, Data], None] = replace,
        journey: Journey | None = None,
        gather: Gather | None = None,
        kept: Callable[[Path, Callable[[bytes], Any], Any], Any] = read,
    ) -> None:
        """`keep`: how the snapshot is written down; until it is, no event that it holds may go from the log. `kept`: how it is read, as by
        `whole_file.read`. `gather`: where several machines judge the parts of the rules."""
        self.state = ReaderState("rules", "events", required=True, cursor=begin)
        self._log, self._begin = log, begin
        self._journey = journey
        self._cameras = cameras
        self._path, self._keep, self._kept = path, keep, kept
        self._told: set[str] = set()
        """Ids of changes that the log has already of what is judged again after a restart, from the place `_told_from` on."""
        self._told_from = log.alerts.first
        self._derived: _Repeats | None = None
        self._torn = False
        """Whether the engine may stand between two events: what it has taken and what the log has of it may differ."""
        self._ill: set[str] = set()
        """Rules of which it has been said that they are ill."""
        self._said_of: set[str] = set()
        """Errors, in words, that had events skipped and have been told."""
        self._safe_cursor = begin
        self._saved_at = begin, 0
        """What the last snapshot needs: an event of the log, and a message of the parts."""
        self._unsaved = NOTHING
        """Why what the rules know could not be written down last: until it is, no event behind may go from the log."""
        self.safe_message = 0
        """The oldest message of the parts of the rules that is needed to begin anew; 0 where nobody knows, or there are none."""
        self._between = asyncio.Lock()
        """Held while events are judged and what they change is appended: a snapshot begins before or after, never within."""
        self._saving = asyncio.Lock()
        self._save: asyncio.Task[None] | None = None
        self._next_save = 0.0
        """By the loop's clock, when the next snapshot is due."""
        self._judged = 0
        """Events since the last snapshot."""
        self._partitions, self._gather = partitions, gather
        self.parts = 1
        """Among how many the rules are judged, where machines share them."""
        self.next_parts = 0
        """The number that holds from the cursor on; 0: it stays."""
        self.safe_parts = begin
        """No part that another machine judges needs an event before this place to begin anew."""
        self._begun: Begin | None = None
        """How the generation of parts began, but for the engine."""
        self._engine: Engine | Gathering
        self._city = book, registry
        self._take_up()
        log.events.require("rules", self._needed)

    def _take_up(self) -> None:
        """Begin as the snapshot has it, or with the city's rules and registry where there is none, and judge again what the log has behind it."""
        book, registry = self._city
        self._registry_text = registry_text(registry.devices.values(), registry.zones.values())
        self._again_until = self._log.events.next
        """Up to here events may have been judged before."""
        self.next_parts = 0
        begin = self._begin_of_parts(book)
        self._begun = begin and msgspec.structs.replace(begin, engine=b"")
        self.parts = 1 if begin is None else begin.parts
        if begin is not None and begin.parts > 1:
            self._begin_to_gather(begin, book)
        else:
            self._engine = self._restore(begin, book, registry.devices) or engine_of(
                book, registry.devices.values(), registry.zones.values(), self._partitions
            )

    def _begin_of_parts(self, book: RuleBook) -> Begin | None:
        """Where the parts began, or begin now: those of a city of which nothing has been judged. None where one engine has always judged."""
        if self._gather is None:
            return None
        begin = self._gather.begin()
        if begin is None and self._gather.wanted > 1 and self._kept(self._path, decode_snapshot, None) is None:
            head = self._gather.wanted, book.text, self._registry_text, self._begin
            begin = Begin(*head, b"", 1, self._log.alerts.first, self._log.derived.first)
            self._gather.keep(begin)
        return begin

    def _saved_since(self, begin: Begin) -> Snapshot | None:
        """The snapshot, where it is of the generation that began there."""
        saved: Snapshot | None = self._kept(self._path, decode_snapshot, None)
        return saved if saved is not None and saved.generation == begin.generation else None

    def _begin_to_gather(self, begin: Begin, book: RuleBook) -> None:
        """Go on with what the parts say."""
        assert self._gather is not None
        self.safe_parts = LogPosition(begin.cursor)
        letters = self._gather.letters()
        saved = self._saved_since(begin)
        if saved is None:
            self._engine = Gathering.begun(begin, letters)
            self._go_on(snapshot_of(begin))
        else:
            rules = from_text(saved.rules) or book
            self._engine = Gathering.thawed(saved.state, rules, saved.cursor, begin.parts, letters)
            self._go_on(saved)

    def _go_on(self, saved: Snapshot) -> None:
        self._registry_text, self.next_parts = saved.registry, saved.changing
        self._go_on_from(saved.cursor, saved.alerts_next, saved.derived_next)

    def _go_on_from(self, cursor: LogPosition, alerts: LogPosition, derived: LogPosition | None) -> None:
        """What the log has of warnings and derived readings behind these places may be said again, and is not told again."""
        self.state.cursor = self._safe_cursor = cursor
        self._saved_at = cursor, 0
        self._told_from = alerts
        self._told = {change.id for change in _tail(self._log, alerts)}
        self._derived = None if derived is None else _Repeats(self._log.derived, derived)

    def _restore(self, begin: Begin | None, book: RuleBook, devices: Mapping[str, Device]) -> Engine | None:
        """The engine as the snapshot has it, or as the parts left it after that; None where there is none that can be read.

        The rules of the snapshot judge what the log holds up to the edition that this start writes there, as a replay
        would. Where they cannot be read or run any more, those of today take over at once.
        """
        found: tuple[Snapshot, Engine] | None = None
        if begin is None or self._saved_since(begin) is not None:
            found = self._kept(
                self._path, lambda data: restored(decode_snapshot(data), book, devices, self._partitions), None
            )
        if found is None and begin is not None:
            found = restored(snapshot_of(begin), book, devices, self._partitions)
        if found is None:
            # The first start, or one that ended before the first snapshot, or a damaged one: the log tells all again.
            self._go_on_from(self._begin, self._log.alerts.first, self._log.derived.first)
            return None
        saved, engine = found
        self._go_on(saved)
        return engine

    def _needed(self) -> LogPosition:
        """The oldest event that anybody who judges needs to begin anew."""
        return min(self._safe_cursor, self.safe_parts) if self.parts > 1 else self._safe_cursor

    @property
    def engine(self) -> Engine | Gathering:
        return self._engine

    def use_cameras(self, cameras: Cameras) -> None:
        """Look for witnesses among these from now on."""
        self._cameras = cameras

    def ill(self) -> list[dict[str, Any]]:
        """The rules that fail."""
        return self._engine.health()

    def figures(self) -> dict[str, Any]:
        """The state of the rules in figures, and under `ill` those that fail. To count them goes through every subject."""
        ill = [{**item, "error_zh": quoted(item["error"]).zh} for item in self.ill()]
        return {**self._engine.stats(), "ill": ill}

    async def run(self) -> None:
        if self._torn:
            await self._begin_anew()
        self._torn = True
        if isinstance(self._engine, Gathering):
            self._engine.listen()
        self._say_well()
        loop = asyncio.get_running_loop()
        self._next_save = loop.time() + SNAPSHOT_EVERY_S
        while True:
            if self.next_parts:
                await self._change_parts()
            batch = await self._log.events.read(self.state.cursor, FRAME_ENTRIES_MAX)
            for part in batch.parts(BATCH_MAX):
                await self.take(part)
                if self.next_parts:
                    break
                if self.state.cursor < self._log.events.next:  # else reading waits, and others have their turn then
                    await asyncio.sleep(0)
            if self._save is not None and self._save.done():
                self._save.result()
                self._save = None
            if self._save is None and self._save_is_due(loop.time()):
                self._save = asyncio.create_task(self.save())

    def _save_is_due(self, at_s: float) -> bool:
        return at_s >= self._next_save + (0.0 if self._judged >= SNAPSHOT_EVENTS else SNAPSHOT_AT_LAST_S)

    async def _begin_anew(self) -> None:
        """As after a restart: from the snapshot, without telling again what the log has."""
        await self._leave_off()
        async with self._between:
            await asyncio.to_thread(self._take_up)  # of a large city it takes seconds, in which others have their turn

    async def _leave_off(self) -> None:
        """Another engine is to go on: nothing is written down of this one any more, nor heard."""
        if self._save is not None:
            await asyncio.wait([self._save])
            self._save = None
        if isinstance(self._engine, Gathering):
            self._engine.end()

    async def _change_parts(self) -> None:
        """Have another number of parts, or one engine, go on from here."""
        gather, engine, head = self._gather, self._engine, self._head()
        assert gather is not None
        if isinstance(engine, Gathering):
            assert self._begun is not None
            begin = await gather.next_of(self._begun, self.next_parts, engine.together)
        else:
            whole = await asyncio.to_thread(engine.snapshot)
            generation = 1 if self._begun is None else self._begun.generation + 1
            begin = Begin(self.next_parts, head.rules, head.registry, head.cursor, whole, generation)
        begin.alerts_next, begin.derived_next = head.alerts_next, head.derived_next or self._log.derived.next
        await self._leave_off()
        async with self._between:
            await asyncio.to_thread(gather.keep, begin)
            await asyncio.to_thread(self._take_up)
        if isinstance(self._engine, Gathering):
            self._engine.listen()
        self._say_well()

    async def take(self, batch: Batch) -> list[AlertChange]:
        """Evaluate these events, up to where another number of parts holds, and append what they change. Returns the changes."""
        async with self._between:
            return await self._take(batch)

    async def _take(self, batch: Batch) -> list[AlertChange]:
        engine, changing = self._engine, 0
        if self._gather is not None:
            count, changing = ends(batch.entries, self.parts)
            batch = batch.until(batch.positions[count])
        if isinstance(engine, Gathering):
            outcome = await engine.outcome(batch)
        else:
            outcome = engine.feed(batch.entries, batch.positions)
        self._tell_of_failures(outcome.failed)
        for event in batch.entries:
            if type(event) is Edition and event.what == "registry":
                self._registry_text = event.text
        changes = [change for change in outcome.changes if change.id not in self._told]
        for change in changes:
            self._look(change)
            if self._journey is not None:
                self._journey.raised(change)
        derived = outcome.derived if self._derived is None else self._derived.without(outcome.derived)
        wanted = ((self._log.derived, derived), (self._log.alerts, changes))
        if derived or changes:  # to wait for nothing takes a turn of the loop, and most batches change nothing
            await asyncio.gather(*(self._append(stream.append, entries) for stream, entries in wanted if entries))
        self.state.cursor, self.next_parts = batch.next, changing
        self._judged += len(batch.entries)
        if self.state.cursor >= self._again_until:
            self._told, self._derived = set(), None
        if self._journey is not None:
            self._journey.read(LOGGED_TO_JUDGED, batch.next)
        return changes

    def _ails(self) -> Text:
        """What people should know although the reader works."""
        skipped = self._engine.skipped
        ill = ", ".join(sorted(self._ill - {ENGINE}))
        parts = [Text("ill rules: ", "出错的规则：") + same(ill)] if ill else []
        if skipped:
            parts.append(
                Text(f"{skipped} events skipped, which could not be judged", f"{skipped} 个事件无法判断，已跳过")
            )
        return joined([*parts, self._unsaved] if self._unsaved else parts)

    def _say_well(self) -> None:
        self.state.report("degraded" if self._unsaved else "up", self._ails())

    def _look(self, change: AlertChange) -> None:
        """Add the cameras. A warning goes out without them where that fails."""
        try:
            look(change, self._cameras, self._engine.book)
        except Exception:
            logger.exception("no cameras could be found for %s; report this", change.id)

    def _tell_of_failures(self, failed: Sequence[Exception]) -> None:
        """Say once of each rule that it is ill, and once of each kind of error that had an event skipped."""
        for error in failed:
            said = told(error).en
            if said not in self._said_of:
                self._said_of.add(said)
                logger.error("the rules skipped an event; report this", exc_info=error)
        ill = {item["rule"]: item for item in self._engine.health()}
        if not (failed or ill or self._ill):  # after nearly every batch
            return
        for name in sorted(ill.keys() - self._ill):
            item = ill[name]
            logger.error(
                "the rule %s is ill and is left out where it fails (%s, at %s, event %s); all others go on",
                name, item["error"], item["subject"] or "every subject", item["event"],
            )  # fmt: skip
        for name in sorted(self._ill - ill.keys()):
            logger.warning("the rule %s is well again", name)
        if self._ill != set(ill) or failed:
            self._ill = set(ill)
            self.state.report(self.state.state, self._ails())

    async def _append(self, append: Callable[[Sequence[Any]], Any], entries: Sequence[Any]) -> None:
        """A full disk delays warnings, it does not lose them."""
        while True:
            try:
                await append(entries)
                self._say_well()
                return
            except Unwritable as error:
                await self._append_what_can_be(append, entries, error)
                return
            except (LogFull, OSError) as error:
                self.state.report("down", words_of(error))
                await asyncio.sleep(1)

    async def _append_what_can_be(
        self, append: Callable[[Sequence[Any]], Any], entries: Sequence[Any], error: Unwritable
    ) -> None:
        """One warning that cannot be written down silences no other."""
        if len(entries) == 1:
            name = getattr(entries[0], "id", "a derived reading")
            logger.error("%s cannot be written down (%s); report this", name, error)
            return
        for entry in entries:
            await self._append(append, [entry])

    async def save(self) -> None:
        """Write the snapshot down, atomically, as of now: events are judged meanwhile. A full disk only means a longer way back after a
        crash."""
        async with self._saving:
            async with self._between:
                cursor, judged = self.state.cursor, self._judged
                message = self._engine.needs_from() if isinstance(self._engine, Gathering) else 0
                state = pieces(self._head(), self._engine.frozen())
            took_s = 0.0
            try:
                took_s = await written(state, lambda chunks: self._keep(self._path, chunks))
                self._saved(cursor, message)
                self._judged -= judged
                unsaved = NOTHING
            except OSError as error:
                unsaved = Text("its snapshot could not be written: ", "快照无法写入：") + of_system(error)
            finally:
                self._next_save = asyncio.get_running_loop().time() + max(SNAPSHOT_EVERY_S, took_s / SNAPSHOT_SHARE)
            if self._unsaved != unsaved:
                self._unsaved = unsaved
                if self.state.part.works:
                    self._say_well()

    def _saved(self, cursor: LogPosition, message: int) -> None:
        """On servers what the snapshot before it needs stays until the next: this one may turn out damaged."""
        before, self._saved_at = self._saved_at, (cursor, message)
        self._safe_cursor, self.safe_message = self._saved_at if self._gather is None else before

    def _head(self) -> Head:
        """Between events. While the log has what is judged again, a further restart has to know that too."""
        again = self.state.cursor < self._again_until
        return Head(
            self._engine.book.text,
            self._registry_text,
            self.state.cursor,
            self._told_from if again else self._log.alerts.next,
            self._derived.position if again and self._derived is not None else self._log.derived.next,
            0 if self._begun is None else self._begun.generation,
            self.next_parts,
        )


def _tail(log: Log, offset: LogPosition) -> list[AlertChange]:
    found: list[AlertChange] = []
    while offset < log.alerts.next:
        batch = log.alerts.read_now(offset)
        found.extend(batch.entries)
        offset = batch.next
    return found
