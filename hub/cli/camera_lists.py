"""`cityhub camera-list`: cameras from elsewhere as a `cameras.csv`."""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import sys
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from adapters.gb28181.catalog import cameras as cameras_of
from adapters.gb28181.manscdp import Item
from adapters.gb28181.sink import Gb28181Sink
from adapters.gcj02 import to_wgs84
from hub.camera_import import import_cameras
from hub.cameras import osm
from hub.cameras.listing import to_csv
from hub.cli.client import ask, config_of
from hub.cli.output import Problem, command, note
from hub.model import Camera, Position

REMARKS_SHOWN = 20


def add(commands: Any) -> None:
    parser = command(
        commands,
        "camera-list",
        camera_list,
        "cameras from OpenStreetMap, a CSV list or a GB/T 28181 platform as cameras.csv",
    )
    parser.add_argument("source", type=Path, help="Overpass JSON, GeoJSON or CSV; with --platform the city folder")
    parser.add_argument(
        "--platform", metavar="SINK", help="ask the platform of this gb28181 destination for its catalog"
    )
    parser.add_argument("--gcj02", action="store_true", help="its positions are GCJ-02 (shifted); make them WGS-84")
    parser.add_argument("-o", dest="output", metavar="FILE", help="standard output without it")


def camera_list(options: argparse.Namespace) -> int:
    text, count, remarks = _from_platform(options) if options.platform else _from_file(options)
    if options.output:
        Path(options.output).write_text(text, "utf-8")
    else:
        sys.stdout.write(text)
    for remark in remarks[:REMARKS_SHOWN]:
        note(remark)
    if len(remarks) > REMARKS_SHOWN:
        note(f"… and {len(remarks) - REMARKS_SHOWN} more")
    note(f"{count} cameras, {len(remarks)} remarks")
    return 1 if remarks else 0


def _from_file(options: argparse.Namespace) -> tuple[str, int, list[str]]:
    path: Path = options.source
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path} cannot be read as UTF-8 text: {error}") from None
    if text.lstrip()[:1] != "{":
        if options.gcj02:
            raise Problem("--gcj02 is for OpenStreetMap-like files and platforms; convert a CSV list before", 2)
        listed, told = import_cameras(csv.DictReader(text.splitlines()))
        remarks = [
            f"direction {word!r} ({count} times) names no direction" for word, count in told.odd_directions.items()
        ]
        return listed, told.cameras, remarks + ([f"{told.unplaced} rows have no position"] if told.unplaced else [])
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Problem(f"{path} is not valid JSON: {error}") from None
    found, remarks = osm.cameras(osm.from_overpass(data) if "elements" in data else osm.from_geojson(data))
    return to_csv(_moved(found) if options.gcj02 else found), len(found), remarks


def _moved(found: list[Camera]) -> list[Camera]:
    return [
        replace(
            one,
            position=Position(*to_wgs84(one.position.lon, one.position.lat)),
            origin={**one.origin, "position": "GCJ-02"},
        )
        for one in found
    ]


def _from_platform(options: argparse.Namespace) -> tuple[str, int, list[str]]:
    config = config_of(options.source)
    if ask(config, "/api/v1/status") is not None:
        raise Problem("the hub runs and is registered under this id; stop it for as long as the catalog is read")
    sinks = [sink for sink in config.sinks if sink.name == options.platform and sink.protocol == "gb28181"]
    if not sinks:
        raise Problem(f"no [[sinks]] block with protocol gb28181 is named {options.platform!r}", 2)
    items, state = asyncio.run(_catalog(Gb28181Sink(sinks[0].options), sinks[0].options.timeout_s))
    if items is None:
        raise Problem(f"the platform gave no catalog: {state}")
    found, remarks = cameras_of(items, options.gcj02)
    return to_csv(found), len(found), remarks


async def _catalog(sink: Gb28181Sink, timeout_s: float) -> tuple[list[Item] | None, str]:
    running = asyncio.create_task(sink.run())
    try:
        async with asyncio.timeout(timeout_s):
            await sink.agent.registered.wait()
        return await sink.agent.catalog(), "no answer, or not all of it, within 30 s"
    except TimeoutError:
        return None, sink.agent.state
    finally:
        await sink.close()
        await asyncio.gather(running, return_exceptions=True)
