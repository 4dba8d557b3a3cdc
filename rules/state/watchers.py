"""Who waits for whose news: subjects with a rule that neighbours could still decide, found by place.

A rule watches while the neighbours could still bring about a level (HOPING), or while orange or red are held back until
one of them follows (WITHHELD). A watcher stands in every cell that it asks into, so that a reading, of which there are
many more, looks into one. Without the places, each reading would ask every watcher of a city whether it means them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from math import cos, floor, radians

from hub.model import Position
from rules.language import ir
from rules.language.codegen import Compiled
from rules.state.subject import Subject

HOPING, WITHHELD = 1, 2

Place = tuple[int, int] | str
Watcher = tuple[str, str]
"""Subject and rule."""

_NOBODY: frozenset[Watcher] = frozenset()


class Watchers:
    """Watchers by the series that they ask neighbours for, how far they ask, and the places they ask into."""

    def __init__(self) -> None:
        self.waiting: dict[str, dict[ir.Around, dict[Place, set[Watcher]]]] = {}
        self._where: dict[Watcher, list[tuple[str, ir.Around, tuple[Place, ...]]]] = {}

    def watch(self, subject: Subject, compiled: Compiled, why: int) -> None:
        """Whether and why neighbours' readings are to have this rule judged again for the subject."""
        rule = compiled.rule.name
        if why == subject.watching.get(rule, 0):
            return
        if why:
            subject.own("watching")[rule] = why
            self.add(subject, compiled, why)
        else:
            del subject.watching[rule]
            self.discard(subject.id, rule)

    def follow(self, subject: Subject, rules: Mapping[str, Compiled]) -> None:
        """Have the subject's rules watch from where it stands now; those that it no longer has watch no more."""
        for rule, why in list(subject.watching.items()):
            if subject.plan is None or rule not in subject.plan.positions:
                del subject.watching[rule]
                self.discard(subject.id, rule)
            else:
                self.add(subject, rules[rule], why)

    def add(self, subject: Subject, compiled: Compiled, why: int) -> None:
        """Have the rule woken by those around the subject, where it stands now."""
        watcher = subject.id, compiled.rule.name
        self.discard(*watcher)
        where = self._where[watcher] = [
            (series, around, _reach(subject, around)) for series, around in asks(subject, compiled, why)
        ]
        for series, around, reached in where:
            places = self.waiting.setdefault(series, {}).setdefault(around, {})
            for place in reached:
                places.setdefault(place, set()).add(watcher)

    def discard(self, subject: str, rule: str) -> None:
        """Nobody wakes this rule of the subject any more."""
        watcher = subject, rule
        for series, around, reached in self._where.pop(watcher, ()):
            arounds = self.waiting[series]
            places = arounds[around]
            for place in reached:
                places[place].discard(watcher)
                if not places[place]:
                    del places[place]
            if not places:
                del arounds[around]
            if not arounds:
                del self.waiting[series]

    def woken_by(self, subject: Subject, series: str) -> list[Watcher]:
        """Those that may have the subject around them, in order of their names; who has is for `others` to say."""
        found: set[Watcher] = set()
        for around, places in self.waiting[series].items():
            if around.which != "within":
                for place in _reach(subject, around):
                    found |= places.get(place, _NOBODY)
            elif subject.position is not None:
                found |= places.get(_cell(subject.position, _cells_around(around.metres)), _NOBODY)
        return sorted(found) if found else []


def asks(subject: Subject, compiled: Compiled, why: int) -> Iterable[tuple[str, ir.Around]]:
    """What a rule that watches for these reasons asks of whom."""
    if not why & WITHHELD:
        return compiled.asks if why else ()
    settings = subject.plan.settings if subject.plan else {}
    jumps = [
        (metric, settings[metric].around())
        for metric in sorted(compiled.rule.own_series())
        if metric in settings and settings[metric].neighbours_m
    ]
    return dict.fromkeys((*compiled.asks, *jumps) if why & HOPING else jumps)


def _reach(subject: Subject, around: ir.Around) -> tuple[Place, ...]:
    """The places that the subject asks into."""
    if around.which == "same area":
        return (subject.area,)
    if around.which == "same zone":
        return tuple(zone.zone for zone in subject.hood.standing_in(subject))
    here = subject.position
    if here is None:
        return ()
    count = _cells_around(around.metres)
    x, y = _cell(here, count)
    across = floor(1 / max(0.01, cos(radians(min(90.0, abs(here.lat) + 360 / count))))) + 1
    return tuple({((x + i) % count, y + j) for i in range(-across, across + 1) for j in (-1, 0, 1)})


@cache
def _cells_around(metres: float) -> int:
    """How many cells go round the globe: each at least as high as the reach."""
    return max(1, int(360 / (metres / 111_000 + 1e-6)))


def _cell(position: Position, count: int) -> tuple[int, int]:
    return floor(position.lon * count / 360) % count, floor(position.lat * count / 360)
