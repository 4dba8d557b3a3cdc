"""Every shipped pack: its own tests pass, every rule has one, every threshold says where it comes from."""

from __future__ import annotations

import re

import pytest
import yaml

from rules.book import RuleBook, load, pack_file, shipped_packs
from rules.explain import explain, summary
from rules.language.places import Document
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


def tree(node: yaml.Node) -> object:
    """A node as values: where it stands, what it is, what it holds."""
    here = (node.tag, node.start_mark.line, node.start_mark.column, node.start_mark.index, node.end_mark.index)
    if isinstance(node, yaml.ScalarNode):
        return (*here, node.value, node.style or "")
    if isinstance(node, yaml.SequenceNode):
        return (*here, [tree(item) for item in node.value])
    return (*here, [(tree(key), tree(value)) for key, value in node.value])


@pytest.mark.parametrize("name", ["rules.yaml", "tests.yaml"])
def test_packs_are_the_same_by_the_quick_reader_and_by_the_exact_one(name: str) -> None:
    for pack in shipped_packs():
        text = pack_file(pack, name) or ""
        quick, exact = Document(name, text, of_pack=True).root, Document(name, text).root
        assert quick is not None
        assert exact is not None
        assert tree(quick) == tree(exact)


def test_the_quick_reader_is_quick() -> None:
    """Ten times as fast, where libyaml is: a pack that went to the other one would be read as well, only slowly."""
    made: list[object] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(yaml, "compose", lambda *given, **more: made.append(given))
        assert Document("rules.yaml", pack_file("flood", "rules.yaml") or "", of_pack=True).root is not None
    assert made == []


@pytest.mark.parametrize("text", ["- rule: a\n  title: 'b\n", "- {a: [1, }\n", "a: b\n- c\n", "a: \x01", "a: \ud800"])
def test_a_mistake_in_a_pack_is_worded_as_one_in_a_citys_rules(text: str) -> None:
    quick, exact = Document("rules.yaml", text, of_pack=True), Document("rules.yaml", text)
    assert quick.mistakes == exact.mistakes != []


def test_nesting_without_end_is_a_mistake_in_a_pack_and_no_crash() -> None:
    (mistake,) = Document("rules.yaml", "[" * 100_000, of_pack=True).mistakes
    assert mistake.message.startswith("not YAML: ")


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
