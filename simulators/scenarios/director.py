"""Plays scenarios one after the other, and puts into words what is to be seen in the world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from simulators.scenarios.language import Scenario, Town
from simulators.world.world import World

DEPTHS_CM = (5, 15, 25, 40)


@dataclass(slots=True)
class Played:
    """When a scenario began and ended, in seconds of the world and as ns since 1970."""

    scenario: Scenario
    began_s: float
    began_at: int
    ended_at: int | None = None


@dataclass
class Director:
    """`step` after each step of the world. With `repeat`, begins again after the last scenario."""

    town: Town
    scenarios: Sequence[Scenario]
    say: Callable[[str], None]
    repeat: bool = True
    lead_s: float = 6.0
    """Quiet before the first scenario."""
    pause_s: float = 15.0
    """Quiet between two scenarios."""
    played: list[Played] = field(default_factory=list)
    _next: int = 0
    _steps_done: int = 0
    _wait_until_s: float = -1.0

    @property
    def done(self) -> bool:
        return not self.repeat and self._next >= len(self.scenarios) and not self._running

    @property
    def _running(self) -> Played | None:
        return self.played[-1] if self.played and self.played[-1].ended_at is None else None

    def step(self) -> None:
        world = self.town.world
        now = world.elapsed_s
        if self._wait_until_s < 0:
            self._wait_until_s = now + self.lead_s
        running = self._running
        if running is None:
            if now >= self._wait_until_s and self.scenarios and (self.repeat or self._next < len(self.scenarios)):
                self._begin(now)
            return
        scenario = running.scenario
        while self._steps_done < len(scenario.steps) and now - running.began_s >= scenario.steps[self._steps_done].at_s:
            step = scenario.steps[self._steps_done]
            self._steps_done += 1
            if step.say:
                self.say(step.say)
            for action in step.do:
                action.apply(self.town)
        if now - running.began_s >= scenario.lasts_s:
            running.ended_at = world.now
            self._wait_until_s = now + self.pause_s

    def _begin(self, now: float) -> None:
        scenario = self.scenarios[self._next % len(self.scenarios)]
        self._next += 1
        self._steps_done = 0
        self.played.append(Played(scenario, now, self.town.world.now))
        self.say(f"— {scenario.title} —")


class Narrator:
    """Says what a person on the spot would notice, once each time."""

    def __init__(self, world: World, say: Callable[[str], None]) -> None:
        self.world = world
        self.say = say
        self._depth: dict[str, int] = {}
        self._rain: dict[str, bool] = {}
        self._gas = 0
        self._moored: dict[int, tuple[float, float]] = {}

    def step(self) -> None:
        self._water()
        self._tunnel()
        self._vessels()

    def _water(self) -> None:
        for device, pool in self.world.water.underpasses.items():
            name = self.world.sites[device].name
            rain = self.world.weather.rain_at(pool.x, pool.y)
            if rain >= 60 and not self._rain.get(device):
                self._rain[device] = True
                self.say(f"Rain over {name}: {rain:.0f} mm/h")
            elif rain < 1:
                self._rain[device] = False
            mark = sum(pool.depth_m * 100 >= depth for depth in DEPTHS_CM)
            before = self._depth.get(device, 0)
            if mark > before:
                self.say(f"{name}: the water stands {DEPTHS_CM[mark - 1]} cm deep")
            elif mark == 0 and before and pool.depth_m < 0.01:
                self.say(f"{name} is passable again")
            if mark > before or (mark == 0 and pool.depth_m < 0.01):
                self._depth[device] = mark

    def _tunnel(self) -> None:
        gas = max(self.world.plant.tunnel.segments)
        mark = sum(gas >= level for level in (10, 25, 50))
        if mark > self._gas:
            self.say(f"Utility tunnel: gas at {gas:.0f} % of its explosive limit")
        elif mark == 0 and self._gas and gas < 6:
            self.say("The utility tunnel is aired")
        if mark > self._gas or (mark == 0 and gas < 6):
            self._gas = mark

    def _vessels(self) -> None:
        for vessel in self.world.sea.vessels.values():
            if vessel.dragging and vessel.mmsi not in self._moored and vessel.sog > 1.0:
                self._moored[vessel.mmsi] = (vessel.x, vessel.y)
                self.say(f"{vessel.name} moves over the ground at {vessel.sog:.1f} kn with her anchor down")
            elif not vessel.dragging:
                self._moored.pop(vessel.mmsi, None)
