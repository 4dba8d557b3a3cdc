"""Scenarios as files: what happens when, and what the hub should make of it. Times are seconds of the demo from its start."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import msgspec
import yaml

from simulators.world.geography import Point
from simulators.world.sensors import Sensor
from simulators.world.world import World

FOLDER = Path(__file__).resolve().parent
LEVELS = ("blue", "yellow", "orange", "red")


class Town(msgspec.Struct, frozen=True):
    """What a scenario may touch: the world and the instruments in it."""

    world: World
    sensors: dict[str, Sensor]


class Action(msgspec.Struct, tag_field="act", frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One thing that happens. `needs` names the devices and vessels it touches, so that a file can be checked."""

    def apply(self, town: Town) -> None: ...

    def needs(self) -> tuple[str | int, ...]:
        return ()


class Rain(Action, tag="rain", frozen=True, kw_only=True):
    """A rain cell comes up, stops over a device and goes."""

    over: str
    peak_mm_h: float
    radius_m: float = 800.0
    approach_s: float = 10.0
    stay_s: float = 30.0

    def apply(self, town: Town) -> None:
        town.world.rain_cell(self.over, self.peak_mm_h, self.radius_m, self.approach_s, self.stay_s)

    def needs(self) -> tuple[str | int, ...]:
        return (self.over,)


class FloodWave(Action, tag="flood-wave", frozen=True, kw_only=True):
    """A wave enters the river at its upper gauge."""

    peak_m3_s: float
    lasts_s: float

    def apply(self, town: Town) -> None:
        town.world.water.wave(self.peak_m3_s, self.lasts_s * town.world.lapse)


class GasLeak(Action, tag="gas-leak", frozen=True, kw_only=True):
    """Gas enters a segment (1 to 4) of the utility tunnel; 0 closes the valve."""

    segment: int = 2
    lel_per_min: float

    def apply(self, town: Town) -> None:
        tunnel = town.world.plant.tunnel
        tunnel.leak_at, tunnel.leak_per_min = self.segment - 1, self.lel_per_min


class Wind(Action, tag="wind", frozen=True, kw_only=True):
    """The wind turns: m/s, and the degrees it blows from."""

    speed: float
    from_deg: float

    def apply(self, town: Town) -> None:
        town.world.weather.set_wind(self.speed, self.from_deg)


class Release(Action, tag="release", frozen=True, kw_only=True):
    """A works gives off a substance, and the wind carries it."""

    source: str
    at: str
    metric: str
    grams_s: float
    for_s: float

    def apply(self, town: Town) -> None:
        town.world.release(self.source, self.at, self.metric, self.grams_s, self.for_s)

    def needs(self) -> tuple[str | int, ...]:
        return (self.at,)


class Divert(Action, tag="divert", frozen=True, kw_only=True):
    """A vehicle leaves its way for another place: a crossing of `geography.ROAD_NODES`."""

    vehicle: str
    to: str

    def apply(self, town: Town) -> None:
        town.world.roads.send(self.vehicle, self.to)

    def needs(self) -> tuple[str | int, ...]:
        return (self.vehicle,)


class Overturn(Action, tag="overturn", frozen=True, kw_only=True):
    vehicle: str

    def apply(self, town: Town) -> None:
        town.world.roads.overturn(self.vehicle)

    def needs(self) -> tuple[str | int, ...]:
        return (self.vehicle,)


class Right(Action, tag="right", frozen=True, kw_only=True):
    """The vehicle stands on its wheels again and drives back to its depot."""

    vehicle: str

    def apply(self, town: Town) -> None:
        town.world.roads.right(self.vehicle)

    def needs(self) -> tuple[str | int, ...]:
        return (self.vehicle,)


class Anchor(Action, tag="anchor", frozen=True, kw_only=True):
    """A vessel lies at anchor at these metres east and north of the market."""

    vessel: int
    x: float
    y: float

    def apply(self, town: Town) -> None:
        town.world.sea.anchor(self.vessel, Point(self.x, self.y))

    def needs(self) -> tuple[str | int, ...]:
        return (self.vessel,)


class Drag(Action, tag="drag", frozen=True, kw_only=True):
    """Her anchor loses its hold; she drifts towards a device's place."""

    vessel: int
    towards: str

    def apply(self, town: Town) -> None:
        world = town.world
        world.sea.drag(self.vessel, world.at(self.towards), world.weather.wind_from)

    def needs(self) -> tuple[str | int, ...]:
        return (self.vessel, self.towards)


class Hold(Action, tag="hold", frozen=True, kw_only=True):
    vessel: int

    def apply(self, town: Town) -> None:
        town.world.sea.hold(self.vessel)

    def needs(self) -> tuple[str | int, ...]:
        return (self.vessel,)


class Meet(Action, tag="meet", frozen=True, kw_only=True):
    """Two vessels steer for one place, metres east and north of the market, and neither gives way."""

    vessels: tuple[int, int]
    x: float
    y: float

    def apply(self, town: Town) -> None:
        town.world.sea.meet(*self.vessels, Point(self.x, self.y))

    def needs(self) -> tuple[str | int, ...]:
        return self.vessels


class Collide(Action, tag="collide", frozen=True, kw_only=True):
    """Two vessels have run into each other and lie still, not under command."""

    vessels: tuple[int, int]

    def apply(self, town: Town) -> None:
        town.world.sea.collide(*self.vessels)

    def needs(self) -> tuple[str | int, ...]:
        return self.vessels


class Resume(Action, tag="resume", frozen=True, kw_only=True):
    """A vessel goes her way again."""

    vessel: int

    def apply(self, town: Town) -> None:
        town.world.sea.resume(self.vessel)

    def needs(self) -> tuple[str | int, ...]:
        return (self.vessel,)


class Contaminate(Action, tag="contaminate", frozen=True, kw_only=True):
    """The waterworks' outlet goes bad: 0 clean to 1."""

    strength: float

    def apply(self, town: Town) -> None:
        town.world.plant.water.contaminate(self.strength)


class Overvolt(Action, tag="overvolt", frozen=True, kw_only=True):
    substation: str
    share: float

    def apply(self, town: Town) -> None:
        town.world.plant.overvoltage[self.substation] = self.share

    def needs(self) -> tuple[str | int, ...]:
        return (self.substation,)


class Fire(Action, tag="fire", frozen=True, kw_only=True):
    """A detector of a fire panel trips, or is reset."""

    panel: str
    burns: bool = True

    def apply(self, town: Town) -> None:
        (town.world.fires.add if self.burns else town.world.fires.discard)(self.panel)

    def needs(self) -> tuple[str | int, ...]:
        return (self.panel,)


class Smoke(Action, tag="smoke", frozen=True, kw_only=True):
    """Smoke at a sensor, %/m."""

    sensor: str
    obscuration: float

    def apply(self, town: Town) -> None:
        town.world.smoke[self.sensor] = self.obscuration

    def needs(self) -> tuple[str | int, ...]:
        return (self.sensor,)


class Earthquake(Action, tag="quake", frozen=True, kw_only=True):
    magnitude: float
    x: float
    y: float

    def apply(self, town: Town) -> None:
        town.world.quake(self.magnitude, self.x, self.y)


class SensorFault(Action, tag="sensor-fault", frozen=True, kw_only=True):
    """An instrument fails: dead, stuck, raving or lying; "" mends it."""

    sensor: str
    fault: str

    def apply(self, town: Town) -> None:
        town.sensors[self.sensor].fault = self.fault

    def needs(self) -> tuple[str | int, ...]:
        return (self.sensor,)


class Outage(Action, tag="outage", frozen=True, kw_only=True):
    """The network of a district is down: its sensors are silent until it is back."""

    area: str
    down: bool = True

    def apply(self, town: Town) -> None:
        for sensor in town.sensors.values():
            if sensor.site.attributes.get("area") == self.area:
                sensor.fault = "dead" if self.down else ""


AnyAction: TypeAlias = (
    Rain
    | FloodWave
    | GasLeak
    | Wind
    | Release
    | Divert
    | Overturn
    | Right
    | Anchor
    | Drag
    | Hold
    | Meet
    | Collide
    | Resume
    | Contaminate
    | Overvolt
    | Fire
    | Smoke
    | Earthquake
    | SensorFault
    | Outage
)


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At `at_s`: a sentence for people, and what happens."""

    at_s: float
    say: str = ""
    do: tuple[AnyAction, ...] = ()


class Expect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A warning that must come: any of these rules (by the last part of their names), about this subject."""

    rules: tuple[str, ...]
    subject: str
    level: str
    """This level or a higher one must be reached …"""
    by_s: float
    """… by then."""
    cameras: tuple[str, ...] = ()
    """At least one of these must be among the cameras it names."""
    clear_by_s: float | None = None
    source: str = ""
    """The likeliest source that its evidence must name: a device, or a zone as `zone:NAME`."""
    together_with: tuple[str, ...] = ()
    """Subjects whose warnings of the same rule belong to the same group."""


class Silence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A warning that must not come."""

    subject: str
    rules: tuple[str, ...] = ()
    """Empty: no rule at all."""


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of this folder."""

    scenario: str
    title: str
    lasts_s: float
    steps: tuple[Step, ...]
    expect: tuple[Expect, ...] = ()
    silence: tuple[Silence, ...] = ()


class ScenarioError(ValueError):
    """A scenario file that makes no sense; the message says where and why."""


def load(path: Path) -> Scenario:
    """Read one file. Raises `ScenarioError`."""
    try:
        scenario = msgspec.convert(yaml.safe_load(path.read_text("utf-8")), Scenario)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ScenarioError(f"{path.name}: {error}") from None
    last = 0.0
    for step in scenario.steps:
        if not last <= step.at_s <= scenario.lasts_s:
            raise ScenarioError(
                f"{path.name}: a step at {step.at_s:g} s is out of order or after the end ({scenario.lasts_s:g} s)"
            )
        last = step.at_s
    for expect in scenario.expect:
        if expect.level not in LEVELS:
            raise ScenarioError(f"{path.name}: unknown level {expect.level!r}; one of {', '.join(LEVELS)}")
    return scenario


def shipped() -> dict[str, Path]:
    """The scenarios of this folder by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def find(names: list[str] | tuple[str, ...]) -> list[Scenario]:
    """Scenarios by shipped name or by path. Raises `ScenarioError` that lists what there is."""
    found = []
    known = shipped()
    for name in names:
        path = known.get(name, Path(name))
        if name not in known and path.suffix not in (".yaml", ".yml"):
            raise ScenarioError(f"there is no scenario {name!r}; shipped are {', '.join(known)}")
        found.append(load(path))
    return found
