"""What a process that runs a hub sets for itself."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
from pathlib import Path

import pytest

from hub.cli.serving import GARBAGE, until_stopped
from hub.cli.telling import set_up
from hub.options import LoggingOptions


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


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_full_disk_behind_standard_error_stops_no_part_of_the_hub(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """No hub started, and every part that said how it was failed by that; one that had lost its lease did not end."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [*root.handlers])
    monkeypatch.setattr(root, "level", root.level)
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        say = set_up(LoggingOptions(format=form))
        for _ in range(2):
            say("store: down")
        with contextlib.suppress(OSError):
            full.close()
