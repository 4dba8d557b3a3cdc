"""The house linter: what every dashboard must have, checked on the JSON that goes to Grafana."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from grafana_foundation_sdk.models import units

from dashboards.grafana.board import COLUMNS, SOURCE_UID
from dashboards.grafana.build import Page, folder_uid

BUILT_IN = re.compile(r"^(__\w+|timeFilter)$")
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+|\.[\w.]+)?\}|(\w+))")
NOT_PORTABLE = re.compile(
    r"\b(SLIMIT|SOFFSET|SAMPLE|HOLT_WINTERS|INTEGRAL|SHOW SERIES|CARDINALITY|INTO)\b", re.IGNORECASE
)
"""What InfluxDB 3 lacks in InfluxQL, and what would write."""
UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}
OWN_UNITS = {"mg/L", "NTU", "pH", "m³/h", "mm/s"}
"""Grafana shows a unit it does not know as a suffix."""
PERSONAL = re.compile(r'"(vehicle|vessel|device|hub|alerts)(?:\$\{resolution\})?" WHERE|driver|plate|phone')
UID_MAX = 40
CHINESE = re.compile(r"[\u4e00-\u9fff]")
SOURCE_WORDS = ("Thresholds: ", "阈值依据：")


def lint(pages: Sequence[Page]) -> list[str]:
    """A sentence for each thing that is wrong; nothing where all is well."""
    found = [f"{page.folder}/{page.language}/{page.name}: {fault}" for page in pages for fault in _faults(page, pages)]
    uids = Counter(page.model["uid"] for page in pages)
    uids.update(folder_uid(*folder) for folder in {(page.folder, page.language) for page in pages})
    found += [f"uid {uid} is used twice, and Grafana has one set of uids" for uid, n in sorted(uids.items()) if n > 1]
    found += [f"uid {uid} is longer than Grafana's {UID_MAX} characters" for uid in sorted(uids) if len(uid) > UID_MAX]
    for page in pages:
        twin = [other for other in pages if other.name == page.name and other.language != page.language]
        if len(twin) != 1 or len(twin[0].model["panels"]) != len(page.model["panels"]):
            found.append(f"{page.name}: its two languages do not show the same panels")
    return found


def panels(model: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Panels that show something, those inside rows too."""
    for panel in model["panels"]:
        yield from panel.get("panels") or ()
        if panel["type"] != "row":
            yield panel


def _faults(page: Page, pages: Sequence[Page]) -> Iterator[str]:
    model = page.model
    if model.get("schemaVersion") != 42:
        yield "its schema is not Classic 42, which every Grafana of today imports"
    if model.get("uid") != f"cityhub-{page.name}-{page.language}":
        yield "its uid is not the stable one, so links to it would break"
    for key in ("title", "description", "refresh", "timezone"):
        if not model.get(key):
            yield f"{key} is missing"
    if "id" in model or "version" in model:
        yield "id and version belong to one server"
    if model.get("editable") is not False:
        yield "it can be edited in place, and the next publish would undo that"
    yield from _variables(page)
    yield from _links(page, pages)
    seen: set[int] = set()
    cells: set[tuple[int, int]] = set()
    for panel in model["panels"]:
        if panel["id"] in seen:
            yield f"the panel id {panel['id']} is used twice"
        seen.add(panel["id"])
        place = panel["gridPos"]
        here = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        if place["x"] + place["w"] > COLUMNS or here & cells:
            yield f"panel {panel.get('title')!r} lies over another or outside the page"
        cells |= here
    for panel in panels(model):
        for fault in _panel(page, panel):
            yield f"panel {panel.get('title') or panel['id']!r}: {fault}"


def _panel(page: Page, panel: dict[str, Any]) -> Iterator[str]:
    for key in ("title", "description"):
        if not panel.get(key):
            yield f"{key} is missing"
    if page.language == "zh" and not CHINESE.search(panel.get("description", "")):
        yield "its description is not in Chinese"
    if page.language == "en" and CHINESE.search(panel.get("title", "") + panel.get("description", "")):
        yield "its words are not in English"
    if panel.get("libraryPanel"):
        yield "library panels cannot be provisioned from files"
    if panel["type"] != "text":
        yield from _figures(panel)
        yield from _asked(page, panel)


def _figures(panel: dict[str, Any]) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    if not defaults.get("unit"):
        yield "unit is missing"
    for unit in {defaults.get("unit", "none"), *_override_values(panel, "unit")}:
        if unit not in UNITS and unit not in OWN_UNITS:
            yield f"Grafana has no unit {unit!r}"
    if not defaults.get("noValue"):
        yield "noValue is missing"
    steps = (defaults.get("thresholds") or {}).get("steps", [])
    if len(steps) > 1 and not any(word in panel.get("description", "") for word in SOURCE_WORDS):
        yield "its thresholds name no source"
    if [step["value"] for step in steps[1:]] != sorted(step["value"] for step in steps[1:]):
        yield "its thresholds are not in order"


def _asked(page: Page, panel: dict[str, Any]) -> Iterator[str]:
    wanted = SOURCE_UID if "public" in page.folder else "${datasource}"
    if not panel.get("maxDataPoints"):
        yield "maxDataPoints is missing"
    if not panel.get("targets"):
        yield "it asks nothing"
    for asked in [panel, *panel.get("targets", [])]:
        if asked["datasource"] != {"type": "influxdb", "uid": wanted}:
            yield f"its data source is not {wanted}"
    for target in panel.get("targets", []):
        yield from _query(page, target["query"])
    if panel["type"] == "geomap":
        text = " ".join(target["query"] for target in panel["targets"])
        if '"lat"' not in text or '"lon"' not in text:
            yield "a map needs lat and lon"


def _query(page: Page, query: str) -> Iterator[str]:
    if "$timeFilter" not in query:
        yield "a query does not keep to the chosen time"
    if found := NOT_PORTABLE.search(query):
        yield f"{found[0]} is not understood by every InfluxDB"
    if query.count("(") != query.count(")") or query.count('"') % 2:
        yield "a query's brackets or quotes do not match"
    if page.folder == "public" and (found := PERSONAL.search(query)):
        yield f"{found[0]!r} has no place on a public page"


def _variables(page: Page) -> Iterator[str]:
    listed = page.model["templating"]["list"]
    names = [variable["name"] for variable in listed]
    if page.folder == "public":
        if names:
            yield "a public page has no variables"
    elif names[:1] != ["datasource"]:
        yield "its first variable is not the data source"
    for variable in listed:
        if not variable.get("label") or not variable.get("description"):
            yield f"the variable {variable['name']} lacks label or description"
    used = set(_used(page.model))
    for name in sorted(used - set(names)):
        yield f"the variable ${name} is used and not defined"
    for name in sorted(set(names) - used):
        yield f"the variable ${name} is defined and not used"


def _used(model: dict[str, Any]) -> Iterable[str]:
    for text in _texts({key: value for key, value in model.items() if key != "templating"}):
        for braced, plain in VARIABLE.findall(text):
            name = braced or plain
            if not BUILT_IN.match(name) and not name.startswith("tag_"):
                yield name
    for variable in model["templating"]["list"]:
        for text in _texts({key: variable.get(key) for key in ("query", "datasource")}):
            yield from (braced or plain for braced, plain in VARIABLE.findall(text))


def _links(page: Page, pages: Sequence[Page]) -> Iterator[str]:
    by_uid = {other.model["uid"]: other for other in pages}
    for text in _texts(page.model["panels"]):
        for uid in re.findall(r"^/d/([\w-]+)", text):
            target = by_uid.get(uid)
            if target is None:
                yield f"a link goes to {uid}, which is no dashboard"
                continue
            if target.language != page.language:
                yield f"a link goes to {uid}, in the other language"
            if "${__url_time_range}" not in text:
                yield f"the link to {uid} loses the time range"
            if page.folder != "public" and "${datasource:queryparam}" not in text:
                yield f"the link to {uid} loses the data source"
            there = {variable["name"] for variable in target.model["templating"]["list"]}
            for name in re.findall(r"&var-(\w+)=", text):
                if name not in there:
                    yield f"the link to {uid} sets {name}, which that dashboard has not"


def _override_values(panel: dict[str, Any], name: str) -> list[str]:
    overrides = panel["fieldConfig"]["overrides"]
    return [prop["value"] for override in overrides for prop in override["properties"] if prop["id"] == name]


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
