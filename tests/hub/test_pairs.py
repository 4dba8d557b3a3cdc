"""Names of pairs: what was written stays, and nobody with a plus in the name is taken for two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.pairs import begins_with, members, pair_named, pair_of

NAMES = st.text(st.sampled_from("ab+%2B5 北/"), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("211000002", "211000001", "211000001+211000002"),
        ("a/g", "a/h", "a/g+a/h"),
        ("50%", "%", "%+50%"),
        ("+41", "b", "%2B41+b"),
        ("a%2B", "b", "a%252B+b"),
    ],
)
def test_a_pair_is_named_as_it_always_was_where_its_members_have_ordinary_names(
    one: str, other: str, said: str
) -> None:
    assert pair_named(one, other) == pair_named(other, one) == said


@given(NAMES, NAMES)
def test_what_is_joined_is_taken_apart(one: str, other: str) -> None:
    pair = pair_named(one, other)
    assert pair_of(pair) == tuple(sorted((one, other)))
    assert pair.startswith(begins_with(min(one, other)))


@pytest.mark.parametrize("name", ["+41791234567", "truck+1", "a++b", "T+H+3", "pump+", "+", "zone:quay", "北门"])
def test_a_device_with_a_plus_is_one(name: str) -> None:
    assert pair_of(name) is None
    assert members(name) == (name,)


def test_a_device_that_is_called_as_a_pair_is_one_for_who_knows_the_devices() -> None:
    assert members("A+B") == ("A", "B")
    assert members("A+B", {"A+B"}.__contains__) == ("A+B",)
