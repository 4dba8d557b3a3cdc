"""Alerts of many: one group for one flood, one alert for one dead device."""

from __future__ import annotations

from hub.model import AlertChange, Device, Position, Reading, Tick
from rules.book import RuleBook, read_book
from rules.engine import Engine

START = 1_780_000_000_000_000_000
MINUTE = 60_000_000_000
RULES = """
- rule: deep
  for_each: {kind: underpass-gauge}
  levels: {yellow: water_depth > 10 cm}
- rule: quiet
  for_each: {kind: underpass-gauge}
  silent: {after: 10 min, level: yellow}
- rule: quiet-too
  for_each: {kind: underpass-gauge}
  silent: {after: 20 min, level: blue}
- rule: quiet-and-grave
  for_each: {kind: underpass-gauge}
  silent: {after: 30 min, level: red}
"""


def engine() -> Engine:
    book = read_book([("t", "t.yaml", RULES)])
    assert isinstance(book, RuleBook), book
    devices = [Device(f"near{i}", kind="underpass-gauge", position=Position(121.4 + i * 0.03, 31.2)) for i in range(4)]
    far = Device("far", kind="underpass-gauge", position=Position(122.4, 31.2))
    area = [
        Device(f"area{i}", kind="underpass-gauge", area="old town", position=Position(120 + i, 30)) for i in range(2)
    ]
    return Engine(book, [*devices, far, *area])


def depth(device: str, minute: int, value: float) -> Reading:
    at = START + minute * MINUTE
    return Reading(device, at, {"water_depth": value}, received_at=at)


def raised(changes: list[AlertChange]) -> list[tuple[str, str]]:
    return [(c.subject, c.group.split("@")[1]) for c in changes if c.change.value == "raised"]


def test_one_flood_is_one_group_and_it_grows_from_cell_to_cell() -> None:
    e = engine()
    names = ["near0", "near1", "near2", "near3", "far", "area0", "area1"]
    changes = e.feed([depth(name, i, 0.2) for i, name in enumerate(names)]).changes
    assert raised(changes) == [
        ("near0", "near0"), ("near1", "near0"), ("near2", "near0"), ("near3", "near0"),
        ("far", "far"), ("area0", "area0"), ("area1", "area0"),
    ]  # fmt: skip


def test_the_next_day_is_another_flood() -> None:
    e = engine()
    first = e.feed([depth("near0", 0, 0.2), depth("near0", 5, 0.0)]).changes
    again = e.feed([depth("near1", 24 * 60, 0.2)]).changes
    assert first[0].group == first[1].group == first[0].alert
    assert again[0].group == again[0].alert


def test_a_group_survives_a_restart() -> None:
    e = engine()
    e.feed([depth("near0", 0, 0.2)])
    other = Engine.restore(e.snapshot(), e.book, e.registry.values())
    assert raised(other.feed([depth("near1", 5, 0.2)]).changes) == [("near1", "near0")]


def test_one_dead_device_is_one_alert_unless_a_graver_one_is_due() -> None:
    e = engine()
    e.feed([depth("far", 0, 0.0)])
    changes = e.feed([Tick(START + minute * MINUTE) for minute in range(60)]).changes
    mine = [(c.rule, c.change.value, (c.at - START) // MINUTE) for c in changes if c.subject == "far"]
    assert mine == [("t/quiet:silent", "raised", 10), ("t/quiet-and-grave:silent", "raised", 30)]
    back = e.feed([depth("far", 60, 0.0)]).changes
    assert {(c.rule, c.change.value) for c in back} == {
        ("t/quiet:silent", "cleared"), ("t/quiet-and-grave:silent", "cleared")
    }  # fmt: skip


def test_a_muted_silence_is_the_same_after_a_restart() -> None:
    ticks = [Tick(START + minute * MINUTE) for minute in range(90)]
    whole = engine()
    expected = whole.feed([depth("far", 0, 0.0), *ticks[:40], depth("far", 40, 0.0), *ticks[41:]]).changes
    for cut in (5, 15, 25, 35, 45, 60, 80):
        stream = [depth("far", 0, 0.0), *ticks[:40], depth("far", 40, 0.0), *ticks[41:]]
        first = engine()
        got = first.feed(stream[:cut]).changes
        second = Engine.restore(first.snapshot(), first.book, first.registry.values())
        assert got + second.feed(stream[cut:]).changes == expected


def flapping() -> list[Reading | Tick]:
    """Every five minutes up and down again, six times, then calm."""
    made: list[Reading | Tick] = []
    for minute in range(120):
        made.append(depth("near0", minute, 0.2 if minute < 30 and minute % 5 < 2 else 0.0))
        made.append(Tick(START + minute * MINUTE + MINUTE // 2))
    return made


def test_a_flapping_alert_is_damped_and_says_so() -> None:
    changes = [c for c in engine().feed(flapping()).changes if c.rule == "t/deep"]
    told = [(c.change.value, (c.at - START) // MINUTE) for c in changes]
    assert told == [
        ("raised", 0), ("cleared", 2), ("raised", 5), ("cleared", 7), ("raised", 10), ("cleared", 12),
        ("raised", 15), ("cleared", 57),
    ]  # fmt: skip
    assert "it flaps, 4 times within an hour" in changes[6].reason
    assert "it flaps" not in changes[4].reason


def test_damping_is_the_same_after_a_restart() -> None:
    stream = flapping()
    expected = engine().feed(stream).changes
    for cut in (3, 31, 36, 50, 60, 100, 115, 130):
        first = engine()
        got = first.feed(stream[:cut]).changes
        second = Engine.restore(first.snapshot(), first.book, first.registry.values())
        assert second.snapshot() == first.snapshot()
        assert got + second.feed(stream[cut:]).changes == expected
