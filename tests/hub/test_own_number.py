"""Whether the number of parts in a machine's city folder is a wish: one that was away while the city went over to another must not take it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.app.own_number import OWN_NUMBER, OwnNumber

Look = tuple[int, int, int]
"""What the city folder says, the number that holds, its generation."""


def looks(data: Path, *told: Look) -> list[bool]:
    """Whether it counts after each look; the machine is started anew before each."""
    found = []
    for said, holds, generation in told:
        number = OwnNumber(data)
        assert not number.counts, "nothing is known yet"
        for _ in range(2):
            number.look(said, holds, generation)
        found.append(number.counts)
    return found


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        ([(2, 2, 1), (4, 2, 1), (4, 2, 1), (4, 4, 2), (4, 4, 2)], [True, True, True, True, True]),
        ([(2, 2, 1), (2, 4, 2), (2, 4, 2)], [True, False, False]),
        ([(2, 2, 1), (4, 2, 1), (4, 3, 2)], [True, True, False]),
        ([(2, 2, 1), (3, 4, 2), (3, 4, 2)], [True, False, False]),
        ([(2, 2, 1), (2, 4, 2), (4, 4, 2), (2, 4, 2)], [True, False, True, True]),
        ([(2, 4, 2), (2, 4, 2)], [False, False]),
        ([(2, 4, 2), (3, 4, 2)], [False, True]),
        ([(2, 1, 0), (2, 2, 1), (4, 2, 1)], [False, True, True]),
        ([(2, 1, 0), (4, 2, 1)], [False, True]),
        ([(1, 1, 0), (3, 1, 0)], [True, True]),
    ],
    ids=[
        "written there, then it holds",
        "away while it changed",
        "wished for, and others changed it otherwise",
        "written before a change that it did not see",
        "that which holds, then another: by a person",
        "a machine that is new",
        "a new machine, where it is changed later",
        "the first number of a city",
        "the first number of a city, changed before it was seen to hold",
        "one engine has always judged",
    ],
)
def test_a_number_counts_where_somebody_wrote_it_in_place_of_the_one_that_holds(
    tmp_path: Path, told: list[Look], counts: list[bool]
) -> None:
    assert looks(tmp_path, *told) == counts


def test_a_damaged_note_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / OWN_NUMBER).write_bytes(b"{")
    assert looks(tmp_path, (2, 4, 2)) == [False]


def test_a_note_that_cannot_be_written_is_in_memory(tmp_path: Path) -> None:
    number = OwnNumber(tmp_path / "nowhere")
    number.look(2, 2, 1)
    number.look(4, 2, 1)
    assert number.counts
