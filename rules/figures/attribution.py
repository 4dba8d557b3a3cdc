"""Where pollution may come from: candidate sources upwind of a sensor that rises, scored by wind and travel time.

Pure. It names candidates, not culprits: a score says how well a source fits the wind, compared with the others given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import atan2, cos, degrees, exp, hypot, log, radians, sin, sqrt
from typing import NamedTuple

from hub.bilingual import NOTHING, Text
from hub.model import Position

METRES_PER_DEG = 111_195.0
CALM_MPS = 1.0
SHIFTING_DEG = 30.0
SECTOR_DEG = 30.0
MAX_TRAVEL_S = 2 * 3600.0
"""Withheld below this wind, or where its direction scatters more; candidates lie within this sector upwind and this far in
time. House defaults after common practice in source apportionment by wind."""
NEAREST_M = 50.0
WORTH_NAMING = 0.01
"""Below this share of all scores a candidate is not named."""
MANY = 50
"""Candidates of one sensor that are worth weighing against those of others."""


class Wind(NamedTuple):
    """One reading of the wind: m/s, and the direction it comes from."""

    speed_mps: float
    from_deg: float


class Source(NamedTuple):
    """Something that may emit: a plant, a vessel, a tanker. `strength` weighs it against others (1: no opinion)."""

    source: str
    position: Position
    strength: float = 1.0


class Candidate(NamedTuple):
    """How well a source fits. Scores of one attribution add up to 1."""

    source: str
    score: float
    distance_m: float
    off_axis_deg: float
    travel_s: float


class Attribution(NamedTuple):
    """Candidates, best first; or why none are named."""

    candidates: tuple[Candidate, ...]
    withheld: Text


def mean_wind(winds: Iterable[Wind]) -> tuple[Wind, float] | None:
    """The vector mean of the wind, and the scatter of its direction in degrees (Yamartino 1984); None without readings."""
    given = list(winds)
    if not given:
        return None
    s = sum(sin(radians(wind.from_deg)) for wind in given) / len(given)
    c = sum(cos(radians(wind.from_deg)) for wind in given) / len(given)
    e = sqrt(max(0.0, 1 - min(1.0, s * s + c * c)))
    scatter = degrees(_arcsin(e) * (1 + (2 / sqrt(3) - 1) * e**3))
    speed = hypot(
        sum(wind.speed_mps * sin(radians(wind.from_deg)) for wind in given),
        sum(wind.speed_mps * cos(radians(wind.from_deg)) for wind in given),
    ) / len(given)  # fmt: skip
    return Wind(speed, degrees(atan2(s, c)) % 360), scatter


def _arcsin(x: float) -> float:
    return atan2(x, sqrt(max(0.0, 1 - x * x)))


def attribute(sensor: Position, winds: Sequence[Wind], sources: Iterable[Source], limit: int = 5) -> Attribution:
    """The sources that the wind of the last while may have carried here, best first.

    The score is the ground-level plume of a neutral urban atmosphere at the sensor (Briggs, class D; read in a secondary copy, to be confirmed)
    times the source's strength, halved for every half hour of travel.
    """
    mean = mean_wind(winds)
    if mean is None:
        return Attribution((), Text("no wind is known", "风况未知"))
    wind, scatter = mean
    if wind.speed_mps < CALM_MPS:
        return Attribution(
            (),
            Text(
                f"calm: {wind.speed_mps:.1f} m/s, below {CALM_MPS:g} m/s smoke goes anywhere",
                f"静风：{wind.speed_mps:.1f} m/s，低于{CALM_MPS:g} m/s时烟气去向不定",
            ),
        )
    if scatter > SHIFTING_DEG:
        return Attribution(
            (),
            Text(
                f"the wind shifts: its direction scatters by {scatter:.0f} degrees", f"风向多变：风向离散{scatter:.0f}°"
            ),
        )
    found = [candidate for source in sources if (candidate := _candidate(sensor, wind, source))]
    if not found:
        return Attribution((), _nobody(wind))
    found = sorted(found, key=lambda candidate: (-candidate.score, candidate.source))[:limit]
    total = sum(candidate.score for candidate in found)
    if total <= 0:
        return Attribution((), _nobody(wind))
    return Attribution(tuple(c._replace(score=round(c.score / total, 6)) for c in found), NOTHING)


def _nobody(wind: Wind) -> Text:
    towards = f"{wind.from_deg:.0f}"
    return Text(f"no known source lies upwind ({towards} degrees)", f"上风向（{towards}°）无已知来源")


def combine(seen: Sequence[Attribution], limit: int = 5) -> Attribution:
    """What several sensors that rise together say: the mean of their scores, so that who lies upwind of all comes before
    who lies upwind of one. How far and how long is from the first sensor that names a candidate."""
    named: dict[str, Candidate] = {}
    scores: dict[str, float] = {}
    for attribution in seen:
        for candidate in attribution.candidates:
            named.setdefault(candidate.source, candidate)
            scores[candidate.source] = scores.get(candidate.source, 0.0) + candidate.score
    if not named:
        return Attribution((), next((one.withheld for one in seen), Text("no sensor has a position", "监测点位置未知")))
    whole = sum(scores.values())
    worth = [source for source in named if scores[source] >= WORTH_NAMING * whole]
    best = sorted(worth, key=lambda source: (-scores[source], source))[:limit]
    total = sum(scores[source] for source in best)
    return Attribution(
        tuple(named[source]._replace(score=round(scores[source] / total, 6)) for source in best), NOTHING
    )


def _candidate(sensor: Position, wind: Wind, source: Source) -> Candidate | None:
    north = (source.position.lat - sensor.lat) * METRES_PER_DEG
    east = ((source.position.lon - sensor.lon + 180) % 360 - 180) * METRES_PER_DEG * cos(radians(sensor.lat))
    distance = hypot(north, east)
    off = (degrees(atan2(east, north)) - wind.from_deg + 180) % 360 - 180
    travel = distance / wind.speed_mps
    if travel > MAX_TRAVEL_S or (abs(off) > SECTOR_DEG and distance > NEAREST_M):
        return None
    along = max(NEAREST_M, distance * cos(radians(off)))
    across = distance * sin(radians(off))
    sigma_y = 0.16 * along / sqrt(1 + 0.0004 * along)
    sigma_z = 0.14 * along / sqrt(1 + 0.0003 * along)
    plume = exp(-(across**2) / (2 * sigma_y**2)) / (wind.speed_mps * sigma_y * sigma_z)
    return Candidate(
        source.source,
        source.strength * plume * exp(-travel * log(2) / 1800),
        round(distance, 1),
        round(abs(off), 1),
        round(travel, 1),
    )
