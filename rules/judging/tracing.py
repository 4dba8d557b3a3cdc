"""Where pollution that a rule warns of may come from (`attribute:`): candidates upwind of the sensors that rise.

Looked at when an alert is raised or escalated, from what the engine knows at that moment: the wind of the nearest station
that tells both speed and direction, the sensors around that rise too, where candidates stand. It names candidates, not
culprits, and nobody in calm or shifting wind (`rules.figures.attribution`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hub.bilingual import Text, duration_zh
from hub.moment import to_text
from rules.figures import attribution
from rules.figures.attribution import Attribution, Candidate, Source, Wind
from rules.language.ir import Around, WindowKey
from rules.language.rule import Rule, Tracing
from rules.language.types import seconds_text
from rules.plan import DIRECTION, RISE_NS, SPEED
from rules.state.geometry import distance_m
from rules.state.subject import NEVER, Subject
from rules.state.world import World

RISES_TOO = 0.25
"""A sensor rises too where it stands above the lowest value of its last hour by this share of the largest such rise."""
MAX_SENSORS = 10
MAX_FIX_AGE_NS = 900_000_000_000
"""A moving candidate heard of longer ago than a quarter of an hour may be anywhere."""
SAID = 2
"""Candidates named in the reason; evidence names as many as the rule picks. All house defaults."""


class Traced(NamedTuple):
    """What to add to a change: words for its reason, an item for its evidence."""

    said: Text
    evidence: dict[str, Any]


class Air(NamedTuple):
    """The wind that counts, and who told it."""

    station: Subject
    winds: list[Wind]
    away_m: float


def trace(world: World, subject: Subject, rule: Rule, at: int) -> Traced | None:
    """Who may have emitted what the rule warns of at `at`; None where the rule does not ask."""
    spec = rule.tracing
    if spec is None:
        return None
    item: dict[str, Any] = {"metric": spec.metric}
    sensors = _rising(world, subject, rule, spec, at)
    air = _wind(world, subject, spec, at)
    if not sensors or subject.position is None:
        found = Attribution((), Text("nobody knows where the sensor is", "监测点位置未知"))
    elif air is None:
        reach, over = f"{spec.wind_within_m / 1000:g} km", spec.wind_over_ns
        said = f"no station within {reach} has told the wind of the last {seconds_text(over)}"
        found = Attribution((), Text(said, f"{reach}内无站点上报最近{duration_zh(over)}的风况"))
    else:
        sources = _suspects(world, rule, sensors, at)
        found = attribution.combine(
            [
                attribution.attribute(sensor.position, air.winds, _as_seen(world, sensor, sources), attribution.MANY)
                for sensor in sensors
                if sensor.position is not None
            ],
            spec.pick,
        )
        item["wind"] = _air(air)
        item["sensors"] = [sensor.id for sensor in sensors]
    if found.withheld:
        why = {"withheld": found.withheld.en, "withheld_zh": found.withheld.zh}
        return Traced(Text("; no source is named: ", "；未指出来源：") + found.withheld, {"attribution": item | why})
    item["candidates"] = [_candidate(world, candidate) for candidate in found.candidates]
    best = item["candidates"][:SAID]
    named = [f"{c['name']} (score {c['score']:.2f}, {_far(c['distance_m'])})" for c in best]
    named_zh = [f"{c['name']}（得分{c['score']:.2f}，{_far(c['distance_m'])}）" for c in best]
    upwind = Text(f"; upwind: {', '.join(named)}", f"；上风向：{'、'.join(named_zh)}")
    return Traced(upwind, {"attribution": item})


def _rising(world: World, subject: Subject, rule: Rule, spec: Tracing, at: int) -> list[Subject]:
    """The subject and those around (of a place: those inside) that rise with it, strongest first after the subject."""
    key = WindowKey(spec.metric, RISE_NS, True)
    inside = Around("inside", words=rule.select.of)
    around = inside if subject.every else Around("within", spec.within_m)
    rises = [
        (figure, other)
        for other in world.hood.others(subject, spec.metric, around)
        if (window := other.window(key)) and window.times and abs(at - window.times[-1]) <= RISE_NS
        if (figure := window.figure("rise", max(at, window.times[-1]), 0.0, 1)) is not None and figure > 0
    ]
    own = subject.window(key)
    most = own.figure("rise", max(at, own.times[-1]), 0.0, 1) if own is not None and own.times else None
    least = RISES_TOO * max([most or 0.0, *(figure for figure, _ in rises)])
    ranked = sorted(rises, key=lambda pair: (-pair[0], pair[1].id))
    others = [other for figure, other in ranked if figure >= least and other.position is not None]
    return [*([] if subject.every else [subject]), *others][:MAX_SENSORS]


def _wind(world: World, subject: Subject, spec: Tracing, at: int) -> Air | None:
    """The nearest station that has told speed and direction together within the time asked for."""
    here = subject.position
    if here is None:
        return None
    stations = [subject, *world.hood.others(subject, SPEED, Around("within", spec.wind_within_m))]
    near = sorted(
        (distance_m(here, other.position), other.id, other)
        for other in stations
        if other.position is not None and other.kind in spec.wind_kinds
    )
    for away, _, station in near:
        winds = _told(station, spec.wind_over_ns, at)
        if winds:
            return Air(station, winds, away)
    return None


def _told(station: Subject, over_ns: int, at: int) -> list[Wind]:
    speed = station.window(WindowKey(SPEED, over_ns, False))
    direction = station.window(WindowKey(DIRECTION, over_ns, False))
    if speed is None or direction is None:
        return []
    from_deg = dict(zip(direction.times, direction.values, strict=True))
    return [
        Wind(mps, from_deg[time])
        for time, mps in zip(speed.times, speed.values, strict=True)
        if time in from_deg and at - over_ns < time <= at + over_ns
    ]


def _suspects(world: World, rule: Rule, sensors: list[Subject], at: int) -> list[Source]:
    """Candidates near enough to any of the sensors, whose place is known now."""
    assert rule.tracing is not None
    taken = {sensor.id for sensor in sensors}
    found: list[Source] = []
    for name in sorted(world.suspects.get(rule.name, ())):
        suspect = world.subjects.get(name)
        if suspect is None or suspect.position is None or name in taken:
            continue
        if suspect.position_t != NEVER and abs(at - suspect.position_t) > MAX_FIX_AGE_NS:
            continue
        there = suspect.position
        if any(s.position is not None and distance_m(s.position, there) <= rule.tracing.within_m for s in sensors):
            found.append(Source(name, there))
    return found


def _as_seen(world: World, sensor: Subject, sources: list[Source]) -> list[Source]:
    """A works in which the sensor stands is as near as can be, wherever its middle lies."""
    around = {f"zone:{zone.zone}" for zone in world.hood.standing_in(sensor)}
    here = sensor.position
    assert here is not None
    return [source._replace(position=here) if source.source in around else source for source in sources]


def _air(air: Air) -> dict[str, Any]:
    mean = attribution.mean_wind(air.winds)
    assert mean is not None
    wind, scatter = mean
    return {
        "station": air.station.id,
        "distance_m": round(air.away_m, 1),
        "readings": len(air.winds),
        "speed_mps": round(wind.speed_mps, 3),
        "from_deg": round(wind.from_deg, 1),
        "scatter_deg": round(scatter, 1),
    }


def _candidate(world: World, candidate: Candidate) -> dict[str, Any]:
    suspect = world.subjects[candidate.source]
    made: dict[str, Any] = {
        "source": candidate.source,
        "name": suspect.name,
        "kind": suspect.kind,
        "score": candidate.score,
        "distance_m": candidate.distance_m,
        "off_axis_deg": candidate.off_axis_deg,
        "travel_s": candidate.travel_s,
        "why": (
            f"{_far(candidate.distance_m)} upwind, {candidate.off_axis_deg:.0f} degrees off the wind's axis, "
            f"{candidate.travel_s / 60:.0f} min of travel"
            if candidate.distance_m
            else "the sensor stands in it"
        ),
        "why_zh": (
            f"上风向{_far(candidate.distance_m)}，偏离风轴{candidate.off_axis_deg:.0f}°，传输{candidate.travel_s / 60:.0f}分钟"
            if candidate.distance_m
            else "监测点位于其内"
        ),
    }
    if suspect.position is not None:
        made["position"] = [suspect.position.lon, suspect.position.lat]
    if suspect.position_t != NEVER:
        made["seen_at"] = to_text(suspect.position_t)
    return made


def _far(metres: float) -> str:
    return f"{metres / 1000:.1f} km" if metres >= 1000 else f"{metres:.0f} m"
