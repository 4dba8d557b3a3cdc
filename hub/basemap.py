"""A city's base map: GeoJSON made into vector tiles in one PMTiles file, which the console draws under everything else.

Tiles are those of the Mapbox Vector Tile specification 2.1 in a PMTiles archive (specification 3), so that any map program reads them too.
Layers: `water`, `green`, `rail`, `road` (with `class`), `building`, `place` (with `name` and `rank`). What a feature is follows from the
tags of OpenStreetMap, or from a property `layer` with one of these names.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import atan, degrees, exp, pi
from pathlib import Path
from typing import Any, NamedTuple

import mapbox_vector_tile
import numpy as np
import shapely
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer
from shapely.geometry.base import BaseGeometry

LAYERS = ("water", "green", "rail", "road", "building", "place")
FROM_ZOOM = {"water": 0, "green": 9, "rail": 10, "road": 0, "building": 13, "place": 0}
ROADS_FROM_ZOOM = {"major": 0, "medium": 11, "minor": 13}
MAX_ZOOM = 14
"""The console enlarges these tiles when it looks closer: a unit of a tile is 0.6 m on the equator."""
EXTENT = 4096
BUFFER = 0.01
"""Of a tile, kept beyond its edge, so that wide lines join."""
ZOOMS = 7
"""Levels below the deepest one: from a city as a whole down to a street."""
FEATURES_MAX = 2_000_000

_MAJOR = {"motorway", "trunk", "primary", "motorway_link", "trunk_link", "primary_link"}
_MEDIUM = {"secondary", "tertiary", "secondary_link", "tertiary_link"}
_NO_ROAD = {"proposed", "construction", "platform", "elevator", "corridor"}
_GREEN = {"forest", "grass", "meadow", "recreation_ground", "village_green", "cemetery", "park", "garden", "wood", "scrub", "pitch", "golf_course"}  # fmt: skip
_WATER = {"water", "bay", "riverbank", "reservoir", "basin", "dock", "river", "canal", "stream"}
_RANKS = {"city": 1, "town": 2, "suburb": 3, "village": 3, "quarter": 4, "neighbourhood": 5, "hamlet": 5}


class Feature(NamedTuple):
    """One thing of the map, in Mercator units (0 to 1 from west to east and from north to south)."""

    layer: str
    geometry: BaseGeometry
    properties: dict[str, str | int]
    from_zoom: int


class Made(NamedTuple):
    features: int
    tiles: int
    bounds: tuple[float, float, float, float]
    """west, south, east, north; degrees"""


def read(collection: Mapping[str, Any]) -> tuple[list[Feature], int]:
    """The features of a GeoJSON FeatureCollection in WGS-84, and how many were left out. Raises ValueError for what is none."""
    found = collection.get("features")
    if not isinstance(found, list):
        raise ValueError('this is no GeoJSON FeatureCollection: it has no list "features"')
    if len(found) > FEATURES_MAX:
        raise ValueError(f"{len(found):,} features are more than the {FEATURES_MAX:,} that are read; cut the city out")
    features = [item for raw in found if (item := _feature(raw))]
    return features, len(found) - len(features)


def _feature(raw: Any) -> Feature | None:
    properties = (raw.get("properties") or {}) if isinstance(raw, dict) else {}
    told = what_is(properties)
    if told is None or not raw.get("geometry"):
        return None
    layer, more, from_zoom = told
    try:
        geometry = shapely.from_geojson(json.dumps(raw["geometry"]))
        geometry = shapely.transform(shapely.force_2d(geometry), _to_mercator)
    except (shapely.errors.GEOSException, TypeError, ValueError):
        return None
    wanted = {"place": (0,), "road": (1, 5), "rail": (1, 5)}.get(layer, (3, 6))
    if layer == "water" and shapely.get_type_id(geometry) in (1, 5):
        return None  # a brook as a line: the rivers of a city are areas
    if geometry.is_empty or shapely.get_type_id(geometry) not in wanted or not np.isfinite(geometry.bounds).all():
        return None
    return Feature(layer, geometry if geometry.is_valid else shapely.make_valid(geometry), more, from_zoom)


def what_is(properties: Mapping[str, Any]) -> tuple[str, dict[str, str | int], int] | None:
    """Layer, properties and first zoom of a feature with these tags; None for what the map does not show."""
    layer = properties.get("layer") if properties.get("layer") in LAYERS else None
    highway, place, name = properties.get("highway"), properties.get("place"), str(properties.get("name") or "")
    land = {properties.get(key) for key in ("natural", "landuse", "leisure", "waterway")}
    if layer is None:
        if highway and highway not in _NO_ROAD:
            layer = "road"
        elif properties.get("railway") in ("rail", "light_rail", "subway", "tram"):
            layer = "rail"
        elif properties.get("building") and properties["building"] != "no":
            layer = "building"
        elif land & _WATER:
            layer = "water"
        elif land & _GREEN:
            layer = "green"
        elif place in _RANKS and name:
            layer = "place"
        else:
            return None
    if layer == "road":
        kind = str(properties.get("class") or ("major" if highway in _MAJOR else "medium" if highway in _MEDIUM else "minor"))  # fmt: skip
        return layer, {"class": kind}, ROADS_FROM_ZOOM.get(kind, 13)
    if layer == "place":
        rank = int(properties.get("rank") or _RANKS.get(str(place), 5))
        return layer, {"name": name, "rank": rank}, 0 if rank < 3 else 11
    return layer, {}, FROM_ZOOM[layer]


def write(features: list[Feature], path: Path) -> Made:
    """Make the tiles and write them. Raises ValueError where there is nothing to draw, OSError where it cannot be written."""
    if not features:
        raise ValueError("nothing in it is water, green, a railway, a road, a building or a place")
    shapes = np.array([item.geometry for item in features], dtype=object)
    tree = shapely.STRtree(shapes)
    west, north, east, south = shapely.total_bounds(shapes)
    min_zoom = max(0, MAX_ZOOM - ZOOMS)
    tiles: dict[int, bytes] = {}
    for zoom in range(min_zoom, MAX_ZOOM + 1):
        many = 2**zoom
        for x in _range(west, east, many):
            for y in _range(north, south, many):
                if data := _tile(features, shapes, tree, zoom, x, y):
                    tiles[zxy_to_tileid(zoom, x, y)] = gzip.compress(data, mtime=0)
    bounds = (_lon(west), _lat(south), _lon(east), _lat(north))
    with path.open("wb") as file:
        writer = Writer(file)
        for number in sorted(tiles):
            writer.write_tile(number, tiles[number])
        writer.finalize(
            {
                "tile_type": TileType.MVT, "tile_compression": Compression.GZIP, "min_zoom": min_zoom, "max_zoom": MAX_ZOOM,
                "min_lon_e7": round(bounds[0] * 1e7), "min_lat_e7": round(bounds[1] * 1e7), "max_lon_e7": round(bounds[2] * 1e7), "max_lat_e7": round(bounds[3] * 1e7),
                "center_zoom": min_zoom, "center_lon_e7": round((bounds[0] + bounds[2]) * 5e6), "center_lat_e7": round((bounds[1] + bounds[3]) * 5e6),
            },
            {"name": path.stem, "vector_layers": [{"id": layer, "fields": {}} for layer in LAYERS]},
        )  # fmt: skip
    return Made(len(features), len(tiles), bounds)


def _tile(features: list[Feature], shapes: Any, tree: shapely.STRtree, zoom: int, x: int, y: int) -> bytes:
    """One tile; empty where nothing is on it. Coordinates count from its upper left corner, downwards."""
    many = 2**zoom
    left, top, right, bottom = x / many, y / many, (x + 1) / many, (y + 1) / many
    margin = BUFFER / many
    near = tree.query(shapely.box(left - margin, top - margin, right + margin, bottom + margin))
    here = [number for number in sorted(near) if features[number].from_zoom <= zoom]
    if not here:
        return b""
    cut = shapely.clip_by_rect(shapes[here], left - margin, top - margin, right + margin, bottom + margin)
    cut = shapely.simplify(cut, 1 / (many * EXTENT))
    placed = shapely.transform(cut, lambda at: np.round((at - (left, top)) * many * EXTENT))
    layers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, geometry in zip(here, placed, strict=True):
        item = features[number]
        if not geometry.is_empty and (item.layer == "place" or geometry.length > 2):
            layers[item.layer].append({"geometry": geometry, "properties": item.properties})
    if not layers:
        return b""
    return bytes(
        mapbox_vector_tile.encode(
            [{"name": layer, "features": layers[layer]} for layer in LAYERS if layer in layers],
            default_options={"extents": EXTENT, "y_coord_down": True},
        )
    )


def _range(low: float, high: float, many: int) -> Iterable[int]:
    return range(max(0, int(low * many)), min(many - 1, int(high * many)) + 1)


def _to_mercator(at: Any) -> Any:
    lat = np.clip(at[:, 1], -85.05, 85.05)
    return np.column_stack([(at[:, 0] + 180) / 360, 0.5 - np.log(np.tan(pi / 4 + np.radians(lat) / 2)) / (2 * pi)])


def _lon(x: float) -> float:
    return float(x) * 360 - 180


def _lat(y: float) -> float:
    return degrees(2 * atan(exp((0.5 - y) * 2 * pi)) - pi / 2)
