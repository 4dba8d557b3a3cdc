"""Rollups, on every store alike: what minutes, hours and days say, that late data reaches them, and what retention leaves."""

from __future__ import annotations

import random
import threading
import time
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.app.rollups import rebuild
from hub.model import Reading
from hub.ports import Bucket, SeriesQuery
from hub.store import every as every_
from hub.store.every import buckets_every
from hub.store.rollups import (
    DAY,
    HOUR,
    LOT_PARTS,
    MINUTE,
    TOGETHER,
    WIDTHS,
    WINDOWS_MAX,
    Window,
    apply_retention,
    denied,
    fold,
    jobs,
    lots,
    parts,
    remake,
    remake_touched,
    touched,
    windows,
)
from tests.laws.test_stores import Open, reopen

__all__ = ["reopen"]
START = 1_770_000_000_000_000_000 // DAY * DAY


def reading(device: str, at: int, **values: Any) -> Reading:
    return Reading(device, at, values, received_at=at, adapter="x", kind="air-station")


def figures(store: Any, width: str, **chosen: Any) -> list[tuple[int, str, str, int, float, float, float, float]]:
    found = store.rollups(width, SeriesQuery(**chosen))
    return [(b.time - START, b.device, b.metric, b.count, b.min, round(b.mean, 9), b.max, b.last) for b in found]


def test_minutes_hours_and_days_agree_with_the_rows(reopen: Open) -> None:
    store: Any = reopen()
    chance = random.Random(3)
    told = [
        reading(
            device,
            START + n * 7 * MINUTE + 5,
            pm25=round(chance.uniform(0, 300), 1),
            no2=float(n),
            running=n % 2 == 0,
            name="x",
        )
        for n in range(400)
        for device in ("a", "b,c d")
    ]
    store.write("events", told, 0, len(told))
    remake(store, Window(START, START + 2 * DAY))
    for width, every in WIDTHS.items():
        expected = store.buckets(SeriesQuery(), every)
        found = store.rollups(width, SeriesQuery())
        assert [(b.time, b.device, b.metric, b.count, b.min, b.max, b.last, b.kind) for b in found] == [
            (b.time, b.device, b.metric, b.count, b.min, b.max, b.last, b.kind) for b in expected
        ]
        assert [b.mean for b in found] == pytest.approx([b.mean for b in expected])
    assert {b.metric for b in store.rollups("1h", SeriesQuery())} == {"pm25", "no2", "running"}


def test_late_data_reaches_every_width_and_twice_is_once(reopen: Open) -> None:
    store: Any = reopen()
    store.write("events", [reading("a", START + 5, pm25=10.0), reading("a", START + HOUR, pm25=20.0)], 0, 2)
    remake(store, Window(START, START + DAY))
    assert figures(store, "1d") == [(0, "a", "pm25", 2, 10.0, 15.0, 20.0, 20.0)]
    late = [reading("a", START + 6, pm25=60.0)]
    store.write("events", late, 2, 3)
    for _ in range(2):
        for window in windows(set().union(*touched(late).values())):
            remake(store, window)
    assert figures(store, "1m") == [
        (0, "a", "pm25", 2, 10.0, 35.0, 60.0, 60.0),
        (HOUR, "a", "pm25", 1, 20.0, 20.0, 20.0, 20.0),
    ]
    assert figures(store, "1h")[0] == (0, "a", "pm25", 2, 10.0, 35.0, 60.0, 60.0)
    assert figures(store, "1d") == [(0, "a", "pm25", 3, 10.0, 30.0, 60.0, 20.0)]
    assert len(store.series(SeriesQuery())) == 3


def denial(device: str, at: int, metric: str, mark: str = "fault") -> Reading:
    return Reading(device, at, {}, None, {metric: mark}, at + HOUR, "x", "air-station")


@pytest.mark.parametrize("mark", ["fault", "manual"])
@pytest.mark.parametrize("again", ["touched", "rebuilt"])
def test_a_mark_that_comes_later_takes_its_value_out_of_every_width(reopen: Open, mark: str, again: str) -> None:
    """The only value of its minute and hour, one of two of its minute, and none: a usable mark denies nothing. What stands beside a
    denied value in the same point stays."""
    store: Any = reopen()
    told = [
        reading("a", START + 5, pm25=900.0, no2=1.0),
        reading("a", START + HOUR, pm25=20.0),
        reading("a", START + HOUR + 1, pm25=800.0),
        reading("b", START + 5, pm25=3.0),
    ]
    store.write("events", told, 0, 4)
    remake(store, Window(START, START + DAY))
    later = [
        denial("a", START + 5, "pm25", mark),
        denial("a", START + HOUR + 1, "pm25", mark),
        denial("a", START + 9, "no2", mark),
    ]
    store.write("events", later, 4, 7)
    if again == "touched":
        for part in parts(touched(later)):
            for width in WIDTHS:
                remake_touched(store, width, part, denied(later))
    else:
        rebuild(store, None, START + DAY, START + DAY)
    assert figures(store, "1m", metric="no2") == [(0, "a", "no2", 1, 1.0, 1.0, 1.0, 1.0)]
    assert figures(store, "1m", device="b") == [(0, "b", "pm25", 1, 3.0, 3.0, 3.0, 3.0)]
    found = {
        width: [row[0:1] + row[3:4] + row[6:7] for row in figures(store, width, device="a", metric="pm25")]
        for width in WIDTHS
    }
    if mark == "fault":
        assert found == {"1m": [(HOUR, 1, 20.0)], "1h": [(HOUR, 1, 20.0)], "1d": [(0, 1, 20.0)]}
        assert [(b.time - START, b.count) for b in store.folded("1h", SeriesQuery(device="a", metric="pm25"), DAY)] == [
            (0, 1)
        ]
    else:
        assert found == {
            "1m": [(0, 1, 900.0), (HOUR, 2, 800.0)],
            "1h": [(0, 1, 900.0), (HOUR, 2, 800.0)],
            "1d": [(0, 3, 900.0)],
        }


def test_a_value_doubted_after_its_minute_was_made_leaves_it(reopen: Open) -> None:
    """The hub's own tests write a value again with their mark; a device that reports once in a minute leaves nothing else in it."""
    store: Any = reopen()
    said = reading("a", START + 5, pm25=900.0)
    store.write("events", [said], 0, 1)
    remake(store, Window(START, START + DAY))
    again = [msgspec.structs.replace(said, marks={"pm25": "suspect"})]
    store.write("derived", again, 0, 1)
    for width in WIDTHS:
        remake_touched(store, width, touched(again), denied(again))
    assert [store.rollups(width, SeriesQuery()) for width in WIDTHS] == [[], [], []]


def test_what_was_made_of_rows_that_are_gone_is_not_denied(reopen: Open) -> None:
    store: Any = reopen()
    store.write("events", [reading("a", START + 5, pm25=1.0)], 0, 1)
    remake(store, Window(START, START + DAY))
    store.forget("raw", START + DAY)
    store.forget("1m", START + DAY)
    later = [denial("a", START + 5, "pm25")]
    store.write("events", later, 1, 2)
    for width in WIDTHS:
        remake_touched(store, width, touched(later), denied(later))
    assert [len(store.rollups(width, SeriesQuery())) for width in WIDTHS] == [0, 1, 1] or not _forgets(store)


def _forgets(store: Any) -> bool:
    """Whether the server can delete at all."""
    return not store.series(SeriesQuery())


def test_rollups_can_be_chosen_and_survive_a_restart(reopen: Open) -> None:
    store: Any = reopen()
    told = [reading(device, START + n * HOUR, pm25=float(n), no2=1.0) for n in range(5) for device in "ab"]
    store.write("events", told, 0, 10)
    remake(store, Window(START, START + 5 * HOUR))
    store = reopen()
    assert [
        row[0] // HOUR
        for row in figures(store, "1h", start=START + HOUR, end=START + 3 * HOUR, device="a", metric="pm25")
    ] == [1, 2]
    assert len(figures(store, "1h", limit=3)) == 3
    assert figures(store, "1h", device="nobody") == []


def test_remaking_what_was_touched_is_remaking_everything(reopen: Open) -> None:
    store: Any = reopen()
    chance = random.Random(7)
    told = [
        reading(device, START + minute * MINUTE + 3, pm25=round(chance.uniform(0, 300), 1), no2=float(minute))
        for device in ("a", "b", "c")
        for minute in sorted(chance.sample(range(3 * 1440), 40))
    ]
    store.write("events", told, 0, len(told))
    minutes = touched(told)
    written = sum(store.remake(width, part) for width in WIDTHS for part in parts(minutes))
    made = {width: store.rollups(width, SeriesQuery()) for width in WIDTHS}
    assert written >= sum(map(len, made.values()))
    remake(store, Window(START, START + 3 * DAY))
    for width in WIDTHS:
        again = store.rollups(width, SeriesQuery())
        assert [(b.time, b.device, b.metric, b.count, b.min, b.max, b.last, b.kind) for b in made[width]] == [
            (b.time, b.device, b.metric, b.count, b.min, b.max, b.last, b.kind) for b in again
        ]
        assert [b.mean for b in made[width]] == pytest.approx([b.mean for b in again])


NAMES = ("a", 'say "7"', "o'clock; SELECT 1", "b,c d=e", "Straße ü", "河道一号")


def test_sparse_history_of_many_devices_is_what_its_readings_say(reopen: Open) -> None:
    """A few windows of each device, one minute each, so that many questions go in one request: families and names of all sorts, and
    minutes of which a value is doubted."""
    store: Any = reopen()
    chance = random.Random(11)
    told = []
    for number, device in enumerate(NAMES):
        for minute in chance.sample(range(365 * 1440), 6):
            at = START + minute * MINUTE
            values = {"pm25": chance.uniform(0, 300), "no2": float(minute)} if number % 2 else {"water_level": 1.5}
            told += [reading(device, at + 3, **values), reading(device, at + 4, **values, spare_metric=2.0)]
    doubted = [msgspec.structs.replace(said, marks=dict.fromkeys(said.values, "suspect")) for said in told[::4]]
    told[::4] = doubted
    store.write("events", told, 0, len(told))
    for part in parts(touched(told)):
        for width in WIDTHS:
            store.remake(width, part)
    good = [said for said in told if not said.marks]
    rows = [
        Bucket(said.observed_at, said.device, metric, 1, *[value] * 4, said.kind)
        for said in good
        if said.observed_at is not None
        for metric, value in said.values.items()
        if isinstance(value, float)
    ]
    expected = fold(rows, MINUTE)
    assert len({bucket.metric for bucket in expected}) == 4
    for width, every in WIDTHS.items():
        expected = fold(expected, every)
        found = store.rollups(width, SeriesQuery())
        assert [(b.time, b.device, b.metric, b.count, b.min, b.max, b.last, b.kind) for b in found] == [
            (b.time, b.device, b.metric, b.count, b.min, b.max, b.last, b.kind) for b in expected
        ]
        assert [b.mean for b in found] == pytest.approx([b.mean for b in expected])


def test_what_was_not_touched_is_left_as_it_is(reopen: Open) -> None:
    store: Any = reopen()
    told = [reading(device, START + n * HOUR, pm25=1.0) for device in ("a", "b") for n in range(48)]
    store.write("events", told, 0, len(told))
    remake(store, Window(START, START + 2 * DAY))
    store.forget("raw", START + DAY)  # what minutes, hours and days were made of
    late = [reading("a", START + 30 * HOUR, pm25=5.0)]
    store.write("events", late, len(told), len(told) + 1)
    for width in WIDTHS:
        store.remake(width, touched(late))
    assert len(figures(store, "1m")) == 96
    assert len(figures(store, "1h", device="b")) == 48
    assert len(figures(store, "1d", device="b")) == 2
    assert [b.last for b in store.rollups("1h", SeriesQuery(START + 30 * HOUR, START + 31 * HOUR, "a"))] == [5.0]


@given(
    st.dictionaries(
        st.sampled_from([f"d{n}" for n in range(5)]), st.sets(st.integers(0, 200_000), min_size=1), max_size=5
    )
)
def test_parts_are_every_touched_minute_once_the_newest_first(touched_minutes: dict[str, set[int]]) -> None:
    minutes = {device: {number * MINUTE for number in starts} for device, starts in touched_minutes.items()}
    found = list(parts(minutes))
    told = [(start, device) for part in found for device, starts in part.items() for start in starts]
    assert sorted(told) == sorted((start, device) for device, starts in minutes.items() for start in starts)
    ends = [(min(map(min, part.values())) // HOUR, max(map(max, part.values())) // HOUR) for part in found]
    assert all(newer[0] >= older[1] for newer, older in pairwise(ends))
    hours = [{(device, start // HOUR) for device, starts in part.items() for start in starts} for part in found]
    assert len(set().union(*hours)) == sum(map(len, hours)), "an hour of a device is made anew once"


def test_a_year_of_one_device_holds_nobody_up() -> None:
    """Parting its minutes never keeps the other threads waiting: what they see is the time from turn to turn. By the CPU that this process spent
    meanwhile, because on a busy machine every turn may be late; and sorting all of them at once took 1.1 s, many times what is allowed."""
    year = {"a": {START + n * MINUTE for n in range(525_600)}}
    working = threading.Thread(target=lambda: sum(map(len, parts(year))))
    longest = 0.0
    working.start()
    while working.is_alive():
        spent = time.process_time()
        time.sleep(0.001)
        longest = max(longest, time.process_time() - spent)
    assert longest < 0.75


@pytest.mark.parametrize("metric", ["pm25", None])
def test_a_store_folds_rollups_as_the_hub_does(reopen: Open, metric: str | None) -> None:
    store: Any = reopen()
    told = [reading(device, START + n * MINUTE, pm25=n % 7.0, no2=1.0) for n in range(180) for device in ("a", "b")]
    store.write("events", told, 0, len(told))
    remake(store, Window(START, START + 3 * HOUR))
    query = SeriesQuery(START + 15 * MINUTE, START + 2 * HOUR, metric=metric)
    found, expected = store.folded("1m", query, 10 * MINUTE), fold(store.rollups("1m", query), 10 * MINUTE)
    assert [(b.time, b.device, b.metric, b.count, b.min, b.max, b.last, b.kind) for b in found] == [
        (b.time, b.device, b.metric, b.count, b.min, b.max, b.last, b.kind) for b in expected
    ]
    assert [b.mean for b in found] == pytest.approx([b.mean for b in expected])


def test_a_minute_whose_values_were_all_denied_is_in_no_wider_bucket(reopen: Open) -> None:
    store: Any = reopen()
    told = [reading("a", START + n * MINUTE, pm25=float(n)) for n in range(20)]
    store.write("events", told, 0, len(told))
    remake(store, Window(START, START + HOUR))
    gone = [
        bucket
        for bucket in store.rollups("1m", SeriesQuery(metric="pm25"))
        if bucket.last in (0.0, 9.0, *range(10, 20))
    ]
    store.drop_rollups("1m", gone)
    (found,) = store.folded("1m", SeriesQuery(START, START + HOUR, metric="pm25"), 10 * MINUTE)
    assert (found.count, found.min, found.mean, found.max, found.last) == (8, 1.0, 4.5, 8.0, 8.0)


def test_retention_drops_what_is_old_and_nothing_else(reopen: Open) -> None:
    store: Any = reopen()
    told = [reading("a", START + n * DAY, pm25=float(n)) for n in range(6)]
    store.write("events", told, 0, 6)
    remake(store, Window(START, START + 6 * DAY))
    now = START + 6 * DAY
    apply_retention(store, {"raw": 2, "1m": 4, "1h": 0}, now)
    if getattr(getattr(store, "_options", None), "version", 0) == 3:
        assert len(store.series(SeriesQuery())) == 6  # 3 cannot delete: said in the README
        return
    assert [row.value for row in store.series(SeriesQuery())] == [4.0, 5.0]
    assert [len(figures(store, width)) for width in WIDTHS] == [4, 6, 6]


buckets = st.lists(
    st.builds(
        lambda minute, values: Bucket(
            minute * MINUTE, "a", "pm25", len(values), min(values), sum(values) / len(values), max(values), values[-1]
        ),
        st.integers(0, 200),
        st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5),
    ),
    unique_by=lambda bucket: bucket.time,
    max_size=50,
)


@given(buckets)
def test_folding_in_two_steps_is_folding_in_one(made: list[Bucket]) -> None:
    at_once = fold(made, DAY)
    in_steps = fold(fold(made, HOUR), DAY)
    assert [(b.time, b.count, b.min, b.max, b.last) for b in at_once] == [
        (b.time, b.count, b.min, b.max, b.last) for b in in_steps
    ]
    assert [b.mean for b in at_once] == pytest.approx([b.mean for b in in_steps], abs=1e-6)
    assert all(b.min <= b.mean <= b.max for b in at_once)
    assert sum(b.count for b in at_once) == sum(b.count for b in made)


@given(st.sets(st.integers(0, 10_000)))
def test_windows_cover_every_touched_minute_once(minutes: set[int]) -> None:
    found = windows(minute * MINUTE for minute in minutes)
    assert all(any(window.start <= minute * MINUTE < window.end for window in found) for minute in minutes)
    assert all(before.end + HOUR <= after.start for before, after in pairwise(found))


RANGES = [
    (0, 3 * DAY, DAY),
    (7 * MINUTE + 3, 3 * DAY - 5, DAY),
    (HOUR + 1, 2 * DAY + 1, 3 * HOUR),
    (HOUR, HOUR + 90 * MINUTE, HOUR),
    (5, 2 * HOUR, 10 * MINUTE),
    (7 * MINUTE + 3, DAY - 5, 10 * MINUTE),
    (5, 40 * MINUTE, 7_000_000_000),
    (0, 30 * DAY, 2 * DAY),
]
"""From, to and width of buckets; times after START."""
SHARED_OUT = RANGES[1::3]
"""Those at which it is also tried who sees what: by days, within hours, far into what is not there yet."""


@pytest.mark.parametrize(
    "reopen",
    [
        "duckdb",
        pytest.param("influxdb 1", marks=pytest.mark.acceptance),
        pytest.param("influxdb 2", marks=(pytest.mark.acceptance, pytest.mark.long)),
        pytest.param("influxdb 3", marks=(pytest.mark.acceptance, pytest.mark.long)),
    ],
    indirect=True,
)
@pytest.mark.parametrize("made", ["a part", "none"])
def test_buckets_of_any_width_are_those_of_the_rows(reopen: Open, made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever rollups there are: the newest hours and days are not made yet, or made before they were over, or none is made."""
    monkeypatch.setattr(every_, "FROM_ROWS_NS", 0)
    store: Any = reopen()
    chance = random.Random(5)
    told = [
        reading(device, START + n * 33 * MINUTE + 5, pm25=round(chance.uniform(0, 300), 1), no2=1.0)
        for n in range(120)
        for device in ("a", "b")
    ]
    store.write("events", told, 0, len(told))
    if made == "a part":
        remake(store, Window(START, START + DAY + 5 * HOUR))
        remake(store, Window(START + DAY + 5 * HOUR, START + DAY + 7 * HOUR), ("1m",))
        # More comes into the day that was made last.
        store.write("events", [reading("a", START + DAY + 8 * HOUR + MINUTE, pm25=999.0)], 240, 241)
    for start, end, every in RANGES:
        query = SeriesQuery(START + start, START + end, "a", "pm25")
        found, expected = buckets_every(store, query, every), store.buckets(query, every)
        assert [(b.time, b.device, b.metric, b.count, b.min, b.max, b.last) for b in found] == [
            (b.time, b.device, b.metric, b.count, b.min, b.max, b.last) for b in expected
        ], (start, end, every)
        assert [b.mean for b in found] == pytest.approx([b.mean for b in expected])
        newest = SeriesQuery(START + start, START + end, "a", "pm25", limit=2, newest=True)
        assert buckets_every(store, newest, every) == found[-2:]
        if (start, end, every) not in SHARED_OUT:
            continue
        for devices in (("b", "nobody"), ("a", "b"), (), None):  # somebody who may see one of them sees no other's
            some = SeriesQuery(START + start, START + end, metric="pm25", devices=devices)
            seen = {bucket.device for bucket in buckets_every(store, some, every)}
            assert seen <= set(devices if devices is not None else ("a", "b"))
            whole = [bucket.time for bucket in buckets_every(store, some, every)]
            for newest_first, wanted in ((True, whole[-3:]), (False, whole[:3])):
                cut = msgspec.structs.replace(some, limit=3, newest=newest_first)
                assert [bucket.time for bucket in buckets_every(store, cut, every)] == wanted


def test_what_came_late_shows_at_once_in_a_short_range(reopen: Open) -> None:
    store: Any = reopen()
    told = [reading("a", START + n * MINUTE, pm25=1.0) for n in (0, 1, 120, 121)]
    store.write("events", told, 0, 4)
    remake(store, Window(START, START + 3 * HOUR))
    store.write("events", [reading("a", START + 30 * MINUTE, pm25=9.0)], 4, 5)
    found = buckets_every(store, SeriesQuery(START, START + DAY, "a", "pm25"), HOUR)
    assert [(bucket.count, bucket.max) for bucket in found] == [(3, 9.0), (2, 1.0)]


@given(
    st.dictionaries(
        st.sampled_from([f"d{n}" for n in range(20)]), st.sets(st.integers(0, 200_000), min_size=1), max_size=20
    )
)
def test_jobs_cover_every_touched_minute_of_every_device(touched_minutes: dict[str, set[int]]) -> None:
    minutes = {device: {number * MINUTE for number in starts} for device, starts in touched_minutes.items()}
    found = jobs(minutes)
    for device, starts in minutes.items():
        mine = [window for of, window in found if of in (None, device)]
        assert all(any(window.start <= start < window.end for window in mine) for start in starts)


def test_sparse_history_of_years_is_made_in_few_queries() -> None:
    """A reading every two hours for a year made 4,380 windows of a device, each with queries of its own."""
    minutes = {f"d{n}": {START + at * 2 * HOUR + n * MINUTE for at in range(4_380)} for n in range(20)}
    assert len(jobs(minutes)) <= 20 * WINDOWS_MAX


@given(
    st.dictionaries(st.sampled_from("abcdefghij"), st.sets(st.integers(0, 200_000), min_size=1), max_size=10),
    st.sampled_from(list(WIDTHS)),
)
def test_lots_are_every_job_in_order_and_bounded(touched_minutes: dict[str, set[int]], width: str) -> None:
    every, part_of = WIDTHS[width], HOUR if width == "1d" else MINUTE
    found = jobs({name: {n * MINUTE // every * every for n in some} for name, some in touched_minutes.items()})
    gathered = list(lots(found, width))
    one_by_one = [query for job in found for lot in lots([job], width) for query in lot]
    assert [query for lot in gathered for query in lot] == one_by_one
    for lot in gathered:
        assert all(query.start % every == 0 == query.end % every for query in lot if query.start and query.end)
        assert len(lot) == 1 or None not in {query.device for query in lot}
        assert sum((query.end or 0) - (query.start or 0) for query in lot) <= LOT_PARTS * part_of


def test_minutes_of_many_devices_are_asked_for_together_where_that_is_less() -> None:
    present = {f"d{n}": {START, START + MINUTE} for n in range(200)}
    assert jobs(present) == [(None, Window(START, START + 2 * MINUTE))]
    month = {f"d{n}": set(range(START, START + 20 * DAY, 10 * MINUTE)) for n in range(2 * TOGETHER)}
    assert None not in {device for device, _ in jobs(month)}
