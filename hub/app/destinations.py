"""The city's destinations: one courier each over the stream "alerts", a second over "events" for those that take readings, one
journal for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from adapters.ptz import Leases, TurnsCameras
from hub.api.state import ReaderState
from hub.app.plugins import Plugins
from hub.delivery import JOURNAL, Courier, Filters, Journal, Pace, ReadingCourier
from hub.delivery.line import Status
from hub.health import Part
from hub.options import SinkConfig
from hub.ports import Cursors, Log, ReadingSink, RememberingSink, RunningSink, SessionSink
from hub.stages import Journey

LEASES = "ptz.json"
"""Which PTZ cameras are turned for what, so that they go home also after a restart."""


class Destinations:
    """Built from `[[sinks]]`. Raises ValueError or OSError where a sink's secrets or files cannot be had."""

    def __init__(
        self,
        sinks: Sequence[SinkConfig],
        log: Log,
        cursors: Cursors,
        folder: Path,
        areas: Mapping[str, str] = MappingProxyType({}),
        journey: Journey | None = None,
    ) -> None:
        """`areas`: of the devices that the registry knows."""
        self.journal = Journal(folder / JOURNAL)
        plugins = Plugins()
        self._sinks = {config.name: _sink(plugins, config) for config in sinks}
        leases = Leases(folder / LEASES)
        for name, sink in self._sinks.items():
            if isinstance(sink, TurnsCameras):
                sink.operator.share(leases, name)
            if isinstance(sink, RememberingSink):
                sink.remember_in(folder / f"sink-{quote(name, safe='')}.json")
        self.couriers: dict[str, Courier | ReadingCourier] = {
            config.name: Courier(
                config.name,
                self._sinks[config.name],
                log.alerts,
                cursors,
                self.journal,
                Filters(config.levels, config.packs, config.areas, config.contact),
                Pace(per_second_max=config.per_second_max),
                journey=journey,
            )
            for config in sinks
        }
        for config in sinks:
            sink, pace = self._sinks[config.name], Pace(per_second_max=config.per_second_max)
            if isinstance(sink, ReadingSink) and sink.chosen is not None:
                courier = ReadingCourier(config.name, sink, log.events, cursors, self.journal, areas, pace)
                self.couriers[courier.name] = courier
        self.parts = {name: Part(f"destination/{name}", "up") for name in self.couriers}

    async def begin(self) -> None:
        """Every destination knows, durably, where it begins. To be awaited before anything is taken in or judged."""
        await asyncio.gather(*(courier.begin() for courier in self.couriers.values()))

    def start(self, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        for sink in self._sinks.values():
            if isinstance(sink, RunningSink):
                run(sink.run())
        for courier in self.couriers.values():
            run(courier.run())

    def look(self) -> None:
        """Take over into their parts how the destinations are."""
        for name, courier in self.couriers.items():
            status, trouble = courier.status, self._trouble(name)
            self.parts[name].report("down" if trouble else _state(status), status.detail or trouble)

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

    def _trouble(self, name: str) -> str:
        """What a sink with a session of its own says of its peer: an idle destination is not well by being idle."""
        sink = self._sinks.get(name)
        return sink.trouble() if isinstance(sink, SessionSink) else ""

    async def close(self) -> None:
        await asyncio.gather(*(courier.close() for courier in self.couriers.values()), return_exceptions=True)
        self.journal.close()


def _sink(plugins: Plugins, config: SinkConfig) -> Any:
    make = plugins[config.protocol].sink
    assert make is not None
    return make(config.name, config.options)


def _state(status: Status) -> str:
    """A destination that is tried again is degraded; one that takes nothing for a while, or nothing more, is down."""
    if status.state == "retrying":
        return "degraded"
    return "up" if status.state in ("idle", "delivering") else "down"
