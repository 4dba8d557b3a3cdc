"""Commands that run a hub: `run`, `replay`, `demo`, `simulate`."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

import simulators
from hub.app.city import City
from hub.app.demo import adapters_up, endpoints, with_free_ports, with_sink
from hub.app.hub import TICK_S, AlreadyRunning, Hub
from hub.app.notifying import keep_alive, notify, reloading
from hub.app.replay import replay
from hub.app.roles import here
from hub.app.terminal import Terminal
from hub.cli import mapping
from hub.cli.cities import clean_city
from hub.cli.judging import add_layout, recordings
from hub.cli.output import Problem, command, folder, json_line, note
from hub.cli.telling import set_up
from hub.clock import ToldClock, now
from hub.options import ROLES, ApiOptions, HubOptions, StoreOptions
from hub.ports import LogFull, StoreUnavailable

OVERTAKEN = 75
"""The exit code of a hub that another has overtaken (EX_TEMPFAIL of sysexits.h): start it again."""


def add(commands: Any) -> None:
    parser = command(commands, "run", run, "run the hub until SIGINT or SIGTERM")
    parser.add_argument("dir", type=folder)
    parser.add_argument(
        "--role", action="append", metavar="ROLE,…",
        help=f"what this machine does, instead of [hub] roles: some of {', '.join(ROLES)}",
    )  # fmt: skip
    parser.add_argument("--node", metavar="NAME", help="this machine's name in its city (default: the host's)")
    parser = command(commands, "replay", play, "run the whole hub on a recording's own clock")
    parser.add_argument("dir", type=folder)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    add_layout(parser)
    parser.add_argument("--speed", default="max", help="times real time, or max (the default)")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="fresh data folder (else a new temporary one, named at the end)"
    )
    parser.add_argument("--listen", metavar="HOST:PORT", help="where the console listens meanwhile (else a free port)")
    parser.add_argument(
        "--keep", action="store_true", help="go on serving the console after the recording, until Ctrl-C"
    )
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


def run(options: argparse.Namespace) -> int:
    city = clean_city(options.dir)
    hub = msgspec.structs.asdict(city.config.hub)
    named = [role.strip() for given in options.role or () for role in given.split(",")]
    try:
        given = HubOptions(**{**hub, "roles": named or hub["roles"]})
    except ValueError as error:
        raise Problem(f"--role: {error}", 2) from None
    return until_stopped(lambda stop: _serve(city, stop, given.roles, options.node))


async def _serve(city: City, stop: asyncio.Event, roles: list[str], node: str | None) -> None:
    config = city.config
    say = set_up(config.logging)
    try:
        hub = Hub(city, say=say, node=node, roles=roles)
    except ValueError as error:
        raise Problem(str(error)) from None
    alive = asyncio.create_task(keep_alive())
    if not await _has_its_turn(hub, stop):
        alive.cancel()
        say("stopped")
        return
    await started(hub)
    overtaken = asyncio.create_task(_end_when_overtaken(hub))
    where = f"listening on {hub.address}" if hub.listening.listens else f"not listening on {config.api.listen} yet"
    if "api" not in roles:
        where = "not listening, for it has not the role api,"
    for damage in hub.log.damage():
        say(f"log damaged, the rest is used: {damage}")
    taking = _take_over_on_hangup(hub, say)
    notify("READY=1", f"STATUS={where}")
    doing = "" if set(roles) == set(ROLES) else f", {', '.join(role for role in ROLES if role in roles)} only"
    say(
        f"{config.hub.name}: {where} with {len(here(config.adapters, roles))} adapters{doing}, data in {hub.data}; Ctrl-C stops it"
    )
    try:
        await stop.wait()
        notify("STOPPING=1")
        say("stopping: letting readers finish")
    finally:
        overtaken.cancel()
        await hub.stop()
        for task in (taking, alive):
            task.cancel()
    say("stopped")


async def _has_its_turn(hub: Hub, stop: asyncio.Event) -> bool:
    """Whether the hub may start: at once with a log of its own; on servers, when no other hub works. False where it is to stop before."""
    turn, stopping = asyncio.create_task(hub.wait_for_its_turn()), asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({turn, stopping}, timeout=1, return_when=asyncio.FIRST_COMPLETED)
    if not done:
        notify("READY=1", "STATUS=standing by")
        await asyncio.wait({turn, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not turn.done():
        turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)
        return False
    try:
        turn.result()
    except (OSError, ValueError) as error:
        raise Problem(f"the hub cannot start: {error}") from None
    return True


async def _end_when_overtaken(hub: Hub) -> None:
    """Another hub may work on the same log from now on. What this one still has in hand the other takes up, as after a power failure; so it
    ends without writing anything down."""
    await hub.lost()
    print("this hub has lost its lease on the log, and ends; started again it stands by", file=sys.stderr, flush=True)
    os._exit(OVERTAKEN)


def _take_over_on_hangup(hub: Hub, say: Callable[[str], None]) -> asyncio.Task[None]:
    """SIGHUP: take the city folder over as it is now, as `cityhub reload` does."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)

    async def take_over() -> None:
        while True:
            await asked.wait()
            asked.clear()
            reloading()
            told = await hub.reload()
            for mistake in told.mistakes:
                say(f"not reloaded: {mistake}")
            if not (told.mistakes or told.applied or told.restart):
                say("reload: nothing has changed")
            notify("READY=1")

    return asyncio.create_task(take_over())


async def started(hub: Hub) -> Hub:
    """A hub that runs. Raises `Problem` where it cannot start."""
    try:
        await hub.start()
    except AlreadyRunning as error:
        raise Problem(str(error)) from None
    except (OSError, ValueError, StoreUnavailable) as error:
        raise Problem(f"the hub cannot start: {error}") from None
    return hub


def until_stopped(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Run `work` with an event that SIGINT and SIGTERM set."""

    told = False

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            nonlocal told
            told = True
            stop.set()

        for sent in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sent, end)
        await work(stop)

    # The threads that write to disk need the interpreter for microseconds; let them have it sooner than after 5 ms.
    sys.setswitchinterval(0.001)
    asyncio.run(main())
    if told:  # a second Ctrl-C must not break what is left of the ending
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return 0


# ------------------------------------------------------------------------------------------------- replay


def play(options: argparse.Namespace) -> int:
    try:
        speed = None if options.speed == "max" else float(options.speed)
    except ValueError:
        raise Problem(f"--speed {options.speed!r}: a number or max was meant", 2) from None
    data = options.data or Path(tempfile.mkdtemp(prefix="cityhub-replay-"))
    if data.exists() and any(data.iterdir()):
        raise Problem(f"{data} is not empty; a replay needs a fresh folder", 2)
    city = clean_city(options.dir)
    # Nothing leaves a replay: its own store, no destinations, a console on this machine only.
    api = ApiOptions(listen=options.listen or "127.0.0.1:0")
    city = msgspec.structs.replace(
        city, config=msgspec.structs.replace(city.config, store=StoreOptions(), api=api), tokens=None
    )
    return until_stopped(lambda stop: _replay(options, city, data, speed, stop))


async def _replay(
    options: argparse.Namespace, city: City, data: Path, speed: float | None, stop: asyncio.Event
) -> None:
    clock = ToldClock()
    recording = recordings(options.files, options)
    hub = await started(Hub(city, data, now=clock, live=False))
    note(f"console at {hub.address}" if hub.listening.listens else f"no console: {hub.listening.reason}")
    loop = asyncio.get_running_loop()
    began = loop.time()
    show: Callable[[int], None] = (
        (lambda fed: print(f"\r{fed:,} frames", end="", file=sys.stderr)) if sys.stderr.isatty() else (lambda fed: None)
    )
    playing = asyncio.create_task(replay(hub, clock, recording.messages, recording.kind, speed, show))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            if isinstance(playing.exception(), LogFull):
                raise Problem(f"the replay stopped: {playing.exception()}")
            playing.result()
            await hub.drain(60)
            if options.keep:
                note(f"the recording has ended; the console stays at {hub.address} until Ctrl-C")
                await stop.wait()
    finally:
        playing.cancel()
        stopping.cancel()
        await hub.stop()
    _tell(options, hub, data, loop.time() - began)


def _tell(options: argparse.Namespace, hub: Hub, data: Path, wall_s: float) -> None:
    counts = hub.ledger.of("replay")
    raised: dict[str, int] = {}
    for alert in hub.alerts.newest_first(with_closed=True):
        raised[alert.level] = raised.get(alert.level, 0) + 1
    stored, refused, replaced = (
        counted["store"]["replay"] for counted in (hub.ledger.stored, hub.ledger.refused, hub.ledger.replaced)
    )
    told = {
        "frames": counts.frames, "readings": counts.received, "logged": counts.logged, "stored": stored, "refused": refused, "replaced": replaced, "duplicates": counts.duplicate,
        "quarantined": counts.quarantined, "faults": counts.faults, "alerts": raised, "balances": counts.balances(), "wall_s": round(wall_s, 2), "data": str(data),
    }  # fmt: skip
    if options.json:
        json_line(told)
        return
    print(
        f"{counts.frames:,} frames, {counts.received:,} readings: {stored:,} stored, {counts.duplicate:,} duplicates, {counts.quarantined:,} quarantined"
    )
    if refused or replaced:
        print(f"  the store refused {refused:,}; {replaced:,} took the place of others with the same device and time")
    for fault, count in sorted(counts.faults.items()):
        print(f"  {fault}: {count}")
    print("warnings by level now: " + (", ".join(f"{count} {level}" for level, count in raised.items()) or "none"))
    print(f"{wall_s:.1f} s; data in {data}")


# ------------------------------------------------------------------------------------------------- the simulated city


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
            await hub.drain(10)
            await asyncio.sleep(1)
        finally:
            await hub.stop()
            await receiver.stop()
    results += simulators.check(played, receiver.changes)


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
