"""Trips and stops of a vehicle out of its fixes, as pure functions.

When a vehicle begins and ends to move follows what Traccar publishes of its detection (https://www.traccar.org/documentation-trips-stops/), with its
defaults: it has set out when it moved without a break for 300 s or for 500 m, it has stopped when it stood without a break for 300 s (or, where ignition
counts, when the ignition is off), and an hour without a fix is a stop. A fluctuation begins the count anew. A trip begins with its first fix in motion, and
ends with its first fix at rest.

Two things are ours. Standing is below 3 km/h, as a receiver at rest tells speeds of its own (`rules.figures.driving` has the same figure); Traccar's 0.02 km/h
leaves that to a filter before it. And what never came further than `extent_m` from where it began was no trip, whatever speeds were told: that is jitter.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from hub.geo import distance_m

STANDS_KMH = 3.0
KMH = 3.6
JUMP_KMH = 300.0
"""No road vehicle gets from one fix to the next that fast: the fix between is wrong. House default."""
TRACCAR_STANDS_KMH = 0.01 * 1.852
"""`event.motion.speedThreshold`, 0.01 kn."""


class Fix(NamedTuple):
    """Where a vehicle was at a moment (s since 1970, UTC), and what it told."""

    at: float
    lon: float
    lat: float
    speed_kmh: float | None = None
    """None: it follows from the places."""
    ignition: bool | None = None
    odometer_km: float | None = None
    fuel_l: float | None = None


class Settings(NamedTuple):
    """Seconds, metres, km/h. The defaults are Traccar's but for the two that the module names."""

    trip_s: float = 300.0
    trip_m: float = 500.0
    parking_s: float = 300.0
    gap_s: float = 3600.0
    use_ignition: bool = False
    stands_kmh: float = STANDS_KMH
    extent_m: float = 100.0


DEFAULTS = Settings()


class Trip(NamedTuple):
    """From setting out to standing. `open`: it had not ended with the last fix."""

    start: Fix
    end: Fix
    distance_m: float
    by_odometer: bool
    """Whether the distance is the vehicle's own count; else it is the sum of the ways from fix to fix."""
    moving_s: float
    idling_s: float
    """Standing on the way, with the ignition on or not told."""
    fastest_kmh: float
    fuel_l: float | None
    """Used; None where not told, or filled up on the way."""
    open: bool
    fixes: int

    @property
    def seconds(self) -> float:
        return self.end.at - self.start.at


class Stop(NamedTuple):
    """Between two trips. `gap`: nothing was heard of the vehicle for so long that it counts as standing."""

    start: Fix
    end: Fix
    idling_s: float
    """With the ignition on."""
    gap: bool

    @property
    def seconds(self) -> float:
        return self.end.at - self.start.at


def trips(fixes: Iterable[Fix], settings: Settings = DEFAULTS) -> tuple[list[Trip], list[Stop]]:
    """Trips and stops of one vehicle, in the order of time. Fixes may come in any order; of one moment the first counts."""
    track = settled(fixes)
    spans, found = _spans(track, settings), []
    for first, last, ended in spans:
        trip = _trip(track[first : last + 1], settings, not ended)
        if _extent_m(track[first : last + 1]) >= settings.extent_m:
            found.append((first, last, trip))
    return [trip for _, _, trip in found], list(_stops(track, [(first, last) for first, last, _ in found], settings))


def settled(fixes: Iterable[Fix]) -> list[Fix]:
    """In the order of time, each moment once, without fixes that lie where nobody can have been."""
    kept: list[Fix] = []
    ordered = sorted(fixes, key=lambda fix: fix.at)
    for number, fix in enumerate(ordered):
        if kept and fix.at <= kept[-1].at:
            continue
        if kept and _kmh(kept[-1], fix) > JUMP_KMH:
            after = next((other for other in ordered[number + 1 :] if other.at > fix.at), None)
            if after is None or _kmh(fix, after) > JUMP_KMH or _kmh(kept[-1], after) <= JUMP_KMH:
                continue  # alone there: the next one is back, or nowhere near it either
        kept.append(fix)
    return kept


def _spans(track: Sequence[Fix], settings: Settings) -> Iterator[tuple[int, int, bool]]:
    """First and last fix of each stretch between setting out and standing, and whether it has ended."""
    moving, began, since, way = False, 0, -1, 0.0
    for number, fix in enumerate(track):
        before = track[number - 1] if number else fix
        if fix.at - before.at > settings.gap_s:
            if moving:
                yield began, number - 1, True
            moving, since = False, -1
        if in_motion(before, fix, settings) is moving:
            since = -1  # a fluctuation: the count begins anew
            continue
        if since < 0:
            since, way = number, 0.0
        else:
            way += _way_m(before, fix)
        elapsed = fix.at - track[since].at
        if not moving and (elapsed >= settings.trip_s or way >= settings.trip_m):
            moving, began, since = True, since, -1
        elif moving and (elapsed >= settings.parking_s or (settings.use_ignition and fix.ignition is False)):
            yield began, since, True
            moving, since = False, -1
    if moving:
        yield began, since if since >= 0 else len(track) - 1, False


def in_motion(before: Fix, fix: Fix, settings: Settings) -> bool:
    """Whether the vehicle moves at a fix: by the speed it tells, else by the way since the fix before. With the ignition off it stands, where that counts."""
    if settings.use_ignition and fix.ignition is False:
        return False
    speed = fix.speed_kmh if fix.speed_kmh is not None else _kmh(before, fix)
    return speed > settings.stands_kmh


def _trip(track: Sequence[Fix], settings: Settings, is_open: bool) -> Trip:
    path = moving_s = idling_s = 0.0
    for before, fix in itertools.pairwise(track):
        path += _way_m(before, fix)
        if in_motion(before, before, settings) or in_motion(before, fix, settings):
            moving_s += fix.at - before.at
        elif before.ignition is not False:
            idling_s += fix.at - before.at
    counted = [fix.odometer_km for fix in track if fix.odometer_km is not None]
    by_odometer = len(counted) > 1 and all(a <= b for a, b in itertools.pairwise(counted)) and counted[-1] > counted[0]  # fmt: skip
    fuel = [fix.fuel_l for fix in track if fix.fuel_l is not None]
    return Trip(
        start=track[0],
        end=track[-1],
        distance_m=(counted[-1] - counted[0]) * 1000 if by_odometer else path,
        by_odometer=by_odometer,
        moving_s=moving_s,
        idling_s=idling_s,
        fastest_kmh=max((fix.speed_kmh for fix in track if fix.speed_kmh is not None), default=_fastest(track)),
        fuel_l=fuel[0] - fuel[-1] if len(fuel) > 1 and fuel[0] >= fuel[-1] else None,
        open=is_open,
        fixes=len(track),
    )


def _stops(track: Sequence[Fix], driven: Sequence[tuple[int, int]], settings: Settings) -> Iterator[Stop]:
    """What lies before, between and after the trips."""
    ends = [0, *(last for _, last in driven)]
    starts = [*(first for first, _ in driven), len(track) - 1]
    for first, last in zip(ends, starts, strict=True):
        if not track or last <= first:
            continue
        part = track[first : last + 1]
        pairs = list(itertools.pairwise(part))
        yield Stop(
            part[0],
            part[-1],
            sum(
                fix.at - before.at for before, fix in pairs if before.ignition and fix.at - before.at <= settings.gap_s
            ),
            any(fix.at - before.at > settings.gap_s for before, fix in pairs),
        )


def _extent_m(track: Sequence[Fix]) -> float:
    """How far it came from where it began."""
    return max((_way_m(track[0], fix) for fix in track), default=0.0)


def _fastest(track: Sequence[Fix]) -> float:
    return max((_kmh(before, fix) for before, fix in itertools.pairwise(track)), default=0.0)


def _kmh(before: Fix, fix: Fix) -> float:
    seconds = fix.at - before.at
    return _way_m(before, fix) / seconds * KMH if seconds > 0 else 0.0


def _way_m(before: Fix, fix: Fix) -> float:
    return distance_m(before.lon, before.lat, fix.lon, fix.lat)
