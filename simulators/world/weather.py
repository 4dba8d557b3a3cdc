"""Sky over the town: rain cells that travel with the wind, and the day's round of warmth, damp and pressure."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, exp, hypot, pi, radians, sin
from random import Random

from simulators.world.geography import Point

HOUR = 3600.0


@dataclass(slots=True)
class RainCell:
    """A shower: a Gaussian hump of rain that moves. Metres, m/s, mm/h, seconds."""

    x: float
    y: float
    vx: float
    vy: float
    radius_m: float
    peak_mm_h: float
    life_s: float
    target: Point | None = None
    """A cell with a target stops over it: the storm that will not move on."""
    stay_s: float = 0.0
    age_s: float = 0.0

    def step(self, dt: float) -> None:
        self.age_s += dt
        if self.target is not None:
            gap = hypot(self.target.x - self.x, self.target.y - self.y)
            if gap > 1.0:
                move = min(1.0, hypot(self.vx, self.vy) * dt / gap)
                self.x += (self.target.x - self.x) * move
                self.y += (self.target.y - self.y) * move
                return
            self.stay_s -= dt
            if self.stay_s > 0:
                return
            self.target = None
        self.x += self.vx * dt
        self.y += self.vy * dt

    @property
    def strength(self) -> float:
        """Grows over its first eighth, dies over its last."""
        edge = self.life_s / 8
        return max(0.0, min(1.0, self.age_s / edge, (self.life_s - self.age_s) / edge))

    def rain_at(self, x: float, y: float) -> float:
        """mm/h."""
        away = hypot(x - self.x, y - self.y) / self.radius_m
        return 0.0 if away > 3.5 else self.peak_mm_h * self.strength * exp(-(away**2) / 2)


class Weather:
    """`step` takes weather seconds; `hour` is the local solar hour that the day's round follows."""

    def __init__(self, random: Random, hour: float) -> None:
        self._random = random
        self.hour = hour
        self.cells: list[RainCell] = []
        self.wind_speed = 4.5
        self.wind_from = 225.0
        self._wind_mean = 4.5
        self._from_mean = 225.0
        self._next_cell_s = random.uniform(1.5, 4.0) * HOUR

    def step(self, dt: float) -> None:
        self.hour = (self.hour + dt / HOUR) % 24
        # Ornstein-Uhlenbeck: gusts come and go within about ten minutes, around a mean that scenarios may move
        pull, spread = min(1.0, dt / 600), min(1.0, (dt / 600) ** 0.5)
        self.wind_speed += (self._wind_mean - self.wind_speed) * pull + self._random.gauss(0, 0.6) * spread
        self.wind_speed = max(0.3, self.wind_speed)
        turn = (self._from_mean - self.wind_from + 180) % 360 - 180
        self.wind_from = (self.wind_from + turn * pull + self._random.gauss(0, 5.0) * spread) % 360
        for cell in self.cells:
            cell.step(dt)
        self.cells = [cell for cell in self.cells if cell.age_s < cell.life_s]
        self._next_cell_s -= dt
        if self._next_cell_s <= 0:
            self._next_cell_s = self._random.uniform(3, 9) * HOUR
            self._shower()

    def set_wind(self, speed: float, from_deg: float) -> None:
        """The mean that the gusts play around: m/s and degrees from which it blows."""
        self._wind_mean = self.wind_speed = speed
        self._from_mean = self.wind_from = from_deg % 360

    def towards(self, speed: float) -> tuple[float, float]:
        """(vx, vy) of something that goes with the wind at this speed."""
        angle = radians(self.wind_from + 180)
        return speed * sin(angle), speed * cos(angle)

    def rain_at(self, x: float, y: float) -> float:
        """Rain intensity in mm/h."""
        return sum(cell.rain_at(x, y) for cell in self.cells)

    def _shower(self) -> None:
        """An ordinary shower: light, quick, from where the wind comes."""
        vx, vy = self.towards(6.0)
        aside = self._random.uniform(-2500, 2500)
        self.cells.append(
            RainCell(
                x=-vx * 900 + vy / 6 * aside,
                y=-vy * 900 - vx / 6 * aside + 1000,
                vx=vx,
                vy=vy,
                radius_m=self._random.uniform(500, 1100),
                peak_mm_h=self._random.uniform(1.0, 7.0),
                life_s=2400,
            )
        )

    # ------------------------------------------------------------------------------------------ the day's round

    @property
    def _warmth(self) -> float:
        """-1 at four in the morning, +1 at four in the afternoon."""
        return -cos((self.hour - 4) / 24 * 2 * pi)

    def temperature_at(self, x: float, y: float) -> float:
        """Cel; two degrees cooler where it pours."""
        return 19.0 + 4.5 * self._warmth - 2.0 * min(1.0, self.rain_at(x, y) / 20)

    def humidity_at(self, x: float, y: float) -> float:
        """%"""
        return min(99.0, 68.0 - 14.0 * self._warmth + 30.0 * min(1.0, self.rain_at(x, y) / 10))

    def visibility_at(self, x: float, y: float) -> float:
        """m"""
        return 18_000.0 / (1 + self.rain_at(x, y) / 6)

    @property
    def pressure(self) -> float:
        """hPa, with the tide of the air twice a day."""
        return 1013.0 + 1.2 * cos((self.hour - 10) / 12 * 2 * pi)
