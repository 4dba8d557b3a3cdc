"""Windows against a plain recomputation, whatever the order in which samples come."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.figures.ranks import NEAR, NORMAL, SAME, percentile, spread
from rules.state import windows
from rules.state.pooling import pooled
from rules.state.samples import Samples
from rules.state.windows import FEW_TO_SORT
from rules.taking import MAX_SAMPLES

SECOND = 1_000_000_000
samples = st.lists(
    st.tuples(st.integers(0, 40), st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3))),
    min_size=1,
    max_size=60,
)


def by_definition(values: list[float]) -> float | None:
    """1.4826 times the median absolute deviation from the (lower) median; the distance to the nearest other value where it is 0."""
    ranked = sorted(values)
    centre = ranked[(len(ranked) - 1) // 2]
    off = sorted(abs(value - centre) for value in values)
    same = max(SAME * abs(centre), NEAR)
    middle = off[(len(off) - 1) // 2]
    if middle > same:
        return round(NORMAL * middle, 9)
    others = [distance for distance in off if distance > same]
    return round(min(others), 9) if others else None


@given(samples, st.booleans())
def test_any_order_gives_what_a_rescan_gives(given_samples: list[tuple[int, float]], closed: bool) -> None:
    size = 10
    window = Samples(size * SECOND).window(size * SECOND, closed)
    kept: dict[int, float] = {}
    newest = -1
    for at, value in given_samples:
        newest = max(newest, at)
        window.samples.add(at * SECOND, value)
        edge = newest - size
        if at > edge or (closed and at == edge):
            kept[at] = value
        kept = {t: v for t, v in kept.items() if t > edge or (closed and t == edge)}
        values = [kept[t] for t in sorted(kept)]
        assert list(window.values) == values
        now = newest * SECOND
        assert window.figure("count", now, 0, 1) == len(values)
        assert window.figure("min", now, 0, 1) == min(values)
        assert window.figure("max", now, 0, 1) == max(values)
        assert window.figure("sum", now, 0, 1) == pytest.approx(sum(values), rel=1e-9, abs=1e-6)
        assert window.figure("mean", now, 0, 1) == pytest.approx(sum(values) / len(values), rel=1e-9, abs=1e-6)
        near = window.near_mean(now, 1)
        assert near is not None
        assert abs(near - sum(values) / len(values)) <= NEAR
        assert window.figure("percentile", now, 50, 1) == percentile(values, 50)
        assert window.figure("percentile", now, 20, 1) == percentile(values, 20)
        assert window.figure("spread", now, 0, 1) == by_definition(values)
        assert window.figure("rise", now, 0, 2) == (round(values[-1] - min(values), 9) if len(values) > 1 else None)
        assert window.figure("fall", now, 0, 2) == (round(max(values) - values[-1], 9) if len(values) > 1 else None)
        assert (window.rise(), window.fall()) == (None, None) or len(values) > 1, "one sample neither rises nor falls"
        steps = [abs(after - before) for before, after in pairwise(values)]
        assert window.figure("largest_step", now, 0, 1) == (round(max(steps), 9) if steps else None)
        assert window.figure("delta", now, 0, 2) == (round(values[-1] - values[0], 9) if len(values) > 1 else None)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers(-50, 50)), min_size=1, max_size=120))
def test_views_of_one_store_give_what_a_rescan_gives_at_any_moment(steps: list[tuple[bool, int, int]]) -> None:
    store = Samples(32 * SECOND)
    views = [store.window(size * SECOND, closed) for size in (3, 16) for closed in (False, True)]
    kept: dict[int, float] = {}
    for telling, at, value in steps:
        newest = max(kept, default=at)
        if telling:
            if at >= newest - 32:
                kept[at] = float(value)
            store.add(at * SECOND, float(value))
            continue
        now = max(at, newest - 16)  # the store reaches back 32 s, the largest window 16
        for window in views:
            size = window.size // SECOND
            inside = [kept[t] for t in sorted(kept) if t > now - size or (window.closed and t == now - size)]
            assert window.figure("count", now * SECOND, 0, 1) == len(inside)
            if inside:
                assert window.figure("sum", now * SECOND, 0, 1) == sum(inside)
                assert window.figure("min", now * SECOND, 0, 1) == min(inside)
                assert window.figure("max", now * SECOND, 0, 1) == max(inside)


@pytest.mark.parametrize(
    ("before", "value", "after", "alone"),
    [
        (10.0, 15.0, 10.0, True),
        (10.0, 5.0, 10.0, True),
        (10.0, 15.0, 12.5, False),
        (12.5, 15.0, 10.0, False),
        (10.0, 15.0, 20.0, False),  # it rises
        (20.0, 15.0, 10.0, False),
        (12.0, 15.0, 12.0, True),  # just as far as is asked
    ],
)
def test_a_sample_stands_alone_where_both_beside_it_lie_far_off_to_the_same_side(
    before: float, value: float, after: float, alone: bool
) -> None:
    store = Samples(600 * SECOND)
    for at, said in enumerate((before, value, after)):
        store.add(at * SECOND, said)
    assert store.stands_alone(1 * SECOND, value, 3.0) is alone
    assert not store.stands_alone(0, before, 0.0), "nothing is before the first"
    assert not store.stands_alone(2 * SECOND, after, 0.0), "nor behind the last"


def test_what_an_earlier_snapshot_kept_elsewhere_changes_no_window_and_widens_the_bounds() -> None:
    store = Samples(60 * SECOND)
    window = store.window(10 * SECOND, False)
    for at in range(100, 130):
        store.add(at * SECOND, float(at))
    assert window.figure("mean", 129 * SECOND, 0, 1) == 124.5
    store.recall([moment * SECOND for moment in range(80, 110)], [float(moment % 7) for moment in range(80, 110)])
    assert list(store.times) == [moment * SECOND for moment in range(80, 130)]
    assert (store.low, store.high) == (0.0, 129.0)
    for figure, wanted in {"count": 10, "sum": 1245.0, "min": 120.0, "max": 129.0}.items():
        assert window.figure(figure, 129 * SECOND, 0, 1) == wanted
    store.add(130 * SECOND, 130.0)
    assert window.figure("mean", 130 * SECOND, 0, 1) == 125.5


def test_years_of_adding_and_dropping_leave_no_drift() -> None:
    window = Samples(10 * SECOND).window(10 * SECOND, False)
    for i in range(50_000):
        window.samples.add(i * SECOND, 1e9 if i % 7 == 0 else 0.1)
    for i in range(50_000, 50_010):
        window.samples.add(i * SECOND, 0.1)
    assert window.mean() == 0.1


def test_what_is_no_number_is_not_taken() -> None:
    window = Samples(10 * SECOND).window(10 * SECOND, False)
    assert not window.samples.add(0, float("nan"))
    assert not window.samples.add(0, float("inf"))
    assert window.figure("mean", 0, 0, 1) is None
    assert window.figure("count", 0, 0, 1) == 0


def test_samples_have_a_limit() -> None:
    window = Samples(10**18).window(10**18, False)
    for i in range(MAX_SAMPLES + 5):
        window.samples.add(2 * i, 1.0)
    assert len(window.times) == MAX_SAMPLES
    assert window.samples.overflow == 5
    assert not window.samples.add(2 * MAX_SAMPLES - 1, 2.0), "a late one finds no room"


def test_rate_waits_for_half_the_window() -> None:
    window = Samples(600 * SECOND).window(600 * SECOND, True)
    window.samples.add(0, 0.0)
    window.samples.add(60 * SECOND, 60.0)
    assert window.rate() is None
    window.samples.add(300 * SECOND, 300.0)
    assert window.rate() == 1.0


def test_neighbours_are_pooled_by_sample() -> None:
    a, b, empty = (
        Samples(100 * SECOND).window(100 * SECOND, False),
        Samples(100 * SECOND).window(100 * SECOND, False),
        Samples(100 * SECOND).window(100 * SECOND, False),
    )
    for i in range(3):
        a.samples.add(i * SECOND, 1.0)
    b.samples.add(0, 9.0)
    assert pooled("mean", [a, b, empty], 3 * SECOND, 0, 1) == 3.0
    assert pooled("count", [a, b, empty], 3 * SECOND, 0, 1) == 4.0
    assert pooled("max", [a, b, empty], 3 * SECOND, 0, 1) == 9.0
    assert pooled("mean", [a, empty], 3 * SECOND, 0, 2) is None
    assert pooled("last", [a, b], 3 * SECOND, 0, 1) == 5.0
    assert pooled("count", [empty], 3 * SECOND, 0, 1) == 0.0, "that none came is known"
    assert pooled("count", [a, empty], 3 * SECOND, 0, 2) is None
    for figure in ("min", "max", "last", "percentile", "std", "spread", "rise", "delta"):
        assert pooled(figure, [empty], 3 * SECOND, 50, 1) is None
    for at, value in ((0, 4.0), (1, 1.0), (2, 6.0)):
        empty.samples.add(at * SECOND, value)
    for figure, largest in (("delta", 2.0), ("rise", 5.0), ("fall", 0.0), ("largest_step", 5.0)):
        assert pooled(figure, [a, b, empty], 3 * SECOND, 0, 1) == largest, "of any device; one sample tells none"


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(-9, 9)), min_size=1, max_size=300))
def test_samples_kept_in_order_of_size_give_what_sorting_gives_and_a_snapshot_keeps_it(
    steps: list[tuple[int, int]],
) -> None:
    """Late ones, replaced ones, what leaves and what a snapshot breaks off: many more than are sorted at each demand."""
    store = Samples(150 * SECOND)
    view = store.window(150 * SECOND, False)
    for at in range(FEW_TO_SORT + 10):
        store.add(at * SECOND, float(at % 7))
    view.figure("spread", store.times[-1], 0, 1)
    for number, (at, value) in enumerate(steps):
        store.add(at * SECOND, value / 3)
        now = store.times[-1]
        values = list(view.values)
        assert view.figure("spread", now, 0, 1) == by_definition(values)
        assert view.figure("percentile", now, 37, 1) == percentile(values, 37)
        if number % 5 == 0:
            assert view.figure("mean", now, 0, 1) == pytest.approx(sum(values) / len(values), abs=1e-6)
        if number % 3 == 0:  # an earlier moment is asked for, as by a neighbour that reports more slowly
            before = now - 40 * SECOND
            inside = [
                value for at_, value in zip(store.times, store.values, strict=True) if before - 150 * SECOND < at_
            ]
            assert view.figure("spread", before, 0, 1) == by_definition(inside)
        if number % 11 == 0:
            store = Samples.thaw(store.freeze())
            (view,) = store.windows


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([], None),
        ([5.0] * 9, None),
        ([5.0] * 9 + [5.5], 0.5),
        ([1.92] * 9 + [1.9200000001, 1.86], 0.06),
        ([1.0, 2.0, 3.0, 4.0, 100.0], NORMAL),
    ],
)
def test_the_spread_is_robust_and_never_finer_than_the_instrument(values: list[float], wanted: float | None) -> None:
    found = spread(sorted(values))
    assert found == (None if wanted is None else pytest.approx(wanted))


@pytest.mark.parametrize(
    ("figure", "right"), [("min", min), ("max", max), ("percentile", lambda v: percentile(v, 95.0))]
)
def test_a_mean_that_is_slid_on_leaves_extremes_and_ranks_right(
    figure: str, right: Callable[[list[float]], float]
) -> None:
    """One window asked for its mean first, and for another figure after it, at each of 400 samples; also after a gap in which
    everything left it."""
    window = Samples(3_600 * SECOND).window(3_600 * SECOND, False)
    kept: list[tuple[int, float]] = []
    for n in range(400):
        at = (n * 30 + (7_200 if n >= 200 else 0)) * SECOND
        value = float(n * 7919 % 101)
        window.samples.add(at, value)
        kept = [(t, v) for t, v in kept if t > at - 3_600 * SECOND] + [(at, value)]
        window.near_mean(at, 1)
        assert window.figure(figure, at, 95.0, 1) == right([v for _, v in kept])


@pytest.mark.parametrize("seed", range(5))
def test_extremes_stand_where_samples_come_late_go_and_change(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And little of the window is gone through again for it."""
    pushes = 0
    push = windows._push_low

    def counted(lows: list[tuple[int, float]], at: int, value: float) -> None:
        nonlocal pushes
        pushes += 1
        push(lows, at, value)

    monkeypatch.setattr(windows, "_push_low", counted)
    chance = random.Random(seed)
    store = Samples(600 * SECOND)
    window = store.window(300 * SECOND, False)
    kept: dict[int, float] = {}
    changes = 0
    for now in range(3000):
        at = now if chance.random() < 0.7 else max(0, now - chance.randrange(20))
        kept[at] = float(chance.randrange(1000))
        store.add(at * SECOND, kept[at])
        changes += 1
        if chance.random() < 0.2:
            gone = chance.choice([moment for moment in kept if moment > now - 20])
            del kept[gone]
            store.remove(gone * SECOND)
            changes += 1
        inside = [value for moment, value in kept.items() if now - 300 < moment]
        if inside and chance.random() < 0.9:
            assert window.figure("min", now * SECOND, 0, 1) == min(inside)
            assert window.figure("max", now * SECOND, 0, 1) == max(inside)
            assert window.figure("spread", now * SECOND, 0, 1) == by_definition(inside)
            assert window.figure("spread", now * SECOND, 0, 1) == by_definition(inside)
    assert pushes < 20 * changes, "found anew each time that would be some 200"
