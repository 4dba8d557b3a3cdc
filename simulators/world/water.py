"""Water: from rain to river with delay, into underpasses and out by pumps, and the tide."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, exp, log, pi

from simulators.world.geography import RIVER, UNDERPASSES, to_metres
from simulators.world.weather import Weather

STEP_S = 60.0
"""The river is routed in steps of one minute."""
BASE_FLOW = 38.0
"""m3/s of the river on a dry day."""
BASIN_M2 = 9.0e6
"""Catchment between the dam and the town."""
TIDE_PERIOD_S = 12.42 * 3600


@dataclass(slots=True)
class Reach:
    """One stretch of river, routed by Muskingum (Chow, Applied Hydrology, 8.4): K is its travel time, X its wedge."""

    travel_s: float
    inflow: float = BASE_FLOW
    outflow: float = BASE_FLOW
    wedge: float = 0.2

    def step(self, inflow: float) -> float:
        k, x, half = self.travel_s, self.wedge, STEP_S / 2
        below = k * (1 - x) + half
        self.outflow = (
            (half - k * x) / below * inflow
            + (half + k * x) / below * self.inflow
            + (k * (1 - x) - half) / below * self.outflow
        )
        self.outflow = max(1.0, self.outflow)
        self.inflow = inflow
        return self.outflow


@dataclass(slots=True)
class Underpass:
    """The lowest place of a road: what its catchment sheds gathers here until the pumps have lifted it out."""

    catchment_m2: float
    floor_m2: float
    pumps_m3_s: float
    x: float
    y: float
    volume_m3: float = 0.0
    pumping: bool = False
    pump_share: float = 1.0

    def step(self, rain_mm_h: float, dt: float) -> None:
        inflow = rain_mm_h / 1000 / 3600 * self.catchment_m2 * 0.9
        self.pumping = self.volume_m3 > 0.01 * self.floor_m2 or (self.pumping and self.volume_m3 > 0)
        outflow = self.pumps_m3_s * self.pump_share if self.pumping else 0.0
        self.volume_m3 = max(0.0, self.volume_m3 + (inflow - outflow) * dt)

    @property
    def depth_m(self) -> float:
        return self.volume_m3 / self.floor_m2


class Water:
    """The river's three gauges, the reservoir, the underpasses and the tide. Weather seconds."""

    def __init__(self, sites: dict[str, tuple[float, float]]) -> None:
        self.underpasses = {
            name: Underpass(*shape, *to_metres(*sites[name])) for name, shape in UNDERPASSES.items() if name in sites
        }
        self.reaches = (Reach(1500.0), Reach(2400.0), Reach(2100.0))
        self.release = 0.0
        """m3/s that the dam lets out beyond the base flow."""
        self.flows = [BASE_FLOW] * 3
        self.reservoir_m = 61.5
        self.soil = 0.25
        """How wet the slopes are: 0 dry, 1 full."""
        self.tide_s = 0.0
        self.surge_m = 0.0
        self._owed = 0.0
        self._wave: list[tuple[float, float]] = []

    def step(self, dt: float, weather: Weather) -> None:
        self.tide_s += dt
        for pool in self.underpasses.values():
            pool.step(weather.rain_at(pool.x, pool.y), dt)
        rain = sum(weather.rain_at(x, y) for x, y in RIVER[:5]) / 5
        self.soil = min(1.0, max(0.15, self.soil + (rain / 40 - 0.02) * dt / 3600))
        self.reservoir_m += ((rain / 1000 / 3600 * 4.0e6) - self.release) * dt / 9.0e5
        self._owed += dt
        while self._owed >= STEP_S:
            self._owed -= STEP_S
            self._route(rain)

    def wave(self, peak_m3_s: float, lasts_s: float) -> None:
        """A flood wave enters at the top: `peak` above the base flow, a half sine of this length."""
        self._wave.append((peak_m3_s, lasts_s))
        self._elapsed = 0.0

    def _route(self, rain_mm_h: float) -> None:
        flow = BASE_FLOW + self.release + rain_mm_h / 1000 / 3600 * BASIN_M2 * (0.25 + 0.6 * self.soil)
        if self._wave:
            peak, lasts = self._wave[0]
            self._elapsed += STEP_S
            flow += peak * (1 - cos(2 * pi * min(1.0, self._elapsed / lasts))) / 2
            if self._elapsed >= lasts:
                self._wave.pop(0)
        for index, reach in enumerate(self.reaches):
            flow = reach.step(flow)
            self.flows[index] = flow

    def level(self, gauge: int) -> float:
        """m above datum at gauge 0 (upper), 1, 2 (lower), by the gauge's rating curve h = h0 + a·Q^0.6."""
        h0, a = ((31.2, 0.21), (17.5, 0.19), (5.2, 0.17))[gauge]
        flow = self.flows[gauge]
        return h0 + a * exp(0.6 * log(flow)) + (0.15 * max(0.0, self.tide) if gauge == 2 else 0.0)

    @property
    def tide(self) -> float:
        """m above mean sea level: a semidiurnal tide with a spring-neap share."""
        phase = 2 * pi * self.tide_s / TIDE_PERIOD_S
        return 1.35 * cos(phase) + 0.18 * cos(phase / 2 + 0.7) + self.surge_m
