"""Air: what traffic and heating make of a day, and plumes from single sources."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, exp, pi, radians, sin, sqrt

from simulators.world.geography import Point
from simulators.world.weather import Weather


@dataclass(slots=True)
class Source:
    """Something that gives off a substance: grams a second from this height, until its time is up."""

    name: str
    at: Point
    metric: str
    grams_s: float
    height_m: float = 2.0
    left_s: float = float("inf")
    age_s: float = 0.0


def plume(source: Source, x: float, y: float, wind_speed: float, wind_from: float) -> float:
    """ug/m3 at ground level: the Gaussian plume with reflection, Briggs' open-country spreads for neutral air
    (Seinfeld and Pandis, Atmospheric Chemistry and Physics, 18.9; Briggs 1973 class D). The front travels with the wind."""
    towards = radians(wind_from + 180)
    east, north = x - source.at.x, y - source.at.y
    along = east * sin(towards) + north * cos(towards)
    across = east * cos(towards) - north * sin(towards)
    if along < 5 or along > wind_speed * source.age_s:
        return 0.0
    sigma_y = 0.08 * along / sqrt(1 + 0.0001 * along) + 12.0  # the works is no point: its buildings spread the start
    sigma_z = 0.06 * along / sqrt(1 + 0.0015 * along) + 4.0
    grams = source.grams_s / (2 * pi * max(0.5, wind_speed) * sigma_y * sigma_z)
    return 1e6 * grams * exp(-(across**2) / (2 * sigma_y**2)) * 2 * exp(-(source.height_m**2) / (2 * sigma_z**2))


class Air:
    """Concentrations anywhere in town. Weather seconds."""

    def __init__(self) -> None:
        self.sources = [
            Source("power station", Point(-3300, 620), "so2", 9.0, height_m=90, age_s=1e6),
            Source("power station", Point(-3300, 620), "no2", 6.0, height_m=90, age_s=1e6),
            Source("chemical works", Point(2420, 700), "voc", 1.2, height_m=18, age_s=1e6),
        ]

    def step(self, dt: float) -> None:
        for source in self.sources:
            source.age_s += dt
            source.left_s -= dt
        self.sources = [source for source in self.sources if source.left_s > 0]

    def at(self, metric: str, x: float, y: float, weather: Weather) -> float:
        """ug/m3 (co: mg/m3) of a metric of the vocabulary's family "air"."""
        hour = weather.hour
        rush = exp(-(((hour - 8) / 1.6) ** 2)) + exp(-(((hour - 18.5) / 2.0) ** 2))
        sun = max(0.0, sin((hour - 6) / 12 * pi))
        town = exp(-((x / 2600) ** 2 + ((y - 900) / 2200) ** 2))
        still = 3.0 / (1.5 + weather.wind_speed)
        washed = 1 / (1 + weather.rain_at(x, y) / 12)
        background = {
            "pm25": 14 + (18 + 16 * rush) * town * still,
            "pm10": 28 + (30 + 24 * rush) * town * still,
            "no2": 9 + (22 + 34 * rush) * town * still,
            "so2": 5 + 3 * town,
            "co": 0.35 + (0.3 + 0.5 * rush) * town * still,
            "o3": max(8.0, 48 + 70 * sun - 30 * rush * town),
            "voc": 40 + 60 * rush * town,
            "nh3": 12.0,
        }.get(metric, 0.0)
        added = sum(
            plume(source, x, y, weather.wind_speed, weather.wind_from)
            for source in self.sources
            if source.metric == metric
        )
        return background * washed + (added / 1000 if metric == "co" else added)
