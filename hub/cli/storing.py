"""Commands on history: importing it, exporting it, and making its rollups anew."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from datetime import tzinfo
from pathlib import Path
from typing import Any

import msgspec

from hub import clock
from hub.app.history import open_city_store
from hub.app.importing import Imported, Importer, messages, rejects_file
from hub.app.rollups import rebuild
from hub.cli.client import config_of, near, takes_hub, way_to
from hub.cli.output import Problem, command, folder, json_line, note
from hub.cli.progress import Told, meanwhile, progress
from hub.moment import from_text, in_order
from hub.ports import CountingStore, SeriesQuery, StoreUnavailable
from hub.recording import RecordingError
from hub.registry import load_registry

LONG_S = 24 * 3600.0
"""How long a running hub may take over a request; years of history take a while."""


def add(commands: Any) -> None:
    parser = command(commands, "import", take_in, "history in: CSV or line protocol (.lp) straight into the store")
    parser.add_argument("dir", type=folder)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--map", type=Path, metavar="MAP", help="how a foreign CSV layout reads")
    parser.add_argument(
        "--unknown", choices=("refuse", "admit"), default="refuse", help="devices that the registry does not know"
    )
    parser = command(commands, "export", export, "readings out of the store")
    parser.add_argument("dir", type=folder)
    parser.add_argument("--from", dest="start", metavar="T")
    parser.add_argument("--to", dest="end", metavar="T")
    parser.add_argument("--device")
    parser.add_argument("--metric")
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    parser.add_argument("-o", dest="output", metavar="FILE")
    parser = command(commands, "store", store, "the store's rollups, made anew from its rows")
    takes_hub(parser)
    parser.add_argument("action", choices=("rebuild",))
    parser.add_argument("--from", dest="start", metavar="T")
    parser.add_argument("--to", dest="end", metavar="T")


def take_in(options: argparse.Namespace) -> int:
    config = config_of(options.dir)
    for path in (*options.files, *([options.map] if options.map else [])):
        if not path.exists():
            raise Problem(f"{path} is not there", 2)
    admit = options.unknown == "admit"
    body = {"files": [str(path.resolve()) for path in options.files], "map": str(options.map.resolve()) if options.map else None, "admit": admit}  # fmt: skip
    answer = near(config).ask("/api/v1/import", "POST", json=body, timeout=LONG_S)
    if answer is not None:
        done = msgspec.convert(answer, Imported)
    else:
        registry, _ = load_registry(options.dir)
        areas = {device.device: device.area for device in registry.devices.values()}
        config.data.mkdir(parents=True, exist_ok=True)
        try:
            history = open_city_store(config.store, config.data, areas)
            try:
                now = clock.now()
                importer = Importer(history, registry, config.ingest, now, rejects_file(config.data, now), admit)
                with progress("readings") as told:
                    done = importer.run(messages(options.files, options.map), lambda count: told(count, None))
            finally:
                history.close()
        except (RecordingError, StoreUnavailable, ValueError) as error:
            raise Problem(str(error)) from None
    if options.json:
        json_line(done)
    else:
        replaced = f", {done.replaced} took the place of others with the same device and time" if done.replaced else ""
        print(
            f"{done.readings} readings: {done.stored} stored, {done.refused} refused{replaced}; {done.rollups} rollups made"
        )
        for kind, count in sorted(done.faults.items()):
            print(f"  {kind}: {count}")
        if done.rejects:
            print(f"what was refused, and why: {done.rejects}")
    if not done.readings:
        note(f"nothing to import: no reading is in {', '.join(map(str, options.files))}")
    return 1 if done.faults or not done.readings else 0


def export(options: argparse.Namespace) -> int:
    config = config_of(options.dir)
    if options.format == "parquet" and not options.output:
        raise Problem("parquet is a binary file: name one with -o FILE", 2)
    try:
        query = SeriesQuery(*_range(options, config.zone), options.device, options.metric)
    except ValueError as error:
        raise Problem(str(error), 2) from None
    # Of two that export at once each has a file of its own.
    target = Path(options.output) if options.output else config.data / f".export-{os.getpid()}.csv"
    target = target.absolute()
    params = {
        "format": options.format,
        "path": str(target),
        **{
            key: value
            for key, value in (
                ("from", options.start),
                ("to", options.end),
                ("device", options.device),
                ("metric", options.metric),
            )
            if value
        },
    }
    answer = None
    if config.store.kind == "duckdb":  # which a running hub has for itself
        with progress("MB") as told, meanwhile(lambda: told(_megabytes(target), None)):
            answer = near(config).ask("/api/v1/export", "POST", json=params, timeout=LONG_S)
    if answer is None:
        try:
            history = open_city_store(config.store, config.data)
            try:
                with progress("rows") as told, meanwhile(lambda: _tell(told, history)):
                    rows = history.export(query, options.format, target)
            finally:
                history.close()
        except OSError as error:
            raise Problem(f"{str(target)!r} cannot be written: {error.strerror or error}") from None
        except (StoreUnavailable, ValueError) as error:
            raise Problem(str(error)) from None
    else:
        rows = answer["rows"]
    if options.output:
        note(f"{rows} rows in {options.output}")
    else:
        try:
            with target.open(encoding="utf-8", newline="") as file:
                shutil.copyfileobj(file, sys.stdout)
        finally:
            target.unlink(missing_ok=True)
    if not rows:
        unlisted = query.device is not None and query.device not in load_registry(options.dir)[0].devices
        note("the store has no such rows" + (f"; devices.csv lists no {query.device!r}" if unlisted else ""))
    return 0


def _range(options: argparse.Namespace, zone: tzinfo) -> tuple[int | None, int | None]:
    """`--from` and `--to`, in the city's time where they say no other. Raises ValueError."""
    start, end = (from_text(text, zone) if text else None for text in (options.start, options.end))
    return in_order(start, end)


def _megabytes(path: Path) -> int:
    """What stands in a file that another process writes."""
    return path.stat().st_size // 1_000_000 if path.exists() else 0


def _tell(told: Told, history: object) -> None:
    if isinstance(history, CountingStore):
        told(*history.exported())


def store(options: argparse.Namespace) -> int:
    way = way_to(options)
    try:
        start, end = _range(options, way.zone)
    except ValueError as error:
        raise Problem(str(error), 2) from None
    begun = time.monotonic()
    body = {"from": options.start, "to": options.end}
    answer = way.ask("/api/v1/store/rebuild", "POST", json=body, timeout=LONG_S)
    if answer is not None:
        written = int(answer["rollups"])
    else:
        config = way.config
        registry, _ = load_registry(config.folder)
        areas = {device.device: device.area for device in registry.devices.values()}
        try:
            history = open_city_store(config.store, config.data, areas)
            try:
                with progress("days") as told:
                    written = rebuild(history, start, end, clock.now(), lambda days: told(days, None))
            finally:
                history.close()
        except (StoreUnavailable, ValueError) as error:
            raise Problem(str(error)) from None
    if options.json:
        json_line({"rollups": written})
    else:
        print(f"{written} rollups made anew in {time.monotonic() - begun:.1f} s")
    return 0
