"""Every panel's query, its variables expanded as Grafana does, against a real InfluxDB with two days of a city in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from dashboards.grafana.build import Page, pages
from dashboards.grafana.influxql import Query
from dashboards.grafana.lint import panels
from hub.store import open_store
from hub.store.rollups import Window, remake
from tests.acceptance.influx_server import influx_server
from tests.dashboards import history

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("influx-dashboards")]
BATCH = 5_000
DEVICE_OF = {"vehicle": "vehicle-0", "vessel": "ais:413000000"}
ENGLISH = [page for page in pages() if page.language == "en"]


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("dashboards")
    with influx_server(folder / "influxd") as url, httpx.Client(base_url=url, timeout=60) as client:
        client.post("/query", params={"q": "CREATE DATABASE city"}).raise_for_status()
        areas = {device.device: device.area for device in history.registry().values()}
        options = {"url": url, "version": 1, "database": "city", "gzip": False}
        store = open_store("influxdb", options, folder, areas)
        told = list(history.readings())
        for at in range(0, len(told), BATCH):
            assert store.write("events", told[at : at + BATCH], at, at + BATCH) == []
        assert store.write("alerts", history.changes(), 0, 1) == []
        remake(store, Window(history.START, history.END))
        store.close()
        yield client


def expand(query: str, page: Page, **chosen: str) -> str:
    """The query as Grafana sends it: time filter, interval and variables in place."""
    values = {"timeFilter": f"time >= {history.START} and time <= {history.END}", "__interval": "30m", "resolution": ""}
    for variable in page.model["templating"]["list"]:
        name = variable["name"]
        if name == "device" and not variable.get("multi"):
            values[name] = DEVICE_OF[page.name]
        elif variable.get("includeAll"):
            values[name] = variable["allValue"]
        elif variable["type"] == "textbox":
            values[name] = variable["query"]
    values |= chosen
    expanded = re.sub(r"\$\{?(\w+)\}?", lambda found: values[found[1]] if found[1] in values else found[0], query)
    assert not re.search(r"\$[\w{]", expanded), expanded
    return expanded


def as_grafana(variable: dict[str, Any], value: str) -> str:
    """Grafana's InfluxDB data source escapes what goes into a regular expression where a variable takes several values."""
    return re.sub(r"[\\^$*+?.()|[\]{}/]", r"\\\g<0>", value) if variable.get("multi") else value


def ask(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    """The series of the answer."""
    answer = client.post("/query", params={"db": "city", "epoch": "ms"}, data={"q": query})
    assert answer.status_code == 200, f"{answer.text} to {query}"
    result = answer.json()["results"][0]
    assert "error" not in result, f"{result} to {query}"
    found: list[dict[str, Any]] = result.get("series", [])
    return found


def check(found: list[dict[str, Any]], query: str, columns: tuple[str, ...]) -> None:
    """Rows there are, and in each column the panel needs, values."""
    assert found, f"no rows: {query}"
    rows = [
        dict(zip(series["columns"], row, strict=True)) | series.get("tags", {})
        for series in found
        for row in series["values"]
    ]
    needed = columns or tuple(name for name in found[0]["columns"] if name != "time")
    for name in needed:
        assert any(row.get(name) is not None for row in rows), f"the column {name} is empty: {query}"


@pytest.mark.parametrize("page", ENGLISH, ids=[page.name for page in ENGLISH])
def test_every_panel_has_data(asking: httpx.Client, page: Page) -> None:
    empty = []
    for panel in panels(page.model):
        for target in panel.get("targets", []):
            query = expand(target["query"], page)
            wanted = () if target["resultFormat"] == "time_series" else Query(target["query"]).columns
            try:
                check(ask(asking, query), query, wanted)
            except AssertionError as error:
                empty.append(f"{panel['title']}: {error}")
    assert not empty, "\n".join(empty)


@pytest.mark.parametrize("page", ENGLISH, ids=[page.name for page in ENGLISH])
def test_every_variable_offers_something_and_filters(asking: httpx.Client, page: Page) -> None:
    for variable in page.model["templating"]["list"]:
        if variable["type"] != "query":
            continue
        found = ask(asking, variable["query"])
        offered = {row[1] for series in found for row in series["values"]}
        assert offered, f"{variable['name']} offers nothing"
        one = next(iter(sorted(offered)))
        for panel in panels(page.model):
            for target in panel.get("targets", []):
                ask(asking, expand(target["query"], page, **{variable["name"]: as_grafana(variable, one)}))


@pytest.mark.parametrize("resolution", ["_1m", "_1h", "_1d"])
def test_long_ranges_are_drawn_from_rollups(asking: httpx.Client, resolution: str) -> None:
    drawn = 0
    for page in ENGLISH:
        for panel in panels(page.model):
            for target in panel.get("targets", []):
                if "${resolution}" in target["query"]:
                    query = expand(target["query"], page, resolution=resolution, __interval="1d")
                    check(ask(asking, query), query, ())
                    drawn += 1
    assert drawn > 10


def test_warnings_are_marked_on_the_charts(asking: httpx.Client) -> None:
    page = next(page for page in ENGLISH if page.name == "city")
    target = page.model["annotations"]["list"][0]["target"]
    check(ask(asking, expand(target["query"], page)), target["query"], (target["textColumn"], target["tagsColumn"]))


def test_the_check_can_fail(asking: httpx.Client) -> None:
    with pytest.raises(AssertionError, match="no rows"):
        check(ask(asking, 'SELECT last("pm25") FROM "nowhere"'), "x", ())
    with pytest.raises(AssertionError, match="is empty"):
        check(ask(asking, 'SELECT last("pm25") AS "a", "nothing" FROM "air"'), "x", ("a", "nothing"))


def test_both_languages_ask_the_same() -> None:
    def asked(language: str) -> dict[str, list[str]]:
        chosen = [page for page in pages() if page.language == language]
        return {
            page.name: [target["query"] for panel in panels(page.model) for target in panel.get("targets", [])]
            for page in chosen
        }

    assert asked("en") == asked("zh")
