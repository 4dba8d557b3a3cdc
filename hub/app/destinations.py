"""The city's destinations: one courier each over the stream "alerts"."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from hub.config import SinkConfig
from hub.log import Cursors, Log


class Destinations:
    def __init__(self, sinks: Sequence[SinkConfig], log: Log, cursors: Cursors, folder: Path) -> None:
        self.sinks = sinks

    def start(self, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        return

    async def close(self) -> None:
        return
