"""One run of the oracle: a city, its devices, its desk, and a hub that lives several lives, each ended or troubled by the seed.

The seed decides what is done to the hub and what the devices say. It does not decide how the machine schedules threads, so a seed
that failed is tried a few times to see it again; its record of system calls stays in its folder.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.ports import free_port
from tests.acceptance.running import RULES, write_city
from tests.oracle.desk import Desk
from tests.oracle.devices import Account, Broker, HttpDevice, ask, gauge, underpass
from tests.oracle.disk import Disk
from tests.oracle.judge import judged
from tests.oracle.lives import Nursery
from tests.oracle.shim import Orders, State, steps

PATIENCE_S = 120.0
"""For what must come about at all; a busy machine takes its time."""
LIFE_S = 30.0
"""No life is longer, even where it acknowledges nothing (a disk that is ill)."""
FILES = (24, 32, 40, 56)
"""Descriptors that a hub short of them has; a small one wants about forty."""
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
        self._broker = Broker(self._account, gauge("gauge-7", random.Random(f"broker {plan.seed}")))
        self._city = folder / "city"
        self._record, self._said = folder / "record", folder / "said.txt"
        self._read = 0
        self.outcome = Outcome(plan.seed)

    async def go(self) -> Outcome:
        began = time.monotonic()
        self._folder.mkdir(parents=True)
        self._write_city()
        self._orders = Orders(self._folder / "orders")
        self._disk = Disk(self._city / "var")
        await self._desk.open(self._desk_port)
        await self._broker.open(self._broker_port)
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
                f'[[adapters]]\nname = "broker"\nprotocol = "mqtt"\nconnect = "mqtt://127.0.0.1:{self._broker_port}"\nversion = "3.1.1"\n'
                'topics = ["city/+/readings"]\n'
                if self._plan.broker
                else ""
            ),
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

    async def _begin(self, end_at: int = 0, torn: bool = False, files: int = 0) -> int:
        self._orders.begin(end_at, torn)
        return await self._nursery.begin(self._city, self._record, self._orders, self._said, self._plan.canary, files)

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
        pid = await self._begin(end_at, chance.random() < 0.5, files)
        if files:
            done.count("few files")
        if self._plan.clock and chance.random() < 0.6:
            self._account.may_refuse = True
            self._orders.set_clock(chance.choice((-86_400, -3600, 0, 3600, 86_400)))
            done.count("clock set")
        ended = asyncio.create_task(self._nursery.end())
        ill = self._plan.disk and chance.random() < 0.7
        if ill:
            await self._trouble(ended)
        if chance.random() < 0.2:
            self._broker.drop()
            done.count("broker gone")
        most = 400 if how == "step" else chance.choice((0, 40)) if self._plan.brief else chance.choice((0, 40, 150))
        await self._lived(ended, chance.randint(0, most) if how != "step" else most)
        self._orders.heal()
        if how.startswith("term") and not ended.done():
            _tell(pid, signal.SIGTERM)
            await asyncio.wait([ended], timeout=30.0 if how == "term" else chance.uniform(0.0, 0.3))
        if not ended.done():
            _tell(pid, signal.SIGKILL)
        code = await ended
        done.count(f"exit {code}" if code != -signal.SIGKILL else f"killed ({how})")
        refused = (ill or files) and code == 1 and "the hub cannot start" in self._said.read_text()[-300:]
        if code not in (0, -signal.SIGKILL, -signal.SIGTERM) and not refused:
            done.wrong.append(f"the hub ended with {code}: {self._said.read_text()[-800:]}")
        self._follow()
        if code == 0 or self._orders.steps == end_at:
            self._disk.check()
        else:
            self._disk.take_the_last_step()
        if chance.random() < self._plan.cuts:
            strict = chance.random() < 0.5
            self._disk.cut_power(chance, strict)
            done.count("power cut, strict" if strict else "power cut, journal")
        if self._plan.rot and chance.random() < 0.5:
            self._rot()

    async def _lived(self, ended: asyncio.Task[int], answers: int) -> None:
        """Until it has ended by itself, or has acknowledged so often; by acknowledgements, because machines differ in speed."""
        until, patience = self._account.answers + answers, time.monotonic() + LIFE_S
        if not answers:
            await asyncio.wait([ended], timeout=self._chance.uniform(0.0, 1.0))
        while not ended.done() and self._account.answers < until and time.monotonic() < patience:
            await asyncio.wait([ended], timeout=0.01)

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
            self.outcome.wrong += judged(self._city, self._account, self._desk.heard, status, ready)

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
