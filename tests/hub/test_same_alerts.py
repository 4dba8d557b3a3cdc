"""The command that compares two versions of the code says what differs, and takes the earlier one from the repository."""

from __future__ import annotations

import pytest

from tests.bench.before import code_of
from tests.bench.same_alerts import differences


def test_the_same_lines_have_no_differences_and_another_line_shows_on_both_sides() -> None:
    assert list(differences(["a", "b"], ["a", "b"])) == []
    assert list(differences(["a", "b", "c"], ["a", "x", "c"])) == ["-b", "+x"]


def test_another_order_is_a_difference() -> None:
    assert sorted(differences(["a", "b"], ["b", "a"])) != []


def test_a_commit_that_is_not_there_is_named() -> None:
    with pytest.raises(LookupError, match="no commit nowhere here"), code_of("nowhere"):
        pass
