"""How the engine stands to time, order, quality, people and new editions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hub.model import (
    AlertChange,
    Change,
    Deaf,
    Device,
    Edition,
    Event,
    OperatorAction,
    Position,
    Reading,
    Tick,
    Value,
    Zone,
)
from rules.book import RuleBook, read_book
from rules.edition import registry_text
from rules.engine import Engine

MINUTE = 60_000_000_000
START = 1_780_000_000_000_000_000


def book(text: str) -> RuleBook:
    found = read_book([("city", "r.yaml", text)])
    assert isinstance(found, RuleBook), found
    return found


def at(minutes: float) -> int:
    return START + round(minutes * MINUTE)


def reading(
    minutes: float,
    value: Value,
    device: str = "d",
    metric: str = "water_depth",
    received: float | None = None,
    **more: object,
) -> Reading:
    return Reading(
        device, at(minutes), {metric: value}, received_at=at(minutes if received is None else received), **more
    )  # type: ignore[arg-type]


def rule(more: str, levels: str = "{yellow: water_depth > 10 cm}") -> RuleBook:
    return book(f"- rule: r\n  for_each: {{kind: k}}\n  levels: {levels}\n{more}")


DEVICE = Device("d", "D", "k", Position(120.0, 30.0), area="north")


def changes(
    rules: RuleBook, events: Sequence[Event], devices: Sequence[Device] = (DEVICE,), zones: Sequence[Zone] = ()
) -> list[AlertChange]:
    return list(Engine(rules, devices, zones).feed(events).changes)


def told(found: Sequence[AlertChange]) -> list[tuple[float, str, str]]:
    return [((change.at - START) / MINUTE, change.change.value, change.level) for change in found]


FOR_TEN = "{yellow: water_depth > 10 cm for 10 min}"


def test_for_is_completed_by_a_reading() -> None:
    assert told(changes(rule("", FOR_TEN), [reading(0, 0.2), reading(9, 0.2), reading(11, 0.2)])) == [
        (11, "raised", "yellow")
    ]


def test_for_is_completed_by_a_tick() -> None:
    events = [reading(0, 0.2), Tick(at(9.9)), Tick(at(10)), reading(11, 0.2)]
    found = changes(rule("", FOR_TEN), events)
    assert told(found) == [(10, "raised", "yellow")]
    assert found[0].alert == "city/r@d@2026-05-28T20:26:40Z", "the observed time of what raised it"


def test_for_ends_with_the_condition() -> None:
    assert (
        told(
            changes(
                rule("", FOR_TEN), [reading(0, 0.2), reading(5, 0.1), reading(6, 0.2), reading(15, 0.2), Tick(at(15.5))]
            )
        )
        == []
    )


def test_the_hub_being_deaf_completes_nothing() -> None:
    events = [reading(0, 0.2), Deaf(at(1), at(60)), Tick(at(60)), Tick(at(68)), Tick(at(69))]
    assert told(changes(rule("", FOR_TEN), events)) == [(69, "raised", "yellow")]


def test_silence_counts_listening_time_only() -> None:
    rules = rule("  silent: 15 min\n")
    events = [reading(0, 0.0), Deaf(at(5), at(65)), Tick(at(65)), Tick(at(74)), Tick(at(75)), reading(80, 0.0)]
    assert told(changes(rules, events)) == [(75, "raised", "blue"), (80, "cleared", "blue")]


def test_silence_is_measured_on_receive_time() -> None:
    rules = rule("  silent: 15 min\n")
    events: list[Event] = [reading(0, 0.0)] + [reading(i, 0.0, received=i + 10) for i in range(1, 20)] + [Tick(at(30))]
    assert told(changes(rules, events)) == []


def test_a_registered_device_that_never_reports_is_silent() -> None:
    found = changes(rule("  silent: 15 min\n"), [Tick(at(0)), Tick(at(14)), Tick(at(15))])
    assert told(found) == [(15, "raised", "blue")]
    assert "never reported" in found[0].reason
    assert found[0].rule == "city/r:silent"


def test_unknown_neither_raises_nor_clears() -> None:
    rules = book(
        "- rule: r\n  for_each: {kind: k}\n  levels:\n    yellow: water_depth > 10 cm and not rain_intensity > 5 mm/h\n"
    )
    events = [
        reading(0, 0.2),
        reading(1, 1.0, metric="rain_intensity"),
        reading(2, 0.2),
        reading(180, 0.2),
        reading(181, 0.0),
    ]
    assert told(changes(rules, events)) == [(1, "raised", "yellow"), (181, "cleared", "yellow")]


def test_a_late_reading_never_becomes_the_newest() -> None:
    assert told(changes(rule(""), [reading(10, 0.0), reading(5, 0.9)])) == []


def test_a_late_reading_reaches_the_windows_that_cover_it() -> None:
    rules = rule("", "{yellow: 'mean(water_depth, 30 min) > 10 cm'}")
    found = changes(rules, [reading(10, 0.0), reading(5, 0.9, received=10)])
    assert told(found) == [(10, "raised", "yellow")]
    assert found[0].late
    assert told(changes(rules, [reading(60, 0.0), reading(5, 0.9, received=60)])) == []


def test_alerts_of_old_data_are_marked_late() -> None:
    found = changes(rule("  late: 1 h\n"), [reading(0, 0.2, received=61)])
    assert [change.late for change in found] == [True]
    assert not changes(rule("  late: 1 h\n"), [reading(0, 0.2, received=60)])[0].late


def test_a_revision_replaces_what_was_said_of_that_moment() -> None:
    assert told(changes(rule(""), [reading(0, 0.2), reading(0, 0.0)])) == [
        (0, "raised", "yellow"),
        (0, "cleared", "yellow"),
    ]
    again = changes(rule(""), [reading(0, 0.2), reading(0, 0.0), reading(0, 0.3)])
    assert [change.ordinal for change in again] == [1, 2, 3], "one alert id, and no ordinal twice"


@pytest.mark.parametrize(
    ("mark", "raises"),
    [("fault", False), ("calibration", False), ("maintenance", False), ("manual", True), ("estimated", True)],
)
def test_marked_values(mark: str, raises: bool) -> None:
    marked = reading(0, 0.2, marks={"water_depth": mark})
    assert bool(changes(rule(""), [marked])) == raises
    assert changes(rule("  quality: any\n"), [marked])


def test_maintenance_mutes_thresholds_and_silence() -> None:
    maintenance = OperatorAction(at(0), "op", "maintenance", "d", until=at(60))
    events = [maintenance, reading(1, 0.9), *(Tick(at(minute)) for minute in range(50, 80)), reading(80, 0.9)]
    assert told(changes(rule("  silent: 15 min\n"), events)) == [
        (75, "raised", "blue"),
        (80, "cleared", "blue"),
        (80, "raised", "yellow"),
    ]


def test_people() -> None:
    engine = Engine(rule(""), [DEVICE])
    alert = engine.feed([reading(0, 0.2)]).changes[0].alert
    found = engine.feed([
        OperatorAction(at(1), "li", "acknowledge", alert, "seen"),
        OperatorAction(at(2), "li", "shelve", alert, "pump test", at(10)),
        OperatorAction(at(2), "li", "shelve", "no such alert", "", at(10)),
        Tick(at(9)), Tick(at(10)), reading(11, 0.0),
    ]).changes  # fmt: skip
    assert told(found) == [
        (1, "acknowledged", "yellow"),
        (2, "shelved", "yellow"),
        (10, "unshelved", "yellow"),
        (11, "cleared", "yellow"),
    ]
    assert (found[0].who, found[0].note) == ("li", "seen")
    assert [change.ordinal for change in found] == [2, 3, 4, 5]
    assert engine.open_alerts() == []


def test_an_alert_without_data_expires() -> None:
    assert told(changes(rule("  expire: 1 h\n"), [reading(0, 0.2), Tick(at(59)), Tick(at(60))])) == [
        (0, "raised", "yellow"),
        (60, "expired", "yellow"),
    ]


def test_a_device_of_the_feed_is_a_subject_and_moves() -> None:
    events = [
        reading(0, 0.0, "x", kind="k", position=Position(121.0, 31.0)),
        reading(1, 0.2, "x", kind="k", position=Position(121.5, 31.0)),
        reading(0.5, 0.2, "x", kind="k", position=Position(9.0, 9.0)),
        reading(2, 0.0, "x", kind="k"),
    ]
    found = changes(rule(""), events, devices=())
    assert [change.position for change in found] == [Position(121.5, 31.0)] * 2


def test_a_fixed_device_has_the_registrys_position() -> None:
    found = changes(rule(""), [reading(0, 0.2)])
    assert (found[0].position, found[0].area) == (DEVICE.position, "north")


def test_attributes_decide_level_by_level() -> None:
    rules = rule("", "{yellow: water_level > warning_level_m, red: water_level > record_level_m}")
    devices = [
        Device("d", kind="k", attributes={"warning_level_m": 2.0}),
        Device("e", kind="k", attributes={"warning_level_m": "high"}),
    ]
    events = [reading(0, 9.0, "d", "water_level"), reading(0, 9.0, "e", "water_level")]
    assert [(c.subject, c.level) for c in changes(rules, events, devices)] == [("d", "yellow")]
    assert any("record_level_m" in note for note in rules.notes(devices))


def test_editions_restart_edited_rules_and_clear_gone_ones() -> None:
    old = book(
        "- rule: r\n  for_each: {kind: k}\n  levels: {yellow: water_depth > 10 cm}\n- rule: s\n  for_each: {kind: k}\n  levels: {red: water_depth > 10 cm}\n"
    )
    new = book("- rule: r\n  for_each: {kind: k}\n  levels: {yellow: water_depth > 90 cm}\n")
    found = changes(
        old,
        [
            reading(0, 0.2),
            Edition(at(1), "rules", "1", old.text),
            Edition(at(2), "rules", "1", new.text),
            reading(3, 0.2),
        ],
    )
    assert [(c.rule, c.change.value) for c in found] == [
        ("city/r", "raised"),
        ("city/s", "raised"),
        ("city/s", "cleared"),
        ("city/r", "cleared"),
    ]
    assert found[2].reason == "the rule is gone"
    assert found[2].at == at(2)


def test_restored_with_other_rules() -> None:
    old, new = rule(""), book("- rule: q\n  for_each: {kind: k}\n  levels: {yellow: water_depth > 90 cm}\n")
    engine = Engine(old, [DEVICE])
    engine.feed([reading(0, 0.2)])
    again = Engine.restore(engine.snapshot(), new, [DEVICE])
    assert told(again.feed([Tick(at(1))]).changes) == [(1, "cleared", "yellow")]
    assert again.feed([Tick(at(2))]).changes == []


def test_a_new_registry_inside_the_stream() -> None:
    events = [
        reading(0, 0.2),
        Edition(at(1), "registry", "1", registry_text([], [])),
        Edition(at(2), "registry", "1", registry_text([DEVICE], [])),
    ]
    assert told(changes(rule(""), [*events, reading(3, 0.2)])) == [
        (0, "raised", "yellow"),
        (1, "cleared", "yellow"),
        (3, "raised", "yellow"),
    ]


def test_zones() -> None:
    zone = Zone(
        "z", "restricted", "Z", (((120, 30), (121, 30), (121, 31), (120, 31), (120, 30)),), {"speed_limit_kmh": 30.0}
    )
    rules = book(
        '- rule: r\n  for_each: {kind: k}\n  levels: {yellow: in_zone("restricted") and speed > zone.speed_limit_kmh}\n'
    )
    events = [
        reading(i, 40.0, "x", "speed", kind="k", position=Position(lon, 30.5))
        for i, lon in enumerate([119.9, 120.5, 121.5])
    ]
    assert told(changes(rules, events, (), [zone])) == [(1, "raised", "yellow"), (2, "cleared", "yellow")]


def test_neighbours_and_upstream() -> None:
    rules = book(
        "- rule: r\n  for_each: {kind: k}\n  levels: {yellow: 'water_depth > 1 cm and max(rain_intensity, 30 min, within 3 km) > 20 mm/h'}\n"
        "- rule: u\n  for_each: {kind: k}\n  levels: {orange: 'delta(water_depth, 1 h, upstream) > 50 cm'}\n"
    )
    devices = [
        Device("d", kind="k", position=Position(120.0, 30.0), attributes={"upstream": "up"}), Device("up", kind="other"),
        Device("near", kind="rain-gauge", position=Position(120.02, 30.0)), Device("far", kind="rain-gauge", position=Position(120.2, 30.0)),
    ]  # fmt: skip
    events = [
        reading(0, 50.0, "far", "rain_intensity"), reading(0, 0.1), reading(1, 30.0, "near", "rain_intensity"), reading(2, 0.1),
        reading(3, 0.1, "up"), reading(33, 0.7, "up"),
    ]  # fmt: skip
    assert [(c.rule, c.subject, (c.at - START) / MINUTE) for c in changes(rules, events, devices)] == [
        ("city/r", "d", 1),
        ("city/u", "d", 33),
    ]


def river(*gauges: tuple[str, str, float | None]) -> list[Device]:
    """Gauges as (name, upstream, minutes that water takes from there)."""
    return [
        Device(name, kind="k", attributes={"upstream": above} | ({} if minutes is None else {"travel_min": minutes}))
        for name, above, minutes in gauges
    ]


UPSTREAM = "- rule: u\n  for_each: {kind: k}\n  levels: {orange: 'max(water_level, 1 h, upstream%s) > 5 m'}\n"
CHAIN = river(("mouth", "low", None), ("low", "mid", 60.0), ("mid", "top side", 90.0), ("top", "", None))


def warned(words: str, who: str, devices: Sequence[Device] = CHAIN) -> set[str]:
    found = changes(book(UPSTREAM % words), [reading(0, 9.0, who, "water_level")], devices)
    return {change.subject for change in found}


def test_upstream_is_the_whole_river_above() -> None:
    assert warned("", "top") == {"mid", "low", "mouth"}
    assert warned("", "side") == {"mid", "low", "mouth"}
    assert warned("", "low") == {"mouth"}
    assert warned("", "mouth") == set()


def test_upstream_ends_where_water_takes_too_long_or_nobody_knows_how_long() -> None:
    assert warned(" within 150 min", "top") == {"mid", "low"}, "60 and 90 min; from low to the mouth nobody knows"
    assert warned(" within 149 min", "top") == {"mid"}
    assert warned(" within 1 min", "top") == {"mid"}, "a gauge named by the registry itself counts at any distance"
    assert warned(" within 1 h", "low") == {"mouth"}


def test_evidence_says_how_long_the_water_takes() -> None:
    found = changes(book(UPSTREAM % ""), [reading(0, 9.0, "top", "water_level")], CHAIN)
    times = {c.subject: c.evidence[0]["windows"][0]["neighbours"][0].get("travel_min") for c in found}
    assert times == {"mid": 90, "low": 150, "mouth": None}


def test_a_river_in_a_ring_does_no_harm() -> None:
    ring = river(("a", "c", 1.0), ("b", "a", 1.0), ("c", "b", 1.0))
    assert warned("", "a", ring) == {"b", "c"}


def test_a_gauge_upstream_that_the_registry_does_not_have_is_noted() -> None:
    assert book(UPSTREAM % "").notes(CHAIN) == ["mid: upstream names side, which the registry does not have"]
    assert rule("").notes(CHAIN) == []


def test_derived_metrics_come_out_and_are_seen_by_rules() -> None:
    rules = book(
        "- derive: aqi\n  for_each: {kind: k}\n  value: iaqi_cn_pm25(pm25)\n- rule: r\n  for_each: {kind: k}\n  levels: {yellow: aqi > 100}\n"
    )
    outcome = Engine(rules, [DEVICE]).feed([reading(0, 75.0, metric="pm25")])
    assert [(made.device, made.observed_at, made.values) for made in outcome.derived] == [("d", at(0), {"aqi": 114.0})]
    assert told(outcome.changes) == [(0, "raised", "yellow")]


def test_evidence_shows_what_was_seen() -> None:
    change = changes(
        rule("", "{yellow: 'water_depth > 10 cm and mean(water_depth, 30 min) > 5 cm'}"),
        [reading(0, 0.1), reading(1, 0.3)],
    )[0]
    assert change.values == {"water_depth": 0.3}
    item = change.evidence[0]
    assert item["condition"] == "water_depth > 10 cm and mean(water_depth, 30 min) > 5 cm"
    assert item["readings"] == [
        {"device": "d", "metric": "water_depth", "value": 0.3, "unit": "m", "observed_at": "2026-05-28T20:27:40Z"}
    ]
    assert item["windows"][0]["samples"] == 2
    assert "water_depth = 0.3 m" in change.reason


@pytest.mark.parametrize("value", ["deep", float("nan"), float("inf"), None, [], True, 2**63])
def test_values_that_cannot_be_used_do_no_harm(value: Value) -> None:
    engine = Engine(rule("", "{yellow: 'mean(water_depth, 30 min) > 10 cm'}"), [DEVICE])
    engine.feed(
        [reading(0, value), reading(1, 0.2), Reading("d", None, {"no_such_metric": 1.0}), Reading("d", at(3), {})]
    )
    Engine.restore(engine.snapshot(), engine.book, [DEVICE])


def test_bytes_that_are_no_snapshot() -> None:
    for junk in (b"", b"junk", b"\x80", b"\x81\xa7version\x63"):
        with pytest.raises(ValueError, match="snapshot"):
            Engine.restore(junk, rule(""), [])


def test_stats_say_how_big_the_state_is() -> None:
    engine = Engine(rule("", "{yellow: 'mean(water_depth, 30 min) > 10 cm'}"), [DEVICE])
    engine.feed([reading(i, 0.2) for i in range(100)])
    stats = engine.stats()
    assert (stats["subjects"], stats["windows"], stats["open_alerts"]) == (1, 1, 1)
    assert 30 <= stats["samples"] <= 40, "what a window of 30 covers, and what is not cleared away yet"


def test_a_warning_that_has_ended_keeps_the_title_of_its_worst_moment() -> None:
    """Red at 60 cm, then yellow, then dry: the end is told as that of the red one, with what is now beside it."""
    engine = Engine(book('- rule: deep\n  title: "{subject.name}: {water_depth:.0f cm}"\n  for_each: {kind: gauge}\n  levels: {yellow: water_depth >= 15 cm, red: water_depth >= 50 cm}\n'))  # fmt: skip
    changes = []
    for n, depth in enumerate((0.2, 0.6, 0.3, 0.55, 0.02)):
        at = START + n * MINUTE
        changes += engine.feed([Reading("g", at, {"water_depth": depth}, received_at=at, kind="gauge")]).changes
        engine = Engine.restore(engine.snapshot(), engine.book)
    assert [(c.change.value, c.title, c.title_now) for c in changes] == [
        ("raised", "g: 20 cm", ""),
        ("escalated", "g: 60 cm", ""),
        ("lowered", "g: 30 cm", ""),
        ("escalated", "g: 55 cm", ""),
        ("cleared", "g: 60 cm", "g: 2 cm"),
    ]
    assert changes[-1].values == {"water_depth": 0.02}


def test_silence_that_has_ended_and_what_expires_keep_their_titles() -> None:
    engine = Engine(book('- rule: deep\n  title: "{subject.name}: {water_depth:.0f cm}"\n  for_each: {kind: gauge}\n  levels: {red: water_depth >= 50 cm}\n  silent: 30 min\n  expire: 2 h\n'))  # fmt: skip
    events: list[Event] = [Reading("g", START, {"water_depth": 0.6}, received_at=START, kind="gauge")]
    events += [Tick(START + n * 10 * MINUTE) for n in range(1, 20)]
    at = START + 200 * MINUTE
    events.append(Reading("g", at, {"water_depth": 0.0}, received_at=at, kind="gauge"))
    ends = {c.rule: (c.change.value, c.title, c.title_now) for c in engine.feed(events).changes if c.change in (Change.CLEARED, Change.EXPIRED)}  # fmt: skip
    assert ends["city/deep"] == ("expired", "g: 60 cm", "")
    assert ends["city/deep:silent"] == ("cleared", "g: no data", "g: reports again")
