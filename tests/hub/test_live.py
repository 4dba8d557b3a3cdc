"""The present: the newest by observed time, whatever clocks say."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.api.views import device
from hub.live import ALL_AT_ONCE, DeviceState, Live
from hub.model import Position, Reading, Value
from hub.moment import SECOND

NOW = 1_790_000_000 * SECOND
HOUR = 3600 * SECOND


def report(value: float, observed: int, received: int | None = None, position: Position | None = None) -> Reading:
    at = observed if received is None else received
    return Reading(
        "gauge-7", observed, {"water_level": value}, position, received_at=at, adapter="x", kind="river-gauge"
    )


def shown(*reports: Reading) -> tuple[object, int, int]:
    live = Live()
    live.feed(reports)
    state = live.devices["gauge-7"]
    return state.values["water_level"], state.told_at("water_level"), state.observed_at


def test_a_report_dated_ahead_hides_nothing_that_comes_after() -> None:
    ahead = report(1.0, NOW + 540 * SECOND, NOW)
    assert shown(ahead) == (1.0, NOW - 2 * SECOND, NOW - 2 * SECOND)
    later = report(2.0, NOW + 10 * SECOND)
    assert shown(ahead, later) == (2.0, NOW + 10 * SECOND, NOW + 10 * SECOND)
    sent_together = report(2.0, NOW - SECOND, NOW)
    assert shown(ahead, sent_together) == (2.0, NOW - SECOND, NOW - SECOND)
    assert shown(report(0.5, NOW - 1), ahead) == (1.0, NOW - 1, NOW - 1)
    assert shown(ahead, report(3.0, NOW - 10 * SECOND, NOW + SECOND)) == (1.0, NOW - 2 * SECOND, NOW - 2 * SECOND)


def test_a_clock_of_the_hub_that_was_ahead_and_is_set_back_hides_nothing() -> None:
    for step in (HOUR, 24 * HOUR, 365 * 24 * HOUR):
        wrong = report(1.0, NOW + step, position=Position(1, 2))
        right = report(2.0, NOW + SECOND, position=Position(3, 4))
        assert shown(wrong, right) == (2.0, NOW + SECOND, NOW + SECOND)
        live = Live()
        live.feed([wrong, right])
        assert live.devices["gauge-7"].position == Position(3, 4)


def test_a_clock_of_the_hub_that_jumps_ahead_goes_on() -> None:
    assert shown(report(1.0, NOW), report(2.0, NOW + 24 * HOUR)) == (2.0, NOW + 24 * HOUR, NOW + 24 * HOUR)


def test_what_reaches_the_present_late_is_still_news() -> None:
    """A busy hub looked at the present between a report's receipt and its arrival here; going by receive times, the page never heard of it."""
    live = Live()
    live.feed([report(1.0, 100, 100)])
    turn = live.turn
    assert live.heard_after(turn) == []
    live.feed([report(2.0, 99, 99)])
    assert [state.readings for state in live.heard_after(turn)] == [2]
    assert live.heard_after(live.turn) == []


def marked(at: int, marks: dict[str, str] | None, values: dict[str, Value] | None = None, later: int = 0) -> Reading:
    return Reading("gauge-7", at, values or {}, None, marks, at + later, "x", "river-gauge")


LEVEL: dict[str, Value] = {"water_level": 9.0}
FAULT = {"water_level": "fault"}


@pytest.mark.parametrize(
    ("events", "found", "mark"),
    [
        ([marked(NOW, FAULT, LEVEL)], [], "fault"),
        ([marked(NOW, None, LEVEL), marked(NOW, FAULT, later=HOUR)], [], "fault"),
        ([marked(NOW, FAULT), marked(NOW, None, LEVEL, HOUR)], [], "fault"),
        ([marked(NOW, None, LEVEL), marked(NOW + SECOND, FAULT)], [], "fault"),
        ([marked(NOW, FAULT, LEVEL), marked(NOW + SECOND, None, LEVEL)], [], None),
        ([marked(NOW, FAULT, LEVEL), marked(NOW, {"water_level": "manual"}, LEVEL)], [], "manual"),
        (
            [marked(NOW + SECOND, FAULT, LEVEL), marked(NOW, {"water_level": "manual"}, {"water_level": 1.0}, HOUR)],
            [],
            "fault",
        ),
        ([marked(NOW, None, LEVEL)], [marked(NOW, {"water_level": "suspect"}, LEVEL)], "suspect"),
        ([marked(NOW + SECOND, None, LEVEL)], [marked(NOW, {"water_level": "suspect"}, LEVEL)], None),
        ([marked(NOW, None, LEVEL)], [marked(NOW, None, {"water_level": 1.0})], None),
    ],
)
@pytest.mark.parametrize("found_first", [False, True])
def test_the_newest_value_has_what_is_held_against_it(
    events: list[Reading], found: list[Reading], mark: str | None, found_first: bool
) -> None:
    """By the device, or by the hub's tests, whose verdict comes by another stream and may be there first."""
    live = Live()
    if found_first:
        live.feed_found(found)
    live.feed(events)
    if not found_first:
        live.feed_found(found)
    state = live.devices["gauge-7"]
    shown = device(state, None)["values"]["water_level"]
    assert (shown["value"], shown.get("mark")) == (9.0, mark)
    assert state.usable("water_level") == (9.0 if mark in (None, "manual") else None)
    assert live.heard_after(live.turn - 1) == [state]


readings = st.lists(
    st.tuples(st.integers(1, 9), st.dictionaries(st.sampled_from("abc"), st.integers(0, 99), max_size=3)), max_size=12
)


@given(readings)
def test_each_metric_has_its_newest_value_and_the_time_of_that(told: list[tuple[int, dict[str, Value]]]) -> None:
    """However they come together, late ones too; only what is not of the newest moment has a time of its own."""
    live, expected = Live(), {}
    for at, values in told:
        live.feed([Reading("d", at, values, received_at=10)])
        for metric, value in values.items():
            if at >= expected.get(metric, (0, 0))[1]:
                expected[metric] = (value, at)
        state = live.devices["d"]
        assert {metric: (value, state.told_at(metric)) for metric, value in state.values.items()} == expected
        assert set(state.earlier) == {metric for metric, (_, of) in expected.items() if of < state.observed_at}
        assert (state.earlier is ALL_AT_ONCE) == (not state.earlier)


def test_who_looks_in_the_middle_sees_no_value_with_a_later_time_than_its_own() -> None:
    """Lists are made in threads beside the loop. A mark on the old value would not hold for it any more, and what was denied would be shown."""
    state = DeviceState("gauge-7", "river-gauge", "x", 1, 1, 1)
    looked = 0

    def look(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal looked
        looked += 1
        for metric, value in state.values.items():  # which are the times at which they were told
            assert state.told_at(metric) <= float(value)  # type: ignore[arg-type]
        return look

    sys.settrace(lambda frame, *_: look if frame.f_code is DeviceState.take.__code__ else None)
    try:
        for at, metrics in ((1, "ab"), (5, "a"), (3, "b"), (5, "bc"), (2, "ad"), (9, "cd")):
            state.take({metric: float(at) for metric in metrics}, at)
    finally:
        sys.settrace(None)
    assert looked > 30


def test_what_somebody_goes_through_does_not_grow_meanwhile() -> None:
    state = DeviceState("gauge-7", "river-gauge", "x", NOW, NOW, NOW)
    state.take({"flow": 1.0, "ph": 7.0}, NOW)
    going = iter(state.values.items())
    assert next(going) == ("flow", 1.0)
    state.take({"turbidity": 2.0}, NOW + 1)
    assert list(going) == [("ph", 7.0)]
    assert state.values == {"flow": 1.0, "ph": 7.0, "turbidity": 2.0}
