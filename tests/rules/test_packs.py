"""Every shipped pack: its own tests pass, every rule has one, every threshold says where it comes from."""

from __future__ import annotations

import pytest

from rules.book import RuleBook, load, pack_file, shipped_packs
from rules.explain import explain, summary
from rules.testing import run_pack


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
    assert pack_file(pack, "README.md"), "a pack says what it covers and what not"


def test_every_rule_says_where_its_figures_come_from() -> None:
    for rule in book(*shipped_packs()).rules:
        assert rule.sources, rule.name
        for source in rule.sources:
            assert source.fields.get("standard"), rule.name


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
