"""A small map as an SVG drawing: devices by the highest level they came to, tracks of what moved, cameras that were named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import cos, floor, log10, radians

from hub.backtest.report_chart import COLOURS
from hub.geo import DEGREE_M
from hub.model import LEVELS, Position

WIDTH, PAD = 1060, 40
HEIGHTS = (300, 560)
"""The drawing is as high as what it shows needs, within these."""
NAMES_MAX = 26
TRACKS_MAX = 60
TRACK_POINTS = 160


def draw(
    places: Mapping[str, Position],
    levels: Mapping[str, int],
    names: Mapping[str, str],
    tracks: Mapping[str, Sequence[Position]],
    cameras: Sequence[tuple[str, Position]],
) -> str:
    """`levels`: device → highest level. Empty where nothing has a place."""
    if not places:
        return ""
    moving = {device: track for device, track in tracks.items() if len(track) > 2}
    shown = [*places.values(), *(position for track in moving.values() for position in track)]
    west, east = _spread([position.lon for position in shown])
    south, north = _spread([position.lat for position in shown])
    squeeze = cos(radians((south + north) / 2))
    shape = max(north - south, 0.004) / max((east - west) * squeeze, 0.004, 0.02 - 4 * (north - south))
    height = round(min(max((WIDTH - 2 * PAD) * shape + 2 * PAD, HEIGHTS[0]), HEIGHTS[1]))
    size = min((WIDTH - 2 * PAD) / max((east - west) * squeeze, 0.004), (height - 2 * PAD) / max(north - south, 0.004))
    middle = ((west + east) / 2, (south + north) / 2)

    def at(position: Position) -> tuple[float, float]:
        return (
            WIDTH / 2 + (position.lon - middle[0]) * squeeze * size,
            height / 2 - (position.lat - middle[1]) * size,
        )

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img"><rect width="{WIDTH}" height="{height}" rx="6" fill="#f3f6f9"/>'
    ]
    parts += _grid(middle, squeeze, size, height)
    for track in list(moving.values())[:TRACKS_MAX]:
        points = " ".join(
            "{:.1f},{:.1f}".format(*at(position)) for position in track[:: len(track) // TRACK_POINTS + 1]
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="#94a3b8" stroke-width="1" stroke-opacity=".6"/>')
    for name, position in cameras:
        x, y = at(position)
        parts.append(
            f'<rect x="{x - 2.5:.1f}" y="{y - 2.5:.1f}" width="5" height="5" fill="#334155"><title>camera {escape(name)}</title></rect>'
        )
    named: list[tuple[float, float]] = []
    for device in sorted(places, key=lambda device: (levels.get(device, -1), device)):
        x, y = at(places[device])
        if -20 <= x <= WIDTH + 20 and -20 <= y <= height + 20:
            parts.append(_dot(x, y, levels.get(device, -1), names.get(device) or device))
    for device in sorted(places, key=lambda device: (-levels.get(device, -1), device)):
        x, y = at(places[device])
        if len(places) > NAMES_MAX and device not in levels:
            continue
        if len(named) < NAMES_MAX and all(abs(x - a) > 96 or abs(y - b) > 13 for a, b in named):
            named.append((x, y))
            end = x > WIDTH - 130
            parts.append(
                f'<text class="name" x="{x + (-8 if end else 8):.1f}" y="{y + 4:.1f}" text-anchor="{"end" if end else "start"}">{escape((names.get(device) or device)[:34])}</text>'
            )
    parts += _scale_bar(size, height)
    return "".join(parts) + "</svg>"


def _spread(numbers: Sequence[float]) -> tuple[float, float]:
    """The range that holds all but the outermost hundredth: one wrong fix must not shrink the city to a dot."""
    ordered = sorted(numbers)
    cut = len(ordered) // 100
    return ordered[cut], ordered[-1 - cut]


def _dot(x: float, y: float, level: int, name: str) -> str:
    colour = COLOURS[LEVELS[level]] if level >= 0 else "#b6c2cf"
    told = f"{name}: {LEVELS[level]}" if level >= 0 else f"{name}: no warning"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{5 if level >= 0 else 3.5}" fill="{colour}" stroke="#fff" stroke-width="1.2"><title>{escape(told)}</title></circle>'


def _round(figure: float) -> float:
    size: float = 10 ** floor(log10(figure))
    return next(factor * size for factor in (5, 2, 1) if factor * size <= figure)


def _grid(middle: tuple[float, float], squeeze: float, size: float, height: int) -> list[str]:
    step = _round(height / size / 2)
    parts = []
    for n in range(-12, 13):
        lat, lon = (floor(middle[1] / step) + n) * step, (floor(middle[0] / step) + n) * step
        y, x = height / 2 - (lat - middle[1]) * size, WIDTH / 2 + (lon - middle[0]) * squeeze * size
        if 0 < y < height:
            parts.append(f'<path d="M0 {y:.1f}H{WIDTH}" stroke="#dbe2ea"/><text x="6" y="{y - 4:.1f}">{lat:g}°</text>')
        if 0 < x < WIDTH:
            parts.append(
                f'<path d="M{x:.1f} 0V{height}" stroke="#dbe2ea"/><text x="{x + 4:.1f}" y="{height - 6}">{lon:g}°</text>'
            )
    return parts


def _scale_bar(size: float, height: int) -> list[str]:
    metres = _round(180 / size * DEGREE_M)
    length = metres / DEGREE_M * size
    told = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    x, y = WIDTH - 24 - length, height - 22
    return [
        f'<path d="M{x:.1f} {y}v5h{length:.1f}v-5" fill="none" stroke="#334155"/><text x="{x + length / 2:.1f}" y="{y - 2}" text-anchor="middle">{told}</text>'
    ]
