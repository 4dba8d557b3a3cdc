"""What every store must hold to, DuckDB and InfluxDB alike; InfluxDB on a real server, natively and by /api/v2/write."""

from __future__ import annotations

import csv
import itertools
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.model import AlertChange, CameraView, Change, Position, Reading, Tick, Value
from hub.ports import SeriesQuery, Store, StoreUnavailable
from hub.store import open_store
from hub.store.outcome import Written
from tests.acceptance.influx_server import influx_server
from tests.acceptance.influx_shim import influx_shim

T = 1_770_000_000_000_000_000
MINUTE = 60_000_000_000
numbers = itertools.count()

Open = Callable[[], Store]


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with influx_server(tmp_path_factory.mktemp("influxd")) as url:
        yield url


SERVERS = [pytest.param(f"influxdb {family}", marks=pytest.mark.acceptance) for family in (1, 2, 3)]
DAY = 1440 * MINUTE


@pytest.fixture(params=["duckdb", *SERVERS])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same store again and again, as a hub that restarts does."""
    opened: list[Store] = []

    def opening(kind: str, **options: Any) -> Open:
        def again() -> Store:
            while opened:
                opened.pop().close()
            opened.append(open_store(kind, options, tmp_path / "data", {"a": "north, old"}))
            return opened[-1]

        return again

    if request.param == "duckdb":
        yield opening("duckdb")
    else:
        url = request.getfixturevalue("influxd")
        database = f"law{next(numbers)}"
        httpx.post(f"{url}/query", params={"q": f"CREATE DATABASE {database}"}).raise_for_status()
        mode = int(request.param[-1])
        if mode == 1:
            yield opening("influxdb", url=url, version=1, database=database)
        else:
            with influx_shim(url, token="t0ken", mode=mode) as shim:
                yield opening("influxdb", url=shim.url, version=mode, database=database, token="t0ken")
                for store in opened:
                    store.close()
                opened.clear()
    for store in opened:
        store.close()


def reading(device: str = "a", at: int = T, **values: Value) -> Reading:
    return Reading(device, at, values, received_at=at + 5, adapter="x", kind="air-station")


def old_and_new(reopen: Open, count: int) -> list[Reading]:
    """Every other reading is older than what the server keeps: `count` new ones, `count` old ones, mixed."""
    now = time.time_ns()
    return [reading("a", now - (n % 2) * 30 * DAY - n * 1_000_000, pm25=float(n)) for n in range(2 * count)]


@pytest.mark.parametrize("reopen", SERVERS, indirect=True)
def test_the_books_tell_what_the_store_refused(reopen: Open) -> None:
    """A server with a retention of its own takes half of a batch, and says how many it dropped. The hub says the same."""
    store = reopen()
    httpx.post(
        f"{store._options.url}/query",  # type: ignore[attr-defined]
        params={"q": f'CREATE RETENTION POLICY brief ON "{store._options.database}" DURATION 1d REPLICATION 1 DEFAULT'},  # type: ignore[attr-defined]
        headers={"Authorization": "Token t0ken"},
    ).raise_for_status()
    batch = old_and_new(reopen, 50)
    refusals = store.write("events", batch, 0, 100)
    outcome = Written().outcome(batch, refusals)
    assert (outcome.stored.total(), outcome.refused.total(), outcome.replaced.total()) == (50, 50, 0)
    assert len({refusal.reading.observed_at for refusal in refusals if refusal.reading}) == len(refusals) == 50
    assert len(cells(store)) == 50


@pytest.mark.parametrize("reopen", SERVERS, indirect=True)
def test_a_value_of_another_type_costs_itself_and_is_told_once(reopen: Open) -> None:
    store = reopen()
    httpx.post(
        f"{store._options.url}/write" if store._options.version == 1 else f"{store._options.url}/api/v2/write",  # type: ignore[attr-defined]
        params={"db": store._options.database, "bucket": store._options.database},  # type: ignore[attr-defined]
        content=f'air,device=z,kind=air-station no2="text" {T}',
        headers={"Authorization": "Token t0ken"},
    ).raise_for_status()
    batch = [reading("a", T + n, **({"pm25": 1.0, "no2": 2.0} if n < 5 else {"no2": 3.0})) for n in range(8)]
    refusals = store.write("events", batch, 0, 8)
    told = [(refusal.reading.observed_at, *refusal.reading.values) for refusal in refusals if refusal.reading]
    assert sorted(told) == [(T + n, "no2") for n in range(8)]
    outcome = Written().outcome(batch, refusals)
    assert (outcome.stored.total(), outcome.refused.total()) == (5, 3)
    assert len([cell for cell in cells(store) if cell[2] == "pm25"]) == 5


def test_of_readings_with_one_key_the_last_stands_and_the_others_are_counted(reopen: Open) -> None:
    store = reopen()
    written = Written()
    first, second = [reading(pm25=1.0), reading(pm25=2.0), reading(no2=1.0)], [reading(pm25=3.0, no2=2.0)]
    outcomes = [
        written.outcome(batch, store.write("events", batch, 0, number)) for number, batch in enumerate((first, second))
    ]
    assert [(outcome.stored.total(), outcome.replaced.total()) for outcome in outcomes] == [(2, 1), (0, 1)]
    assert sorted(cells(store)) == [("a", T, "no2", 2.0), ("a", T, "pm25", 3.0)]


def test_what_is_marked_is_in_no_bucket(reopen: Open) -> None:
    """Calibration gas at 900 for three minutes is no air: HJ 212's marks and the hub's own tests keep it out of every mean."""
    store = reopen()
    good = [reading("a", T + n * MINUTE, pm25=20.0) for n in range(12)]
    marked = [
        Reading("a", T + n * MINUTE, {"pm25": 900.0}, None, {"pm25": mark}, T, "x", "air-station")
        for n, mark in enumerate(("calibration", "fault", "suspect", "fail"), 12)
    ]
    by_hand = [Reading("a", T + 16 * MINUTE, {"pm25": 20.0}, None, {"pm25": "manual"}, T, "x", "air-station")]
    store.write("events", [*good, *marked, *by_hand], 0, 17)
    whole = store.buckets(SeriesQuery(metric="pm25"), DAY)
    assert sum(bucket.count for bucket in whole) == 13
    assert {(bucket.min, bucket.mean, bucket.max, bucket.last) for bucket in whole} == {(20.0, 20.0, 20.0, 20.0)}
    assert len(store.series(SeriesQuery(metric="pm25"))) == 17
    assert store.buckets(SeriesQuery(start=T + 12 * MINUTE, end=T + 16 * MINUTE), MINUTE) == []


def test_where_a_limit_cuts_the_newest_can_be_asked_for(reopen: Open) -> None:
    store = reopen()
    store.write("events", [reading("a", T + n, pm25=float(n), water_level=1.0) for n in range(20)], 0, 20)
    newest = store.series(SeriesQuery(limit=4, newest=True))
    assert [row.time for row in newest] == [T + 18, T + 18, T + 19, T + 19]
    assert [row.time for row in store.series(SeriesQuery(limit=2, metric="pm25"))] == [T, T + 1]


@pytest.mark.parametrize("early_ns", [-1_000_000, 0, 900_000_000, 1_990_000_000])
def test_the_newest_is_never_later_than_it_was_received(reopen: Open, early_ns: int) -> None:
    """Nor than what was on its way then: a time in whole seconds, a report sent a moment before."""
    store = reopen()
    now = time.time_ns()
    ahead = Reading("a", now + 9 * MINUTE, {"pm25": 1.0}, received_at=now, adapter="x", kind="air-station")
    later = Reading("a", now - early_ns, {"pm25": 2.0}, received_at=now + 2_000_000, adapter="x", kind="air-station")
    store.write("events", [ahead, later], 0, 2)
    time.sleep(0.05)
    assert [row.value for row in store.latest()] == [2.0]


@pytest.mark.acceptance
@pytest.mark.parametrize("version", [1, 2])
def test_a_bucket_named_after_database_and_policy_is_written_and_read(
    influxd: str, tmp_path: Path, version: int
) -> None:
    database = f"law{next(numbers)}"
    for query in (
        f"CREATE DATABASE {database}",
        f"CREATE RETENTION POLICY long ON {database} DURATION INF REPLICATION 1",
    ):
        httpx.post(f"{influxd}/query", params={"q": query}).raise_for_status()
    with influx_shim(influxd, token="t0ken", mode=2) as shim:
        url = influxd if version == 1 else shim.url
        store = open_store(
            "influxdb", {"url": url, "version": version, "database": f"{database}/long", "token": "t0ken"}, tmp_path
        )
        assert store.write("events", [reading(pm25=1.0)], 0, 1) == []
        assert cells(store) == [("a", T, "pm25", 1.0)]
        assert store.buckets(SeriesQuery(), MINUTE)[0].mean == 1.0
        store.close()
    default = httpx.get(f"{influxd}/query", params={"db": database, "q": "SELECT * FROM air"}).json()
    assert "series" not in default["results"][0]


def cells(store: Store, query: SeriesQuery | None = None) -> list[tuple[str, int, str, Any]]:
    return [(row.device, row.time, row.metric, row.value) for row in store.series(query or SeriesQuery())]


def test_a_fresh_store_has_no_cursor_and_no_rows(reopen: Open) -> None:
    store = reopen()
    assert store.cursor("events") is None
    assert cells(store) == []
    assert store.latest() == []
    assert store.changes() == []


def test_rows_come_back_with_everything_that_was_said(reopen: Open) -> None:
    store = reopen()
    said = Reading(
        "a b,c=d",
        T + 123,
        {"pm25": 12.5, "no2": 3},
        Position(116.4, 39.9, 7.0),
        {"no2": "fault"},
        T + MINUTE,
        "x",
        "bus",
    )
    assert store.write("events", [Tick(T), said], 0, 2) == []
    rows = store.series(SeriesQuery())
    assert [(row.metric, row.value, row.quality) for row in sorted(rows, key=lambda row: row.metric)] == [
        ("no2", 3.0, 4),
        ("pm25", 12.5, 0),
    ]
    assert {(row.time, row.device, row.kind, row.lon, row.lat, row.received_at) for row in rows} == {
        (T + 123, "a b,c=d", "bus", 116.4, 39.9, T + MINUTE)
    }


def test_a_batch_written_twice_is_there_once(reopen: Open) -> None:
    batch = [reading("a", T + n, pm25=float(n), name="x") for n in range(50)]
    store = reopen()
    store.write("events", batch, 0, 50)
    before = store.series(SeriesQuery())
    store = reopen()
    store.write("events", batch, 0, 50)
    assert store.series(SeriesQuery()) == before
    assert len(before) == 100
    assert store.cursor("events") == 50


def test_the_value_written_last_wins(reopen: Open) -> None:
    store = reopen()
    store.write("events", [reading(pm25=1.0), reading(pm25=2.0)], 0, 2)
    store.write("derived", [reading(pm25=3.0)], 0, 1)
    assert cells(store) == [("a", T, "pm25", 3.0)]
    assert [row.value for row in store.latest()] == [3.0]
    assert (store.cursor("events"), store.cursor("derived")) == (2, 1)


def test_cursors_survive_a_restart_and_each_stream_has_its_own(reopen: Open) -> None:
    reopen().write("events", [reading(pm25=1.0)], 0, 7)
    store = reopen()
    assert store.cursor("events") == 7
    assert store.cursor("alerts") is None


def test_a_batch_without_readings_moves_the_cursor(reopen: Open) -> None:
    store = reopen()
    store.write("events", [Tick(T), Tick(T + 1)], 0, 2)
    assert store.cursor("events") == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "plain",
        'a "quoted" word',
        "back\\slash",
        "ends in \\",
        "ends in \\\\",
        "a,b=c d",
        "烟囱 三号",
        "🚢",
        "'; DROP",
        "tab\tx",
        "12.5",
    ],
)
def test_texts_come_back_as_they_were(reopen: Open, text: str) -> None:
    store = reopen()
    assert store.write("events", [reading("a", name=text), reading("b", pm25=1.0)], 0, 2) == []
    assert ("a", T, "name", text) in cells(store)
    assert ("b", T, "pm25", 1.0) in cells(store)


def test_line_breaks_in_a_text_break_nothing(reopen: Open) -> None:
    store = reopen()
    store.write("events", [reading("a", name="one\ntwo\r\nthree"), reading("b", pm25=1.0)], 0, 2)
    assert ("b", T, "pm25", 1.0) in cells(store)
    text = next(value for device, _, _, value in cells(store) if device == "a")
    assert text.split() == ["one", "two", "three"]


def test_flags_and_lists_of_texts(reopen: Open) -> None:
    store = reopen()
    store.write("events", [reading(running=True, alarms=["sos", '多"x'], ignition=False)], 0, 1)
    assert {(metric, value) for _, _, metric, value in cells(store)} == {
        ("running", True),
        ("ignition", False),
        ("alarms", '["sos", "多\\"x"]'),
    }


@pytest.mark.parametrize(
    "number", [0.0, -0.0, 1e-300, 1.7976931348623157e308, 1e22, 123456789, 0.1 + 0.2, 2**53, 5e-324]
)
def test_numbers_come_back_exactly(reopen: Open, number: float) -> None:
    store = reopen()
    assert store.write("events", [reading(pm25=number)], 0, 1) == []
    assert cells(store) == [("a", T, "pm25", float(number))]


@pytest.mark.parametrize(
    "bad", [float("nan"), float("inf"), float("-inf"), 10**400, -(10**5000)], ids=["nan", "inf", "-inf", "big", "huge"]
)
def test_what_is_no_number_is_refused_and_its_neighbours_are_stored(reopen: Open, bad: float) -> None:
    store = reopen()
    batch = [
        reading("a", T, pm25=1.0),
        reading("a", T + 1, pm25=bad, no2=2.0),
        reading("b", T, pm25=bad),
        reading("c", T, pm25=3.0),
    ]
    refused = store.write("events", batch, 0, 4)
    assert [(r.reading.device, list(r.reading.values)) for r in refused] == [("a", ["pm25"]), ("b", ["pm25"])]
    assert all(r.reason for r in refused)
    assert sorted(cells(store)) == [("a", T, "pm25", 1.0), ("a", T + 1, "no2", 2.0), ("c", T, "pm25", 3.0)]
    assert store.cursor("events") == 4


def test_texts_that_are_not_unicode_and_times_out_of_reach_are_refused(reopen: Open) -> None:
    store = reopen()
    batch = [
        reading("a", T, name="\ud800"),
        reading("\udfff", T, pm25=1.0),
        reading("b", 2**64, pm25=1.0),
        reading("c", T, pm25=1.0),
    ]
    refused = store.write("events", batch, 0, 4)
    assert [r.reading.device for r in refused] == ["a", "\udfff", "b"]
    assert cells(store) == [("c", T, "pm25", 1.0)]


def test_a_fix_without_values_is_kept_as_a_position(reopen: Open) -> None:
    store = reopen()
    store.write("events", [Reading("a", T, {}, Position(116.5, 39.25), received_at=T)], 0, 1)
    assert cells(store) == [("a", T, "position", "POINT (116.5 39.25)")]
    assert [row.lon for row in store.latest()] == [116.5]


def test_latest_is_the_newest_by_observed_time(reopen: Open) -> None:
    store = reopen()
    store.write("events", [reading("a", T + MINUTE, pm25=2.0), reading("b", T, pm25=5.0)], 0, 2)
    store.write("events", [reading("a", T, pm25=1.0, name="old")], 2, 3)
    assert [(row.device, row.metric, row.value, row.time) for row in store.latest()] == [
        ("a", "name", "old", T),
        ("a", "pm25", 2.0, T + MINUTE),
        ("b", "pm25", 5.0, T),
    ]
    assert [row.device for row in store.latest(["b", "nobody's"])] == ["b"]
    assert [row.device for row in store.latest(["b", *(f"nobody-{n}" for n in range(300))])] == ["b"]
    assert store.latest([]) == []


def test_series_choose_by_time_device_metric_and_limit(reopen: Open) -> None:
    store = reopen()
    store.write(
        "events",
        [reading(device, T + n, pm25=float(n), air_temperature=1.0) for n in range(5) for device in "ab"],
        0,
        10,
    )
    assert [row.time - T for row in store.series(SeriesQuery(T + 1, T + 3, "a", "pm25"))] == [1, 2]
    assert [row.time - T for row in store.series(SeriesQuery(limit=3))] == [0, 0, 0]
    every = [row.time - T for row in store.series(SeriesQuery())]
    for limit in (
        1,
        3,
        len(every),
        len(every) + 5,
    ):  # the newest, oldest of them first; the order within a moment is the store's own
        assert [row.time - T for row in store.series(SeriesQuery(limit=limit, newest=True))] == every[-limit:]
    assert [row.time - T for row in store.series(SeriesQuery(device="a", metric="pm25", limit=2, newest=True))] == [
        3,
        4,
    ]
    assert {row.metric for row in store.series(SeriesQuery(metric="air_temperature"))} == {"air_temperature"}
    assert store.series(SeriesQuery(metric="no2")) == []
    assert store.series(SeriesQuery(device="x' OR 'a'='a")) == []


def test_buckets_sum_up_what_charts_show(reopen: Open) -> None:
    store = reopen()
    start = T - T % MINUTE
    store.write(
        "events", [reading("a", start + n * MINUTE // 2, pm25=float(n), running=True, name="x") for n in range(4)], 0, 4
    )
    found = store.buckets(SeriesQuery(start, start + 10 * MINUTE, "a", "pm25"), MINUTE)
    assert [(b.time, b.device, b.metric, b.count, b.min, b.mean, b.max, b.last) for b in found] == [
        (start, "a", "pm25", 2, 0.0, 0.5, 1.0, 1.0),
        (start + MINUTE, "a", "pm25", 2, 2.0, 2.5, 3.0, 3.0),
    ]
    assert {b.metric for b in store.buckets(SeriesQuery(start, start + MINUTE), MINUTE)} == {"pm25", "running"}


def change(ordinal: int = 0, at: int = T, **more: Any) -> AlertChange:
    views = [CameraView("c1", 0.9, 140.0, 12.0, True, "in its sector", "gate", "rtsp://x")]
    return AlertChange(
        "flood/level/河 1/2026", ordinal, at, "flood/level", "河 1", Change.RAISED, "red", 'high "water"\nnow', {"water_level": 3.5, "alarms": ["x"]},
        Position(116.4, 39.9), views, [{"at": at, "value": 3.5}], area="north, old", **more,
    )  # fmt: skip


def test_alert_changes_come_back_whole_in_order_and_once(reopen: Open) -> None:
    store = reopen()
    said = [change(0), change(1, T, late=True), change(2, T + 5 * MINUTE, who="li", note="seen")]
    store.write("alerts", said, 0, 3)
    store.write("alerts", said[1:], 1, 3)
    assert store.changes() == said
    assert store.changes(T + MINUTE, T + 9 * MINUTE) == said[2:]
    assert store.changes(T, T + 1) == said[:2]
    assert cells(store) == []
    assert store.cursor("alerts") == 3


def test_export_to_csv_and_parquet(reopen: Open, tmp_path: Path) -> None:
    store = reopen()
    said = Reading(
        "a", T, {"pm25": 1.5, "name": 'x, "y"'}, Position(116.5, 39.25), {"pm25": "manual"}, T + 5_250_000_000, "x", "k"
    )
    store.write("events", [said, said, reading("b", T + MINUTE, pm25=2.0)], 0, 3)
    table = tmp_path / "it's.csv"
    assert store.export(SeriesQuery(), "csv", table) == 3
    with table.open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["time", "device", "kind", "metric", "value", "quality", "lon", "lat", "received_at"]
    times = ["2026-02-02T02:40:00Z", "2026-02-02T02:40:05.25Z"]
    assert sorted(rows[:2]) == [
        [times[0], "a", "k", "name", 'x, "y"', "0", "116.5", "39.25", times[1]],
        [times[0], "a", "k", "pm25", "1.5", "3", "116.5", "39.25", times[1]],
    ]
    assert rows[2][:5] == ["2026-02-02T02:41:00Z", "b", "air-station", "pm25", "2.0"]
    assert store.export(SeriesQuery(device="a"), "parquet", tmp_path / "a.parquet") == 2
    found = duckdb.sql(f"select metric, value, text from '{tmp_path}/a.parquet' order by metric").fetchall()
    assert found == [("name", None, 'x, "y"'), ("pm25", 1.5, None)]
    with pytest.raises(ValueError, match="csv or parquet"):
        store.export(SeriesQuery(), "xlsx", tmp_path / "x")


def test_a_thousand_odd_metrics_and_devices_break_nothing(reopen: Open) -> None:
    store = reopen()
    odd = [
        "semi;colon",
        "per%cent",
        "#hash",
        "sla/sh",
        "quo'te",
        'dou"ble',
        "star*",
        "日本",
        "$var",
        "a.b",
        "x:y:z",
        "(p)",
        "[b]",
        "{c}",
        "tab\tx",
        "\u2028x",
    ]
    batch = [reading(name, pm25=float(n)) for n, name in enumerate(odd)]
    assert store.write("events", batch, 0, len(batch)) == []
    assert sorted(cells(store)) == sorted((name, T, "pm25", float(n)) for n, name in enumerate(odd))
    for name in odd:
        assert len(store.series(SeriesQuery(device=name))) == 1
        assert [row.device for row in store.latest([name])] == [name]


VALUES = st.one_of(
    st.tuples(st.sampled_from(["pm25", "speed", "water_level", "battery"]), st.floats() | st.integers(-(2**53), 2**53)),
    st.tuples(st.sampled_from(["running", "ignition"]), st.booleans()),
    st.tuples(st.sampled_from(["name", "destination"]), st.text(st.characters(exclude_categories=["C"]), max_size=8)),
)
READINGS = st.builds(
    lambda device, at, values, lon: Reading(
        device, T + at, dict(values), lon if lon is None else Position(lon, 1.5), None, T + at, "x", "k"
    ),
    st.sampled_from(["a", "b c", "河"]),
    st.integers(0, 5),
    st.lists(VALUES, min_size=1, max_size=4),
    st.none() | st.floats(-180, 180),
)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(READINGS, min_size=40, max_size=60))
def test_a_store_is_a_dictionary_of_what_was_written_last(reopen: Open, batch: list[Reading]) -> None:
    """Cut anywhere, written again anywhere: it holds the last finite value of each device, metric and time."""
    store = reopen()
    for cut in (0, len(batch) // 2):
        store.write("events", batch[cut:], cut, len(batch))
    model = {
        (reading.device, reading.observed_at, metric): value
        for reading in batch
        for metric, value in reading.values.items()
        if not isinstance(value, float) or math.isfinite(value)
    }
    found = {(row.device, row.time, row.metric): row.value for row in store.series(SeriesQuery())}
    earlier = {key: value for key, value in found.items() if key not in model}  # of the examples before this one
    assert found == model | earlier
    newest: dict[tuple[str, str], int] = {}
    for device, at, metric in found:
        newest[device, metric] = max(newest.get((device, metric), 0), at)
    assert {(row.device, row.metric): row.time for row in store.latest()} == newest


def test_an_unknown_kind_of_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="duckdb or influxdb"):
        open_store("influx", {}, tmp_path)


def test_options_that_are_not_set_keep_their_defaults(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        open_store(
            "influxdb", {"url": "http://127.0.0.1:9", "version": 1, "token": None, "timeout_s": 1}, tmp_path
        ).write("events", [reading(pm25=1.0)], 0, 1)
