"""One hub: log, readers, rules, destinations, adapters and API, started in the order of the journey, stopped in reverse."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import msgspec

import dashboards
from hub import clock
from hub.access.audit import Audit
from hub.access.people import People
from hub.access.roll import Roll
from hub.access.sessions import Sessions
from hub.access.users import users_path
from hub.alerts import Alerts
from hub.api.answers import Reloaded
from hub.api.provider import Provider
from hub.api.state import ReaderState, State
from hub.app.certificates import Certificates
from hub.app.city import City
from hub.app.city_files import CityFiles
from hub.app.commanding import Commander
from hub.app.decoded import decoded_again
from hub.app.destinations import Destinations
from hub.app.editions import Editions
from hub.app.elsewhere import kept_elsewhere, not_here
from hub.app.following import Following
from hub.app.hearing import hear_others, hears_from
from hub.app.history import open_city_store
from hub.app.importing import Imported, Importer, messages, rejects_file
from hub.app.keeping import keeping
from hub.app.listening import Listening
from hub.app.only_one import OnlyOne
from hub.app.posting import Posting
from hub.app.readers import Follower, StoreReader
from hub.app.relaying import Relay
from hub.app.reloading import for_the_next_start, read_again, taken_over
from hub.app.retrying import Retrier
from hub.app.roles import Judged, Node, Nodes, here, shows, works
from hub.app.rollups import Rollups
from hub.app.rulebook import described
from hub.app.sources import Sources, decode_body
from hub.app.staging import stage
from hub.app.tasks import kept
from hub.app.telemetry import Reporter
from hub.app.ticking import Ticking
from hub.app.trip_notes import TripNotes
from hub.app.warning import SNAPSHOT, Warner
from hub.app.watching import RuleParts, Watch
from hub.bilingual import Text, same
from hub.cameras import Cameras
from hub.config import is_loopback, split_address
from hub.health import Health, Part
from hub.ingest import Door, Ingest
from hub.ledger import Ledger
from hub.live import Live
from hub.log.board import Board
from hub.model import OperatorAction
from hub.moment import to_zone_text
from hub.notes import NOTES, Notes
from hub.options import ROLES, AdapterConfig, SinkConfig
from hub.ports import Bucket, LogFull, LogPosition, Plugin, Row, SeriesQuery
from hub.reports.air import Air
from hub.reports.fleet import Fleet
from hub.reports.papers import paper
from hub.reports.rivers import Rivers
from hub.reports.roses import Roses
from hub.store.erasing import Eraser, ErasingStore
from hub.store.every import buckets_every
from hub.store.reopening import reopening
from hub.store.rollups import RollupStore
from hub.validation import Validator
from hub.whole_file import damaged, make_folder, sync_folder
from rules.engine import ENGINE

logger = logging.getLogger(__name__)

TICK_S = 1.0
HOUSEKEEPING_S = 5.0
"""So often the books and the readers' places are written down, four files that are synced each. What came since is counted again from the log
after a crash; what no log has (frames, duplicates, what a door on another machine than the judge's counted) is forgotten."""
DRAIN_S = 20.0
LIVE_ENTRIES = 200_000
"""How far back the present is folded from when the hub starts."""
VERSION = version("cityhub")
EDITION = f"cityhub {VERSION}, engine {ENGINE}"


class Hub:
    """Owns everything that runs for one city folder. `start`, then `stop`; or `serve` until an event."""

    def __init__(
        self,
        city: City,
        data: Path | None = None,
        now: Callable[[], int] = clock.now,
        live: bool = True,
        tick_s: float = TICK_S,
        say: Callable[[str], None] = logger.info,
        node: str | None = None,
        roles: Sequence[str] | None = None,
    ) -> None:
        """`data`: another place than the city's for log and state. `live=False`: no adapters, no destinations and no
        ticks of its own; whoever plays a recording through the hub brings the time. `tick_s`: the machine's seconds
        from tick to tick, shorter where `now` hurries. `say` hears one line at each change of a part's state. `node`: this hub's name among those of its city, the machine's
        without one. `roles`: others than the city folder gives to this machine. Raises ValueError for roles that need what is not there."""
        self.city = city
        self.data = data or city.config.data
        self.node = node or socket.gethostname()
        self.roles = list(roles or city.config.hub.roles) if live else list(ROLES)
        self.works = works(self.roles)
        """Whether this hub judges, stores and delivers; otherwise it takes in or shows, beside the one that does."""
        self.shows = shows(self.roles)
        """Whether this hub follows what the log holds; otherwise it only takes in, and knows of others' readings that they are there."""
        self._keeping = keeping(city.config.log, self.data, self.node, self.roles, alone=not live)
        self.now = now
        self._live = live
        self._tick_s = tick_s
        self.health = Health(now, say, lambda at: to_zone_text(at, city.config.zone))
        self.ledger = Ledger()
        self._tasks: list[asyncio.Task[Any]] = []
        self.sources = Sources(self._door)
        self._say = say
        self._reloading = asyncio.Lock()
        self._area_of = self._areas()
        self._staging = asyncio.Lock()

    # ---------------------------------------------------------------------------------------------- life

    async def serve(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; then drain and close."""
        await self.start()
        try:
            await stop.wait()
        finally:
            await self.stop()

    async def start(self) -> None:
        config = self.city.config
        make_folder(self.data)
        self.roll = Roll(users_path(config.folder, config.api.users_file), self.data, self._tell_of_users)
        asks = self.city.tokens is not None or self.roll.asks or config.oidc.issuer
        if not asks and not is_loopback(split_address(config.api.listen)[0]):
            raise ValueError(
                f"[api] listen: {config.api.listen} is reachable from outside, so users or tokens are needed"
            )
        self.following = Following(config, self.node, VERSION, self.health)
        self.journey = self.following.journey
        self._only_one = OnlyOne(self.data)
        with suppress(OSError):  # names that a killed process left unsynced are relied upon from here on
            sync_folder(self.data)
        await self.wait_for_its_turn()
        await asyncio.to_thread(self._keeping.open)
        self.log, self.cursors = self._keeping.log, self._keeping.cursors
        for name, cursor in self.cursors.all().items():
            if stream := self.log.streams.get(_stream_of(name)):
                stream.begin_at(cursor)
        self._open_store()
        shared = self._keeping.travels and config.store.kind != "duckdb"
        await asyncio.gather(
            *(reader.open(self.cursors.get(reader.state.name), shared) for reader in self.store_readers)
        )
        for reader in self.store_readers:  # it has been there, whatever became of the log's end
            self.log.streams[reader.state.stream].begin_at(reader.state.cursor)
        self.cameras = Cameras(
            self.city.registry.cameras.values(), self.city.registry.buildings, self.city.config.cameras.tasks
        )
        if self.works:
            self._take_up_work()
        else:
            self.ledger.take_up(self.data / "ledger.json")
        self.live, self.alerts = Live(), Alerts()
        self.followers = self._followers() if self.shows else []
        self.ingest = Ingest(
            self.log,
            self.city.registry,
            self.ledger,
            self.now,
            config.ingest,
            self.city.secrets,
            self.health,
            slices=self._live,
            journey=self.journey,
        )
        since = await asyncio.to_thread(
            hears_from, self.log, self.ledger, self.roles, self.ingest.options.duplicates_max
        )
        await self._catch_up()
        hear_others(self.log, self.ledger, self.ingest, self.roles, since)
        self.destinations = Destinations(
            self._sinks(self.city), self.log, self.cursors, self.data, self._area_of, self.journey, lambda: self.city
        )
        if self._keeping.travels:
            self.destinations.journal.begun_anew = True
        await self.destinations.begin()
        self._gather_parts()
        board = self._keeping.board()
        self.nodes = Nodes(board, self._node, self._judged if self.works else None)
        self.state = self._state(board)
        closely: list[StoreReader | Follower | Warner] = [*self.store_readers, *self.followers]
        certificates = Certificates(self.health, lambda: self.city.config, self.now)
        look = [self.destinations.look, self.following.look, certificates.look]
        if self.works:
            await self.editions.begin(self.city, self.now())
            closely.append(self.warner)
            look.append(RuleParts(self.health, self.state.rules).look)
        for one in closely:
            self._keep(one.state.part, one.run)
        self._keep("housekeeping", self._housekeeping)
        if self.store_readers:
            self._keep("rollups", self.rollups.run)
        if self.works:
            self._keep("trips", self.trip_notes.run)
        if board is not None:
            self._keep("nodes", self.nodes.run)
        watch = Watch(self.health, self.log, [reader.state for reader in closely], look)
        self._keep("watch", watch.run)
        self.listening = Listening(self.state, config.api.listen, self.data, self.health.part("api", required=True))
        await self.listening.open(public="api" in self.roles)
        if self._live:
            if self.works:
                self.destinations.start()
                self._keep("ticker", self._ticker, required=True)
                self._keep("telemetry", Reporter(self.state).run)
                reports = self.health.part("reports", False, "up")
                posting = Posting(self.state, self.destinations.reporters, self.data, self._keeping.replace, reports)
                self._keep("reports", posting.run)
            await self.sources.run(here(config.adapters, self.roles))

    async def stop(self) -> None:
        """Stop taking input, let readers finish what is in the log, write everything down, close."""
        self.health.hush()
        self.listening.shut()
        await self.sources.stop()
        await self.drain(DRAIN_S)
        await self.listening.close()
        await self._cancel(self._tasks)
        await self.destinations.close()
        await self.following.close()
        if self.works:
            await self.warner.save()
        await self._write_down()
        await self._keeping.close()
        await asyncio.to_thread(self.store.close)
        self._only_one.close()

    async def wait_for_its_turn(self) -> None:
        """While another hub works on the same log, this one stands by. Ends at once where each has its own."""
        await self._keeping.wait(self._say)

    async def lost(self) -> None:
        """Returns when another hub may have begun to work on the same log: then this one must end without another word."""
        await self._keeping.lost()

    @property
    def address(self) -> str:
        return self.listening.address

    async def drain(self, within_s: float) -> bool:
        """Wait until rules have taken all that is in the log now, and the store that and what they made of it. False where time ran out first.
        What comes meanwhile, from other machines or the ticker, is not waited for: it never ends."""
        loop = asyncio.get_running_loop()
        until, end = loop.time() + within_s, self.log.events.next
        ends: dict[str, LogPosition] = {}
        while loop.time() < until:
            if not ends and (not self.works or self.warner.state.cursor >= end):
                ends = {name: stream.next for name, stream in self.log.streams.items()} | {"events": end}
            stores = [reader.state for reader in self.store_readers]
            if ends and all(state.cursor >= ends[state.stream] or state.state == "down" for state in stores):
                return all(state.state != "down" for state in stores)
            await asyncio.sleep(0.02)
        return False

    # ---------------------------------------------------------------------------------------------- opening

    def _open_store(self) -> None:
        self.store: RollupStore = reopening(lambda: open_city_store(self.city.config.store, self.data, self._area_of))
        options = self.city.config.store
        quarantine, ledger = (self.log.quarantine, self.ledger) if self.works else (None, Ledger())
        self.store_readers = [
            StoreReader(self.store, self.log.streams[name], quarantine, ledger, self.now, self.journey)
            for name in ("events", "derived", "alerts")
            if self.works
            or (self.shows and options.kind == "duckdb")  # one machine's, so each that shows has a copy of its own
        ]
        stored = {reader.state.stream: (lambda state=reader.state: state.cursor) for reader in self.store_readers}
        self.rollups = Rollups(
            self.store,
            {name: self.log.streams[name] for name in ("events", "derived") if name in stored},
            stored,
            self.cursors,
            self.now,
            {"raw": options.keep_raw_days, "1m": options.keep_1m_days, "1h": options.keep_1h_days},
            Eraser(
                cast(ErasingStore, self.store),
                self.city.config.personal,
                options.keep_personal_days,
                self._kind_of,
                lambda before: self.state.notes.forget(before) if self.works else None,
            ),
        )
        if self.works:
            self.trip_notes = TripNotes(self.store, self.log.events, self.log.derived, stored, self.cursors, self.now)

    def _followers(self) -> list[Follower]:
        events, derived, alerts = self.log.events, self.log.derived, self.log.alerts
        return [
            Follower("live", events, self.live.feed, events.before(events.next, LIVE_ENTRIES)),
            Follower("live_derived", derived, self.live.feed_found, derived.before(derived.next, LIVE_ENTRIES)),
            Follower("alerts", alerts, self.alerts.feed, alerts.first),
        ]

    def _take_up_work(self) -> None:
        """The city's books, and the rules with what they know."""
        self.ledger.recover(self.data / "ledger.json", self.log, {"store": self.store_readers[0].state.cursor})
        self.warner = Warner(
            self.log,
            self.city.book,
            self.city.registry,
            self.cameras,
            self.data / SNAPSHOT,
            self.log.events.first,
            self.city.config.rules.partitions,
            self._keeping.replace,
            self.journey,
        )
        self.log.events.begin_at(self.warner.state.cursor)
        self.editions = Editions(self.log, self.data / "editions.json", self._keeping.replace, EDITION)

    def _node(self) -> Node:
        """What this hub says of itself to the others of its city."""
        return Node(self.node, self.roles, self.listening.address if "api" in self.roles else "", self.health.ready)

    def _judged(self) -> Judged:
        """And what it says of the rules, where it runs them."""
        return Judged(self.warner.figures(), tuple(self.warner.engine.windows.values()))

    def _kind_of(self, device: str) -> str | None:
        """What the registry or the device itself says; None where nobody knows it."""
        registered, heard = self.city.registry.devices.get(device), self.live.devices.get(device)
        if registered is None and heard is None:
            return None
        return (registered.kind if registered else "") or (heard.kind if heard else "")

    def _gather_parts(self) -> None:
        """The hub is ready while it takes input, judges it, shows it and keeps it; see docs/operating.md."""
        streams = {name: Part(f"log/{name}", "up") for name in self.log.streams}
        for name in ("events", "alerts"):
            streams[name].required = True
        self.health.whole("log", streams.values())
        if self.store_readers:
            self.health.whole("store", [reader.state.part for reader in self.store_readers], required=self.works)
            self.health.whole("rollups", [state.part for state in self.rollups.states.values()])
        if self.works:
            self.health.add(self.warner.state.part, required=True)
        for follower in self.followers:
            self.health.add(follower.state.part, required=True)
        self.destinations.show_in(self.health)

    def _sinks(self, city: City) -> Sequence[SinkConfig]:
        return city.config.sinks if self._live and self.works else ()

    def _areas(self) -> dict[str, str]:
        return {device.device: device.area for device in self.city.registry.devices.values()}

    async def _catch_up(self) -> None:
        """Fold the recent past into the present before anybody looks, and remember what devices may send again."""
        for follower in self.followers:
            stream = self.log.streams[follower.state.stream]
            while follower.state.cursor < stream.next:
                batch = stream.read_now(follower.state.cursor)
                follower.take(batch)
                if stream is self.log.events:
                    self.ingest.remember(batch.entries)
                await asyncio.sleep(0)

    def _state(self, board: Board | None) -> State:
        config = self.city.config
        commander = Commander(self.sources.adapters, self.sources.plugins, self._operate, self.now)
        door = self.ingest.door("api", unknown_devices=config.api.unknown_devices)
        door.report("up", same(config.api.listen))
        readers: list[ReaderState] = [
            *(reader.state for reader in self.store_readers),
            *self.rollups.states.values(),
            *(follower.state for follower in self.followers),
        ]
        retry: Callable[..., Awaitable[Any]] = not_here
        if self.works:
            readers.append(self.warner.state)
            retry = Retrier(self.log.quarantine, self.ingest, door, self.store_readers[0], self.ledger).retry
        breathing = self._air = Air(self._buckets, self.city.registry, config.zone, self.now)
        driving = self._driving = Fleet(self._series, self.city.registry, self.live, config.zone, self.now)
        return State(
            config=config,
            registry=self.city.registry,
            log=self.log,
            ledger=self.ledger,
            ingest=self.ingest,
            live=self.live,
            alerts=self.alerts,
            cameras=self.cameras,
            clock=self.now,
            console=Path(dashboards.__file__).parent / "console",
            basemap=(config.folder / "basemap.pmtiles", self.data / "basemap.pmtiles"),
            decode=decode_body,
            door=door,
            retry=retry,
            decode_again=lambda fault, raw: decoded_again(self.city.config.adapters, self.sources.plugins, fault, raw),
            series=self._series,
            buckets=self._buckets,
            trips=driving.trips,
            track=driving.track,
            fleet=driving.day,
            air=breathing.days,
            roses=Roses(self._series, self._buckets, lambda: self.city.registry, config.zone).of,
            rivers=Rivers(self._series, lambda: self.city.registry, self.now).standing,
            paper=lambda what, answer, form, zh: paper(self.city.config, what, answer, form, self.now(), zh),
            export=self._export,
            operate=self._operate,
            rebuild=self.rollups.rebuild if self.works else not_here,
            take_in=self._take_in if self.works else not_here,
            command=commander.command if board is None else Relay(commander, board).command,
            stage=self._stage if self.works else not_here,
            reload=self.reload,
            files=CityFiles(config.folder, self.reload, not self._keeping.travels),
            health=self.health,
            readers=lambda: [*readers, *self.destinations.states()],
            couriers=self.destinations.couriers,
            journal=self.destinations.journal,
            roll=self.roll,
            sessions=Sessions(self.now, config.api.session_hours),
            audit=Audit(self.data),
            notes=Notes(self.data / NOTES, self._keeping.replace if self.works else kept_elsewhere),
            tokens=self.city.tokens,
            people=People(config.oidc, self.roll, lambda: self.city.tokens or (), self.data)
            if config.oidc.issuer
            else None,
            provider=Provider(config.oidc, self.now) if config.oidc.issuer else None,
            rules=self.warner.figures if self.works else lambda: self.nodes.judged.rules,
            rulebook=lambda: described(self.warner.engine.book if self.works else self.city.book, self.now()),
            next_call=lambda alert: self.warner.engine.next_call(alert) if self.works else None,
            maintenance=lambda: (
                tuple(self.warner.engine.windows.values()) if self.works else self.nodes.judged.maintenance
            ),
            nodes=lambda: msgspec.to_builtins(self.nodes.all()),
            roles=self.roles,
            protocols={adapter.name: adapter.protocol for adapter in config.adapters},
            stages=self.following.stages,
            traces=self.following.traces,
            started_at=self.now(),
            version=VERSION,
            set_aside=(*damaged(self.data), *damaged(self.data / "cursors")),
        )

    # ---------------------------------------------------------------------------------------------- running

    def _keep(self, part: Part | str, work: Callable[[], Awaitable[None]], required: bool = False) -> None:
        """Run what can begin anew whenever it raised. `part`: its own, or the name of one."""
        known = part if isinstance(part, Part) else self.health.part(part, required, "up")
        self._tasks.append(asyncio.create_task(kept(work, known)))

    def _door(self, plugin: Plugin, config: AdapterConfig) -> Door:
        return self.ingest.door(config.name, plugin.kind, config.unknown_devices, plugin.proof, config.clock)

    async def reload(self) -> Reloaded:
        """Take the city folder over as it is now. Connections, what waits to be acknowledged and unchanged adapters are not touched."""
        async with self._reloading:
            old = self.city
            city, mistakes, sinks, words = await read_again(
                old, lambda city: self.destinations.prepared(self._sinks(city))
            )
            if city is None:
                return Reloaded(mistakes, [], [])
            applied = [] if not words else ["metrics.toml: taken over"]
            if words:
                self.ingest.validator = Validator(self.ingest.options)
            later = for_the_next_start(old, city)
            self.city = taken_over(old, city)
            self._take_registry()
            if self.works:
                applied += await self.editions.note(self.city, self.now())
            self.ingest.secrets = city.secrets
            self.state.tokens = city.tokens
            applied += await self.destinations.take_over(self._sinks(city), sinks)
            if self._live:
                applied += await self.sources.run(here(city.config.adapters, self.roles))
            self.state.config = self.city.config
            self.state.protocols = {adapter.name: adapter.protocol for adapter in city.config.adapters}
            for sentence in (*applied, *later):
                self._say(f"reload: {sentence}")
            return Reloaded([], applied, later)

    def _take_registry(self) -> None:
        registry = self.city.registry
        self.cameras = Cameras(registry.cameras.values(), registry.buildings, self.city.config.cameras.tasks)
        if self.works:
            self.warner.use_cameras(self.cameras)
        self.ingest.registry = self.state.registry = registry
        self.state.cameras = self.cameras
        self._driving.use_registry(registry)
        self._air.use_registry(registry)
        self._area_of.clear()
        self._area_of.update(self._areas())

    async def _ticker(self) -> None:
        """Time passing, into the log. A full log misses ticks; silence rules then simply learn later."""
        ticking = Ticking()
        while True:
            await asyncio.sleep(self._tick_s)
            try:
                await self.log.events.append(ticking.entries(self.now(), deaf=not self.nodes.listen))
            except LogFull:
                continue

    async def _housekeeping(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            await self._write_down()
            for stream in self.log.streams.values() if self.works else ():
                stream.trim()

    async def _write_down(self) -> None:
        """Ledger and cursors. On a full disk the old ones stay, which costs a recount, not a reading."""
        ledger = self.ledger.encoded()
        cursors = {reader.state.name: reader.state.cursor for reader in self.store_readers}
        if self.works:
            cursors["rules"] = self.warner.state.cursor

        def write() -> None:
            for reader, cursor in cursors.items():
                self.cursors.set(reader, cursor)
            self._keeping.replace(self.data / "ledger.json", ledger)

        with suppress(OSError):
            await asyncio.to_thread(write)

    # ---------------------------------------------------------------------------------------------- for the API

    async def _series(self, query: SeriesQuery) -> Sequence[Row]:
        return await asyncio.to_thread(self.store.series, query)

    async def _buckets(self, query: SeriesQuery, every: int) -> Sequence[Bucket]:
        return await asyncio.to_thread(buckets_every, self.store, query, every)

    async def _export(self, query: SeriesQuery, form: str, path: Path) -> int:
        return await asyncio.to_thread(self.store.export, query, form, path)

    def _tell_of_users(self, why: Text) -> None:
        """The users' file cannot be used any more, or can again."""
        if why or "users" in {part.name for part in self.health.parts()}:
            self.health.part("users").report("degraded" if why else "up", why)

    async def _take_in(self, paths: Sequence[Path], map_file: Path | None, admit: bool) -> Imported:
        rejects = rejects_file(self.data, self.now())
        importer = Importer(self.store, self.city.registry, self.city.config.ingest, self.now(), rejects, admit)
        return await asyncio.to_thread(lambda: importer.run(messages(paths, map_file)))

    async def _stage(self, backups: Path | None) -> Path:
        """All that a backup needs beside the log. What has been read of the log is written down first."""
        await self.warner.save()
        await self._write_down()
        async with self._staging:
            return await asyncio.to_thread(stage, self.data, self.store, backups)

    async def _operate(self, action: OperatorAction) -> None:
        await self.log.events.append([action])

    async def _cancel(self, tasks: list[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        tasks.clear()


def _stream_of(reader: str) -> str:
    """The stream that a reader's cursor counts: store_events, rollups_derived …, rules, delivery.NAME, forward.NAME."""
    if reader.startswith("delivery."):
        return "alerts"
    if reader.startswith("forward."):
        return "events"
    return reader.partition("_")[2] or "events"
