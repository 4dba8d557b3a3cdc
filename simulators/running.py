"""The town against a running hub: the world steps, instruments read it, devices report over their own protocols."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from zlib import crc32

from hub.clock import ToldClock
from simulators.devices import ais
from simulators.devices.coap import CoapSensor
from simulators.devices.faults import Faults
from simulators.devices.gb26875 import Gb26875
from simulators.devices.gb32960 import Gb32960
from simulators.devices.gt06 import Gt06
from simulators.devices.hj212 import Hj212
from simulators.devices.jt808 import Jt808
from simulators.devices.modbus import ModbusServer, substation_registers
from simulators.devices.mqtt import Gateway
from simulators.devices.report import Report
from simulators.devices.seaside import Station
from simulators.devices.sl651 import Sl651
from simulators.devices.sparkplug import EdgeNode
from simulators.devices.teltonika import Teltonika
from simulators.devices.terminal import Dialect, Terminal
from simulators.devices.web import Poster, logger, phone
from simulators.load import Box, Meter
from simulators.scenarios.director import Director, Narrator, Played
from simulators.scenarios.language import Scenario, Town, find
from simulators.world.geography import Point, to_degrees
from simulators.world.observing import Values
from simulators.world.places import Site, read_sites
from simulators.world.sensors import sensors_for
from simulators.world.world import LAPSE, World

TICK_S = 0.5
"""The town's seconds from step to step."""
STUCK_S = 30.0
"""A town that goes by its own clock is over when all that devices said has been taken, or nothing more is for so long."""
LAG_MAX_S = 5.0
"""Real seconds that the town makes up for when the machine was busy or asleep; the rest it skips."""
SECONDS_OF_KIND = {
    "underpass-gauge": 2.0,
    "gas-detector": 2.0,
    "substation": 2.0,
    "fire-panel": 3.0,
    "seismometer": 1.0,
    "rain-gauge": 4.0,
}
SENSOR_S = 5.0
"""Reporting interval of every other kind."""
FIRST_S = 5.0
"""Everybody has reported by then, however long its interval."""
SECONDS_OF_PROTOCOL = {"sl651": 60.0}
"""SL 651 dates its observations to the minute."""
PER_ADDRESS = 1_000
"""Load vehicles that dial from one loopback address."""
VEHICLE_S, VESSEL_S, STATIC_S = 2.0, 3.0, 60.0
DEMO = (
    "cloudburst", "anchor-drag", "gas-leak", "hazmat-off-route", "chemical-plume", "market-fire", "sensor-fault", "overvoltage",
    "collision", "contamination", "vandalism", "forest-smoke", "lying-sensor", "earthquake", "outage",
)  # fmt: skip
"""What the demo plays, in this order, again and again."""


@dataclass
class Fleet:
    """All devices of a town, and how each is reached."""

    endpoints: Mapping[str, str]
    faults: Faults
    say: Callable[[str], None]
    gateways: list[Gateway] = field(default_factory=list)
    terminals: dict[str, Terminal | Poster | CoapSensor | EdgeNode] = field(default_factory=dict)
    modbus: dict[str, ModbusServer] = field(default_factory=dict)
    station: Station | None = None
    silent: set[str] = field(default_factory=set)

    def build(self, sites: Sequence[Site], now: datetime, gateways: int) -> None:
        if "mqtt" in self.endpoints:
            self.gateways = [Gateway(f"{number}", self.faults) for number in range(gateways)]
        if "ais" in self.endpoints:
            self.station = Station(self.faults)
        for site in sites:
            self._add(site, now)

    def _add(self, site: Site, now: datetime) -> None:
        protocol = site.protocol
        if protocol not in self.endpoints:
            if ":" in site.device:
                self.silent.add(protocol)
            return
        dialect = dialect_of(site, now)
        if dialect is not None:
            local = site.attributes.get("dials_from") if "//127.0.0.1:" in self.endpoints[protocol] else None
            self.terminals[site.device] = Terminal(site.device, dialect, self.faults, local)
        elif protocol == "osmand":
            self.terminals[site.device] = phone(site.number, self.faults)
        elif protocol == "http":
            self.terminals[site.device] = logger(site.device, self.faults)
        elif protocol == "sparkplug" and site.number.count("/") == 2:  # a node by itself speaks through its device
            self.terminals[site.device] = EdgeNode(site.number, self.faults)
        elif protocol == "coap":
            self.terminals[site.device] = CoapSensor(site.device, self.faults)
        elif protocol == "modbus":
            self.modbus[site.device] = ModbusServer()

    def send(self, site: Site, report: Report) -> None:
        """By the device's own protocol; by MQTT where its adapter does not run and its id allows it."""
        if site.device in self.modbus:
            number = report.number
            self.modbus[site.device].registers = substation_registers(
                number("voltage"), number("current"), number("active_power"), number("frequency")
            )
        elif site.device in self.terminals:
            self.terminals[site.device].send(report)
        elif ":" not in site.device and self.gateways:
            gateway = self.gateways[crc32(site.device.encode()) % len(self.gateways)]
            gateway.send(site.device, site.attributes.get("area", ""), report)

    def tasks(self, sites: Mapping[str, Site]) -> list[asyncio.Task[None]]:
        running = [asyncio.create_task(gateway.run(self.endpoints["mqtt"])) for gateway in self.gateways]
        for device, terminal in self.terminals.items():
            running.append(asyncio.create_task(terminal.run(self.endpoints[sites[device].protocol])))
        for server in self.modbus.values():
            running.append(asyncio.create_task(server.run(self.endpoints["modbus"])))
        if self.station:
            running.append(asyncio.create_task(self.station.run(self.endpoints["ais"])))
        return running

    def unacknowledged(self) -> int:
        """Reports that devices still keep."""
        return sum(len(thing.outbox) for thing in (*self.gateways, *self.terminals.values()))

    def meter(self, sites: Mapping[str, Site]) -> Meter:
        """Over all devices that keep what is not acknowledged."""
        by_protocol: dict[str, tuple[list[Box], int]] = {}
        if self.gateways:
            behind = sum(1 for device in sites if ":" not in device and device not in self.terminals)
            by_protocol["mqtt"] = ([gateway.outbox for gateway in self.gateways], behind)
        for device, terminal in self.terminals.items():
            boxes, count = by_protocol.get(sites[device].protocol, ([], 0))
            by_protocol[sites[device].protocol] = ([*boxes, terminal.outbox], count + 1)
        return Meter(by_protocol)


def dialect_of(site: Site, now: datetime) -> Dialect | None:
    """How a device on a stream speaks; None for those that speak otherwise."""
    match site.protocol:
        case "jt808":
            return Jt808(site.number, site.attributes.get("plate", ""))
        case "teltonika":
            return Teltonika(site.number)
        case "gt06":
            return Gt06(site.number)
        case "gb32960":
            return Gb32960(site.number, now)
        case "hj212":
            return Hj212(site.number, "32" if site.kind == "sewage-plant" else "22")
        case "sl651":
            kind = 0x50 if site.kind == "rain-gauge" else 0x48
            return Sl651(site.number, kind, site.attributes.get("coding") == "ascii")
        case "gb26875":
            return Gb26875(int(site.number))
    return None


class Player:
    """Steps the world by the wall clock and lets every device report when it is due."""

    def __init__(
        self,
        folder: Path,
        endpoints: Mapping[str, str],
        say: Callable[[str], None],
        scenarios: Sequence[Scenario] = (),
        *,
        speed: float = 1.0,
        fleet: int = 0,
        vessels: int = 14,
        sensors: int = 0,
        seed: int = 23,
        lapse: float = LAPSE,
        faults: Faults | None = None,
        repeat: bool = True,
        clock: ToldClock | None = None,
    ) -> None:
        self.speed = speed
        self._clock = clock
        self.faults = faults or Faults(random=Random(seed))
        sites = read_sites(folder)
        sites += more_vehicles(fleet) + more_sensors(sensors, Random(seed))
        self.world = World(seed, clock() if clock else time.time_ns(), sites, vessels, lapse)
        self.sensors = sensors_for(sites, seed)
        self.town = Town(self.world, self.sensors)
        self.say = say
        self.director = Director(self.town, scenarios, say, repeat)
        self.narrator = Narrator(self.world, say)
        self.fleet = Fleet(endpoints, self.faults, say)
        self.fleet.build(sites, datetime.fromtimestamp(self.world.start / 1e9, UTC), max(1, min(16, len(sites) // 250)))
        self.meter = self.fleet.meter(self.world.sites) if fleet or sensors else None
        self._crowd = max(1.0, (fleet / 400) ** 0.5)  # large fleets report less often, as they do
        self._due: dict[str | int, float] = {}
        self._reported = 0
        self._random = Random(seed)

    async def play(self, stop: asyncio.Event) -> list[Played]:
        """Until `stop`, or until the last scenario has ended where they are not repeated. Returns what was played."""
        if self.fleet.silent:
            self.say(f"No adapter for {', '.join(sorted(self.fleet.silent))}: those devices stay silent")
        tasks = self.fleet.tasks(self.world.sites)
        loop = asyncio.get_running_loop()
        began = last = loop.time()
        owed_s = 0.0
        try:
            while not stop.is_set() and not self.director.done:
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S / self.speed):
                        await stop.wait()
                        break
                now = loop.time()
                owed_s, last = owed_s + min(LAG_MAX_S, now - last) * self.speed, now
                if self._clock:
                    owed_s = min(owed_s, TICK_S)  # whoever goes by the town's time is never hurried more than this
                late_s = owed_s / self.speed
                while owed_s >= TICK_S and not self.director.done:
                    owed_s -= TICK_S
                    self.tick()
                self._complain(tasks)
                if self.meter and (said := self.meter.tell(now - began, late_s)):
                    self.say(said)
            if self._clock and not stop.is_set():
                await self._handed_over()
        finally:
            if self.meter:
                self.say(
                    f"{self.meter.made:,} reports made, {self.meter.taken():,} taken, {self.fleet.unacknowledged():,} wait"
                )
            await _end(tasks)
        return self.director.played

    async def _handed_over(self) -> None:
        """Until devices keep no report any more, or get rid of none for so long: a busy hub takes the last of them later."""
        least, since = self.fleet.unacknowledged(), time.monotonic()
        while least and time.monotonic() - since < STUCK_S:
            await asyncio.sleep(0.05)
            if (left := self.fleet.unacknowledged()) < least:
                least, since = left, time.monotonic()

    def tick(self) -> None:
        """One step of the town: always the same length, so that a seed gives the same town on a busy machine."""
        self.world.step(TICK_S)
        if self._clock:
            self._clock.at = self.world.now
        self.director.step()
        self.narrator.step()
        self.report()

    def report(self) -> None:
        """Everything that is due reports."""
        clock = self.world.elapsed_s
        skew = time.time_ns() - self.world.now if self.speed != 1.0 and self._clock is None else 0
        for device, sensor in self.sensors.items():
            site = sensor.site
            every = SECONDS_OF_PROTOCOL.get(site.protocol) or SECONDS_OF_KIND.get(site.kind, SENSOR_S)
            if self._is_due(device, clock, every) and (values := sensor.read(self.world)) is not None:
                self._send(site, Report(sensor.observed_at(self.world) + skew, values))
        for vehicle in self.world.roads.vehicles.values():
            if self._is_due(vehicle.name, clock, VEHICLE_S * self._crowd):
                lon, lat = to_degrees(*self._fix(vehicle.position))
                fix: Values = {
                    "speed": round(max(0.0, vehicle.speed_kmh), 1),
                    "course": round(vehicle.course, 1),
                    "odometer": round(vehicle.odometer_km, 3),
                    "fuel_volume": round(vehicle.fuel, 1),
                    "ignition": not vehicle.overturned,
                    "alarms": list(vehicle.alarms),
                    "battery": 82.0,
                }
                at = self.world.now // 1_000_000_000 * 1_000_000_000
                self._send(self.world.sites[vehicle.name], Report(at + skew, fix, lon, lat, 8.0))
        if self.fleet.station:
            self._vessels(clock)

    def _vessels(self, clock: float) -> None:
        assert self.fleet.station is not None
        second = self.world.now // 1_000_000_000 % 60
        crowd = max(1.0, len(self.world.sea.vessels) / 60)
        for vessel in self.world.sea.vessels.values():
            if self._is_due(vessel.mmsi, clock, VESSEL_S * crowd):
                self._reported += 1
                static = self._is_due(-vessel.mmsi, clock, STATIC_S)
                self.fleet.station.say(list(ais.of_vessel(vessel, second, static, self._reported)))

    def _send(self, site: Site, report: Report) -> None:
        if self.meter:
            self.meter.made += 1
        report.at += self.faults.skew_ns(site.device)
        self.fleet.send(site, report)

    def _fix(self, at: Point) -> Point:
        """GNSS noise of a few metres."""
        return Point(at.x + self._random.gauss(0, 1.5), at.y + self._random.gauss(0, 1.5))

    def _is_due(self, who: str | int, clock: float, every: float) -> bool:
        due = self._due.get(who)
        if due is None:
            self._due[who] = clock + self._random.random() * min(every, FIRST_S)
            return False
        if clock < due:
            return False
        self._due[who] = max(due + every, clock)
        return True

    def _complain(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                tasks.remove(task)
                self.say(f"A simulated device has failed: {error}")
                return


async def run(
    city_folder: Path,
    endpoints: Mapping[str, str],
    scenarios: Sequence[str] = DEMO,
    speed: float = 1.0,
    fleet: int = 0,
    vessels: int = 14,
    sensors: int = 0,
    *,
    stop: asyncio.Event,
    say: Callable[[str], None],
    seed: int = 23,
    faults: Faults | None = None,
    repeat: bool = True,
    clock: ToldClock | None = None,
) -> list[Played]:
    """Play the town of `city_folder` against a hub until `stop` is set; returns which scenarios ran, and when.

    `endpoints` maps adapter names to addresses: "mqtt" → mqtt://…, "ais" → udp:// or tcp://…, "jt808", "teltonika",
    "gt06", "gb32960", "hj212", "sl651", "gb26875" → tcp://…, "osmand" → tcp:// or http://…, "coap" → coap://…, "sparkplug" → mqtt://…, "http" → the
    hub's own API; "modbus" is where the simulated unit is to listen. Devices of adapters that are not there stay
    silent, or report by MQTT where their id is not bound to a protocol. `scenarios` are shipped names or paths;
    `fleet`, `vessels`, `sensors` say how many more vehicles (JT/T 808), vessels in all, and more MQTT sensors there are.
    `speed` other than 1 hurries the whole world while reports keep the wall clock's time; with `clock`, which the town then moves,
    they keep the world's: a hub on the same clock sees everything as it is at speed 1, on a busy machine too, where both slow down.
    """
    player = Player(
        city_folder, endpoints, say, find(tuple(scenarios)),
        speed=speed, fleet=fleet, vessels=vessels, sensors=sensors, seed=seed, faults=faults, repeat=repeat, clock=clock,
    )  # fmt: skip
    return await player.play(stop)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until they are gone: under Python 3.11 `asyncio.wait_for`, which libraries use, may swallow a cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.5)
    await asyncio.gather(*tasks, return_exceptions=True)


def more_vehicles(count: int) -> list[Site]:
    """Vehicles for load: terminals `jt808:0141…`, which an adapter must admit. On one machine a thousand each dial from a loopback
    address of their own, since a hub takes `connections_per_peer_max` (2,000) of one address."""
    return [
        Site(
            f"jt808:{14_100_000_000 + number:012d}",
            f"Load vehicle {number}",
            "vehicle",
            None,
            0.0,
            {"dials_from": f"127.0.0.{2 + number // PER_ADDRESS}"} if sys.platform == "linux" else {},
        )
        for number in range(count)
    ]


def more_sensors(count: int, random: Random) -> list[Site]:
    """Sensors for load, all over town, by MQTT: `load-00000` and so on."""
    kinds = ("weather-station", "rain-gauge", "air-station")
    return [
        Site(
            f"load-{number:05d}",
            f"Load sensor {number}",
            kinds[number % 3],
            Point(random.uniform(-3500, 3500), random.uniform(0, 3500)),
            5.0,
            {"area": "load"},
        )
        for number in range(count)
    ]
