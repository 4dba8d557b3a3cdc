"""Cameras from OpenStreetMap: tags of `man_made=surveillance` nodes (https://wiki.openstreetmap.org/wiki/Tag:man_made=surveillance).

`camera:angle` there is the tilt below the horizon, not a field of view. Every value keeps the tag it came from; what is
not stated stays unknown, and what cannot be read is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from hub.model import Camera, Position

WINDS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")
WIND_ERROR_DEG = {1: 22.5, 2: 11.25, 3: 5.6}
"""One sigma of a direction in words, by its letters: half the step to the next word of that length."""


class Imported(NamedTuple):
    """A camera, or None where the node is none; and what of it could not be used."""

    camera: Camera | None
    remarks: list[str]


def from_overpass(answer: Mapping[str, Any]) -> Iterator[Imported]:
    """The nodes of an Overpass answer (`[out:json]`)."""
    elements = answer.get("elements")
    for element in elements if isinstance(elements, list) else []:
        if isinstance(element, dict) and element.get("type") == "node":
            yield from_node(element.get("id"), element.get("lon"), element.get("lat"), element.get("tags") or {})


def from_geojson(collection: Mapping[str, Any]) -> Iterator[Imported]:
    """The points of a GeoJSON export (osmium, overpass turbo): tags are the properties, the id `node/123` or `@id`."""
    features = collection.get("features")
    for feature in features if isinstance(features, list) else []:
        geometry = (feature.get("geometry") or {}) if isinstance(feature, dict) else {}
        coordinates = geometry.get("coordinates")
        if geometry.get("type") == "Point" and isinstance(coordinates, list) and len(coordinates) >= 2:
            tags = feature.get("properties") or {}
            number = re.sub(r"\D", "", str(feature.get("id") or tags.get("@id") or ""))
            yield from_node(number, coordinates[0], coordinates[1], tags)


def from_node(number: Any, lon: Any, lat: Any, tags: Mapping[str, Any]) -> Imported:
    """One node."""
    name = f"osm:{number}"
    if tags.get("man_made") != "surveillance" or tags.get("surveillance:type", "camera") not in ("camera", "ALPR"):
        return Imported(None, [])
    try:
        position = Position(float(lon), float(lat))
    except (TypeError, ValueError):
        return Imported(None, [f"{name}: its position cannot be read"])
    if not (-180 <= position.lon <= 180 and -90 <= position.lat <= 90):
        swapped = "; were lon and lat swapped?" if abs(position.lon) <= 90 and abs(position.lat) <= 180 else ""
        return Imported(None, [f"{name}: {position.lon}, {position.lat} is no place on Earth{swapped}"])
    remarks: list[str] = []
    origin: dict[str, str] = {"position": "osm"}

    def read(key: str, low: float, high: float, field: str) -> float | None:
        text = str(tags.get(key, "")).strip()
        if not text:
            return None
        value = _number(text)
        if value is None or not low <= value <= high:
            remarks.append(f"{name}: {key}={text[:40]!r} cannot be used")
            return None
        origin[field] = f"osm {key}={text}"
        return value

    azimuth, error = None, None
    text = str(tags.get("camera:direction") or tags.get("direction") or "").strip()
    if text:
        azimuth, error = direction(text)
        if azimuth is None:
            remarks.append(f"{name}: camera:direction={text[:40]!r} cannot be used; its direction stays unknown")
        else:
            origin["azimuth_deg"] = f"osm camera:direction={text}"
    kind = str(tags.get("camera:type", ""))
    camera = Camera(
        name,
        position,
        name=str(tags.get("name") or tags.get("ref") or ""),
        height_m=read("height", 0, 1000, "height_m"),
        azimuth_deg=azimuth,
        tilt_deg=read("camera:angle", -90, 90, "tilt_deg"),
        # A dome hides where it looks; only a panning camera says that it turns.
        ptz=kind == "panning",
        azimuth_error_deg=error,
        origin=origin,
    )
    return Imported(camera, remarks)


def direction(text: str) -> tuple[float | None, float | None]:
    """(azimuth, one sigma) of `NE`, `45`, `45°`; a range `30-60` is its middle. (None, None) for anything else."""
    if text.upper() in WINDS:
        return WINDS.index(text.upper()) * 22.5, WIND_ERROR_DEG[len(text)]
    if found := re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*-\s*(\d{1,3}(?:\.\d+)?)", text):
        begin, end = float(found[1]), float(found[2])
        if begin <= 360 and end <= 360:
            return (begin + ((end - begin) % 360) / 2) % 360, None
    value = _number(text)
    return (value % 360, None) if value is not None and 0 <= value <= 360 else (None, None)


def _number(text: str) -> float | None:
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*(?:m|°)?", text)
    return float(found[1]) if found else None


def cameras(found: Iterable[Imported]) -> tuple[list[Camera], list[str]]:
    """Every camera once, and all remarks."""
    by_id: dict[str, Camera] = {}
    remarks: list[str] = []
    for item in found:
        remarks += item.remarks
        if item.camera:
            by_id.setdefault(item.camera.camera, item.camera)
    return list(by_id.values()), remarks
