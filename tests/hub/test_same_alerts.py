"""The command that compares two versions of the code says what differs, and takes the earlier one from the repository."""

from __future__ import annotations

import pytest

from tests.bench.before import code_of
from tests.bench.same_alerts import differences, in_common, told_otherwise


def test_the_same_lines_have_no_differences_and_another_line_shows_on_both_sides() -> None:
    assert list(differences(["a", "b"], ["a", "b"])) == []
    assert list(differences(["a", "b", "c"], ["a", "x", "c"])) == ["-b", "+x"]


def test_another_order_is_a_difference() -> None:
    assert sorted(differences(["a", "b"], ["b", "a"])) != []


def test_a_commit_that_is_not_there_is_named() -> None:
    with pytest.raises(LookupError, match="no commit nowhere here"), code_of("nowhere"):
        pass


def test_what_only_one_code_writes_is_named_and_not_compared() -> None:
    before = ['{"level":"red","score":0.10,"cameras":[{"camera":"a"}]}']
    now = ['{"level":"red","title_zh":"水","score":0.10,"cameras":[{"camera":"a","reason_zh":"x"}]}']
    earlier, later, others = in_common(before, now)
    assert (earlier == later, others) == (True, {"title_zh", "reason_zh"})
    earlier, later, _ = in_common(before, [now[0].replace("0.10", "0.1")])
    assert earlier != later, "a number that is written otherwise is another byte"


def test_the_same_warnings_that_say_something_else_are_told_from_other_warnings() -> None:
    before = ['{"at":"8:00","rule":"r","subject":"a","change":"expired","level":"blue","values":{"x":1}}'] * 2
    now = [before[0], before[1].replace('"x":1', '"x":2').replace("}}", '},"title":"T"}')]
    assert told_otherwise(before, now) == {"values": 1, "title": 1}
    assert told_otherwise(before, before) == {}
    assert told_otherwise(before, [before[0], before[1].replace("blue", "red")]) is None
    assert told_otherwise(before, before[:1]) is None
