"""`cityhub cameras`: who sees a point, an area, a moving thing, and the ground that each camera covers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import shapely

from hub.app.plugins import Plugins
from hub.cameras import TASKS, Cameras, question
from hub.cameras.covering import Part, cover
from hub.cameras.following import along, follow, straight
from hub.cli.client import Way, takes_hub, way_to
from hub.cli.output import Problem, command, json_line, note, table
from hub.config import load_config
from hub.model import CameraView, Watch
from hub.registry import Registry, load_registry
from hub.wire import camera_to_json, watch_to_json


def add(commands: Any) -> None:
    parser = command(commands, "cameras", cameras, "ranked cameras that can see a point, with reasons", lists=True)
    takes_hub(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--at", metavar="LON,LAT")
    where.add_argument("--zone", metavar="ZONE", help="the few cameras that together see most of this zone")
    parser.add_argument("--limit", type=int, default=5)
    parser.add_argument(
        "--need", default="", metavar="TASK", help="detect, observe, recognise, identify: how finely it must be seen"
    )
    parser.add_argument(
        "--error",
        metavar="M[,M,DEG]",
        help="the place is only known to so many metres (one sigma), or to an ellipse: long and short half axis, direction",
    )
    parser.add_argument("--course", type=float, metavar="DEG", help="the target moves this way: print who sees it when")
    parser.add_argument("--road", type=Path, metavar="FILE", help="or along this line (GeoJSON), from its beginning")
    parser.add_argument("--speed", type=float, default=50.0, metavar="KM/H", help="and this fast")
    parser.add_argument(
        "--geojson",
        action="store_true",
        help="print the ground that they cover, cut by buildings; of every camera without a place",
    )


def cameras(options: argparse.Namespace) -> int:
    if options.hub is not None:
        return _by_hub(options, way_to(options))
    registry, mistakes = load_registry(options.dir)
    for mistake in mistakes:
        note(str(mistake))
    config, _ = load_config(options.dir, Plugins())
    city = Cameras(registry.cameras.values(), registry.buildings, config.cameras.tasks if config else TASKS)
    if options.need and options.need not in city.tasks:
        raise Problem(f"--need {options.need!r}: one of {', '.join(city.tasks)} was meant", 2)
    try:
        found, show = _answer(city, registry, options)
    except ValueError as error:
        raise Problem(str(error), 2) from None
    numbers = [city.numbers[one.camera] for one in found if one.camera]
    if options.geojson:
        if show is None:
            numbers = list(range(len(city)))
        features = [city.feature(number) for number in dict.fromkeys(numbers)]
        json_line({"type": "FeatureCollection", "features": features})
    elif show is None:
        raise Problem("--at, --zone, --road or --geojson was meant", 2)
    elif options.json:
        for one in found:
            shown = _as_json(one)
            json_line({**shown, "footprint": city.geometry(city.numbers[one.camera]) if one.camera else None})
    else:
        show(found, options)
    return 1 if mistakes else 0


def _by_hub(options: argparse.Namespace, way: Way) -> int:
    """What a hub on another machine answers, of the cameras that the asker may see."""
    if options.road is not None:
        raise Problem("--road needs the city's own folder; --course follows what moves straight on", 2)
    if options.at is None and options.zone is None and not options.geojson:
        raise Problem("--at, --zone or --geojson was meant", 2)
    found = _asked(options, way) if options.at is not None or options.zone is not None else None
    if not options.json and not options.geojson:
        _show(found or [], options)
        return 0
    every = (way.ask("/api/v1/geojson/footprints") or {})["features"]
    ground = {feature["properties"]["camera"]: feature for feature in every}
    if options.geojson:
        names = ground if found is None else dict.fromkeys(one["camera"] for one in found)
        json_line({"type": "FeatureCollection", "features": [ground[name] for name in names if name in ground]})
        return 0
    for one in found or ():
        json_line({**one, "footprint": ground[one["camera"]]["geometry"] if one["camera"] in ground else None})
    return 0


def _asked(options: argparse.Namespace, way: Way) -> list[dict[str, Any]]:
    """Cameras of a place or a zone, or stretches of a way."""
    given = {name: getattr(options, name) for name in ("at", "zone", "need", "error", "course", "limit")}
    if options.course is not None:
        given["speed"] = options.speed
    params = {name: value for name, value in given.items() if value not in (None, "")}
    answer: dict[str, Any] = way.ask("/api/v1/cameras", params=params) or {}
    return list(answer.get("handover", answer.get("cameras", ())))


def _show(found: Sequence[dict[str, Any]], options: argparse.Namespace) -> None:
    if options.zone is not None:
        _show_cover([_of(Part, one) for one in found], options)
    elif options.course is not None:
        _show_way([_of(Watch, one) for one in found], options)
    else:
        _show_ranked([_of(CameraView, one) for one in found], options)


def _of(kind: type[Any], told: dict[str, Any]) -> Any:
    """What the API says, as the type that tables are made of: without the place, which it writes otherwise, and what is null there and empty here."""
    fields = {name: value for name, value in told.items() if value is not None and name != "position"}
    return msgspec.convert({"camera": "", **fields}, kind)


Found: TypeAlias = Sequence[CameraView] | Sequence[Part] | Sequence[Watch]


def _answer(
    city: Cameras, registry: Registry, options: argparse.Namespace
) -> tuple[Found, Callable[[Any, argparse.Namespace], None] | None]:
    """What was asked for, and how people see it. Raises ValueError for what is no question."""
    if options.limit < 1:
        raise ValueError(f"--limit {options.limit}: 1 or more was meant")
    if options.zone is not None:
        if options.zone not in registry.zones:
            raise ValueError(f"no zone {options.zone!r} in zones.geojson")
        zone = registry.zones[options.zone]
        return cover(city, shapely.Polygon(zone.rings[0], zone.rings[1:]), options.limit, options.need), _show_cover
    if options.road is not None:
        way = along(question.road(_text(options.road)), question.speed_ms(options.speed))
        return follow(city, way, options.need), _show_way
    if options.at is None:
        return [], None
    position = question.place(options.at)
    if options.course is not None:
        way = straight(position, question.course(options.course), question.speed_ms(options.speed))
        return follow(city, way, options.need), _show_way
    error = question.error(options.error) if options.error else None
    return city.rank(position, options.limit, need=options.need, error=error), _show_ranked


def _as_json(one: CameraView | Part | Watch) -> dict[str, Any]:
    if isinstance(one, Watch):
        return watch_to_json(one)
    return camera_to_json(one) if isinstance(one, CameraView) else dict(msgspec.to_builtins(one))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path} cannot be read as UTF-8 text: {error}") from None


def _show_ranked(ranked: Sequence[CameraView], options: argparse.Namespace) -> None:
    rows = [
        (
            view.camera,
            view.name,
            "yes" if view.sees else "no",
            f"{view.score:.2f}",
            f"{view.distance_m:.0f} m",
            f"{view.bearing_deg:.0f}°",
            view.reason,
        )
        for view in ranked
    ]
    columns = ("camera", "name", "sees it", "score", "distance", "bearing", "why")
    table(columns, rows, "no camera within 1 km of there", options)


def _show_cover(parts: Sequence[Part], options: argparse.Namespace) -> None:
    rows = [(part.camera, part.name, f"{part.together:.0%}", part.reason) for part in parts]
    table(("camera", "name", "together", "why"), rows, "no camera sees any of it", options)


def _show_way(watches: Sequence[Watch], options: argparse.Namespace) -> None:
    rows = [
        (
            f"{watch.from_s:.0f} s",
            f"{watch.until_s:.0f} s",
            watch.camera or "nobody",
            watch.name,
            _turning(watch),
            watch.reason,
        )
        for watch in watches
    ]
    table(("from", "until", "camera", "name", "turn it", "why"), rows, "no camera will see it", options)


def _turning(watch: Watch) -> str:
    if watch.pose is None or watch.turn_by_s is None:
        return ""
    return f"to {watch.pose.azimuth_deg:.0f}°, from {watch.turn_by_s:.0f} s on"
