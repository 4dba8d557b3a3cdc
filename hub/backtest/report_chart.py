"""A time series as an SVG drawing: the levels as bands behind it, the warnings as a strip below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from html import escape
from itertools import groupby, pairwise
from math import floor, log10
from statistics import median
from typing import NamedTuple

from hub.model import LEVELS
from hub.moment import SECOND

WIDTH, HEIGHT = 1060, 206
LEFT, RIGHT, TOP, BOTTOM = 52, 74, 14, 40
PLOT_W, PLOT_H = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
STRIP_Y, STRIP_H = HEIGHT - BOTTOM + 5, 9
POINTS_MAX = PLOT_W * 2
"""More points than this are drawn as the extremes of each pixel column."""
GAP_STEPS = 6
"""A gap of so many usual steps breaks the line."""
TOLD_MAX = 200
"""Up to so many warnings each piece of the strip says what it is."""
COLOURS = {"blue": "#3b82f6", "yellow": "#eab308", "orange": "#f97316", "red": "#dc2626"}
BANDS = {"blue": "#e8f0fe", "yellow": "#fdf6d6", "orange": "#ffecdc", "red": "#fde2e2"}
INK = "#274060"
Axis = Callable[[float], float]


class Strip(NamedTuple):
    """A warning at one level for a while (ns)."""

    since: int
    until: int
    level: int
    told: str


class Mark(NamedTuple):
    """A step up, shown above the curve."""

    at: int
    level: int
    told: str


class Shade(NamedTuple):
    """An event: start, peak and end (ns)."""

    start: int
    peak: int
    end: int
    name: str


class Picture(NamedTuple):
    """All of one chart."""

    since: int
    until: int
    times: Sequence[int]
    values: Sequence[float]
    limits: Mapping[str, float]
    """Level → the value above (or below) which it stands."""
    upward: bool
    strips: Sequence[Strip]
    marks: Sequence[Mark]
    shade: Shade | None
    zone: tzinfo


def draw(picture: Picture) -> str:
    """The chart as one `<svg>`."""
    low, high = _span(picture)
    scale = PLOT_H / (high - low)

    def x(at: int) -> float:
        return (
            LEFT
            + (min(max(at, picture.since), picture.until) - picture.since) / (picture.until - picture.since) * PLOT_W
        )

    def y(value: float) -> float:
        return TOP + PLOT_H - (min(max(value, low), high) - low) * scale

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">']
    parts += _bands(picture, y, low, high)
    parts += _shade(picture, x)
    for value in _ticks(low, high):
        parts.append(
            f'<line x1="{LEFT}" x2="{LEFT + PLOT_W}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#1c2733" stroke-opacity=".07"/>'
        )
        parts.append(f'<text x="{LEFT - 7}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,.6g}</text>')
    for at, label in _moments(picture):
        parts.append(
            f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{TOP}" y2="{TOP + PLOT_H}" stroke="#1c2733" stroke-opacity=".05"/>'
        )
        parts.append(f'<text x="{x(at):.1f}" y="{HEIGHT - 14}" text-anchor="middle">{label}</text>')
    parts.append(
        f'<path d="{_curve(picture, x, y)}" fill="none" stroke="{INK}" stroke-width="1.3" stroke-linejoin="round"/>'
    )
    parts += _limit_names(picture, y, low, high)
    parts += _strip(picture, x)
    parts += _marks(picture, x)
    return "".join(parts) + "</svg>"


def _span(picture: Picture) -> tuple[float, float]:
    """What the vertical axis shows: all values, and the first limit beyond them."""
    low, high = min(picture.values, default=0.0), max(picture.values, default=1.0)
    limits = sorted(picture.limits.values())
    if limits and picture.upward:
        high = max(
            high, next((limit for limit in limits if limit >= high), limits[-1]) if high > 0.6 * limits[0] else high
        )
    elif limits:
        low = min(low, limits[-1])
    if low >= 0 and low < 0.4 * high:
        low = 0.0
    pad = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return (low if low == 0 else low - pad), high + pad


def _bands(picture: Picture, y: Axis, low: float, high: float) -> list[str]:
    edges = sorted(picture.limits.items(), key=lambda item: item[1], reverse=not picture.upward)
    drawn = []
    for n, (level, value) in enumerate(edges):
        beyond = edges[n + 1][1] if n + 1 < len(edges) else (high if picture.upward else low)
        top, bottom = sorted((y(value), y(beyond)))
        if bottom - top > 0.3:
            drawn.append(
                f'<rect x="{LEFT}" y="{top:.1f}" width="{PLOT_W}" height="{bottom - top:.1f}" fill="{BANDS[level]}"/>'
            )
    return drawn


def _limit_names(picture: Picture, y: Axis, low: float, high: float) -> list[str]:
    drawn: list[str] = []
    taken: list[float] = []
    for level, value in sorted(picture.limits.items(), key=lambda item: item[1]):
        at = y(value)
        if not low <= value <= high or any(abs(at - other) < 11 for other in taken):
            continue
        taken.append(at)
        drawn.append(
            f'<text x="{LEFT + PLOT_W + 6}" y="{at + 4:.1f}" style="fill:{COLOURS[level]}">{level} {value:g}</text>'
        )
    return drawn


def _shade(picture: Picture, x: Callable[[int], float]) -> list[str]:
    shade = picture.shade
    if shade is None or shade.end < picture.since or shade.start > picture.until:
        return []
    left, right = x(shade.start), max(x(shade.end), x(shade.start) + 1.5)
    drawn = [
        f'<rect x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" height="{PLOT_H}" fill="#64748b" fill-opacity=".10"/>'
    ]
    if picture.since <= shade.peak <= picture.until:
        drawn.append(
            f'<line x1="{x(shade.peak):.1f}" x2="{x(shade.peak):.1f}" y1="{TOP - 4}" y2="{TOP + PLOT_H}" stroke="#334155" stroke-dasharray="4 3"/>'
        )
        if right - left > 30:
            drawn.append(f'<text class="strong" x="{x(shade.peak) + 5:.1f}" y="{TOP + 2}">peak</text>')
    return drawn


def _strip(picture: Picture, x: Callable[[int], float]) -> list[str]:
    """The highest level at each pixel, in as few pieces as there are changes."""
    columns = [-1] * PLOT_W
    told: dict[int, str] = {}
    for strip in sorted(picture.strips, key=lambda strip: strip.level):
        if strip.until < picture.since or strip.since > picture.until:
            continue
        first = min(int(x(strip.since) - LEFT), PLOT_W - 1)
        last = min(max(int(x(strip.until) - LEFT), first + 1), PLOT_W)
        columns[first:last] = [strip.level] * (last - first)
        told[first] = strip.told
    drawn = [f'<rect x="{LEFT}" y="{STRIP_Y}" width="{PLOT_W}" height="{STRIP_H}" rx="2" fill="#eef1f5"/>']
    start = 0
    for level, piece in groupby(columns):
        width = sum(1 for _ in piece)
        if level >= 0:
            title = f"<title>{escape(told[start])}</title>" if start in told and len(told) < TOLD_MAX else ""
            drawn.append(
                f'<rect x="{LEFT + start}" y="{STRIP_Y}" width="{width}" height="{STRIP_H}" fill="{COLOURS[LEVELS[level]]}">{title}</rect>'
            )
        start += width
    return drawn


def _marks(picture: Picture, x: Callable[[int], float]) -> list[str]:
    """Steps up as triangles, the gravest first; no two on one spot."""
    drawn: list[str] = []
    taken: set[int] = set()
    for mark in sorted(picture.marks, key=lambda mark: (-mark.level, mark.at)):
        at = x(mark.at)
        spot = int(at) // 7
        if not picture.since <= mark.at <= picture.until or spot in taken:
            continue
        taken.add(spot)
        drawn.append(
            f'<path d="M{at:.1f} {TOP + 2}l-4.5 -9h9z" fill="{COLOURS[LEVELS[mark.level]]}" stroke="#fff" stroke-width=".8"><title>{escape(mark.told)}</title></path>'
        )
    return drawn


def _curve(picture: Picture, x: Callable[[int], float], y: Axis) -> str:
    times, values = picture.times, picture.values
    if not times:
        return ""
    if len(times) > POINTS_MAX:
        times, values = extremes(times, values, PLOT_W)
    steps = [b - a for a, b in pairwise(times)]
    gap = GAP_STEPS * median(steps) if steps else 0
    path = []
    for n, (at, value) in enumerate(zip(times, values, strict=True)):
        path.append(f"{'M' if n == 0 or at - times[n - 1] > gap else 'L'}{x(at):.1f} {y(value):.1f}")
    if len(path) == 1:
        path.append("h2")
    return "".join(path)


def extremes(times: Sequence[int], values: Sequence[float], columns: int) -> tuple[list[int], list[float]]:
    """At most two readings a column of the time axis, the lowest and the highest, in their order: no peak is lost."""
    since, width = times[0], max(1, (times[-1] - times[0]) // columns + 1)
    kept: list[int] = []
    start = 0
    while start < len(times):
        column = (times[start] - since) // width
        end = start
        least = most = start
        while end < len(times) and (times[end] - since) // width == column:
            least = end if values[end] < values[least] else least
            most = end if values[end] > values[most] else most
            end += 1
        kept += sorted({least, most})
        start = end
    return [times[n] for n in kept], [values[n] for n in kept]


def _ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / 4
    size = 10 ** floor(log10(raw))
    step = next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= raw)
    first = floor(low / step) + (0 if low == 0 else 1)
    return [round(n * step, 10) for n in range(int(first), int(high / step) + 1) if low <= n * step <= high]


def _moments(picture: Picture) -> list[tuple[int, str]]:
    """About eight round moments of the time axis, in local time."""
    hours = (picture.until - picture.since) / (3600 * SECOND)
    start = datetime.fromtimestamp(picture.since / SECOND, picture.zone)
    if hours > 24 * 120:
        months = next(step for step in (1, 2, 3, 6, 12, 24, 60, 120) if hours / 730 / step <= 11)
        month = start.year * 12 + start.month
        month += -(month - 1) % months
        found = []
        while (at := _month(month, picture.zone)) <= picture.until:
            found.append(
                (at, datetime.fromtimestamp(at / SECOND, picture.zone).strftime("%b %Y" if months < 12 else "%Y"))
            )
            month += months
        return [(at, label) for at, label in found if at >= picture.since]
    steps = (1 / 12, 1 / 6, 0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168, 336)
    step = int(next((s for s in steps if hours / s <= 9), 672) * 3600)
    form = "%d %b" if step >= 86_400 else "%d %b %H:%M" if hours > 30 else "%H:%M"
    offset = int(start.utcoffset().total_seconds()) if start.utcoffset() else 0  # type: ignore[union-attr]
    local = picture.since // SECOND + offset
    found = []
    at = -(-local // step) * step
    while (moment := (at - offset) * SECOND) <= picture.until:
        found.append((moment, datetime.fromtimestamp(moment / SECOND, picture.zone).strftime(form)))
        at += step
    return found


def _month(number: int, zone: tzinfo) -> int:
    year, month = divmod(number - 1, 12)
    return int(datetime(year, month + 1, 1, tzinfo=zone).timestamp()) * SECOND
