"""The town in motion: `World(seed, start).step(dt)` is a function of the seed and the steps taken, of nothing else."""

from __future__ import annotations

from random import Random

from simulators.world.air import Air, Source
from simulators.world.geography import Point, to_degrees
from simulators.world.ground import Ground, Quake
from simulators.world.places import Site
from simulators.world.plant import Plant
from simulators.world.roads import Roads, Vehicle
from simulators.world.sea import Sea, Vessel
from simulators.world.water import Water
from simulators.world.weather import RainCell, Weather

SECOND = 1_000_000_000
LAPSE = 60.0
"""How much faster than life rain, rivers, air and works run unless told otherwise: a minute a second."""
STEP_MAX_S = 30.0
"""Weather seconds of one inner step; longer ones are cut, so that pumps and plumes stay stable."""
LOCAL_HOUR_AT_START = 9.0
"""The weather's day begins at nine, whatever the clock says, so that a demo at night is no night."""


class World:
    """Everything physical. `start` is ns since 1970; `now` goes on from it by the steps taken."""

    def __init__(self, seed: int, start: int, sites: list[Site], vessels: int = 14, lapse: float = LAPSE) -> None:
        self.random = Random(seed)
        self.start = start
        self.elapsed_s = 0.0
        self.lapse = lapse
        self.sites = {site.device: site for site in sites}
        fixed = {site.device: to_degrees(*site.at) for site in sites if site.at}
        self.weather = Weather(self.random, LOCAL_HOUR_AT_START)
        self.water = Water(fixed)
        self.air = Air()
        self.plant = Plant(self.random)
        self.ground = Ground(self.random)
        self.roads = Roads(self.random)
        self.sea = Sea(self.random)
        self.fires: set[str] = set()
        """Fire panels whose detectors have tripped."""
        self.smoke: dict[str, float] = {}
        """Smoke at a sensor, %/m."""
        for number, site in enumerate(site for site in sites if site.at is None and site.kind != "vessel"):
            self.roads.add(site.device, site.kind, number)
        for number in range(vessels):
            self.sea.add(number)
        self.sea.settle(self.weather.wind_from)

    @property
    def now(self) -> int:
        return self.start + round(self.elapsed_s * SECOND)

    def step(self, dt: float) -> None:
        """Go on by so many real seconds."""
        self.elapsed_s += dt
        self.roads.step(dt)
        self.sea.step(dt, self.weather.wind_from)
        slow = dt * self.lapse
        self.ground.step(dt, self.water.soil, slow)
        while slow > 0:
            part = min(slow, STEP_MAX_S)
            slow -= part
            self.weather.step(part)
            self.water.step(part, self.weather)
            self.air.step(part)
            self.plant.step(part, self.weather.hour, self.weather.rain_at(0, 700))
        rush = 0.25 if 7 <= self.weather.hour < 9.5 or 17 <= self.weather.hour < 19.5 else 0.0
        self.roads.jam = 1.0 - rush - min(0.3, self.weather.rain_at(0, 700) / 150)

    # ------------------------------------------------------------------------------------ what scenarios may do

    def at(self, device: str) -> Point:
        """Where a fixed device stands or a moving one is. Raises ValueError with a sentence."""
        if device in self.roads.vehicles:
            return self.roads.vehicles[device].position
        site = self.sites.get(device)
        if site is None or site.at is None:
            raise ValueError(f"the city has no device {device!r} with a place")
        return site.at

    def vehicle(self, device: str) -> Vehicle:
        if device not in self.roads.vehicles:
            raise ValueError(f"the city has no vehicle {device!r}")
        return self.roads.vehicles[device]

    def vessel(self, mmsi: int) -> Vessel:
        if mmsi not in self.sea.vessels:
            raise ValueError(f"no vessel {mmsi} is at sea")
        return self.sea.vessels[mmsi]

    def rain_cell(self, over: str, peak_mm_h: float, radius_m: float, approach_s: float, stay_s: float) -> None:
        """A storm that comes up with the wind, stops over a place and goes on. Times in real seconds."""
        goal = self.at(over)
        self.weather.set_wind(9.0, 165.0)
        ux, uy = self.weather.towards(1.0)
        away = 3.2 * radius_m
        speed = away / max(1.0, approach_s * self.lapse)
        life = (approach_s + stay_s + 0.6 * approach_s) * self.lapse
        self.weather.cells.append(
            RainCell(
                goal.x - ux * away,
                goal.y - uy * away,
                ux * speed,
                uy * speed,
                radius_m,
                peak_mm_h,
                life,
                target=goal,
                stay_s=stay_s * self.lapse,
            )
        )

    def release(self, name: str, at: str, metric: str, grams_s: float, for_s: float) -> None:
        """A works gives off a substance. `for_s` in real seconds."""
        self.air.sources.append(Source(name, self.at(at), metric, grams_s, 3.0, for_s * self.lapse))

    def quake(self, magnitude: float, x: float, y: float) -> None:
        self.ground.quakes.append(Quake(magnitude, Point(x, y)))
