"""Operators that learn from the values, against a plain recomputation from the whole series, and through the engine: in words, and
resumed from any point."""

from __future__ import annotations

import random
from math import exp
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model import Device, Reading, Tick
from rules.book import RuleBook, load
from rules.engine import Engine
from rules.figures.ranks import spread
from rules.figures.trends import DAY
from rules.state.learning import Expectation, Residual, Unchanged
from rules.state.samples import Samples

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
START = 1_780_272_000_000_000_000
gaps = st.lists(st.tuples(st.integers(0, 400), st.integers(-3, 3)), min_size=1, max_size=60)


@given(gaps)
def test_how_long_a_value_has_not_moved_is_what_a_look_back_says(steps: list[tuple[int, int]]) -> None:
    memory, told = Unchanged(3), [(-1, 0.0)]
    at = 0
    for gap, value in steps:
        at += gap
        memory.push(at * SECOND, float(value))
        if at > told[-1][0]:
            told.append((at, float(value)))
        same = []
        for moment, earlier in reversed(told[1:]):
            if earlier != told[-1][1]:
                break
            same.append(moment)
        assert memory.value == (same[0] - same[-1] if len(same) >= 3 else 0.0)
        copy = Unchanged(3)
        copy.thaw(msgspec.msgpack.decode(msgspec.msgpack.encode(memory.freeze())))
        assert copy.freeze() == memory.freeze()


@given(
    st.lists(st.tuples(st.integers(1, 9), st.floats(-100, 100)), min_size=4, max_size=50),
    st.sampled_from([10.0, 50.0, 90.0]),
)
@settings(deadline=None)
def test_what_is_expected_is_the_newest_value_and_a_fading_line_through_the_last_horizon(
    steps: list[tuple[int, float]], share: float
) -> None:
    horizon = 60  # minutes; samples at least a twelfth of it apart
    memory = Expectation(horizon * MINUTE, share)
    series: list[tuple[int, float]] = []
    at = 0
    for gap, value in steps:
        at += 5 * gap
        series.append((at, value))
        memory.push(at * MINUTE, value)
        memory.push(at * MINUTE, value + 7)  # the same moment again
        near = [pair for pair in series if at - pair[0] <= horizon]
        kept = near if len(near) >= 4 else [pair for pair in series[-4:] if at - pair[0] <= 8 * horizon]
        times = [moment for moment, _ in kept]
        if len(kept) < 4 or 2 * (times[-1] - times[0]) < horizon:
            assert memory.value is None
            continue
        slope = float(np.polyfit(times, [value for _, value in kept], 1)[0])
        expected = value + slope * horizon * (1 - exp(-1))
        assert memory.value is not None
        if share == 50:
            assert memory.value == pytest.approx(expected, rel=1e-6, abs=1e-6)
        else:
            assert (memory.value <= expected + 1e-6) == (share < 50) or memory.spread == pytest.approx(0, abs=1e-6)
        copy = Expectation(horizon * MINUTE, share)
        copy.thaw(msgspec.msgpack.decode(msgspec.msgpack.encode(memory.freeze())))
        assert copy.freeze() == memory.freeze()


def test_a_steady_rise_reaches_its_limit_about_when_it_is_expected_to() -> None:
    memory = Expectation(30 * MINUTE, 20.0)
    for n in range(40):
        memory.push(n * 5 * MINUTE, 1.0 + 0.1 * n)
    crossing = memory.crossing(5.2)  # 4.9 now, 0.1 in 5 min: after 15 min by the straight line
    assert crossing is not None
    assert 15 * MINUTE <= crossing.at - 39 * 5 * MINUTE <= 25 * MINUTE
    assert memory.crossing(4.0) is None
    assert memory.crossing(9.0) is None


@given(st.integers(0, 1000), st.floats(-3, 3), st.floats(0.5, 50))
@settings(max_examples=30, deadline=None)
def test_a_coupled_channel_is_judged_by_the_line_of_weighted_least_squares(
    seed: int, slope: float, forget_min: float
) -> None:
    chance = random.Random(seed)
    memory = Residual(
        forget_min * 60 * MINUTE,
    )
    pairs: list[tuple[int, float, float]] = []
    for n in range(60):
        x = chance.uniform(0, 10)
        y = 5 + slope * x + chance.uniform(-0.1, 0.1)
        memory.push(n * MINUTE, y, x)
        pairs.append((n, y, x))
    learnt = pairs[:-1]  # the newest is judged by what came before
    weights = [exp(-(learnt[-1][0] - at) / (forget_min * 60)) for at, _, _ in learnt]
    fitted = np.polyfit([x for _, _, x in learnt], [y for _, y, _ in learnt], 1, w=np.sqrt(weights))
    assert memory.expected(3.0) == pytest.approx(float(np.polyval(fitted, 3.0)), abs=0.02)
    assert memory.value is not None
    assert abs(memory.value) < 4
    memory.push(60 * MINUTE, 5 + slope * 4 + 2.0, 4.0)
    assert memory.value is not None
    assert memory.value > 8
    copy = Residual(forget_min * 60 * MINUTE)
    copy.thaw(msgspec.msgpack.decode(msgspec.msgpack.encode(memory.freeze())))
    assert copy.freeze() == memory.freeze()


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(-50, 50)), min_size=1, max_size=60))
def test_a_trend_is_that_of_the_resistant_line_and_needs_half_the_window(rows: list[tuple[int, int]]) -> None:
    store = Samples(32 * SECOND)
    window = store.window(32 * SECOND, True)
    kept: dict[int, float] = {}
    for at, value in rows:
        if at >= max(kept, default=at) - 32:
            kept[at] = float(value)
        store.add(at * SECOND, float(value))
    now = max(kept)
    times = [at for at in sorted(kept) if at >= now - 32]
    values = [kept[at] for at in times]
    third = len(times) // 3
    expected = None
    if third and 2 * (times[-1] - times[0]) >= 32:
        change = median(values[-third:]) - median(values[:third])
        expected = pytest.approx(change / (median(times[-third:]) - median(times[:third])), abs=1e-12)
    assert window.figure("trend", now * SECOND, 0, 1) == expected


@given(st.lists(st.tuples(st.integers(0, 10 * 96), st.integers(-50, 50)), min_size=1, max_size=200))
def test_this_hour_of_the_days_before(rows: list[tuple[int, int]]) -> None:
    store = Samples(7 * DAY)
    window = store.window(7 * DAY, False)
    quarters = sorted({at: float(value) for at, value in rows}.items())
    for at, value in quarters:
        store.add(at * 15 * MINUTE, value)
    now = quarters[-1][0]
    found = [
        value
        for at, value in quarters
        if now - at < 7 * 96 and any(abs(now - 96 * ago - at) <= 2 for ago in range(1, 8))
    ]
    usual = window.figure("hour_median", now * 15 * MINUTE, 0, 1)
    assert usual == (median(found) if len(found) >= 5 else None)
    assert window.figure("hour_spread", now * 15 * MINUTE, 0, 1) == (spread(sorted(found)) if len(found) >= 5 else None)


def resistant_line(times: list[int], values: list[float], size: int) -> float | None:
    """Change per second, by sorting both thirds anew."""
    third = len(times) // 3
    if not third or 2 * (times[-1] - times[0]) < size:
        return None
    span = median(times[-third:]) - median(times[:third])
    return (median(values[-third:]) - median(values[:third])) / (span / SECOND) if span > 0 else None


def of_this_hour(times: list[int], values: list[float], now: int) -> list[float]:
    """Values of earlier days within half an hour of this time of day, by looking at each."""
    half = 30 * MINUTE
    return sorted(v for at, v in zip(times, values, strict=True) if any(abs(now - ago * DAY - at) <= half for ago in range(1, 5)))  # fmt: skip


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 5, 19, 60]), st.integers(-4, 4), st.sampled_from(["new"] * 8 + ["late", "again", "gone", "thaw"])),
        min_size=2,
        max_size=150,
    ),
    st.booleans(),
)  # fmt: skip
def test_trend_and_hour_moved_on_give_what_sorting_anew_gives(steps: list[tuple[int, int, str]], closed: bool) -> None:
    """To the last bit, asked after every step: new samples, late ones, other values, denied ones, and a snapshot between."""
    size = 3 * DAY
    store = Samples(size)
    store.window(size, closed)
    kept: dict[int, float] = {}
    for number, (step, value, kind) in enumerate(steps):
        newest = max(kept, default=0)
        at = {"late": newest - step * 7 * MINUTE, "again": newest, "gone": newest}.get(
            kind, newest + step * 10 * MINUTE
        )
        if kind == "gone" and kept:
            at = sorted(kept)[len(kept) // 2]
            store.remove(at)
            kept.pop(at)
        elif kind == "thaw":
            store = Samples.thaw(msgspec.msgpack.decode(msgspec.msgpack.encode(store.freeze())))
        elif at > newest - size:
            store.add(at, float(value))
            kept[at] = float(value)
        if not kept:
            continue
        now = max(kept)
        kept = {then: v for then, v in kept.items() if then > now - size or (closed and then == now - size)}
        times = sorted(kept)
        values = [kept[then] for then in times]
        (window,) = store.windows
        if number % 3:
            assert window.figure("trend", now, 0, 1) == resistant_line(times, values, size)
        found = of_this_hour(times, values, now)
        assert window.figure("hour_median", now, 0, 1) == (median(found) if len(found) >= 5 else None)
        assert window.figure("hour_spread", now, 0, 1) == (spread(found) if len(found) >= 5 else None)


# ------------------------------------------------------------------------------------------------ through the engine

RULES = """
- rule: learnt
  title: "{subject.name}"
  for_each: {kind: pump}
  let:
    coupled: residual(flow, pressure, 6 h)
  levels:
    blue: stuck(temperature, 30 min)
    yellow: level >= 3 m or expects(level, 30 min, 20 %) >= 3 m
    orange: 2 of 2 (abs(coupled) > 8)
"""
DEVICES = [Device("p", name="Pump", kind="pump")]


def book(folder: Path) -> RuleBook:
    path = folder / "learnt.yaml"
    path.write_text(RULES)
    found = load([path], [])
    assert isinstance(found, RuleBook), found
    return found


def readings() -> list[Reading | Tick]:
    chance = random.Random(4)
    events: list[Reading | Tick] = []
    for n in range(200):
        pressure = 300 + 20 * chance.random()
        values: dict[str, float] = {
            "pressure": pressure, "flow": pressure / 3 + chance.uniform(-0.2, 0.2) - (9 if n >= 190 else 0),
            "temperature": 40.0 if 20 <= n < 60 else 40 + chance.random(),
            "level": 1.0 + (0.05 * (n - 100) if 100 <= n < 150 else 0.0) + 0.001 * (n % 3),
        }  # fmt: skip
        at = START + n * MINUTE
        events += [Reading("p", at, dict(values), kind="pump", received_at=at), Tick(at + MINUTE // 2)]
    return events


def test_each_says_why_in_words(tmp_path: Path) -> None:
    changes = Engine(book(tmp_path), DEVICES, []).feed(readings()).changes
    raised = [
        ((change.at - START) // MINUTE, change.level, change.reason) for change in changes if change.change == "raised"
    ]
    assert [level for _, level, _ in raised] == ["blue", "yellow", "orange"]
    stuck, expected, coupled = raised
    assert stuck[0] == 50
    assert "temperature 40 Cel unchanged since 2026-06-01T00:20:00Z" in stuck[2]
    assert 110 <= expected[0] < 140  # 3 m is reached at 140
    assert "level expected to reach 3 m at 02:" in expected[2]
    assert "UTC ± " in expected[2]
    assert coupled[0] == 191
    assert "spreads below the" in coupled[2]
    assert "that pressure lets expect" in coupled[2]


@pytest.mark.parametrize("at", [1, 99, 260, 281, 383])
def test_resumed_anywhere_the_same_changes_byte_for_byte(tmp_path: Path, at: int) -> None:
    rules, events = book(tmp_path), readings()
    whole = Engine(rules, DEVICES, []).feed(events).changes
    early = Engine(rules, DEVICES, [])
    before = early.feed(events[:at]).changes
    after = Engine.restore(early.snapshot(), rules, DEVICES, []).feed(events[at:]).changes
    assert msgspec.json.encode(before + after) == msgspec.json.encode(whole)


@pytest.mark.parametrize(
    "wrong",
    ["stuck(level) ", "stuck(level, 1 h, within 3 km)", "expects(level) > 1 m", "expects(level, 30 min, 0 %) > 1 m", "residual(level, 1 h) > 3",
     "hourly_anomaly(level, 1 h) > 3", "trend(level) > 1 m/h"],
)  # fmt: skip
def test_what_is_written_wrongly_says_how_it_is_written(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f'- rule: x\n  title: "x"\n  for_each: {{kind: pump}}\n  levels: {{yellow: "{wrong}"}}\n')
    mistakes = load([path], [])
    assert not isinstance(mistakes, RuleBook)
    assert any("is written" in str(mistake) for mistake in mistakes)
