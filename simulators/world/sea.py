"""Vessels: on the right-hand side of the lanes, at the quay, at anchor, waiting for orders; they keep out of each other's way
unless a scenario will not have it. Real seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, hypot, inf, pi, radians, sin
from random import Random

from simulators.world.geography import (
    ANCHORAGE,
    ANCHORAGE_RADIUS_M,
    COASTAL_LANE,
    CROSSING,
    FAIRWAY,
    FERRY_LANE,
    LEE_OF_THE_CAPE,
    WAITING,
    Point,
    apart,
    heading,
)

KNOT = 1852 / 3600
"""m/s"""
UNDER_WAY, AT_ANCHOR, NOT_UNDER_COMMAND, MOORED = 0, 1, 2, 5
"""Navigational status, ITU-R M.1371-5, table 45."""
LOOK_S, LOOK_M, LOOK_AHEAD_S = 2.0, 4000.0, 720.0
"""How often, how far and how far ahead a look-out looks."""
LOOK_OUTS_MAX = 60
"""With more vessels, which are there for load, nobody looks out: every pair costs."""
CLEAR_M = 700.0
"""A vessel that must give way does so when the other would pass nearer than this."""
HARBOUR, HARBOUR_M, HARBOUR_KN = (900, 400), 1100.0, 7.0
"""In the harbour and before it nobody goes faster: the limit there is 8 kn."""
LANES: dict[str, Sequence[tuple[float, float]]] = {"fairway": FAIRWAY, "coastal": COASTAL_LANE, "ferry": FERRY_LANE}
NAMES = (
    "HAI FENG", "DONG HAI 7", "XIN YUE", "PACIFIC HERON", "JIN SHAN", "NORTHERN TERN", "MIN HANG 12", "LAN TIAN", "YONG AN",
    "STELLA MARIS", "ZHE YU 881", "GANG TUO 3", "HONG XING", "BAI LU", "OCEAN PEARL", "HONG YUN 28", "CORAL BAY", "QING FENG",
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
    side_m: float = 0.0
    """Keeps this far to starboard of the lane's middle."""
    waits_at: Point | None = None
    """She lies there with stopped engines until she is sent elsewhere, and goes back there afterwards."""
    goal: Point | None = None
    heedless: bool = False
    """Gives way to nobody."""
    held_to: float = inf
    """Knots, while she gives way."""

    @property
    def position(self) -> Point:
        return Point(self.x, self.y)


class Sea:
    """All vessels."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.vessels: dict[int, Vessel] = {}
        self._look_in_s = 0.0

    def add(self, number: int) -> Vessel:
        """The number decides what it is: every fourth lies at anchor, two wait for orders, the others share out the lanes."""
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
        vessel.cruise = 14.0 if ferry else random.uniform(5, 8) if small else random.uniform(7, 12)
        vessel.side_m = 100.0 if ferry else random.uniform(240, 300)
        if number % 4 == 0:
            angle, radius = random.uniform(0, 2 * pi), ANCHORAGE_RADIUS_M * random.uniform(0.1, 0.6)
            vessel.anchor = Point(ANCHORAGE[0] + radius * cos(angle), ANCHORAGE[1] + radius * sin(angle))
            if number == 0:
                vessel.anchor = Point(*LEE_OF_THE_CAPE)
            vessel.nav_status, vessel.x, vessel.y = AT_ANCHOR, *vessel.anchor
        elif number in WAITING:
            vessel.waits_at = Point(*WAITING[number])
            vessel.x, vessel.y = vessel.waits_at
            vessel.cruise, vessel.cog = 9.0, heading(vessel.waits_at, CROSSING)
        else:
            self._place(vessel, (number * 0.618) % 1)  # the golden ratio: spread out, however many there are
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
                vessel.cog, vessel.sog = heading(a, b), vessel.cruise
                x, y = a[0] + (b[0] - a[0]) * rest / length, a[1] + (b[1] - a[1]) * rest / length
                vessel.x, vessel.y = to_starboard(x, y, vessel.cog, vessel.side_m)
                return
            rest -= length

    def step(self, dt: float, wind_from: float) -> None:
        self._look_in_s -= dt
        if self._look_in_s <= 0:
            self._look_in_s = LOOK_S
            if len(self.vessels) <= LOOK_OUTS_MAX:
                self._look_out()
        for vessel in self.vessels.values():
            if vessel.nav_status == NOT_UNDER_COMMAND:
                vessel.sog = 0.0
            elif vessel.dragging:
                self._drift(vessel, dt)
            elif vessel.anchor is not None:
                self._swing(vessel, dt, wind_from)
            else:
                self._sail(vessel, dt)

    def settle(self, wind_from: float) -> None:
        """Ten minutes beforehand, so that those who were put too close together have sorted themselves out."""
        for _ in range(300):
            self.step(2.0, wind_from)

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
        vessel.anchor, vessel.nav_status = at, AT_ANCHOR
        vessel.x, vessel.y = at

    def meet(self, one: int, other: int, at: Point) -> None:
        """Two vessels steer for one place and give way to nobody; if they wait equally far from it, they are there at one time."""
        for mmsi in (one, other):
            vessel = self.vessels[mmsi]
            vessel.anchor, vessel.nav_status, vessel.heedless, vessel.goal = None, UNDER_WAY, True, at

    def collide(self, one: int, other: int) -> None:
        """They lie where they are, not under command."""
        for mmsi in (one, other):
            self.vessels[mmsi].nav_status = NOT_UNDER_COMMAND

    def resume(self, mmsi: int) -> None:
        """Under way again: back to where she waits, or on along her lane."""
        vessel = self.vessels[mmsi]
        vessel.nav_status, vessel.heedless, vessel.goal = UNDER_WAY, False, vessel.waits_at

    def _look_out(self) -> None:
        """Who gives way, after COLREG rules 13, 15 and 16: who overtakes, and who has the other to starboard, slows down."""
        afloat = sorted(self.vessels.values(), key=lambda vessel: vessel.x)
        for vessel in afloat:
            vessel.held_to = inf
        for index, one in enumerate(afloat):
            for other in afloat[index + 1 :]:
                if other.x - one.x > LOOK_M:
                    break
                if abs(other.y - one.y) > LOOK_M or (one.sog < 0.5 and other.sog < 0.5):
                    continue
                distance, seconds = closest_approach(one, other)
                if distance < CLEAR_M and 0 < seconds < LOOK_AHEAD_S:
                    for vessel, seen in ((one, other), (other, one)):
                        if not vessel.heedless and gives_way(vessel, seen):
                            overtakes = _between(vessel.cog, seen.cog) < 67.5
                            vessel.held_to = min(vessel.held_to, seen.sog if overtakes else 0.25 * vessel.cruise)

    def _sail(self, vessel: Vessel, dt: float) -> None:
        if vessel.wait_s > 0:
            vessel.wait_s -= dt
            vessel.sog = 0.0
            if vessel.wait_s <= 0:
                vessel.nav_status = UNDER_WAY
            return
        if vessel.waits_at is not None and vessel.goal is None:
            vessel.sog = max(0.0, vessel.sog - 0.3 * dt)
            self._move(vessel, vessel.cog, vessel.sog, dt)
            return
        goal = vessel.goal or self._mark(vessel)
        turn = (heading(vessel.position, goal) - vessel.cog + 180) % 360 - 180
        rate = 3.0 if vessel.length_m < 40 else 1.5  # degrees a second that such a hull turns
        vessel.cog = (vessel.cog + max(-rate * dt, min(rate * dt, turn))) % 360
        wanted = min(vessel.held_to, vessel.cruise * (0.5 if abs(turn) > 25 else 1.0))
        if apart(vessel.position, HARBOUR) < HARBOUR_M:
            wanted = min(wanted, HARBOUR_KN)
        vessel.sog += max(-0.15 * dt, min(0.1 * dt, wanted - vessel.sog))
        self._move(vessel, vessel.cog, vessel.sog, dt)
        if vessel.goal is not None:
            if vessel.goal == vessel.waits_at and apart(vessel.position, vessel.goal) < 15:
                vessel.x, vessel.y = vessel.waits_at
                vessel.goal, vessel.sog, vessel.cog = None, 0.0, heading(vessel.waits_at, CROSSING)
        elif apart(vessel.position, goal) < max(60.0, vessel.sog * KNOT * dt * 2):
            self._pass(vessel)

    @staticmethod
    def _mark(vessel: Vessel) -> Point:
        """The next bend of her lane, on her side of it."""
        a, b = vessel.lane[vessel.leg], vessel.lane[vessel.leg + 1]
        if vessel.way < 0:
            a, b = b, a
        return to_starboard(*b, heading(a, b), vessel.side_m)

    def _pass(self, vessel: Vessel) -> None:
        """Beyond a bend; at the lane's end she waits and comes back."""
        vessel.leg += vessel.way
        if not 0 <= vessel.leg < len(vessel.lane) - 1:
            vessel.way = -vessel.way
            vessel.leg += vessel.way
            vessel.wait_s = self._random.uniform(40, 90)
            vessel.cog = (vessel.cog + 180) % 360
            vessel.nav_status = MOORED if apart(vessel.position, HARBOUR) < 700 else UNDER_WAY

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


def to_starboard(x: float, y: float, course: float, metres: float) -> Point:
    """The place so far to the right of (x, y) for who goes this course."""
    right = radians(course + 90)
    return Point(x + metres * sin(right), y + metres * cos(right))


def gives_way(vessel: Vessel, seen: Vessel) -> bool:
    """Whether she must, by COLREG rules 13 (overtaking: she comes up with the other from more than 22.5° abaft its beam)
    and 15 (crossing: she has the other on her starboard side). Who meets head on passes to starboard anyway."""
    bearing = (heading(vessel.position, seen.position) - vessel.cog) % 360
    if _between(vessel.cog, seen.cog) < 67.5:
        return vessel.sog > seen.sog and (bearing < 90 or bearing > 270)
    return 5 < bearing < 112.5 and _between(vessel.cog, seen.cog) < 170


def _between(one: float, other: float) -> float:
    """Degrees between two courses, 0 to 180."""
    return abs((one - other + 180) % 360 - 180)


def closest_approach(a: Vessel, b: Vessel) -> tuple[float, float]:
    """(metres, seconds) of the closest point of approach if both keep course and speed; seconds < 0: it is past."""
    dx, dy = b.x - a.x, b.y - a.y
    vax, vay = sin(radians(a.cog)) * a.sog * KNOT, cos(radians(a.cog)) * a.sog * KNOT
    vbx, vby = sin(radians(b.cog)) * b.sog * KNOT, cos(radians(b.cog)) * b.sog * KNOT
    vx, vy = vbx - vax, vby - vay
    speed2 = vx * vx + vy * vy
    when = 0.0 if speed2 == 0 else -(dx * vx + dy * vy) / speed2
    return hypot(dx + vx * when, dy + vy * when), when
