"""Judging: the city's rules over the log, with what goes into the log beside warnings: which rules hold, time that passes, what the hub notes of itself.

Where the log lies on servers the node with the lease `rules` does this, and nobody else appends to "alerts" and "derived". What goes and asks
devices runs there too, for two would fetch everything twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any

from hub.api.state import ReaderState, State
from hub.app.editions import Editions
from hub.app.gathering import Gathering
from hub.app.generations import GatherOnServers
from hub.app.ground import Ground
from hub.app.keeping import NEEDS, PART, OnServers
from hub.app.present import Present
from hub.app.renumbering import Renumbering
from hub.app.roles import Judged, Nodes, doors
from hub.app.rules_snapshot import SNAPSHOT
from hub.app.storing import Storing
from hub.app.tasks import Tasks
from hub.app.telemetry import Reporter
from hub.app.ticking import Ticking
from hub.app.trip_notes import TripNotes
from hub.app.warning import Warner
from hub.app.watching import RuleParts
from hub.bilingual import Text
from hub.delivery import BEGINS
from hub.model import LEVELS, Alert, AlertChange, Change, Maintenance, Origin, Position
from hub.ports import BEGINNING, Cursors, LogFull, LogPosition
from rules.book import RuleBook
from rules.engine import ENGINE, Engine

VERSION = version("cityhub")
FORGOTTEN = Text("the log no longer has what was said of it before", "日志中已没有此前关于它的记录")
EDITION = f"cityhub {VERSION}, engine {ENGINE}"


class Judging:
    role = "rules"
    warner: Warner
    editions: Editions
    trips: TripNotes

    def __init__(self, ground: Ground, present: Present, storing: Storing, nodes: Nodes, tick_s: float) -> None:
        """`tick_s`: the machine's seconds from tick to tick."""
        self._forgotten = 0
        """Messages of the parts before this one are gone."""
        self._ground, self._present, self._storing, self._nodes, self._tick_s = ground, present, storing, nodes, tick_s
        self.on = False
        self._tasks = Tasks(ground.health)
        self._rule_parts = RuleParts(ground.health, lambda: self.warner.ill())

    async def begin(self, places: Cursors) -> None:
        """Take up what the rules knew when they stopped, here or elsewhere."""
        ground = self._ground
        self._places = places
        gather = self._gather()
        self.warner = await asyncio.to_thread(
            Warner,
            ground.log,
            ground.city.book,
            ground.city.registry,
            ground.cameras,
            ground.data / SNAPSHOT,
            ground.log.events.first,
            1 if gather else ground.city.config.rules.partitions,
            ground.keeping.replace,
            ground.journey,
            gather,
            ground.keeping.read,
        )
        ground.log.events.begin_at(self.warner.state.cursor)
        self.editions = Editions(ground.log, ground.data / "editions.json", ground.keeping.replace, EDITION)
        streams = ground.log.events, ground.log.derived
        stored = lambda: self._storing.stored(places)  # noqa: E731
        self.trips = await asyncio.to_thread(TripNotes, self._storing.store, *streams, stored, places, ground.now)
        ground.health.add(self.warner.state.part, required=True)
        await self._note_beginnings()

    def _gather(self) -> GatherOnServers | None:
        """Where the log is on servers, machines may share the parts of the rules (`hub.app.parting`)."""
        ground = self._ground
        if not isinstance(ground.keeping, OnServers):
            return None
        return GatherOnServers(ground.keeping, ground.data)

    async def start(self, state: State) -> None:
        ground = self._ground
        await self._present.begin()
        self._present.alerts.know(self._standing())
        await self.editions.begin(ground.city, ground.now())
        ground.closely.append(self.warner.state)
        self._tasks.keep(self.warner.state.part, self.warner.run)
        self._tasks.keep("trips", self.trips.run)
        if ground.live:
            self._tasks.keep("ticker", self._tick, required=True)
            everywhere = lambda: [*state.readers(), *self._nodes.readers()]  # noqa: E731
            books = lambda: state.city_books() or state.books()  # noqa: E731
            up = lambda: self._nodes.doors(doors(state.ingest, state.roles()))  # noqa: E731
            if ground.keeping.apart:
                renumbering = Renumbering(ground.log, self.warner, self._nodes, ground.now, EDITION)
                self._tasks.keep("parts", renumbering.run)
            self._tasks.keep("telemetry", Reporter(state, books, everywhere, up).run)
        self.on = True

    async def _note_beginnings(self) -> None:
        """A destination that nobody has delivered to yet gets what is judged from here on, also where another node delivers and begins later."""
        if not self._ground.keeping.apart:  # it has begun before anything is judged
            return
        alerts, sinks = self._ground.log.alerts, self._ground.city.config.sinks

        def note() -> None:
            for key in (BEGINS.format(name=sink.name) for sink in sinks):
                if self._places.get(key) is None:
                    self._places.set(key, alerts.next)

        await asyncio.to_thread(note)

    async def _tick(self) -> None:
        """Time passing, into the log. A full log misses ticks; silence rules then simply learn later."""
        ticking = Ticking()
        while True:
            await asyncio.sleep(self._tick_s)
            try:
                await self._ground.log.events.append(ticking.entries(self._ground.now(), deaf=not self._nodes.listen))
            except LogFull:
                continue

    async def save(self) -> None:
        """What the rules know, and how far they are."""
        await self.warner.save()
        await self.write_down()

    async def write_down(self) -> None:
        """How far the rules are."""
        if self.on:
            with suppress(OSError):
                await asyncio.to_thread(self._places.set, "rules", self.warner.state.cursor)
                await asyncio.to_thread(self._forget_posts)

    def _forget_posts(self) -> None:
        """Let go of what the parts wrote and nobody needs any more, and learn which events they need. Raises OSError."""
        warner, keeping = self.warner, self._ground.keeping
        engine = warner.engine
        if not isinstance(engine, Gathering) or not isinstance(keeping, OnServers):
            return
        parts = range(engine.parts)
        events = [self._places.get(NEEDS.format(part=part)) for part in parts]
        if engine is not warner.engine:  # another generation has begun meanwhile
            return
        warner.safe_parts = max(warner.safe_parts, min(place or BEGINNING for place in events))
        read = [self._places.get(PART.format(part=part)) for part in parts]
        needed = min([warner.safe_message, *engine.newest, *(0 if place is None else place + 1 for place in read)])
        if needed > self._forgotten:
            keeping.posts().forget(needed)
            self._forgotten = needed

    async def end(self) -> None:
        await self._tasks.end()
        if self.on:
            await self.save()
            if isinstance(self.warner.engine, Gathering):
                self.warner.engine.end()

    # ---------------------------------------------------------------------------------------------- what others ask

    def look(self) -> None:
        """Have the rules that are ill among the parts of the hub."""
        if self.on:
            self._rule_parts.look()

    def caught_up(self, end: LogPosition) -> bool:
        return not self.on or self.warner.state.cursor >= end

    def states(self) -> list[ReaderState]:
        return [self.warner.state] if self.on else []

    def _standing(self) -> Iterator[Alert]:
        """Warnings that are open as far as the rules know, other hubs' too: one may be older than the log of them reaches back."""
        engine, devices = self.warner.engine, self._ground.city.registry.devices
        if not isinstance(engine, Engine):
            return
        for name, known in engine.forwarded_alerts().items():
            said = AlertChange(
                name, known.ordinal, known.changed_at, known.rule, known.subject, Change.RAISED, known.level, known.title,
                title_zh=known.title_zh, position=Position(*known.place) if known.place else None, area=known.area, group=known.group,
                reason=FORGOTTEN.en, reason_zh=FORGOTTEN.zh, origin=Origin(known.hub, known.ordinal),
            )  # fmt: skip
            yield Alert(
                name, known.rule, known.subject, known.level, known.raised_at, known.changed_at, True, known.acknowledged_by,
                known.shelved_until, [said],
            )  # fmt: skip
        for alert, subject in engine.standing_alerts():
            device = devices.get(alert.subject)
            said = AlertChange(
                alert.alert, alert.ordinal, alert.changed_at, alert.rule, alert.subject, Change.RAISED, LEVELS[alert.level],
                alert.title, title_zh=alert.title_zh, position=device.position if device else None, area=device.area if device else "",
                group=alert.group, contact=alert.contact, reason=FORGOTTEN.en, reason_zh=FORGOTTEN.zh,
                pair=subject.pair,
            )  # fmt: skip
            yield Alert(
                alert.alert, alert.rule, alert.subject, LEVELS[alert.level], alert.raised_at, alert.changed_at, True,
                alert.acknowledged_by, alert.shelved_until, [said], alert.contact,
            )  # fmt: skip

    async def reload(self) -> list[str]:
        """Judge by the city as it is now; a sentence for what has changed."""
        if not self.on:
            return []
        self.warner.use_cameras(self._ground.cameras)
        with suppress(OSError):
            await self._note_beginnings()
        return await self.editions.note(self._ground.city, self._ground.now())

    def figures(self) -> Mapping[str, Any]:
        return self.warner.figures()

    def maintenance(self) -> tuple[Maintenance, ...]:
        return tuple(self.warner.engine.windows.values())

    def judged(self) -> Judged | None:
        """What others show of it."""
        return Judged(dict(self.figures()), self.maintenance(), self.warner.parts) if self.on else None

    def parts(self) -> int:
        """Among how many the rules are judged, here or elsewhere; 0 where nobody says."""
        return self.warner.parts if self.on else self._nodes.judged.parts

    def book(self) -> RuleBook:
        return self.warner.engine.book if self.on else self._ground.city.book

    def next_call(self, alert: str) -> int | None:
        return self.warner.engine.next_call(alert) if self.on else None
