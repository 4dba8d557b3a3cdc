"""ZoneMinder as a destination: its trigger port (zmtrigger.pl, OPT_TRIGGERS) starts an event on a monitor."""

from __future__ import annotations

import asyncio

import msgspec

from hub.model import LEVELS, AlertChange, Change
from hub.ports import Delivery

CAUSE_MAX, TEXT_MAX = 32, 256
"""Characters that ZoneMinder keeps."""
TELLS = frozenset({Change.RAISED, Change.ESCALATED})


class ZoneminderOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a `[[sinks]]` block with protocol = "zoneminder"."""

    host: str
    port: int = 6802
    monitors: dict[str, int]
    """The registry's camera id → the monitor's number."""
    seconds: int = 60
    """How long the event is to last."""
    monitors_max: int = 2
    """How many cameras of a warning record."""
    fresh_s: float = 300.0
    """An older change starts nothing."""
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        if not self.monitors:
            raise ValueError("monitors: at least one, the registry's camera id = ZoneMinder's monitor number")
        if not 1 <= self.port <= 65535 or not 1 <= self.seconds <= 86_400:
            raise ValueError("port is 1 to 65535 and seconds 1 to 86400")


class ZoneminderSink:
    """A `hub.ports.Sink`. The port answers nothing: taken means written to it."""

    def __init__(self, options: ZoneminderOptions) -> None:
        self._options = options

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        options = self._options
        if change.change not in TELLS:
            return Delivery(True, detail=f"no trigger for {change.change.value}")
        if change.late or now - change.at > options.fresh_s * 1e9:
            return Delivery(True, detail=f"no trigger: the change is {(now - change.at) / 1e9:.0f} s old")
        chosen = [options.monitors[view.camera] for view in change.cameras if view.camera in options.monitors]
        if not chosen:
            return Delivery(True, detail="none of its cameras is a monitor there")
        lines = b"".join(trigger(number, change, options.seconds) for number in chosen[: options.monitors_max])
        try:
            async with asyncio.timeout(options.timeout_s):
                _, writer = await asyncio.open_connection(options.host, options.port)
                try:
                    writer.write(lines)
                    await writer.drain()
                finally:
                    writer.close()
                    await writer.wait_closed()
        except (OSError, TimeoutError) as error:
            return Delivery(False, detail=f"{options.host}:{options.port}: {error or 'no answer'}")
        return Delivery(True, detail=f"monitors {', '.join(map(str, chosen[: options.monitors_max]))}")

    async def close(self) -> None: ...


def trigger(monitor: int, change: AlertChange, seconds: int) -> bytes:
    """`id|on+seconds|score|cause|text|showtext` and a line end. Pure."""
    score = (LEVELS.index(change.level) + 1) * 60 if change.level in LEVELS else 60

    def plain(text: str, limit: int) -> str:
        return " ".join(text.replace("|", "/").split())[:limit]

    cause = plain(f"cityhub {change.level}", CAUSE_MAX)
    text = plain(change.title or change.rule, TEXT_MAX)
    return f"{monitor}|on+{seconds}|{score}|{cause}|{text}|{text[:CAUSE_MAX]}\n".encode("utf-8", "replace")
