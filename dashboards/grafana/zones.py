"""The city's zones as they lie under the points of Grafana's maps.

A map without tiles is black, so outlines of the city are put into the dashboard itself: Grafana needs neither the hub nor a token to
draw them, and no browser has to ask another address.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hub.model import Zone
from hub.registry import load_registry

BYTES_MAX = 400_000
"""Of all outlines; more would make every visit to a page slow."""
DECIMALS = 5
"""Of a degree: about a metre."""


class ZonesError(Exception):
    """The zones cannot be put on maps; the text says why."""


def outlines(folder: Path) -> str:
    """The zones of a city folder as an address that holds them: `data:application/geo+json;base64,…`.

    Raises `ZonesError` where the folder's file has mistakes, or is too large.
    """
    registry, mistakes = load_registry(folder)
    wrong = [mistake for mistake in mistakes if "zones" in str(mistake.file)]
    if wrong:
        raise ZonesError(f"{wrong[0].file}: {wrong[0].message}; `cityhub check {folder}` says all")
    if not registry.zones:
        raise ZonesError(f"{folder} has no zones (zones.geojson)")
    text = json.dumps(_collection(registry.zones.values()), ensure_ascii=False, separators=(",", ":")).encode()
    if len(text) > BYTES_MAX:
        raise ZonesError(
            f"the zones of {folder} take {len(text)} bytes, and maps bear {BYTES_MAX}; simplify their outlines"
        )
    return f"data:application/geo+json;base64,{base64.b64encode(text).decode()}"


def with_zones(model: dict[str, Any], src: str) -> dict[str, Any]:
    """The dashboard with its maps' zones taken from that address; the one given stays as it was."""
    model = copy.deepcopy(model)
    for panel in model["panels"]:
        if panel["type"] == "geomap":
            panel["options"]["layers"][0]["config"]["src"] = src
    return model


def _collection(zones: Iterable[Zone]) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"name": zone.name or zone.zone},
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[[round(lon, DECIMALS), round(lat, DECIMALS)] for lon, lat in _closed(ring)] for ring in zone.rings],
                },
            }
            for zone in zones
        ],
    }  # fmt: skip


def _closed(ring: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    points = list(ring)
    return points if points[:1] == points[-1:] else [*points, points[0]]
