"""Warnings that belong together: those of one rule that arise near each other and soon after each other carry one group.

Twenty sensors, one flood. A group is named after the warning that began it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import floor

from hub.model import Position

WITHIN_NS = 3_600_000_000_000
"""A group takes in alerts up to an hour after the last that joined."""


CELL_DEG = 0.05
"""Places are cells of about 5 km; a group reaches into the cells beside them and through an area of the registry."""


MAX_PLACES = 10_000
"""Places remembered; beyond, those longest quiet are forgotten."""


class Groups:
    """Where warnings have lately arisen, and the groups there."""

    def __init__(self, known: Mapping[str, tuple[str, int]] | None = None) -> None:
        """`known`: what `freeze` gave."""
        self._of: dict[str, dict[str, tuple[str, int]]] = {}
        """By rule and place: the group, and when an alert last joined it, ns."""
        self._places = 0
        for key, (group, at) in (known or {}).items():
            rule, bar, place = key.partition("|")
            self._of.setdefault(rule, {})[bar + place] = (group, at)
            self._places += 1

    def freeze(self) -> dict[str, tuple[str, int]]:
        """By rule and place in one: the group, and when an alert last joined it, ns."""
        return {rule + place: found for rule, places in self._of.items() for place, found in places.items()}

    def join(self, rule: str, area: str, position: Position | None, alert: str, at: int) -> str:
        """The group that a new alert there belongs to; the alert's own id where it is the first."""
        where, beside = _reach(area, position)
        places = self._of.get(rule)
        if places is None:
            places = self._of[rule] = {}
        group = ""
        for place in beside:
            known = places.get(place)
            if known is not None and -WITHIN_NS <= at - known[1] <= WITHIN_NS and (not group or known[0] < group):
                group = known[0]
        group = group or alert
        for place in where:
            known = places.get(place)
            if known is None:
                self._places += 1
            places[place] = (group, at if known is None or known[1] < at else known[1])
        if self._places > MAX_PLACES:
            self._forget(MAX_PLACES // 10)
        return group

    def go_back(self, to: int) -> None:
        """The clock goes back: no alert has joined later than `to`."""
        for places in self._of.values():
            for place, (group, at) in places.items():
                if at > to:
                    places[place] = (group, to)

    def _forget(self, count: int) -> None:
        """Forget so many of the places that are quiet for longest; of those equally long the first by name."""
        joined = sorted(at for places in self._of.values() for _, at in places.values())
        latest = joined[count - 1]
        quiet = [
            (at < latest, rule, place)
            for rule, places in self._of.items()
            for place, (_, at) in places.items()
            if at <= latest
        ]
        older = [(rule, place) for older, rule, place in quiet if older]
        as_old = sorted(((rule, place) for older, rule, place in quiet if not older), key="".join)
        for rule, place in older + as_old[: count - len(older)]:
            places = self._of[rule]
            del places[place]
            if not places:
                del self._of[rule]
        self._places -= count


def _reach(area: str, position: Position | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The places of an alert, and those where its group may be known."""
    if position is None:
        return ((f"|area {area}",),) * 2 if area else ((), ())
    return _cells(area, floor(position.lon / CELL_DEG), floor(position.lat / CELL_DEG))


@lru_cache(maxsize=4096)
def _cells(area: str, x: int, y: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """An area and a cell, and them with the cells beside; remembered, since a storm raises many warnings in few cells."""
    of_area = (f"|area {area}",) if area else ()
    return (*of_area, f"|{x}|{y}"), (*of_area, *(f"|{x + i}|{y + j}" for i in (-1, 0, 1) for j in (-1, 0, 1)))
