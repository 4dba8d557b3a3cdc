"""Zones drawn at the console, as changes of the city's own zones.geojson, which people review: one feature more or less, all else byte for byte."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import shapely

from hub import json_once
from hub.app.admitting import BOM, NotProposed, Proposal, mistaken, read_back
from hub.bilingual import Text, quoted
from hub.text_files import NotText, read_text

ZONES = "zones.geojson"
EMPTY = '{"type": "FeatureCollection", "features": []}\n'
DECIMALS = 6
"""Of a degree: a decimetre."""


class Place(NamedTuple):
    """A feature and where it stands in the text."""

    start: int
    end: int
    feature: dict[str, Any]


def added(folder: Path, zone: str, properties: Mapping[str, Any], ring: Sequence[Sequence[float]]) -> Proposal:
    """The file with this zone behind all others. `ring`: longitude and latitude of each corner; it is closed here. Raises NotProposed."""
    corners = _closed(ring)
    _hold([corners])
    given = {key: value for key, value in properties.items() if value not in ("", None)}
    feature = {"type": "Feature", "properties": {"zone": zone, **given}, "geometry": {"type": "Polygon", "coordinates": [corners]}}  # fmt: skip
    data, text, places, begin = _read(folder)
    if any(place.feature.get("properties", {}).get("zone") == zone for place in places):
        raise NotProposed(Text(f"there is a zone {zone!r} already", f"已有区域 {zone!r}"))
    said = json.dumps(feature, ensure_ascii=False)
    at = places[-1].end if places else begin
    whole = text[:at] + (",\n" if places else "\n") + said + ("" if places else "\n") + text[at:]
    return _proposal(data, whole, text.count("\n", 0, at) + 2, added=said)


def reshaped(folder: Path, zone: str, ring: Sequence[Sequence[float]]) -> Proposal:
    """The file with another outer ring of this zone; its properties and its holes stay. Raises NotProposed."""
    data, text, places, _ = _read(folder)
    _, place = _found(places, zone)
    if (kind := place.feature["geometry"]["type"]) != "Polygon":  # the file was changed since the hub took it over
        raise NotProposed(
            Text(f"the zone {zone!r} is a {kind}; a Polygon was meant", f"区域 {zone!r} 是 {kind}，应为 Polygon")
        )
    rings = [_closed(ring), *place.feature["geometry"]["coordinates"][1:]]
    _hold(rings)
    feature = {**place.feature, "geometry": {**place.feature["geometry"], "coordinates": rings}}
    said, before = json.dumps(feature, ensure_ascii=False), text[place.start : place.end]
    if feature == place.feature:
        raise NotProposed(Text(f"the zone {zone!r} has this shape already", f"区域 {zone!r} 已是此形状"))
    whole = text[: place.start] + said + text[place.end :]
    line = text.count("\n", 0, place.start) + 1
    return _proposal(data, whole, line, added=said, removed=before, before=place.feature)


def removed(folder: Path, zone: str) -> Proposal:
    """The file without this zone. Raises NotProposed."""
    data, text, places, _ = _read(folder)
    number, place = _found(places, zone)
    start, end = place.start, place.end
    if number:
        start = places[number - 1].end
    elif len(places) > 1:
        end = places[1].start
    said = text[place.start : place.end]
    line = text.count("\n", 0, place.start) + 1
    return _proposal(data, text[:start] + text[end:], line, removed=said, before=place.feature)


def _found(places: Sequence[Place], zone: str) -> tuple[int, Place]:
    """The zone's feature and which of them it is. Raises NotProposed."""
    for number, place in enumerate(places):
        if place.feature.get("properties", {}).get("zone") == zone:
            return number, place
    raise NotProposed(Text(f"{ZONES} has no zone {zone!r}", f"{ZONES} 中没有区域 {zone!r}"))


def _closed(ring: Sequence[Sequence[float]]) -> list[list[float]]:
    """Corners as the file has them, the first once more behind the last. Raises NotProposed."""
    corners = [[round(lon, DECIMALS), round(lat, DECIMALS)] for lon, lat in ring]
    if corners[0] != corners[-1]:
        corners.append(corners[0])
    if len(corners) < 4:
        raise NotProposed(Text("a zone has three corners at least", "区域至少要有三个顶点"))
    return corners


def _hold(rings: Sequence[Sequence[Sequence[float]]]) -> None:
    """Raises NotProposed where these make no area: lines that cross, a hole that reaches out."""
    if not shapely.Polygon(rings[0], rings[1:]).is_valid:
        raise NotProposed(Text("the lines of the zone cross each other", "区域的边线相互交叉"))


def _proposal(data: bytes, whole: str, line: int, added: str = "", removed: str = "", before: Any = None) -> Proposal:
    mark = BOM if data.startswith(BOM) else b""
    _, mistakes = read_back(ZONES, whole)
    if mistakes:
        raise NotProposed(mistaken(ZONES, mistakes[0]))
    base = hashlib.sha256(data).hexdigest()
    return Proposal(ZONES, line, added, base, mark + whole.encode(), removed, before)


def _read(folder: Path) -> tuple[bytes, str, list[Place], int]:
    """The file as bytes and text, its features with their places, and where the list of them begins."""
    path = folder / ZONES
    data = path.read_bytes() if path.exists() else b""
    try:
        text = read_text(path) if data else EMPTY
    except NotText as error:
        raise NotProposed(quoted(f"{ZONES} {error}")) from None
    decoder = json.JSONDecoder()
    try:
        meant = json_once.loads(text)["features"]
        for found in re.finditer(r'"features"\s*:\s*\[', text):
            places = list(_places(text, found.end(), decoder))
            if [place.feature for place in places] == meant:
                return data, text, places, found.end()
    except (ValueError, KeyError, TypeError) as error:
        raise NotProposed(
            Text(f"{ZONES} is no list of features: {error}", f"{ZONES} 不是要素列表：{quoted(str(error)).zh}")
        ) from None
    raise NotProposed(Text(f"the list of features is not found in {ZONES}", f"{ZONES} 中找不到要素列表"))


def _places(text: str, at: int, decoder: json.JSONDecoder) -> Iterator[Place]:
    """Each object of a list whose bracket ends at `at`."""
    while (found := re.compile(r"[\s,]*").match(text, at)) and text[found.end()] == "{":
        feature, end = decoder.raw_decode(text, found.end())
        yield Place(found.end(), end, feature)
        at = end
