"""The house linter's look at one panel: units, words, colours, gaps, columns, maps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from grafana_foundation_sdk.models import units

from dashboards.grafana.board import GAP_S
from dashboards.grafana.look import LEVELS

UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}
OWN_UNITS = {"mg/L", "NTU", "pH", "m³/h", "mm/s"}
"""Grafana shows a unit it does not know as a suffix."""
SAYS_ITSELF = re.compile(r"^(suffix|time):\S")
"""Units that Grafana shows as they are written."""
SCALED = {"lengthm", "lengthmm", "lengthkm"}
"""Grafana turns -0.075 m into -75 mm."""
SOURCE_WORDS = ("Thresholds: ", "阈值依据：")
STAT_MIN = 4
"""Columns of 24 below which a title is cut."""
COLUMN_PX, TITLE_FRAME_PX = 41, 45
"""Of a page 1,000 pixels wide: one of its 24 columns, and what a panel's frame and its information mark take of the title's line."""
HUBS_OWN = re.compile(r"'hub-(adapter|reader|stream|warnings)'")
BY_DEVICE = re.compile(r'GROUP BY (?:time\([^)]*\), )?[^()]*"device"[^()]*(?: fill\(\w+\))?$')
"""A query whose own rows are one for each device."""
FEW = re.compile(r"\"kind\" = 'hub-stream'")
"""Things of which there are a handful in any city."""


def figures(panel: dict[str, Any]) -> Iterator[str]:
    """Units, thresholds, what stands there when there is nothing."""
    defaults = panel["fieldConfig"]["defaults"]
    if not defaults.get("unit"):
        yield "unit is missing"
    for unit in {defaults.get("unit", "none"), *override_values(panel, "unit")}:
        if unit in SCALED:
            yield f"Grafana scales {unit}, so that metres become millimetres; write suffix:m"
        elif unit not in UNITS and unit not in OWN_UNITS and not SAYS_ITSELF.match(unit):
            yield f"Grafana has no unit {unit!r}"
    if not defaults.get("noValue"):
        yield "noValue is missing"
    for thresholds in [defaults.get("thresholds") or {}, *override_values(panel, "thresholds")]:
        steps = thresholds.get("steps", [])
        if len(steps) > 1 and not any(word in panel.get("description", "") for word in SOURCE_WORDS):
            yield "its thresholds name no source"
        if [step["value"] for step in steps[1:]] != sorted(step["value"] for step in steps[1:]):
            yield "its thresholds are not in order"


def looks(model: dict[str, Any], panel: dict[str, Any]) -> Iterator[str]:
    """What people see: words for states, whole lines, named columns, the levels' own colours."""
    yield from _states(panel)
    yield from _levels(panel)
    yield from _names(panel)
    if title_width(panel.get("title", "")) > panel["gridPos"]["w"] * COLUMN_PX - TITLE_FRAME_PX:
        yield "its title is cut on a page of 1,000 pixels"
    if panel["type"] == "stat" and panel["gridPos"]["w"] < STAT_MIN:
        yield f"it is narrower than {STAT_MIN} columns, so its title is cut"
    if panel.get("timeFrom") and not panel.get("hideTimeOverride"):
        yield "its own time range takes the place of its title"
    if panel["type"] == "timeseries":
        yield from _chart(model, panel)
    if panel["type"] == "geomap":
        first = panel["options"]["layers"][0]
        if first["type"] != "geojson" or not first["config"].get("src"):
            yield "no zones lie under the points, so without tiles the map is empty"
        if panel["fieldConfig"]["defaults"]["unit"] == "none" and any(layer["config"].get("style", {}).get("color", {}).get("field") for layer in panel["options"]["layers"]):  # fmt: skip
            yield "its legend would be bare numbers"
    if panel["type"] == "table":
        order = panel["transformations"][-1]["options"].get("indexByName", {}) if panel.get("transformations") else {}
        titled = {o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]}
        for name in sorted(order.keys() - titled):
            yield f"the column {name} has no title of its own"
        if not order:
            yield "the order of its columns is not said"


def _states(panel: dict[str, Any]) -> Iterator[str]:
    for mapping in _value_mappings(panel):
        if set(mapping) & {"0", "1"} and set(mapping) <= {"0", "1", "true", "false"} and len(mapping) != 4:
            yield "a flag may come as 0 and 1 or as true and false, and only some of them are named"
    custom = panel["fieldConfig"]["defaults"].get("custom") or {}
    if panel["type"] == "state-timeline":
        if not isinstance(custom.get("insertNulls"), int | float) or not custom.get("spanNulls"):
            yield "a state neither lasts until the next one nor ends in silence"
        if any("fill(null)" in target["query"] for target in panel["targets"]):
            yield "fill(null) cuts every state at the chart's interval"
        if panel["fieldConfig"]["defaults"]["color"]["mode"] == "thresholds":
            yield "its legend would be thresholds instead of states"


def _levels(panel: dict[str, Any]) -> Iterator[str]:
    """Series and columns that are named by level have the level's colour, gravest first."""
    found = []
    for override in panel["fieldConfig"]["overrides"]:
        name = override["matcher"]["options"]
        if name in LEVELS:
            found.append(name)
            colours = {value for prop in override["properties"] for value in _colours(prop["value"])}
            if LEVELS[name][1] not in colours or colours & {state[1] for state in LEVELS.values()} != {LEVELS[name][1]}:
                yield f"the level {name} has not its own colour"
    if found and found != list(LEVELS):
        yield "the levels are not in order of gravity"
    if (
        not found
        and panel["type"] in ("timeseries", "bargauge")
        and any(re.search(r'GROUP BY .*"level"', target["query"]) for target in panel["targets"])
    ):
        yield "series named by level would be coloured by chance"


def _names(panel: dict[str, Any]) -> Iterator[str]:
    """The hub's own readings have devices such as `hub-adapter:ais`: people want to read `ais`."""
    for target in panel["targets"]:
        query = target["query"]
        shows_device = BY_DEVICE.search(query)
        plain = [m for m in _all_mappings(panel) if m["type"] == "regex"] or [
            t for t in panel.get("transformations", []) if t["id"] == "renameByRegex"
        ]
        if shows_device and HUBS_OWN.search(query) and not plain:
            yield "its names are the hub's own ids, such as hub-adapter:ais"


def _chart(model: dict[str, Any], panel: dict[str, Any]) -> Iterator[str]:
    custom = panel["fieldConfig"]["defaults"]["custom"]
    gap = custom.get("spanNulls")
    if not isinstance(gap, int | float) or isinstance(gap, bool) or not 0 < gap <= max(GAP_S, 3 * 3600) * 1000:
        yield "its lines are dots where devices report less often than the chart's interval"
    if not panel.get("interval"):
        yield "it may be finer than any device reports"
    single = any(item["type"] == "query" and not item.get("multi") for item in model["templating"]["list"])
    for target in panel["targets"]:
        outermost = target["query"].rpartition(")")[2] if target["query"].count("(SELECT") else target["query"]
        tags = (
            re.findall(r'"(device|area|rule|kind)"', outermost.rpartition("GROUP BY")[2])
            if "GROUP BY" in outermost
            else []
        )
        grouped = re.search(r'GROUP BY time\([^)]*\)((?:, "\w+")+) fill\(\w+\)$', target["query"])
        if (tags or grouped) and not single and not FEW.search(target["query"]):
            yield "it draws a line for every device or area there is; ten are the most that people can tell apart"


def title_width(title: str) -> float:
    """Pixels of a title in Grafana's 14 px: Chinese characters are square, others half as wide."""
    return sum(14 if ord(character) > 0x2E80 else 7.2 for character in title)


def _value_mappings(panel: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (mapping["options"] for mapping in _all_mappings(panel) if mapping["type"] == "value")


def _all_mappings(panel: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from panel["fieldConfig"]["defaults"].get("mappings") or ()
    for mappings in override_values(panel, "mappings"):
        yield from mappings


def override_values(panel: dict[str, Any], name: str) -> list[Any]:
    overrides = panel["fieldConfig"]["overrides"]
    return [prop["value"] for override in overrides for prop in override["properties"] if prop["id"] == name]


def _colours(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("color", "fixedColor") and isinstance(inner, str):
                yield inner
            else:
                yield from _colours(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _colours(inner)
