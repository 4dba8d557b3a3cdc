"""Vessels: along the lanes, at the quay, at anchor; some meet where lanes cross. Real seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, hypot, pi, radians, sin
from random import Random

from simulators.world.geography import (
    ANCHORAGE,
    ANCHORAGE_RADIUS_M,
    COASTAL_LANE,
    FAIRWAY,
    FERRY_LANE,
    Point,
    apart,
    heading,
)

KNOT = 1852 / 3600
"""m/s"""
LANES: dict[str, Sequence[tuple[float, float]]] = {"fairway": FAIRWAY, "coastal": COASTAL_LANE, "ferry": FERRY_LANE}
NAMES = (
    "HAI FENG", "DONG HAI 7", "XIN YUE", "PACIFIC HERON", "JIN SHAN", "NORTHERN TERN", "MIN HANG 12", "LAN TIAN", "YONG AN",
    "STELLA MARIS", "ZHE YU 881", "GANG TUO 3", "ISLAND FERRY", "BAI LU", "OCEAN PEARL", "HONG YUN 28", "CORAL BAY", "QING FENG",
)  # fmt: skip


@dataclass(slots=True)
class Vessel:
    """A vessel's state as it would report it. `nav_status` is the number of ITU-R M.1371-5, table 45."""

    mmsi: int
    name: str
    ship_type: int
    length_m: int
    beam_m: int
    draught_m: float
    lane: Sequence[tuple[float, float]]
    x: float
    y: float
    leg: int = 0
    way: int = 1
    sog: float = 0.0
    cog: float = 0.0
    cruise: float = 9.0
    nav_status: int = 0
    anchor: Point | None = None
    dragging: bool = False
    drag_towards: float = 0.0
    swing: float = 0.0
    class_b: bool = False
    wait_s: float = 0.0
    aground: bool = False

    @property
    def position(self) -> Point:
        return Point(self.x, self.y)


class Sea:
    """All vessels."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.vessels: dict[int, Vessel] = {}

    def add(self, number: int) -> Vessel:
        """The number decides what it is: every fourth lies at anchor, the others share out the lanes."""
        random = self._random
        mmsi = 413_200_100 + number
        small = number % 5 == 3
        ferry = number % 9 == 2
        kind = 60 if ferry else 30 if small else random.choice((70, 70, 79, 80, 52))
        length = random.randint(14, 24) if small else random.randint(70, 210)
        name = NAMES[number % len(NAMES)] + (f" {number // len(NAMES) + 1}" if number >= len(NAMES) else "")
        lane = LANES["ferry" if ferry else "coastal" if number % 2 else "fairway"]
        vessel = Vessel(
            mmsi,
            "ISLAND FERRY" if number == 2 else name,
            kind,
            length,
            max(4, length // 6),
            round(length / 24, 1),
            lane,
            0,
            0,
        )
        vessel.class_b = small
        vessel.cruise = 16.0 if ferry else random.uniform(5, 8) if small else random.uniform(7, 12)
        if number % 4 == 0:
            angle, radius = random.uniform(0, 2 * pi), ANCHORAGE_RADIUS_M * random.uniform(0.1, 0.95)
            vessel.anchor = Point(ANCHORAGE[0] + radius * cos(angle), ANCHORAGE[1] + radius * sin(angle))
            if number == 0:
                vessel.anchor = Point(2640, -1510)  # alone and a little close to the sea bridge
            vessel.nav_status, vessel.x, vessel.y = 1, *vessel.anchor
        else:
            self._place(vessel, random.random())
        self.vessels[mmsi] = vessel
        return vessel

    def _place(self, vessel: Vessel, share: float) -> None:
        """Put it somewhere along its lane."""
        lengths = [apart(a, b) for a, b in zip(vessel.lane, vessel.lane[1:], strict=False)]
        rest = share * sum(lengths)
        for leg, length in enumerate(lengths):
            if rest <= length:
                a, b = vessel.lane[leg], vessel.lane[leg + 1]
                vessel.leg = leg
                vessel.x, vessel.y = a[0] + (b[0] - a[0]) * rest / length, a[1] + (b[1] - a[1]) * rest / length
                vessel.cog, vessel.sog = heading(a, b), vessel.cruise
                return
            rest -= length

    def step(self, dt: float, wind_from: float) -> None:
        for vessel in self.vessels.values():
            if vessel.aground:
                vessel.sog = 0.0
            elif vessel.dragging:
                self._drift(vessel, dt)
            elif vessel.anchor is not None:
                self._swing(vessel, dt, wind_from)
            else:
                self._sail(vessel, dt)

    def drag(self, mmsi: int, towards: Point | None, wind_from: float) -> None:
        """Its anchor no longer holds: it drifts with the wind, or towards a place."""
        vessel = self.vessels[mmsi]
        vessel.dragging = True
        vessel.drag_towards = heading(vessel.position, towards) if towards else (wind_from + 180) % 360

    def hold(self, mmsi: int) -> None:
        """The anchor holds again where she lies now."""
        vessel = self.vessels[mmsi]
        vessel.dragging = False
        vessel.anchor = vessel.position

    def anchor(self, mmsi: int, at: Point) -> None:
        """She lies at anchor there; she stays where she is if that is near enough."""
        vessel = self.vessels[mmsi]
        if vessel.anchor is not None and not vessel.dragging and apart(vessel.anchor, at) < 400:
            return
        vessel.anchor, vessel.nav_status = at, 1
        vessel.x, vessel.y = at

    def meet(self, one: int, other: int, at: Point, in_s: float) -> None:
        """Put two vessels on straight courses that reach the same place at the same time."""
        for mmsi, course in ((one, 35.0), (other, 300.0)):
            vessel = self.vessels[mmsi]
            vessel.anchor, vessel.nav_status, vessel.sog = None, 0, vessel.cruise
            away = vessel.cruise * KNOT * in_s
            angle = radians(course)
            vessel.lane = (
                (at.x - sin(angle) * away, at.y - cos(angle) * away),
                (at.x + sin(angle) * 6000, at.y + cos(angle) * 6000),
            )
            vessel.leg, vessel.way, vessel.cog = 0, 1, course
            vessel.x, vessel.y = vessel.lane[0]

    def _sail(self, vessel: Vessel, dt: float) -> None:
        if vessel.wait_s > 0:
            vessel.wait_s -= dt
            vessel.sog = 0.0
            if vessel.wait_s <= 0:
                vessel.nav_status = 0
            return
        goal = vessel.lane[vessel.leg + 1] if vessel.way > 0 else vessel.lane[vessel.leg]
        turn = (heading(vessel.position, goal) - vessel.cog + 180) % 360 - 180
        rate = 3.0 if vessel.length_m < 40 else 1.5  # degrees a second that such a hull turns
        vessel.cog = (vessel.cog + max(-rate * dt, min(rate * dt, turn))) % 360
        slow = 0.5 if abs(turn) > 25 else 1.0
        vessel.sog += max(-0.15 * dt, min(0.1 * dt, vessel.cruise * slow - vessel.sog))
        self._move(vessel, vessel.cog, vessel.sog, dt)
        if apart(vessel.position, goal) < max(60.0, vessel.sog * KNOT * dt * 2):
            vessel.leg += vessel.way
            if not 0 <= vessel.leg < len(vessel.lane) - 1:
                vessel.way = -vessel.way
                vessel.leg += vessel.way
                vessel.wait_s = self._random.uniform(40, 90)
                vessel.cog = (vessel.cog + 180) % 360
                vessel.nav_status = 5 if apart(vessel.position, (900, 400)) < 700 else 0

    def _swing(self, vessel: Vessel, dt: float, wind_from: float) -> None:
        """Rides to its chain: a slow arc down-wind of the anchor."""
        assert vessel.anchor is not None
        vessel.swing += dt / 90
        angle = radians(wind_from + 180 + 25 * sin(vessel.swing))
        before = vessel.position
        chain = 60.0
        vessel.x, vessel.y = vessel.anchor.x + chain * sin(angle), vessel.anchor.y + chain * cos(angle)
        moved = apart(before, vessel.position)
        vessel.sog = min(0.4, moved / dt / KNOT)
        vessel.cog = wind_from % 360

    def _drift(self, vessel: Vessel, dt: float) -> None:
        vessel.sog += max(0.0, min(0.12 * dt, 2.6 - vessel.sog))
        vessel.cog = vessel.drag_towards
        self._move(vessel, vessel.cog, vessel.sog, dt)

    @staticmethod
    def _move(vessel: Vessel, course: float, knots: float, dt: float) -> None:
        vessel.x += sin(radians(course)) * knots * KNOT * dt
        vessel.y += cos(radians(course)) * knots * KNOT * dt


def closest_approach(a: Vessel, b: Vessel) -> tuple[float, float]:
    """(metres, seconds) of the closest point of approach if both keep course and speed; seconds < 0: it is past."""
    dx, dy = b.x - a.x, b.y - a.y
    vax, vay = sin(radians(a.cog)) * a.sog * KNOT, cos(radians(a.cog)) * a.sog * KNOT
    vbx, vby = sin(radians(b.cog)) * b.sog * KNOT, cos(radians(b.cog)) * b.sog * KNOT
    vx, vy = vbx - vax, vby - vay
    speed2 = vx * vx + vy * vy
    when = 0.0 if speed2 == 0 else -(dx * vx + dy * vy) / speed2
    return hypot(dx + vx * when, dy + vy * when), when
