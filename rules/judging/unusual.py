"""In words what stands off its own past: which metrics, how far, which way."""

from __future__ import annotations

from collections.abc import Iterable

from hub.bilingual import Text, duration_zh, figure_zh, joined
from hub.metrics import vocabulary
from rules.language import ir
from rules.language.ir import WindowKey
from rules.language.types import seconds_text
from rules.state.subject import Subject

WORTH_TELLING = 2.0
"""Spreads off from which a metric is told of."""
TOLD_MAX = 3


def words(subject: Subject, nodes: Iterable[ir.Node]) -> Text:
    """ "conductivity 312 uS/cm, 9 spreads above its last hour; ph 8.1, 4 below" for `anomaly` in a condition, farthest first."""
    found: dict[str, tuple[float, Text]] = {}
    for node in nodes:
        match node:
            case ir.Operation(
                "/",
                ir.Operation("-", ir.Series(series=series), ir.Window() as usual),
                ir.Window(function="spread" | "hour_spread") as spread,
            ):
                told = _far(subject, series, usual, spread)
                if told is not None and abs(told) >= WORTH_TELLING:
                    metric = series.rstrip("~")
                    known, above, hourly = vocabulary()[metric], told > 0, spread.function == "hour_spread"
                    figure, unit = f"{subject.last[series]:.4g}", known.unit
                    value = f"{metric} {figure}{f' {unit}' if unit not in ('', '1') else ''}"
                    way = f"{abs(told):.0f} spreads {'above' if above else 'below'} the median of {'this hour in ' if hourly else ''}{seconds_text(usual.size_ns)}"
                    way_zh = f"{'高于' if above else '低于'}{duration_zh(usual.size_ns)}{'同时段' if hourly else ''}中位数{abs(told):.0f}个离散度"
                    said_zh = f"{known.title_zh or metric} {figure_zh(figure, unit)}，{way_zh}"
                    found[metric] = (-abs(told), Text(f"{value}, {way}", said_zh))
    return joined(text for _, text in sorted(found.values(), key=lambda told: (told[0], told[1].en))[:TOLD_MAX])


def _far(subject: Subject, series: str, usual: ir.Window, spread: ir.Window) -> float | None:
    at = subject.last_t.get(series)
    if at is None:
        return None
    figures: list[float | None] = []
    for node in (usual, spread):
        window = subject.window(WindowKey(node.series, node.size_ns, node.closed))
        figures.append(None if window is None else window.figure(node.function, at, node.parameter, 1))
    middle, width = figures
    return (float(subject.last[series]) - middle) / width if middle is not None and width else None  # type: ignore[arg-type]
