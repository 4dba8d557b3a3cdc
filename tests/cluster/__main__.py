"""`make cluster`: brings the machines up, plays the demo's town against them, and says who does what until Ctrl-C or `--seconds`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from simulators import DEMO, run
from tests.cluster.machines import DOORS, STAND_IN, WORKERS, Machines

SECONDS = 1800.0
LOOK_S = 2.0


def say(line: str) -> None:
    print(line, flush=True)


async def main(seconds: float) -> None:
    stop = asyncio.Event()
    for sent in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sent, stop.set)
    with tempfile.TemporaryDirectory(prefix="cityhub-cluster-") as folder:
        say("Three servers of the log and six machines are started ...")
        machines = await asyncio.to_thread(Machines, Path(folder), say)
        playing = asyncio.create_task(
            run(machines.folders[DOORS[0]], machines.endpoints, DEMO, stop=stop, say=lambda _: None)
        )
        telling = asyncio.create_task(_tell(machines))
        say(
            f"The harbour city reports to both doors. Ctrl-C ends it, or {seconds:.0f} s do. Try: kill {_pids(machines)}"
        )
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
        stop.set()
        telling.cancel()
        await asyncio.gather(playing, telling, return_exceptions=True)
        say("Ending: the doors, the others, the servers ...")
        await asyncio.to_thread(machines.end)
    if not playing.cancelled() and (error := playing.exception()):
        raise error
    say("The cluster has ended cleanly.")


def _pids(machines: Machines) -> str:
    return " or ".join(f"-9 {machines.hubs[name].process.pid} ({name})" for name in (DOORS[1], *WORKERS, STAND_IN))


def _of(node: dict[str, Any]) -> str:
    """What it does, and for what it stands by."""
    waits = f"stands by for {', '.join(node['stands_by'])}" if node["stands_by"] else ""
    return "; ".join(filter(None, (", ".join(node["roles"]), waits)))


async def _tell(machines: Machines) -> None:
    """Who does what and which warnings are open, whenever that has changed."""
    told: Any = None
    while True:
        for door in DOORS:
            with suppress(OSError, ValueError):
                status = await asyncio.to_thread(machines.hubs[door].get, "/api/v1/status")
                does = {node["node"]: _of(node) for node in status["nodes"]}
                found = does, status["open_alerts"]
                if found != told:
                    told = found
                    for name, roles in does.items():
                        say(f"  {name:8} {roles}")
                    say(f"  {status['devices']} devices, {status['open_alerts']} open warnings, as {door} shows them")
                break
        await asyncio.sleep(LOOK_S)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="end by itself after so long (default: %(default)s)"
    )
    asyncio.run(main(parser.parse_args().seconds))
