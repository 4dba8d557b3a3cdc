"""The live view of the demo in the terminal: what happens in the town and what the hub makes of it, in words."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from hub.api import views
from hub.api.auth import LOCAL
from hub.api.sight import Sight
from hub.api.state import State
from hub.model import LEVELS, AlertChange, Change
from hub.moment import SECOND
from hub.pairs import members
from hub.ports import BEGINNING

LINES = 9
"""Of the diary. All of the view fits into a terminal of 24 lines."""
WARNINGS = 3
"""Open ones shown, the gravest first; each takes two lines."""
EVERY_S = 1.0
PLAIN_EVERY_S = 30.0
COLOURS = {"blue": "bold blue", "yellow": "bold yellow", "orange": "bold dark_orange", "red": "bold red"}
SAID = {
    Change.RAISED: "WARNING, {level}: {title}",
    Change.ESCALATED: "WARNING RISES TO {level}: {title}",
    Change.LOWERED: "warning falls to {level}: {title}",
    Change.CLEARED: "warning over ({level}): {title}",
    Change.EXPIRED: "warning ends, nothing was heard for long ({level}): {title}",
}


class Terminal:
    """Shows one hub until cancelled. `say` adds a sentence to the town's diary."""

    def __init__(self, state: State, address: str) -> None:
        self._state = state
        self._address = address
        self._began = state.clock()
        self._diary: deque[Text] = deque(maxlen=LINES)
        self._before: dict[str, int] = {}
        self._lively = sys.stdout.isatty()
        self._told = BEGINNING

    def say(self, sentence: str) -> None:
        self._note(sentence, "bold" if sentence.startswith("—") else "")

    async def run(self) -> None:
        if not self._lively:
            await self._plainly()
            return
        with Live(self._view(), console=Console(), refresh_per_second=4, screen=False) as live:
            while True:
                await asyncio.sleep(EVERY_S)
                self._tell_changes()
                live.update(self._view())

    async def _plainly(self) -> None:
        """Without a terminal: the diary as it grows, and a line on the hub from time to time."""
        loop = asyncio.get_running_loop()
        due = loop.time() + PLAIN_EVERY_S
        while True:
            await asyncio.sleep(EVERY_S)
            self._tell_changes()
            if loop.time() >= due:
                due += PLAIN_EVERY_S
                self._note(self._sum(views.status(self._state, Sight(self._state, LOCAL))), "")

    # ---------------------------------------------------------------------------------------------- the diary

    def _note(self, sentence: str, style: str) -> None:
        """With minutes and seconds since the start: the town keeps its own time of day."""
        seconds = (self._state.clock() - self._began) // SECOND
        line = Text(f"{seconds // 60:2d}:{seconds % 60:02d}  {sentence}", style=style)
        self._diary.append(line)
        if not self._lively:
            print(line.plain, flush=True)

    def _tell_changes(self) -> None:
        batch = self._state.log.alerts.read_now(self._told)
        self._told = batch.next
        for change in batch.entries:
            self._note(self._in_words(change), COLOURS[change.level])

    def _in_words(self, change: AlertChange) -> str:
        title = self._named(change.subject, change.title or change.rule)
        said = SAID.get(change.change, change.change.value + ", {level}: {title}")
        seen = self._seen_by([(view.camera, view.distance_m) for view in change.cameras if view.sees])
        return said.format(level=change.level, title=title) + (f"; seen by {seen}" if seen else "")

    def _named(self, subject: str, title: str) -> str:
        """The title with the names of devices where it has their ids, as that of a pair of vessels does."""
        for device in members(subject, self._state.registry.devices.__contains__):
            known = self._state.registry.devices.get(device)
            if known and known.name:
                title = title.replace(device, known.name)
        return title

    def _seen_by(self, cameras: list[tuple[str, float]]) -> str:
        """Cameras by name, with their distance to what they see in metres."""
        known = self._state.registry.cameras
        return " · ".join(
            f"{known[camera].name if camera in known else camera} ({metres:.0f} m)" for camera, metres in cameras
        )

    # ---------------------------------------------------------------------------------------------- the picture

    def _view(self) -> Group:
        status = views.status(self._state, Sight(self._state, LOCAL))
        head = Text.assemble(
            (" cityhub ", "bold white on blue"),
            f"  {self._state.config.hub.name}   ",
            (self._address, "bold underline"),
            "   open it in a browser; Ctrl-C ends the demo",
        )
        open_count = len(self._state.alerts.open)
        diary = Text("\n").join(self._diary) if self._diary else Text("the devices log in …", style="dim")
        for text in (head, diary):
            text.no_wrap, text.overflow = True, "ellipsis"
        return Group(
            head,
            self._rates(status),
            Panel(self._warnings(), title=f"open warnings: {open_count}", box=box.ROUNDED),
            Panel(diary, title="what happens", box=box.ROUNDED, height=LINES + 2),
            Text(" " + self._sum(status), style="dim", no_wrap=True, overflow="ellipsis"),
        )

    def _rates(self, status: dict[str, Any]) -> Text:
        """Readings a second by adapter; those that are not up in colour, with their state."""
        line = Text(" readings/s:  ")
        for item in status["adapters"]:
            rate = (item["received"] - self._before.get(item["name"], item["received"])) / EVERY_S
            self._before[item["name"]] = item["received"]
            line.append(f"{item['name']} ", style="bold")
            if item["state"] == "up":
                line.append(f"{rate:.0f}   ", style="green" if rate else "dim")
            else:
                line.append(
                    f"{item['state']}   ", style={"down": "red", "degraded": "yellow"}.get(item["state"], "dim")
                )
        return line

    def _warnings(self) -> Text:
        standing = sorted(self._state.alerts.newest_first(), key=lambda alert: -LEVELS.index(alert.level))
        lines = []
        for alert in standing[:WARNINGS]:
            shown = views.alert(alert)
            title = self._named(alert.subject, shown["title"] or alert.rule)
            lines.append(Text.assemble((f"{alert.level:<7}", COLOURS[alert.level]), title))
            seen = self._seen_by([(view["camera"], view["distance_m"]) for view in shown["cameras"] if view["sees"]])
            lines.append(
                Text(f"       seen by {seen}" if seen else "       no camera sees it", style="cyan" if seen else "dim")
            )
        if len(standing) > WARNINGS:
            lines.append(Text(f"and {len(standing) - WARNINGS} more", style="dim"))
        text = Text("\n").join(lines) if lines else Text("none", style="dim")
        text.no_wrap, text.overflow = True, "ellipsis"
        return text

    def _sum(self, status: dict[str, Any]) -> str:
        """The ledger in words."""
        adapters = status["adapters"]
        total = {
            name: sum(item[name] for item in adapters)
            for name in ("received", "logged", "in_flight", "quarantined", "duplicate")
        }
        apart = [
            f"{total[name]:,} {what}"
            for name, what in (
                ("in_flight", "on their way there"),
                ("duplicate", "heard twice"),
                ("quarantined", "unusable and kept apart"),
            )
            if total[name]
        ]
        on_disk, warnings = f"{total['logged']:,} on disk", status["open_alerts"]
        return (
            f"{total['received']:,} readings of {status['devices']:,} devices: {', '.join([on_disk, *apart])} "
            f"({'nothing is lost' if status['balances'] else 'THE LEDGER DOES NOT BALANCE'}); "
            f"{warnings or 'no'} open warning{'' if warnings == 1 else 's'}"
        )
