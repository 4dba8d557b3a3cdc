"""Commands that run a hub: `run`, `replay`, `demo`, `simulate`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from hub.app.city import City
from hub.app.hanging import end_when_it_hangs
from hub.app.hub import Hub
from hub.app.notifying import keep_alive, notify, reloading
from hub.app.only_one import AlreadyRunning
from hub.app.replay import replay
from hub.app.roles import here
from hub.app.strange import exposed_secrets
from hub.cli.cities import clean_city
from hub.cli.judging import add_layout, recordings
from hub.cli.output import Problem, command, folder, json_line, note
from hub.cli.telling import on_stderr, set_up, take_what_nobody_caught
from hub.clock import ToldClock
from hub.defects import told
from hub.heap import give_back_soon
from hub.options import ROLES, WORK, ApiOptions, HubOptions, StoreOptions
from hub.ports import LogFull, StoreUnavailable

logger = logging.getLogger(__name__)

OVERTAKEN = 75
"""The exit code of a hub that another has overtaken (EX_TEMPFAIL of sysexits.h): start it again."""
GARBAGE = (5_000, 10, 10)
"""Objects that are made, on balance, before Python looks for garbage that refers to itself; by itself it looks after 700, so several times within
one batch of readings, of which nothing is garbage."""


def add(commands: Any) -> None:
    parser = command(commands, "run", run, "run the hub until SIGINT or SIGTERM")
    parser.add_argument("dir", type=folder)
    parser.add_argument(
        "--role", action="append", metavar="ROLE,…",
        help=f"what this machine does, instead of [hub] roles: any of {', '.join(ROLES)}; on several machines each of {', '.join(WORK)} is done by one at a time, and the others stand by for it",
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
    take_what_nobody_caught(asyncio.get_running_loop())
    try:
        hub = Hub(city, say=say, node=node, roles=roles)
    except ValueError as error:
        raise Problem(str(error)) from None
    guards = [asyncio.create_task(keep_alive()), asyncio.create_task(end_when_it_hangs())]
    await started(hub)
    overtaken = asyncio.create_task(_end_when_overtaken(hub))
    where = f"listening on {hub.address}" if hub.listening.listens else f"not listening on {config.api.listen} yet"
    if "api" not in roles:
        where = "not listening, for it has not the role api,"
    for damage in hub.log.damage():
        say(f"log damaged, the rest is used: {damage}")
    for sentence in exposed_secrets(config):
        say(sentence)
    taking = _take_over_on_hangup(hub, say)
    await notify("READY=1", f"STATUS={where}")
    doing = "" if set(roles) == set(ROLES) else f", {', '.join(role for role in ROLES if role in roles)} only"
    say(
        f"{config.hub.name}: {where} with {len(here(config.adapters, hub.does()))} adapters{doing}, data in {hub.data}; Ctrl-C stops it"
    )
    try:
        await stop.wait()
        await notify("STOPPING=1")
        say("stopping: letting readers finish")
    finally:
        overtaken.cancel()
        await hub.stop()
        for task in (taking, *guards):
            task.cancel()
    say("stopped")


async def _end_when_overtaken(hub: Hub) -> None:
    """Another hub may fill a role of this one from now on. What this one still has in hand the other takes up, as after a power failure; so it
    ends without writing anything down. So does one that has a lease and cannot do what it is for."""
    try:
        await hub.lost()
        why = "this hub has lost a lease on the log, and ends; started again it stands by"
    except (OSError, ValueError, StoreUnavailable) as error:
        why = f"this hub has a lease and cannot do what it is for, so it ends: {error}"
    except Exception as error:
        logger.exception("a role could not be filled; report this")
        why = f"this hub has a lease and cannot do what it is for, so it ends: {told(error).en}"
    on_stderr(why)
    os._exit(OVERTAKEN)


def _take_over_on_hangup(hub: Hub, say: Callable[[str], None]) -> asyncio.Task[None]:
    """SIGHUP: take the city folder over as it is now, as `cityhub reload` does."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)

    async def take_over() -> None:
        while True:
            await asked.wait()
            asked.clear()
            await reloading()
            told = await hub.reload()
            for mistake in told.mistakes:
                say(f"not reloaded: {mistake}")
            if not (told.mistakes or told.applied or told.restart):
                say("reload: nothing has changed")
            await notify("READY=1")

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
    gc.set_threshold(*GARBAGE)
    give_back_soon()
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
