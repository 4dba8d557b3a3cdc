"""Every panel of every page, asked as Grafana asks and drawn as Grafana draws, on a real InfluxDB with a month of a city in it.

Variables, intervals and expansion are Grafana's own code (tests/dashboards/grafana.py): milliseconds, unaligned, three ranges, two widths.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from dashboards.grafana.board import SERIES_MAX
from dashboards.grafana.build import Page, pages
from dashboards.grafana.influxql import Query
from dashboards.grafana.lint import panels
from dashboards.grafana.lint_panels import override_values
from dashboards.grafana.look import LEVELS, NO_VALUE, NONE
from hub.app.trip_notes import METRICS, MOTION
from tests.dashboards import history
from tests.dashboards.filled import NOW_MS, RANGES_MS, ask, filled, spans
from tests.dashboards.grafana import Grafana, Span, grafana
from tests.npm import GROUP, INSTALL_S

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group(GROUP), pytest.mark.timeout(INSTALL_S + 120)]
ENGLISH = [page for page in pages() if page.language == "en"]
SPANS = spans()
DAY = SPANS["24 h, 1600 px"]
CHOSEN: dict[str, dict[str, str]] = {
    "vehicle": {"device": "vehicle-0"},
    "vessel": {"device": "ais:413000000"},
    "device": {"device": "air-station-1", "metric": "pm25"},
}
Answers = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with filled(tmp_path_factory.mktemp("dashboards")) as client:
        yield client


@pytest.fixture(scope="module")
def node() -> Iterator[Grafana]:
    with grafana() as running:
        yield running


def page(name: str) -> Page:
    return next(page for page in ENGLISH if page.name == name)


def panel(model: dict[str, Any], title: str) -> dict[str, Any]:
    return next(panel for panel in panels(model) if panel["title"] == title)


def by_width(model: dict[str, Any]) -> dict[str, Any]:
    """The page without its cap on points, so that the interval goes by the panel's width alone."""
    free = copy.deepcopy(model)
    for item in panels(free):
        item.pop("maxDataPoints", None)
    return free


def opened(
    asking: httpx.Client, node: Grafana, model: dict[str, Any], span: Span, **values: Any
) -> Iterator[tuple[dict[str, Any], Answers]]:
    """Each panel that asks something, its aliases filled in, and what its targets are answered."""
    asked = {item["id"]: item["targets"] for item in node.ask(model, span, **values)["panels"]}
    for item in panels(model):
        if item["id"] in asked:
            aliases = {target["refId"]: target["alias"] for target in asked[item["id"]]}
            targets = [target | {"alias": aliases[target["refId"]]} for target in item["targets"]]
            answers = {target["refId"]: ask(asking, target["query"]) for target in asked[item["id"]]}
            yield item | {"targets": targets}, answers


def drawn(
    asking: httpx.Client, node: Grafana, name: str, title: str, span: Span = DAY, **values: Any
) -> list[dict[str, Any]]:
    """The frames that one panel shows."""
    model = page(name).model
    alone = model | {"panels": [panel(model, title)]}
    ((item, answers),) = opened(asking, node, alone, span, **{**CHOSEN.get(name, {}), **values})
    return node.draw(item, answers)


def missing(item: dict[str, Any], found: Answers) -> list[str]:
    """What the panel draws and was not answered: whole targets, or columns without any value."""
    said = []
    for target in item["targets"]:
        series = found[target["refId"]]
        rows = [
            dict(zip(one["columns"], row, strict=True)) | one.get("tags", {}) for one in series for row in one["values"]
        ]
        named = Query(target["query"]).columns if target["resultFormat"] == "table" else ()
        needed = named or tuple(
            name for name in (series[0]["columns"] if series else ["time", "a value"]) if name != "time"
        )
        said += [f"{target['refId']}: {name}" for name in needed if not any(row.get(name) is not None for row in rows)]
    return said


@pytest.mark.parametrize("name", [page.name for page in ENGLISH])
@pytest.mark.parametrize("span", SPANS)
def test_every_panel_returns_what_it_draws(asking: httpx.Client, node: Grafana, name: str, span: str) -> None:
    """Where nothing to be counted is an answer (`none`), a panel may be empty in the shortest range only."""
    empty = []
    for model in (page(name).model, by_width(page(name).model)):
        for item, found in opened(asking, node, model, SPANS[span], **CHOSEN.get(name, {})):
            counts = item["fieldConfig"]["defaults"]["noValue"] == NONE[0] or len(item["targets"]) > 3
            said = missing(item, found)
            if said and not (
                counts and ("1 h" in span or len(said) < len(item["targets"]) or item["title"] in MAY_BE_NONE)
            ):
                empty.append(f"{item['title']}: {', '.join(said)}")
    assert not empty, "\n".join(empty)


MAY_BE_NONE = {"Silent over 1 h", "Marked values"}


@pytest.mark.parametrize("name", [page.name for page in ENGLISH])
def test_what_is_drawn_can_be_read(asking: httpx.Client, node: Grafana, name: str) -> None:
    """No ids of the hub's own, no JSON, no untitled column, no line too many, in any cell or legend of the page."""
    faults = []
    model = page(name).model
    for item, found in opened(asking, node, model, DAY, **CHOSEN.get(name, {})):
        frames = node.draw(item, found)
        titled = set(override_values(item, "displayName"))
        shown = [field for frame in frames for field in frame["fields"] if not field["hidden"]]
        for field in shown:
            texts = {cell["text"] for cell in field["cells"]} if item["type"] in ("table", "state-timeline") else set()
            faults += [
                f"{item['title']}: {text}" for text in {*texts, field["title"]} if "hub-" in text or '["' in text
            ]
            if item["type"] == "table" and field["title"] not in titled:
                faults.append(f"{item['title']}: the column {field['title']} has no title of its own")
        if item["type"] == "timeseries":
            lines = [field for field in shown if field["type"] == "number"]
            if not 0 < len(lines) <= SERIES_MAX:
                faults.append(f"{item['title']}: {len(lines)} lines")
    assert not faults, "\n".join(sorted(set(faults)))


@pytest.mark.parametrize("name", [page.name for page in ENGLISH])
def test_every_variable_offers_something_and_filters(asking: httpx.Client, node: Grafana, name: str) -> None:
    model = page(name).model
    queries = node.ask(model, DAY, **CHOSEN.get(name, {}))["queries"]
    for variable in model["templating"]["list"]:
        if variable["type"] != "query":
            continue
        at = 0 if "FIELD KEYS" in variable["query"] else 1
        offered = sorted({row[at] for series in ask(asking, queries[variable["name"]]) for row in series["values"]})
        assert offered, f"{variable['name']} offers nothing"
        chosen = {**CHOSEN.get(name, {}), variable["name"]: offered[:2] if variable["multi"] else offered[0]}
        if variable["name"] == "metric":
            continue
        assert list(opened(asking, node, model, DAY, **chosen))


def test_options_are_what_they_seem(node: Grafana) -> None:
    """Grafana reads `raw : ` as an option whose value is `raw :`, and then asks for the measurement `airraw :`."""
    for item in pages():
        told = {
            v["name"]: [o["value"] for o in v["options"]]
            for v in item.model["templating"]["list"]
            if v["type"] == "custom"
        }
        assert {
            name: [option["value"] for option in found["options"]] for name, found in node.variables(item.model).items()
        } == told
    broken = {
        "templating": {
            "list": [{"type": "custom", "name": "resolution", "query": "raw : , 1 min : _1m", "current": {"value": ""}}]
        }
    }
    assert node.variables(broken)["resolution"]["options"][0]["value"] == "raw :"


@pytest.mark.parametrize(
    ("back", "width", "interval", "measurement"),
    [
        ("1 h", 600, "1m", "vehicle_1m"), ("1 h", 1600, "1m", "vehicle_1m"), ("24 h", 600, "2m", "vehicle_1m"), ("24 h", 1600, "1m", "vehicle_1m"),
        ("30 d", 600, "1h", "vehicle_1h"), ("30 d", 1600, "30m", "vehicle_1h"),
    ],
)  # fmt: skip
def test_the_range_chooses_the_resolution(
    asking: httpx.Client, node: Grafana, back: str, width: int, interval: str, measurement: str
) -> None:
    model = by_width(page("vehicle").model)
    item = panel(model, "Speed")
    asked = node.ask(model, Span(NOW_MS - RANGES_MS[back], NOW_MS, width), device="bus-1")["panels"]
    found = next(entry for entry in asked if entry["id"] == item["id"])
    assert found["interval"] == interval
    series = ask(asking, found["targets"][0]["query"])
    assert [one["name"] for one in series] == [measurement]
    years = node.ask(model, Span(NOW_MS - 10 * 365 * 86_400_000, NOW_MS, width), device="bus-1")["panels"]
    query = next(entry for entry in years if entry["id"] == item["id"])["targets"][0]["query"]
    assert [one["name"] for one in ask(asking, query)] == ["vehicle_1d"]


def test_values_of_variables_are_escaped_as_grafana_does(node: Grafana) -> None:
    asked = node.ask(page("city").model, DAY, area=["old town", "a.b/c (1)"])
    query = asked["panels"][0]["targets"][0]["query"]
    assert r'"area" =~ /^(old town|a\.b\/c \(1\))$/' in query
    start, end = DAY.end - 86_400_000, DAY.end
    assert f"time >= {start}ms and time <= {end}ms" in query
    everything = node.ask(page("city").model, DAY)["panels"][0]["targets"][0]["query"]
    assert '"area" =~ /^.*$/' in everything
    one = node.ask(page("vehicle").model, DAY, device="truck.1")["panels"][0]["targets"][0]["query"]
    assert r'"device" =~ /^truck\.1$/' in one


# -------------------------------------------------------------------------------------------- what only Grafana could show


def column(frames: list[dict[str, Any]], title: str) -> list[str]:
    return [
        cell["text"]
        for frame in frames
        for field in frame["fields"]
        if field["title"] == title
        for cell in field["cells"]
    ]


def test_hours_above_a_limit_are_counted(asking: httpx.Client, node: Grafana) -> None:
    hours = column(drawn(asking, node, "air", "Hours above 60 µg/m³ PM2.5"), "Hours")
    assert hours
    assert all(float(text.split()[0]) > 0 for text in hours)


@pytest.mark.parametrize(("name", "title", "words"), [("fleet", "Ignition", {"on", "off"}), ("utilities", "State of machines", {"running", "stopped"}), ("hub", "Adapters", {"up", "down"})])  # fmt: skip
def test_states_are_words_and_last(asking: httpx.Client, node: Grafana, name: str, title: str, words: set[str]) -> None:
    frames = drawn(asking, node, name, title)
    cells = [
        cell for frame in frames for field in frame["fields"] if field["type"] != "time" for cell in field["cells"]
    ]
    assert {cell["text"] for cell in cells} == words
    assert len({cell["colour"] for cell in cells}) == 2
    assert all(cell["raw"] is not None for cell in cells), "a null would cut the state"
    custom = panel(page(name).model, title)["fieldConfig"]["defaults"]["custom"]
    assert custom["insertNulls"] == custom["spanNulls"] > 0


def test_a_flag_is_understood_as_a_number_and_as_a_boolean(node: Grafana) -> None:
    item = panel(page("utilities").model, "State of machines")
    series = [
        {
            "name": "plant",
            "tags": {"device": "pump-9"},
            "columns": ["time", "last"],
            "values": [[0, True], [60_000, False]],
        }
    ]
    found = node.draw(item, {"A": series})
    assert [cell["text"] for cell in found[0]["fields"][1]["cells"]] == ["running", "stopped"]


def test_hourly_stations_are_lines_and_outages_gaps(asking: httpx.Client, node: Grafana) -> None:
    """Air reports by the hour and the chart asks by the minute: the nulls between are drawn over, six hours of silence are not."""
    item = panel(page("device").model, "Value over time")
    assert 3_600_000 * 1.4 < item["fieldConfig"]["defaults"]["custom"]["spanNulls"] < 6 * 3_600_000
    frames = drawn(asking, node, "device", "Value over time", device="air-station-0", metric="pm25")
    values = [cell["raw"] for cell in frames[0]["fields"][1]["cells"]]
    assert None in values
    longest = max(len(run) for run in "".join("x" if v is None else " " for v in values).split())
    assert longest * 60_000 < item["fieldConfig"]["defaults"]["custom"]["spanNulls"]
    cut_off = drawn(asking, node, "device", "Value over time", device=history.CUT_OFF[0], metric="water_level")
    values = [cell["raw"] for cell in cut_off[0]["fields"][1]["cells"]]
    longest = max(len(run) for run in "".join("x" if v is None else " " for v in values).split())
    assert longest * 120_000 > item["fieldConfig"]["defaults"]["custom"]["spanNulls"]


def test_marked_values_are_in_no_mean(asking: httpx.Client, node: Grafana) -> None:
    """Neither the value itself, nor a mean that it would have lifted: unmarked fine dust stays below 110."""
    assert max(row[1] for row in ask(asking, 'SELECT "pm25" FROM "air"')[0]["values"]) == history.MARKED_VALUE
    for model in (page("air").model, page("public").model):
        for item, found in opened(asking, node, model, DAY):
            cells = [row for series in found.values() for one in series for row in one["values"]]
            assert all(history.MARKED_VALUE not in row[1:] for row in cells), item["title"]
            if all(re.search(r'"pm25', target["query"]) for target in item["targets"]) and item["type"] == "timeseries":
                assert max(value for row in cells for value in row[1:] if value is not None) < 110, item["title"]
    mean = column(drawn(asking, node, "air", "Mean PM2.5"), "pm25")[0]
    assert 40 < float(mean.split()[0]) < 70


def test_marked_values_are_shown_where_a_page_asks_for_them(asking: httpx.Client, node: Grafana) -> None:
    model = page("device").model
    item = next(item for item in panels(model) if item["title"] == "Marked values" and item["type"] == "timeseries")
    alone = model | {"panels": [item]}
    ((_, found),) = opened(asking, node, alone, DAY, device=history.MARKED, metric="pm25")
    assert [row[1] for row in found["A"][0]["values"]] == [history.MARKED_VALUE] * 3
    ((_, calm),) = opened(asking, node, alone, DAY, device="air-station-0", metric="pm25")
    assert calm["A"] == []


def test_a_device_has_its_metrics_unit_and_limits(asking: httpx.Client, node: Grafana) -> None:
    frames = drawn(asking, node, "device", "Value over time", device="air-station-1", metric="pm25")
    told = [(frame["fields"][1]["title"], frame["fields"][1]["unit"]) for frame in frames]
    assert told == [("pm25", "conμgm3"), ("pm25 highest", "conμgm3"), ("pm25 lowest", "conμgm3")]
    assert drawn(asking, node, "device", "Value now", device="pump-0", metric="vibration")[0]["fields"][1]["cells"][0][
        "text"
    ].endswith(" mm/s")


def test_one_distance(asking: httpx.Client, node: Grafana) -> None:
    """The sum, the table, the page of one vehicle and the days say the same."""
    by_vehicle = {
        name: float(text.split()[0])
        for name, text in zip(*(column(drawn(asking, node, "fleet", "Distance by vehicle"), title) for title in ("Vehicle", "Distance")), strict=True)
    }  # fmt: skip
    total = float(column(drawn(asking, node, "fleet", "Distance"), "distance")[0].split()[0])
    one = float(column(drawn(asking, node, "vehicle", "Distance", device="bus-1"), "distance")[0].split()[0])
    assert by_vehicle["bus-1"] == pytest.approx(one, abs=0.1)
    assert total == pytest.approx(sum(by_vehicle.values()), abs=1)
    assert one == pytest.approx(24 * 20, rel=0.05)


def test_trips_and_stops_are_rows_and_bars(asking: httpx.Client, node: Grafana) -> None:
    """A vehicle of `history` stands for an hour and twenty minutes of every three hours, the twenty with its engine on. What the hub took back
    is nowhere."""
    zeros = ",".join(f"{metric}=0" for metric in METRICS if metric != MOTION)
    taken_back = f'trip,area=harbour,device=bus-1,kind=bus motion="withdrawn",{zeros} {history.END - 5 * history.HOUR}'
    asking.post("/write", params={"db": "city"}, content=taken_back).raise_for_status()
    of_bus = {
        title: column(drawn(asking, node, "vehicle", title, device="bus-1"), "Duration") for title in ("Trips", "Stops")
    }
    assert 7 <= len(of_bus["Trips"]) <= 9
    assert abs(len(of_bus["Trips"]) - len(of_bus["Stops"])) <= 1
    for title in ("Trips", "Stops"):
        shown = column(drawn(asking, node, "fleet", title), "Vehicle")
        assert shown.count("bus-1") == len(of_bus[title])
        assert {"bus-0", "bus-1", "bus-2", "vehicle-0", "vehicle-1", "vehicle-2"} == set(shown)
    assert sum("01:30" < text < "01:50" for text in of_bus["Trips"]) > 3, of_bus["Trips"]
    assert sum("01:10" < text < "01:30" for text in of_bus["Stops"]) > 3, of_bus["Stops"]
    idle = column(drawn(asking, node, "vehicle", "Stops", device="bus-1"), "Idling")
    assert sum("00:10" < text < "00:35" for text in idle) > 3, idle
    ways = column(drawn(asking, node, "vehicle", "Trips", device="bus-1"), "Distance")
    assert sum(27 < float(text.split()[0]) < 40 for text in ways) > 3, ways
    assert set(column(drawn(asking, node, "fleet", "Stops"), "State")) == {"standing"}
    (bars,) = drawn(asking, node, "vehicle", "Driving and standing", device="bus-1")
    states = [cell["text"] for field in bars["fields"] if field["type"] != "time" for cell in field["cells"]]
    assert set(states) == {"driving", "standing"}
    assert all(a != b for a, b in pairwise(states)), "each goes on until the other begins"


def test_levels_keep_their_colours_and_order(asking: httpx.Client, node: Grafana) -> None:
    for name, title in (("city", "Warnings raised"), ("warnings", "By level"), ("warnings", "Time to acknowledge")):
        frames = drawn(asking, node, name, title, SPANS["30 d, 600 px"])
        fields = [frame["fields"][1] for frame in frames]
        assert [field["title"] for field in fields] == list(LEVELS)
        assert [field["colour"]["fixedColor"] for field in fields] == [colour for _, colour in LEVELS.values()]
    open_now = drawn(asking, node, "city", "Open warnings")
    shown = [field for field in open_now[0]["fields"] if field["type"] == "number"]
    assert [field["title"] for field in shown] == list(LEVELS)
    assert [field["cells"][0]["colour"].lower() for field in shown if field["cells"][0]["raw"]] == [LEVELS["orange"][1]]


def test_names_are_peoples(asking: httpx.Client, node: Grafana) -> None:
    assert sorted(column(drawn(asking, node, "city", "Open warnings by area"), "Area")) == [
        "harbour",
        "no area",
        "north",
        "old town",
    ]
    assert set(column(drawn(asking, node, "hub", "Ledger by adapter"), "Adapter")) == {"mqtt", "jt808", "ais"}
    assert {"store/events", "rules"} == set(column(drawn(asking, node, "hub", "Readers"), "Reader"))
    assert {field["title"] for frame in drawn(asking, node, "hub", "Adapters") for field in frame["fields"][1:]} == {"mqtt", "jt808", "ais"}  # fmt: skip
    assert set(column(drawn(asking, node, "fleet", "Events"), "Events")) == {"harsh braking"}


def test_events_are_words_in_whatever_number(node: Grafana) -> None:
    item = panel(page("fleet").model, "Events")
    told = ['["harsh-braking"]', '["door-open", "tow"]', '["a"]', '["a","b","c","d"]']
    series = [
        {
            "name": "vehicle",
            "columns": ["time", "events", "speed", "device"],
            "values": [[0, text, 1, "bus-1"] for text in told],
        }
    ]
    assert [text.split() for text in column(node.draw(item, {"A": series}), "Events")] == [
        ["harsh", "braking"],
        ["door-open", "tow"],
        ["a"],
        ["a", "b", "c"],
    ]


def test_units_are_said_as_they_are(asking: httpx.Client, node: Grafana) -> None:
    shown = column(drawn(asking, node, "water", "Gauges"), "Above warning stage")
    over = [text for text in shown if text != NO_VALUE[0]]
    assert over
    assert all(text.endswith(" m") and len(text.split()[0].partition(".")[2]) == 2 for text in over)
    speeds = column(drawn(asking, node, "harbour", "Speed in zones"), "Speed")
    assert speeds
    assert all(text.endswith(" kn") for text in speeds), speeds
    where = drawn(asking, node, "fleet", "Where they are")
    places = column(where, "Latitude")
    assert places
    assert all(len(text.rstrip(" °").partition(".")[2]) == 5 for text in places), places


def test_the_map_tells_calm_silent_and_warned_apart(asking: httpx.Client, node: Grafana) -> None:
    """Each device is in one layer, whose name the legend shows; what was never heard counts as silent."""
    item = panel(page("city").model, "Where")
    layers = item["options"]["layers"]
    assert [layer["name"] for layer in layers] == [
        "Zones",
        "silent or never heard",
        "calm",
        "blue",
        "yellow",
        "orange",
        "red",
    ]
    alone = page("city").model | {"panels": [item]}
    ((_, found),) = opened(asking, node, alone, DAY)
    devices = [(ref, one["tags"]["device"]) for ref, series in found.items() for one in series]
    assert len(devices) == len(history.registry())
    assert {("A", history.NEVER_HEARD), ("A", history.NOWHERE), ("A", "pump-2")} <= set(devices)
    counted = {
        field["title"]: field["cells"][0]["text"] for field in drawn(asking, node, "city", "Devices")[0]["fields"]
    }
    assert counted["told of"] == str(len(devices))
    assert (counted["never heard"], counted["without a place"]) == ("2", "1")
    assert [layer["filterData"]["options"] for layer in layers[1:]] == [target["refId"] for target in item["targets"]]


def test_warnings_are_marks_from_their_beginning_to_their_end(asking: httpx.Client, node: Grafana) -> None:
    model = page("vehicle").model
    asked = node.ask(model, DAY, device="vehicle-0")["annotations"]
    marks = [
        mark
        for item, query in zip(model["annotations"]["list"], asked, strict=True)
        for mark in node.annotations(item, ask(asking, query))
    ]
    assert marks
    assert {mark["tags"] for mark in marks} <= {"red", "orange"}
    assert all("vehicle-0" in mark["text"] for mark in marks)
    assert all(mark["time"] <= mark["timeEnd"] for mark in marks)
    assert max(mark["timeEnd"] - mark["time"] for mark in marks) == pytest.approx(20 * 60_000, abs=1000)
    assert [item["enable"] for item in page("city").model["annotations"]["list"]] == [False, False]


def test_the_check_can_fail(asking: httpx.Client) -> None:
    table = {
        "targets": [
            {"refId": "A", "query": 'SELECT last("pm25") AS "a", "nothing" FROM "air"', "resultFormat": "table"}
        ]
    }
    assert missing(table, {"A": ask(asking, table["targets"][0]["query"])}) == ["A: nothing"]
    lines = {"targets": [{"refId": "A", "query": 'SELECT "pm25" FROM "nowhere"', "resultFormat": "time_series"}]}
    assert missing(lines, {"A": ask(asking, lines["targets"][0]["query"])}) == ["A: a value"]


def test_both_languages_ask_the_same() -> None:
    def asked(language: str) -> dict[str, list[str]]:
        chosen = [page for page in pages() if page.language == language]
        return {
            page.name: [target["query"] for panel in panels(page.model) for target in panel.get("targets", [])]
            for page in chosen
        }

    assert asked("en") == asked("zh")


def test_three_lines_hold_all_stations_at_once(asking: httpx.Client, node: Grafana) -> None:
    """Stations report at minutes of their own: in an interval shorter than theirs, highest and lowest would be one of them."""
    frames = drawn(asking, node, "air", "PM2.5")
    values = [[cell["raw"] for cell in frame["fields"][1]["cells"]] for frame in frames]
    hours = [hour for hour in zip(*values, strict=True) if None not in hour]
    assert len(hours) >= 23
    assert all(low <= mean <= high for high, mean, low in hours)
    assert sum(high - low > 5 for high, _, low in hours) > 0.8 * len(hours)


def test_levels_below_zero_have_their_own_colour(node: Grafana) -> None:
    """-0.32 m is within half a metre of the warning stage: yellow; far below there is no colour."""
    item = panel(page("water").model, "Gauges")
    columns = ["time", "water_level", "over_warning_stage", "water_flow"]
    values = [[0, 7.0, over, 1.0] for over in (-2.0, -0.32, 0.2, 1.5)]
    series = [{"name": "water_1m", "tags": {"device": "gauge", "area": "north"}, "columns": columns, "values": values}]
    field = next(
        field for field in node.draw(item, {"A": series})[0]["fields"] if field["name"] == "over_warning_stage"
    )
    assert [cell["colour"] for cell in field["cells"]] == ["#00000000", "#f2c94c", "#f2994a", "#eb5757"]
