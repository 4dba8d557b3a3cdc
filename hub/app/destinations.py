"""The city's destinations: one courier each over the stream "alerts", a second over "events" for those that take readings, one
journal for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from adapters.ptz import Leases, TurnsCameras
from hub.api.state import ReaderState
from hub.app.city import City
from hub.app.keeping import Fence, free
from hub.app.plugins import Plugins
from hub.app.signs import sign
from hub.app.tasks import kept
from hub.bilingual import NOTHING, Text, quoted
from hub.delivery import JOURNAL, Courier, Filters, Journal, Pace, ReadingCourier
from hub.delivery.line import Status
from hub.health import Health, Part
from hub.options import SinkConfig
from hub.ports import Cursors, KnowingSink, Log, ReadingSink, RememberingSink, ReportSink, RunningSink, SessionSink
from hub.stages import Journey

LEASES = "ptz.json"
"""Which PTZ cameras are turned for what, so that they go home also after a restart."""

LEAVE_S = 10.0
"""How long a destination that is changed or taken out may take for what it is being handed; then it is handed over again, by the same key."""


class _Destination:
    """One block that runs: its sink, and the couriers that bring it warnings and readings."""

    def __init__(self, config: SinkConfig, sink: Any, couriers: Sequence[Courier | ReadingCourier]) -> None:
        self.sign = sign(config)
        self.sink, self.couriers = sink, couriers
        self._tasks: list[asyncio.Task[None]] = []
        self._works: list[Part] = []
        """How each of its tasks is, by what it raised."""

    def start(self) -> None:
        """Nothing where it runs: a reload that came while this machine began to deliver has started it."""
        if self._tasks:
            return
        works = [(courier.name, courier.run) for courier in self.couriers]
        if isinstance(self.sink, RunningSink):
            works.append((self.couriers[0].name, self.sink.run))
        self._works = [Part(f"destination/{name}", "up") for name, _ in works]
        self._tasks = [
            asyncio.create_task(kept(work, part)) for (_, work), part in zip(works, self._works, strict=True)
        ]

    def trouble(self, name: str) -> Text:
        """Why the courier of that name, or the sink itself, does not run now; or what a sink with a session of its own says of its peer: an
        idle destination is not well by being idle."""
        for part in self._works:
            if part.name == f"destination/{name}" and part.state != "up":
                return part.why
        said = self.sink.trouble() if isinstance(self.sink, SessionSink) else NOTHING
        return said if isinstance(said, Text) else quoted(said)

    async def leave(self) -> None:
        """End, and have what is being handed over now taken first."""
        await asyncio.gather(*(courier.leave(LEAVE_S) for courier in self.couriers))
        await self.end()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(courier.close() for courier in self.couriers), return_exceptions=True)


class Destinations:
    """Of one hub; none before `begin`."""

    _cursors: Cursors

    def __init__(
        self,
        log: Log,
        folder: Path,
        areas: Mapping[str, str] = MappingProxyType({}),
        journey: Journey | None = None,
        city: Callable[[], City] | None = None,
        fence: Fence = free,
    ) -> None:
        """`areas`: of the devices that the registry knows; `city`: as it is at each moment, for sinks that say more of a device; `fence`: of the
        role by which this hub delivers."""
        self.journal = Journal(folder / JOURNAL)
        self._log, self._folder, self._areas, self._journey = log, folder, areas, journey
        self._city, self._fence = city, fence
        self._leases = Leases(folder / LEASES)
        self._health: Health | None = None
        self._running: dict[str, _Destination] = {}
        self.couriers: dict[str, Courier | ReadingCourier] = {}
        self.parts: dict[str, Part] = {}

    async def begin(self, sinks: Sequence[SinkConfig], cursors: Cursors) -> None:
        """Of these blocks every destination knows, durably, where it begins. A hub that is alone awaits it before it takes anything in. Raises
        ValueError or OSError where a sink's secrets or files cannot be had."""
        self._cursors = cursors
        for config in sinks:
            self._add(config, made(config))
        await asyncio.gather(*(courier.begin() for courier in self.couriers.values()))

    def show_in(self, health: Health) -> None:
        """Have every destination, and those to come, among these parts."""
        self._health = health
        for part in self.parts.values():
            health.add(part)

    def reporters(self) -> dict[str, ReportSink]:
        """The destinations that take reports, by name."""
        return {name: one.sink for name, one in self._running.items() if isinstance(one.sink, ReportSink)}

    def start(self) -> None:
        for destination in self._running.values():
            destination.start()

    def prepared(self, sinks: Sequence[SinkConfig]) -> dict[str, Any]:
        """The sinks of new and changed blocks, for `take_over`: nothing runs yet. Raises ValueError with a sentence for one that cannot be
        made."""
        found = {}
        for config in sinks:
            if config.name in self._running and self._running[config.name].sign == sign(config):
                continue
            found[config.name] = made(config)
        return found

    async def take_over(self, sinks: Sequence[SinkConfig], prepared: Mapping[str, Any]) -> list[str]:
        """Have these destinations and no others; a sentence for each that was started, stopped or started anew. One that is as before is not
        disturbed; one that has changed goes on where it was; one that is gone keeps its place, should it come back."""
        gone = [name for name in self._running if name in prepared or name not in {config.name for config in sinks}]
        await asyncio.gather(*(self._remove(name) for name in gone))
        begun = [self._add(config, prepared[config.name]) for config in sinks if config.name in prepared]
        await asyncio.gather(*(courier.begin() for destination in begun for courier in destination.couriers))
        for destination in begun:
            destination.start()
        said = [f"destination {name}: {'started anew' if name in gone else 'started'}" for name in prepared]
        return said + [f"destination {name}: stopped" for name in gone if name not in prepared]

    def _add(self, config: SinkConfig, sink: Any) -> _Destination:
        if isinstance(sink, TurnsCameras):
            sink.operator.share(self._leases, config.name)
        if isinstance(sink, RememberingSink):
            sink.remember_in(self._folder / f"sink-{quote(config.name, safe='')}.json")
        if isinstance(sink, KnowingSink) and (city := self._city) is not None:
            sink.know(lambda name: city().registry.devices.get(name), lambda kind: city().config.personal.kind(kind))
        destination = self._running[config.name] = _Destination(config, sink, self._couriers(config, sink))
        for courier in destination.couriers:
            self.couriers[courier.name] = courier
            part = self.parts[courier.name] = Part(f"destination/{courier.name}", "up")
            if self._health is not None:
                self._health.add(part)
        return destination

    def _couriers(self, config: SinkConfig, sink: Any) -> list[Courier | ReadingCourier]:
        filters = Filters(config.levels, config.packs, config.areas, config.contact)
        pace, log = Pace(per_second_max=config.per_second_max), self._log
        warnings = Courier(
            config.name,
            sink,
            log.alerts,
            self._cursors,
            self.journal,
            filters,
            pace,
            journey=self._journey,
            fence=self._fence,
        )
        if not isinstance(sink, ReadingSink) or sink.chosen is None:
            return [warnings]
        readings = ReadingCourier(
            config.name, sink, log.events, self._cursors, self.journal, self._areas, pace, fence=self._fence
        )
        return [warnings, readings]

    async def _remove(self, name: str) -> None:
        destination = self._running.pop(name)
        for courier in destination.couriers:
            del self.couriers[courier.name]
            part = self.parts.pop(courier.name)
            if self._health is not None:
                self._health.forget(part.name)
        await destination.leave()

    def look(self) -> None:
        """Take over into their parts how the destinations are."""
        for destination in self._running.values():
            for courier in destination.couriers:
                status, trouble = courier.status, destination.trouble(courier.name)
                self.parts[courier.name].report("down" if trouble else _state(status), _why(status) or trouble)

    def states(self) -> list[ReaderState]:
        """Every destination as a reader of the log."""
        self.look()
        return [
            ReaderState(
                f"delivery/{name}",
                "events" if isinstance(courier, ReadingCourier) else "alerts",
                False,
                courier.status.cursor,
                self.parts[name],
                courier.status.skipped,
            )
            for name, courier in self.couriers.items()
        ]

    async def close(self) -> None:
        await asyncio.gather(*(destination.end() for destination in self._running.values()))
        self.journal.close()


def made(config: SinkConfig) -> Any:
    """The sink of that block. Raises ValueError with a sentence that names it where its secrets or files cannot be had."""
    make = Plugins()[config.protocol].sink
    assert make is not None
    try:
        return make(config.name, config.options)
    except (ValueError, OSError) as error:
        raise ValueError(f"destination {config.name!r}: {error}") from None


FAILING_ZH = {
    "retrying": "上次投递失败，稍后重试：", "open": "连续投递失败，暂停后再试：", "disabled": "目标已注销，不再投递：",
}  # fmt: skip
REFUSED_ZH = "目标拒收上一条："
PARTLY_ZH = "上一条未送达全部对象："


def _why(status: Status) -> Text:
    """What the destination said last, where that was no taking."""
    if not status.detail:
        return NOTHING
    said_zh = PARTLY_ZH if status.partly else FAILING_ZH.get(status.state, REFUSED_ZH)
    return Text(status.detail, said_zh + (status.detail_zh or quoted(status.detail).zh))


def _state(status: Status) -> str:
    """A destination that is tried again is degraded, and so is one that refused the last or did not take it for everybody; one that takes nothing for
    a while, or nothing more, is down."""
    if status.state in ("open", "disabled") or status.refused_in_a_row >= Pace().breaker_after:
        return "down"
    return "degraded" if status.state == "retrying" or status.refused_in_a_row or status.partly else "up"
