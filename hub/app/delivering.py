"""Delivering: warnings and readings to the city's destinations, and reports that go out by themselves.

Where the log lies on servers the node with the lease `delivery` does this. It reads warnings; readings only where a destination takes them, or a report
is made of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.api.state import ReaderState, State
from hub.app.city import City
from hub.app.destinations import Destinations
from hub.app.ground import Ground
from hub.app.posting import Posting
from hub.app.present import Present
from hub.app.tasks import Tasks
from hub.options import SinkConfig
from hub.ports import Cursors


class Delivering:
    role = "delivery"

    def __init__(self, ground: Ground, present: Present) -> None:
        self._ground, self._present = ground, present
        self.on = False
        self._begun = False
        self._tasks = Tasks(ground.health)
        fence = ground.keeping.fence(self.role)
        self.destinations = Destinations(
            ground.log, ground.data, ground.areas, ground.journey, lambda: ground.city, fence
        )
        """None before this node delivers."""
        self.destinations.show_in(ground.health)

    async def begin(self, places: Cursors) -> None:
        """Every destination knows, durably, where it begins. Raises ValueError or OSError where one cannot be made."""
        if self._ground.keeping.apart:
            self.destinations.journal.begun_anew = True
        self._begun = True
        await self.destinations.begin(self.sinks(self._ground.city), places)

    async def start(self, state: State) -> None:
        ground = self._ground
        if self.destinations.reporters():
            await self._present.begin()  # vehicles that are not registered stand in reports too
        self.destinations.start()
        if ground.live:
            reports = ground.health.part("reports", False, "up")
            fence = ground.keeping.fence(self.role)
            posting = Posting(state, self.destinations.reporters, ground.data, ground.keeping.replace, reports, fence)
            self._tasks.keep("reports", posting.run)
        self.on = True

    def sinks(self, city: City) -> Sequence[SinkConfig]:
        """Those of this node."""
        return city.config.sinks if self._begun and self._ground.live else ()

    def states(self) -> list[ReaderState]:
        return self.destinations.states()

    async def end(self) -> None:
        await self._tasks.end()
        await self.destinations.close()
