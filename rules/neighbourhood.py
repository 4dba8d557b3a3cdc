"""Who is near, upstream or in the same area; and which zones a subject stands in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import asin, cos, floor, radians, sin, sqrt

from hub.model import Position, Zone
from rules.language import ir
from rules.subject import Subject
from rules.windows import WindowKey, pooled

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (IUGG)."""
CELL_DEG = 0.05
_CELLS_AROUND = round(360 / CELL_DEG)


def distance_m(a: Position, b: Position) -> float:
    """Great-circle distance in metres (haversine)."""
    lat_a, lat_b = radians(a.lat), radians(b.lat)
    h = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin(radians(b.lon - a.lon) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(h)))


def inside(zone: Zone, position: Position) -> bool:
    """Whether a position lies in a zone's rings (even-odd, so that holes are outside)."""
    lon, lat = position.lon, position.lat
    odd = False
    for ring in zone.rings:
        previous = ring[-1]
        for corner in ring:
            (x0, y0), (x1, y1) = previous, corner
            if (y0 > lat) != (y1 > lat) and lon < (x1 - x0) * (lat - y0) / (y1 - y0) + x0:
                odd = not odd
            previous = corner
    return odd


class Neighbourhood:
    """Answers what conditions ask of other subjects. Members are kept per series that some rule asks of neighbours."""

    def __init__(self, subjects: dict[str, Subject], zones: Iterable[Zone], asked: Iterable[str]) -> None:
        self.subjects = subjects
        self.zones = tuple(sorted(zones, key=lambda zone: zone.zone))
        self.boxes = [_box(zone) for zone in self.zones]
        self.members: dict[str, dict[tuple[int, int], set[str]]] = {series: {} for series in asked}
        self.areas: dict[str, dict[str, set[str]]] = {series: {} for series in asked}
        self.cells: dict[str, tuple[int, int]] = {}
        self.joined: dict[str, set[str]] = {}
        self.found: dict[tuple[str, str, ir.Around], tuple[Subject, ...]] = {}

    # ------------------------------------------------------------------------------------------ membership

    def join(self, subject: Subject, series: str) -> None:
        """The subject reports this series (which some rule asks of neighbours)."""
        if series not in self.members or series in self.joined.get(subject.id, ()):
            return
        self.joined.setdefault(subject.id, set()).add(series)
        if subject.position is not None:
            cell = self.cells[subject.id] = _cell(subject.position)
            self.members[series].setdefault(cell, set()).add(subject.id)
        if subject.area:
            self.areas[series].setdefault(subject.area, set()).add(subject.id)
        self.found.clear()

    def join_all(self, subject: Subject, series: tuple[str, ...]) -> None:
        """The subject reports these series; nearly always they are known."""
        known = self.joined.get(subject.id, ())
        for name in series:
            if name not in known:
                self.join(subject, name)

    def moved(self, subject: Subject) -> None:
        """The subject has a new position."""
        series = self.joined.get(subject.id)
        if series is None or subject.position is None:
            if self.found:
                self._forget(subject.id)
            return
        cell, before = _cell(subject.position), self.cells.get(subject.id)
        if cell != before:
            for name in series:
                cells = self.members[name]
                if before is not None and before in cells:
                    cells[before].discard(subject.id)
                cells.setdefault(cell, set()).add(subject.id)
            self.cells[subject.id] = cell
        self.found.clear()

    def _forget(self, subject: str) -> None:
        for key in [key for key in self.found if key[0] == subject]:
            del self.found[key]

    def others(self, subject: Subject, series: str, around: ir.Around) -> tuple[Subject, ...]:
        """The other subjects around this one that report the series, in order of their names."""
        key = (subject.id, series, around)
        found = self.found.get(key)
        if found is None:
            names = sorted(self._names(subject, series, around) - {subject.id})
            found = self.found[key] = tuple(self.subjects[name] for name in names)
        return found

    def _names(self, subject: Subject, series: str, around: ir.Around) -> set[str]:
        if around.which == "upstream":
            return {name for name in subject.upstream if series in self.joined.get(name, ())}
        if around.which == "same area":
            return set(self.areas[series].get(subject.area, ()))
        here = subject.position
        if here is None:
            return set()
        cells = self.members[series]
        reach_lat = around.metres / 111_000
        reach_lon = reach_lat / max(0.01, cos(radians(min(90.0, abs(here.lat) + reach_lat))))
        x, y = _cell(here)
        across, up = floor(reach_lon / CELL_DEG) + 1, floor(reach_lat / CELL_DEG) + 1
        names: set[str] = set()
        if (2 * across + 1) * (2 * up + 1) > len(cells):
            names.update(*cells.values())
        else:
            for i in range(x - across, x + across + 1):
                for j in range(y - up, y + up + 1):
                    names.update(cells.get((i % _CELLS_AROUND, j), ()))
        return {
            name for name in names
            if (there := self.subjects[name].position) is not None and distance_m(here, there) <= around.metres
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------ what rules ask

    def figure(self, subject: Subject, now: int, node: ir.Window) -> float | None:
        """A window's figure over the subjects around; None where there are too few."""
        key = WindowKey(node.series, node.size_ns, node.closed)
        windows = [w for other in self.others(subject, node.series, node.around) if (w := other.windows.get(key))]
        return pooled(node.function, windows, now, node.parameter, node.at_least)

    def agree(
        self, subject: Subject, now: int, around: ir.Around, series: str, condition: Callable[[Subject, int], bool]
    ) -> float:
        """How many subjects around, of those that report the series, meet the condition."""
        return float(sum(1 for other in self.others(subject, series, around) if condition(other, now)))

    def zones_of(self, position: Position | None) -> tuple[Zone, ...]:
        """The zones around a position, by name."""
        if position is None:
            return ()
        lon, lat = position.lon, position.lat
        return tuple(
            zone for zone, (west, south, east, north) in zip(self.zones, self.boxes, strict=True)
            if west <= lon <= east and south <= lat <= north and inside(zone, position)
        )  # fmt: skip

    def in_zone(self, subject: Subject, name: str) -> bool | None:
        """Whether the subject is in a zone of that name or kind; None while its position is not known."""
        if subject.position is None:
            return None
        return any(name in (zone.zone, zone.kind) for zone in self._zones(subject))

    def limit(self, subject: Subject, name: str) -> float | None:
        """The strictest (lowest) number called `name` among the limits of the zones the subject is in."""
        limits = [zone.limits.get(name) for zone in self._zones(subject)]
        numbers = [limit for limit in limits if isinstance(limit, int | float)]
        return min(numbers) if numbers else None

    def _zones(self, subject: Subject) -> tuple[Zone, ...]:
        if subject.zones is None:
            subject.zones = self.zones_of(subject.position)
        return subject.zones


def _cell(position: Position) -> tuple[int, int]:
    return floor(position.lon / CELL_DEG) % _CELLS_AROUND, floor(position.lat / CELL_DEG)


def _box(zone: Zone) -> tuple[float, float, float, float]:
    corners = [corner for ring in zone.rings for corner in ring]
    if not corners:
        return (1.0, 1.0, 0.0, 0.0)
    return (
        min(c[0] for c in corners),
        min(c[1] for c in corners),
        max(c[0] for c in corners),
        max(c[1] for c in corners),
    )
