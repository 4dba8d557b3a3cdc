"""`cityhub upgrade --check`: whether this version can go on with a city that another version has run."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from hub.app.city import load_city
from hub.app.history import open_city_store
from hub.app.plugins import Plugins
from hub.app.staging import files_beside_the_log
from hub.cli.client import near
from hub.cli.output import Problem, command, folder, json_line
from hub.log import segment
from hub.log.log import ENTRY_TYPES
from hub.options import Config
from hub.ports import SeriesQuery, StoreUnavailable
from hub.whole_file import DAMAGED

LARGEST = 2 << 30
"""Bytes of a DuckDB file that is tried on a copy; a larger one is only said."""


class Finding(msgspec.Struct):
    part: str
    works: bool
    said: str


def add(commands: Any) -> None:
    parser = command(commands, "upgrade", upgrade, "whether this version can go on with a city, without touching it")
    parser.add_argument("dir", type=folder)
    parser.add_argument("--check", action="store_true", required=True, help="only say so; installing is pip's work")


def upgrade(options: argparse.Namespace) -> int:
    """Exit 1 where something would not work. Reads only: what is opened is a copy."""
    city, mistakes = load_city(options.dir, Plugins())
    found = [Finding("city folder", False, str(mistake)) for mistake in mistakes]
    if city is not None:
        found.append(
            Finding("city folder", True, f"{len(city.book.rules)} rules, {len(city.registry.devices)} devices")
        )
        found += _data(city.config)
    for one in found:
        json_line(one) if options.json else print(f"{'ok  ' if one.works else 'FAIL'} {one.part}: {one.said}")
    works = all(one.works for one in found)
    if not options.json:
        print(
            f"cityhub {version('cityhub')} can go on with it; back it up before"
            if works
            else "do not start it with this version yet"
        )
    return 0 if works else 1


def _data(config: Config) -> list[Finding]:
    if not config.data.is_dir():
        return [Finding("data", True, "there is none yet")]
    if near(config).ask("/healthz") is not None:
        raise Problem("a hub runs on it; take a backup, restore it elsewhere, and check that, or stop it before")
    found = [_stream(name, config.data / "log" / name) for name in ENTRY_TYPES]
    found += [Finding(path.name, False, "was set aside as damaged") for path in config.data.rglob(f"*{DAMAGED}*")]
    if config.store.kind == "duckdb":
        found.append(_history(config))
    return found


def _stream(name: str, folder: Path) -> Finding:
    """Every frame of a stream, read where it lies: opening the log could set a damaged segment aside."""
    entries, damage = 0, []
    for path in sorted(folder.glob("*.log")):
        for item in segment.walk(path):
            if isinstance(item, segment.Damage):
                damage.append(str(item))
            else:
                entries += item[0].entries
    return Finding(f"log/{name}", not damage, "; ".join(damage) or f"{entries:,} entries")


def _history(config: Config) -> Finding:
    """The store, on a copy: opening a database may change its format."""
    files = [path for path in files_beside_the_log(config.data) if path.name.startswith("history.duckdb")]
    size = sum(path.stat().st_size for path in files)
    if size > LARGEST:
        return Finding("store", True, f"{size:,} bytes: too large to be tried on a copy")
    with tempfile.TemporaryDirectory(prefix="cityhub-upgrade-") as place:
        for path in files:
            shutil.copy(path, place)
        try:
            store = open_city_store(config.store, Path(place))
            try:
                rows = len(store.series(SeriesQuery(limit=1)))
            finally:
                store.close()
        except (StoreUnavailable, ValueError) as error:
            return Finding("store", False, str(error))
    return Finding("store", True, "its rows can be read" if rows else "it holds no rows")
