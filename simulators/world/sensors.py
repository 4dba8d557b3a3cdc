"""Instruments as they are: noise, bias, drift, resolution, gaps, a clock that is a little off, a battery that runs down.
And instruments as they fail: stuck, raving, dead."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from zlib import crc32

from simulators.world.observing import Values, observe
from simulators.world.places import Site
from simulators.world.world import World

# metric → (noise as a share of the value, noise in its own unit, decimals). House figures for field-grade instruments.
NOISE: dict[str, tuple[float, float, int]] = {
    "pm25": (0.04, 0.8, 0), "pm10": (0.04, 1.5, 0), "so2": (0.03, 0.6, 0), "no2": (0.03, 0.8, 0), "co": (0.03, 0.02, 2),
    "o3": (0.03, 1.0, 0), "voc": (0.04, 2.0, 0), "nh3": (0.04, 0.5, 1), "wind_speed": (0.06, 0.15, 1), "wind_direction": (0.0, 4.0, 0),
    "air_temperature": (0.0, 0.08, 1), "relative_humidity": (0.0, 0.6, 0), "air_pressure": (0.0, 0.1, 1), "visibility": (0.05, 50, 0),
    "rain_intensity": (0.05, 0.0, 1), "water_level": (0.0, 0.004, 3), "water_flow": (0.02, 0.2, 1), "water_depth": (0.0, 0.0015, 3),
    "ph": (0.0, 0.02, 2), "turbidity": (0.03, 0.01, 2), "free_chlorine": (0.02, 0.005, 3), "conductivity": (0.005, 1.0, 0),
    "water_temperature": (0.0, 0.05, 1), "flow": (0.01, 0.5, 1), "pressure": (0.004, 0.8, 1), "cod": (0.03, 0.4, 1),
    "ammonia_nitrogen": (0.03, 0.02, 2), "total_phosphorus": (0.03, 0.005, 3), "voltage": (0.0006, 1.0, 0), "frequency": (0.0, 0.002, 3),
    "active_power": (0.004, 1.0, 0), "current": (0.004, 0.2, 1), "methane_lel": (0.02, 0.12, 1), "oxygen": (0.0, 0.03, 2),
    "h2s": (0.02, 0.05, 2), "temperature": (0.0, 0.2, 1), "smoke": (0.05, 0.02, 2), "vibration": (0.05, 0.03, 2), "tilt": (0.0, 0.001, 3),
    "strain": (0.002, 0.5, 1), "displacement": (0.0, 0.02, 2), "seepage": (0.01, 0.01, 2), "pore_pressure": (0.005, 0.05, 2),
    "upstream_level": (0.0, 0.004, 3), "soil_moisture": (0.0, 0.15, 1), "pga": (0.0, 0.0, 5), "seismic_intensity": (0.0, 0.0, 1),
}  # fmt: skip
LIE = 9.0
"""A lying instrument says so many times the truth of dust …"""
LIES = ("pm25", "pm10")
"""… and nothing else about it looks wrong."""
MAY_BE_NEGATIVE = {"water_level", "air_temperature", "water_temperature", "temperature", "tilt", "displacement"}
"""Metrics that may be below zero; noise never drives the others there."""


@dataclass(slots=True)
class Sensor:
    """One fixed device. `read` gives what it would report now, or None where it stays silent."""

    site: Site
    random: Random
    bias: float = 0.0
    drift_per_day: float = 0.0
    gap_share: float = 0.004
    clock_skew_s: float = 0.0
    battery: float = 100.0
    rssi: float = -75.0
    fault: str = ""
    """"" works; "dead", "stuck", "raving" (wild spikes) or "lying" (steady, plausible and wrong)."""
    stuck: Values | None = None
    spiked: bool = False

    def read(self, world: World) -> Values | None:
        if self.fault == "dead" or self.random.random() < self.gap_share:
            return None
        truth = observe(world, self.site)
        if not truth:
            return None
        if self.fault == "lying":
            truth = {name: LIE * value if name in LIES else value for name, value in truth.items()}  # type: ignore[operator]
        values: Values = {name: self._measure(name, value, world.elapsed_s) for name, value in truth.items()}
        if self.fault == "stuck":
            self.stuck = self.stuck or values
            return dict(self.stuck)
        if self.fault == "raving":
            self._rave(values)
        self.stuck = None
        self.battery = max(5.0, self.battery - 0.0005)
        values["battery"] = round(self.battery, 1)
        values["rssi"] = round(self.rssi + self.random.gauss(0, 2.0))
        return values

    def observed_at(self, world: World) -> int:
        """The time by its own clock, ns, to the millisecond."""
        at = world.now + round(self.clock_skew_s * 1e9)
        return at // 1_000_000 * 1_000_000

    def _measure(
        self, name: str, value: float | bool | str | list[str], elapsed_s: float
    ) -> float | bool | str | list[str]:
        shape = NOISE.get(name)
        if shape is None or isinstance(value, bool | str | list):
            return value
        share, absolute, decimals = shape
        sigma = share * abs(value) + absolute
        measured = value + self.random.gauss(0, sigma) + sigma * (self.bias + self.drift_per_day * elapsed_s / 86_400)
        if name not in MAY_BE_NEGATIVE:
            measured = max(0.0, measured)
        if name == "wind_direction":
            measured %= 360
        if name == "relative_humidity":
            measured = min(100.0, measured)
        return round(measured, decimals)

    def _rave(self, values: Values) -> None:
        """A water film on the pressure cell: single impossible peaks between true values."""
        self.spiked = not self.spiked and self.random.random() < 0.3
        if "water_depth" in values and self.spiked:
            values["water_depth"] = round(self.random.uniform(0.6, 1.9), 3)


def sensors_for(sites: list[Site], seed: int) -> dict[str, Sensor]:
    """A sensor with its own character for every fixed device; the same for the same seed."""
    made = {}
    for site in sites:
        if site.at is None:
            continue
        random = Random(seed ^ crc32(site.device.encode()))
        made[site.device] = Sensor(
            site,
            random,
            bias=random.gauss(0, 0.5),
            drift_per_day=random.gauss(0, 0.3),
            clock_skew_s=random.choice((0.0, 0.0, 0.0, random.gauss(0, 1.5))),
            battery=random.uniform(62, 100),
            rssi=random.uniform(-101, -58),
        )
    return made
