"""Who is at home in which part of the rules, who else knows whom, and what one reading changes about that.

A pure function of the events: where a subject is at home follows from its newest fix, and who has to know it from the rules, the registry and
where others are. So nobody has to be asked, and each of many machines that read the same log comes to the same answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from hub.model import Device, Position, Reading
from hub.pairs import PAIR, members
from rules.judging import setback
from rules.routing import CELL_DEG, Routing
from rules.snapshot import Seen
from rules.state.moments import in_its_turn
from rules.state.subject import GONE, NEVER
from rules.state.world import World


@dataclass(frozen=True, slots=True)
class Move:
    """A subject, as it is just before the event, goes from its home to another part: to be at home there, or as a guest."""

    name: str
    of: int
    to: int
    guest: bool


@dataclass(frozen=True, slots=True)
class Forget:
    """A part need not know this subject any more."""

    name: str
    part: int


Change: TypeAlias = Move | Forget


@dataclass(frozen=True, slots=True)
class Visit:
    """One reading: what changes before it is judged, which parts take it (its home first), and who forgets its subject afterwards."""

    before: Sequence[Change]
    parts: Sequence[int]
    after: Sequence[Change]


class Whereabouts:
    """What homes need to know of one device."""

    __slots__ = ("area", "calm", "newest", "position", "position_t")

    def __init__(self, device: Device) -> None:
        self.calm: Visit | None = None
        """How a reading goes while nobody moves; None where that is to be found."""
        self.area = device.area
        self.position = device.position
        self.position_t = self.newest = NEVER

    def adopt(self, device: Device) -> None:
        """Take over the registry's row."""
        self.area = device.area
        if self.position_t == NEVER:
            self.position = device.position

    def freeze(self) -> list[Any]:
        place = None if self.position is None else [self.position.lon, self.position.lat, self.position.alt]
        return [place, self.position_t, self.newest]

    @classmethod
    def thaw(cls, device: Device, frozen: list[Any]) -> Whereabouts:
        made = cls(device)
        place, made.position_t, made.newest = frozen
        if made.position_t != NEVER and place is not None:
            made.position = Position(*place)
        return made


class Homes:
    """Of all subjects of one stream of events. The world is that of any part: its registry and rules are those of all."""

    def __init__(self, parts: int, world: World, cell_deg: float = CELL_DEG) -> None:
        self.parts, self.cell_deg = parts, cell_deg
        self._world = world
        self.homes: dict[str, int] = {}
        self.known: dict[str, set[int]] = {}
        """By subject, the other parts that know it."""
        self._devices: dict[str, Whereabouts] = {}
        self._places: set[str] = set()
        """Areas and zones, which are subjects too."""
        self._circles: dict[str, Counter[int]] = {}
        """By area and zone, the homes of those in it, and of the place itself."""
        self._members: dict[str, set[str]] = {}
        """By area and zone, who is in it."""
        self._stands: dict[str, tuple[str, ...]] = {}
        """By subject, the areas and zones that it is in."""

    def home_of(self, name: str) -> int:
        """Where a subject is at home; a pair is where the vessel is that it names first."""
        home = self.homes.get(name)
        if home is None:
            home = self.homes.get(members(name)[0])
        return self._routing.home(name, None) if home is None else home

    def knows(self, part: int, name: str) -> bool:
        """Whether a part has anything to remember of a subject: it is at home there, or a guest, or a place, whose figures all parts know."""
        home = self.homes.get(name)
        if home is None:  # a pair, or a place that is gone
            return members(name)[0] == name or self.home_of(name) == part
        return home == part or name in self._places or part in self.known.get(name, ())

    # ------------------------------------------------------------------------------------------ all at once

    def settle(self) -> list[Change]:
        """Have everybody at home and known where the rules and the registry of now want it; what changes by that."""
        registry = self._world.registry
        for name, device in registry.items():
            if (known := self._devices.get(name)) is not None:
                known.adopt(device)
            else:
                self._devices[name] = Whereabouts(device)
        for name in self._devices.keys() - registry.keys():
            self._devices[name].adopt(Device(name))
        before = dict(self.homes)
        self._place_all()
        changes: list[Change] = []
        for name in sorted(self._devices):
            was, home = before.get(name), self.homes[name]
            if was is not None and was != home:
                changes.append(Move(name, was, home, False))
                self.known[name] = self.known.get(name, set()) - {home} | {was}
            changes += self._make_known(name, home if was is None else was)
        return changes

    def _place_all(self) -> None:
        """Find the home of everybody, and who is in which area and zone."""
        self._routing = Routing(self._world.orders.book, self.parts, self.cell_deg)
        self._places = {name for name, subject in self._world.subjects.items() if subject.every not in ("", GONE)}
        self.homes, self._circles, self._members, self._stands = {}, {}, {}, {}
        for name in self._places:
            home = self.homes[name] = self._routing.home(name, None)
            self._circles.setdefault(name, Counter())[home] += 1
        for name, device in self._devices.items():
            device.calm = None
            self.homes[name] = self._routing.home(name, device.position)
            self._stand(name, self._circles_of(device.area, device.position))

    # ------------------------------------------------------------------------------------------ who is known where

    def _circles_of(self, area: str, position: Position | None) -> tuple[str, ...]:
        if not self._routing.by_circle:
            return ()
        hood = self._world.hood
        names = [zone.zone for zone in hood.zones_of(position)]
        if self._routing.asks_ahead:
            names = list(dict.fromkeys([*names, *(ahead for name in names for ahead in hood.ahead[name])]))
        zones = tuple(f"zone:{name}" for name in names)
        return (*zones, f"area:{area}") if area else zones

    def _stand(self, name: str, circles: tuple[str, ...]) -> set[str]:
        """The subject is in these areas and zones from now on; who else is in those to which its home is new."""
        home, others = self.homes[name], set[str]()
        for circle in circles:
            homes = self._circles.setdefault(circle, Counter())
            if not homes[home]:
                others |= self._members.get(circle, set())
            homes[home] += 1
            self._members.setdefault(circle, set()).add(name)
        self._stands[name] = circles
        return others

    def _leave(self, name: str) -> None:
        for circle in self._stands.pop(name, ()):
            self._circles[circle][self.homes[name]] -= 1
            self._members[circle].discard(name)

    def _wanted(self, name: str, position: Position | None) -> set[int]:
        """The parts that have to know a subject which stands there."""
        wanted = {self.homes[name]}
        if position is not None:
            wanted |= self._routing.halo(position)
        for circle in self._stands.get(name, ()):
            wanted |= {home for home, count in self._circles[circle].items() if count > 0}
        for lower in self._world.downstream.get(name, ()):
            wanted.add(self.home_of(lower))
        return wanted

    def _make_known(self, name: str, of: int) -> list[Change]:
        """Hand the subject, which is at `of` until now, to those that have to know it, and have those forget it that need not any more."""
        home, known = self.homes[name], self.known.get(name, set())
        wanted = self._wanted(name, self._devices[name].position) - {home}
        self.known[name] = wanted
        self._devices[name].calm = None
        return [
            *(Move(name, of, part, True) for part in sorted(wanted - known)),
            *(Forget(name, part) for part in sorted(known - wanted - {home})),
        ]

    # ------------------------------------------------------------------------------------------ one reading

    def take(self, reading: Reading, at: int, received: int) -> tuple[int, Visit]:
        """`at`, `received`: as `moment` says. Gives when the reading counts as observed, and where it goes."""
        name = reading.device
        device = self._devices.get(name)
        if device is None:
            if name in self._places:
                return at, Visit((), (self.homes[name],), ())
            device = Whereabouts(self._world.registry.get(name) or Device(name))
        at = in_its_turn(at, reading, received, device.newest)
        was = device.position
        if reading.position is not None and at >= device.position_t:
            device.position, device.position_t = reading.position, at
        if at > device.newest:
            device.newest = at
        if device.calm is not None and device.position == was:
            return at, device.calm
        return at, self._visit(name, device, device.position != was)

    def _visit(self, name: str, device: Whereabouts, moved: bool) -> Visit:
        before: list[Change] = []
        if moved or name not in self.homes:
            self._devices[name] = device
            before = self._move(name, device)
        home, known = self.homes[name], self.known.get(name, set())
        wanted = self._wanted(name, device.position)
        self.known[name] = wanted - {home}
        after = [Forget(name, part) for part in sorted(known - wanted)]
        made = Visit(before, (home, *sorted((wanted | known) - {home})), after)
        alone = not self._stands.get(name) and name not in self._world.downstream
        device.calm = made if alone and not before and not after else None
        return made

    def _move(self, name: str, device: Whereabouts) -> list[Change]:
        """The device is somewhere else now. Whoever is handed over is given by where it was at home until now."""
        changes: list[Change] = []
        was = self.homes.get(name)
        self._leave(name)
        home = self.homes[name] = self._routing.home(name, device.position)
        others = self._stand(name, self._circles_of(device.area, device.position))
        known = self.known.get(name, set())
        if was is not None and was != home:
            changes.append(Move(name, was, home, False))
            known = known - {home} | {was}
            if name in self._world.registry:
                others |= set(self._world.hood.above(self._world.subjects[name]))
        for other in sorted(others - {name}):
            if other in self._devices:
                changes += self._make_known(other, self.homes[other])
        wanted = self._wanted(name, device.position) - {home}
        if was is not None:
            changes += [Move(name, was, part, True) for part in sorted(wanted - known)]
        self.known[name] = known | wanted
        return changes

    def set_back(self, to: int) -> None:
        """The clock goes back to `to`."""
        for device in self._devices.values():
            device.newest = setback.no_later(device.newest, to)
            device.position_t = setback.no_later(device.position_t, to)

    # ------------------------------------------------------------------------------------------ snapshots

    def recall(self, seen: Iterable[Seen]) -> None:
        """Begin with these subjects, of a snapshot of one engine, and with the registry: everybody known everywhere until `settle`."""
        registry = self._world.registry
        self._devices = {name: Whereabouts(device) for name, device in registry.items()}
        for one in seen:
            device = registry.get(one.id) or Device(one.id)
            if not one.place and (device.kind or one.kind) != PAIR:
                told = [one.position, one.position_t, one.newest]
                self._devices[one.id] = Whereabouts.thaw(device, told)
        self.homes = {}
        self.known = {name: set(range(self.parts)) for name in self._devices}

    def freeze(self) -> list[Any]:
        return [
            {name: device.freeze() for name, device in self._devices.items()},
            {name: sorted(known) for name, known in self.known.items() if known},
        ]

    def thaw(self, frozen: list[Any]) -> None:
        """The world has its registry and rules already."""
        devices, known = frozen
        registry: Mapping[str, Device] = self._world.registry
        self._devices = {
            name: Whereabouts.thaw(registry.get(name) or Device(name), told) for name, told in devices.items()
        }
        self.known = {name: set(parts) for name, parts in known.items()}
        self._place_all()
