"""What every store must hold to, DuckDB and InfluxDB alike; InfluxDB on a real server, natively and by /api/v2/write."""

from __future__ import annotations

import csv
import itertools
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityhub.testing.stores import MINUTE, Open, StoreLaws, T, cells, reading
from hub.model import Position, Reading
from hub.ports import SeriesQuery, Store, StoreUnavailable
from hub.store import open_store
from hub.store.outcome import Written
from tests.acceptance.influx_shim import influx_shim

numbers = itertools.count()


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


@pytest.mark.parametrize(
    ("later", "newest"),
    [
        (
            [(5 * MINUTE, 5 * MINUTE)],
            1.0,
        ),  # its time has come meanwhile, and what was measured after it stays the newest
        ([(-1_900_000_000, 1_000_000)], 1.0),  # was on its way
        ([(-2_100_000_000, 1_000_000)], 0.0),  # was not
        ([(6 * MINUTE, MINUTE), (7 * MINUTE, 2 * MINUTE)], 2.0),  # a clock that is always ahead: by the receive time
        ([(8 * MINUTE, MINUTE), (7 * MINUTE, 2 * MINUTE), (3 * MINUTE, 3 * MINUTE)], 3.0),
        ([(10 * MINUTE, 10 * MINUTE)], 1.0),
    ],
)
def test_what_was_dated_ahead_hides_nothing_for_ever(reopen: Open, later: list[tuple[int, int]], newest: float) -> None:
    """(observed, received) after a report dated nine minutes ahead of its receive time, T; another device is right."""
    store = reopen()
    moments = [(9 * MINUTE, 0), *later]
    batch = [
        Reading(
            "a", T + observed, {"pm25": float(n), "name": f"n{n}"}, Position(1.0 + n, 2.0), None, T + received, "x", "k"
        )
        for n, (observed, received) in enumerate(moments)
    ]
    store.write("events", [*batch, reading("b", T, pm25=7.0)], 0, len(batch) + 1)
    assert [(row.device, row.metric, row.value) for row in store.latest()] == [
        ("a", "name", f"n{newest:.0f}"),
        ("a", "pm25", newest),
        ("b", "pm25", 7.0),
    ]
    assert {row.lon for row in store.latest(["a"])} == {1.0 + newest}


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


class TestLaws(StoreLaws):
    """What packages of other hands are held to as well."""
