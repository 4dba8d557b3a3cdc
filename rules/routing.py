"""Where a subject is at home among partitions, and who else has to know it.

Every cell of a grid belongs to one partition, and so does who stands in it; a place (`zone:X`, `area:Y`) and who has no position belong
to a partition by their name. A partition also knows whom its own subjects may ask about: its *halo*. Pure, and no partition is asked:
each of many machines comes to the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, floor, radians
from zlib import crc32

from hub.model import Position
from rules import book as books
from rules import qartod
from rules.book import RuleBook
from rules.language import ir
from rules.plan import DISASTER, pairs_wanted

CELL_DEG = 0.25
"""Side of a cell, degrees: some 25 km, so that a city has a few and its halos do not hold all of it."""
PAIR_REACH_M = 2 * 6 * 1852.0
"""Vessels meet within 6 nautical miles, and each asks who else is near its partner."""
MANY_CELLS = 10_000
"""A halo of more cells is taken to reach every partition."""
MAX_HALOS = 100_000
"""Halos remembered."""
METRES_PER_DEG = 110_000.0
"""A little less than any degree of latitude has."""


def reach_m(book: RuleBook) -> float:
    """How far from a subject others may decide what is said of it, metres: the widest `within` of any rule, of the test of quality by
    neighbours, of what traces a source (its sensors and, from each, its candidates), and of pairs of vessels. What is derived of
    neighbours may itself be asked of a neighbour, so that comes on top."""
    rules = [node for rule in book.rules for node in rule.nodes()]
    derived = [node for spec in book.derivations for node in ir.walk(spec.node)]
    reaches = [_widest(rules)]
    for rule in book.rules:
        if any(level.level >= DISASTER for level in rule.levels):
            reaches += [_witnesses_m(book, metric) for metric in rule.own_series() | rule.series_inside()]
        if rule.tracing is not None:
            reaches += [2 * rule.tracing.within_m, rule.tracing.wind_within_m]
    if pairs_wanted(book):
        reaches.append(PAIR_REACH_M)
    return max(reaches) + _widest(derived)


def _witnesses_m(book: RuleBook, metric: str) -> float:
    """How far the neighbours may be that are asked whether a jump of this metric is true, by the table or by any entry."""
    entries = [dict(entry.settings).get("neighbours_m") for entry in book.qualities if entry.metric == metric]
    table = qartod.SETTINGS.get(metric, qartod.Settings()).neighbours_m
    return max([table, *(float(found) for found in entries if isinstance(found, int | float))])


def _widest(nodes: Iterable[ir.Node]) -> float:
    return max((node.around.metres for node in nodes if isinstance(node, ir.Window | ir.Agree)), default=0.0)


def asks_by_circle(book: RuleBook) -> bool:
    """Whether any rule asks everybody in the same area or zone, or inside a place, however far that reaches."""
    selects = [rule.select for rule in book.rules] + [spec.select for spec in book.derivations]
    return any(select.every for select in selects) or any(
        node.around.which in ("same area", "same zone", "inside", "ahead")
        for node in books.nodes_of(book)
        if isinstance(node, ir.Window | ir.Agree)
    )


def asks_ahead(book: RuleBook) -> bool:
    """Whether any rule asks those in zones ahead."""
    return any(n.around.which == "ahead" for n in books.nodes_of(book) if isinstance(n, ir.Window | ir.Agree))


class Routing:
    """Homes and halos of one number of partitions under one book."""

    def __init__(self, book: RuleBook, partitions: int, cell_deg: float = CELL_DEG) -> None:
        self.partitions = partitions
        self.cell_deg = cell_deg
        self.reach_m = reach_m(book)
        self.by_circle = asks_by_circle(book)
        self.asks_ahead = asks_ahead(book)
        self._halos: dict[tuple[int, int, int, int], frozenset[int]] = {}

    def home(self, name: str, position: Position | None) -> int:
        """The partition of a subject of that name at that position; of one without a position, and of a place, by the name alone."""
        return crc32(name.encode()) % self.partitions if position is None else self._of(*self._cell(position))

    def halo(self, position: Position) -> frozenset[int]:
        """The partitions that own a cell from which this position may be asked about, its own among them."""
        up = self.reach_m / METRES_PER_DEG
        north = abs(position.lat) + up
        across = up / cos(radians(north)) if north < 89.9 else 360.0
        west, south = floor((position.lon - across) / self.cell_deg), floor((position.lat - up) / self.cell_deg)
        east, top = floor((position.lon + across) / self.cell_deg), floor((position.lat + up) / self.cell_deg)
        corners = (west, south, east, top)
        found = self._halos.get(corners)
        if found is None:
            if len(self._halos) >= MAX_HALOS:
                self._halos.clear()
            found = self._halos[corners] = self._owners(*corners)
        return found

    def _owners(self, west: int, south: int, east: int, top: int) -> frozenset[int]:
        if (east - west + 1) * (top - south + 1) > MANY_CELLS:
            return frozenset(range(self.partitions))
        columns = self._columns()
        return frozenset(self._of(x % columns, y) for x in range(west, east + 1) for y in range(south, top + 1))

    def _columns(self) -> int:
        return round(360 / self.cell_deg)

    def _cell(self, position: Position) -> tuple[int, int]:
        return floor(position.lon / self.cell_deg) % self._columns(), floor(position.lat / self.cell_deg)

    def _of(self, x: int, y: int) -> int:
        """In turns along every row and column, so that the few cells of a city are shared out evenly; a hash gave one part twice another's."""
        return (x + y * (self.partitions // 2 + 1)) % self.partitions
