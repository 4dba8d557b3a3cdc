"""History: the log into the store, rollups, erasing; and the books of the city, which say what became of each reading.

Where the log lies on servers the node with the lease `store` does this. It keeps the city's books by reading the log, because others
take in too, and shows beside them what only its own ledger knows. InfluxDB is one for all nodes, and each reads it. DuckDB is one machine's:
there each node that shows, judges or delivers has a history of its own, and the lease says only by which the books are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from hub.api.state import ReaderState, State
from hub.app.elsewhere import kept_elsewhere, not_here
from hub.app.ground import Ground
from hub.app.history import open_city_store
from hub.app.importing import Imported, Importer, messages, rejects_file
from hub.app.present import Present
from hub.app.readers import StoreReader
from hub.app.retrying import Retrier
from hub.app.rollups import Rollups
from hub.app.tasks import Tasks
from hub.ingest import Door, Ingest
from hub.ledger import Ledger
from hub.notes import NOTES, Notes
from hub.ports import BEGINNING, FRAME_ENTRIES_MAX, Batch, Bucket, Cursors, LogPosition, Row, SeriesQuery, Stream
from hub.store.erasing import Eraser, ErasingStore
from hub.store.every import buckets_every
from hub.store.reopening import reopening
from hub.store.rollups import RollupStore

LEDGER, OWN_LEDGER = "ledger.json", "door.json"
"""The books of the city; and, beside other nodes, what came to this one."""
STREAMS = ("events", "derived", "alerts")


class Storing:
    role = "store"

    def __init__(self, ground: Ground, present: Present, own: Ledger) -> None:
        """`own`: the ledger in which this node counts what it takes in. Raises ValueError where the store's secrets cannot be had."""
        self._ground, self._present, self._own = ground, present, own
        self.on = False
        """Whether this node stores for the city, and keeps its books."""
        self.store: RollupStore = reopening(
            lambda: open_city_store(ground.city.config.store, ground.data, ground.areas)
        )
        self.copies = ground.keeping.apart and ground.city.config.store.kind == "duckdb"
        """Whether each node has a history of its own."""
        self.notes = Notes(ground.data / NOTES, self._keep_notes, here=not ground.keeping.apart)
        """What people wrote, which is history too. Elsewhere there are none."""
        self.readers: list[StoreReader] = []
        self._books = Ledger() if ground.keeping.apart else own
        self._places: Cursors = ground.keeping.own
        self._tasks = Tasks(ground.health)

    @property
    def books(self) -> Ledger:
        """What this node knows of the city's books: all where it keeps them, what came to it where it does not."""
        return self._books.beside(self._own) if self.on and self._books is not self._own else self._own

    # ---------------------------------------------------------------------------------------------- life

    async def begin_copy(self) -> None:
        """A history of this node's own."""
        await self._begin_readers()
        self._start_readers()

    async def begin(self, places: Cursors) -> None:
        """Take up the city's books where they stand. `places`: of the city's readers."""
        self._places = self._ground.keeping.own if self.copies else places
        log, path = self._ground.log, self._ground.data / LEDGER
        if not self.readers:
            await self._begin_readers()
        reader = self.readers[0]
        cursor = reader.state.cursor
        await asyncio.to_thread(self._books.recover, path, log, {"store": cursor})
        while cursor < reader.state.cursor:  # a copy has gone on meanwhile
            batch = (await log.events.read(cursor, FRAME_ENTRIES_MAX, 0)).until(reader.state.cursor)
            cursor = batch.next
            self._read_first(batch)
            self._books.took("store", batch.entries, cursor)
        self._whole.required = True
        self.notes.read()
        for one in self.readers:
            one.account(self._books, log.quarantine, self._read_first, self._ground.keeping.fence(self.role))

    async def start(self, state: State) -> None:
        self._start_readers()
        if self._ground.keeping.apart:
            self._tasks.keep("books", self._keep_books)
        if self._ground.city.config.store.keep_personal_days:
            await self._present.begin()  # by which it is known of what kind an unregistered device is
        self.on = True

    async def _begin_readers(self) -> None:
        ground, log = self._ground, self._ground.log
        readers = [
            StoreReader(self.store, log.streams[name], None, Ledger(), ground.now, ground.journey) for name in STREAMS
        ]
        shared = ground.keeping.apart and not self.copies
        known = await asyncio.gather(*(asyncio.to_thread(self._places.get, one.state.name) for one in readers))
        await asyncio.gather(*(one.open(at, shared) for one, at in zip(readers, known, strict=True)))
        for reader in readers:  # it has been there, whatever became of the log's end
            reader.stream.begin_at(reader.state.cursor)
        self.rollups = await asyncio.to_thread(self._rollups, readers)
        self._whole = ground.health.whole("store", [reader.state.part for reader in readers])
        ground.health.whole("rollups", [state.part for state in self.rollups.states.values()])
        self.readers = readers

    def _start_readers(self) -> None:
        if self._reads:
            return
        self._reads = True
        for reader in self.readers:
            self._ground.closely.append(reader.state)
            self._tasks.keep(reader.state.part, reader.run)
        self._tasks.keep("rollups", self.rollups.run)

    _reads = False

    def _rollups(self, readers: Sequence[StoreReader]) -> Rollups:
        ground, options = self._ground, self._ground.city.config.store
        return Rollups(
            self.store,
            {name: ground.log.streams[name] for name in ("events", "derived")},
            {reader.stream.name: reader.at for reader in readers},
            self._places,
            ground.now,
            {"raw": options.keep_raw_days, "1m": options.keep_1m_days, "1h": options.keep_1h_days},
            Eraser(
                cast(ErasingStore, self.store),
                ground.city.config.personal,
                options.keep_personal_days,
                self._kind_of,
                self._forget,
            ),
        )

    def _keep_notes(self, path: Path, data: bytes) -> None:
        if not self.on:
            kept_elsewhere()
        self._ground.keeping.replace(path, data)

    def _forget(self, before: int) -> None:
        """What people wrote before that time, where it is kept here."""
        if self.on:
            self.notes.forget(before)

    def _kind_of(self, device: str) -> str | None:
        """What the registry or the device itself says; None where nobody knows it."""
        registered, heard = self._ground.city.registry.devices.get(device), self._present.live.devices.get(device)
        if registered is None and heard is None:
            return None
        return (registered.kind if registered else "") or (heard.kind if heard else "")

    def _read_first(self, batch: Batch) -> None:
        if self._books is not self._own:
            self._books.read_in_log(batch)

    async def _keep_books(self) -> None:
        """By what stands in the log and in quarantine, whoever put it there."""
        log, (events, quarantine) = self._ground.log, self._books.counted
        await asyncio.gather(
            self._each(log.events, events, self._books.read_in_log),
            self._each(log.quarantine, quarantine, self._books.read_in_quarantine),
        )

    async def _each(self, stream: Stream, position: LogPosition, read: Callable[[Batch], None]) -> None:
        while True:
            batch = await stream.read(position, FRAME_ENTRIES_MAX)
            read(batch)
            position = batch.next

    async def write_down(self) -> None:
        """The books, and how far the readers are. On a full disk the old ones stay, which costs a recount, not a reading."""
        ledger = self._books.encoded() if self.on else None
        cursors = {reader.state.name: reader.state.cursor for reader in self.readers}

        def write() -> None:
            for reader, cursor in cursors.items():
                self._places.set(reader, cursor)
            if ledger is not None:
                self._ground.keeping.replace(self._ground.data / LEDGER, ledger)

        with suppress(OSError):
            await asyncio.to_thread(write)

    async def end(self) -> None:
        await self._tasks.end()

    # ---------------------------------------------------------------------------------------------- what others ask

    def states(self) -> list[ReaderState]:
        if not self.readers:
            return []
        return [*(reader.state for reader in self.readers), *self.rollups.states.values()]

    async def stored(self, places: Cursors) -> Mapping[str, LogPosition]:
        """How far the store has come in each stream; where another node stores, as that one has written down in `places`. Raises OSError."""
        if self.readers:
            return {reader.stream.name: reader.state.cursor for reader in self.readers}
        found = await asyncio.gather(*(asyncio.to_thread(places.get, f"store/{name}") for name in STREAMS))
        return {name: cursor or BEGINNING for name, cursor in zip(STREAMS, found, strict=True)}

    async def series(self, query: SeriesQuery) -> Sequence[Row]:
        return await asyncio.to_thread(self.store.series, query)

    async def buckets(self, query: SeriesQuery, every: int) -> Sequence[Bucket]:
        return await asyncio.to_thread(buckets_every, self.store, query, every)

    async def export(self, query: SeriesQuery, form: str, path: Path) -> int:
        return await asyncio.to_thread(self.store.export, query, form, path)

    async def rebuild(self, start: int | None, end: int | None) -> int:
        return await self.rollups.rebuild(start, end) if self.on else await not_here(self.role)

    async def take_in(self, paths: Sequence[Path], map_file: Path | None, admit: bool) -> Imported:
        """What old files hold, into the store."""
        if not self.on:
            return cast(Imported, await not_here(self.role))
        ground = self._ground
        rejects = rejects_file(ground.data, ground.now())
        city = ground.city
        importer = Importer(self.store, city.registry, city.config.ingest, ground.now(), rejects, admit)
        return await asyncio.to_thread(lambda: importer.run(messages(paths, map_file)))

    def retrying(self, ingest: Ingest, door: Door) -> Callable[[LogPosition, LogPosition], Awaitable[Any]]:
        """What offers entries of quarantine again."""

        async def retry(start: LogPosition, end: LogPosition) -> Any:
            if not self.on:
                return await not_here(self.role)
            quarantine = self._ground.log.quarantine
            return await Retrier(quarantine, ingest, door, self.readers[0], self._books).retry(start, end)

        return retry
