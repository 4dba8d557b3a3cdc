"""The registry: which devices, cameras and zones the city has. Read from CSV and GeoJSON, every mistake by file and line."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from sys import intern
from typing import Any
from urllib.parse import urlsplit

import msgspec

from hub import json_once
from hub.geo import distance_m
from hub.mistakes import Mistake
from hub.model import Building, Camera, Device, Position, Preset, Refusal, Zone
from hub.moment import from_text
from hub.text_files import NotText, read_text

DEVICE_COLUMNS = ("device", "name", "kind", "lon", "lat", "elevation_m", "area", "operator")
REFUSED_COLUMNS = ("device", "at", "who", "note")
ID_COLUMNS = ("upstream",)
"""Further columns that hold ids of other devices."""
CAMERA_COLUMNS = (
    "camera", "name", "lon", "lat", "height_m", "azimuth_deg", "tilt_deg", "hfov_deg", "range_m", "ptz", "area", "gb28181_id", "stream_url",
    "vfov_deg", "width_px", "panoramic", "pan_from_deg", "pan_to_deg", "tilt_max_deg", "hfov_min_deg", "slew_deg_s",
    "pan_offset_deg", "azimuth_error_deg", "presets", "home", "origin", "position_error_m", "snapshot_url",
)  # fmt: skip
CAMERA_RANGES: Mapping[str, tuple[float, float]] = {
    "height_m": (0, 1000),
    "azimuth_deg": (0, 360),
    "tilt_deg": (-90, 90),
    "hfov_deg": (0, 360),
    "range_m": (0, 50_000),
    "vfov_deg": (0, 180),
    "width_px": (16, 100_000),
    "pan_from_deg": (-360, 360),
    "pan_to_deg": (-360, 360),
    "tilt_max_deg": (-90, 90),
    "hfov_min_deg": (0.1, 360),
    "slew_deg_s": (0.1, 1000),
    "pan_offset_deg": (-360, 360),
    "azimuth_error_deg": (0, 180),
    "home": (0, 65_535),
    "position_error_m": (0, 50_000),
}
BUILDING_M = (0.1, 1000.0)
FAR_M, NEAR_M = 500_000.0, 100_000.0
"""A place so far from the middle of the city is doubted where the swapped one would be so near."""
LEVEL_M = 3.0
"""Height of a storey where a building states only its levels (OpenStreetMap's own rule of thumb)."""


class Registry(msgspec.Struct, frozen=True):
    """What the city knows of its own things, by id."""

    devices: Mapping[str, Device] = msgspec.field(default_factory=dict)
    cameras: Mapping[str, Camera] = msgspec.field(default_factory=dict)
    zones: Mapping[str, Zone] = msgspec.field(default_factory=dict)
    buildings: tuple[Building, ...] = ()
    refused: Mapping[str, Refusal] = msgspec.field(default_factory=dict)
    """Unknown devices that do not belong to the city, as somebody decided."""


def load_registry(folder: Path) -> tuple[Registry, list[Mistake]]:
    """devices.csv, cameras.csv or cameras.geojson, zones.geojson, buildings.geojson, refused_devices.csv of a city folder. A file that is not there is empty."""
    mistakes: list[Mistake] = []
    listed = list(_devices(folder / "devices.csv", mistakes))
    devices = _unique(listed, "device", mistakes)
    _rivers(listed, devices, mistakes)
    placed = list(_cameras(folder, mistakes))
    cameras = _unique(placed, "camera", mistakes)
    mistakes += _far_off([*listed, *placed])
    zones = _unique(_zones(folder / "zones.geojson", mistakes), "zone", mistakes)
    buildings = tuple(_buildings(folder / "buildings.geojson", mistakes))
    refused = dict(_refused(folder / "refused_devices.csv", mistakes))
    return Registry(devices, cameras, zones, buildings, refused), mistakes


def _far_off(found: Sequence[tuple[str, int, Device | Camera]]) -> list[Mistake]:
    """What stands far from everything else, and would stand among it with longitude and latitude changed over. What is no place
    on Earth was found before."""
    places = [(file, line, thing.position) for file, line, thing in found if thing.position]
    if len(places) < 3:
        return []
    lon, lat = (median(getattr(at, axis) for _, _, at in places) for axis in ("lon", "lat"))
    return [
        Mistake(file, line, f"lon {at.lon}, lat {at.lat} is far from everything else; were lon and lat swapped?")
        for file, line, at in places
        if distance_m(at.lon, at.lat, lon, lat) > FAR_M
        and abs(at.lon) <= 90
        and distance_m(at.lat, at.lon, lon, lat) < NEAR_M
    ]


def _unique(found: Iterable[tuple[str, int, Any]], what: str, mistakes: list[Mistake]) -> dict[str, Any]:
    by_id: dict[str, Any] = {}
    lines: dict[str, tuple[str, int]] = {}
    for file, line, thing in found:
        key = getattr(thing, what)
        if key in by_id:
            first_file, first_line = lines[key]
            mistakes.append(
                Mistake(file, line, f"{what} {key!r} stands twice: first in {Path(first_file).name} line {first_line}")
            )
            continue
        by_id[key] = thing
        lines[key] = (file, line)
    return by_id


# ---------------------------------------------------------------------------------------------- devices


def _devices(path: Path, mistakes: list[Mistake]) -> Iterator[tuple[str, int, Device]]:
    for line, row in _rows(path, "device", DEVICE_COLUMNS, mistakes):
        wrong = len(mistakes)
        position = _position(path, line, row, mistakes)
        elevation = _number(path, line, row, "elevation_m", (-500, 9000), mistakes)
        if not row["device"]:
            mistakes.append(Mistake(str(path), line, "this row has no device id"))
        if len(mistakes) > wrong:
            continue
        attributes = {key: _value(key, text) for key, text in row.items() if key not in DEVICE_COLUMNS and text}
        yield (
            str(path),
            line,
            Device(
                device=row["device"],
                name=row.get("name", ""),
                kind=intern(row.get("kind", "")),  # of these a city has few, and each row would have texts of its own
                position=position,
                elevation_m=elevation,
                area=intern(row.get("area", "")),
                operator=intern(row.get("operator", "")),
                attributes=attributes,
            ),
        )


def _refused(path: Path, mistakes: list[Mistake]) -> Iterator[tuple[str, Refusal]]:
    for line, row in _rows(path, "device", REFUSED_COLUMNS, mistakes):
        try:
            at = from_text(row["at"]) if row.get("at") else 0
        except ValueError as error:
            mistakes.append(Mistake(str(path), line, f"at: {error}"))
            continue
        yield row["device"], Refusal(at, row.get("who", ""), row.get("note", ""))


def _rivers(listed: Iterable[tuple[str, int, Device]], devices: Mapping[str, Device], mistakes: list[Mistake]) -> None:
    """No gauge may lie above itself: `upstream` followed from gauge to gauge must come to an end."""
    told: set[str] = set()
    for file, line, device in listed:
        reached = [] if device.device in told or not device.upstream else _loop(device, devices)
        if reached:
            told.update(reached)
            path = " → ".join((*reached, reached[0]))
            mistakes.append(
                Mistake(file, line, f"upstream leads round in a ring: {path}; which of them is the topmost?")
            )


def _loop(start: Device, devices: Mapping[str, Device]) -> list[str]:
    """The way up from a gauge back to itself; empty where there is none."""
    below: dict[str, str] = {}
    waiting = [start.device]
    for name in waiting:
        for above in devices[name].upstream:
            if above == start.device:
                ring = [name]
                while ring[-1] != start.device:
                    ring.append(below[ring[-1]])
                return ring[::-1]
            if above in devices and above not in below:
                below[above] = name
                waiting.append(above)
    return []


def _value(column: str, text: str) -> float | str:
    """A number where it reads as one; ids of other devices, and codes such as 08165500, stay as they are written."""
    if column in ID_COLUMNS or (text[0] == "0" and text[1:2].isdigit()):
        return text
    try:
        return float(text)
    except ValueError:
        return text


# ---------------------------------------------------------------------------------------------- cameras


def _cameras(folder: Path, mistakes: list[Mistake]) -> Iterator[tuple[str, int, Camera]]:
    path = folder / "cameras.csv"
    for line, row in _rows(path, "camera", CAMERA_COLUMNS, mistakes):
        unknown = [column for column in row if column not in CAMERA_COLUMNS]
        if unknown and line == 2:
            mistakes.append(
                Mistake(str(path), 1, f"unknown column {unknown[0]!r}; known are {', '.join(CAMERA_COLUMNS)}")
            )
        camera = _camera(path, line, row, mistakes)
        if camera:
            yield str(path), line, camera
    path = folder / "cameras.geojson"
    for line, properties, geometry in _features(path, mistakes):
        row = {key: "" if value is None else str(value) for key, value in properties.items()}
        coordinates = geometry.get("coordinates") or []
        if geometry.get("type") == "Point" and len(coordinates) >= 2:
            row["lon"], row["lat"] = str(coordinates[0]), str(coordinates[1])
        camera = _camera(path, line, row, mistakes)
        if camera:
            yield str(path), line, camera


def _camera(path: Path, line: int, row: dict[str, str], mistakes: list[Mistake]) -> Camera | None:
    wrong = len(mistakes)
    position = _position(path, line, row, mistakes)
    numbers: dict[str, Any] = {
        name: _number(path, line, row, name, span, mistakes) for name, span in CAMERA_RANGES.items()
    }
    if not row.get("camera"):
        mistakes.append(Mistake(str(path), line, "this row has no camera id"))
    ptz, panoramic = (_flag(path, line, row, name, mistakes) for name in ("ptz", "panoramic"))
    presets = _presets(path, line, row.get("presets", ""), mistakes)
    snapshot = _snapshot(path, line, row.get("snapshot_url", ""), mistakes)
    width, home = numbers.pop("width_px"), numbers.pop("home")
    if position is None and len(mistakes) == wrong:
        mistakes.append(
            Mistake(
                str(path),
                line,
                f"camera {row['camera']!r} has no position; a camera without lon and lat can never be chosen",
            )
        )
    if position is None or len(mistakes) > wrong:
        return None
    return Camera(
        camera=row["camera"],
        position=position,
        name=row.get("name", ""),
        ptz=ptz,
        panoramic=panoramic,
        width_px=None if width is None else int(width),
        home=None if home is None else int(home),
        presets=presets,
        origin=_origin(row.get("origin", "")),
        area=row.get("area", ""),
        gb28181_id=row.get("gb28181_id", ""),
        stream_url=row.get("stream_url", ""),
        snapshot_url=snapshot,
        **numbers,
    )


def _flag(path: Path, line: int, row: dict[str, str], column: str, mistakes: list[Mistake]) -> bool:
    text = row.get(column, "").strip().lower()
    if text not in ("", "0", "1", "true", "false", "yes", "no"):
        mistakes.append(Mistake(str(path), line, f"{column} is {text!r}; true or false was meant"))
    return text in ("1", "true", "yes")


def _snapshot(path: Path, line: int, text: str, mistakes: list[Mistake]) -> str:
    """An address that a picture can be fetched from."""
    try:
        parts = urlsplit(text)
        wrong = bool(text) and (parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0)
    except ValueError:
        wrong = True
    if wrong:  # it may hold a password, so it is not repeated
        mistakes.append(Mistake(str(path), line, "snapshot_url is no http:// or https:// address with a host"))
    return text


def _presets(path: Path, line: int, text: str, mistakes: list[Mistake]) -> tuple[Preset, ...]:
    """`1=90;2=180/12`: number = azimuth, after a slash the tilt (positive downwards)."""
    presets = []
    for item in filter(None, (part.strip() for part in text.split(";"))):
        found = re.fullmatch(r"(\d{1,5})=(-?\d+(?:\.\d+)?)(?:/(-?\d+(?:\.\d+)?))?", item)
        if not found:
            mistakes.append(
                Mistake(
                    str(path),
                    line,
                    f"preset {item!r}: number=azimuth or number=azimuth/tilt was meant, as in 1=90;2=180/12",
                )
            )
            continue
        presets.append(Preset(int(found[1]), float(found[2]) % 360, float(found[3]) if found[3] else None))
    return tuple(presets)


def _origin(text: str) -> dict[str, str]:
    """`azimuth_deg=survey 2025;range_m=datasheet`: where values came from."""
    return {
        name.strip(): said.strip() for name, equals, said in (part.partition("=") for part in text.split(";")) if equals
    }


# ---------------------------------------------------------------------------------------------- buildings


def _buildings(path: Path, mistakes: list[Mistake]) -> Iterator[Building]:
    """Footprints with `height_m` (or `height`, or `building:levels`). One without any height is named as a mistake."""
    for line, properties, geometry in _features(path, mistakes):
        name = str(properties.get("building") or properties.get("name") or properties.get("id") or f"in line {line}")
        if geometry.get("type") not in ("Polygon", "MultiPolygon"):
            mistakes.append(
                Mistake(str(path), line, f"building {name!r} is a {geometry.get('type')}; a Polygon was meant")
            )
            continue
        coordinates = geometry.get("coordinates") or []
        polygons = [coordinates] if geometry["type"] == "Polygon" else coordinates
        height = _height(properties)
        if height is None or not BUILDING_M[0] <= height <= BUILDING_M[1]:
            mistakes.append(
                Mistake(
                    str(path),
                    line,
                    f"building {name!r} has no height_m from {BUILDING_M[0]:g} to {BUILDING_M[1]:g} metres",
                )
            )
            continue
        wrong = len(mistakes)
        for rings in polygons:
            checked = tuple(_ring(path, line, name, ring, mistakes, "building") for ring in rings)
            if checked and len(mistakes) == wrong:
                yield Building(name, checked, height)


def _height(properties: dict[str, Any]) -> float | None:
    for key, factor in (("height_m", 1.0), ("height", 1.0), ("building:levels", LEVEL_M)):
        try:
            return float(str(properties[key]).removesuffix("m").strip()) * factor
        except (KeyError, ValueError):
            continue
    return None


# ---------------------------------------------------------------------------------------------- zones


def _zones(path: Path, mistakes: list[Mistake]) -> Iterator[tuple[str, int, Zone]]:
    for line, properties, geometry in _features(path, mistakes):
        wrong = len(mistakes)
        zone = properties.get("zone")
        if not isinstance(zone, str) or not zone:
            mistakes.append(Mistake(str(path), line, 'this feature has no property "zone", its id'))
        if geometry.get("type") != "Polygon":
            mistakes.append(Mistake(str(path), line, f"zone {zone!r} is a {geometry.get('type')}; a Polygon was meant"))
        rings = (
            [_ring(path, line, zone, ring, mistakes) for ring in geometry.get("coordinates") or []]
            if len(mistakes) == wrong
            else []
        )
        if len(mistakes) > wrong or not rings:
            continue
        limits = {
            key: value for key, value in properties.items() if key not in ("zone", "kind", "name") and value is not None
        }
        yield (
            str(path),
            line,
            Zone(str(zone), str(properties.get("kind", "")), str(properties.get("name", zone)), tuple(rings), limits),
        )


def _ring(
    path: Path, line: int, zone: Any, ring: Any, mistakes: list[Mistake], what: str = "zone"
) -> tuple[tuple[float, float], ...]:
    try:
        points = tuple((float(point[0]), float(point[1])) for point in ring)
    except (TypeError, ValueError, IndexError):
        mistakes.append(Mistake(str(path), line, f"{what} {zone!r}: a ring is a list of [lon, lat] pairs"))
        return ()
    if len(points) < 4 or points[0] != points[-1]:
        mistakes.append(
            Mistake(
                str(path),
                line,
                f"{what} {zone!r}: the polygon is not closed; its last point must repeat its first, with at least three between",
            )
        )
    for lon, lat in points:
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            mistakes.append(
                Mistake(
                    str(path),
                    line,
                    f"{what} {zone!r}: [{lon}, {lat}] is not a [lon, lat] in degrees" + _swapped(lon, lat),
                )
            )
            break
    return points


# ---------------------------------------------------------------------------------------------- reading files


def _rows(
    path: Path, key: str, columns: tuple[str, ...], mistakes: list[Mistake]
) -> Iterator[tuple[int, dict[str, str]]]:
    text = _text(path, mistakes)
    if text is None:
        return
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [column.strip() for column in next(reader, [])]
    lines, line = list(io.StringIO(text, newline="")), reader.line_num
    if key not in header:
        told = f"the first line must name the columns, {key!r} among them: {','.join(columns)}"
        mistakes.append(Mistake(str(path), 1, _otherwise_apart(header) or told))
        return
    if len(set(header)) < len(header):
        twice = next(column for column in header if header.count(column) > 1)
        mistakes.append(Mistake(str(path), 1, f"column {twice!r} stands twice"))
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            mistakes.append(Mistake(str(path), reader.line_num, f"is not readable as CSV: {error}"))
            return
        if cells is None:
            return
        begun, line = line + 1, reader.line_num
        if line > begun and _broken_quote(lines[begun - 1 : line]):
            mistakes.append(Mistake(str(path), begun, "a quotation mark is opened here and not closed in this line"))
            continue
        if line == len(lines) and len(cells) < len(header) and not text.endswith(("\n", "\r")):
            mistakes.append(
                Mistake(str(path), line, "the file ends in the middle of this line; was it written to the end?")
            )
            continue
        if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
            continue
        if len(cells) > len(header):
            mistakes.append(
                Mistake(
                    str(path),
                    reader.line_num,
                    f"{len(cells)} cells for {len(header)} columns; put texts with commas in quotes",
                )
            )
            continue
        if told := _otherwise_apart(cells) if len(header) > len(cells) else "":
            mistakes.append(Mistake(str(path), reader.line_num, told))
            continue
        cells += [""] * (len(header) - len(cells))
        yield reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True))


def _broken_quote(lines: list[str]) -> bool:
    """Whether a row of several lines is one by a slip: its quotation mark is closed nowhere, or where another text begins."""
    try:
        next(csv.reader(lines, strict=True))
    except csv.Error:
        return True
    return False


def _otherwise_apart(cells: list[str]) -> str:
    """What to say of a line that some spreadsheet has set apart by other characters: read by commas all of it would be one name."""
    if len(cells) == 1:
        for mark, name in ((";", "semicolons"), ("\t", "tabs")):
            if cells[0].count(mark) > 1:
                return f"its cells are set apart by {name}; commas are meant"
    return ""


def _features(path: Path, mistakes: list[Mistake]) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
    text = _text(path, mistakes)
    if text is None:
        return
    try:
        features = json_once.loads(text)["features"]
    except json.JSONDecodeError as error:
        mistakes.append(Mistake(str(path), error.lineno, f"is not valid JSON: {error.msg}"))
        return
    except json_once.RepeatedKey as error:
        twice = [
            found.start() for found in re.finditer(re.escape(json.dumps(error.key, ensure_ascii=False)) + r"\s*:", text)
        ]
        mistakes.append(Mistake(str(path), text.count("\n", 0, twice[-1] if len(twice) == 2 else 0) + 1, str(error)))
        return
    except (KeyError, TypeError):
        mistakes.append(Mistake(str(path), 1, 'is not a GeoJSON FeatureCollection: it has no "features"'))
        return
    lines = [text.count("\n", 0, found.start()) + 1 for found in re.finditer(r'"type"\s*:\s*"Feature"', text)]
    for number, feature in enumerate(features if isinstance(features, list) else []):
        line = lines[number] if number < len(lines) else 1
        properties, geometry = (
            (feature.get("properties"), feature.get("geometry")) if isinstance(feature, dict) else (None, None)
        )
        if not isinstance(properties, dict) or not isinstance(geometry, dict):
            mistakes.append(Mistake(str(path), line, "a feature needs properties and a geometry"))
            continue
        yield line, properties, geometry


def _text(path: Path, mistakes: list[Mistake]) -> str | None:
    try:
        return read_text(path)
    except FileNotFoundError:
        return None
    except NotText as error:
        mistakes.append(Mistake(str(path), 1, str(error)))
    except OSError as error:
        mistakes.append(Mistake(str(path), 1, f"cannot be read: {error.strerror}"))
    return None


def _position(path: Path, line: int, row: dict[str, str], mistakes: list[Mistake]) -> Position | None:
    wrong = len(mistakes)
    lon = _number(path, line, row, "lon", None, mistakes)
    lat = _number(path, line, row, "lat", None, mistakes)
    if len(mistakes) > wrong:
        return None
    if lon is None and lat is None:
        return None
    if lon is None or lat is None:
        mistakes.append(
            Mistake(
                str(path),
                line,
                f"{'lon' if lon is None else 'lat'} is missing beside {'lat' if lon is None else 'lon'}",
            )
        )
        return None
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        mistakes.append(Mistake(str(path), line, f"lon {lon}, lat {lat} is no place on Earth" + _swapped(lon, lat)))
        return None
    return Position(lon, lat)


def _number(
    path: Path, line: int, row: dict[str, str], column: str, span: tuple[float, float] | None, mistakes: list[Mistake]
) -> float | None:
    text = row.get(column, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != value or value in (float("inf"), float("-inf")):
        mistakes.append(Mistake(str(path), line, f"{column} is {text!r}; a number was meant"))
        return None
    if span and not span[0] <= value <= span[1]:
        mistakes.append(Mistake(str(path), line, f"{column} is {text}; a number from {span[0]} to {span[1]} was meant"))
        return None
    return value


def _swapped(lon: float, lat: float) -> str:
    return "; were lon and lat swapped?" if -90 <= lon <= 90 and -180 <= lat <= 180 else ""
