"""A real InfluxDB as the hub's store: it is killed, ended and held up while the hub lives, and tells at the end what it holds."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path
from typing import Any

import httpx
import msgspec

from hub.model import AlertChange
from tests.acceptance.influx_server import InfluxServer
from tests.oracle.judge import History

DATABASE = "city"
NO_VALUES = {"time", "area", "device", "kind", "lat", "lon", "alt", "received_at"}
"""Columns that are no metric (hub/store/README.md)."""
BRIEF_S = 2.5
"""How long a trouble lasts at most."""


class Influx:
    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._server = InfluxServer(folder)
        self._chance = chance
        self._tasks: set[asyncio.Task[None]] = set()
        self._troubled = asyncio.Lock()

    @property
    def toml(self) -> str:
        """The block of `hub.toml`."""
        return f'[store]\nkind = "influxdb"\nversion = 1\nurl = "{self._server.url}"\ndatabase = "{DATABASE}"\ntimeout_s = 2\n'

    async def open(self) -> None:
        await asyncio.to_thread(self._server.start)
        await asyncio.to_thread(
            lambda: httpx.post(
                f"{self._server.url}/query", params={"q": f"CREATE DATABASE {DATABASE}"}
            ).raise_for_status()
        )

    def trouble(self) -> str:
        """Begin one, beside whatever else happens; it passes by itself. Gives its name."""
        what = self._chance.choice(("killed", "ended", "held up"))
        task = asyncio.create_task(self._trouble(what, self._chance.uniform(0.0, BRIEF_S)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return what

    async def _trouble(self, what: str, seconds: float) -> None:
        async with self._troubled:
            if what == "held up":
                os.kill(self._server.pid, signal.SIGSTOP)
                await asyncio.sleep(seconds)
                os.kill(self._server.pid, signal.SIGCONT)
                return
            await asyncio.to_thread(self._server.stop, what == "killed")
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self._server.start)

    async def well(self) -> None:
        """Returns when it works, and goes on to work."""
        await asyncio.gather(*self._tasks)

    def history(self) -> History:
        """What it holds but for rollups, which are made of it."""
        answer = httpx.get(
            f"{self._server.url}/query",
            params={"db": DATABASE, "q": "SELECT * FROM /^[^_]*$/", "epoch": "ns"},
            timeout=60,
        ).raise_for_status()
        decoder = msgspec.json.Decoder(AlertChange)
        rows: list[tuple[str, int, str, Any]] = []
        changes: list[str] = []
        for series in answer.json()["results"][0].get("series", ()):
            columns = series["columns"]
            for values in series["values"]:
                row = dict(zip(columns, values, strict=True))
                if series["name"] == "alerts":
                    changes.append(decoder.decode(row["body"]).id)
                elif series["name"] != "cityhub":
                    rows += [
                        (row["device"], row["time"], metric, value)
                        for metric, value in row.items()
                        if value is not None and metric not in NO_VALUES and not metric.startswith("q_")
                    ]
        return History(rows, changes, keyed=True)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._server.stop(kill=True)
