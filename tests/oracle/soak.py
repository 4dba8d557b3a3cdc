"""`make soak`: the whole simulated city for an hour, with one trouble after another; memory, descriptors and lag must stay flat, and DuckDB must put nothing
aside on the disk.

    python -m tests.oracle.soak [--seconds 3600] [--plot soak.svg]

Troubles, in turn: every device goes and comes back, the disk is slow, the disk is full for some seconds, the destination takes
connections and answers nothing, one device floods the API. Prints the figures of each quarter; fails where one grows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import simulators
from tests.acceptance.forked import ROOT
from tests.acceptance.ports import free_port
from tests.oracle.desk import Desk
from tests.oracle.devices import Account, HttpDevice, ask, gauge
from tests.oracle.lives import Nursery
from tests.oracle.run import pending
from tests.oracle.shim import Orders, State

EVERY_S = 1.0
MEMORY_GROWS_MAX_MB, DESCRIPTORS_GROW_MAX = 24.0, 12
"""From the second quarter to the last, by the median. What is kept for so long (live values, duplicates, an hour of the rules'
windows) fills up in the first; DuckDB may hold 64 MB, which it takes as it needs it."""
SETTLED_WITHIN_S = 120.0
TROUBLES = ("devices gone", "disk slow", "disk full", "destination silent", "flood")


@dataclass
class Sample:
    at_s: float
    memory_mb: float
    descriptors: int
    spilled_mb: float
    """What DuckDB has put aside on the disk, because it did not fit into its memory."""
    threads: int
    lag: int
    """Entries that the reader furthest behind has not taken; rollups go by the minute and are not in it."""
    trouble: str


async def soak(seconds: float, folder: Path) -> tuple[list[Sample], list[str]]:
    """The samples, and what is wrong at the end."""
    api, desk, desk_port = free_port(), Desk(random.Random(1), 0.02), free_port()
    city = _city(folder, api, desk_port)
    await desk.open(desk_port)
    nursery, orders = Nursery(), Orders(folder / "orders")
    orders.begin()
    await nursery.open()
    pid = await nursery.begin(city, Path(os.devnull), orders, folder / "said.txt")
    ended = asyncio.create_task(nursery.end())
    now = ""
    samples: list[Sample] = []

    async def sample() -> None:
        began = time.monotonic()
        while not ended.done():
            if (one := await _sampled(pid, city, api, time.monotonic() - began, now)) is not None:
                samples.append(one)
            await asyncio.sleep(EVERY_S)

    sampling = asyncio.create_task(sample())
    town = await _town(city)
    wrong: list[str] = []
    until = time.monotonic() + seconds
    number, each = 0, max(5.0, min(60.0, seconds / (2 * len(TROUBLES))))
    try:
        while time.monotonic() < until and not ended.done():
            await asyncio.wait([ended], timeout=each)
            now = TROUBLES[number % len(TROUBLES)]
            number += 1
            if now == "devices gone":
                await _end(town)
                town = await _town(city)
            elif now in ("disk slow", "disk full"):
                orders.ail(State.SLOW if now == "disk slow" else State.FULL, "", 50_000)
                await asyncio.wait([ended], timeout=min(5.0, each))
                orders.heal()
            elif now == "destination silent":
                desk.silent = True
                await asyncio.wait([ended], timeout=each / 2)
                desk.silent = False
                desk.hang_up()
            else:
                await _flood(api, min(5.0, each))
            now = ""
        await _end(town)
        desk.well()
        wrong += await _settled(api)
    finally:
        sampling.cancel()
        if not ended.done():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if code := await ended:
            wrong.append(f"the hub ended with {code}: {(folder / 'said.txt').read_text()[-800:]}")
        await nursery.close()
        desk.close()
        orders.close()
    return samples, wrong


def _city(folder: Path, api: int, desk: int) -> Path:
    """The demo's city folder with ports of its own and a destination."""
    city = folder / "city"
    shutil.copytree(simulators.CITY, city, ignore=shutil.ignore_patterns("var"))
    toml = (city / "hub.toml").read_text("utf-8").replace("127.0.0.1:8080", f"127.0.0.1:{api}")
    moved: dict[str, int] = {str(api): api}
    toml = re.sub(r"(?<=127\.0\.0\.1:)\d+", lambda found: str(moved.setdefault(found[0], free_port())), toml)
    sink = f'\n[[sinks]]\nname = "desk"\nprotocol = "webhook"\nurl = "http://127.0.0.1:{desk}/"\ntimeout_s = 3\n'
    (city / "hub.toml").write_text(toml + sink, "utf-8")
    (city / "var").mkdir()
    return city


async def _town(city: Path) -> asyncio.subprocess.Process:
    """The simulated devices."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub.cli", "simulate", "--city", str(city), "--fleet", "20", "--sensors", "50",
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def _end(town: asyncio.subprocess.Process) -> None:
    if town.returncode is None:
        town.kill()
    await town.wait()


async def _flood(api: int, seconds: float) -> None:
    """One device posts as fast as it is answered, over four connections."""
    account, over = Account(), asyncio.Event()
    account.may_refuse = True
    chances = [random.Random(number) for number in range(4)]
    devices = [HttpDevice(account, api, gauge("sl651:0051000101", chance), chance, 0.0) for chance in chances]
    sending = [asyncio.create_task(device.run(over)) for device in devices]
    await asyncio.sleep(seconds)
    over.set()
    await asyncio.gather(*sending)


async def _sampled(pid: int, city: Path, api: int, at_s: float, trouble: str) -> Sample | None:
    try:
        spilled = _spilled(city)
        status = Path(f"/proc/{pid}/status").read_text()  # noqa: ASYNC240 (no disk)
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        async with asyncio.timeout(30):
            told = await ask(api, "/api/v1/status")
    except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
        return None
    memory, threads = (int(re.findall(rf"{name}:\s+(\d+)", status)[0]) for name in ("VmRSS", "Threads"))
    lag = max(reader["behind"] for reader in told["readers"] if not reader["reader"].startswith("rollups"))
    return Sample(at_s, memory / 1024, descriptors, spilled / 1e6, threads, lag, trouble)


def _spilled(city: Path) -> int:
    """Bytes. A file may go between its name and its size."""
    sizes = []
    for file in city.glob("**/*.spill/*"):
        with suppress(FileNotFoundError):
            sizes.append(file.stat().st_size)
    return sum(sizes)


async def _settled(api: int) -> list[str]:
    """What is still ill or behind after the troubles are over; the adapters whose devices are gone may be silent."""
    until, left = time.monotonic() + SETTLED_WITHIN_S, ["the hub does not answer"]
    while left and time.monotonic() < until:
        try:
            status, ready = await ask(api, "/api/v1/status"), await ask(api, "/readyz")
        except (OSError, asyncio.IncompleteReadError):
            continue
        left = [found for found in pending(status, ready) if not found.startswith(("adapter/", "rule/"))]
        left += [] if status["balances"] else ["the books do not balance"]
        await asyncio.sleep(0.2)
    return left


def grown(samples: list[Sample]) -> list[str]:
    """What stands higher in the last quarter than in the second."""
    quarter = max(1, len(samples) // 4)
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    wrong = []
    for what, most in (("memory_mb", MEMORY_GROWS_MAX_MB), ("descriptors", DESCRIPTORS_GROW_MAX)):
        before, after = (statistics.median(getattr(one, what) for one in some) for some in (second, last))
        if after > before + most:
            wrong.append(f"{what} grew from {before:.0f} to {after:.0f}")
    if most_spilled := max(one.spilled_mb for one in last):
        wrong.append(f"DuckDB put {most_spilled:.0f} MB aside")
    return wrong


def table(samples: list[Sample]) -> None:
    quarter = max(1, len(samples) // 4)
    print(f"{'until':>8}{'memory':>10}{'most':>8}{'descriptors':>13}{'spilled':>10}{'threads':>9}{'lag':>7}{'most':>8}")
    for at in range(0, 4 * quarter, quarter):
        some = samples[at : at + quarter]
        middle = {name: statistics.median(getattr(one, name) for one in some) for name in ("memory_mb", "descriptors", "spilled_mb", "threads", "lag")}  # fmt: skip
        print(
            f"{some[-1].at_s:6.0f} s{middle['memory_mb']:7.0f} MB{max(one.memory_mb for one in some):8.0f}"
            f"{middle['descriptors']:13.0f}{middle['spilled_mb']:7.0f} MB{middle['threads']:9.0f}{middle['lag']:7.0f}{max(one.lag for one in some):8}"
        )


def plot(samples: list[Sample]) -> str:
    """An SVG: memory, descriptors and lag over time, troubles as grey stretches."""
    width, height, left = 900, 160, 60
    end = samples[-1].at_s or 1.0

    def x(at_s: float) -> float:
        return left + at_s / end * (width - left - 10)

    parts = []
    for row, (name, title) in enumerate((("memory_mb", "memory, MB"), ("descriptors", "descriptors"), ("lag", "entries behind"))):  # fmt: skip
        top, most = row * (height + 30) + 24, max(max(getattr(one, name) for one in samples), 1)
        parts += [
            f'<rect x="{x(one.at_s):.1f}" y="{top}" width="{max(1.0, x(EVERY_S) - left):.1f}" height="{height}" fill="#ddd"/>'
            for one in samples
            if one.trouble
        ]
        line = " ".join(f"{x(one.at_s):.1f},{top + height - getattr(one, name) / most * height:.1f}" for one in samples)
        parts += [
            f'<text x="{left}" y="{top - 6}">{title}</text><text x="4" y="{top + 10}">{most:.0f}</text><text x="4" y="{top + height}">0</text>',
            f'<polyline fill="none" stroke="#0057b8" points="{line}"/>',
        ]
    parts.append(
        f'<text x="{width - 60}" y="{3 * (height + 30) + 8}">{end:.0f} s; grey: trouble</text>'.replace(
            'x="840"', 'x="740"'
        )
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {3 * (height + 30) + 20}" font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>"]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--plot", type=Path, default=Path("soak.svg"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cityhub-soak-") as folder:
        samples, wrong = asyncio.run(soak(options.seconds, Path(folder)))
    if samples:
        table(samples)
        options.plot.write_text(plot(samples))
        options.plot.with_suffix(".json").write_text(json.dumps([vars(one) for one in samples]))
        wrong += grown(samples)
    else:
        wrong.append("the hub never answered")
    print("\n".join(wrong) or f"flat; the plot is {options.plot}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
