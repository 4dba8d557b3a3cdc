"""Harbour City's ground: an invented town on an invented coast, in metres east and north of its market place.

Everything that moves or flows takes its shape from here; `simulators/city/` is the same town as a hub knows it.
"""

from __future__ import annotations

from math import atan2, cos, degrees, hypot, radians
from typing import NamedTuple

ORIGIN = (122.02, 29.24)
"""Longitude and latitude (WGS-84) of the local origin, the market place."""
METRES_PER_DEGREE = 111_195.0
"""Of latitude, on the mean sphere."""
_METRES_PER_DEGREE_LON = METRES_PER_DEGREE * cos(radians(ORIGIN[1]))


class Point(NamedTuple):
    """Metres east (x) and north (y) of the market place."""

    x: float
    y: float


def to_degrees(x: float, y: float) -> tuple[float, float]:
    """(lon, lat) of a local point."""
    return ORIGIN[0] + x / _METRES_PER_DEGREE_LON, ORIGIN[1] + y / METRES_PER_DEGREE


def to_metres(lon: float, lat: float) -> Point:
    """The local point of (lon, lat)."""
    return Point((lon - ORIGIN[0]) * _METRES_PER_DEGREE_LON, (lat - ORIGIN[1]) * METRES_PER_DEGREE)


def apart(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Metres between two local points."""
    return hypot(a[0] - b[0], a[1] - b[1])


def heading(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Degrees clockwise from north of the way from a to b, 0 ≤ h < 360."""
    return degrees(atan2(b[0] - a[0], b[1] - a[1])) % 360


# ------------------------------------------------------------------------------------------------------ the shapes

COAST = (
    (-5600, 260), (-4900, 120), (-4200, 200), (-3500, -20), (-2800, 70), (-2100, -140), (-1400, -60), (-900, -210),
    (-540, -230), (-200, -110), (160, 60), (330, 400), (480, 520), (760, 570), (1180, 540), (1420, 360), (1560, 40),
    (1740, -150), (2080, -230), (2420, -410), (2700, -640), (2860, -560), (2960, -330), (3340, -50), (3900, 150),
    (4600, 70), (5600, 290),
)  # fmt: skip
"""The mainland's shore from west to east; the sea lies south of it. The bight in the middle is the harbour."""

ISLAND = (
    (3480, -2010), (3640, -1860), (3900, -1830), (4200, -1950), (4480, -2200), (4520, -2520), (4300, -2790), (3960, -2860),
    (3640, -2720), (3440, -2420),
)  # fmt: skip

RIVER = (
    (-2950, 4250), (-2720, 3700), (-2380, 3120), (-2050, 2560), (-1560, 1980), (-1330, 1450), (-1040, 930), (-900, 430),
    (-740, 60), (-720, -260),
)  # fmt: skip
"""The river's middle line, from below the dam to its mouth."""
RIVER_WIDTH_M = (70, 80, 90, 95, 105, 120, 130, 150, 190, 320)

RESERVOIR = ((-3480, 4900), (-3080, 4640), (-2900, 4290), (-2990, 4230), (-3260, 4380), (-3640, 4640), (-3700, 4860))

SEA_BRIDGE = ((2700, -640), (3560, -1930))
"""From the cape to the island."""
FAIRWAY = ((-5400, -3050), (-2600, -2450), (-300, -1750), (560, -1050), (820, -350), (880, 330))
"""The dredged channel from the open sea into the harbour."""
COASTAL_LANE = ((5400, -620), (4300, -780), (3080, -1220), (1700, -1400), (400, -2300), (-2200, -3300), (-5400, -3700))
"""The lane of coasters: under the middle span of the sea bridge, across the fairway's mouth."""
FERRY_LANE = ((1060, 420), (980, -250), (1500, -1150), (2500, -1700), (3150, -2050), (3360, -2420))
ANCHORAGE = (2080, -2380)
ANCHORAGE_RADIUS_M = 620
LEE_OF_THE_CAPE = (2250, -760)
"""Where one freighter anchors alone, up-wind of the sea bridge."""
WAITING = {1: (742, -3369), 6: (1390, -3225)}
"""Vessels that wait for orders off the harbour mouth, by their number; equally far from `CROSSING`."""
CROSSING = (1000, -3000)

ROAD_NODES = {
    "market": (0, 620), "old-town": (-420, 820), "quay": (420, 760), "terminal": (1240, 740), "east-gate": (1780, 880),
    "chemical-works": (2420, 760), "cape": (2660, -420), "island": (3640, -2120), "station": (900, 1260), "school": (1500, 1420),
    "north-gate": (-200, 1720), "hospital": (420, 1960), "north-end": (-120, 2760), "mill": (-1720, 920), "bridge-west": (-1160, 960),
    "bridge-east": (-880, 900), "west-end": (-3150, 760), "waterworks": (-2480, 2380), "hill-road": (-2860, 3420),
    "ring-north-east": (1640, 2480), "ring-east": (2720, 1560), "sewage": (-3500, 380),
}  # fmt: skip
ROADS = (
    ("market", "old-town", 30), ("market", "quay", 30), ("quay", "terminal", 40), ("terminal", "east-gate", 50),
    ("east-gate", "chemical-works", 60), ("chemical-works", "cape", 50), ("cape", "island", 70), ("market", "station", 40),
    ("station", "school", 30), ("school", "east-gate", 40), ("station", "terminal", 40), ("old-town", "north-gate", 40),
    ("north-gate", "hospital", 40), ("hospital", "station", 50), ("north-gate", "north-end", 60), ("old-town", "bridge-east", 40),
    ("bridge-east", "bridge-west", 40), ("bridge-west", "mill", 50), ("mill", "west-end", 60), ("west-end", "sewage", 50),
    ("mill", "waterworks", 60), ("waterworks", "hill-road", 50), ("north-end", "ring-north-east", 80), ("hospital", "ring-north-east", 50),
    ("ring-north-east", "ring-east", 80), ("ring-east", "chemical-works", 70), ("ring-east", "east-gate", 60),
)  # fmt: skip
"""Two places and the free-flow speed between them, km/h."""

BUS_LINES = {
    "1": ("terminal", "quay", "market", "old-town", "north-gate", "north-end"),
    "2": ("west-end", "mill", "bridge-west", "bridge-east", "old-town", "market", "station", "school", "east-gate"),
    "3": ("hospital", "station", "terminal", "quay", "market"),
    "4": ("island", "cape", "chemical-works", "east-gate", "terminal"),
}
HAZMAT_ROUTE = ("chemical-works", "ring-east", "ring-north-east", "north-end")
"""The only way allowed for dangerous goods: the ring road, round the town."""
HAZMAT_DEPOT = "ring-east"
"""Where a loaded truck stands until it is called."""

UNDERPASSES = {
    # device id of the gauge: catchment m2, floor m2 (the pool's area per metre of depth begins with it), pumps m3/s
    "underpass-north-gate": (9_000.0, 420.0, 0.070),
    "underpass-station": (7_000.0, 520.0, 0.080),
    "underpass-mill": (6_000.0, 480.0, 0.070),
}
