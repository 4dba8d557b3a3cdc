"""Personal data is taken out of every store when it is due, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from hub.model import AlertChange, CameraView, Change, Position, Reading
from hub.personal import Personal
from hub.ports import SeriesQuery, StoreUnavailable
from hub.store.erasing import Eraser
from hub.store.rollups import DAY, HOUR, WIDTHS, Window, remake
from tests.laws.test_rollups import START
from tests.laws.test_stores import SERVERS, Open, reopen

__all__ = ["reopen"]
KINDS = {"van": "hazmat-truck", "gate": "underpass-gauge", "float": "boat", "bus": "bus", "quiet": "", "roamer": ""}
DRIVER = "Zhuge Liang"
ERASING = ["duckdb", *SERVERS[:2]]
"""InfluxDB 3 cannot delete, so its configuration has no `keep_personal_days`."""


def told(device: str, at: int, position: Position | None = None, **values: Any) -> Reading:
    return Reading(device, at, values, position, received_at=at, adapter="x", kind=KINDS[device])


def warned(device: str, at: int, ordinal: int = 0, title: str = "too fast") -> AlertChange:
    view = CameraView("c", 0.9, 140.0, 12.0, True, "in its sector")
    return AlertChange(
        f"fleet/fast/{device}/{at // DAY}", ordinal, at, "fleet/fast", device, Change.RAISED, "red", title,
        {"speed": 90.0, "driver": DRIVER}, Position(121.4, 31.2), [view], [{"readings": [{"device": device, "metric": "driver", "value": DRIVER}]}], note="his wife called",
    )  # fmt: skip


def filled(store: Any) -> None:
    """Ten days of everybody."""
    place = Position(121.4, 31.2)
    readings = []
    for day in range(10):
        at = START + day * DAY + HOUR
        readings += [
            told("van", at, place, speed=50.0 + day, driver=DRIVER, course=90.0), told("van", at + 1_000_000_000, place),
            told("gate", at, place, water_depth=0.1 * day), told("float", at, place, speed=5.0, driver=DRIVER), told("bus", at, place, speed=20.0),
            told("quiet", at, None, pm25=day + 1.0), told("roamer", at, place, battery=50.0),
        ]  # fmt: skip
    changes = [
        warned(device, START + day * DAY + HOUR, title=f"{DRIVER} is too fast")
        for device in ("van", "gate", "bus")
        for day in (0, 1, 8)
    ]
    store.write("events", readings, 0, len(readings))
    store.write("alerts", changes, 0, len(changes))
    remake(store, Window(START, START + 10 * DAY))


def days(store: Any, device: str) -> list[int]:
    return sorted({(row.time - START) // DAY for row in store.series(SeriesQuery(device=device))})


@pytest.mark.parametrize("reopen", ERASING, indirect=True)
def test_what_is_due_is_gone_from_rows_rollups_and_warnings(reopen: Open) -> None:
    store: Any = reopen()
    filled(store)
    forgotten: list[int] = []
    eraser = Eraser(store, Personal(public=["bus"]), 5, KINDS.get, forgotten.append)
    eraser.step(START + 10 * DAY + HOUR)
    assert forgotten == [START + 5 * DAY]
    for device in ("van", "float", "roamer"):
        assert days(store, device) == [5, 6, 7, 8, 9], device
    for device in ("gate", "bus", "quiet"):
        assert days(store, device) == list(range(10)), device
    for width in WIDTHS:
        rollups = store.rollups(width, SeriesQuery())
        assert {b.device for b in rollups if b.time < START + 5 * DAY} == {"gate", "bus", "quiet"}, width
        assert {b.device for b in rollups if b.time >= START + 5 * DAY} == set(KINDS), width
    found = {(change.subject, (change.at - START) // DAY): change for change in store.changes()}
    assert len(found) == 9, "no warning is lost"
    for (subject, day), change in found.items():
        text = repr(change)
        assert (DRIVER in text) is (day == 8), (subject, day)
        assert change.note == ("his wife called" if day == 8 else ""), (subject, day)
        assert (change.position is None, change.cameras == []) == ((subject == "van" and day < 8),) * 2, (subject, day)
        assert change.values["speed"] == 90.0
    assert found["van", 0].title == "… is too fast"
    again = list(store.changes())
    Eraser(store, Personal(public=["bus"]), 5, KINDS.get).step(START + 10 * DAY + HOUR)  # after a restart: nothing more
    assert store.changes() == again
    assert days(reopen(), "gate") == list(range(10))


@pytest.mark.parametrize("reopen", ["duckdb"], indirect=True)
def test_a_day_later_the_next_day_is_due_and_late_readings_with_it(reopen: Open) -> None:
    store: Any = reopen()
    filled(store)
    eraser = Eraser(store, Personal(), 5, KINDS.get)
    eraser.step(START + 10 * DAY)
    late = [told("van", START + 2 * DAY, None, speed=1.0)]
    store.write("events", late, 70, 71)
    eraser.step(START + 11 * DAY)
    assert days(store, "van") == [6, 7, 8, 9]


@pytest.mark.parametrize("reopen", ["duckdb"], indirect=True)
def test_nothing_is_erased_where_no_days_are_given(reopen: Open) -> None:
    store: Any = reopen()
    filled(store)
    Eraser(store, Personal(), 0, KINDS.get).step(START + 1_000 * DAY)
    assert days(store, "van") == list(range(10))


@pytest.mark.parametrize("reopen", ["duckdb"], indirect=True)
def test_what_people_wrote_is_due_again_where_it_could_not_be_taken_out(reopen: Open) -> None:
    store: Any = reopen()
    filled(store)
    full = [OSError(28, "No space left on device")]
    asked: list[int] = []

    def forget(before: int) -> None:
        asked.append(before)
        if full:
            raise full.pop()

    eraser = Eraser(store, Personal(), 5, KINDS.get, forget)
    with pytest.raises(StoreUnavailable, match="notes that are due cannot be taken out: No space left"):
        eraser.step(START + 10 * DAY)
    eraser.step(START + 10 * DAY)
    eraser.step(START + 10 * DAY)
    assert asked == [START + 5 * DAY] * 2
