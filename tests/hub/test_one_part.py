"""One part of the rules at work: what it makes of its snapshot when it begins anew."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hub.app.parting import OnePart
from hub.health import Health
from hub.ports import LogPosition


class Silent:
    """Servers that answer nothing."""

    def last(self) -> bytes | None:
        raise OSError("what was said last cannot be asked for")


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_servers_that_do_not_answer_are_not_taken_for_a_damaged_snapshot(tmp_path: Path) -> None:
    """It was set aside, and the part began without what others had handed to it."""
    snapshot = tmp_path / "rules-0.snapshot"
    snapshot.write_bytes(b"all that it knew")
    events = SimpleNamespace(first=LogPosition(0))
    ground: Any = SimpleNamespace(data=tmp_path, log=SimpleNamespace(events=events), health=Health(), closely=[])
    reader = SimpleNamespace(close=lambda: None)
    keeping: Any = SimpleNamespace(posts=lambda: SimpleNamespace(reader=lambda ended: reader))
    writer: Any = Silent()
    part = OnePart(0, 1, ground, keeping, writer, places=None)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="cannot be asked for"):
        part._live()
    assert names(tmp_path) == [snapshot.name]
