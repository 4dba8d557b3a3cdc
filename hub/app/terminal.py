"""The live view in the terminal: rates per adapter, open warnings with their cameras, the ledger, the town in words."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hub.api import State, views
from hub.moment import SECOND

LINES = 8
EVERY_S = 1.0
PLAIN_EVERY_S = 10.0
COLOURS = {"blue": "bold blue", "yellow": "bold yellow", "orange": "bold dark_orange", "red": "bold red"}


class Terminal:
    """Shows one hub until cancelled. `say` adds a sentence to the town's diary."""

    def __init__(self, state: State, address: str) -> None:
        self._state = state
        self._address = address
        self._said: deque[str] = deque(maxlen=LINES)
        self._before: dict[str, int] = {}
        self._lively = sys.stdout.isatty()
        self._told = 0

    def say(self, sentence: str) -> None:
        stamp = _clock(self._state)
        self._said.append(f"{stamp}  {sentence}")
        if not self._lively:
            print(f"{stamp}  {sentence}", flush=True)

    async def run(self) -> None:
        if not self._lively:
            await self._plainly()
            return
        with Live(self._view(views.status(self._state)), console=Console(), refresh_per_second=4, screen=False) as live:
            while True:
                await asyncio.sleep(EVERY_S)
                live.update(self._view(views.status(self._state)))

    async def _plainly(self) -> None:
        """Without a terminal: warnings as they come, and a line on the hub from time to time."""
        loop = asyncio.get_running_loop()
        due = loop.time() + PLAIN_EVERY_S
        while True:
            await asyncio.sleep(EVERY_S)
            batch = self._state.log.alerts.read_now(self._told)
            self._told = batch.next
            for change in batch.entries:
                cameras = ", ".join(view.camera for view in change.cameras if view.sees)
                print(
                    f"{_clock(self._state)}  {change.change.upper()} {change.level}: {change.title}"
                    + (f"  [cameras: {cameras}]" if cameras else ""),
                    flush=True,
                )
            if loop.time() >= due:
                due += PLAIN_EVERY_S
                print(f"{_clock(self._state)}  {self._sum(views.status(self._state))}", flush=True)

    # ---------------------------------------------------------------------------------------------- the picture

    def _view(self, status: dict[str, Any]) -> Group:
        head = Text.assemble(
            (" cityhub ", "bold white on blue"),
            f"  {self._state.config.hub.name}   ",
            (self._address, "bold underline"),
            "   Ctrl-C ends it",
        )
        return Group(
            head,
            self._adapters(status),
            self._alerts(),
            Panel("\n".join(self._said) or "…", title="the town", box=box.ROUNDED, height=LINES + 2),
            Text(" " + self._sum(status), style="dim"),
        )

    def _adapters(self, status: dict[str, Any]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
        for name, justify in (
            ("adapter", "left"),
            ("state", "left"),
            ("readings/s", "right"),
            ("readings", "right"),
            ("duplicates", "right"),
            ("quarantined", "right"),
        ):
            table.add_column(name, justify=justify)  # type: ignore[arg-type]
        for item in status["adapters"]:
            rate = (item["received"] - self._before.get(item["name"], item["received"])) / EVERY_S
            self._before[item["name"]] = item["received"]
            style = {"up": "green", "down": "red", "degraded": "yellow"}.get(item["state"], "dim")
            table.add_row(
                item["name"],
                Text(item["state"], style=style),
                f"{rate:,.0f}",
                f"{item['received']:,}",
                f"{item['duplicate']:,}",
                f"{item['quarantined']:,}",
            )
        return table

    def _alerts(self) -> Panel:
        lines = Text()
        for alert in self._state.alerts.newest_first()[:8]:
            shown = views.alert(alert)
            lines.append(f"{alert.level:<7}", style=COLOURS[alert.level])
            lines.append(f" {shown['title'] or alert.rule}  ")
            seen = [f"{view['camera']} ({view['distance_m']:.0f} m)" for view in shown["cameras"] if view["sees"]]
            lines.append("eyes: " + ", ".join(seen) if seen else "no camera sees it", style="cyan" if seen else "dim")
            lines.append("\n")
        if not lines:
            lines.append("none", style="dim")
        return Panel(lines, title=f"open warnings: {len(self._state.alerts.open)}", box=box.ROUNDED)

    def _sum(self, status: dict[str, Any]) -> str:
        adapters = status["adapters"]
        total = {
            name: sum(item[name] for item in adapters)
            for name in ("received", "logged", "in_flight", "quarantined", "duplicate")
        }
        behind = {item["reader"]: item["behind"] for item in status["readers"]}
        return (
            f"ledger: {total['received']:,} received = {total['logged']:,} logged + {total['in_flight']:,} in flight + {total['quarantined']:,} quarantined "
            f"+ {total['duplicate']:,} duplicate ({'balances' if status['balances'] else 'DOES NOT BALANCE'}); store {behind.get('store/events', 0):,} behind; "
            f"{status['devices']:,} devices, {status['open_alerts']} open warnings"
        )


def _clock(state: State) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(state.clock() / SECOND, state.config.zone).strftime("%H:%M:%S")
