"""Rules that wait for neighbours are woken by those around them, and the engine looks for them by place."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model import Device, Event, Position, Reading
from rules import assignment
from rules.book import RuleBook, read_book
from rules.engine import Engine
from rules.language import ir
from rules.state import windows
from rules.state.neighbourhood import Neighbourhood, distance_m
from rules.state.subject import Subject
from rules.state.watchers import HOPING, Watchers

MINUTE = 60_000_000_000
START = 1_780_000_000_000_000_000


def book(text: str) -> RuleBook:
    found = read_book([("t", "t.yaml", text)])
    assert isinstance(found, RuleBook), found
    return found


class Asking(NamedTuple):
    """As much of a compiled rule as `Watchers` looks at."""

    rule: NamedTuple
    asks: tuple[tuple[str, ir.Around], ...]


class Named(NamedTuple):
    name: str


places = st.builds(Position, st.floats(-180, 180), st.floats(-85, 85))


@given(places, places, st.sampled_from([500.0, 3_000.0, 30_000.0, 200_000.0]), st.floats(-2, 2), st.floats(-2, 2))
def test_whoever_has_the_subject_within_reach_is_found(
    here: Position, elsewhere: Position, metres: float, x: float, y: float
) -> None:
    """And the cells are left as they were when it watches no longer."""
    hood = Neighbourhood({}, (), ())
    lon = (here.lon + x * metres / 80_000 + 180) % 360 - 180
    beside = Position(lon, max(-85.0, min(85.0, here.lat + y * metres / 111_000)))
    asking = Asking(Named("r"), (("water_depth", ir.Around("within", metres)),))
    watcher = Subject(Device("w", position=here), hood)
    watchers = Watchers()
    watchers.add(watcher, asking, HOPING)  # type: ignore[arg-type]
    for place in (beside, elsewhere):
        if distance_m(here, place) <= metres:
            other = Subject(Device("o", position=place), hood)
            assert watchers.woken_by(other, "water_depth") == [("w", "r")]
    watchers.discard("w", "r")
    assert watchers.waiting == {}


AGREED = """
- rule: agreed
  for_each: {kind: gauge}
  levels:
    yellow: water_depth > 10 cm and mean(water_depth, 1 h, within 3 km) > 10 cm
"""


def depth(device: str, minute: int, value: float, position: Position | None = None) -> Reading:
    at = START + minute * MINUTE
    return Reading(device, at, {"water_depth": value}, position, received_at=at, kind="gauge")


def test_a_neighbour_decides_for_a_watcher_that_has_moved() -> None:
    """The watcher is known where it stands now, and no longer where it began to watch."""
    far, near = Position(121.0, 30.0), Position(120.01, 30.0)
    engine = Engine(book(AGREED), [Device("n", kind="gauge", position=Position(120.0, 30.0))])
    stream: list[Event] = [depth("w", 0, 0.2, far), depth("n", 1, 0.05)]
    assert not engine.feed(stream).changes
    assert not engine.feed([Reading("w", START + 2 * MINUTE, {}, near, received_at=START + 2 * MINUTE)]).changes
    changes = engine.feed([depth("n", 3, 0.9)]).changes
    assert [(change.subject, change.change) for change in changes if change.subject == "w"] == [("w", "raised")]


def test_who_watches_is_found_again_where_the_registry_moved_it() -> None:
    """A registry that moves a station is heard by the neighbourhood at once, in one run and in a resumed one."""
    rules = book(AGREED)
    before = [Device("w", kind="gauge", position=Position(121.0, 30.0)), Device("n", kind="gauge", position=Position(120.0, 30.0))]  # fmt: skip
    after = [Device("w", kind="gauge", position=Position(120.01, 30.0)), before[1]]
    engine = Engine(rules, before)
    engine.feed([depth("w", 0, 0.2), depth("n", 1, 0.05)])
    assignment.use_registry(engine.world, after, ())
    resumed = Engine.restore(engine.snapshot(), rules, after)
    last = [depth("n", 3, 0.9)]
    changes = engine.feed(last).changes
    assert {change.subject for change in changes} == {"w", "n"}
    assert changes == resumed.feed(last).changes


def test_ten_rules_over_one_mean_compute_it_once_a_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a sample is above all their limits, so that none of them can do without."""
    asked: list[int] = []
    near_mean = windows.Window.near_mean

    def counted(window: windows.Window, now: int, at_least: int) -> float | None:
        asked.append(now)
        return near_mean(window, now, at_least)

    monkeypatch.setattr(windows.Window, "near_mean", counted)
    rules = "".join(
        f"- rule: r{n}\n  for_each: {{kind: gauge}}\n  levels: {{blue: 'mean(water_depth, 1 h) > {n + 3} m'}}\n"
        for n in range(10)
    )
    engine = Engine(book(rules))
    engine.feed([depth("g", minute, (13 if minute == 1 else 1) + minute / 1000) for minute in range(11)])
    assert len(asked) == len(set(asked)) == 10
    assert engine.stats()["windows"] == 1
