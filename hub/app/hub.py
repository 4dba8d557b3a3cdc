"""One hub: log, readers, rules, destinations, adapters and API, started in the order of the journey, stopped in reverse."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import logging
import os
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

import dashboards
from hub import clock
from hub.alerts import Alerts
from hub.api import ReaderState, State, build
from hub.app.city import City
from hub.app.commanding import Commander
from hub.app.destinations import Destinations
from hub.app.files import SOCKET, socket_path
from hub.app.history import open_city_store
from hub.app.importing import Imported, Importer, messages, rejects_file
from hub.app.plugins import Plugins
from hub.app.readers import Follower, StoreReader
from hub.app.rollups import Rollups
from hub.app.sources import decode_body, run_adapter
from hub.app.telemetry import Reporter
from hub.app.ticking import Ticking
from hub.app.warning import SNAPSHOT, Warner
from hub.cameras import Cameras
from hub.config import split_address
from hub.ingest import Ingest
from hub.ledger import Ledger
from hub.live import Live
from hub.log import Cursors, Limits, Log, LogFull
from hub.model import Deaf, Edition, OperatorAction, Tick
from hub.moment import SECOND
from hub.ports import Adapter, Plugin, Row, SeriesQuery
from hub.store.rollups import RollupStore
from hub.whole_file import replace
from rules.edition import registry_text
from rules.engine import ENGINE
from rules.judging.setback import BACK_NS

logger = logging.getLogger(__name__)

TICK_S = 1.0
HOUSEKEEPING_S = 1.0
DEAF_AFTER_S = 5.0
DRAIN_S = 20.0
UNLISTEN_S = 0.5
"""uvicorn looks every tenth of a second whether it shall stop; open streams then end by themselves."""
LIVE_ENTRIES = 200_000
"""How far back the present is folded from when the hub starts."""
GIB = 1 << 30
VERSION = version("cityhub")
EDITION = f"cityhub {VERSION}, engine {ENGINE}"


class AlreadyRunning(Exception):
    """Another process has this data folder."""


class Hub:
    """Owns everything that runs for one city folder. `start`, then `stop`; or `serve` until an event."""

    def __init__(
        self,
        city: City,
        data: Path | None = None,
        now: Callable[[], int] = clock.now,
        live: bool = True,
        tick_s: float = TICK_S,
    ) -> None:
        """`data`: another place than the city's for log and state. `live=False`: no adapters, no destinations and no
        ticks of its own; whoever plays a recording through the hub brings the time. `tick_s`: the machine's seconds
        from tick to tick, shorter where `now` hurries."""
        self.city = city
        self.data = data or city.config.data
        self.now = now
        self._live = live
        self._tick_s = tick_s
        self.ledger = Ledger()
        self._tasks: list[asyncio.Task[Any]] = []
        self._sources: list[asyncio.Task[Any]] = []
        self._servers: list[_ApiServer] = []
        self._serving: list[asyncio.Task[Any]] = []
        self._sockets: list[socket.socket] = []
        self._adapters: dict[str, Adapter] = {}
        self._plugins: dict[str, Plugin] = {}

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
        self.data.mkdir(parents=True, exist_ok=True)
        self._lock()
        self._open_log()
        self._open_store()
        await asyncio.gather(*(reader.open(self.cursors.get(reader.state.name)) for reader in self.store_readers))
        self.ledger.recover(self.data / "ledger.json", self.log, {"store": self.store_readers[0].state.cursor})
        self.cameras = Cameras(
            self.city.registry.cameras.values(), self.city.registry.buildings, self.city.config.cameras.tasks
        )
        self.warner = Warner(
            self.log,
            self.city.book,
            self.city.registry,
            self.cameras,
            self.data / SNAPSHOT,
            self.log.events.first,
        )
        self.live, self.alerts = Live(), Alerts()
        recent = max(self.log.events.first, self.log.events.next - LIVE_ENTRIES)
        self.followers = [
            Follower("live", self.log.events, self.live.feed, recent),
            Follower("alerts", self.log.alerts, self.alerts.feed, self.log.alerts.first),
        ]
        await self._catch_up()
        self.ingest = Ingest(self.log, self.city.registry, self.ledger, self.now, config.ingest, self.city.secrets)
        self.destinations = Destinations(
            self.city.config.sinks if self._live else (), self.log, self.cursors, self.data, self._areas()
        )
        self.state = self._state()
        await self._note_start()
        for reader in self.store_readers:
            self._run(reader.run(), reader.state)
        for follower in self.followers:
            self._run(follower.run(), follower.state)
        self._run(self.warner.run(), self.warner.state)
        self._run(self._housekeeping())
        self._run(self.rollups.run())
        if self._live:
            self.destinations.start(self._run)
            self._run(self._ticker())
            self._run(Reporter(self.state).run())
            await self._start_adapters()
        await self._start_api()

    async def stop(self) -> None:
        """Stop taking input, let readers finish what is in the log, write everything down, close."""
        for server in self._servers:
            server.should_exit = True
        await self._cancel(self._sources)
        await self.drain(DRAIN_S)
        if (
            self._serving
        ):  # their sockets must leave the loop before they are closed, or the loop keeps dead descriptors
            await asyncio.wait(self._serving, timeout=UNLISTEN_S)
        await self._cancel(self._tasks)
        for sock in self._sockets:
            sock.close()
        await self.destinations.close()
        self.warner.save()
        await self._write_down()
        await self.log.close()
        await asyncio.to_thread(self.store.close)
        (self.data / SOCKET).unlink(missing_ok=True)
        os.close(self._lock_fd)

    async def drain(self, within_s: float) -> bool:
        """Wait until rules and store have taken all that is in the log. False where time ran out first."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while loop.time() < until:
            rules_done = self.warner.state.cursor >= self.log.events.next
            stores = [reader.state for reader in self.store_readers]
            if rules_done and all(
                state.cursor >= self.log.streams[state.stream].next or state.state == "down" for state in stores
            ):
                return all(state.state != "down" for state in stores)
            await asyncio.sleep(0.02)
        return False

    # ---------------------------------------------------------------------------------------------- opening

    def _lock(self) -> None:
        self._lock_fd = os.open(self.data / "lock", os.O_CREAT | os.O_RDWR, 0o640)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock_fd)
            raise AlreadyRunning(f"a hub is running on {self.data} already") from None

    def _open_log(self) -> None:
        options = self.city.config.log
        age = options.age_max_days * 86400 if options.age_max_days else None
        limits = {
            "events": Limits(bytes_max=int(options.events_gb * GIB), age_max_s=age),
            "derived": Limits(bytes_max=int(options.events_gb * GIB), age_max_s=age),
            "alerts": Limits(bytes_max=int(options.alerts_gb * GIB)),
            "quarantine": Limits(bytes_max=int(options.quarantine_gb * GIB)),
        }
        self.log = Log(self.data / "log", limits, sync=self._live)
        self.cursors = Cursors(self.data / "cursors")
        for reader, cursor in self.cursors.all().items():
            self.log.streams[_stream_of(reader)].begin_at(cursor)

    def _open_store(self) -> None:
        self.store: RollupStore = open_city_store(self.city.config.store, self.data, self._areas())
        self.store_readers = [
            StoreReader(self.store, self.log.streams[name], self.log.quarantine, self.ledger, self.now)
            for name in ("events", "derived", "alerts")
        ]
        stored = {reader.state.stream: (lambda state=reader.state: state.cursor) for reader in self.store_readers}
        options = self.city.config.store
        self.rollups = Rollups(
            self.store,
            {name: self.log.streams[name] for name in ("events", "derived")},
            stored,
            self.cursors,
            self.now,
            {"raw": options.keep_raw_days, "1m": options.keep_1m_days, "1h": options.keep_1h_days},
        )

    def _areas(self) -> dict[str, str]:
        return {device.device: device.area for device in self.city.registry.devices.values()}

    async def _catch_up(self) -> None:
        """Fold the recent past into the present before anybody looks."""
        for follower in self.followers:
            stream = self.log.streams[follower.state.stream]
            while follower.state.cursor < stream.next:
                follower.take(stream.read_now(follower.state.cursor))
                await asyncio.sleep(0)

    async def _note_start(self) -> None:
        """Into the log: how long the hub was deaf, and which editions of rules and registry hold from here on."""
        at = self.now()
        entries: list[Any] = []
        last = self.log.events.last_at
        if last is not None and at - last > DEAF_AFTER_S * SECOND:
            entries.append(Deaf(last, at))
        elif last is not None and at < last - BACK_NS:
            entries.append(Tick(at))  # the clock was set back while the hub was down
        path = self.data / "editions.json"
        try:
            noted = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        except (OSError, msgspec.MsgspecError):
            noted = {}
        registry = self.city.registry
        texts = {
            "rules": self.city.book.text,
            "registry": registry_text(registry.devices.values(), registry.zones.values()),
        }
        digests = {what: hashlib.sha256(f"{EDITION}\n{text}".encode()).hexdigest() for what, text in texts.items()}
        entries += [
            Edition(at, what, EDITION, text) for what, text in texts.items() if noted.get(what) != digests[what]
        ]
        if entries:
            with suppress(LogFull, OSError):  # a full disk: noted at the next start
                await self.log.events.append(entries)
                replace(path, msgspec.json.encode(digests))

    def _state(self) -> State:
        config = self.city.config
        door = self.ingest.door("api", unknown_devices=config.api.unknown_devices)
        door.report("up", config.api.listen)
        readers: list[ReaderState] = [
            *(reader.state for reader in self.store_readers),
            *self.rollups.states.values(),
            *(follower.state for follower in self.followers),
            self.warner.state,
        ]
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
            decode=decode_body,
            door=door,
            series=self._series,
            export=self._export,
            operate=self._operate,
            rebuild=self.rollups.rebuild,
            take_in=self._take_in,
            command=Commander(self._adapters, self._plugins, self._operate, self.now).command,
            readers=lambda: [*readers, *self.destinations.states()],
            couriers=self.destinations.couriers,
            journal=self.destinations.journal,
            tokens=self.city.tokens,
            rules=self.warner.figures,
            maintenance=lambda: tuple(self.warner.engine.windows.values()),
            protocols={adapter.name: adapter.protocol for adapter in config.adapters},
            started_at=self.now(),
            version=VERSION,
        )

    # ---------------------------------------------------------------------------------------------- running

    def _run(self, work: Coroutine[Any, Any, None], state: ReaderState | None = None) -> None:
        self._tasks.append(asyncio.create_task(_watched(work, state)))

    async def _start_adapters(self) -> None:
        plugins = Plugins()
        for config in self.city.config.adapters:
            plugin = self._plugins[config.name] = plugins[config.protocol]
            door = self.ingest.door(config.name, plugin.kind, config.unknown_devices, plugin.proof)
            self._sources.append(asyncio.create_task(run_adapter(plugin, config, door, self._adapters)))

    async def _start_api(self) -> None:
        """The API on its address, and the same on a socket in the data folder for commands on this machine."""
        host, port = split_address(self.city.config.api.listen)
        public = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512
        )
        self.address = "http://{}:{}".format(*public.getsockname()[:2])
        path = self.data / SOCKET
        path.unlink(missing_ok=True)
        local = socket.socket(socket.AF_UNIX)
        local.bind(socket_path(self.data))
        path.chmod(0o600)
        self._sockets = [public, local]
        for sock, trusted in ((public, False), (local, True)):
            server = _ApiServer(
                uvicorn.Config(
                    build(self.state, trusted),
                    log_level="warning",
                    access_log=False,
                    lifespan="off",
                    timeout_graceful_shutdown=2,
                )
            )
            self._servers.append(server)
            self._run(server.serve(sockets=[sock]))
            self._serving.append(self._tasks[-1])
        while not all(server.started for server in self._servers):
            await asyncio.sleep(0.01)

    async def _ticker(self) -> None:
        """Time passing, into the log. A full log misses ticks; silence rules then simply learn later."""
        ticking = Ticking()
        while True:
            await asyncio.sleep(self._tick_s)
            try:
                await self.log.events.append(ticking.entries(self.now()))
            except LogFull:
                continue

    async def _housekeeping(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            await self._write_down()
            self.log.events.trim(self.log.events.next)
            self.log.alerts.trim(self.log.alerts.next)
            self.log.quarantine.trim(self.log.quarantine.next)
            self.log.derived.trim(self.log.derived.next)

    async def _write_down(self) -> None:
        """Ledger and cursors. On a full disk the old ones stay, which costs a recount, not a reading."""
        ledger = self.ledger.encoded(self.log)
        cursors = {reader.state.name: reader.state.cursor for reader in self.store_readers}
        cursors["rules"] = self.warner.state.cursor

        def write() -> None:
            for reader, cursor in cursors.items():
                self.cursors.set(reader, cursor)
            replace(self.data / "ledger.json", ledger)

        with suppress(OSError):
            await asyncio.to_thread(write)

    # ---------------------------------------------------------------------------------------------- for the API

    async def _series(self, query: SeriesQuery) -> Sequence[Row]:
        return await asyncio.to_thread(self.store.series, query)

    async def _export(self, query: SeriesQuery, form: str, path: Path) -> int:
        return await asyncio.to_thread(self.store.export, query, form, path)

    async def _take_in(self, paths: Sequence[Path], map_file: Path | None, admit: bool) -> Imported:
        rejects = rejects_file(self.data, self.now())
        importer = Importer(self.store, self.city.registry, self.city.config.ingest, self.now(), rejects, admit)
        return await asyncio.to_thread(lambda: importer.run(messages(paths, map_file)))

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


class _ApiServer(uvicorn.Server):  # type: ignore[misc]
    """uvicorn without its signal handlers: the hub decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _watched(work: Coroutine[Any, Any, None], state: ReaderState | None) -> None:
    """A part that fails is a defect: say so where people look, with the traceback in the log of the process."""
    try:
        await work
    except asyncio.CancelledError:
        raise
    except Exception as error:
        if state is not None:
            state.state, state.detail = "failed", f"{type(error).__name__}: {error}"
        logger.exception(
            "%s has failed; restart the hub, and report this", state.name if state else "a part of the hub"
        )
