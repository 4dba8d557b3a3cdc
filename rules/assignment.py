"""Which rules judge which subject: registry and rules in, the plan of every subject out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hub.model import Device, Position, Reading, Zone
from rules import qartod
from rules.book import RuleBook
from rules.judging import elapsing, quality
from rules.language.codegen import Compiled
from rules.language.rule import Rule
from rules.plan import NOTHING_KEPT, Orders, Plan
from rules.state.geometry import middle
from rules.state.maintenance import windows_of
from rules.state.neighbourhood import Neighbourhood, reaches
from rules.state.subject import AREA, GONE, NEVER, ZONE, Subject
from rules.state.watchers import Watchers
from rules.state.world import World

MAX_SUBJECTS = 200_000


def use_book(world: World, book: RuleBook) -> None:
    """Take up the rules of a book; every subject has yet to be assigned to them."""
    compiled = {rule.name: _compile(world, rule) for rule in book.rules}
    world.orders = Orders(book, compiled, qartod.neighbourly(book.qualities))
    world.suspects = {rule.name: set() for rule in world.orders.tracing}
    world.plans = {}


def _compile(world: World, rule: Rule) -> Compiled:
    """The rule's functions. One that cannot be compiled keeps only its silence."""
    if rule.compiled is None:
        rule.compiled = world.failures.alone(rule.name, "", world.clock.now, lambda: Compiled(rule), None)
    if rule.compiled is not None:
        compiled: Compiled = rule.compiled
        return compiled
    return Compiled(replace(rule, levels=(), lets={}, let_texts={}, memories=(), tracing=None, _own=rule.own_series()))


def use_registry(world: World, devices: Iterable[Device], zones: Iterable[Zone]) -> None:
    """Take up another registry: subjects it lists, places in it, who is near whom, and the rules of each."""
    world.registry = {device.device: device for device in devices}
    world.zones = tuple(zones)
    for name, subject in world.subjects.items():
        if name in world.registry:
            subject.adopt(world.registry[name])
        elif subject.device.kind and not subject.every:
            subject.kind = ""
            subject.adopt(Device(name))
    for name, device in world.registry.items():
        if name not in world.subjects:
            world.subjects[name] = Subject(device, world.hood)
    _renew_places(world)
    renew_hood(world)
    for subject in world.subjects.values():
        assign(world, subject)
        if world.clock.started != NEVER:
            elapsing.listen(world, subject)


def _renew_places(world: World) -> None:
    """Make a subject of every zone and area of the registry; those it no longer has are marked as gone."""
    known = {f"{ZONE}:{zone.zone}": (_zone(zone), ZONE) for zone in world.zones}
    for area in sorted({device.area for device in world.registry.values() if device.area}):
        known[f"{AREA}:{area}"] = (_area(area, world.registry.values()), AREA)
    for name, subject in world.subjects.items():
        if subject.every and name not in known:
            subject.every = GONE
    for name, (device, every) in known.items():
        subject = world.subjects.get(name) or world.subjects.setdefault(name, Subject(device, world.hood))
        subject.every = every
        subject.adopt(device)


def _zone(zone: Zone) -> Device:
    area = str(zone.limits.get("area", ""))
    return Device(f"{ZONE}:{zone.zone}", zone.name, zone.kind, middle(zone.rings), area=area, attributes=zone.limits)


def _area(area: str, devices: Iterable[Device]) -> Device:
    inside = [device.position for device in devices if device.area == area and device.position is not None]
    centre = None
    if inside:
        lon, lat = sum(p.lon for p in inside) / len(inside), sum(p.lat for p in inside) / len(inside)
        centre = Position(round(lon, 7), round(lat, 7))
    return Device(f"{AREA}:{area}", area, AREA, centre, area=area)


def renew_hood(world: World) -> None:
    """Build the neighbourhood anew from what the subjects have reported."""
    orders = world.orders
    world.hood = Neighbourhood(world.subjects, world.zones, orders.asked, orders.asks_inside, orders.summed)
    world.watchers = Watchers()
    for subject in world.subjects.values():
        subject.hood = world.hood
        subject.zones = None
        for series in orders.asked:
            if series in subject.last:
                world.hood.join(subject, series)
    _renew_downstream(world)


def _renew_downstream(world: World) -> None:
    """Know for each gauge whose rules below it its news may concern, so that a reading need not look for them."""
    world.downstream = {}
    for name in sorted(world.subjects):
        below = world.subjects[name]
        for above, travel_min in world.hood.above(below).items():
            rules = [
                (rule, frozenset(series for series, around in asked if reaches(around, below, above, travel_min)))
                for rule, asked in world.orders.asks_upstream.items()
            ]
            world.downstream.setdefault(above, {})[name] = tuple((rule, series) for rule, series in rules if series)


def admit(world: World, reading: Reading) -> Subject | None:
    """A device the registry does not list is a subject too, of the kind its adapter states."""
    if len(world.subjects) >= MAX_SUBJECTS:
        world.refused += 1
        return None
    subject = Subject(Device(reading.device), world.hood)
    subject.kind = reading.kind
    subject.guest = world.visits(subject.id)
    world.subjects[reading.device] = subject
    assign(world, subject)
    elapsing.listen(world, subject)
    return subject


def applicable(rule: Rule, subject: Subject) -> bool:
    """Whether any level of the rule can work with the attributes that this subject has."""
    if not rule.levels or rule.silent_ns is not None:
        return True
    have = subject.attributes.keys()
    return any(have >= needed for needed in rule.needs())


def _plan(orders: Orders, chosen: tuple[str, ...], derivations: tuple[int, ...], qualities: tuple[int, ...]) -> Plan:
    """The plan of these rules: written once for all engines of a book (partitions, a back-test's second run, a restored one), unless this
    one has a rule that could not be compiled."""
    book, key = orders.book, (chosen, derivations, qualities)
    shared = all(orders.compiled[name] is book.by_name[name].compiled for name in chosen)
    if shared and key in book.worked_out:
        known: Plan = book.worked_out[key]
        return known
    made = Plan(
        [orders.compiled[name] for name in chosen],
        [book.derivations[i] for i in derivations],
        orders.asked,
        [book.qualities[i] for i in qualities],
    )
    if shared:
        book.worked_out[key] = made
    return made


def assign(world: World, subject: Subject) -> None:
    """Find the subject's rules: selected by its kind, area, zones and attributes, and usable with its attributes."""
    orders, book, hood = world.orders, world.orders.book, world.hood
    stands_in = hood.standing_in(subject) if subject.every else hood.zones_of(subject.device.position)
    zones = frozenset(word for zone in stands_in for word in (zone.zone, zone.kind))
    chosen = tuple(
        rule.name for rule in orders.of_kind(subject.kind)
        if rule.select.takes(subject.device, subject.kind, zones, subject.every) and applicable(rule, subject)
    )  # fmt: skip
    derivations = tuple(
        i for i, spec in enumerate(book.derivations)
        if spec.select.takes(subject.device, subject.kind, zones, subject.every)
    )  # fmt: skip
    qualities = tuple(
        i for i, entry in enumerate(book.qualities)
        if entry.select.takes(subject.device, subject.kind, zones, subject.every)
    )  # fmt: skip
    key = (chosen, derivations, qualities)
    if key not in world.plans:
        world.plans[key] = _plan(orders, *key) if any(key) or orders.asked else None
    for rule in orders.tracing:
        taken = (
            rule.tracing is not None
            and subject.every in ("", ZONE)
            and rule.tracing.candidates.takes(subject.device, subject.kind, zones)
        )
        (world.suspects[rule.name].add if taken else world.suspects[rule.name].discard)(subject.id)
    plan = subject.plan = world.plans[key]
    if subject.passing:
        subject.passing = {
            key: told for key, told in subject.passing.items() if plan is not None and key in plan.passing
        }
    for name, samples in subject.samples.items():
        samples.size, samples.least = plan.spans.get(name, NOTHING_KEPT) if plan is not None else NOTHING_KEPT
    if world.maintenance:
        subject.maintenance = windows_of(world.maintenance.values(), subject)
    world.watchers.follow(subject, orders.compiled)
    if subject.gaps:
        quality.arm(world, subject)
    subject.busy = 0
    if plan is not None:
        for name, standing in subject.standing.items():
            if name in plan.positions and not standing.idle():
                subject.busy |= 1 << plan.positions[name]
