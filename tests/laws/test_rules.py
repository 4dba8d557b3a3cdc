"""The laws of every shipped rule, by readings made for it: it begins where its numbers say, ends, outlives a gap, and
neither marked values nor one absurd reading make it say more than it knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import pytest

from hub.model import LEVELS, AlertChange, Change, Device, Event, Position, Reading, Tick, Value, Zone
from rules.book import RuleBook, load, shipped_packs
from rules.engine import Engine
from rules.language.ir import Series, Window
from rules.language.rule import Rule
from tests.laws.scenes import NO_NUMBER, NOW, Row, Scene, scenes_of

SECOND = 1_000_000_000
GAP = 3
DISASTER = LEVELS.index("orange")


@cache
def book(pack: str) -> RuleBook:
    found = load([], [pack])
    assert isinstance(found, RuleBook), found
    return found


RULES = [rule for pack in shipped_packs() for rule in book(pack).rules if rule.levels]
SCENES = [scene for rule in RULES for scene in scenes_of(rule)]
LEVELS_OF = [(scene, level) for scene in SCENES for level in scene.levels]


def named(value: object) -> str | None:
    if isinstance(value, Scene):
        return f"{value.rule}-{value.metric}-{'up' if value.upward else 'down'}-{'-'.join(value.levels)}"
    return None


def run(scene: Scene, columns: Mapping[str, Sequence[Row | None]], every: int | None = None, mark: str = "") -> list[AlertChange]:  # fmt: skip
    """What the scene's rule did; None in a column is a reading that never came."""
    packed = book(scene.rule.split("/")[0])
    rule = packed.rule(scene.rule)
    assert rule is not None
    engine = Engine(packed, devices(scene, rule, columns), zones(scene))
    period = (every or scene.every) * SECOND
    events: list[tuple[int, int, Event]] = []
    for device, rows in columns.items():
        for n, row in enumerate(rows):
            if row is not None:
                events.append((NOW + n * period, 0, reading(device, NOW + n * period, row, mark)))
    last = NOW + max(map(len, columns.values())) * period
    tick = max(10 * SECOND, min(period, 600 * SECOND))
    events += [(at, 1, Tick(at)) for at in range(NOW, last, tick)]
    events.sort(key=lambda item: (item[0], item[1]))
    return [change for change in engine.feed([event for _, _, event in events]).changes if change.rule == scene.rule]


def reading(device: str, at: int, row: Row, mark: str) -> Reading:
    values: dict[str, Value] = dict(row)
    lon, lat = values.pop("lon", None), values.pop("lat", None)
    position = Position(float(lon), float(lat)) if isinstance(lon, float) and isinstance(lat, float) else None
    return Reading(device, at, values, position, dict.fromkeys(values, mark) if mark else None, at, "test")


def devices(scene: Scene, rule: Rule, columns: Mapping[str, object]) -> list[Device]:
    kind = {"*": "machine", "vessel-pair": "vessel"}.get(rule.select.kinds[0], rule.select.kinds[0])
    own = dict(rule.select.attributes) | dict(scene.attributes)
    return [Device(name, kind=kind, attributes=own if name == "a" else {}) for name in columns]


def zones(scene: Scene) -> list[Zone]:
    ring = ((121.0, 31.0), (122.0, 31.0), (122.0, 32.0), (121.0, 32.0), (121.0, 31.0))
    return [Zone(kind, kind, kind, (ring,), limits) for kind, limits in scene.zones.items()]


def rule_of(scene: Scene) -> Rule:
    rule = book(scene.rule.split("/")[0]).rule(scene.rule)
    assert rule is not None
    return rule


def heights(changes: Sequence[AlertChange]) -> list[int]:
    return [LEVELS.index(change.level) for change in changes if change.change in (Change.RAISED, Change.ESCALATED)]


# ------------------------------------------------------------------------------------------------ laws


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_has_a_scene_for_each_of_its_levels_or_no_number(rule: Rule) -> None:
    if rule.name in NO_NUMBER:
        return
    told = {level for scene in scenes_of(rule) for level in scene.levels}
    boolean = {"orange"} if rule.name == "fire/alarm" else set()
    assert told | boolean == {level.name for level in rule.levels}


@pytest.mark.parametrize(("scene", "level"), LEVELS_OF, ids=named)
def test_just_below_its_number_a_level_is_silent(scene: Scene, level: str) -> None:
    reached = heights(run(scene, scene.rows(scene.below(level))))
    assert all(height < LEVELS.index(level) for height in reached)


@pytest.mark.parametrize(("scene", "level"), LEVELS_OF, ids=named)
def test_just_beyond_its_number_a_level_is_raised(scene: Scene, level: str) -> None:
    reached = heights(run(scene, scene.rows(scene.beyond(level))))
    assert max(reached, default=-1) >= LEVELS.index(level)


@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene.rest], ids=named)
def test_what_was_raised_ends_when_it_is_calm_again(scene: Scene) -> None:
    top = max(scene.levels, key=LEVELS.index)
    rows = scene.rows(scene.beyond(top))
    rows["a"] = [*rows["a"], *[rows["a"][-1] if scene.stays else scene.calm] * scene.rest]
    for name in rows.keys() - {"a"}:
        rows[name] = [*rows[name], *[rows[name][-1]] * scene.rest]
    changes = run(scene, rows)
    assert [change.change for change in changes].count(Change.RAISED) == 1
    assert changes[-1].change is Change.CLEARED


@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene.gaps], ids=named)
def test_a_gap_neither_ends_nor_repeats_a_warning(scene: Scene) -> None:
    lowest = min(scene.levels, key=LEVELS.index)
    rows = scene.rows(scene.beyond(lowest))
    gone: dict[str, list[Row | None]] = {
        name: [*column, *[None] * GAP, *[column[-1]] * 2] for name, column in rows.items()
    }
    changes = run(scene, gone)
    assert [change.change for change in changes if change.change in (Change.RAISED, Change.CLEARED, Change.EXPIRED)] == [Change.RAISED]  # fmt: skip


@pytest.mark.parametrize("scene", SCENES, ids=named)
@pytest.mark.parametrize("mark", ["fault", "maintenance", "calibration"])
def test_marked_values_raise_nothing(scene: Scene, mark: str) -> None:
    top = max(scene.levels, key=LEVELS.index)
    assert run(scene, scene.rows(scene.beyond(top)), mark=mark) == []


@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene.spike is not None], ids=named)
@pytest.mark.parametrize("slowly", [False, True], ids=["often", "seldom"])
@pytest.mark.parametrize("dropped", [False, True], ids=["far off", "zero"])
def test_one_absurd_reading_raises_no_disaster(scene: Scene, slowly: bool, dropped: bool) -> None:
    spike = 0.0 if dropped and not isinstance(scene.spike, Mapping) else scene.spike
    absurd = spike if isinstance(spike, Mapping) else {**scene.calm, scene.metric: spike}
    calm: list[Row | None] = [scene.calm] * 30
    changes = run(scene, {"a": [*calm, absurd, *calm]}, max(scene.every, 1200) if slowly else None)
    assert [change for change in changes if LEVELS.index(change.level) >= DISASTER] == []


# ------------------------------------------------------------------------------------------------ values that stand alone

DIFFERENCES = {"rate", "delta", "rise", "fall", "largest_step"}
EXTREMES = {"min", "max", "std"}
AT_ONCE_BY_ITSELF = {
    "dam-bridge/bridge-vibration": "its rows are of shaking, seconds apart: every second one stands alone",
    "fleet/harsh-driving": "a manoeuvre lasts one fix or two",
}


def _windows(rule: Rule) -> set[str]:
    return {n.function for n in rule.conditions() if isinstance(n, Window) and not n.around.which}


GLITCHED = [
    (scene, size)
    for scene in SCENES
    for size in sorted({scene.beyond(level) for level in scene.levels})
    if _windows(rule_of(scene)) & (DIFFERENCES | EXTREMES)
    and isinstance(scene.calm.get(scene.metric), float)
    and scene.rule not in AT_ONCE_BY_ITSELF
    and not scene.at_once
]  # fmt: skip


@pytest.mark.parametrize(("scene", "size"), GLITCHED, ids=named)
@pytest.mark.parametrize("sign", [1, -1], ids=["spike", "drop-out"])
@pytest.mark.parametrize("position", [0, 1, 4, 8])
def test_one_value_that_stands_alone_moves_nothing(scene: Scene, size: float, sign: int, position: int) -> None:
    """Nine readings, one of them off: whatever its height, side and place, no rule over differences says a word, and none over
    extremes a disaster."""
    calm = float(scene.calm[scene.metric])  # type: ignore[arg-type]
    changes: list[AlertChange] = []
    for times in (1, 10):
        rows: list[Row | None] = [scene.calm] * 9
        rows[position] = {**scene.calm, scene.metric: calm + sign * times * max(abs(size), abs(size - calm))}
        changes += run(scene, {"a": [*rows, *[scene.calm] * 12]})
    rule = rule_of(scene)
    only_differences = _windows(rule) <= DIFFERENCES and not any(isinstance(n, Series) for n in rule.conditions())
    assert [c for c in changes if only_differences or LEVELS.index(c.level) >= DISASTER] == []
