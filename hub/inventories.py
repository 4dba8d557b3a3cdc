"""Lists of cameras from elsewhere that ship with the hub: OpenStreetMap and CSV. See `hub.ports.Inventory`."""

from __future__ import annotations

import csv
from collections.abc import Mapping

from hub import json_once
from hub.camera_import import import_cameras
from hub.cameras import osm
from hub.cameras.listing import to_csv
from hub.ports import Inventory, Listing


def read_openstreetmap(text: str, options: Mapping[str, str]) -> Listing:
    """Overpass JSON or GeoJSON. Raises ValueError."""
    try:
        data = json_once.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not valid JSON: {error}") from None
    found, remarks = osm.cameras(osm.from_overpass(data) if "elements" in data else osm.from_geojson(data))
    return Listing(to_csv(found), len(found), tuple(remarks), cameras=tuple(found))


def read_csv(text: str, options: Mapping[str, str]) -> Listing:
    listed, told = import_cameras(csv.DictReader(text.splitlines()))
    remarks = [f"direction {word!r} ({count} times) names no direction" for word, count in told.odd_directions.items()]
    if told.unplaced:
        swapped = f"; in {told.swapped} of them longitude and latitude seem to be swapped" if told.swapped else ""
        remarks.append(f"{told.unplaced} rows have no position on Earth{swapped}")
    said = (
        f"{told.rows} rows: {told.duplicates} said twice, {told.unplaced} without a position, "
        f"{told.cameras - told.directed} cameras without a direction"
    )
    return Listing(listed, told.cameras, tuple(remarks), said)


OPENSTREETMAP = Inventory("OpenStreetMap: Overpass JSON or GeoJSON", read_openstreetmap, file=True)
CSV = Inventory("a CSV list with a row for each camera", read_csv, file=True)
