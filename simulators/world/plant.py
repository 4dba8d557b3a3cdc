"""The town's works: drinking water, sewage, electricity and the gas in its utility tunnel. Their quantities hang together:
what people draw comes back as sewage, rain joins it, pumps take current, and warmth of the day moves the load."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, pi, sin, sqrt
from random import Random


@dataclass(slots=True)
class Tunnel:
    """The utility tunnel under Harbour Road: segments in a row, aired at both ends. Gas in %LEL."""

    segments: list[float] = field(default_factory=lambda: [0.4, 0.5, 0.5, 0.4])
    leak_per_min: float = 0.0
    leak_at: int = 1

    def step(self, dt: float) -> None:
        minutes = dt / 60
        before = list(self.segments)
        for index, gas in enumerate(before):
            left = before[index - 1] if index else 0.4
            right = before[index + 1] if index + 1 < len(before) else 0.4
            spread = (left + right - 2 * gas) * min(0.3, 0.10 * minutes)
            aired = (0.45 - gas) * min(0.5, 0.06 * minutes)
            self.segments[index] = max(0.0, gas + spread + aired)
        self.segments[self.leak_at] += self.leak_per_min * minutes


@dataclass(slots=True)
class Waterworks:
    """What leaves the works, and a slug of bad water on its way through the mains."""

    slug: float = 0.0
    """0 clean … 1 badly contaminated, at the outlet now."""
    _target: float = 0.0
    _history: list[tuple[float, float]] = field(default_factory=list)
    _clock: float = 0.0

    def contaminate(self, strength: float) -> None:
        self._target = strength

    def step(self, dt: float) -> None:
        self._clock += dt
        self.slug += (self._target - self.slug) * min(1.0, dt / 240)
        self._history.append((self._clock, self.slug))
        if len(self._history) > 4000:
            del self._history[:2000]

    def slug_after(self, seconds: float) -> float:
        """The slug's strength that many seconds of flow down the main."""
        then = self._clock - seconds
        for at, slug in reversed(self._history):
            if at <= then:
                return slug * 0.9
        return 0.0


class Plant:
    """Weather seconds; `hour` is local."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.tunnel = Tunnel()
        self.water = Waterworks()
        self.hour = 12.0
        self.rain = 0.0
        self.frequency = 50.0
        self.overvoltage: dict[str, float] = {}
        """Substation → share above nominal."""

    def step(self, dt: float, hour: float, rain_mm_h: float) -> None:
        self.hour, self.rain = hour, rain_mm_h
        self.tunnel.step(dt)
        self.water.step(dt)
        pull = min(1.0, dt / 120)
        self.frequency += (50.0 - self.frequency) * pull + self._random.gauss(0, 0.012) * sqrt(pull)

    @property
    def demand(self) -> float:
        """Share of the highest draw of drinking water: two peaks a day."""
        h = self.hour
        return 0.42 + 0.4 * exp(-(((h - 7.5) / 1.8) ** 2)) + 0.38 * exp(-(((h - 19) / 2.4) ** 2))

    @property
    def load(self) -> float:
        """Share of the highest electrical load."""
        return 0.55 + 0.25 * sin((self.hour - 9) / 24 * 2 * pi) + 0.15 * exp(-(((self.hour - 19.5) / 2) ** 2))

    def voltage(self, station: str, nominal: float) -> float:
        """V; sags a little under load."""
        return nominal * (1.01 - 0.025 * self.load) * (1 + self.overvoltage.get(station, 0.0))

    @property
    def sewage_m3_h(self) -> float:
        return 900 * self.demand + 140 * min(12.0, self.rain)
