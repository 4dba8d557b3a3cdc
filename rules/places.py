"""Places as subjects: a rule `for_each: {every: zone}` or `{every: area}` is judged over the devices inside.

A place is judged when a device in it reports something that its rules ask for, or enters or leaves it: at the newest
observed time that any of them has told. While nothing is going on, a rule that only counts devices is looked at for those
alone that meet what it counts. Its position is the middle of the zone, or of the area's registered devices.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hub.model import Device, Position, Zone
from rules import life, quality
from rules.language import ir
from rules.language.codegen import Compiled
from rules.language.rule import Rule
from rules.maintenance import at_work
from rules.subject import Subject

if TYPE_CHECKING:
    from rules.engine import Engine, Outcome

ZONE, AREA = "zone", "area"
GONE = "gone"
"""What `Subject.every` says of a place that the registry no longer has: no rule takes it."""


def asks_who_is_inside(nodes: Iterable[ir.Node]) -> bool:
    """Whether any of these nodes needs to know who is inside a place."""
    return any(isinstance(n, ir.Window | ir.Agree) and n.around.which in ("inside", "same zone") for n in nodes)


# ---------------------------------------------------------------------------------------------- the registry


def renew(engine: Engine) -> None:
    """Make a subject of every zone and area of the registry; those it no longer has are marked as gone."""
    known = {f"{ZONE}:{zone.zone}": (_zone(zone), ZONE) for zone in engine.zones}
    for area in sorted({device.area for device in engine.registry.values() if device.area}):
        known[f"{AREA}:{area}"] = (_area(area, engine.registry.values()), AREA)
    for name, subject in engine.subjects.items():
        if subject.every and name not in known:
            subject.every = GONE
    for name, (device, every) in known.items():
        subject = engine.subjects.get(name) or engine.subjects.setdefault(name, Subject(device, engine.hood))
        subject.every = every
        subject.adopt(device)


def _zone(zone: Zone) -> Device:
    area = str(zone.limits.get("area", ""))
    return Device(f"{ZONE}:{zone.zone}", zone.name, zone.kind, middle(zone.rings), area=area, attributes=zone.limits)


def _area(area: str, devices: Iterable[Device]) -> Device:
    inside = [device.position for device in devices if device.area == area and device.position is not None]
    middle = None
    if inside:
        lon, lat = sum(p.lon for p in inside) / len(inside), sum(p.lat for p in inside) / len(inside)
        middle = Position(round(lon, 7), round(lat, 7))
    return Device(f"{AREA}:{area}", area, AREA, middle, area=area)


def middle(rings: Iterable[Iterable[tuple[float, float]]]) -> Position | None:
    """The centroid of a polygon, holes (rings after the first) taken away; of its corners where it has no surface."""
    surface = east = north = 0.0
    corners: list[tuple[float, float]] = []
    for number, ring in enumerate(rings):
        points = list(ring)
        corners += points
        if not points:
            continue
        x0, y0 = points[0]
        a = x = y = 0.0
        for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]], strict=True):
            cross = (ax - x0) * (by - y0) - (bx - x0) * (ay - y0)
            a += cross / 2
            x += (ax + bx - 2 * x0) * cross / 6
            y += (ay + by - 2 * y0) * cross / 6
        sign = (1 if number == 0 else -1) * (1 if a >= 0 else -1)
        surface += sign * a
        east += sign * (x + a * x0)
        north += sign * (y + a * y0)
    if not corners:
        return None
    if surface <= 0:
        return Position(
            round(sum(c[0] for c in corners) / len(corners), 7), round(sum(c[1] for c in corners) / len(corners), 7)
        )
    return Position(round(east / surface, 7), round(north / surface, 7))


# ---------------------------------------------------------------------------------------------- news from inside


def wake(
    engine: Engine, subject: Subject, series: Iterable[str], at: int, outcome: Outcome, crossed: tuple[str, ...] = ()
) -> None:
    """A device inside has told these series at observed time `at`, or has `crossed` the edges of these places."""
    for name in crossed or engine.hood.stands.get(subject.id, ()):
        place = engine.subjects.get(name)
        plan = place.plan if place is not None else None
        if place is None or plan is None or not plan.rules:
            continue
        if place.maintenance is not None and at_work(place, at):
            continue
        fresh = at >= place.newest
        now = place.newest = max(at, place.newest)
        for position, compiled in enumerate(plan.rules):
            rule = compiled.rule
            if engine.over[rule.name].isdisjoint(series) or not _counts(rule, subject):
                continue
            if rule.silent_ns is not None and not crossed:
                _hear(engine, place, rule, outcome)
            bit = 1 << position
            if place.busy & bit or _decides(engine, place, compiled, subject, now):
                life.attend(engine, place, compiled, bit, now, False, fresh, outcome)


def _decides(engine: Engine, place: Subject, compiled: Compiled, subject: Subject, now: int) -> bool:
    """Whether the device could make a level of the place's rule true that is not."""
    decides = compiled.decides
    return decides is None or engine.failures.alone(
        compiled.rule.name, place.id, engine.clock, lambda: decides(subject, now), True
    )


def _counts(rule: Rule, subject: Subject) -> bool:
    return not rule.select.of or subject.kind in rule.select.of


def _hear(engine: Engine, place: Subject, rule: Rule, outcome: Outcome) -> None:
    """Somebody inside reports: the silence of a place is counted from the first time anybody did."""
    listening = engine.clock - engine.deaf
    if rule.name not in place.heard:
        engine.schedule(listening + (rule.silent_ns or 0), place, rule.name)
    place.heard[rule.name] = listening
    if rule.name in place.silent:
        life.end_silence(engine, place, rule.name, outcome)


# ---------------------------------------------------------------------------------------------- doubt


def doubted(engine: Engine, place: Subject, rule: Rule, at: int) -> dict[str, str]:
    """The devices inside whose newest value jumped alone, and what speaks against each."""
    around = ir.Around("inside", words=rule.select.of)
    found: dict[str, str] = {}
    for series in sorted(engine.over[rule.name]):
        for device in engine.hood.others(place, series, around):
            if series in device.jumps and device.id not in found:
                why = quality.withheld(engine.hood, device, frozenset((series,)), at, rule.hold_ns)
                if why:
                    found[device.id] = f"{device.name}: {why}"
    return found
