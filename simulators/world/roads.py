"""Roads and what drives on them: lines of buses, trucks with dangerous goods, phones on their way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import cos, inf, radians, sin
from random import Random

from simulators.world.geography import BUS_LINES, HAZMAT_DEPOT, HAZMAT_ROUTE, ROAD_NODES, ROADS, Point, apart, heading

NEIGHBOURS: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in ROAD_NODES}
"""Place → neighbouring place → (metres, free-flow km/h)."""
for _a, _b, _speed in ROADS:
    _length = apart(ROAD_NODES[_a], ROAD_NODES[_b])
    NEIGHBOURS[_a][_b] = NEIGHBOURS[_b][_a] = (_length, float(_speed))


def way(start: str, goal: str) -> list[str]:
    """The quickest way between two places (Dijkstra)."""
    queue: list[tuple[float, str, tuple[str, ...]]] = [(0.0, start, (start,))]
    done: set[str] = set()
    while queue:
        cost, here, path = heappop(queue)
        if here == goal:
            return list(path)
        if here in done:
            continue
        done.add(here)
        for there, (length, speed) in NEIGHBOURS[here].items():
            heappush(queue, (cost + length / speed, there, (*path, there)))
    raise ValueError(f"no road from {start} to {goal}")


@dataclass(slots=True)
class Vehicle:
    """On the road from `path[leg]` to `path[leg + 1]`, so many metres along it."""

    name: str
    kind: str
    path: list[str]
    leg: int = 0
    along_m: float = 0.0
    speed_kmh: float = 0.0
    pause_s: float = 0.0
    odometer_km: float = 0.0
    fuel: float = 80.0
    pace: float = 1.0
    """This driver's share of the free-flow speed."""
    overturned: bool = False
    alarms: list[str] = field(default_factory=list)
    line: str = ""
    offset_m: float = 5.0
    """Drives this far right of the road's middle."""
    depot: str = ""
    """Where its ways end: it stands there until it is sent."""

    @property
    def ends(self) -> tuple[Point, Point]:
        return Point(*ROAD_NODES[self.path[self.leg]]), Point(*ROAD_NODES[self.path[self.leg + 1]])

    @property
    def course(self) -> float:
        return heading(*self.ends)

    @property
    def position(self) -> Point:
        a, b = self.ends
        share = self.along_m / max(1.0, apart(a, b))
        side = radians(self.course + 90)
        return Point(
            a.x + (b.x - a.x) * share + self.offset_m * sin(side), a.y + (b.y - a.y) * share + self.offset_m * cos(side)
        )


class Roads:
    """All vehicles. Real seconds."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.vehicles: dict[str, Vehicle] = {}
        self.jam = 1.0
        """Share of the free-flow speed that traffic allows now."""

    def add(self, name: str, kind: str, number: int) -> Vehicle:
        """A bus goes to and fro on its line, a truck on the hazardous-goods route, everything else where it likes."""
        line = ""
        if kind == "bus":
            line = list(BUS_LINES)[number % len(BUS_LINES)]
            path = _stops(BUS_LINES[line])
        elif kind == "hazmat-truck":
            path = list(HAZMAT_ROUTE)
        else:
            path = self._errand(self._random.choice(sorted(ROAD_NODES)))
        vehicle = Vehicle(name, kind, path, line=line, pace=self._random.uniform(0.8, 0.97))
        vehicle.leg = self._random.randrange(len(path) - 1)
        vehicle.along_m = self._random.random() * apart(*vehicle.ends) * 0.9
        vehicle.odometer_km = self._random.uniform(2_000, 90_000)
        vehicle.fuel = self._random.uniform(35, 95)
        if kind == "hazmat-truck" and not any(other.depot for other in self.vehicles.values()):
            vehicle.depot = HAZMAT_DEPOT  # the first of them stands loaded, ready to go
            self._park(vehicle)
        self.vehicles[name] = vehicle
        return vehicle

    def step(self, dt: float) -> None:
        for vehicle in self.vehicles.values():
            self._drive(vehicle, dt)

    def send(self, name: str, goal: str) -> None:
        """Leave the present way and take the quickest to `goal`; from a depot at once, from the road at the next crossing."""
        vehicle = self.vehicles[name]
        here, there = vehicle.path[vehicle.leg], vehicle.path[vehicle.leg + 1]
        if vehicle.depot and vehicle.pause_s > 0:
            vehicle.path = way(vehicle.depot, goal)
        else:
            vehicle.path = [here, *way(there, goal)]
        vehicle.leg, vehicle.pause_s = 0, 0.0

    def overturn(self, name: str) -> None:
        vehicle = self.vehicles[name]
        vehicle.overturned = True
        vehicle.speed_kmh = 0.0
        vehicle.alarms = ["collision", "rollover"]

    def right(self, name: str) -> None:
        """Set it on its wheels again; it turns round and drives back to its depot."""
        vehicle = self.vehicles[name]
        vehicle.overturned = False
        vehicle.alarms = []
        here, there = vehicle.path[vehicle.leg], vehicle.path[vehicle.leg + 1]
        vehicle.along_m = apart(*vehicle.ends) - vehicle.along_m
        vehicle.path, vehicle.leg = [there, *way(here, vehicle.depot or HAZMAT_DEPOT)], 0

    def _drive(self, vehicle: Vehicle, dt: float) -> None:
        if vehicle.overturned:
            return
        if vehicle.pause_s > 0:
            vehicle.pause_s -= dt
            vehicle.speed_kmh = 0.0
            return
        free = NEIGHBOURS[vehicle.path[vehicle.leg]][vehicle.path[vehicle.leg + 1]][1]
        wanted = free * vehicle.pace * self.jam
        vehicle.speed_kmh += max(-12.0 * dt, min(5.0 * dt, wanted - vehicle.speed_kmh))
        move = vehicle.speed_kmh / 3.6 * dt
        vehicle.along_m += move
        vehicle.odometer_km += move / 1000
        vehicle.fuel = max(5.0, vehicle.fuel - move / 1000 * 0.05)
        while vehicle.along_m >= (length := apart(*vehicle.ends)):
            vehicle.along_m -= length
            vehicle.leg += 1
            if vehicle.kind == "bus":
                vehicle.pause_s = self._random.uniform(4, 10)
            if vehicle.leg >= len(vehicle.path) - 1:
                self._turn(vehicle)

    def _turn(self, vehicle: Vehicle) -> None:
        """At the end of its way: wait, back, or somewhere else."""
        if vehicle.depot:
            self._park(vehicle)
            return
        if vehicle.kind in ("bus", "hazmat-truck"):
            vehicle.path = vehicle.path[::-1]
        else:
            vehicle.path = self._errand(vehicle.path[-1])
        vehicle.leg, vehicle.along_m = 0, 0.0

    @staticmethod
    def _park(vehicle: Vehicle) -> None:
        vehicle.path, vehicle.leg = list(HAZMAT_ROUTE), HAZMAT_ROUTE.index(vehicle.depot)
        vehicle.along_m, vehicle.speed_kmh, vehicle.pause_s = 0.0, 0.0, inf

    def _errand(self, start: str) -> list[str]:
        goal = start
        while goal == start:
            goal = self._random.choice(sorted(ROAD_NODES))
        return way(start, goal)


def _stops(line: Sequence[str]) -> list[str]:
    """A line's stops joined by the quickest ways."""
    path = [line[0]]
    for stop in line[1:]:
        path += way(path[-1], stop)[1:]
    return path
