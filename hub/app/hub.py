"""One hub: log, intake, the roles that it fills, adapters and API, started in the order of the journey, stopped in reverse."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

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
from hub.app.delivering import Delivering
from hub.app.elsewhere import no_backup
from hub.app.filled import Filled
from hub.app.following import Following
from hub.app.ground import Ground
from hub.app.hearing import hear_others, hears_from
from hub.app.judging import VERSION, Judging
from hub.app.keeping import OnServers, keeping
from hub.app.listening import COMMANDS_ONLY, Listening
from hub.app.only_one import OnlyOne
from hub.app.parting import Parting
from hub.app.present import Present
from hub.app.relaying import Relay
from hub.app.reloading import changed, for_the_next_start, read_again, taken_over
from hub.app.roles import Node, Nodes, Said, doors, here, ill, reads, shows
from hub.app.rulebook import described
from hub.app.sources import Sources, decode_body
from hub.app.staging import stage
from hub.app.storing import OWN_LEDGER, Storing
from hub.app.tasks import Tasks
from hub.app.watching import Watch
from hub.bilingual import Text, same
from hub.config import is_loopback, split_address
from hub.health import Health, Part
from hub.ingest import Door, Ingest
from hub.ledger import Ledger
from hub.live import Live
from hub.log.board import Board
from hub.model import OperatorAction
from hub.moment import to_zone_text
from hub.options import ROLES, WORK, AdapterConfig
from hub.ports import Log, LogPosition, Plugin
from hub.reports.air import Air
from hub.reports.fleet import Fleet
from hub.reports.papers import paper
from hub.reports.rivers import Rivers
from hub.reports.roses import Roses
from hub.store.rollups import RollupStore
from hub.validation import Validator
from hub.whole_file import damaged, make_folder, replace, sync_folder

logger = logging.getLogger(__name__)

TICK_S = 1.0
HOUSEKEEPING_S = 5.0
"""So often the books and the readers' places are written down, four files that are synced each. What came since is counted again from the log
after a crash; what no log has (frames, duplicates, what a door on another machine counted) is forgotten."""
DRAIN_S = 20.0


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
        self.data = data or city.config.data
        self.node = node or socket.gethostname()
        self.roles = list(roles or city.config.hub.roles) if live else list(ROLES)
        """What this hub does, or would do were it not for others: of `WORK` it fills what it has the leases for."""
        partitions = city.config.rules.partitions
        self._keeping = keeping(city.config.log, self.data, self.node, self.roles, partitions, alone=not live)
        self.now = now
        self._live = live
        self._tick_s = tick_s
        self.health = Health(now, say, lambda at: to_zone_text(at, city.config.zone))
        self._ground = Ground(city, self.data, now, live, self._keeping, self.health)
        self.ledger = Ledger()
        """Of what comes to this node; the city's books too, where there is no other."""
        self._tasks = Tasks(self.health)
        self._filling: list[asyncio.Task[None]] = []
        self.sources = Sources(self._door)
        self._say = say
        self._reloading = asyncio.Lock()
        self._adapting = asyncio.Lock()
        self._staging = asyncio.Lock()

    @property
    def city(self) -> City:
        return self._ground.city

    @property
    def log(self) -> Log:
        return self._keeping.log

    @property
    def live(self) -> Live:
        return self.present.live

    @property
    def alerts(self) -> Alerts:
        return self.present.alerts

    @property
    def store(self) -> RollupStore:
        return self.storing.store

    # ---------------------------------------------------------------------------------------------- life

    async def serve(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; then drain and close."""
        await self.start()
        try:
            await stop.wait()
        finally:
            await self.stop()

    async def start(self) -> None:
        """Take in and show. What of `WORK` is among the roles begins at once where there is no other hub, else when this one has its lease."""
        config = self.city.config
        make_folder(self.data)
        self.roll = Roll(users_path(config.folder, config.api.users_file), self.data, self._tell_of_users)
        asks = self.city.tokens is not None or self.roll.asks or config.oidc.issuer
        if not asks and not is_loopback(split_address(config.api.listen)[0]):
            raise ValueError(
                f"[api] listen: {config.api.listen} is reachable from outside, so users or tokens are needed"
            )
        self.following = Following(config, self.node, VERSION, self.health)
        self._ground.journey = self.following.journey
        self._only_one = OnlyOne(self.data)
        with suppress(OSError):  # names that a killed process left unsynced are relied upon from here on
            sync_folder(self.data)
        await self._open_log()
        board = self._keeping.board()
        self.nodes = Nodes(self.node, board, self._node, self._said, self.now)
        self.present = Present(self._ground)
        self.storing = Storing(self._ground, self.present, self.ledger)
        self.parting = self._parting()
        self.judging = Judging(self._ground, self.present, self.storing, self.nodes, self._tick_s)
        self.delivering = Delivering(self._ground, self.present)
        self.parts = [part for part in (self.storing, self.judging, self.delivering) if part.role in self.roles]
        alone = not self._keeping.apart
        if alone:
            await self.storing.begin(self._keeping.own)
            await self.judging.begin(self._keeping.own)
        else:
            self.ledger.take_up(self.data / OWN_LEDGER)
            if self.storing.copies and self.roles != ["ingest"]:
                await self.storing.begin_copy()
        await self._open_doors()
        if alone:
            await self.delivering.begin(self._keeping.own)
        self.state = self._state(board)
        if alone:
            for part in self.parts:
                await part.start(self.state)
        self._tasks.keep("housekeeping", self._housekeeping)
        certificates = Certificates(self.health, lambda: self.city.config, self.now)
        look = [self.delivering.destinations.look, self.following.look, certificates.look, self.judging.look]
        if board is not None:
            self._tasks.keep("nodes", self.nodes.run)
            look.append(Filled(self.health, self.nodes, lambda: bool(self.city.config.sinks), self.judging.parts).look)
        self._tasks.keep("watch", Watch(self.health, self.log, self._ground.closely, look).run)
        self.listening = Listening(self.state, config.api.listen, self.data, self.health.part("api", required=True))
        await self.listening.open(public="api" in self.roles)
        await self._run_adapters()
        if not alone:
            self._filling = [asyncio.create_task(self._fill(part)) for part in self.parts]
            if self.parting is not None:
                self._filling.append(asyncio.create_task(self.parting.run()))

    def _parting(self) -> Parting | None:
        """Where machines may share the parts of the rules, and this is one of them."""
        if not isinstance(self._keeping, OnServers) or "rules" not in self.roles:
            return None
        return Parting(self._ground, self._keeping, self._say, self.nodes)

    async def _open_log(self) -> None:
        await self._keeping.open()
        for name, cursor in self._keeping.own.all().items():
            if stream := self.log.streams.get(_stream_of(name)):
                stream.begin_at(cursor)
        streams = {name: Part(f"log/{name}", "up") for name in self.log.streams}
        for name in ("events", "alerts"):
            streams[name].required = True
        self.health.whole("log", streams.values())

    async def _open_doors(self) -> None:
        """What is known of what devices may send again, before anything is taken in."""
        self.ingest = Ingest(
            self.log,
            self.city.registry,
            self.ledger,
            self.now,
            self.city.config.ingest,
            self.city.secrets,
            self.health,
            slices=self._live,
            journey=self._ground.journey,
        )
        showing = shows(self.roles)
        since = await asyncio.to_thread(hears_from, self.log, showing, self.ingest.options.duplicates_max)
        if showing:
            await self.present.begin(self.ingest.remember)
        hear_others(self.log, self.ingest, since)

    async def _fill(self, part: Storing | Judging | Delivering) -> None:
        """Fill a role as soon as this node has its lease."""
        await part.begin(await self._keeping.granted(part.role, self._say))
        await part.start(self.state)
        await self._run_adapters()
        self._say(f"{part.role}: this machine does it now")

    async def stop(self) -> None:
        """Stop taking input, let readers finish what is in the log, write everything down, close."""
        self.health.hush()
        for filling in self._filling:
            filling.cancel()
        await asyncio.gather(*self._filling, return_exceptions=True)
        self.listening.shut()
        await self.sources.stop()
        await self.drain(DRAIN_S)
        await self.listening.close()
        await self._tasks.end()
        await self.present.end()
        for part in (self.judging, self.storing, self.delivering):
            await part.end()
        if self.parting is not None:
            await self.parting.end()
        await self.following.close()
        await self._write_down()
        await self.nodes.leave()
        await self._keeping.close()
        await asyncio.to_thread(self.store.close)
        self._only_one.close()

    async def lost(self) -> None:
        """Returns when another hub may have begun to fill a role of this one: then this one must end without another word. Raises what a role
        raises that cannot be filled."""
        lost = asyncio.create_task(self._keeping.lost())
        waiting = {lost, *self._filling}
        while lost in waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()

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
            if not ends and self.judging.caught_up(end):
                ends = {name: stream.next for name, stream in self.log.streams.items()} | {"events": end}
            stores = [reader.state for reader in self.storing.readers]
            if ends and all(state.cursor >= ends[state.stream] or state.state == "down" for state in stores):
                return all(state.state != "down" for state in stores)
            await asyncio.sleep(0.02)
        return False

    # ---------------------------------------------------------------------------------------------- what it does, for others

    def does(self) -> list[str]:
        """The roles that this node fills now."""
        filled = {part.role for part in self.parts if part.on}
        parts = [] if self.parting is None else self.parting.roles()
        return [*(role for role in self.roles if role not in WORK or role in filled), *parts]

    def _node(self) -> Node:
        """What this hub is to the others of its city."""
        does = self.does()
        address = self.listening.address if "api" in self.roles else ""
        stands_by = [role for role in self.roles if role not in does]
        partitions = self.city.config.rules.partitions if "rules" in self.roles else 0
        counts = self.parting is None or self.parting.own_number.counts
        return Node(self.node, does, address, self.health.ready, stands_by, partitions, counts)

    def _said(self, node: Node) -> Said:
        """What it says to them."""
        parts = [] if self.parting is None else self.parting.states()
        working = [*self.storing.states(), *self.judging.states(), *parts, *self.delivering.states()]
        books = self.storing.books.told() if self.storing.on else None
        return Said(
            node, self.judging.judged(), books, reads(working), ill(self.health), doors(self.ingest, self.roles)
        )

    def _city_books(self) -> Ledger | None:
        return self.storing.books if self.storing.on else self.nodes.books

    def _state(self, board: Board | None) -> State:
        config, ground, storing, judging = self.city.config, self._ground, self.storing, self.judging
        destinations = self.delivering.destinations
        commander = Commander(self.sources.adapters, self.sources.plugins, self._operate, self.now)
        door = self.ingest.door("api", unknown_devices=config.api.unknown_devices)
        door.report("up", same(config.api.listen) if "api" in self.roles else COMMANDS_ONLY)
        breathing = self._air = Air(storing.buckets, self.city.registry, config.zone, self.now)
        driving = self._driving = Fleet(storing.series, self.city.registry, self.live, config.zone, self.now)
        return State(
            config=config,
            registry=self.city.registry,
            log=self.log,
            ledger=self.ledger,
            books=lambda: storing.books,
            city_books=lambda: None if board is None else self._city_books(),
            ingest=self.ingest,
            live=self.live,
            alerts=self.alerts,
            cameras=ground.cameras,
            clock=self.now,
            console=Path(dashboards.__file__).parent / "console",
            basemap=(config.folder / "basemap.pmtiles", self.data / "basemap.pmtiles"),
            decode=decode_body,
            door=door,
            retry=storing.retrying(self.ingest, door),
            decode_again=lambda fault, raw: decoded_again(self.city.config.adapters, self.sources.plugins, fault, raw),
            series=storing.series,
            buckets=storing.buckets,
            trips=driving.trips,
            track=driving.track,
            fleet=driving.day,
            air=breathing.days,
            roses=Roses(storing.series, storing.buckets, lambda: self.city.registry, config.zone).of,
            rivers=Rivers(storing.series, lambda: self.city.registry, self.now).standing,
            paper=lambda what, answer, form, zh: paper(self.city.config, what, answer, form, self.now(), zh),
            export=storing.export,
            operate=self._operate,
            rebuild=storing.rebuild,
            take_in=storing.take_in,
            command=commander.command if board is None else Relay(commander, board).command,
            stage=self._stage,
            reload=self.reload,
            files=CityFiles(config.folder, self.reload, not self._keeping.apart),
            health=self.health,
            readers=self._readers,
            couriers=destinations.couriers,
            journal=destinations.journal,
            roll=self.roll,
            sessions=Sessions(self.now, config.api.session_hours),
            audit=Audit(self.data),
            notes=storing.notes,
            tokens=self.city.tokens,
            people=People(config.oidc, self.roll, lambda: self.city.tokens or (), self.data)
            if config.oidc.issuer
            else None,
            provider=Provider(config.oidc, self.now) if config.oidc.issuer else None,
            rules=lambda: judging.figures() if judging.on else self.nodes.judged.rules,
            rulebook=lambda: described(judging.book(), self.now()),
            next_call=judging.next_call,
            maintenance=lambda: judging.maintenance() if judging.on else self.nodes.judged.maintenance,
            nodes=lambda: msgspec.to_builtins(self.nodes.all()),
            follows=lambda: bool(self.present.readers),
            judged=lambda: judging.on or self.nodes.who(judging.role) is not None,
            ill_elsewhere=self.nodes.ill,
            roles=self.does,
            stands_by=lambda: self._node().stands_by,
            protocols={adapter.name: adapter.protocol for adapter in config.adapters},
            stages=self.following.stages,
            traces=self.following.traces,
            started_at=self.now(),
            version=VERSION,
            set_aside=(*damaged(self.data), *damaged(self.data / "cursors")),
        )

    def _readers(self) -> list[ReaderState]:
        parting = [] if self.parting is None else self.parting.states()
        parts = self.storing.states(), self.present.readers, self.judging.states(), parting, self.delivering.states()
        return [reader for states in parts for reader in states]

    # ---------------------------------------------------------------------------------------------- running

    def _door(self, plugin: Plugin, config: AdapterConfig) -> Door:
        return self.ingest.door(config.name, plugin.kind, config.unknown_devices, plugin.proof, config.clock)

    async def _run_adapters(self) -> list[str]:
        """Those of this node, a sentence for each that was started or stopped. One after another: a reload may come while a role is taken over, and
        what the later knows holds."""
        async with self._adapting:
            return await self.sources.run(here(self.city.config.adapters, self.does())) if self._live else []

    async def reload(self) -> Reloaded:
        """Take the city folder over as it is now. Connections, what waits to be acknowledged and unchanged adapters are not touched."""
        async with self._reloading:
            old, destinations = self.city, self.delivering.destinations
            city, mistakes, sinks, words = await read_again(
                old, lambda city: destinations.prepared(self.delivering.sinks(city))
            )
            if city is None:
                return Reloaded(mistakes, [], [])
            applied = [] if not words else ["metrics.toml: taken over"]
            if words:
                self.ingest.validator = Validator(self.ingest.options)
            later = for_the_next_start(old, city)
            self._ground.take_over(taken_over(old, city))
            self._take_registry()
            if (parts := city.config.rules.partitions) != old.config.rules.partitions:
                if self._keeping.apart:
                    applied.append(f"[rules] partitions: {parts} holds once all machines that judge say the same")
                else:
                    later.append(f"[rules] partitions: {parts} holds once the hub has been started again")
            applied += await self.judging.reload()
            applied += changed(old, city)
            self.ingest.secrets = city.secrets
            self.state.tokens = city.tokens
            applied += await destinations.take_over(self.delivering.sinks(city), sinks)
            applied += await self._run_adapters()
            self.state.config = self.city.config
            self.state.protocols = {adapter.name: adapter.protocol for adapter in city.config.adapters}
            for sentence in (*applied, *later):
                self._say(f"reload: {sentence}")
            return Reloaded([], applied, later)

    def _take_registry(self) -> None:
        self.ingest.registry = self.state.registry = self.city.registry
        self.state.cameras = self._ground.cameras
        self._driving.use_registry(self.city.registry)
        self._air.use_registry(self.city.registry)

    async def _housekeeping(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            await self._write_down()
            for stream in self.log.streams.values() if set(self.does()) & set(WORK) else ():
                stream.trim()

    async def _write_down(self) -> None:
        """What a restart needs. On a full disk the old files stay, which costs a recount, not a reading."""
        await self.storing.write_down()
        await self.judging.write_down()
        if self._keeping.apart:
            with suppress(OSError):
                await asyncio.to_thread(replace, self.data / OWN_LEDGER, self.ledger.encoded())

    def _tell_of_users(self, why: Text) -> None:
        """The users' file cannot be used any more, or can again."""
        if why or "users" in {part.name for part in self.health.parts()}:
            self.health.part("users").report("degraded" if why else "up", why)

    async def _stage(self, backups: Path | None) -> Path:
        """All that a backup needs beside the log. What has been read of the log is written down first."""
        if self._keeping.apart:
            no_backup()
        await self.judging.save()
        await self.storing.write_down()
        async with self._staging:
            return await asyncio.to_thread(stage, self.data, self.store, backups)

    async def _operate(self, action: OperatorAction) -> None:
        await self.log.events.append([action])


def _stream_of(reader: str) -> str:
    """The stream that a reader's cursor counts: store_events, rollups_derived …, rules, delivery.NAME, forward.NAME."""
    if reader.startswith("delivery."):
        return "alerts"
    if reader.startswith("forward."):
        return "events"
    return reader.partition("_")[2] or "events"
