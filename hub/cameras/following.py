"""Who sees a moving target when: its predicted way, the hand-over list, and when each PTZ must begin to turn. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from hub.cameras.aiming import pose_at, turn_s
from hub.cameras.ranking import Cameras, Sight
from hub.geo import destination, distance_m
from hub.model import Motion, Position, Watch

HORIZON_S = 300.0
"""Beyond five minutes a straight line predicts nothing in a city."""
STEP_S = 2.0
STAY = 1.3
"""A watching camera keeps its target until another scores so many times better: pictures that jump help nobody."""
STEPS_MAX = 3_000
SPACING_M = 25.0
"""`ahead` looks so often along the way: no camera's picture of use is narrower."""
POINTS_MAX = 60
"""So many looks at most: each costs the hub a question, and with buildings a line of sight for every camera there."""


class Moment(NamedTuple):
    """Where the target will be, so many seconds from now."""

    after_s: float
    lon: float
    lat: float


def straight(
    position: Position, course_deg: float, speed_ms: float, horizon_s: float = HORIZON_S, step_s: float = STEP_S
) -> list[Moment]:
    """On along its course at its speed."""
    steps = min(STEPS_MAX, int(horizon_s / step_s))
    return [
        Moment(step * step_s, *destination(position.lon, position.lat, course_deg, speed_ms * step * step_s))
        for step in range(steps + 1)
    ]


def ahead(position: Position, motion: Motion) -> list[Moment]:
    """The way of what moves now, as far as it is worth predicting."""
    step = max(STEP_S, SPACING_M / max(motion.speed_ms, 0.1))
    return straight(position, motion.course_deg, motion.speed_ms, min(HORIZON_S, POINTS_MAX * step), step)


def along(
    road: Sequence[tuple[float, float]], speed_ms: float, horizon_s: float = HORIZON_S, step_s: float = STEP_S
) -> list[Moment]:
    """Along a road (lon/lat points) from its beginning at a steady speed, to its end or the horizon."""
    if not road or speed_ms <= 0:
        return [Moment(0.0, *road[0])] if road else []
    moments = [Moment(0.0, *road[0])]
    after, due = 0.0, step_s
    for (lon1, lat1), (lon2, lat2) in pairwise(road):
        took = distance_m(lon1, lat1, lon2, lat2) / speed_ms
        while took > 0 and due <= after + took and due <= horizon_s and len(moments) <= STEPS_MAX:
            share = (due - after) / took
            moments.append(Moment(due, lon1 + (lon2 - lon1) * share, lat1 + (lat2 - lat1) * share))
            due += step_s
        after += took
    return moments


def follow(cameras: Cameras, way: Iterable[Moment], need: str = "") -> list[Watch]:
    """The hand-over list: stretch by stretch the camera that should have the target, gaps included."""
    watches: list[Watch] = []
    stretch: list[tuple[Moment, Sight]] = []
    blind_since: float | None = None
    last = 0.0
    for moment in way:
        last = moment.after_s
        sight = _choice(cameras.sights(moment.lon, moment.lat, need), stretch[-1][1] if stretch else None)
        if stretch and (sight is None or sight.camera != stretch[-1][1].camera):
            watches.append(_watch(cameras, stretch, moment.after_s))
            stretch = []
        if sight is None:
            blind_since = moment.after_s if blind_since is None else blind_since
            continue
        if blind_since is not None:
            watches.append(Watch("", blind_since, moment.after_s))
            blind_since = None
        stretch.append((moment, sight))
    if stretch:
        watches.append(_watch(cameras, stretch, last))
    elif blind_since is not None and watches:
        watches.append(Watch("", blind_since, last))
    return watches


def _choice(sights: list[Sight], watching: Sight | None) -> Sight | None:
    """The best camera, or the one that has it already while it is nearly as good."""
    if not sights:
        return None
    kept = next((sight for sight in sights if watching and sight.camera == watching.camera), None)
    return kept if kept and sights[0].score < STAY * kept.score else sights[0]


def _watch(cameras: Cameras, stretch: list[tuple[Moment, Sight]], until_s: float) -> Watch:
    (begins, first), camera = stretch[0], cameras.cameras[stretch[0][1].camera]
    pose = turn_by = None
    if camera.ptz:
        pose = pose_at(camera, first.away_m, first.towards_deg)
        turn_by = max(0.0, round(begins.after_s - turn_s(camera, None, first.towards_deg), 1))
    best = max(sight.score for _, sight in stretch)
    view = cameras.view(first)
    return Watch(
        camera.camera,
        begins.after_s,
        until_s,
        camera.name,
        round(best, 3),
        pose,
        turn_by,
        view.reason,
        Position(round(begins.lon, 7), round(begins.lat, 7)),
        camera.stream_url,
        camera.gb28181_id,
        view.reason_zh,
    )
