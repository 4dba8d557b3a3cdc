"""What a warning says of how its subject moves."""

from __future__ import annotations

import pytest

from hub.model import Device, Motion, Position, Reading, Tick, Value
from rules.engine import Engine
from rules.judging.moving import motion
from tests.rules.test_engine import START, book
from tests.rules.test_vessels import COLLISION

SECOND = 1_000_000_000
LEAK = book("- rule: leak\n  for_each: {kind: hazmat-truck}\n  levels: {red: tilt > 20 deg}\n  silent: 10 min\n")
TRUCK = Device("t", "T", "hazmat-truck")


def fix(after_s: float, device: str = "t", lon: float = 121.5, **values: Value) -> Reading:
    at = START + int(after_s * SECOND)
    return Reading(device, at, values, Position(lon, 31.2), None, at, "t", "")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"speed": 36.0, "course": 90.0}, Motion(90.0, 10.0)),
        ({"sog": 10.0, "cog": 361.0}, Motion(1.0, 5.144)),
        ({"sog": 10.0, "cog": 10.0, "speed": 99.0, "course": 0.0}, Motion(10.0, 5.144)),
        ({"speed": 1.0, "course": 90.0}, None),  # it stands: the course is noise
        ({"speed": 36.0}, None),
        ({"course": 90.0}, None),
        ({"speed": "fast", "course": 90.0}, None),
        ({}, None),
    ],
)
def test_motion_of_a_reading(values: dict[str, Value], expected: Motion | None) -> None:
    assert motion(values) == expected


def test_a_warning_says_how_its_subject_moves() -> None:
    engine = Engine(LEAK, [TRUCK])
    (raised,) = engine.feed([fix(0, speed=36.0, course=90.0), fix(10, tilt=30.0, speed=36.0, course=80.0)]).changes
    assert raised.motion == Motion(80.0, 10.0)
    stood = Engine(LEAK, [TRUCK]).feed([fix(0, speed=36.0, course=90.0), fix(10, tilt=30.0, speed=0.0, course=80.0)])
    assert stood.changes[0].motion is None


def test_an_old_fix_says_nothing_of_now_and_a_snapshot_keeps_the_newest() -> None:
    engine = Engine(LEAK, [TRUCK])
    engine.feed([fix(0, speed=36.0, course=90.0)])
    again = Engine.restore(engine.snapshot(), LEAK, [TRUCK])
    soon = Reading("t", START + 60 * SECOND, {"tilt": 30.0}, None, None, START + 60 * SECOND)
    (raised,) = again.feed([soon]).changes
    assert raised.motion == Motion(90.0, 10.0)
    (silent,) = [one for one in engine.feed([Tick(START + 700 * SECOND)]).changes if one.rule.endswith(":silent")]
    assert silent.motion is None


def test_the_middle_of_a_pair_moves_with_the_mean_of_both() -> None:
    devices = [Device("a", "A", "vessel"), Device("b", "B", "vessel")]
    engine = Engine(book(COLLISION), devices)
    found = []
    for step in range(10):  # both northwards and towards each other
        after = step * 10.0
        found += engine.feed(
            [
                fix(after, "a", 121.500 + step * 0.0003, sog=10.0, cog=45.0),
                fix(after + 1, "b", 121.520 - step * 0.0003, sog=10.0, cog=315.0),
            ]
        ).changes
    raised = next(change for change in found if change.subject == "a+b")
    assert raised.motion is not None
    assert raised.motion.course_deg == pytest.approx(0.0, abs=0.01)
    assert raised.motion.speed_ms == pytest.approx(5.144 * 0.7071, abs=0.01)
