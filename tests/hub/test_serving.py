"""What a process that runs a hub sets for itself."""

from __future__ import annotations

import asyncio
import gc
import sys

from hub.cli.serving import GARBAGE, until_stopped


def test_a_hub_looks_for_garbage_less_often_than_python_by_itself() -> None:
    before, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(700, 10, 10)
    seen: list[tuple[int, int, int]] = []

    async def look(stop: asyncio.Event) -> None:
        seen.append(gc.get_threshold())

    try:
        assert until_stopped(look) == 0
        assert seen == [GARBAGE]
        assert GARBAGE > (700, 10, 10)
        assert gc.isenabled()
    finally:
        gc.set_threshold(*before)
        sys.setswitchinterval(interval)
