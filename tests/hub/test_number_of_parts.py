"""Among how many parts the rules are judged: what in the log changes it, and when machines agree that it is to change."""

from __future__ import annotations

import pytest

from hub.app.parts_number import agreed, ends, outdated, told
from hub.app.roles import Node
from hub.model import Edition, Event, Tick


def said(number: str, what: str = "parts") -> Edition:
    return Edition(1, what, "t", number)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([Tick(1), said("3"), Tick(2)], (2, 3)),
        ([Tick(1), said("2"), Tick(2)], (3, 0)),
        ([said("1"), said("3")], (1, 1)),
        ([said(""), said("0"), said("65"), said("-3"), said("²"), said("3", "rules")], (6, 0)),
        ([], (0, 0)),
    ],
)
def test_a_generation_ends_behind_the_event_that_says_another_number(
    events: list[Event], expected: tuple[int, int]
) -> None:
    assert ends(events, 2) == expected


def machine(name: str, partitions: int, *roles: str, stands_by: tuple[str, ...] = (), counts: bool = True) -> Node:
    return Node(name, list(roles), "", True, list(stands_by), partitions, counts)


def test_machines_agree_once_all_that_could_judge_say_the_same() -> None:
    judge, heir = machine("a", 4, "rules", "rules-0"), machine("b", 2, "rules-1", stands_by=("rules",))
    door, older = machine("door", 0, "ingest"), machine("c", 0, stands_by=("rules",))
    assert told([judge, heir, door]) == {4: ["a"], 2: ["b"]}
    assert agreed([judge, heir, door]) == 0
    assert agreed([judge, door]) == 4
    assert agreed([judge, older]) == 0, "a version that does not know of it would go on as before"
    assert agreed([door]) == 0


def test_a_number_that_does_not_count_neither_changes_nor_holds_up_anything() -> None:
    """A machine that was away during a change, and alone later, took the city back to its own number."""
    was_away, other = machine("a", 2, "rules", counts=False), machine("b", 4, stands_by=("rules",))
    door = machine("door", 0, "ingest", counts=False)
    assert agreed([was_away, door]) == 0
    assert agreed([was_away, other, door]) == 4
    assert told([was_away, other, door]) == {4: ["b"]}
    assert outdated([was_away, other, door]) == {2: ["a"]}
