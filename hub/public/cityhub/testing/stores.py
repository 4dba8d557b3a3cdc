"""The laws that every store meets: what is written comes back whole, once, in order, also after a restart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.model import AlertChange, CameraView, Change, Event, Position, Reading, Tick, Value
from hub.ports import SeriesQuery, Store
from hub.store.outcome import Written

T = 1_770_000_000_000_000_000
MINUTE = 60_000_000_000
DAY = 1440 * MINUTE
Open = Callable[[], Store]


def reading(device: str = "a", at: int = T, **values: Value) -> Reading:
    return Reading(device, at, values, received_at=at + 5, adapter="x", kind="air-station")


def cells(store: Store, query: SeriesQuery | None = None) -> list[tuple[str, int, str, Any]]:
    return [(row.device, row.time, row.metric, row.value) for row in store.series(query or SeriesQuery())]


def change(ordinal: int = 0, at: int = T, **more: Any) -> AlertChange:
    views = [CameraView("c1", 0.9, 140.0, 12.0, True, "in its sector", "gate", "rtsp://x")]
    return AlertChange(
        "flood/level/河 1/2026", ordinal, at, "flood/level", "河 1", Change.RAISED, "red", 'high "water"\nnow', {"water_level": 3.5, "alarms": ["x"]},
        Position(116.4, 39.9), views, [{"at": at, "value": 3.5}], area="north, old", **more,
    )  # fmt: skip


class StoreLaws:
    """A test class that derives from this and has a fixture `reopen` holds a store to them. `reopen()` closes the store that it opened
    before, if any, and opens the same one again, as a hub that restarts does; the first call of a test finds it empty."""

    def test_of_readings_with_one_key_the_last_stands_and_the_others_are_counted(self, reopen: Open) -> None:
        store = reopen()
        written = Written()
        first, second = [reading(pm25=1.0), reading(pm25=2.0), reading(no2=1.0)], [reading(pm25=3.0, no2=2.0)]
        outcomes = [
            written.outcome(batch, store.write("events", batch, 0, number))
            for number, batch in enumerate((first, second))
        ]
        assert [(outcome.stored.total(), outcome.replaced.total()) for outcome in outcomes] == [(2, 1), (0, 1)]
        assert sorted(cells(store)) == [("a", T, "no2", 2.0), ("a", T, "pm25", 3.0)]

    def test_what_is_marked_is_in_no_bucket(self, reopen: Open) -> None:
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

    def test_a_mark_without_a_value_says_of_what_quality_the_value_of_its_time_is(self, reopen: Open) -> None:
        """Whether that was written before, in the same batch, or not at all; other metrics, times and devices stay as they are."""
        store = reopen()
        store.write("events", [reading("a", T, pm25=900.0, no2=1.0), reading("b", T, pm25=1.0)], 0, 2)
        marked = [
            Reading("a", at, {}, None, {"pm25": "fault"}, at + MINUTE, "x", "air-station") for at in (T, T + 1, T + 2)
        ]
        store.write("events", [reading("a", T + 1, pm25=901.0), *marked, reading("a", T + 3, pm25=2.0)], 2, 7)
        store = reopen()
        assert [(row.device, row.time - T, row.metric, row.value, row.quality, row.received_at - row.time <= 5) for row in sorted(store.series(SeriesQuery()), key=lambda row: (row.device, row.time, row.metric))] == [
            ("a", 0, "no2", 1.0, 0, True),
            ("a", 0, "pm25", 900.0, 4, True),
            ("a", 1, "pm25", 901.0, 4, True),
            ("a", 3, "pm25", 2.0, 0, True),
            ("b", 0, "pm25", 1.0, 0, True),
        ]  # fmt: skip
        assert [(b.device, b.metric, b.count, b.max) for b in store.buckets(SeriesQuery(), DAY)] == [
            ("a", "no2", 1, 1.0),
            ("a", "pm25", 1, 2.0),
            ("b", "pm25", 1, 1.0),
        ]
        assert [(row.metric, row.quality) for row in store.latest(["a"])] == [("no2", 0), ("pm25", 0)]

    def test_a_value_behind_its_mark_is_of_the_quality_that_the_mark_says(self, reopen: Open) -> None:
        """The value was measured before the mark was made, and says nothing of its quality. It may come behind: from a logger's memory, or
        because the mark came by another stream. Only another mark takes the place of one, whatever comes without."""
        fault, ill, by_hand = {"pm25": "fault"}, {"pm25": "suspect"}, {"pm25": "manual"}
        alone: dict[str, Value] = {}
        measured: dict[str, Value] = {"pm25": 900.0}

        def said(at: int, values: dict[str, Value], marks: dict[str, str] | None = None) -> Reading:
            return Reading("a", T + at, values, None, marks, T + 9 * MINUTE + at, "x", "air-station")

        store = reopen()
        store.write("derived", [said(0, measured, ill)], 0, 1)
        store.write("events", [said(1, alone, fault), said(2, measured, fault), said(3, alone, fault)], 0, 3)
        store.write(
            "events",
            [said(4, alone, fault), said(4, measured), said(5, measured, fault), said(5, alone, by_hand)],
            3,
            7,
        )
        store = reopen()
        store.write(
            "events",
            [said(0, measured), said(1, measured), said(2, {"pm25": 901.0}), reading("b", T + 1, pm25=1.0)],
            7,
            11,
        )
        store.write("events", [said(3, measured, by_hand), said(5, measured), said(6, measured)], 11, 14)
        of_a = store.series(SeriesQuery(device="a"))
        assert [(row.time - T, row.value, row.quality) for row in of_a] == [
            (0, 900.0, 10),
            (1, 900.0, 4),
            (2, 901.0, 4),
            (3, 900.0, 3),
            (4, 900.0, 4),
            (5, 900.0, 3),
            (6, 900.0, 0),
        ]
        assert [(row.device, row.quality) for row in store.latest()] == [("a", 0), ("b", 0)]
        assert [(bucket.device, bucket.count) for bucket in store.buckets(SeriesQuery(), DAY)] == [("a", 3), ("b", 1)]

    def test_marks_without_values_do_not_count_as_rows_where_a_limit_cuts(self, reopen: Open) -> None:
        store = reopen()
        silent = [Reading("a", T + n, {}, None, {"pm25": "fault"}, T + n, "x", "air-station") for n in range(1, 30)]
        store.write("events", [reading("a", T, pm25=1.0), *silent, reading("a", T + 30, pm25=2.0)], 0, 31)
        for newest in (False, True):
            assert [row.value for row in store.series(SeriesQuery(limit=2, newest=newest))] == [1.0, 2.0]

    def test_where_a_limit_cuts_the_newest_can_be_asked_for(self, reopen: Open) -> None:
        store = reopen()
        store.write("events", [reading("a", T + n, pm25=float(n), water_level=1.0) for n in range(20)], 0, 20)
        newest = store.series(SeriesQuery(limit=4, newest=True))
        assert [row.time for row in newest] == [T + 18, T + 18, T + 19, T + 19]
        assert [row.time for row in store.series(SeriesQuery(limit=2, metric="pm25"))] == [T, T + 1]

    def test_a_fresh_store_has_no_cursor_and_no_rows(self, reopen: Open) -> None:
        store = reopen()
        assert store.cursor("events") is None
        assert cells(store) == []
        assert store.latest() == []
        assert store.changes() == []

    def test_rows_come_back_with_everything_that_was_said(self, reopen: Open) -> None:
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
        batch: list[Event] = [Tick(T), said]
        assert store.write("events", batch, 0, 2) == []
        rows = store.series(SeriesQuery())
        assert [(row.metric, row.value, row.quality) for row in sorted(rows, key=lambda row: row.metric)] == [
            ("no2", 3.0, 4),
            ("pm25", 12.5, 0),
        ]
        assert {(row.time, row.device, row.kind, row.lon, row.lat, row.received_at) for row in rows} == {
            (T + 123, "a b,c=d", "bus", 116.4, 39.9, T + MINUTE)
        }

    def test_a_batch_written_twice_is_there_once(self, reopen: Open) -> None:
        batch = [reading("a", T + n, pm25=float(n), name="x") for n in range(50)]
        store = reopen()
        store.write("events", batch, 0, 50)
        before = store.series(SeriesQuery())
        store = reopen()
        store.write("events", batch, 0, 50)
        assert store.series(SeriesQuery()) == before
        assert len(before) == 100
        assert store.cursor("events") == 50

    def test_the_value_written_last_wins(self, reopen: Open) -> None:
        store = reopen()
        store.write("events", [reading(pm25=1.0), reading(pm25=2.0)], 0, 2)
        store.write("derived", [reading(pm25=3.0)], 0, 1)
        assert cells(store) == [("a", T, "pm25", 3.0)]
        assert [row.value for row in store.latest()] == [3.0]
        assert (store.cursor("events"), store.cursor("derived")) == (2, 1)

    def test_cursors_survive_a_restart_and_each_stream_has_its_own(self, reopen: Open) -> None:
        reopen().write("events", [reading(pm25=1.0)], 0, 7)
        store = reopen()
        assert store.cursor("events") == 7
        assert store.cursor("alerts") is None

    def test_a_batch_without_readings_moves_the_cursor(self, reopen: Open) -> None:
        store = reopen()
        store.write("events", [Tick(T), Tick(T + 1)], 0, 2)
        assert store.cursor("events") == 2

    def test_line_breaks_in_a_text_break_nothing(self, reopen: Open) -> None:
        store = reopen()
        store.write("events", [reading("a", name="one\ntwo\r\nthree"), reading("b", pm25=1.0)], 0, 2)
        assert ("b", T, "pm25", 1.0) in cells(store)
        text = next(value for device, _, _, value in cells(store) if device == "a")
        assert text.split() == ["one", "two", "three"]

    def test_flags_and_lists_of_texts(self, reopen: Open) -> None:
        store = reopen()
        store.write("events", [reading(running=True, alarms=["sos", '多"x'], ignition=False)], 0, 1)
        assert {(metric, value) for _, _, metric, value in cells(store)} == {
            ("running", True),
            ("ignition", False),
            ("alarms", '["sos", "多\\"x"]'),
        }

    def test_a_fix_without_values_is_kept_as_a_position(self, reopen: Open) -> None:
        store = reopen()
        store.write("events", [Reading("a", T, {}, Position(116.5, 39.25), received_at=T)], 0, 1)
        assert cells(store) == [("a", T, "position", "POINT (116.5 39.25)")]
        assert [row.lon for row in store.latest()] == [116.5]

    def test_latest_is_the_newest_by_observed_time(self, reopen: Open) -> None:
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

    def test_series_choose_by_time_device_metric_and_limit(self, reopen: Open) -> None:
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

    def test_buckets_sum_up_what_charts_show(self, reopen: Open) -> None:
        store = reopen()
        start = T - T % MINUTE
        store.write(
            "events",
            [reading("a", start + n * MINUTE // 2, pm25=float(n), running=True, name="x") for n in range(4)],
            0,
            4,
        )
        found = store.buckets(SeriesQuery(start, start + 10 * MINUTE, "a", "pm25"), MINUTE)
        assert [(b.time, b.device, b.metric, b.count, b.min, b.mean, b.max, b.last) for b in found] == [
            (start, "a", "pm25", 2, 0.0, 0.5, 1.0, 1.0),
            (start + MINUTE, "a", "pm25", 2, 2.0, 2.5, 3.0, 3.0),
        ]
        assert {b.metric for b in store.buckets(SeriesQuery(start, start + MINUTE), MINUTE)} == {"pm25", "running"}

    def test_alert_changes_come_back_whole_in_order_and_once(self, reopen: Open) -> None:
        store = reopen()
        said = [change(0), change(1, T, late=True), change(2, T + 5 * MINUTE, who="li", note="seen")]
        store.write("alerts", said, 0, 3)
        store.write("alerts", said[1:], 1, 3)
        assert store.changes() == said
        assert store.changes(T + MINUTE, T + 9 * MINUTE) == said[2:]
        assert store.changes(T, T + 1) == said[:2]
        assert cells(store) == []
        assert store.cursor("alerts") == 3
