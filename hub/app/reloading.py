"""A city folder that was edited, taken over by the hub that runs on it, without dropping a connection that need not be dropped."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hub.app.city import City, load_city
from hub.app.plugins import Plugins
from hub.metrics import city_text, use_city
from hub.mistakes import Mistake

AT_START = ("hub", "api", "store", "ingest", "log", "logging", "metrics", "tracing", "personal", "sinks")
"""Sections of hub.toml that are read when the hub starts, and then no more."""


def read_again(folder: Path) -> tuple[City | None, list[Mistake], bool]:
    """The folder as it is now, and whether its words changed. Where it has mistakes the vocabulary stays as it was. Blocks."""
    before = city_text()
    city, mistakes = load_city(folder, Plugins())
    if city is None:
        use_city(before)
    return city, mistakes, city_text() != before


def for_the_next_start(old: City, new: City) -> list[str]:
    """A sentence for each change that a running hub does not take."""
    return [
        f"[{'[sinks]' if name == 'sinks' else name}]: changed; it holds once the hub has been started again"
        for name in AT_START
        if _plain(getattr(old.config, name)) != _plain(getattr(new.config, name))
    ]


def _plain(section: object) -> object:
    """Without the line where it stands."""
    if isinstance(section, tuple):
        return [msgspec.structs.replace(one, line=0) for one in section]
    return section
