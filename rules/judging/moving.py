"""How the subject of a warning moves, so that cameras can be handed over ahead of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from math import atan2, cos, degrees, hypot, radians, sin

from hub.model import Motion, Value
from hub.pairs import PAIR
from hub.pairs import members as members_of
from rules.state.geometry import distance_m
from rules.state.subject import Subject
from rules.state.world import World

SCALES = (("sog", "cog", 1852 / 3600), ("speed", "course", 1 / 3.6))
"""Vessels say knots over ground, vehicles km/h."""
STILL_MS = 0.5
"""Slower is standing: a course then is what the receiver's noise makes of it."""
AGE_MAX_NS = 180_000_000_000
"""An older fix says nothing of now."""

NEAR_M = 2 * 6 * 1852.0
"""Vessels of a pair that are further apart have no common way; nor need one be known where the other is at home (`rules.routing`)."""


def motion(values: Mapping[str, Value]) -> Motion | None:
    """Course and speed as a reading states them; None where it does not, or for what stands."""
    for speed, course, scale in SCALES:
        how_fast = values.get(speed)
        if how_fast is not None:
            towards = values.get(course)
            if (
                not isinstance(how_fast, int | float)
                or not isinstance(towards, int | float)
                or how_fast * scale < STILL_MS
            ):
                return None
            return Motion(float(towards) % 360, round(how_fast * scale, 3))
    return None


def now(world: World, subject: Subject, at: int) -> Motion | None:
    """How a subject moves at that moment; the middle of a pair moves with the mean of both, while they are near each other."""
    if subject.kind != PAIR:
        return subject.motion if abs(at - subject.position_t) <= AGE_MAX_NS else None
    members = [one for name in members_of(subject.id) if (one := world.subjects.get(name)) is not None]
    places = [one.position for one in members if one.kind != PAIR and one.position is not None]
    if len(places) != 2 or distance_m(*places) > NEAR_M:
        return None
    moves = [now(world, one, at) for one in members]
    north = sum(one.speed_ms * cos(radians(one.course_deg)) for one in moves if one) / 2
    east = sum(one.speed_ms * sin(radians(one.course_deg)) for one in moves if one) / 2
    speed = hypot(north, east)
    return None if speed < STILL_MS else Motion(round(degrees(atan2(east, north)), 2) % 360, round(speed, 3))
