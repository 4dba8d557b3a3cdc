"""Traffic after the published specification of Linear Road (Arasu et al., Linear Road: A Stream Data Management Benchmark, VLDB 2004).

L expressways of 100 segments of a mile, two directions, three lanes; a car reports its position and speed every 30 seconds; on each
expressway two cars stop at one place now and then, for ten to twenty minutes, and those behind drive slowly. Here the road is as full from the beginning as the specification has it at the end of
its three hours: some 1,700 reports a second and expressway. Tolls, balances and travel times are not part of it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hub.model import Position, Reading, Zone

SECOND = 1_000_000_000
START = 1_780_000_000_000_000_000 // (60 * SECOND) * (60 * SECOND)
SEGMENTS = 100
AHEAD = 4
EVERY_S = 30
CARS = 1_700 * EVERY_S
"""On one expressway, both directions, when it is fullest."""
KMH = 1.609344
MILE_DEG = 1_609.344 / (111_320 * 0.857)
"""A mile along the parallel of 31 degrees."""
SOUTH, XWAY_DEG, DIRECTION_DEG, LANE_DEG = 31.0, 0.02, 0.005, 0.00004


def segment(xway: int, direction: int, number: int) -> str:
    return f"x{xway}-{'ew'[direction]}-{number}"


def zones(xways: int) -> list[Zone]:
    """A zone for each segment and direction, which names the four that its cars come to next."""
    made = []
    for xway in range(xways):
        for direction in (0, 1):
            step = 1 - 2 * direction
            for number in range(SEGMENTS):
                west, south = 116 + number * MILE_DEG, SOUTH + xway * XWAY_DEG + direction * DIRECTION_DEG
                east, north = west + MILE_DEG, south + DIRECTION_DEG * 0.8
                ring = ((west, south), (east, south), (east, north), (west, north), (west, south))
                ahead = [n for n in range(number + step, number + step * (AHEAD + 1), step) if 0 <= n < SEGMENTS]
                names = " ".join(segment(xway, direction, n) for n in ahead)
                limits: dict[str, float | str] = {
                    "free_speed_kmh": 100.0,
                    "heading_deg": 90.0 + 180.0 * direction,
                    "ahead": names,
                }
                name = segment(xway, direction, number)
                made.append(Zone(name, "motorway-segment", name, (ring,), limits))
    return made


@dataclass
class Car:
    """One car on its way. `mile` counts from the end at which its direction begins."""

    name: str
    xway: int
    direction: int
    lane: int
    mile: float
    leaves: float
    mph: float
    stands_until: int = 0

    def segment(self) -> int:
        along = min(int(self.mile), SEGMENTS - 1)
        return SEGMENTS - 1 - along if self.direction else along


@dataclass
class Accident:
    """Two cars stand at one place from a second on."""

    xway: int
    direction: int
    mile: float
    since: int
    until: int
    names: list[str] = field(default_factory=list)


class Traffic:
    """Cars of `xways` expressways, reports second by second."""

    def __init__(self, xways: float, seed: int = 1, cars: int = CARS, accident_every_s: int = 240) -> None:
        """`xways` may be a part of one: fewer cars on it. An accident begins on each direction every so many seconds."""
        self.random = random.Random(seed)
        self.xways = max(1, round(xways))
        self.second = 0
        self.cars: list[Car] = []
        self.accidents: list[Accident] = []
        self.accident_every_s = accident_every_s
        self.numbers = 0
        self.turns: list[list[Car]] = [[] for _ in range(EVERY_S)]
        """The cars that report in each second of thirty."""
        for number in range(round(cars * xways)):
            car = self._enter(number % self.xways, self.random.random() * SEGMENTS * 0.97)
            self.turns[number % EVERY_S].append(car)

    def _enter(self, xway: int, mile: float) -> Car:
        self.numbers += 1
        draw = self.random
        leaves = min(float(SEGMENTS), mile + draw.uniform(3, 60))
        return Car(
            f"c{self.numbers}", xway, draw.randrange(2), draw.randrange(1, 4), mile, leaves, draw.uniform(40, 75)
        )

    def next_second(self) -> list[Reading]:
        """The reports of one second; the clock goes on."""
        second, at = self.second, START + self.second * SECOND
        if second % self.accident_every_s == self.accident_every_s // 4:
            self.accidents += [
                Accident(x, d, self.random.uniform(10, 80), second, second + self.random.randrange(600, 1200))
                for x in range(self.xways) for d in (0, 1)
            ]  # fmt: skip
        made = []
        turn = self.turns[second % EVERY_S]
        for place, car in enumerate(turn):
            mph = self._drive(car, second)
            if car.mile >= car.leaves:
                entry = self.random.random() * SEGMENTS * 0.9
                car = turn[place] = self._enter(car.xway, entry)
                mph = car.mph
            made.append(report(car, mph, at))
        self.second += 1
        return made

    def _drive(self, car: Car, second: int) -> float:
        """Move the car by 30 seconds; its speed."""
        if car.stands_until > second:
            return 0.0
        mph = car.mph
        for accident in self.accidents:
            if (
                accident.xway == car.xway
                and accident.direction == car.direction
                and accident.since <= second < accident.until
            ):
                before = accident.mile - car.mile
                if 0 <= before <= mph * EVERY_S / 3600 and len(accident.names) < 2:
                    car.mile, car.lane, car.stands_until = accident.mile, 2, accident.until
                    accident.names.append(car.name)
                    return 0.0
                if 0 <= before < 1:
                    mph = 15.0
        car.mile += mph * EVERY_S / 3600
        return mph


def report(car: Car, mph: float, at: int) -> Reading:
    """A car's report as the hub hears it."""
    mile = SEGMENTS - car.mile if car.direction else car.mile
    mile = min(max(mile, 0.001), SEGMENTS - 0.001)
    lat = SOUTH + car.xway * XWAY_DEG + car.direction * DIRECTION_DEG + 0.001 + car.lane * LANE_DEG
    values = {"speed": round(mph * KMH, 1), "course": 90.0 + 180.0 * car.direction}
    return Reading(
        car.name, at, values, Position(round(116 + mile * MILE_DEG, 7), round(lat, 7)), None, at, "road", kind="vehicle"
    )
