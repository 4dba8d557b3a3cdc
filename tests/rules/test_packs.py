"""Every shipped pack: its own tests pass, every rule has one, every threshold says where it comes from."""

from __future__ import annotations

import re

import pytest
import yaml

from rules.book import RuleBook, load, pack_file, shipped_packs
from rules.explain import explain, summary
from rules.testing import run_pack
from tests.rules.test_chinese import english_in


def book(*packs: str) -> RuleBook:
    found = load([], packs)
    assert isinstance(found, RuleBook), found
    return found


@pytest.mark.parametrize("pack", shipped_packs())
def test_pack_keeps_its_promises(pack: str) -> None:
    report = run_pack(pack)
    assert report.mistakes == []
    assert [(result.name, result.problems) for result in report.results if not result.passed] == []
    assert report.untested == []
    assert [english_in(change) for result in report.results for change in result.changes if english_in(change)] == []
    assert pack_file(pack, "README.md"), "a pack says what it covers and what not"


def test_every_rule_says_where_its_figures_come_from() -> None:
    for rule in book(*shipped_packs()).rules:
        assert rule.sources, rule.name
        for source in rule.sources:
            standard = source.fields.get("standard", "")
            assert standard, rule.name
            assert source.fields.get("clause"), f"{rule.name}: a figure is from a clause, or a house default"
            if not standard.startswith("house default"):
                assert source.fields.get("edition") or source.fields.get("status"), f"{rule.name}: of which edition?"


def cases(rule: str) -> set[str]:
    """Which of the required cases the pack's tests hold for a rule, as far as a test's text shows them."""
    pack, _, name = rule.partition("/")
    text = pack_file(pack, "tests.yaml")
    assert text is not None
    found: set[str] = set()
    for test in yaml.safe_load(text)["tests"]:
        rules = [test["rules"]] if isinstance(test["rules"], str) else test["rules"]
        if name not in rules:
            continue
        series = [str(values).split() for values in test.get("series", {}).values()]
        first = next((change for change in test["expect"] if change["change"] == "raised"), None)
        found |= {change["change"] for change in test["expect"]}
        if any(re.match(r"_(x|$)", value) for values in series for value in values):
            found.add("gap")
        if test.get("marks"):
            found.add("marked")
        if first is None or first["at"] not in (0, "0 s"):
            found.add("silent at first")
    return found


@pytest.mark.parametrize("rule", [rule.name for rule in book(*shipped_packs()).rules if rule.levels])
def test_every_rule_has_its_five_cases(rule: str) -> None:
    """Raises, not before, clears, survives a gap, ignores bad data; those that ask for marks are about bad data.

    Exactly where each level begins is a law of its own, by readings made for it: `tests/laws/test_rules.py`.
    """
    wanted = {"raised", "silent at first", "cleared", "gap", "marked"}
    assert wanted - cases(rule) == set()


def test_every_rule_can_be_explained() -> None:
    every = book(*shipped_packs())
    for rule in every.rules:
        text = explain(every, rule.name)
        assert text is not None
        assert rule.name in text
        assert all(level.when.text in text for level in rule.levels)
    assert explain(every, "air-cn/none") is None
    assert len(summary(every)) == len(every.rules)


def test_the_rule_that_others_build_on() -> None:
    assert book("air-cn").rule("air-cn/pm25-hourly") is not None
