"""Commands that play a city: `demo`, `simulate`."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import simulators
from hub.app.city import City
from hub.app.demo import adapters_up, endpoints, with_free_ports, with_sink
from hub.app.hub import TICK_S, Hub
from hub.app.terminal import Terminal
from hub.cli import mapping
from hub.cli.cities import clean_city
from hub.cli.output import Problem, command, json_line, note
from hub.cli.serving import started, until_stopped
from hub.clock import ToldClock, now

CAUGHT_UP_S = 120.0
"""A hub on a busy machine is given so long to judge and tell what a scenario brought."""


def add(commands: Any) -> None:
    parser = command(commands, "demo", demo, "the hub with a simulated harbour city, to look at")
    parser.add_argument(
        "--scenario", action="append", default=[], metavar="NAME", help="play only these (default: one after the other)"
    )
    parser.add_argument("--seconds", type=float, help="end by itself after so long")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="keep log and store here (else a temporary folder, removed at the end)"
    )
    parser = command(commands, "simulate", simulate, "devices and scenarios against a hub")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="shipped names or YAML files")
    parser.add_argument(
        "--city", type=Path, metavar="DIR", help="city folder whose running hub to talk to (default: the demo's city)"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="run a hub of its own, play each scenario once, and verify what it warned of",
    )
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--fleet", type=int, default=0, metavar="N", help="so many more vehicles (JT/T 808)")
    parser.add_argument("--vessels", type=int, default=14, metavar="N", help="vessels in all (AIS)")
    parser.add_argument("--sensors", type=int, default=0, metavar="N", help="so many more sensors (MQTT)")
    parser.add_argument("--seconds", type=float, help="end by itself after so long")


def demo(options: argparse.Namespace) -> int:
    city = with_free_ports(clean_city(simulators.CITY))
    data = options.data or Path(tempfile.mkdtemp(prefix="cityhub-demo-"))
    try:
        return until_stopped(lambda stop: _demo(options, city, data, stop))
    finally:
        if options.data is None:
            shutil.rmtree(data, ignore_errors=True)


async def _demo(options: argparse.Namespace, city: City, data: Path, stop: asyncio.Event) -> None:
    hub = await started(Hub(city, data))
    print(f"cityhub demo: open {hub.address} in a browser; Ctrl-C ends it", flush=True)
    print(
        "An invented harbour city reports to this hub. Its first warning comes within half a minute, with the cameras",
        flush=True,
    )
    print("that see the place, and is over within two; then something else happens, every minute or two.", flush=True)
    await asyncio.to_thread(mapping.write, simulators.basemap(), data / mapping.NAME)
    await adapters_up(hub)
    terminal = Terminal(hub.state, hub.address)
    showing = asyncio.create_task(terminal.run())
    playing = asyncio.create_task(
        simulators.run(
            simulators.CITY,
            endpoints(city, hub.address),
            tuple(options.scenario) or simulators.DEMO,
            stop=stop,
            say=terminal.say,
        )
    )
    try:
        await _until(stop, playing, options.seconds)
    finally:
        stop.set()
        await asyncio.gather(playing, return_exceptions=True)
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
        await hub.stop()
    if playing.done() and not playing.cancelled() and (error := playing.exception()):
        raise Problem(f"the simulated city failed: {error}")
    print("The demo has ended cleanly.")


async def _until(stop: asyncio.Event, work: asyncio.Task[Any], seconds: float | None) -> None:
    """Until told to stop, the work ends, or the time is over."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, work}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


def simulate(options: argparse.Namespace) -> int:
    folder = options.city or simulators.CITY
    city = clean_city(folder)
    try:
        simulators.find(tuple(options.scenarios) or simulators.DEMO)
    except simulators.ScenarioError as error:
        raise Problem(str(error), 2) from None
    if options.check:
        results: list[simulators.Finding] = []
        until_stopped(lambda stop: _check(options, with_free_ports(city), folder, stop, results))
        for finding in results:
            if options.json:
                json_line({"scenario": finding.scenario, "met": finding.met, "sentence": finding.sentence})
            else:
                print(f"{'ok  ' if finding.met else 'FAIL'} {finding.scenario}: {finding.sentence}")
        return 0 if results and all(finding.met for finding in results) else 1
    where = endpoints(city, f"http://{city.config.api.listen}")
    return until_stopped(lambda stop: _simulate(options, folder, where, stop))


async def _simulate(options: argparse.Namespace, folder: Path, where: dict[str, str], stop: asyncio.Event) -> None:
    """Devices only, against whatever hub listens where the city folder says."""
    playing = asyncio.create_task(_play(options, folder, where, stop, repeat=not options.scenarios))
    await _until(stop, playing, options.seconds)
    stop.set()
    await playing


async def _check(
    options: argparse.Namespace, city: City, folder: Path, stop: asyncio.Event, results: list[simulators.Finding]
) -> None:
    """A hub of its own in a temporary folder, every scenario once, and a stand-in for the video platform that listens."""
    receiver = simulators.Receiver()
    city = with_sink(city, await receiver.start())
    with tempfile.TemporaryDirectory(prefix="cityhub-check-") as data:
        clock = ToldClock(now())
        hub = await started(Hub(city, Path(data), clock, tick_s=TICK_S / options.speed))
        await adapters_up(hub)
        where = endpoints(city, hub.address)
        playing = asyncio.create_task(_play(options, folder, where, stop, repeat=False, clock=clock))
        try:
            await _until(stop, playing, options.seconds)
            stop.set()
            played = await playing
            await hub.drain(CAUGHT_UP_S)
            await _told(hub)
        finally:
            await hub.stop()
            await receiver.stop()
    results += simulators.check(played, receiver.changes)


async def _told(hub: Hub) -> None:
    """Until the stand-in has heard all warnings."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CAUGHT_UP_S):
            while hub.state.couriers["stand-in"].status.cursor != hub.log.alerts.next:
                await asyncio.sleep(0.05)


async def _play(
    options: argparse.Namespace,
    folder: Path,
    where: dict[str, str],
    stop: asyncio.Event,
    repeat: bool,
    clock: ToldClock | None = None,
) -> list[Any]:
    return await simulators.run(
        folder,
        where,
        tuple(options.scenarios) or simulators.DEMO,
        options.speed,
        options.fleet,
        options.vessels,
        options.sensors,
        stop=stop,
        say=note,
        repeat=repeat,
        clock=clock,
    )
