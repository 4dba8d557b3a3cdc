"""Pairs of vessels as subjects of their own, `a+b` (sorted): made while two may come close, forgotten when they may not.

Each fix of a vessel is set against the vessels around it, moved to the same moment; what comes of it (`cpa`, `tcpa`, and `clearance`
where a hull is known) is a reading of the pair, which rules for `kind: vessel-pair` see like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import nsmallest
from math import cos, radians

from hub.model import Position, Reading, Value
from hub.pairs import PAIR, pair_named
from rules.figures.vessels import METRES_PER_NM, Fix, Hull, ahead, approach, clearance_m
from rules.language.ir import Around
from rules.plan import PAIR_MEMBERS, PAIR_SERIES
from rules.state.outcome import Outcome
from rules.state.subject import Subject
from rules.state.world import World

REACH = Around("within", 6 * 1852.0)
"""How far off a partner may be: at 30 kn against each other, six nautical miles are twelve minutes."""
MAX_PARTNERS = 50
"""Partners of one fix, the nearest first: a limit for crowded roads."""
MAX_AGE_NS = 180_000_000_000
"""A fix older than three minutes (a vessel at anchor reports so often) says nothing of now."""
CPA_M, TCPA_MIN = 926.0, 15.0
"""Beyond these a pair is none: no rule would warn."""
UNDER_WAY_KN = 1.0


def meet(
    world: World, subject: Subject, at: int, received: int, outcome: Outcome, take: Callable[[Reading, Outcome], object]
) -> None:
    """Set a vessel's new fix against those around it."""
    own = _fix(subject, at)
    if own is None:
        return
    for other in _nearest(own, world.hood.others(subject, PAIR_SERIES, REACH)):
        fix = _fix(other, at) if other.kind == PAIR_MEMBERS else None
        if fix is None or (own.sog_kn < UNDER_WAY_KN and fix.sog_kn < UNDER_WAY_KN):
            continue
        closest = approach(own, fix)
        near = closest.cpa_nm * METRES_PER_NM < CPA_M and 0 <= closest.tcpa_min <= TCPA_MIN
        pair = pair_named(subject.id, other.id)
        made = world.subjects.get(pair)
        if not near and made is None:
            continue
        if made is not None and made.kind != PAIR:
            continue  # a device is called so: it is never taken for the pair, nor forgotten as one
        told: dict[str, Value] = {
            "cpa": round(closest.cpa_nm * METRES_PER_NM, 1),
            "tcpa": round(closest.tcpa_min, 3),
        }
        hulls = _hull(subject, own, at), _hull(other, fix, at)
        if any(hulls):
            told["clearance"] = round(clearance_m(own, fix, *hulls), 1)
        reading = Reading(
            pair,
            at,
            told,
            Position(
                round((own.position.lon + fix.position.lon) / 2, 7), round((own.position.lat + fix.position.lat) / 2, 7)
            ),
            received_at=received,
            adapter="rules",
            kind=PAIR,
        )
        outcome.derived.append(reading)
        take(reading, outcome)
        made = world.subjects.get(pair)
        if not near and made is not None and not any(s.busy() for s in made.standing.values()) and not made.silent:
            world.touch(made)
            del world.subjects[pair]


def _nearest(own: Fix, others: tuple[Subject, ...]) -> tuple[Subject, ...] | list[Subject]:
    """The partners to look at, by name; in a crowd the nearest."""
    if len(others) <= MAX_PARTNERS:
        return others
    narrow = cos(radians(own.position.lat))

    def distance(other: Subject) -> tuple[float, str]:
        there = other.position or own.position
        across = ((there.lon - own.position.lon + 180) % 360 - 180) * narrow
        return across**2 + (there.lat - own.position.lat) ** 2, other.id

    return sorted(nsmallest(MAX_PARTNERS, others, key=distance), key=lambda other: other.id)


def _fix(subject: Subject, at: int) -> Fix | None:
    """Where the vessel is at that moment, on a straight course from its newest fix; None where that is not known well."""
    position, sog, cog = subject.position, subject.last.get("sog"), subject.last.get("cog")
    if position is None or not isinstance(sog, int | float) or not isinstance(cog, int | float):
        return None
    age = at - subject.position_t
    if abs(age) > MAX_AGE_NS or abs(at - subject.last_t["cog"]) > MAX_AGE_NS:
        return None
    return ahead(Fix(subject.id, position, float(sog), float(cog)), age / 1e9)


def _hull(subject: Subject, fix: Fix, at: int) -> Hull | None:
    """How far the vessel reaches from its antenna; None where its size or where its bow points is not known."""
    length, beam = _metres(subject, "length"), _metres(subject, "beam")
    heading = _heading(subject, fix, at)
    if length is None or beam is None or heading is None:
        return None
    to_bow, to_port = _metres(subject, "to_bow"), _metres(subject, "to_port")
    if to_bow is None or to_port is None or to_bow > length or to_port > beam:
        to_bow, to_port = length / 2, beam / 2  # where the antenna stands is not known
    return Hull(to_bow, length - to_bow, to_port, beam - to_port, heading)


def _heading(subject: Subject, fix: Fix, at: int) -> float | None:
    """Where the bow points: the vessel's compass, else its course while it makes way."""
    heading = subject.last.get("heading")
    if isinstance(heading, int | float) and abs(at - subject.last_t["heading"]) <= MAX_AGE_NS:
        return float(heading)
    return fix.cog_deg if fix.sog_kn >= UNDER_WAY_KN else None


def _metres(subject: Subject, metric: str) -> float | None:
    value = subject.last.get(metric)
    return float(value) if isinstance(value, int | float) else None
