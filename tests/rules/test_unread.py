"""Metrics that no rule reads, and rules that can never warn."""

from __future__ import annotations

from hub.model import Device
from rules.book import RuleBook, load
from rules.unread import never, unread


def packs(*names: str) -> RuleBook:
    found = load([], names)
    assert isinstance(found, RuleBook)
    return found


def test_what_no_rule_reads_of_a_kind_is_named_and_what_one_reads_is_not() -> None:
    told = {"river-gauge": {"water_level", "water_flow", "turbidity"}, "underpass-gauge": {"water_depth"}}
    assert [str(item) for item in unread(packs("flood", "underpass"), told)] == [
        "no rule reads turbidity of river-gauge"
    ]
    told = {"river-gauge": {"water_level", "turbidity"}, "underpass-gauge": {"water_depth"}}
    assert [item.kind for item in unread(packs("flood"), told)] == ["river-gauge", "underpass-gauge"]


def test_what_is_asked_of_neighbours_or_derived_of_is_read() -> None:
    told = {"air-station": {"pm25", "pm10", "so2", "no2", "co", "o3", "wind_speed", "noise"}}
    assert [item.metrics for item in unread(packs("air-cn"), told)] in ([("noise",)], [("noise", "wind_speed")])


def test_rules_without_their_metrics_or_attributes_can_never_warn() -> None:
    devices = [Device("g", kind="river-gauge")]
    said = never(packs("flood"), {"river-gauge": {"water_flow"}}, devices)
    assert "flood/fast-rise can never warn: river-gauge tell no water_level" in said
    said = never(packs("flood"), {"river-gauge": {"water_level"}}, devices)
    assert not [text for text in said if text.startswith("flood/fast-rise ")]
    assert any(text.startswith("flood/river-stage can never warn: none of its 1 devices has ") for text in said)
    known = Device("g", kind="river-gauge", attributes={"warning_level_m": 3.0})
    assert not [t for t in never(packs("flood"), {"river-gauge": {"water_level"}}, [known]) if "river-stage" in t]
