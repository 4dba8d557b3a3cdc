"""Mistakes in rule files: each with file, line and column and a sentence, and all of them at once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.book import RuleBook, load, read_book
from rules.language.grammar import ExpressionError, parse
from rules.language.places import Mistake


def mistakes(text: str) -> list[Mistake]:
    found = read_book([("city", "r.yaml", text)])
    return found if isinstance(found, list) else []


def rule(levels: str, more: str = "", let: str = "") -> str:
    return f"- rule: r\n  for_each: {{kind: k}}\n{let}  levels:\n    yellow: {levels}\n{more}"


@pytest.mark.parametrize(
    ("condition", "column", "words"),
    [
        ("water_depth > 3 mm/h", 27, "a speed (mm/h) cannot be compared with or added to a length (m)"),
        ("watr_depth > 3 cm", 13, "was water_depth meant?"),
        ("pm25 > 3", 20, "write 3 ug/m3"),
        ("relative_humidity > 80", 33, "write 80 %"),
        ("relative_humidity > 120 %", 13, "can never be true"),
        ("water_depth > 3 furlongs", 27, "unknown unit 'furlongs'"),
        ("water_depth > 1e999 cm", 27, "larger than any number here"),
        ("pm25 > 3 ug/m3 for 1e999 min", 32, "larger than any number here"),
        ("pm25 > 3 ug/m3 for 1e300 min", 32, "between 1 ms and 366 d"),
        (f"2 of {'9' * 400} (pm25 > 3 ug/m3)", 13, "larger than any number here"),
        ("water_depth = 3 cm", 25, "'==' was meant?"),
        ("water_depth > 3 cm and", 35, "ends too early"),
        ("water_depth", 13, "a condition is needed here"),
        ("mean(pm25, 50 d) > 3 ug/m3", 24, "at most 31 d"),
        ("mean(pm25) > 3 ug/m3", 13, "mean is written mean(metric, 30 min)"),
        ("men(pm25, 1 h) > 3 ug/m3", 13, "was mean meant?"),
        ("mean(pm25, 3 cm) > 3 ug/m3", 24, "a duration such as 10 min was meant?"),
        ("mean(pm25, 1 h, within 3 min) > 3 ug/m3", 36, "needs a distance"),
        ("fire_alarm > 3 cm", 13, "a flag cannot be compared"),
        ('nav_status > "x"', 13, "only be compared with == or !="),
        ("5 of 3 (pm25 > 3 ug/m3)", 13, "1 ≤ k ≤ n"),
        ("pm25 * water_depth > 3 m", 18, "cannot be multiplied"),
        ("agree(pm25 > 3 ug/m3) > 1", 13, "agree is written"),
        ('marked("bad")', 13, "unknown mark 'bad'"),
        ("water_depth > 3 cm for 3 cm", 36, "a duration such as 10 min was meant?"),
    ],
)
def test_each_mistake_names_its_place(condition: str, column: int, words: str) -> None:
    found = mistakes(rule(condition))
    assert found, condition
    assert any(words in mistake.message for mistake in found), found
    first = next(mistake for mistake in found if words in mistake.message)
    assert (first.file, first.line) == ("r.yaml", 4)
    assert first.column == column, (condition, first)


def test_level_outside_clear_is_the_metric_of_that_name() -> None:
    assert mistakes(rule("pm25 > 80 % of level"))[0].message.startswith("a length (m) cannot be compared")


def test_all_mistakes_at_once() -> None:
    text = (
        rule("watr_depth > 3 cm")
        + "- rule: s\n  for_each: {knd: k}\n  levls: {}\n  levels: {purple: pm25 > 3 ug/m3}\n- rle: x\n"
    )
    found = mistakes(text)
    assert [mistake.line for mistake in found] == [4, 6, 7, 8, 9]
    assert "was kind meant?" in found[1].message
    assert "was levels meant?" in found[2].message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (rule("pm25 > 100 ug/m3", "    orange: pm25 > 50 ug/m3\n"), "yellow can never be reached"),
        (rule("max(pm25, 1 h) > 3 ug/m3", "  clear: pm25 < 80 % of level\n"), "does not compare this with a threshold"),
        (rule("pm25 > 3 ug/m3", "  silent: often\n"), "silent is a duration"),
        (rule("pm25 > 3 ug/m3", "  cap: {category: [Metal]}\n"), "CAP 1.2 knows"),
        (rule("pm25 > 3 ug/m3", '  title: "{pm25:.0f cm}"\n'), "cannot be shown in cm"),
        (rule("pm25 > 3 ug/m3", '  title: "{subject.nme}"\n'), "subject has name"),
        (rule("pm25 > 3 ug/m3", "  cameras: {within: 3 h}\n"), "within is a distance"),
        (rule("pm25 > 3 ug/m3", "  quality: bad\n"), "unknown quality"),
        (rule("pm25 > 3 ug/m3", "  rule: again\n"), "given twice"),
        ("- rule: r\n  for_each: {kind: k}\n", "it can never warn"),
        ("- rule: R R\n  for_each: {kind: k}\n  silent: 3 h\n", "is not a rule name"),
        (rule("mean(pm25, 1 h, within 3 km) > 3 ug/m3"), "nothing would have it judged"),
        ("rules: [", "not YAML"),
        ("{}", "must be a list"),
        ("- derive: nothing\n  for_each: {kind: k}\n  value: pm25\n", "is not a metric"),
        ("- derive: aqi\n  for_each: {kind: k}\n  value: pm25\n", "cannot be compared with or added to"),
    ],
)
def test_mistakes_in_the_other_keys(text: str, words: str) -> None:
    assert any(words in mistake.message for mistake in mistakes(text)), mistakes(text)


def test_an_attribute_is_told_from_a_misspelt_metric() -> None:
    assert mistakes(rule("water_level > water_level_m")) == []
    assert mistakes(rule("water_level > warning_level_m")) == []
    assert "was current_a meant?" in mistakes(rule("curent_a > 3 A"))[0].message


def test_folded_expressions_keep_their_place() -> None:
    found = mistakes(
        "- rule: r\n  for_each: {kind: k}\n  levels:\n    yellow: pm25 > 3 ug/m3 and\n      watr_depth > 3 cm\n"
    )
    assert [(m.line, m.column) for m in found] == [(5, 7)]


def test_a_rule_defined_twice() -> None:
    assert "defined twice" in mistakes(rule("pm25 > 3 ug/m3") * 2)[0].message


def test_unknown_pack() -> None:
    found = load([], ["air-ch"])
    assert isinstance(found, list)
    assert "was air-cn meant?" in found[0].message


def test_book_survives_its_own_text() -> None:
    from rules.book import from_text

    book = read_book([("city", "r.yaml", rule("pm25 > 3 ug/m3"))])
    assert isinstance(book, RuleBook)
    again = from_text(book.text)
    assert again is not None
    assert again.digest == book.digest
    assert from_text("no book") is None
    assert from_text('[["a"]]') is None


@given(st.text(alphabet="abc pm25><=()+-*/%.0123456789ug/h\"'of", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_an_expression_or_an_error_with_a_place(text: str) -> None:
    offset = 0
    try:
        parse(text)
    except ExpressionError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)
    mistakes(rule(repr(text)))


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_file_gives_rules_or_mistakes(text: str) -> None:
    read_book([("city", "r.yaml", text)])
