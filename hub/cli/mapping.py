"""`cityhub basemap`: the map under the console's own, made once from the city's open data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hub import json_once
from hub.cli.output import Problem, command, folder, json_line
from hub.whole_file import replace

NAME = "basemap.pmtiles"
MAGIC = b"PMTiles\x03"


def add(commands: Any) -> None:
    parser = command(commands, "basemap", basemap, "make the console's base map from GeoJSON, or take a PMTiles file")
    parser.add_argument(
        "source", type=Path, help="GeoJSON with OpenStreetMap's tags, such as `osmium export` makes; or a PMTiles file"
    )
    parser.add_argument("dir", type=folder)


def basemap(options: argparse.Namespace) -> int:
    if not (options.dir / "hub.toml").is_file():
        raise Problem(f"{options.dir} is no city folder: it has no hub.toml", 2)
    target = options.dir / NAME
    try:
        data = options.source.read_bytes()
        if data.startswith(b"PMTiles"):
            if not data.startswith(MAGIC):
                raise Problem(f"{options.source}: a PMTiles archive of version 3 was meant")
            replace(target, data)
            return _say(options, target, {"bytes": len(data)})
        if options.source.suffix == ".pbf":
            raise Problem(
                f"{options.source}: make GeoJSON of it first: osmium export {options.source.name} -o city.geojson"
            )
        made = write(json_once.loads(data), target)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise Problem(f"{options.source}: {error}") from None
    return _say(options, target, made)


def write(collection: Any, target: Path) -> dict[str, Any]:
    """Make the base map of a GeoJSON collection. Raises ValueError, OSError."""
    from hub import basemap as making  # takes a third of a second to import, which no other command should wait for

    if not isinstance(collection, dict):
        raise ValueError("a GeoJSON FeatureCollection was meant")
    features, left_out = making.read(collection)
    beside = target.with_name(target.name + ".made")
    try:
        made = making.write(features, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    return {"features": made.features, "left_out": left_out, "tiles": made.tiles, "bounds": list(made.bounds)}


def _say(options: argparse.Namespace, target: Path, made: dict[str, Any]) -> int:
    if options.json:
        json_line({"file": str(target), **made})
    elif "tiles" in made:
        print(f"{target}: {made['features']:,} features in {made['tiles']:,} tiles; {made['left_out']:,} are nothing that the map shows")  # fmt: skip
    else:
        print(f"{target}: {made['bytes']:,} bytes taken")
    return 0
