"""The house linter finds what it is for, finds nothing in what is shipped, and the files agree with the code."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from dashboards.grafana.build import FOLDERS, Page, drift, folder_uid, pages
from dashboards.grafana.hub import FAULTS
from dashboards.grafana.lint import lint, panels
from hub.model import FaultKind

ALL = list(pages())


def test_the_shipped_dashboards_are_clean() -> None:
    assert lint(ALL) == []


def test_the_files_are_what_the_code_makes() -> None:
    assert drift() == []


def test_quarantine_is_shown_by_every_reason_there_is() -> None:
    assert set(FAULTS) == {kind.replace("-", "_") for kind in FaultKind}


def test_every_audience_has_its_folder_in_both_languages() -> None:
    assert {page.folder for page in ALL} == set(FOLDERS)
    assert {(page.folder, page.language) for page in ALL} == {
        (name, language) for name in FOLDERS for language in ("en", "zh")
    }


def panel(model: dict[str, Any], kind: str = "timeseries") -> dict[str, Any]:
    return next(panel for panel in panels(model) if panel["type"] == kind)


def unset(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(model: dict[str, Any]) -> None:
        here = panel(model)
        for key in path[:-1]:
            here = here[key]
        del here[path[-1]]

    return change


def replaced(old: str, new: str, kind: str = "timeseries") -> Callable[[dict[str, Any]], None]:
    def change(model: dict[str, Any]) -> None:
        target = panel(model, kind)["targets"][0]
        assert old in target["query"]
        target["query"] = target["query"].replace(old, new)

    return change


def linked(url: str) -> Callable[[dict[str, Any]], None]:
    return lambda model: panel(model)["fieldConfig"]["defaults"].update(links=[{"title": "x", "url": url}])


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no title": (unset("title"), "title is missing"),
    "no description": (unset("description"), "description is missing"),
    "no unit": (unset("fieldConfig", "defaults", "unit"), "unit is missing"),
    "a unit Grafana has not": (lambda model: panel(model)["fieldConfig"]["defaults"].update(unit="furlong"), "no unit 'furlong'"),
    "no noValue": (unset("fieldConfig", "defaults", "noValue"), "noValue is missing"),
    "thresholds without source": (lambda model: panel(model, "stat").update(description="x") or panel(model).update(description="x"), "name no source"),
    "library panel": (lambda model: panel(model).update(libraryPanel={"uid": "x"}), "library panels"),
    "another data source": (lambda model: panel(model).update(datasource={"type": "influxdb", "uid": "x"}), "its data source is not"),
    "a dangling variable": (replaced("${area:regex}", "${district:regex}"), "$district is used and not defined"),
    "a choice that is not escaped": (replaced("${area:regex}", "$area"), "$area in a regular expression is not escaped"),
    "an unused variable": (lambda model: model["templating"]["list"].append({"name": "x", "label": "x", "description": "x", "type": "custom"}), "$x is defined and not used"),
    "a link to nowhere": (linked("/d/nowhere"), "which is no dashboard"),
    "a link that loses the time": (linked("/d/cityhub-devices-en?${datasource:queryparam}&var-device=x"), "loses the time range"),
    "a link that loses the source": (linked("/d/cityhub-devices-en?${__url_time_range}&var-device=x"), "loses the data source"),
    "a link with a strange variable": (linked("/d/cityhub-devices-en?${__url_time_range}&${datasource:queryparam}&var-x=x"), "sets x"),
    "all of time": (replaced("$timeFilter", "1 = 1"), "does not keep to the chosen time"),
    "InfluxQL of one server": (replaced("mean(", "sample("), "not understood by every InfluxDB"),
    "overlap": (lambda model: panel(model).update(gridPos={"x": 0, "y": 0, "w": 24, "h": 40}), "lies over another"),
    "editable": (lambda model: model.update(editable=True), "can be edited"),
    "another schema": (lambda model: model.update(schemaVersion=36), "Classic 42"),
    "an option without a value": (lambda model: model["templating"]["list"].append({"name": "x", "label": "x", "description": "x", "type": "custom", "query": "raw : , 1 h : _1h"}), "an option of x has no value"),
    "a time filter outside": (lambda model: panel(model)["targets"][0].update(query='SELECT count("v") FROM (SELECT mean("pm25") AS "v" FROM "air_1m" WHERE $timeFilter GROUP BY time(1h), "device") WHERE "v" > 60 AND $timeFilter'), "outside a GROUP BY time"),
    "a mean of raw points": (lambda model: panel(model)["targets"][0].update(query='SELECT mean("pm25") FROM "air" WHERE $timeFilter'), "mean() of raw points"),
    "a flag half named": (lambda model: panel(model)["fieldConfig"]["defaults"].update(mappings=[{"type": "value", "options": {"0": {"text": "off"}, "1": {"text": "on"}}}]), "only some of them are named"),
    "dots": (lambda model: panel(model)["fieldConfig"]["defaults"]["custom"].update(spanNulls=False), "its lines are dots"),
    "no interval": (lambda model: panel(model).pop("interval"), "finer than any device reports"),
    "marks for everything": (lambda model: model["annotations"]["list"][0]["target"].update(query='SELECT "title" AS "text" FROM "alerts" WHERE $timeFilter'), "neither orange nor red"),
    "marks of the whole city": (lambda model: model["annotations"]["list"][0]["target"].update(query="SELECT \"title\" AS \"text\" FROM \"alerts\" WHERE $timeFilter AND \"level\" = 'red'"), "the whole city"),
    "marks from the start": (lambda model: model["annotations"]["list"][0].update(enable=True), "is on from the start"),
    "a line for every device": ((lambda model: panel(model)["targets"][0].update(query='SELECT mean("pm25") FROM "air_1m" WHERE $timeFilter GROUP BY time($__interval), "device" fill(null)')), "a line for every device"),
    "metres that become millimetres": (lambda model: panel(model)["fieldConfig"]["defaults"].update(unit="lengthm"), "metres become millimetres"),
    "a title that is cut": (lambda model: panel(model, "stat").update(title="The highest air quality index of all"), "its title is cut"),
    "a narrow stat": (lambda model: panel(model, "stat")["gridPos"].update(w=2), "narrower than"),
    "a title behind a range": (lambda model: panel(model, "stat").pop("hideTimeOverride"), "takes the place of its title"),
    "a hole": (lambda model: panel(model)["gridPos"].update(h=2), "fill the row"),
    "a column without title": (lambda model: panel(model, "table")["fieldConfig"]["overrides"].pop(), "has no title of its own"),
    "a uid of the day": (lambda model: model.update(uid="abc"), "stable"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_the_linter_finds(fault: str) -> None:
    change, said = BROKEN[fault]
    broken = [Page(page.folder, page.language, page.name, copy.deepcopy(page.model)) for page in ALL]
    change(next(page.model for page in broken if page.name == "air" and page.language == "en"))
    assert any(said in found for found in lint(broken)), lint(broken)


WRONG_LOOKS: dict[str, tuple[str, str, Callable[[dict[str, Any]], Any], str]] = {
    "a level in another's colour": ("city", "Warnings raised", lambda item: item["fieldConfig"]["overrides"][0]["properties"][-1]["value"].update(fixedColor="#2f80ed"), "has not its own colour"),
    "levels in disorder": ("city", "Warnings raised", lambda item: item["fieldConfig"]["overrides"].reverse(), "order of gravity"),
    "levels by chance": ("city", "Warnings raised", lambda item: (item["fieldConfig"].update(overrides=[]), item["targets"][0].update(query='SELECT count("alert") FROM "alerts" WHERE $timeFilter GROUP BY time(1h), "level"')), "coloured by chance"),
    "ids of the hub's own": ("hub", "Adapters", lambda item: item.update(transformations=[]), "hub's own ids"),
    "a map of nothing": ("city", "Where", lambda item: item["options"]["layers"].pop(0), "without tiles the map is empty"),
    "states cut by nulls": ("hub", "Adapters", lambda item: item["targets"][0].update(query=item["targets"][0]["query"].replace("fill(none)", "fill(null)")), "cuts every state"),
    "a legend of thresholds": ("hub", "Adapters", lambda item: item["fieldConfig"]["defaults"]["color"].update(mode="thresholds"), "thresholds instead of states"),
    "states without end": ("hub", "Adapters", lambda item: item["fieldConfig"]["defaults"]["custom"].pop("insertNulls"), "ends in silence"),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG_LOOKS)
def test_the_linter_sees(fault: str) -> None:
    name, title, change, said = WRONG_LOOKS[fault]
    broken = [Page(page.folder, page.language, page.name, copy.deepcopy(page.model)) for page in ALL]
    model = next(page.model for page in broken if page.name == name and page.language == "en")
    change(next(item for item in panels(model) if item["title"] == title))
    assert any(said in found for found in lint(broken)), lint(broken)


def test_a_dashboard_with_the_uid_of_a_folder_is_found() -> None:
    broken = [Page(page.folder, page.language, page.name, copy.deepcopy(page.model)) for page in ALL]
    broken[0].model["uid"] = folder_uid(broken[0].folder, broken[0].language)
    assert any("used twice" in found for found in lint(broken))


def test_the_public_page_asks_for_nothing_personal() -> None:
    broken = [Page(page.folder, page.language, page.name, copy.deepcopy(page.model)) for page in ALL]
    model = next(page.model for page in broken if page.name == "public")
    panel(model)["targets"][0]["query"] = 'SELECT "speed" FROM "vehicle" WHERE $timeFilter'
    model["templating"]["list"].append(
        {"name": "area", "label": "x", "description": "x", "query": "x", "type": "query"}
    )
    found = lint(broken)
    assert any("no place on a public page" in fault for fault in found)
    assert any("no variables" in fault for fault in found)
