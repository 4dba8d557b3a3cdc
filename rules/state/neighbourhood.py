"""Who is near, upstream, in the same area or zone, or inside a place; and which zones a subject stands in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import cos, floor, inf, radians
from typing import TypeAlias, TypeVar

from hub.model import Position, Zone
from rules.language import ir
from rules.language.ir import WindowKey
from rules.language.writer import Question
from rules.state.answers import Answers
from rules.state.geometry import METRES_PER_DEG, distance_m, edge_m, inside
from rules.state.pooling import pooled
from rules.state.samples import Samples
from rules.state.subject import Subject

MAX_ABOVE = 500
"""Gauges of one river system that count as upstream of one gauge: the nearest by the number of steps."""
CELL_DEG = 0.05
PLOT_DEG = 0.005
MAX_PLOTS = 2_000
"""Zones are listed by plots of about half a kilometre; those that reach over more than so many are looked at everywhere."""
AHEAD = "ahead"
"""The property in which a zone names the zones ahead of it: of a one-way road, those that its vehicles come to next."""
_CELLS_AROUND = round(360 / CELL_DEG)
_NOBODY_ABOVE: Mapping[str, float] = {}


Reporters: TypeAlias = dict[frozenset[str], set[str]]
"""Subjects by the series that they report. Those of a kind report the same ones, so they stand in one set and not in one for each series."""
_Place = TypeVar("_Place", str, tuple[int, int])


class Neighbourhood:
    """Answers what conditions ask of other subjects. Members are those who report a series that some rule asks of neighbours."""

    def __init__(
        self,
        subjects: dict[str, Subject],
        zones: Iterable[Zone],
        asked: Iterable[str],
        places: bool = False,
        summed: frozenset[WindowKey] = frozenset(),
    ) -> None:
        """`places`: whether some rule asks who is inside a place, so that it is to be known. `summed`: the windows of which some rule asks
        the sum or the mean."""
        self.subjects = subjects
        self.zones = tuple(sorted(zones, key=lambda zone: zone.zone))
        self.ahead = {
            zone.zone: tuple(str(zone.limits.get(AHEAD, "")).replace(",", " ").split()) for zone in self.zones
        }
        """By zone, those that it says lie ahead of it."""
        self.boxes = [_box(zone) for zone in self.zones]
        self.plots = _plots(self.boxes)
        """The zones that may reach into each plot, by their index; under None those too wide to list so."""
        self.called: dict[str, list[int]] = {}
        """The zones of each name and kind, by their index."""
        for index, zone in enumerate(self.zones):
            for word in {zone.zone, zone.kind}:
                self.called.setdefault(word, []).append(index)
        self.asked = frozenset(asked)
        """The series that some rule asks of neighbours."""
        self.members: dict[tuple[int, int], Reporters] = {}
        """Who stands in each cell."""
        self.areas: dict[str, Reporters] = {}
        """Who belongs to each area."""
        self.cells: dict[str, tuple[int, int]] = {}
        self.joined: dict[str, frozenset[str]] = {}
        """The series that each reports; subjects of a kind share one set of them."""
        self._sets: dict[frozenset[str], frozenset[str]] = {}
        self.found: dict[tuple[str, str, ir.Around], tuple[Subject, ...]] = {}
        self.rivers: dict[str, dict[str, float]] = {}
        self.places = places
        self.stands: dict[str, tuple[str, ...]] = {}
        """The places that each subject is in: its zones and its area."""
        self.insiders: dict[str, dict[str, set[str]]] = {}
        """Who is inside each place, by series."""
        self.crossings: dict[str, int] = {}
        """By series, how often somebody who reports it has entered or left a place."""
        self.grounds: dict[tuple[tuple[str, ...], str, ir.Around], tuple[int, tuple[Subject, ...]]] = {}
        """Who is in these zones (or ahead of them), as of that many crossings: a series that only places tell is seldom crossed."""
        self.inside: dict[str, dict[tuple[str, ir.Around], tuple[Subject, ...]]] = {}
        """What was asked of a place, until somebody enters or leaves it."""
        self.answers = Answers(summed)
        self.touch: Callable[[Subject], None] | None = None
        """While a snapshot is being written: what hears of those whose windows are about to be moved on, since somebody asks them."""
        self.doubted: frozenset[str] = frozenset()
        """Devices inside a place that do not count for the moment."""

    # ------------------------------------------------------------------------------------------ membership

    def join(self, subject: Subject, series: str) -> None:
        """The subject reports this series (which some rule asks of neighbours)."""
        before = self.joined.get(subject.id, frozenset())
        if series not in self.asked or series in before:
            return
        reports = before | {series}
        reports = self.joined[subject.id] = self._sets.setdefault(reports, reports)
        if subject.position is not None:
            cell = _cell(subject.position)
            _leave(self.members, self.cells.get(subject.id), before, subject.id)
            _enter(self.members, cell, reports, subject.id)
            self.cells[subject.id] = cell
        if subject.area:
            _leave(self.areas, subject.area, before, subject.id)
            _enter(self.areas, subject.area, reports, subject.id)
        if self.places:
            self.stands[subject.id] = self._places_of(subject)
            for place in self.stands[subject.id]:
                self._enter(place, series, subject.id)
        self.found.clear()

    def forget(self, name: str) -> None:
        """Nobody has this subject around any more."""
        self.answers.forget(name)
        cell, reports = self.cells.pop(name, None), self.joined.pop(name, frozenset())
        _leave(self.members, cell, reports, name)
        for area in list(self.areas):
            _leave(self.areas, area, reports, name)
        for place in self.stands.pop(name, ()):
            for series, members in self.insiders.get(place, {}).items():
                members.discard(name)
                self.crossings[series] = self.crossings.get(series, 0) + 1
            self.inside.pop(place, None)
        self.found.clear()

    def join_all(self, subject: Subject, series: tuple[str, ...]) -> None:
        """The subject reports these series; nearly always they are known."""
        known = self.joined.get(subject.id, ())
        for name in series:
            if name not in known:
                self.join(subject, name)

    def moved(self, subject: Subject) -> tuple[str, ...]:
        """The subject has a new position: the places that it has entered or left."""
        series = self.joined.get(subject.id)
        if series is None or subject.position is None:
            if self.found:
                self._forget(subject.id)
            return ()
        cell, before = _cell(subject.position), self.cells.get(subject.id)
        if cell != before:
            _leave(self.members, before, series, subject.id)
            _enter(self.members, cell, series, subject.id)
            self.cells[subject.id] = cell
        self.found.clear()
        return self._crossed(subject, series) if self.places else ()

    def _crossed(self, subject: Subject, series: frozenset[str]) -> tuple[str, ...]:
        before, now = self.stands.get(subject.id, ()), self._places_of(subject)
        if now == before:
            return ()
        self.stands[subject.id] = now
        for name in series:
            for place in set(now) - set(before):
                self._enter(place, name, subject.id)
            for place in set(before) - set(now):
                self.insiders[place][name].discard(subject.id)
                self.inside.pop(place, None)
                self.crossings[name] = self.crossings.get(name, 0) + 1
        return tuple(sorted(set(before) ^ set(now)))

    def _enter(self, place: str, series: str, name: str) -> None:
        self.insiders.setdefault(place, {}).setdefault(series, set()).add(name)
        self.crossings[series] = self.crossings.get(series, 0) + 1
        self.inside.pop(place, None)

    def _places_of(self, subject: Subject) -> tuple[str, ...]:
        zones = tuple(f"zone:{zone.zone}" for zone in self.standing_in(subject))
        return (*zones, f"area:{subject.area}") if subject.area else zones

    def _forget(self, subject: str) -> None:
        for key in [key for key in self.found if key[0] == subject]:
            del self.found[key]

    def others(self, subject: Subject, series: str, around: ir.Around) -> tuple[Subject, ...]:
        """The other subjects around this one that report the series, in order of their names."""
        found = self._others(subject, series, around)
        if self.touch is not None:
            for other in found:
                self.touch(other)
        return found

    def _others(self, subject: Subject, series: str, around: ir.Around) -> tuple[Subject, ...]:
        if around.which == "inside":
            return self._inside(subject.id, series, around)
        if around.which in ("same zone", "ahead"):
            return self._on_the_same_grounds(subject, series, around)
        key = (subject.id, series, around)
        found = self.found.get(key)
        if found is None:
            names = sorted(self._names(subject, series, around) - {subject.id})
            found = self.found[key] = tuple(self.subjects[name] for name in names)
        return found

    def _on_the_same_grounds(self, subject: Subject, series: str, around: ir.Around) -> tuple[Subject, ...]:
        key = (tuple([zone.zone for zone in self.standing_in(subject)]), series, around)
        crossed, found = self.grounds.get(key, (-1, ()))
        if crossed != self.crossings.get(series, 0):
            names = sorted(self._names(subject, series, around))
            found = tuple(self.subjects[name] for name in names)
            self.grounds[key] = (self.crossings.get(series, 0), found)
        return tuple(other for other in found if other is not subject) if subject in found else found

    def _inside(self, place: str, series: str, around: ir.Around) -> tuple[Subject, ...]:
        known = self.inside.setdefault(place, {})
        found = known.get((series, around))
        if found is None:
            everybody = [self.subjects[name] for name in sorted(self.insiders.get(place, {}).get(series, ()))]
            found = tuple(other for other in everybody if not around.words or other.kind in around.words)
            known[series, around] = found
        return tuple(other for other in found if other.id not in self.doubted) if self.doubted else found

    def _names(self, subject: Subject, series: str, around: ir.Around) -> set[str]:
        if around.which == "upstream":
            return {
                name for name, travel_min in self.above(subject).items()
                if reaches(around, subject, name, travel_min) and series in self.joined.get(name, ())
            }  # fmt: skip
        if around.which == "same area":
            return set().union(*_reporting(self.areas.get(subject.area), series))
        if around.which in ("same zone", "ahead"):
            zones = [
                zone.zone for zone in self.standing_in(subject)
                if not around.words or zone.zone in around.words or zone.kind in around.words
            ]  # fmt: skip
            if around.which == "ahead":
                zones += [name for zone in zones for name in self.ahead[zone]]
            return {name for zone in zones for name in self.insiders.get(f"zone:{zone}", {}).get(series, ())}
        here = subject.position
        if here is None:
            return set()
        cells = self.members
        reach_lat = around.metres / 111_000
        reach_lon = reach_lat / max(0.01, cos(radians(min(90.0, abs(here.lat) + reach_lat))))
        x, y = _cell(here)
        across, up = floor(reach_lon / CELL_DEG) + 1, floor(reach_lat / CELL_DEG) + 1
        names: set[str] = set()
        if (2 * across + 1) * (2 * up + 1) > len(cells):
            for reporters in cells.values():
                names.update(*_reporting(reporters, series))
        else:
            for i in range(x - across, x + across + 1):
                for j in range(y - up, y + up + 1):
                    names.update(*_reporting(cells.get((i % _CELLS_AROUND, j)), series))
        return {
            name for name in names
            if (there := self.subjects[name].position) is not None and distance_m(here, there) <= around.metres
        }  # fmt: skip

    def above(self, subject: Subject) -> Mapping[str, float]:
        """The gauges upstream, all the way up, the nearest first, each with the minutes that water takes from there: the
        sum of `travel_min` on the way, infinite where a gauge on it does not state its own. Rings do no harm."""
        if not subject.device.upstream:
            return _NOBODY_ABOVE
        found = self.rivers.get(subject.id)
        if found is None:
            found = self.rivers[subject.id] = {}
            travel = {subject.id: 0.0}
            waiting = [subject]
            for below in waiting:
                stated = below.device.attributes.get("travel_min")
                minutes = travel[below.id] + (stated if isinstance(stated, int | float) else inf)
                for name in below.device.upstream:
                    if name not in travel and len(found) < MAX_ABOVE:
                        travel[name] = found[name] = minutes
                        if name in self.subjects:
                            waiting.append(self.subjects[name])
        return found

    # ------------------------------------------------------------------------------------------ what rules ask

    def figure(self, subject: Subject, now: int, node: ir.Window) -> float | None:
        """A window's figure over the subjects around; None where there are too few."""
        if node.around.which == "passing":
            told = subject.passing.get((node.series, node.around.words))
            return told.figure(node.function, now, node.size_ns, node.at_least) if told is not None else None
        if node.around.which in (
            "same zone",
            "ahead",
        ):  # many on the same grounds ask, and places are measured once a minute
            return self.answers.figure(self.others(subject, node.series, node.around), now, node)
        key = WindowKey(node.series, node.size_ns, node.closed)
        others = self.others(subject, node.series, node.around)
        windows = [w for other in others if (w := other.windows.get(key) or other.window(key))]
        return pooled(node.function, windows, now, node.parameter, node.at_least)

    def high(self, subject: Subject, series: str, around: ir.Around) -> float:
        """No sample of the subjects around is above it, so no figure that lies between their samples is."""
        return max([store.high for store in self._stores(subject, series, around)], default=-inf)

    def low(self, subject: Subject, series: str, around: ir.Around) -> float:
        """No sample of the subjects around is below it."""
        return min([store.low for store in self._stores(subject, series, around)], default=inf)

    def width(self, subject: Subject, series: str, around: ir.Around) -> float:
        """The samples of none of the subjects around lie further apart."""
        return max([store.high - store.low for store in self._stores(subject, series, around)], default=-inf)

    def _stores(self, subject: Subject, series: str, around: ir.Around) -> list[Samples]:
        return [store for other in self._others(subject, series, around) if (store := other.samples.get(series))]

    def agree(
        self,
        subject: Subject,
        now: int,
        around: ir.Around,
        series: str,
        question: Question,
        together_m: float = 0.0,
    ) -> float:
        """How many subjects around, of those that report the series, meet what is asked; with `together_m`, how many of these are within
        that distance of one of them, at most."""
        others, meets = self.others(subject, series, around), question.meets
        if question.lasts:
            met = [other for other in others if self.answers.of(other, now, question)]
        else:
            met = [other for other in others if meets(other, now)]
        if not together_m:
            return float(len(met))
        spots = [other.position for other in met if other.position is not None]
        return float(max((sum(distance_m(a, b) <= together_m for b in spots) for a in spots), default=0))

    def share(
        self,
        subject: Subject,
        now: int,
        around: ir.Around,
        series: str,
        meets: Question,
        denies: Question,
        at_least: int,
    ) -> float | None:
        """How many in a hundred of the subjects around that can say meet the condition; None while too few can."""
        met = known = 0
        for other in self.others(subject, series, around):
            if self._answers(other, now, meets):
                met, known = met + 1, known + 1
            elif self._answers(other, now, denies):
                known += 1
        return 100.0 * met / known if known >= max(1, at_least) else None

    def _answers(self, other: Subject, now: int, question: Question) -> bool:
        return self.answers.of(other, now, question) if question.lasts else question.meets(other, now)

    def zones_of(self, position: Position | None) -> tuple[Zone, ...]:
        """The zones around a position, by name."""
        if position is None:
            return ()
        lon, lat = position.lon, position.lat
        found: list[Zone] = []
        for index in sorted((*self.plots.get(_plot(lon, lat), ()), *self.plots.get(None, ()))):
            west, south, east, north = self.boxes[index]
            if west <= lon <= east and south <= lat <= north and inside(self.zones[index], position):
                found.append(self.zones[index])
        return tuple(found)

    def in_zone(self, subject: Subject, name: str, margin_m: float = 0.0) -> bool | None:
        """Whether the subject is in a zone of that name or kind; None while its position is not known, and while it is
        outside but within the margin: so a fix that jitters at the fence neither enters again nor leaves."""
        position = subject.position
        if position is None:
            return None
        if any(name in (zone.zone, zone.kind) for zone in self.standing_in(subject)):
            return True
        if margin_m and self._at_the_edge(position, name, margin_m):
            return None
        return False

    def _at_the_edge(self, position: Position, name: str, margin_m: float) -> bool:
        up = margin_m / METRES_PER_DEG
        across = up / max(0.01, cos(radians(position.lat)))
        near = ((self.zones[index], self.boxes[index]) for index in self.called.get(name, ()))
        return any(
            west - across <= position.lon <= east + across and south - up <= position.lat <= north + up
            and edge_m(zone, position) <= margin_m
            for zone, (west, south, east, north) in near
        )  # fmt: skip

    def limit(self, subject: Subject, name: str) -> float | None:
        """The strictest (lowest) number called `name` among the limits of the zones the subject is in."""
        limits = [zone.limits.get(name) for zone in self.standing_in(subject)]
        numbers = [limit for limit in limits if isinstance(limit, int | float)]
        return min(numbers) if numbers else None

    def standing_in(self, subject: Subject) -> tuple[Zone, ...]:
        """The zones that a subject is in; of a zone itself, that zone."""
        if subject.zones is None:
            if subject.every:
                subject.zones = tuple(zone for zone in self.zones if f"zone:{zone.zone}" == subject.id)
            else:
                subject.zones = self.zones_of(subject.position)
        return subject.zones


def reaches(around: ir.Around, subject: Subject, above: str, travel_min: float) -> bool:
    """Whether `upstream` of the subject means a gauge above it, from which water takes so many minutes: those that the subject
    itself names always count."""
    return travel_min <= around.travel_min or above in subject.device.upstream


def _cell(position: Position) -> tuple[int, int]:
    return floor(position.lon / CELL_DEG) % _CELLS_AROUND, floor(position.lat / CELL_DEG)


def _plot(lon: float, lat: float) -> tuple[int, int]:
    return floor(lon / PLOT_DEG), floor(lat / PLOT_DEG)


def _plots(boxes: list[tuple[float, float, float, float]]) -> dict[tuple[int, int] | None, list[int]]:
    found: dict[tuple[int, int] | None, list[int]] = {}
    for index, (west, south, east, north) in enumerate(boxes):
        (x0, y0), (x1, y1) = _plot(west, south), _plot(east, north)
        if (x1 - x0 + 1) * (y1 - y0 + 1) > MAX_PLOTS:
            found.setdefault(None, []).append(index)
            continue
        for x in range(x0, x1 + 1):
            for y in range(y0, y1 + 1):
                found.setdefault((x, y), []).append(index)
    return found


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


def _enter(places: dict[_Place, Reporters], place: _Place, reports: frozenset[str], name: str) -> None:
    """The subject, which reports these series, is there."""
    places.setdefault(place, {}).setdefault(reports, set()).add(name)


def _leave(places: dict[_Place, Reporters], place: _Place | None, reports: frozenset[str], name: str) -> None:
    """It is there no more; what is empty then goes."""
    if place is None or (there := places.get(place)) is None or (names := there.get(reports)) is None:
        return
    names.discard(name)
    if not names:
        del there[reports]
        if not there:
            del places[place]


def _reporting(there: Reporters | None, series: str) -> list[set[str]]:
    """Of those in one place, who reports the series."""
    return [names for reports, names in there.items() if series in reports] if there else []
