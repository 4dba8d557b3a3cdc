"""What packs say in Chinese: titles, reasons and evidence, without an English word in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.bilingual import Text, duration_zh, preferred
from hub.metrics import vocabulary
from hub.model import AlertChange
from hub.wire import change_to_json, in_language
from rules.book import RuleBook, load, shipped_packs
from rules.language import chinese, functions
from rules.language import grammar as g
from rules.state.subject import OpenAlert, Standing

CITY = Path(__file__).parents[2]
SYMBOLS = frozenset(
    ["mm", "h", "cm", "m", "km", "s", "kPa", "mg", "L", "µg", "V", "kV", "Hz", "NTU", "ppm", "LEL", "PM", "C", "K", "g", "pH", "AQI", "AIS", "A", "UTC", "px", "Z", "µS", "µm", "T", "mV", "B"]
) | {"dB"}  # fmt: skip
"""Symbols of units and of substances that Chinese readers know by their Latin letters."""


def latin(text: str) -> list[str]:
    """Latin words that are no symbol; ids of devices and places left out, which tests of packs write in lower case."""
    return [word for word in re.findall(r"[A-Za-zµ]+", text) if word not in SYMBOLS]


def book(*packs: str) -> RuleBook:
    found = load([], packs or shipped_packs())
    assert isinstance(found, RuleBook), found
    return found


def english_in(change: AlertChange) -> list[tuple[str, list[str]]]:
    """What stands in English where Chinese should; names and moments left out."""
    found = []
    for said in [change.title_zh, change.reason_zh, *filter(None, _said_zh(change))]:
        for name in _names(change):
            said = said.replace(name, "")
        words = latin(re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z|\de[-+]\d+", "", said))
        if words or not said:
            found.append((said or change.title, words))
    return found


def _names(change: AlertChange) -> list[str]:
    """What people named: the subject, whose neighbours are named in evidence."""
    found = {change.subject, *re.split(r"[+:]", change.subject), re.split(r": | is | near | in a | stands | moves | has | reports ", change.title)[0]}  # fmt: skip
    found |= {
        value for name, value in change.values.items() if name in ("driver", "plate", "name") and isinstance(value, str)
    }
    for item in change.evidence:
        for candidate in item.get("attribution", {}).get("candidates", []):
            found.add(candidate["name"])
    return sorted(found, key=len, reverse=True)


def _said_zh(value: Any) -> Iterator[str]:
    """Every text whose key ends in _zh, at any depth."""
    shown = change_to_json(value) if isinstance(value, AlertChange) else value
    if isinstance(shown, dict):
        for key, item in shown.items():
            if key.endswith("_zh"):
                yield item
            else:
                yield from _said_zh(item)
    elif isinstance(shown, list):
        for item in shown:
            yield from _said_zh(item)


def test_every_condition_of_every_pack_can_be_said_in_chinese() -> None:
    """Also those that no test of a pack reaches."""
    for rule in book().rules:
        assert rule.title_zh or not rule.title, rule.name
        for name in rule.let_texts:
            assert latin(chinese.name(name, rule)) == [], (rule.name, name)
        for level in rule.levels:
            for condition in filter(None, (level.when, level.clear)):
                said = chinese.condition(condition.text, rule, clear=condition is level.clear)
                assert latin(said) == [], (rule.name, said)


def test_every_function_has_a_chinese_wording() -> None:
    (rule,) = [rule for rule in book("underpass").rules if rule.name == "underpass/flooding"]
    arguments = {"percentile": "water_depth, 90 %, 1 h", "residual": "water_depth, water_level, 1 h", "in_zone": '"bridge"', "during": '"x"', "marked": '"fault"', "agree": "water_depth > 1 m, 1 h, inside", "share": "water_depth > 1 m, 1 h, inside", "time_since": "water_depth > 1 m", "reports_here": "20 m"}  # fmt: skip
    for name in (*functions.WINDOW_FUNCTIONS, *functions.OTHER_FUNCTIONS):
        said = chinese.condition(f"{name}({arguments.get(name, 'water_depth, 1 h')}) > 1", rule)
        assert name not in said, said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("depth >= 27 cm for 2 min", "水深 ≥ 27 cm，持续2分钟"),
        ("not (depth > 1 m or rain > 20 mm/h)", "并非（水深 > 1 m，或周边3 km内雨强的30分钟均值 > 20 mm/h）"),
        ("2 of 3 (depth > 10 cm)", "最近3次中有2次水深 > 10 cm"),
        ("2 of 2 (depth > 80 % of warning_level_m)", "连续2次水深 > 警戒水位的80%"),
        ("1 cm < depth < 5 cm", "1 cm < 水深，且水深 < 5 cm"),
        ("depth > 1 m then rain > 1 mm/h within 10 min", "先水深 > 1 m，10分钟内再周边3 km内雨强的30分钟均值 > 1 mm/h"),
        ("depth > own_mark_m", "水深 > own_mark_m"),
    ],
)
def test_a_condition_means_the_same_in_chinese(text: str, said: str) -> None:
    (rule,) = [rule for rule in book("underpass").rules if rule.name == "underpass/flooding"]
    assert chinese.condition(text, rule) == said


def test_the_limit_of_a_level_is_told_from_the_metric_of_that_name() -> None:
    vibration, pump = (next(rule for rule in book("plant").rules if rule.name == name) for name in ("plant/vibration", "plant/pump-out"))  # fmt: skip
    assert (
        chinese.condition("vibration < 85 % of level for 10 min", vibration, clear=True)
        == "振动速度 < 本级限值的85%，持续10分钟"
    )
    assert chinese.condition("level < start_level_m - 5 cm", pump, clear=True) == "液位 < 启泵水位 − 5 cm"
    assert chinese.condition("level >= start_level_m", pump) == "液位 ≥ 启泵水位"


def test_a_citys_own_rule_may_bring_its_chinese_and_stands_in_english_without(tmp_path: Path) -> None:
    own = """
- rule: deep
  title: "{subject.name}: {depth:.0f cm} ({level})"
  title_zh: "{subject.name}：深{depth:.0f cm}（{level}）"
  for_each: {kind: underpass-gauge}
  let: {depth: water_depth}
  let_zh: {depth: 积水}
  levels: {red: depth >= 30 cm}
"""
    (tmp_path / "own.yaml").write_text(own, "utf-8")
    found = load([tmp_path], [])
    assert isinstance(found, RuleBook), found
    assert chinese.condition("depth >= 30 cm", found.rules[0]) == "积水 ≥ 30 cm"
    for wrong, complaint in (("{deeper: x}", "let has no name 'deeper'"), ("nonsense", "let_zh")):
        (tmp_path / "own.yaml").write_text(own.replace("{depth: 积水}", wrong), "utf-8")
        mistakes = load([tmp_path], [])
        assert isinstance(mistakes, list)
        assert complaint in str(mistakes[0])


def test_all_metrics_have_a_chinese_name() -> None:
    assert [name for name, metric in vocabulary().items() if not metric.title_zh and "#" not in name] == []


def test_what_was_frozen_before_there_was_chinese_can_be_taken_up() -> None:
    alert = OpenAlert("a", "r", "s", 2, 7)
    alert.title, alert.title_zh = "t", "题"
    frozen = alert.freeze()
    assert OpenAlert.thaw(frozen).title_zh == "题"
    assert OpenAlert.thaw(frozen[:-2]).freeze() == [*frozen[:-2], "", -1]
    standing = Standing([])
    standing.withheld = Text("it jumped", "跳变")
    frozen = standing.freeze()
    frozen[7] = "it jumped"
    standing.thaw(frozen)
    assert standing.withheld == Text("it jumped", "it jumped")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB, zh;q=0.5", "en"),
        ("en;q=0.3, zh-Hans-CN", "zh"),
        ("fr, de;q=0.9", "en"),
        ("fr, zh;q=0.1", "zh"),
        ("zh;q=0, en;q=0.1", "en"),
        ("zh;q=nonsense", "en"),
        ("ZH-tw", "zh"),
    ],
)
def test_the_language_of_a_request(header: str, language: str) -> None:
    assert preferred(header) == language


def test_an_object_in_chinese_keeps_its_keys() -> None:
    shown = {"title": "a", "title_zh": "甲", "cameras": [{"reason": "near", "reason_zh": "近"}], "reason": "old", "reason_zh": ""}  # fmt: skip
    assert in_language(shown, "en") is shown
    assert in_language(shown, "zh") == {"title": "甲", "title_zh": "甲", "cameras": [{"reason": "近", "reason_zh": "近"}], "reason": "old", "reason_zh": ""}  # fmt: skip


def test_durations() -> None:
    second = 1_000_000_000
    assert [duration_zh(at * second) for at in (90, 900, 86400, 3 * 86400)] == ["90秒", "15分钟", "24小时", "3天"]


def test_a_duration_beyond_what_a_rule_may_name_is_said_all_the_same() -> None:
    (rule,) = [rule for rule in book("underpass").rules if rule.name == "underpass/flooding"]
    assert g.parse("depth > 500 d")
    assert chinese.condition("depth > 500 d", rule) == "水深 > 500天"
