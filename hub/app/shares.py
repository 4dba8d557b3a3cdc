"""Who has more parts of the rules than its share, where several machines judge: so that one that comes back is not idle beside one that does all."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from hub.app.parts_number import judges
from hub.app.roles import Node, Nodes

STEADY_S = 60.0
"""A part is given back once nothing has changed about who has which for so long: so one goes at a time, and nothing is done about what passes."""


def held_by(nodes: Iterable[Node]) -> dict[str, int]:
    """By machine that judges, or could: how many parts it has."""
    counts = {node.node: sum(role.startswith("rules-") for role in node.roles) for node in nodes if judges(node)}
    ready = {node.node for node in nodes if node.ready}
    return {name: count for name, count in counts.items() if count or name in ready}


def gives(held: Mapping[str, int], parts: int) -> str:
    """The machine that is to give a part to one that has at least two fewer; "" where none is, or a part is nobody's."""
    if not held or sum(held.values()) != parts or max(held.values()) - min(held.values()) < 2:
        return ""
    return min(held, key=lambda name: (-held[name], name))


class Shares:
    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._held: Mapping[str, int] = {}
        self._since = time.monotonic()

    def one_too_many(self, parts: int) -> bool:
        """Whether this machine is to give one back now. To be asked often."""
        held, at = held_by(self._nodes.all()), time.monotonic()
        if held != self._held:
            self._held, self._since = held, at
        return at - self._since >= STEADY_S and gives(held, parts) == self._nodes.name
