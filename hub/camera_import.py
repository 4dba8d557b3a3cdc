"""Lists of traffic cameras from elsewhere, made into the registry's `cameras.csv`: ids, positions and directions.

Such lists say where a camera looks in words ("Eastbound", "NS", "Median"). A word that names one direction becomes an
azimuth; one that names two, or none, leaves the azimuth unknown, which the ranking says and counts against the camera.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from hub.cameras.osm import WIND_ERROR_DEG
from hub.geo import DEGREE_M
from hub.registry import CAMERA_COLUMNS

_DIRECTIONS = {
    "n": 0.0, "ne": 45.0, "e": 90.0, "se": 135.0, "s": 180.0, "sw": 225.0, "w": 270.0, "nw": 315.0,
    "nne": 22.5, "ene": 67.5, "ese": 112.5, "sse": 157.5, "ssw": 202.5, "wsw": 247.5, "wnw": 292.5, "nnw": 337.5,
}  # fmt: skip
_LETTERS = {"north": "n", "south": "s", "east": "e", "west": "w"}
_UNKNOWN = (
    "",
    "na",
    "n/a",
    "unknown",
    "u",
    "any",
    "none",
    "null",
    "median",
    "both directions",
    "both",
    "all",
    "inbound",
    "outbound",
)
"""Words that name no single direction, and are not mistakes."""
ROAD_ERROR_DEG = 45.0
"""One sigma of "Eastbound": that is the carriageway's way, and its camera looks along it more or less, sometimes against it."""


class Columns(msgspec.Struct, frozen=True):
    """Names of the source's columns. `name` may join several."""

    lon: str = "longitude"
    lat: str = "latitude"
    direction: str = "direction"
    name: tuple[str, ...] = ("description",)
    area: str = "county"


class Imported(msgspec.Struct):
    """What became of the rows: rows = cameras + duplicates + left_out + unplaced."""

    rows: int = 0
    cameras: int = 0
    duplicates: int = 0
    """The same name, place and direction once more."""
    left_out: int = 0
    """Not in the selection."""
    unplaced: int = 0
    """Without a position on Earth."""
    swapped: int = 0
    """Of those, the ones that would have one with longitude and latitude changed over."""
    directed: int = 0
    """Cameras whose direction is known."""
    odd_directions: dict[str, int] = {}
    """Words that could not be read as a direction, and how often they stood there."""


def azimuth(word: str) -> float | None:
    """Degrees from north of "N", "Northbound", "north-east", "NB"; None where the word names no single direction."""
    text = re.sub(r"[\s._/-]+", "", word.strip().lower())
    for name, letter in _LETTERS.items():
        text = text.replace(name, letter)
    text = re.sub(r"(bound|b)$", "", text)
    return _DIRECTIONS.get(text)


def rounding_m(lon: str, lat: str) -> str:
    """What the digits leave open, metres, where that is a metre or more: 31.24 is good to half a hundredth of a degree."""
    digits = min(len(text.strip().partition(".")[2]) for text in (lon, lat))
    metres = 0.5 * 10.0**-digits * DEGREE_M
    return f"{metres:.0f}" if 1 <= metres <= 50_000 else ""


def error_deg(word: str) -> float:
    """One sigma of a direction in words: half the step to the next word as exact as this, or the width of a road's way."""
    text = re.sub(r"[\s._/-]+", "", word.strip().lower())
    if text.endswith(("bound", "b")):
        return ROAD_ERROR_DEG
    for name, letter in _LETTERS.items():
        text = text.replace(name, letter)
    return WIND_ERROR_DEG[len(text)]


def import_cameras(
    rows: Iterable[Mapping[str, str]], columns: Columns | None = None, select: Mapping[str, str] | None = None
) -> tuple[str, Imported]:
    """The text of a `cameras.csv`, and the count. `select`: only rows whose columns hold these texts.

    Ids are the area and a running number in the order of the list: `butte-3`.
    """
    columns = columns or Columns()
    told = Imported(odd_directions={})
    out = io.StringIO()
    writer = csv.DictWriter(out, CAMERA_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in _cameras(rows, columns, select or {}, told):
        writer.writerow(row)
    return out.getvalue(), told


def _cameras(
    rows: Iterable[Mapping[str, str]], columns: Columns, select: Mapping[str, str], told: Imported
) -> Iterator[dict[str, str]]:
    seen: set[tuple[str, float, float, float | None]] = set()
    numbers: Counter[str] = Counter()
    for row in rows:
        told.rows += 1
        if any((row.get(name) or "").strip() != wanted for name, wanted in select.items()):
            told.left_out += 1
            continue
        lon, lat = row.get(columns.lon) or "", row.get(columns.lat) or ""
        place = _place(lon, lat)
        if place is None:
            told.unplaced += 1
            told.swapped += _place(lat, lon) is not None
            continue
        name = " ".join(" ".join((row.get(part) or "").split()) for part in columns.name).strip()
        word = (row.get(columns.direction) or "").strip()
        towards = azimuth(word)
        if towards is None and not _says_nothing(word):
            told.odd_directions[word[:40]] = told.odd_directions.get(word[:40], 0) + 1
        if (name, *place, towards) in seen:
            told.duplicates += 1
            continue
        seen.add((name, *place, towards))
        area = (row.get(columns.area) or "").strip()
        stem = re.sub(r"[^a-z0-9]+", "-", area.lower()).strip("-") or "camera"
        numbers[stem] += 1
        told.cameras += 1
        told.directed += towards is not None
        yield {
            "camera": f"{stem}-{numbers[stem]}",
            "name": name,
            "lon": f"{place[0]}",
            "lat": f"{place[1]}",
            "azimuth_deg": "" if towards is None else f"{towards:g}",
            "position_error_m": rounding_m(lon, lat),
            "azimuth_error_deg": "" if towards is None else f"{error_deg(word):g}",
            "area": area,
            "origin": "position=list"
            if towards is None
            else f"position=list;azimuth_deg=list {word.replace(';', ',')[:40]}",
        }


def _says_nothing(word: str) -> bool:
    """Whether it is a known word for no direction, or names two opposite ones ("NS", "EB/WB")."""
    text = word.strip().lower()
    return text in _UNKNOWN or re.sub(r"[^nesw]", "", text.replace("bound", "")) in ("ns", "sn", "ew", "we")


def _place(lon: str, lat: str) -> tuple[float, float] | None:
    try:
        x, y = float(lon), float(lat)
    except ValueError:
        return None
    return (x, y) if -180 <= x <= 180 and -90 <= y <= 90 and (x, y) != (0.0, 0.0) else None
