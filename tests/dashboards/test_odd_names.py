"""A city with nothing, with one device, and with names that no query was written for, through every panel on a real InfluxDB.

A panel that asks nothing of odd names is held to what it shows of the same city under plain ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboards.grafana.build import Page, pages
from dashboards.grafana.influxql import Query
from hub.app.telemetry import Zones, device_report, open_warnings
from hub.app.trip_notes import driven, notes
from hub.live import DeviceState
from hub.model import Alert, AlertChange, Change, Device, Position, Reading, Zone
from hub.moment import to_text
from hub.store import open_store
from hub.store.rollups import fold
from tests.acceptance.influx_server import influx_server
from tests.dashboards import history
from tests.dashboards.filled import ask, rows, spans
from tests.dashboards.grafana import Grafana, grafana
from tests.npm import GROUP, INSTALL_S

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group(GROUP), pytest.mark.timeout(INSTALL_S + 120)]
ENGLISH = [page for page in pages() if page.language == "en"]
DAY = spans()["24 h, 1600 px"]
KINDS = ("air-station", "vehicle", "vessel", "river-gauge", "pump")
OF_ONE = {"device": "air-station", "vehicle": "vehicle", "vessel": "vessel"}
"""Pages of one device, and a kind that they are about."""
ODD = (
    "north gate",
    """it's "here\"""",
    "水位站",
    r"a/b c:\new",
    "$device ${area} [[device]]",
    "^a.(b|c)*[d]?{2}$",
    "a=b,c",
    "7/9 (a",
    "+41 79 123 45 6",  # a phone is nobody's encounter
    "A+B",  # nor is a device that is called as two that met would be
    "x" * 199,
)
ODD_AREAS = ("""the "old" town's / (a|b)""", r"$area \d", "北区")
PLACE = Position(history.LON, history.LAT)
ZONE_RING = tuple(
    (history.LON + x, history.LAT + y) for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5))
)


def device_id(name: str, kind: str) -> str:
    return f"{name}{KINDS.index(kind)}"


def devices_of(names: Sequence[str], areas: Sequence[str], kinds: Sequence[str] = KINDS) -> dict[str, Device]:
    """A device of each kind for every name."""
    found = {}
    for n, name in enumerate(names):
        for kind in kinds:
            device, area = device_id(name, kind), areas[n % len(areas)]
            attributes = {"warning_level_m": 8.0} if kind == "river-gauge" else {}
            found[device] = Device(device, name, kind, PLACE, None, area, "city", attributes)
    return found


def lay(
    client: httpx.Client, folder: Path, database: str, devices: dict[str, Device], adapters: Sequence[str], zone: str
) -> None:
    """Two hours of these devices, as the hub's own store writes them."""
    client.post("/query", params={"q": f"CREATE DATABASE {database}"}).raise_for_status()
    areas = {device.device: device.area for device in devices.values()}
    options = {"url": str(client.base_url), "version": 1, "database": database, "gzip": False}
    store: Any = open_store("influxdb", options, folder / database, areas)
    said = list(_said(devices, adapters, zone))
    assert store.write("events", said, 0, len(said)) == []
    assert store.write("alerts", list(_warnings(devices)), 0, 1) == []
    for vehicle, way in driven(said).items():
        assert store.write("derived", notes(store, *vehicle, way, history.END), 0, 1) == []
    minutes = fold(rows(said), history.MINUTE)
    hours = fold(minutes, history.HOUR)
    for width, buckets in (("1m", minutes), ("1h", hours), ("1d", fold(hours, 24 * history.HOUR))):
        store.write_rollups(width, buckets)
    store.close()


def _said(devices: dict[str, Device], adapters: Sequence[str], zone: str) -> Iterator[Reading]:
    chance = random.Random(5)
    zones = Zones((Zone(zone, "water", zone, (ZONE_RING,)),))
    heard: dict[str, DeviceState] = {}
    for step, at in enumerate(range(history.END - 2 * history.HOUR, history.END, 2 * history.EVERY)):
        for n, device in enumerate(devices.values()):
            told = history.report(device, n, at, chance)
            yield told
            state = heard.setdefault(device.device, DeviceState(device.device, device.kind, adapters[0], at, at, at))
            state.received_at, state.observed_at, state.position = at, at, told.position
            state.readings += 1
            state.take(told.values, at)
            yield device_report(device.device, state, device, 1, n % 5, zones, at + history.MINUTE)
        yield from history.hub_reports(at + history.MINUTE, step, adapters)
        raised = [change for change in _warnings(devices) if change.change is Change.RAISED]
        standing = [
            Alert(change.alert, change.rule, change.subject, change.level, change.at, change.at, True, None, None, [change])
            for change in raised
        ]  # fmt: skip
        yield from open_warnings(standing, devices, at + history.MINUTE)


def _warnings(devices: dict[str, Device]) -> Iterator[AlertChange]:
    at = history.END - 100 * history.MINUTE
    for n, device in enumerate(devices.values()):
        rule, level = f"flood/{device.kind}", ("blue", "yellow", "orange", "red")[n % 4]
        name, title = f"{rule}@{device.device}@{to_text(at)}", f"{rule} at {device.device}"
        steps = [(0, Change.RAISED, ""), (5, Change.ACKNOWLEDGED, device.name), (20, Change.CLEARED, "")]
        for ordinal, (minutes, what, who) in enumerate(steps):
            moment = at + minutes * history.MINUTE
            yield AlertChange(
                name, ordinal, moment, rule, device.device, what, level, title, {}, PLACE, area=device.area, who=who
            )


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Four databases: `nothing`, `single`, and the same city twice, `plain` and `odd`."""
    folder = tmp_path_factory.mktemp("odd")
    with influx_server(folder / "influxd") as url, httpx.Client(base_url=url, timeout=60) as client:
        client.post("/query", params={"q": "CREATE DATABASE nothing"}).raise_for_status()
        lay(client, folder, "single", devices_of(["only"], ["harbour"], KINDS[:1]), ["mqtt"], "basin")
        plain = devices_of([f"device-{n}-" for n in range(len(ODD))], history.AREAS)
        lay(client, folder, "plain", plain, ["mqtt", "jt808"], "basin")
        lay(client, folder, "odd", devices_of(ODD, ODD_AREAS), ['数采 "1"', r"$a/b\c"], ODD_AREAS[0])
        yield client


@pytest.fixture(scope="module")
def node() -> Iterator[Grafana]:
    with grafana() as running:
        yield running


def drawn(
    asking: httpx.Client, node: Grafana, database: str, page: Page, **values: str | list[str]
) -> dict[str, tuple[list[str], int]]:
    """Of each panel of the page: what of it has no answer, and how many cells it shows. Annotations and variables are asked as well."""
    found = {}
    expanded = node.ask(page.model, DAY, **values)
    for query in (*expanded["annotations"], *expanded["queries"].values()):
        ask(asking, query, database)
    asked = {item["id"]: item for item in expanded["panels"]}
    for item in _panels(page):
        if item["id"] not in asked:
            continue
        targets = asked[item["id"]]["targets"]
        aliases = {target["refId"]: target["alias"] for target in targets}
        named = [target | {"alias": aliases[target["refId"]]} for target in item["targets"]]
        answers = {target["refId"]: ask(asking, target["query"], database) for target in targets}
        frames = node.draw(item | {"targets": named}, answers)
        cells = sum(len(field["cells"]) for frame in frames for field in frame["fields"])
        found[f"{item['id']} {item['title']}"] = (_missing(item, answers), cells)
        assert cells or item["fieldConfig"]["defaults"].get("noValue"), f"{item['title']} says nothing"
    return found


def _panels(page: Page) -> Iterator[dict[str, Any]]:
    for item in page.model["panels"]:
        yield from item.get("panels") or [] if item["type"] == "row" else [item]


def _missing(item: dict[str, Any], answers: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The columns without a value, by target; of one that answers nothing, the target."""
    said = []
    for target in item["targets"]:
        series = answers[target["refId"]]
        table = target["resultFormat"] == "table"
        needed = Query(target["query"]).columns if table else ()
        seen = {
            column
            for one in series
            for row in one["values"]
            for column, value in zip(one["columns"], row, strict=True)
            if value is not None
        } | {tag for one in series for tag in one.get("tags", {})}
        said += [f"{target['refId']}: {name}" for name in needed if name not in seen]
        said += [] if seen else [target["refId"]]
    return said


@pytest.mark.parametrize("database", ["nothing", "single"])
def test_a_city_of_nothing_and_of_one_device_shows_what_it_has(
    asking: httpx.Client, node: Grafana, database: str
) -> None:
    """No query fails, and a panel without an answer has words for that."""
    for page in ENGLISH:
        shown = drawn(asking, node, database, page)
        assert shown
        if page.name == "device" and database == "single":
            seen = drawn(asking, node, database, page, device=device_id("only", "air-station"), metric="pm25")
            assert [title for title, (missing, _) in seen.items() if not missing], seen


@pytest.mark.parametrize("name", [page.name for page in ENGLISH if page.name not in OF_ONE])
def test_odd_names_show_what_plain_names_do(asking: httpx.Client, node: Grafana, name: str) -> None:
    page = next(page for page in ENGLISH if page.name == name)
    assert drawn(asking, node, "odd", page) == drawn(asking, node, "plain", page)
    variables = {variable["name"] for variable in page.model["templating"]["list"]}
    for odd, plain in zip(ODD_AREAS, history.AREAS, strict=True):
        if "area" in variables:
            assert drawn(asking, node, "odd", page, area=[odd]) == drawn(asking, node, "plain", page, area=[plain])
    if "device" in variables:
        kind = {"fleet": "vehicle", "harbour": "vessel"}[name]
        odd_ones = [device_id(name, kind) for name in ODD]
        plain_ones = [device_id(f"device-{n}-", kind) for n in range(len(ODD))]
        assert drawn(asking, node, "odd", page, device=odd_ones) == drawn(
            asking, node, "plain", page, device=plain_ones
        )


@pytest.mark.parametrize("name", OF_ONE)
@pytest.mark.parametrize("number", range(len(ODD)), ids=[ascii(name)[1:20] for name in ODD])
def test_the_page_of_a_device_with_an_odd_name_shows_what_one_with_a_plain_name_does(
    asking: httpx.Client, node: Grafana, name: str, number: int
) -> None:
    page = next(page for page in ENGLISH if page.name == name)
    kind = OF_ONE[name]
    metric = {"metric": "pm25"} if name == "device" else {}
    odd = drawn(asking, node, "odd", page, device=device_id(ODD[number], kind), **metric)
    plain = drawn(asking, node, "plain", page, device=device_id(f"device-{number}-", kind), **metric)
    assert any(not missing for missing, _ in plain.values())
    assert odd == plain
