"""Questions about cameras as people write them, on the command line and over the API. Pure; ValueError says what was meant."""

from __future__ import annotations

from math import isfinite

from hub import json_once
from hub.cameras.ranking import Error
from hub.model import Position

ERROR_MAX_M = 50_000.0
SPEED_MAX_KMH = 2_000.0
ROAD_POINTS_MAX = 10_000


def place(text: str) -> Position:
    """`LON,LAT` in WGS-84 degrees."""
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r}: LON,LAT was meant, such as 121.49,31.24") from None
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        swapped = "; were lon and lat swapped?" if -90 <= lon <= 90 and -180 <= lat <= 180 else ""
        raise ValueError(f"{text!r} is no place on Earth{swapped}")
    return Position(lon, lat)


def error(text: str) -> Error:
    """`METRES`, or an ellipse `LONG,SHORT,DEGREES` with the direction of its long axis; one sigma."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or not all(0 <= number <= ERROR_MAX_M for number in numbers):
        raise ValueError(
            f"{text!r}: metres (one sigma) were meant, such as 15, or an ellipse such as 40,10,75: long and short "
            "half axis in metres and the direction of the long one"
        )
    return Error(numbers[0], numbers[0]) if len(numbers) == 1 else Error(*numbers)


def speed_ms(kmh: float) -> float:
    """Metres per second of a target."""
    if not 0 < kmh <= SPEED_MAX_KMH:
        raise ValueError(f"a speed of {kmh:g} km/h: more than 0 and at most {SPEED_MAX_KMH:g} was meant")
    return kmh / 3.6


def course(deg: float) -> float:
    if not isfinite(deg):
        raise ValueError(f"a course of {deg}: degrees from north were meant")
    return deg % 360


def road(text: str) -> list[tuple[float, float]]:
    """The first line of a GeoJSON file: the way that a target will take."""
    try:
        data = json_once.loads(text)
        shapes = [one["geometry"] for one in data["features"]] if "features" in data else [data.get("geometry", data)]
        line = next(shape["coordinates"] for shape in shapes if shape["type"] == "LineString")
        points = [(float(point[0]), float(point[1])) for point in line[:ROAD_POINTS_MAX]]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, StopIteration, RecursionError):
        raise ValueError("a GeoJSON LineString of [lon, lat] points was meant") from None
    for lon, lat in points:
        place(f"{lon},{lat}")
    if len(points) < 2:
        raise ValueError("a way has two points at least")
    return points
