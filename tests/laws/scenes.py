"""A scene for every shipped rule: readings of one size, and the size at which each level begins.

Most rules compare one metric with numbers: their scene holds that metric still, and the sizes are read from the compiled
rule. The others say here what their size is the size of (a rise, a drop, hours at the wheel) and what it takes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import cos, degrees, radians

from hub.app.limits import RuleLimit, limits
from hub.model import LEVELS, Value
from rules.figures.landslide import CAINE_1980, Tanks, soil_water_step
from rules.language.rule import Rule

Row = Mapping[str, Value]
"""The values of one reading; `lon` and `lat` are its position."""
NOW = 1_780_272_000_000_000_000  # 2026-06-01, the present editions
EVERY_S = {"air-cn": 3600, "air-us": 3600, "weather-cn": 600, "landslide": 3600, "flood": 900, "dam-bridge": 900}
HOURLY_MEANS = ("water-quality/surface-", "water-quality/effluent-")


@dataclass(frozen=True)
class Scene:
    """Readings of device `a` (others beside it), `every` so many seconds."""

    rule: str
    metric: str
    levels: Mapping[str, float]
    """The size at which each level begins; a level that no number decides is left out."""
    calm: Row
    """Readings at which no level holds, and after which all end."""
    every: int
    make: Callable[[float], list[Row]] | None = None
    """The readings of one size; None: the metric stands at it."""
    beside: Row = field(default_factory=dict)
    """What every reading carries beside the metric."""
    others: Callable[[float], dict[str, list[Row]]] | None = None
    attributes: Mapping[str, float | str] = field(default_factory=dict)
    zones: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)
    """Zones around every position, by kind, with their limits."""
    upward: bool = True
    step: float = 0.01
    """How near to the size it is looked, as a share of it."""
    steps: int = 24
    stays: bool = False
    """Whether calm is that the last reading goes on: what has moved stays moved."""
    rest: int = 80
    """Calm readings until everything has ended."""
    spike: Value | Row | None = None
    """One absurd reading, which may not raise orange or red; None: at once is right, and `at_once` says why."""
    at_once: str = ""
    gaps: bool = True

    def rows(self, size: float) -> dict[str, list[Row]]:
        own = self.make(size) if self.make else [{**self.beside, self.metric: size}] * self.steps
        return {"a": own, **(self.others(size) if self.others else {})}

    def beyond(self, level: str) -> float:
        size = self.levels[level]
        return size + self.step * abs(size) * (1 if self.upward else -1)

    def below(self, level: str) -> float:
        size = self.levels[level]
        return size - self.step * abs(size) * (1 if self.upward else -1)


def scenes_of(rule: Rule) -> list[Scene]:
    """The scenes of a rule: those written here, else one for each direction in which its numbers lie."""
    if rule.name in NO_NUMBER:
        return []
    written = WRITTEN.get(rule.name)
    found = written if written is not None else [scene for up in (True, False) if (scene := _steady(rule, up))]
    return [_with_spike(scene) for scene in found]


def _with_spike(scene: Scene) -> Scene:
    if scene.spike is None and not scene.at_once and set(scene.levels) & {"orange", "red"}:
        worst = max(scene.levels.values()) if scene.upward else min(scene.levels.values())
        return replace(scene, spike=worst * 10 if scene.upward else 0.0)
    return scene


def _steady(rule: Rule, upward: bool) -> Scene | None:
    """The rule's one metric stands still; the most demanding number of a level decides."""
    sizes: dict[str, float] = {}
    metrics: set[str] = set()
    both: list[RuleLimit] = []
    for level in rule.levels:
        cited = [limit for limit in limits(rule, level.name, NOW) if limit.level_like]
        both += cited
        mine = [limit for limit in cited if limit.upward == upward]
        metrics |= {limit.metric for limit in mine}
        if mine:
            values = [limit.value for limit in mine]
            sizes[level.name] = max(values) if upward else min(values)
    if not sizes or len(metrics) != 1:
        return None
    below = [limit.value for limit in both if not limit.upward]
    above = [limit.value for limit in both if limit.upward]
    least, most = min(sizes.values()), max(sizes.values())
    calm = (max(below) + min(above)) / 2 if above and below else least * 0.3 if upward else most * 3
    if not upward and above and max(above) < min(sizes.values()):  # "below 49 Hz and above 40 Hz"
        return None
    pack = rule.name.split("/")[0]
    every = 3600 if rule.name.startswith(HOURLY_MEANS) else EVERY_S.get(pack, 60)
    metric = metrics.pop()
    reason = AT_ONCE.get(pack, "")
    return Scene(rule.name, metric, sizes, {metric: calm}, every, upward=upward, at_once=reason)


AT_ONCE = {
    "gas-safety": "a gas detector is heard at once: gas is local, and it kills in a minute",
    "fire": "a fire detector is heard at once",
}
NO_NUMBER: dict[str, str] = {
    "device-health/fault-reported": "the device's own marks",
    "fire/panel-fault": "the panel's own word",
    "fleet/emergency": "a button",
    "fleet/crash": "the tracker's own bits",
    "fleet/hazmat-restricted": "a zone",
    "fleet/geofence-enter": "a zone",
    "fleet/geofence-leave": "a zone",
    "fleet/moved-switched-off": "a flag",
    "fleet/hazmat-off-route": "a zone",
    "fleet/stopped-on-structure": "a zone",
    "fleet/harsh-driving-reported": "the tracker's own words",
    "maritime/not-under-command": "the vessel's own status",
    "plant/sensor-dead": "a pressure that does not move",
    "plant/flow-unlike": "its own last day",
    "plant/shakes-unlike": "its own last day",
    "plant/heat-unlike": "its own last days",
    "water-quality/drinking-unusual": "its own last day",
    "flood/district-flood": "a count of gauges",
    "flood/flow-wave-upstream": "a count of gauges",
    "flood/gauge-lost-upstream": "a count of gauges",
    "underpass/area-flooding": "a count of gauges",
    "traffic/congestion": "what the vehicles on it tell",
    "traffic/accident": "a count of vehicles",
    "traffic/accident-ahead": "a count of vehicles",
    "traffic/stopped-vehicle": "a count of reports",
}
"""Rules of yes and no: their own tests in the pack hold the cases."""

# ------------------------------------------------------------------------------------------------ what sizes are made of


def stands(metric: str, before: float, steps: int = 8, beside: Row | None = None, sign: float = 1.0) -> Callable[[float], list[Row]]:  # fmt: skip
    """From `before` by the size, and there it stays."""

    def rows(size: float) -> list[Row]:
        extra = beside or {}
        return [{**extra, metric: before}] * 5 + [{**extra, metric: before + sign * size}] * steps

    return rows


def climbs(metric: str, before: float, steps: int = 4) -> Callable[[float], list[Row]]:
    """From `before` by the size in three readings, as a wave comes, and there it stays."""

    def rows(size: float) -> list[Row]:
        return [{metric: before}] * 5 + [{metric: before + part * size} for part in (0.35, 0.7, *(1.0,) * steps)]

    return rows


def _history(size: float) -> list[Row]:
    return [{"seepage": 1 + 0.001 * (n % 2)} for n in range(120)] + [{"seepage": size}] * 3


def _shaking(size: float) -> list[Row]:
    return [{"acceleration": size * (-1) ** n} for n in range(80)]


def _driving(hours: float) -> list[Row]:
    driver = {"driver": "Li", "alarms": []}
    return [{**driver, "speed": 0.0}] * 3 + [{**driver, "speed": 80.0}] * round(hours * 6)


def _braking(mps2: float) -> list[Row]:
    return [{"speed": 80.0, "course": 0.0}] * 4 + [{"speed": 80 - 3.6 * mps2 * n, "course": 0.0} for n in range(5)]


def _turning(mps2: float) -> list[Row]:
    """At 20 m/s a turn of w rad/s is 20 w sideways."""
    return [{"speed": 72.0, "course": (355 + degrees(mps2 / 20) * n) % 360} for n in range(6)]


def _cooling(drop: float) -> list[Row]:
    down = [{"air_temperature": -2 + drop * (1 - n / 4), "wind_speed": 11.0} for n in range(5)]
    return [down[0]] * 3 + down + [down[-1]]


def _stopping(sog: float) -> list[Row]:
    place: Row = {"lon": 121.5, "lat": 31.5}
    return [{**place, "sog": 13.0}] * 3 + [{**place, "sog": sog}] * 25


def _northward(_: float) -> list[Row]:
    return [{"sog": 10.0, "cog": 0.0, "lon": 121.0, "lat": 31 + 0.000463 * n} for n in range(50)]


def _southward(miles: float) -> dict[str, list[Row]]:
    lon = 121 + miles / 60 / cos(radians(31.02))
    return {"b": [{"sog": 10.0, "cog": 180.0, "lon": lon, "lat": 31.04 - 0.000463 * n} for n in range(50)]}


def _wave(size: float) -> dict[str, list[Row]]:
    return {"up": climbs("water_level", 2.0, 2)(size)}


def _rain(hours: int) -> Callable[[float], list[Row]]:
    return lambda mm: [{"rainfall": 0.0}] + [{"rainfall": mm}] * hours


def _rain_that_wets(index_mm: float, hours: int) -> float:
    """The steady rain (mm/h) whose soil-water index reaches a figure at its last hour."""

    def index(rain: float) -> float:
        tanks = Tanks()
        for _ in range(hours):
            tanks = soil_water_step(tanks, rain, 1.0)
        return tanks.index_mm

    grid = [n / 1000 for n in range(1, 60_000)]
    return grid[bisect_left(grid, index_mm, key=index)]


def _ppb(value: float, molar_g: float) -> float:
    """ug/m3 at 25 Cel and 1013.25 hPa."""
    return value * molar_g / 24.465


def _us(rule: str, metric: str, bounds: Mapping[str, float], step: float = 0.002, **more: object) -> Scene:
    calm = {metric: min(bounds.values()) * 0.3}
    return Scene(f"air-us/{rule}", metric, bounds, calm, 3600, step=step, **more)  # type: ignore[arg-type]


def _in_zone(rule: str, kind: str, levels: Mapping[str, float], **more: object) -> Scene:
    here: Row = {"lon": 121.5, "lat": 31.5}
    limit = {"speed_limit_kmh": 60.0, "speed_limit_kn": 10.0}
    told: dict[str, object] = {"every": 30, "calm": {"sog": 0.1, "lon": 10.0, "lat": 10.0}, "spike": None} | more
    told.setdefault("beside", here)
    return Scene(rule, "sog", levels, zones={kind: limit}, **told)  # type: ignore[arg-type]


DAM = {"flood_limit_level_m": 100.0, "design_level_m": 105.0, "check_level_m": 108.0, "pore_limit_kpa": 200.0,
       "displacement_limit_mm": 20.0, "crack_limit_mm": 1.0}  # fmt: skip
GUSTS = {"gust_slow_mps": 22.0, "gust_high_vehicles_mps": 31.0, "gust_close_mps": 45.0}
STAGES = {"warning_level_m": 10.0, "guaranteed_level_m": 12.0, "record_level_m": 15.0}
FLOWS = {"warning_flow_m3s": 100.0, "guaranteed_flow_m3s": 250.0, "record_flow_m3s": 500.0}
PUMP = {"nominal_flow_m3h": 100.0, "temperature_limit_cel": 80.0, "start_level_m": 2.0}
METER = {"nominal_voltage_v": 220.0}


def _dam(rule: str, metric: str, levels: Mapping[str, float], calm: float, **more: object) -> Scene:
    told: dict[str, object] = {"every": 900, "attributes": DAM, "rest": 300} | more
    return Scene(f"dam-bridge/{rule}", metric, levels, {metric: calm}, **told)  # type: ignore[arg-type]


def _intensity(value: float) -> float:
    """PGA, m/s2, from which an intensity reads so when rounded to 0.1."""
    return float(10 ** ((value - 0.05 - 6.59) / 3.17))


_CAINE_TWICE = CAINE_1980.rain_mm(3) / 2
_IN_SOAK = 24

WRITTEN: dict[str, list[Scene]] = {
    "air-us/pm25-nowcast": [_us("pm25-nowcast", "pm25", {"blue": 35.45, "yellow": 55.45, "orange": 125.45, "red": 225.45})],
    "air-us/pm10-nowcast": [_us("pm10-nowcast", "pm10", {"blue": 154.5, "yellow": 254.5, "orange": 354.5, "red": 424.5}, 0.004)],
    "air-us/ozone-8h": [_us("ozone-8h", "o3", {name: _ppb(ppb, 47.998) for name, ppb in {"blue": 71, "yellow": 86, "orange": 106}.items()})],
    "air-us/ozone-1h": [_us("ozone-1h", "o3", {name: _ppb(ppb, 47.998) for name, ppb in {"blue": 125, "yellow": 165, "orange": 205, "red": 405}.items()})],
    "air-us/co-8h": [_us("co-8h", "co", {name: _ppb(ppm, 28.010) for name, ppm in {"blue": 9.5, "yellow": 12.5, "orange": 15.5, "red": 30.5}.items()})],
    "air-us/no2-1h": [_us("no2-1h", "no2", {name: _ppb(ppb, 46.006) for name, ppb in {"blue": 101, "yellow": 361, "orange": 650, "red": 1250}.items()}, 0.001)],
    "air-us/so2-1h": [_us("so2-1h", "so2", {name: _ppb(ppb, 64.066) for name, ppb in {"blue": 76, "yellow": 186}.items()})],
    "dam-bridge/reservoir-level": [_dam("reservoir-level", "water_level", {"blue": 100.0, "yellow": 101.0, "orange": 105.0, "red": 108.0}, 95.0, step=0.001, spike=150.0)],
    "dam-bridge/seepage": [_dam("seepage", "seepage", {"yellow": 1.206, "orange": 1.519}, 1.0, every=21_600, make=_history, spike=9.0)],
    "dam-bridge/pore-pressure": [_dam("pore-pressure", "pore_pressure", {"yellow": 180.0, "orange": 200.0}, 100.0)],
    "dam-bridge/structure-moves": [
        _dam("structure-moves", "displacement", {"yellow": 10.0, "orange": 20.0, "red": 30.0}, 0.0, make=stands("displacement", 0.0, sign=sign), stays=True, spike=sign * 99.0)
        for sign in (1.0, -1.0)
    ],
    "dam-bridge/crack": [_dam("crack", "crack_width", {"yellow": 0.8, "orange": 1.0}, 0.5)],
    "dam-bridge/bridge-vibration": [_dam("bridge-vibration", "acceleration", {"yellow": 0.315, "orange": 0.5}, 0.0, every=15, make=_shaking, step=0.03, spike=1.9)],
    "dam-bridge/bridge-wind": [_dam("bridge-wind", "wind_gust", {"blue": 22.0, "yellow": 31.0, "red": 45.0}, 5.0, attributes=GUSTS)],
    "earthquake/intensity": [
        Scene("earthquake/intensity", "pga", {"blue": _intensity(3.5), "yellow": _intensity(4.5), "orange": _intensity(5.5), "red": _intensity(6.5)},
              {"pga": 0.001}, 10, at_once="a station alone is heard at once; among neighbours it waits for one of them")
    ],
    "earthquake/reported-intensity": [
        Scene("earthquake/reported-intensity", "seismic_intensity", {"blue": 3.5, "yellow": 4.5, "orange": 5.5, "red": 6.5},
              {"seismic_intensity": 1.0}, 10, at_once="a station alone is heard at once; among neighbours it waits for one of them")
    ],
    "fire/alarm": [Scene("fire/alarm", "smoke", {"red": 6.0}, {"smoke": 0.0, "fire_alarm": False}, 10, beside={"fire_alarm": True}, at_once=AT_ONCE["fire"])],
    "fleet/overspeed": [
        Scene("fleet/overspeed", "speed", {"yellow": 60.0, "orange": 90.0}, {"speed": 30.0, "alarms": [], "lon": 121.5, "lat": 31.5}, 15,
              beside={"lon": 121.5, "lat": 31.5, "alarms": []}, zones={"road": {"speed_limit_kmh": 60.0}})
    ],
    "traffic/wrong-way": [
        Scene("traffic/wrong-way", "course", {"orange": 135.0}, {"course": 0.0, "speed": 60.0, "lon": 121.5, "lat": 31.5}, 10,
              beside={"speed": 60.0, "lon": 121.5, "lat": 31.5}, zones={"motorway-segment": {"heading_deg": 0.0}})
    ],
    "fleet/fatigue": [
        Scene("fleet/fatigue", "speed", {"yellow": 3.58, "orange": 4.08}, {"speed": 0.0, "driver": "Li", "alarms": []}, 600, make=_driving, step=0.025,
              at_once="hours at the wheel are no reading")
    ],
    "fleet/harsh-by-axes": [Scene("fleet/harsh-by-axes", "acceleration_x", {"blue": 2.94, "yellow": 4.41}, {"acceleration_x": 0.0}, 1)],
    "fleet/harsh-driving": [
        Scene("fleet/harsh-driving", "speed", {"blue": 2.94, "yellow": 4.41}, {"speed": 80.0, "course": 0.0}, 1, make=_braking, gaps=False),
        Scene("fleet/harsh-driving", "course", {"blue": 2.94, "yellow": 4.41}, {"speed": 72.0, "course": 0.0}, 1, make=_turning, gaps=False),
    ],
    "flood/flash-flood-rain": [
        Scene("flood/flash-flood-rain", "rainfall", {"yellow": 8.0, "orange": 10.0, "red": 15.0}, {"rainfall": 0.0}, 600, make=_rain(6), attributes={"bankfull_1h_mm": 60.0, "bankfull_3h_mm": 90.0, "bankfull_6h_mm": 120.0}, rest=120, spike=250.0)
    ],
    "flood/river-stage": [
        Scene("flood/river-stage", "water_level", {"blue": 9.7, "yellow": 10.0, "orange": 12.0, "red": 15.0}, {"water_level": 5.0}, 900, attributes=STAGES, step=0.002)
    ],
    "flood/river-flow": [
        Scene("flood/river-flow", "water_flow", {"blue": 80.0, "yellow": 100.0, "orange": 250.0, "red": 500.0}, {"water_flow": 20.0}, 900, attributes=FLOWS, step=0.002)
    ],
    "flood/flow-surge": [
        Scene("flood/flow-surge", "water_flow", {"yellow": 5.0, "orange": 20.0, "red": 100.0}, {"water_flow": 0.5}, 900, make=climbs("water_flow", 0.5), spike=900.0)
    ],
    "flood/fast-rise": [
        Scene("flood/fast-rise", "water_level", {"yellow": 0.45, "orange": 0.9144, "red": 3.048}, {"water_level": 2.0}, 900, make=climbs("water_level", 2.0), spike=9.0)
    ],
    "flood/flood-wave-upstream": [
        Scene("flood/flood-wave-upstream", "water_level", {"yellow": 0.9144, "orange": 3.048}, {"water_level": 2.0}, 900, make=lambda _: [{"water_level": 2.0}] * 9,
              others=_wave, attributes={"upstream": "up"}, at_once="it reads the gauge upstream; see the pack's own test of one absurd reading there")
    ],
    "landslide/rain-intensity-duration": [
        Scene("landslide/rain-intensity-duration", "rainfall", {"blue": 0.7 * _CAINE_TWICE, "yellow": _CAINE_TWICE}, {"rainfall": 0.0}, 3600, make=lambda mm: [*_rain(2)(mm), {"rainfall": 0.0}], rest=200, spike=300.0),
        Scene("landslide/rain-intensity-duration", "rainfall", {"orange": _rain_that_wets(124, _IN_SOAK), "red": _rain_that_wets(180, _IN_SOAK)}, {"rainfall": 0.0}, 3600, make=_rain(_IN_SOAK), rest=200, spike=300.0),
    ],
    "landslide/soil-water-limit": [
        Scene("landslide/soil-water-limit", "rainfall", {"yellow": _rain_that_wets(80, 12), "orange": _rain_that_wets(100, 12), "red": _rain_that_wets(120, 12)}, {"rainfall": 0.0}, 3600, make=_rain(12), attributes={"soil_water_limit_mm": 100.0}, rest=200, spike=300.0)
    ],
    "landslide/antecedent-rain": [
        Scene("landslide/antecedent-rain", "rainfall", {"blue": 88.9 / 6, "yellow": 113.9 / 6}, {"rainfall": 0.0}, 43_200, make=_rain(6), rest=60)
    ],
    "landslide/ground-moves": [
        Scene("landslide/ground-moves", "displacement", {"yellow": 5.0, "orange": 20.0, "red": 100.0}, {"displacement": 0.0}, 3600, make=stands("displacement", 0.0))
    ],
    "landslide/ground-tilts": [
        Scene("landslide/ground-tilts", "tilt", {"yellow": 0.05, "orange": 0.1, "red": 1.0}, {"tilt": 0.0}, 600, make=stands("tilt", 0.0, 4, sign=sign), spike=sign * 9)
        for sign in (1.0, -1.0)
    ],
    "maritime/restricted-zone": [_in_zone("maritime/restricted-zone", "restricted", {"orange": 0.5}, calm={"sog": 8.0, "lon": 10.0, "lat": 10.0}, spike={"sog": 8.0, "lon": 121.5, "lat": 31.5})],
    "maritime/bridge-approach": [
        _in_zone("maritime/bridge-approach", "bridge-1", {"orange": 0.5}, calm={"sog": 8.0, "lon": 10.0, "lat": 10.0}, spike={"sog": 8.0, "lon": 121.5, "lat": 31.5}),
        _in_zone("maritime/bridge-approach", "bridge-2", {"blue": 0.5}, calm={"sog": 8.0, "lon": 10.0, "lat": 10.0}),
    ],
    "maritime/anchor-drag": [
        Scene("maritime/anchor-drag", "sog", {"orange": 0.7}, {"sog": 0.1, "nav_status": "at anchor"}, 180, beside={"nav_status": "at anchor"}, spike=9.0)
    ],
    "maritime/channel-blocked": [
        _in_zone("maritime/channel-blocked", "channel", {"orange": 0.5, "red": 0.5}, every=60, make=_stopping, upward=False, spike=0.0, calm={"sog": 13.0, "lon": 121.5, "lat": 31.5})
    ],
    "maritime/channel-speed": [_in_zone("maritime/channel-speed", "channel", {"yellow": 10.0}, calm={"sog": 8.0, "lon": 121.5, "lat": 31.5})],
    "maritime/collision": [
        Scene("maritime/collision", "sog", {"yellow": 0.2, "orange": 0.1, "red": 60 / 1852}, {}, 10, make=_northward, others=_southward, upward=False, gaps=False, rest=0,
              at_once="the pair is judged by half a minute of fixes")
    ],
    "plant/dry-running": [Scene("plant/dry-running", "flow", {"yellow": 5.0, "orange": 5.0}, {"flow": 80.0, "running": True}, 30, beside={"running": True}, attributes=PUMP, upward=False)],
    "plant/hot": [Scene("plant/hot", "temperature", {"yellow": 70.0, "orange": 80.0}, {"temperature": 40.0}, 60, attributes=PUMP)],
    "plant/pressure-burst": [
        Scene("plant/pressure-burst", "pressure", {"yellow": 49.0, "orange": 98.0}, {"pressure": 235.0}, 10, make=stands("pressure", 235.0, 40, sign=-1), spike=0.0, rest=200)
    ],
    "plant/pump-out": [Scene("plant/pump-out", "level", {"yellow": 2.0, "orange": 2.5}, {"level": 0.5, "running": False}, 60, beside={"running": False}, attributes=PUMP)],
    "power/voltage-deviation": [
        Scene("power/voltage-deviation", "voltage", {"yellow": 235.4, "orange": 253.0}, {"voltage": 220.0}, 120, attributes=METER, step=0.002),
        Scene("power/voltage-deviation", "voltage", {"yellow": 198.0, "orange": 187.0}, {"voltage": 220.0}, 120, attributes=METER, step=0.002, upward=False),
    ],
    "power/phase-voltage": [
        Scene("power/phase-voltage", f"voltage_{phase}", {"yellow": 242.0, "orange": 253.0}, {"voltage_a": 220.0, "voltage_b": 220.0, "voltage_c": 220.0}, 120,
              beside={"voltage_a": 220.0, "voltage_b": 220.0, "voltage_c": 220.0}, attributes=METER, step=0.002)
        for phase in "abc"
    ],
    "power/outage": [Scene("power/outage", "voltage", {"yellow": 198.0, "orange": 22.0}, {"voltage": 220.0}, 10, attributes=METER, upward=False)],
    "power/frequency": [
        Scene("power/frequency", "frequency", {"blue": 50.2, "yellow": 50.5, "orange": 51.0}, {"frequency": 50.0}, 10, step=0.001, spike=60.0),
        Scene("power/frequency", "frequency", {"blue": 49.8, "yellow": 49.5, "orange": 49.0}, {"frequency": 50.0}, 10, step=0.001, spike=45.0, upward=False),
    ],
    "power/sf6": [Scene("power/sf6", "sf6", {"orange": 1000.0}, {"sf6": 100.0}, 10, at_once="a gas detector is heard at once")],
    "weather-cn/rainstorm": [
        Scene("weather-cn/rainstorm", "rainfall", {"blue": 50 / 12, "yellow": 50 / 6, "orange": 50 / 3, "red": 100 / 3}, {"rainfall": 0.0}, 3600, make=_rain(12), spike=250.0)
    ],
    "weather-cn/rainstorm-1h": [
        Scene("weather-cn/rainstorm-1h", "rainfall", {"blue": 20 / 6, "yellow": 5.0, "orange": 40 / 6, "red": 10.0}, {"rainfall": 0.0}, 600, make=_rain(6), spike=250.0)
    ],
    "weather-cn/rainstorm-3h": [
        Scene("weather-cn/rainstorm-3h", "rainfall", {"blue": 10.0}, {"rainfall": 0.0}, 3600, make=_rain(3))
    ],
    "weather-cn/snowstorm": [
        Scene("weather-cn/snowstorm", "snowfall", {"blue": 4 / 12, "yellow": 0.5, "orange": 10 / 6, "red": 2.5}, {"snowfall": 0.0}, 3600, make=lambda mm: [{"snowfall": mm}] * 12, spike=40.0)
    ],
    "weather-cn/sandstorm": [
        Scene("weather-cn/sandstorm", "visibility", {"yellow": 1000.0, "orange": 500.0, "red": 50.0}, {"visibility": 9000.0, "pm10": 900.0}, 600, beside={"pm10": 900.0}, upward=False),
        Scene("weather-cn/sandstorm", "pm10", {"yellow": 600.0}, {"visibility": 9000.0, "pm10": 20.0}, 600, beside={"visibility": 800.0}),
    ],
    "weather-cn/haze": [
        Scene("weather-cn/haze", "visibility", {"yellow": 3000.0, "orange": 2000.0}, {"visibility": 9000.0, "relative_humidity": 60.0}, 600, beside={"relative_humidity": 60.0}, upward=False),
        Scene("weather-cn/haze", "relative_humidity", {"yellow": 80.0}, {"visibility": 9000.0, "relative_humidity": 60.0}, 600, beside={"visibility": 2500.0}, upward=False),
    ],
    "weather-cn/haze-beijing": [
        Scene("weather-cn/haze-beijing", "visibility", {"yellow": 3000.0, "red": 1000.0}, {"visibility": 9000.0, "relative_humidity": 60.0, "pm25": 20.0}, 1200, beside={"relative_humidity": 60.0, "pm25": 20.0}, upward=False),
        Scene("weather-cn/haze-beijing", "pm25", {"yellow": 150.0, "red": 500.0}, {"visibility": 9000.0, "relative_humidity": 90.0, "pm25": 20.0}, 1200, beside={"relative_humidity": 90.0, "visibility": 4500.0}, spike=900.0),
    ],
    "weather-cn/gale": [
        Scene("weather-cn/gale", "wind_speed", {"blue": 10.8, "yellow": 17.2, "orange": 24.5, "red": 32.7}, {"wind_speed": 3.0, "wind_gust": 4.0}, 600, beside={"wind_gust": 4.0}),
        Scene("weather-cn/gale", "wind_gust", {"blue": 13.9, "yellow": 20.8, "orange": 28.5, "red": 37.0}, {"wind_speed": 3.0, "wind_gust": 4.0}, 600, beside={"wind_speed": 3.0}),
    ],
    "weather-cn/cold-wave": [
        Scene("weather-cn/cold-wave", "air_temperature", {"blue": 8.0, "yellow": 10.0, "orange": 12.0, "red": 16.0}, {"air_temperature": 4.5, "wind_speed": 11.0}, 10_800,
              make=_cooling, spike=-30.0)
    ],
    "weather-cn/road-ice": [
        Scene("weather-cn/road-ice", "road_temperature", {"orange": -0.005}, {"road_temperature": 5.0, "rainfall": 1.0}, 600, beside={"rainfall": 1.0}, upward=False, step=1.0, spike=-20.0)
    ],
}  # fmt: skip

assert all(set(scene.levels) <= set(LEVELS) for scenes in WRITTEN.values() for scene in scenes)
