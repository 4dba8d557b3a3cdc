"""The house linter: what every dashboard must have, checked on the JSON that goes to Grafana."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dashboards.grafana.board import COLUMNS, SOURCE_UID
from dashboards.grafana.build import Page, folder_uid
from dashboards.grafana.lint_panels import figures, looks

BUILT_IN = re.compile(r"^(__\w+|timeFilter|col|\d+)$")
"""Grafana's own, the column that an alias names, and the groups of a regular expression."""
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+|\.[\w.]+)?\}|(\w+))")
NOT_PORTABLE = re.compile(
    r"\b(SLIMIT|SOFFSET|SAMPLE|HOLT_WINTERS|INTEGRAL|SHOW SERIES|CARDINALITY|INTO)\b", re.IGNORECASE
)
"""What InfluxDB 3 lacks in InfluxQL, and what would write."""
PERSONAL = re.compile(r'"(vehicle|vessel|device|hub|alerts)(?:_1[mhd])?" WHERE|driver|plate|phone')
MEASURED = "air|emission|fire|gas|ground|plant|vehicle|vessel|water|weather"
RAW_MEAN = re.compile(
    rf'\b(mean|median|sum|min|max|count|spread|stddev|percentile)\("\w+"[^()]*\)[^()]* FROM "(?:{MEASURED})" '
)
"""What was marked as doubtful is in no rollup, and in every raw point."""
LITERAL = re.compile(r"[=!]~ /((?:[^/\\]|\\.)*)/")
CHOSEN = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
"""A variable that does not say what its value stands in."""
EMPTY_OPTION = re.compile(r"(?:^|,)[^,:]*\s:\s*(?:,|$)")
UID_MAX = 40
CHINESE = re.compile(r"[\u4e00-\u9fff]")


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
    bottom = max((y for _, y in cells), default=-1)
    holes = {(x, y) for x in range(COLUMNS) for y in range(bottom + 1)} - cells
    if holes:
        yield f"nothing stands at {min(holes, key=lambda cell: (cell[1], cell[0]))}: fill the row"
    yield from _annotations(page)
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
        yield from figures(panel)
        yield from looks(page.model, panel)
        yield from _asked(page, panel)


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
    if _filtered_outside(query):
        yield "a time filter stands outside a GROUP BY time(…), where InfluxDB 1.6.7 finds nothing in unaligned milliseconds"
    if found := RAW_MEAN.search(query):
        yield f"{found[1]}() of raw points counts what was marked as doubtful; take a rollup"
    yield from _unescaped(query)
    if found := NOT_PORTABLE.search(query):
        yield f"{found[0]} is not understood by every InfluxDB"
    if query.count("(") != query.count(")") or query.count('"') % 2:
        yield "a query's brackets or quotes do not match"
    if page.folder == "public" and (found := PERSONAL.search(query)):
        yield f"{found[0]!r} has no place on a public page"


def _unescaped(query: str) -> Iterator[str]:
    for literal in LITERAL.findall(query):
        for braced, plain in CHOSEN.findall(literal):
            name = braced or plain
            yield f"${name} in a regular expression is not escaped where its value begins with a digit; write ${{{name}:regex}}"


def _filtered_outside(query: str) -> bool:
    """Whether `$timeFilter` stands at a level of brackets above a `GROUP BY time(…)`."""
    depth = 0
    grouped: list[int] = []
    for part in re.finditer(r"GROUP BY time\([^)]*\)|\$timeFilter|[()]", query):
        if part[0] == "(":
            depth += 1
        elif part[0] == ")":
            depth -= 1
        elif part[0].startswith("GROUP"):
            grouped.append(depth)
        elif any(depth < level for level in grouped):
            return True
    return False


def _annotations(page: Page) -> Iterator[str]:
    """Marks on charts: only the gravest warnings, of the page's own area or device; drawn from the start for one device only."""
    single = any(item["type"] == "query" and not item.get("multi") for item in page.model["templating"]["list"])
    for item in page.model["annotations"]["list"]:
        query = item["target"]["query"]
        yield from _unescaped(query)
        if not re.search(r"\"level\" = '(red|orange)'", query):
            yield f"the annotation {item['name']} draws warnings that are neither orange nor red"
        if "${area" not in query and "${device" not in query and not re.search('"(subject|other)" =~', query):
            yield f"the annotation {item['name']} draws warnings of the whole city"
        if item["enable"] and not single:
            yield f"the annotation {item['name']} is on from the start on a page of many devices"


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
        if variable["type"] == "custom" and EMPTY_OPTION.search(variable.get("query", "")):
            yield f"an option of {variable['name']} has no value, and Grafana would take its name for one"
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


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
