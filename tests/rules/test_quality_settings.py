"""Quality settings that operators write: read with their units and mistakes, chosen by device, and what the engine makes of them."""

from __future__ import annotations

from math import inf

import pytest

from hub.model import Device, Event, Position, Reading, Tick
from rules.book import RuleBook, from_text, read_book
from rules.engine import Engine
from rules.explain import explain, summary
from rules.qartod import SETTINGS, Flag, climatology, settled
from rules.testing import read_tests, run_test

START = 1_780_272_000_000_000_000  # 2026-06-01T00:00:00Z
MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
RULES = """
- rule: high
  for_each: {kind: river-gauge}
  levels: {yellow: water_level > 3 m, red: water_level > 6 m}
- quality: water_level
  for_each: {kind: river-gauge}
  range: {suspect: [0 m, 8 m], fail: [-100 cm, 15 m]}
  spike: {suspect: 50 cm, fail: 4 m, within: 1 h}
- quality: water_level
  for_each: {kind: river-gauge, device: "gauge-7"}
  climatology: {winter: [0 m, 3 m], jun-sep: [0 m, 6 m]}
  rate: 1 m/min
  flat: {suspect: 12 h, fail: 24 h}
  gap: 2 h
  neighbours: 20 km
- quality: water_level
  for_each: {device: "gauge-*"}
  range: {fail: [~, 20 m]}
"""


def book(rules: str = RULES) -> RuleBook:
    found = read_book([("city", "own.yaml", rules)])
    assert isinstance(found, RuleBook), "\n".join(map(str, found))
    return found


def engine(rules: str = RULES) -> Engine:
    names = ("gauge-7", "gauge-8", "other")
    return Engine(
        book(rules), [Device(n, n, "river-gauge", Position(116.4 + i / 20, 39.9)) for i, n in enumerate(names)]
    )


def level(device: str, minute: float, value: float) -> Reading:
    at = START + round(minute * MINUTE)
    return Reading(device, at, {"water_level": value}, received_at=at)


def flags(e: Engine, *events: Event) -> list[tuple[float, str]]:
    """(minutes after the start, flag) of what is flagged."""
    derived = [reading for event in events for reading in e.feed([event]).derived]
    return [
        ((r.observed_at or 0) / MINUTE - START / MINUTE, flag) for r in derived for flag in (r.marks or {}).values()
    ]


def test_the_most_precise_selection_has_the_last_word_key_by_key() -> None:
    e = engine()
    for name, low, high, rate, jump in (
        ("gauge-7", -inf, 20.0, 1 / 60, 0.5),
        ("gauge-8", -inf, 20.0, inf, 0.5),
        ("other", -1.0, 15.0, inf, 0.5),
    ):
        plan = e.subjects[name].plan
        assert plan is not None
        found = plan.settings["water_level"]
        assert (found.low, found.high, found.rate, found.jump) == (low, high, pytest.approx(rate), jump)
        assert (found.suspect_high, found.spike_fail, found.jump_within_s) == (8.0, 4.0, 3600.0)
    assert settled([])["water_level"] == SETTINGS["water_level"]


def test_equally_precise_the_later_wins_and_the_same_in_one_pack_is_a_mistake() -> None:
    entry = "- quality: ph\n  for_each: {kind: water-plant}\n  range: {fail: [0, 13]}\n"
    later = entry.replace("13", "12")
    found = read_book([("pack", "p.yaml", entry), ("city", "c.yaml", later)])
    assert isinstance(found, RuleBook)
    assert settled(found.qualities)["ph"].high == 12
    twice = read_book([("city", "c.yaml", entry + later)])
    assert [str(m) for m in twice] == ["c.yaml:4:3: ph is set twice for the same devices; first in c.yaml:1"]


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("range: {fail: [0 mm/h, 8 m]}", "6:18: a speed (mm/h) cannot be compared with or added to a length (m)"),
        ("range: {fail: [0, 8 m]}", "6:18: the other side is a length (m): write 0 m"),
        ("range: {fail: [8 m, 0 m]}", "6:17: the lower end comes first"),
        ("range: {fail: [0 m]}", "6:17: a range has two ends, such as [0 m, 8 m]; ~ leaves one open"),
        ("range: {suspect: [-2 m, 8 m], fail: [-1 m, 9 m]}", "6:10: what is suspect lies inside what fails"),
        ("range: {good: [0 m, 8 m]}", "6:11: unknown key 'good' of range; known are suspect, fail"),
        ("rate: 1 m", "6:9: a length (m) cannot be compared with or added to a speed (m/s)"),
        ("rate: water_level", "6:9: a number is needed here, such as 5 m/s"),
        ("spike: -1 m", "6:10: a number above 0 is needed here"),
        ("flat: {suspect: 2 d, fail: 1 d}", "6:9: what fails has stood still for longer than what is suspect"),
        ("gap: 2 m", "6:8: 'm' is a length; a duration such as 10 min was meant?"),
        ("climatology: {wintr: [0 m, 1 m]}", "6:17: 'wintr' is no month or season; write jan, jun-sep or winter"),
        ("climatology: {jan: [0 m, 1 m], winter: [0 m, 2 m]}", "6:34: jan is given twice"),
        ("neighbours: 300 km", "6:15: neighbours may be up to 200 km away"),
        ("range: off\n  spik: 1 m", "7:3: unknown key 'spik'; was spike meant?"),
        ("about: nothing", "4:3: quality water_level sets nothing; known are range, climatology, spike, rate, flat, gap, neighbours"),
    ],
)  # fmt: skip
def test_mistakes_say_where(line: str, mistake: str) -> None:
    text = f"- rule: r\n  for_each: {{kind: x}}\n  levels: {{red: ph > 9}}\n- quality: water_level\n  for_each: {{kind: x}}\n  {line}\n"
    found = read_book([("city", "own.yaml", text)])
    assert isinstance(found, list)
    assert [str(m) for m in found] == [f"own.yaml:{mistake}"]


def test_an_unknown_metric_is_a_mistake() -> None:
    found = read_book([("city", "own.yaml", "- quality: water_lvel\n  for_each: {kind: x}\n  gap: 1 h\n")])
    assert isinstance(found, list)
    assert "own.yaml:1:12: 'water_lvel' is not a metric with a number" in str(found[0])


def test_climatology_by_month_of_the_observation() -> None:
    months = book().qualities[1]
    bounds = dict(months.settings)["climatology"]
    assert climatology(4, START, bounds) is Flag.GOOD
    assert climatology(7, START, bounds) is Flag.SUSPECT
    assert climatology(4, START - HOUR, bounds) is Flag.NOT_EVALUATED  # May has no bounds
    assert climatology(4, START + 214 * 24 * HOUR, bounds) is Flag.SUSPECT  # 2027-01-01
    assert climatology(4, START, ()) is Flag.NOT_EVALUATED
    e = engine()
    assert flags(e, level("gauge-7", 0, 7), level("gauge-8", 0, 7)) == [(0, "suspect")]


def test_rate_of_change() -> None:
    rules = RULES.replace("spike: {suspect: 50 cm, fail: 4 m, within: 1 h}", "spike: off")
    e = engine(rules)
    assert flags(e, level("gauge-7", 0, 1), level("gauge-7", 1, 2), level("gauge-7", 2, 3.1)) == [(2, "suspect")]
    assert flags(e, level("gauge-7", 4, 5), level("gauge-7", 1.5, 2)) == [], "two minutes for two metres; a late one"


def test_a_spike_beyond_the_second_figure_fails() -> None:
    assert flags(engine(), level("other", 0, 1), level("other", 1, 2), level("other", 2, 1)) == [(1, "suspect")]
    assert flags(engine(), level("other", 0, 1), level("other", 1, 6), level("other", 2, 1)) == [(1, "fail")]


def test_what_fails_its_range_reaches_no_rule_and_what_is_off_is_not_tested() -> None:
    e = engine()
    assert flags(e, level("other", 0, 16)) == [(0, "fail")]
    assert e.open_alerts() == []
    off = RULES.replace("range: {suspect: [0 m, 8 m], fail: [-100 cm, 15 m]}", "range: off")
    e = engine(off)
    assert flags(e, level("other", 0, 16)) == []
    assert [alert.level for alert in e.open_alerts()] == [3]


def test_a_lone_jump_is_held_back_where_neighbours_are_set() -> None:
    e = engine()
    e.feed([level("gauge-8", 0, 1), level("gauge-7", 0, 1)])
    changes = e.feed([level("gauge-7", 10, 7)]).changes
    assert [c.level for c in changes] == ["yellow"]
    assert "1 within 20 km stay at 1" in changes[0].evidence[0]["withheld"]
    assert [c.level for c in e.feed([level("gauge-8", 10, 6.5)]).changes] == ["red", "red"], "its neighbour follows"


def test_a_gap_is_flagged_by_time_and_nothing_is_compared_across_it() -> None:
    e = engine()
    ticks = [Tick(START + minute * MINUTE) for minute in range(1, 400)]
    assert flags(e, level("gauge-7", 0, 1), *ticks[:59], level("gauge-7", 60, 1.1), *ticks[60:]) == [(180, "missing")]
    assert e.stats()["metrics_missing"] == 1
    assert flags(e, level("gauge-7", 400, 5)) == [], "four metres across a gap are no jump"
    assert e.stats()["metrics_missing"] == 0
    assert not e.subjects["gauge-7"].jumps


def test_a_metric_with_an_entry_is_tested_where_no_rule_reads_it() -> None:
    e = engine("- quality: ph\n  for_each: {kind: river-gauge}\n  range: {fail: [0, 13]}\n")
    reading = Reading("other", START, {"ph": 13.5}, received_at=START)
    assert [r.marks for r in e.feed([reading]).derived] == [{"ph": "fail"}]


@pytest.mark.parametrize("cut", range(0, 22, 3))
def test_the_same_after_a_restart_and_with_edited_settings(cut: int) -> None:
    shorter = book(RULES.replace("gap: 2 h", "gap: 30 min"))
    stream: list[Event] = [level("gauge-7", 0, 1), level("gauge-8", 0, 1), level("gauge-7", 5, 4.5)]
    stream += [Tick(START + minute * MINUTE) for minute in range(10, 240, 15)]
    stream += [level("gauge-7", 241, 1), level("gauge-7", 242, 9), level("gauge-7", 243, 1)]
    whole = engine()
    expected = whole.feed(stream)
    first = engine()
    got = first.feed(stream[:cut])
    second = Engine.restore(first.snapshot(), first.book, first.registry.values())
    assert second.snapshot() == first.snapshot()
    more = second.feed(stream[cut:])
    assert (got.changes + more.changes, got.derived + more.derived) == (expected.changes, expected.derived)
    assert second.snapshot() == whole.snapshot()
    assert shorter.digest != whole.book.digest, "settings are part of the edition"
    again = from_text(whole.book.text)
    assert again is not None
    assert again.qualities == whole.book.qualities


def test_list_and_explain_show_them() -> None:
    names = [row[0] for row in summary(book())]
    assert names.count("city/quality:water_level") == 3
    told = explain(book(), "city/high") or ""
    assert "water_level: spike or jump 2 m within 1 h; denied where it stands alone by 0.3 m (house default)" in told
    assert "rate 1 m/min, flat {suspect: 12 h, fail: 24 h}, gap 2 h" in told
    assert "range: {fail: [~, 20 m]}" in (explain(book(), "city/quality:water_level") or "")


TESTS = """
devices:
  - {device: gauge-7, kind: river-gauge, lon: 116.4, lat: 39.9}
  - {device: gauge-8, kind: river-gauge, lon: 116.45, lat: 39.9}
tests:
  - test: a lone jump is held back, then found to be a spike
    rules: high
    every: 5 min
    series: {gauge-7.water_level: 1 7 1, gauge-8.water_level: 1x2}
    expect:
      - {at: 5 min, device: gauge-7, change: raised, level: yellow, withheld: jumped from 1 to 7}
      - {at: 10 min, device: gauge-7, change: cleared}
    flags:
      - {at: 5 min, device: gauge-7, metric: water_level, flag: suspect}
      - {at: 5 min, device: gauge-7, flag: fail}
      - {at: 10 min, device: gauge-7, flag: suspect}
"""


def test_operators_expect_flags_and_what_is_withheld() -> None:
    tests, mistakes = read_tests("t.yaml", TESTS, "city")
    assert mistakes == []
    assert run_test(book(), tests[0]).problems == []
    tests, _ = read_tests("t.yaml", TESTS.replace("flag: fail}", "flag: missing}").replace("to 7}", "to 8}"), "city")
    problems = run_test(book(), tests[0]).problems
    assert len(problems) == 2
    assert "expected withheld 'jumped from 1 to 8'" in problems[0]
    assert problems[1] == "expected the flag at 300 s: gauge-7 missing, but at 300 s: gauge-7 water_level fail"
    _, mistakes = read_tests("t.yaml", TESTS.replace("flag: fail}", "flag: bad}"), "city")
    assert [m.message for m in mistakes] == ["'bad' is none of suspect, fail, missing"]
