"""One run of the oracle: a city, its devices, its desk, and a hub that lives several lives, each ended or troubled by the seed.

The seed decides what is done to the hub and what the devices say. It does not decide how the machine schedules threads, so a seed
that failed is tried a few times to see it again; its record of system calls stays in its folder.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.ports import free_port
from tests.acceptance.running import RULES, write_city
from tests.oracle.desk import Desk
from tests.oracle.devices import Account, Broker, HttpDevice, ask, body, gauge, post, underpass
from tests.oracle.disk import Disk
from tests.oracle.influx import Influx
from tests.oracle.judge import judged
from tests.oracle.lives import Nursery, address_space
from tests.oracle.shim import Orders, State, steps
from tests.oracle.tapped import TappedBroker

PATIENCE_S = 120.0
"""For what must come about at all; a busy machine takes its time."""
LIFE_S = 30.0
"""No life is longer, even where it acknowledges nothing (a disk that is ill)."""
ANSWERS_AGAIN = 5
FILES = (24, 32, 40, 56)
"""Descriptors that a hub short of them has; a small one wants about forty."""
MEMORY_MB = (10, 40, 120, 300)
"""Address space that a hub short of memory has beside what it begins with; threads alone want some hundred."""
FEW_STEPS, MANY_STEPS = 120, 1500
"""Recorded steps of a life: about so many until it listens, and in a second or two of load."""
DEVICES = """device,name,kind,lon,lat,elevation_m,area,operator,warning_level_m
underpass-1,North Gate,underpass-gauge,121.491,31.241,3,north,roads,
underpass-2,South Gate,underpass-gauge,121.461,31.211,3,south,roads,
gauge-1,River at the mill,river-gauge,121.492,31.242,3,north,water,3.5
gauge-2,River at the weir,river-gauge,121.462,31.212,3,south,water,3.5
gauge-7,River at the mouth,river-gauge,121.482,31.222,3,south,water,3.5
"""


@dataclass
class Plan:
    """What a run does; everything else follows from the seed."""

    seed: int
    lives: int = 10
    """Lives that end badly; one more lives to the end and is asked."""
    cuts: float = 0.6
    """The share of ends that are power cuts, not only of the process."""
    disk: bool = False
    """Whether the disk fails, fills up, or is slow or read-only for a while."""
    clock: bool = False
    """Whether the hub's clock is set ahead and back, by an hour or a day."""
    rot: bool = False
    """Whether files beside the log are cut, zeroed or have bytes flipped between two lives."""
    files: bool = False
    """Whether some lives may open only a few files."""
    memory: bool = False
    """Whether some lives get little memory."""
    influxdb: bool = False
    """Whether the store is a real InfluxDB, which is killed, ended and held up at times; else it is DuckDB."""
    mosquitto: bool = False
    """Whether the broker is a real one, which is killed and ended at times; else it is our own."""
    canary: str = ""
    broker: bool = True
    brief: bool = False
    """Lives are short, and the peers are well, so that none waits long: for `make test`."""
    pause_s: float = 0.03
    """Between two readings of a device, at most."""


@dataclass
class Outcome:
    """What was done, and what is wrong."""

    seed: int
    wrong: list[str] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)
    """How lives ended, and what else was done, by name."""
    sent: int = 0
    owed: int = 0
    warnings: int = 0
    repeats: int = 0
    wall_s: float = 0.0

    def count(self, what: str) -> None:
        self.ends[what] = self.ends.get(what, 0) + 1


class Run:
    def __init__(self, folder: Path, plan: Plan, nursery: Nursery) -> None:
        self._folder, self._plan, self._nursery = folder, plan, nursery
        self._chance = random.Random(plan.seed)
        self._account = Account()
        self._desk = Desk(random.Random(f"desk {plan.seed}"), 0.02 if plan.brief else 0.1)
        self._api, self._desk_port, self._broker_port = free_port(), free_port(), free_port()
        made = gauge("gauge-7", random.Random(f"broker {plan.seed}"))
        self._broker: Broker | TappedBroker = Broker(self._account, made)
        if plan.mosquitto:
            chance = random.Random(f"mosquitto {plan.seed}")
            self._broker = TappedBroker(self._account, made, folder / "mosquitto", chance)
        self._influx: Influx | None = None
        if plan.influxdb:
            self._influx = Influx(folder / "influxd", random.Random(f"influxdb {plan.seed}"))
        self._city = folder / "city"
        self._record, self._said = folder / "record", folder / "said.txt"
        self._read = 0
        self.outcome = Outcome(plan.seed)

    async def go(self) -> Outcome:
        began = time.monotonic()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write_city()
        self._orders = Orders(self._folder / "orders")
        self._disk = Disk(self._city / "var")
        await self._desk.open(self._desk_port)
        await self._broker.open(self._broker_port)
        if self._influx is not None:
            await self._influx.open()
        over = asyncio.Event()
        sending = [asyncio.create_task(device.run(over)) for device in self._devices()]
        try:
            for _ in range(self._plan.lives):
                await self._bad_life()
            await self._last_life(over, sending)
        finally:
            over.set()
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)
            self._broker.close()
            if self._influx is not None:
                self._influx.close()
            self._desk.close()
            self._orders.close()
        done = self.outcome
        done.sent, done.owed, done.repeats = len(self._account.sent), len(self._account.owed), self._account.repeats
        done.warnings, done.wall_s = len(self._desk.heard), time.monotonic() - began
        return done

    def _write_city(self) -> None:
        write_city(
            self._city,
            f'[[sinks]]\nname = "desk"\nprotocol = "webhook"\nurl = "http://127.0.0.1:{self._desk_port}/"\nper_second_max = 500\ntimeout_s = 2\n'
            + (
                f'[[adapters]]\nname = "broker"\nprotocol = "mqtt"\nconnect = "mqtt://127.0.0.1:{self._broker_port}"\n'
                f'version = "{"5" if self._plan.mosquitto else "3.1.1"}"\ntopics = ["city/+/readings"]\n'
                if self._plan.broker
                else ""
            )
            + ("" if self._influx is None else self._influx.toml),
            self._api,
            RULES,
        )
        (self._city / "devices.csv").write_text(DEVICES)
        (self._city / "var").mkdir()

    def _devices(self) -> list[HttpDevice]:
        kinds = {"gauge-1": gauge, "gauge-2": gauge, "underpass-1": underpass, "underpass-2": underpass}
        made = []
        for name, kind in kinds.items():
            chance = random.Random(f"{name} {self._plan.seed}")
            made.append(HttpDevice(self._account, self._api, kind(name, chance), chance, self._plan.pause_s))
        return made

    # ---------------------------------------------------------------------------------------------- lives

    async def _begin(self, end_at: int = 0, torn: bool = False, files: int = 0, memory_mb: int = 0) -> int:
        self._orders.begin(end_at, torn)
        return await self._nursery.begin(
            self._city, self._record, self._orders, self._said, self._plan.canary, files, memory_mb
        )

    async def _bad_life(self) -> None:
        """One life to a bad end: at some step it takes on its disk (the start, a segment, a snapshot, a cursor …), by kill -9 at some
        time, or by SIGTERM, perhaps killed while it stops."""
        chance, done = self._chance, self.outcome
        how = chance.choices(("step", "kill", "term", "term and kill"), (6, 2, 1, 1))[0]
        end_at = 0
        if how == "step":
            most = MANY_STEPS // 3 if self._plan.brief else MANY_STEPS
            end_at = chance.randint(1, FEW_STEPS) if chance.random() < 0.4 else chance.randint(FEW_STEPS, most)
        files = chance.choice(FILES) if self._plan.files and chance.random() < 0.4 else 0
        memory_mb = chance.choice(MEMORY_MB) if self._plan.memory and chance.random() < 0.3 else 0
        pid = await self._begin(end_at, chance.random() < 0.5, files, memory_mb)
        ended = asyncio.create_task(self._nursery.end())
        ill = self._plan.disk and chance.random() < 0.7
        squeezed = self._plan.memory and not memory_mb and chance.random() < 0.7
        if ill:
            await self._trouble(ended)
        self._trouble_around()
        most = 400 if how == "step" else chance.choice((0, 40)) if self._plan.brief else chance.choice((0, 40, 150))
        await self._lived(ended, chance.randint(0, most) if how != "step" else most)
        if squeezed and not ended.done():
            await self._squeeze(pid)
        self._orders.heal()
        if (squeezed or memory_mb) and not files:
            await self._recovered(pid, ended)
        if how.startswith("term") and not ended.done():
            _tell(pid, signal.SIGTERM)
            await asyncio.wait([ended], timeout=30.0 if how == "term" else chance.uniform(0.0, 0.3))
        if not ended.done():
            _tell(pid, signal.SIGKILL)
        code = await ended
        done.count(f"exit {code}" if code != -signal.SIGKILL else f"killed ({how})")
        for so, what in ((files, "few files"), (memory_mb, f"{memory_mb} MB of memory")):
            if so:
                done.count(what)
        refused = (ill or files) and code == 1 and "the hub cannot start" in self._said.read_text()[-300:]
        if code not in (0, -signal.SIGKILL, -signal.SIGTERM) and not refused and not memory_mb and not squeezed:
            done.wrong.append(f"the hub ended with {code}: {self._said.read_text()[-800:]}")
        self._follow()
        if code == 0 or self._orders.steps == end_at:
            self._disk.check()
        else:
            self._disk.take_the_last_step()
        self._between_lives()

    def _trouble_around(self) -> None:
        """The clock and the peers; what they do passes by itself."""
        chance, done = self._chance, self.outcome
        if self._plan.clock and chance.random() < 0.6:
            self._account.may_refuse = True
            self._orders.set_clock(chance.choice((-86_400, -3600, 0, 3600, 86_400)))
            done.count("clock set")
        if chance.random() < 0.2:
            self._broker.drop()
            done.count("broker gone")
        if self._influx is not None and chance.random() < 0.5:
            done.count(f"InfluxDB {self._influx.trouble()}")

    def _between_lives(self) -> None:
        """What becomes of the folder while nobody looks after it."""
        chance = self._chance
        if chance.random() < self._plan.cuts:
            strict = chance.random() < 0.5
            self._disk.cut_power(chance, strict)
            self.outcome.count("power cut, strict" if strict else "power cut, journal")
        if self._plan.rot and chance.random() < 0.5:
            self._rot()

    async def _lived(self, ended: asyncio.Task[int], answers: int) -> None:
        """Until it has ended by itself, or has acknowledged so often; by acknowledgements, because machines differ in speed."""
        until, patience = self._account.answers + answers, time.monotonic() + LIFE_S
        if not answers:
            await asyncio.wait([ended], timeout=self._chance.uniform(0.0, 1.0))
        while not ended.done() and self._account.answers < until and time.monotonic() < patience:
            await asyncio.wait([ended], timeout=0.01)

    async def _squeeze(self, pid: int) -> None:
        """For a while the hub gets no memory beside what it has, and much to do."""
        self.outcome.count("no more memory")
        with suppress(ProcessLookupError, FileNotFoundError):
            resource.prlimit(pid, resource.RLIMIT_AS, (address_space(pid), resource.RLIM_INFINITY))
        for _ in range(3):
            await self._hand_over_much(self._chance.choice((10_000, 40_000)))

    async def _hand_over_much(self, count: int) -> None:
        """So many readings at once, offered once."""
        since = time.time_ns() // 1_000 * 1_000 - 600 * 10**9
        readings = {
            ("gauge-2", since + 1_000 * number): {"water_level": number % 3000 / 1000} for number in range(count)
        }
        began = time.monotonic()
        self._account.send(readings)
        with suppress(OSError, asyncio.IncompleteReadError, ValueError, TimeoutError):
            async with asyncio.timeout(5):
                if await post(self._api, body(readings)) == 200:
                    self._account.acknowledged(readings, time.monotonic() - began)

    async def _recovered(self, pid: int, ended: asyncio.Task[int]) -> None:
        """With memory again the hub takes readings and all its parts work, or it has ended: one that does neither waits for a person at
        night."""
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        before, patience, ready = self._account.answers, time.monotonic() + PATIENCE_S, dict[str, Any]()
        while not ended.done() and (self._account.answers == before or not ready.get("ready")):
            if time.monotonic() > patience:
                ill = [f"{part['part']} is {part['state']} ({part['reason']})" for part in ready.get("parts", ())]
                _tell(pid, signal.SIGALRM)  # it ends, and says what its threads were doing
                await asyncio.wait([ended], timeout=10.0)
                self.outcome.wrong.append(f"with memory again it does not work: {ill} {self._said.read_text()[-6000:]}")
                return
            await asyncio.wait([ended], timeout=0.05)
            _, ready = await self._asked()

    async def _trouble(self, ended: asyncio.Task[int]) -> None:
        """The disk, or a part of it, is ill for a while."""
        chance = self._chance
        state = chance.choice((State.FULL, State.FAILING, State.READ_ONLY, State.SLOW))
        only = chance.choice(
            (
                "",
                "",
                "/log/events/",
                "/log/alerts/",
                "/cursors/",
                "history.duckdb",
                "delivery.db",
                "rules.snapshot",
                "ledger.json",
            )
        )
        await asyncio.wait([ended], timeout=chance.uniform(0.0, 1.0))
        self._orders.ail(state, only, slow_us=chance.randrange(200_000))
        self.outcome.count(f"disk {state.name.lower().replace('_', ' ')}{': ' + only.strip('/') if only else ''}")
        await asyncio.wait([ended], timeout=chance.uniform(0.1, 1.5))
        self._orders.heal()

    def _rot(self) -> None:
        """One file beside the log is not what it was."""
        chance = self._chance
        beside = sorted(
            p for p in (self._city / "var").rglob("*") if p.is_file() and "log" not in p.parts and p.stat().st_size
        )
        if not beside:
            return
        path = chance.choice(beside)
        data, kind = bytearray(path.read_bytes()), chance.choice(("cut", "zeroed", "flipped", "gone"))
        if kind == "cut":
            del data[chance.randrange(len(data)) :]
        elif kind == "zeroed":
            size = min(4096, len(data))
            data[:size] = bytes(size)
        elif kind == "flipped":
            for _ in range(chance.randint(1, 20)):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        self._disk.rot(path, None if kind == "gone" else bytes(data))
        self.outcome.count(f"{kind}: {path.name}")

    def _follow(self) -> None:
        for step, end in steps(self._record, self._read):
            self._disk.take([step])
            self._read = end

    async def _last_life(self, over: asyncio.Event, sending: list[asyncio.Task[None]]) -> None:
        """A life without trouble: everything that is owed must come about, and the books must say so."""
        pid = await self._begin()
        ended = asyncio.create_task(self._nursery.end())
        self._desk.well()
        self._orders.set_clock(0)
        if self._influx is not None:
            await self._influx.well()
        await asyncio.wait([ended], timeout=0.5)
        over.set()
        status, ready = {}, {}
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*sending)
                if self._plan.broker:
                    await self._broker.settle()
                while not ended.done():
                    status, ready = await self._asked()
                    if _settled(status, ready):
                        break
                    await asyncio.sleep(0.05)
        except TimeoutError:
            self.outcome.wrong.append(
                f"it did not settle: {pending(status, ready)}; it said: {self._said.read_text()[-800:]}"
            )
        if not ended.done():
            _tell(pid, signal.SIGTERM)
        code = await ended
        if code != 0:
            self.outcome.wrong.append(f"stopped, it ended with {code}: {self._said.read_text()[-800:]}")
        if status and ready:
            stored = None if self._influx is None else await asyncio.to_thread(self._influx.history)
            self.outcome.wrong += judged(self._city, self._account, self._desk.heard, status, ready, stored)

    async def _asked(self) -> tuple[dict[str, Any], dict[str, Any]]:
        try:
            async with asyncio.timeout(10):
                return await ask(self._api, "/api/v1/status"), await ask(self._api, "/readyz")
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return {}, {}


def _tell(pid: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has just ended by itself
        os.kill(pid, what)


def pending(status: dict[str, Any], ready: dict[str, Any]) -> list[str]:
    """What has not come about yet, or is ill."""
    if not status or not ready:
        return ["the hub does not answer"]
    readers = [
        reader for reader in status["readers"] if not reader["reader"].startswith("rollups")
    ]  # these go by the minute
    behind = [f"{reader['reader']} is {reader['behind']} behind" for reader in readers if reader["behind"] > 3]
    waiting = [
        f"{item['waiting'] + item['in_flight']} of {item['name']} wait"
        for item in status["adapters"]
        if item["waiting"] > 0 or item["in_flight"] > 0
    ]
    ill = [f"{part['part']} is {part['state']} ({part['reason']})" for part in ready["parts"] if part["state"] != "up"]
    late = [f"{reader['reader']} is behind" for reader in readers if reader["stream"] == "alerts" and reader["behind"]]
    return behind + waiting + ill + late


def _settled(status: dict[str, Any], ready: dict[str, Any]) -> bool:
    return bool(status) and not pending(status, ready)
