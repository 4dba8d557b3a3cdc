"""Who waits for whose news: subjects with a rule that neighbours could still decide, found by place.

A rule watches while the neighbours could still bring about a level (HOPING), or while orange or red are held back until
one of them follows (WITHHELD). Without the places, each reading would ask every watcher of a city whether it means them.
"""

from __future__ import annotations

from collections.abc import Iterable

from rules import quality
from rules.language import ir
from rules.language.codegen import Compiled
from rules.neighbourhood import cell_of, near
from rules.subject import Subject

HOPING, WITHHELD = 1, 2

Place = tuple[int, int] | str | None
Watcher = tuple[str, str]
"""Subject and rule."""


class Watchers:
    """Watchers by the series that they ask neighbours for, how far they ask, and where they stand."""

    def __init__(self) -> None:
        self.waiting: dict[str, dict[ir.Around, dict[Place, set[Watcher]]]] = {}

    def add(self, subject: Subject, compiled: Compiled, why: int) -> None:
        """Have the rule woken by those around the subject, where it stands now."""
        for series, around in asks(compiled, why):
            places = self.waiting.setdefault(series, {}).setdefault(around, {})
            places.setdefault(_place(subject, around), set()).add((subject.id, compiled.rule.name))

    def discard(self, subject: Subject, compiled: Compiled, why: int) -> None:
        """Undo `add`. The subject must stand where it stood then."""
        for series, around in asks(compiled, why):
            arounds = self.waiting[series]
            places, place = arounds[around], _place(subject, around)
            places[place].discard((subject.id, compiled.rule.name))
            if not places[place]:
                del places[place]
            if not places:
                del arounds[around]
            if not arounds:
                del self.waiting[series]

    def woken_by(self, subject: Subject, series: str) -> list[Watcher]:
        """Those that may have the subject around them, in order of their names; who has is for `others` to say."""
        found: set[Watcher] = set()
        for around, places in self.waiting.get(series, {}).items():
            if around.which == "same area":
                found |= places.get(subject.area, set())
            elif subject.position is not None:
                found |= near(places, subject.position, around.metres)  # type: ignore[arg-type]
        return sorted(found)


def asks(compiled: Compiled, why: int) -> Iterable[tuple[str, ir.Around]]:
    """What a rule that watches for these reasons asks of whom."""
    if not why & WITHHELD:
        return compiled.asks if why else ()
    jumps = [(metric, quality.around(metric)) for metric in sorted(quality.NEIGHBOURLY & compiled.rule.own_series())]
    return dict.fromkeys((*compiled.asks, *jumps) if why & HOPING else jumps)


def _place(subject: Subject, around: ir.Around) -> Place:
    if around.which == "same area":
        return subject.area
    return None if subject.position is None else cell_of(subject.position)
