"""Ground: the restlessness of a quiet day, and an earthquake's waves on their way. Real seconds."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, hypot, log10
from random import Random

from simulators.world.geography import Point

S_WAVE_M_S = 3300.0


@dataclass(slots=True)
class Quake:
    """A shallow earthquake: magnitude, epicentre (m), depth (m), seconds since origin."""

    magnitude: float
    at: Point
    depth_m: float = 9000.0
    age_s: float = 0.0

    def shaking(self, x: float, y: float) -> float:
        """Peak ground acceleration felt at this place in this second, m/s2: an attenuation of the common form
        log10 a = 0.5 M - log10 R - 0.0025 R + c (R in km; c chosen so that M 5 at 10 km gives about 1 m/s2)."""
        away = hypot(x - self.at.x, y - self.at.y, self.depth_m)
        since = self.age_s - away / S_WAVE_M_S
        if since < 0:
            return 0.0
        km = away / 1000
        peak = 10 ** (0.5 * self.magnitude - log10(km) - 0.0025 * km - 1.45)
        return float(peak * min(1.0, since / 1.5) * exp(-max(0.0, since - 1.5) / 7))


class Ground:
    """Shaking at any place."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.quakes: list[Quake] = []
        self.creep_mm = 0.0
        """What the slope has moved since its station was set up."""

    def step(self, dt: float, soil: float, slow_dt: float) -> None:
        for quake in self.quakes:
            quake.age_s += dt
        self.quakes = [quake for quake in self.quakes if quake.age_s < 120]
        self.creep_mm += max(0.0, soil - 0.7) * slow_dt / 3600 * 0.8

    def acceleration(self, x: float, y: float) -> float:
        """m/s2, the peak of the last second: microtremor and what earthquakes add."""
        return abs(self._random.gauss(0, 0.0004)) + sum(quake.shaking(x, y) for quake in self.quakes)


def intensity(pga: float) -> float:
    """Instrumental intensity by GB/T 17742-2020, 5.2 for peak acceleration only: I = 3.17 lg(PGA) + 6.59, from 1 to 12."""
    return 1.0 if pga <= 0 else round(min(12.0, max(1.0, 3.17 * log10(pga) + 6.59)), 1)
