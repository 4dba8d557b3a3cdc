"""Which machine gives a part of the rules back, and when."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from hub.app.roles import Node, Nodes
from hub.app.shares import STEADY_S, Shares, gives, held_by


@pytest.mark.parametrize(
    ("held", "parts", "giver"),
    [
        ({"a": 3, "b": 0, "c": 0}, 3, "a"),
        ({"a": 2, "b": 1, "c": 0}, 3, "a"),
        ({"a": 1, "b": 1, "c": 1}, 3, ""),
        ({"a": 2, "b": 1}, 3, ""),
        ({"a": 2, "b": 2, "c": 0}, 4, "a"),
        ({"a": 2, "b": 0}, 3, ""),
        ({"a": 1}, 1, ""),
        ({}, 3, ""),
    ],
)
def test_whoever_has_most_gives_to_whoever_has_two_fewer(held: dict[str, int], parts: int, giver: str) -> None:
    """Nobody does while a part is nobody's: that one is taken first."""
    assert gives(held, parts) == giver


def machine(name: str, parts: int, ready: bool = True, roles: tuple[str, ...] = ("rules",)) -> Node:
    return Node(name, [f"rules-{part}" for part in range(parts)], "", ready, list(roles))


def test_only_machines_that_could_take_a_part_count() -> None:
    nodes = [machine("a", 2), machine("b", 0, ready=False), machine("c", 1, ready=False), machine("door", 0, roles=())]
    assert held_by(nodes) == {"a": 2, "c": 1}


def test_one_is_given_once_nothing_has_changed_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, at = [machine("a", 3), machine("b", 0)], [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: at[0])
    shares = Shares(cast(Nodes, SimpleNamespace(name="a", all=cast(Callable[[], list[Node]], lambda: nodes))))
    assert not shares.one_too_many(3)
    at[0] += STEADY_S - 1
    assert not shares.one_too_many(3)
    at[0] += 1
    assert shares.one_too_many(3)
    nodes[:] = [machine("a", 2), machine("b", 0), machine("c", 1)]
    assert not shares.one_too_many(3), "somebody else has taken it"
    at[0] += STEADY_S
    assert shares.one_too_many(3)
    nodes[:] = [machine("a", 1), machine("b", 1), machine("c", 1)]
    at[0] += 2 * STEADY_S
    assert not shares.one_too_many(3)
    at[0] += STEADY_S
    assert not shares.one_too_many(3)
