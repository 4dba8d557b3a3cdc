"""Who does what where several machines work on one log: which adapters run here, and what the nodes of a city tell each other.

Every node says once in a while who it is and what it does. The one that works (rules, store and delivery, by the lease) says beside it what only
it knows and others show: how the rules are, and which windows of maintenance are planned.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from hub.log.board import Board
from hub.model import Maintenance
from hub.options import WORK, AdapterConfig

SAY_EVERY_S = 2.0
GONE_S = 10.0
"""A node of which nothing was heard for so long is not shown any more."""


def works(roles: Sequence[str]) -> bool:
    """Whether a node with these roles takes the lease, and then judges, stores and delivers. Otherwise it only takes in and shows."""
    return set(WORK) <= set(roles)


def shows(roles: Sequence[str]) -> bool:
    """Whether a node with these roles follows what the log holds. One that only takes in needs of others' readings no more than that they are
    there, and decodes none of them."""
    return "api" in roles or works(roles)


def here(adapters: Sequence[AdapterConfig], roles: Sequence[str]) -> list[AdapterConfig]:
    """The adapters that run on a node with these roles. What only waits for devices may run on any number of nodes; what goes and asks, or reads
    a file, runs where the hub works, for two would fetch everything twice."""
    return [adapter for adapter in adapters if ("ingest" in roles if only_listens(adapter) else works(roles))]


def only_listens(adapter: AdapterConfig) -> bool:
    options = adapter.options
    asks = any(getattr(options, name, None) for name in ("connect", "file", "resources"))
    return bool(getattr(options, "listen", None)) and not asks


class Node(msgspec.Struct):
    """What one node says of itself. `roles`: what it does; a node that stands by says nothing yet. `address`: "" where it does not listen."""

    node: str
    roles: list[str]
    address: str
    ready: bool


class Judged(msgspec.Struct):
    """What only the node that works knows, and others show."""

    rules: dict[str, Any] = msgspec.field(default_factory=dict)
    """How the rules are."""
    maintenance: tuple[Maintenance, ...] = ()


class Said(msgspec.Struct):
    """On the board."""

    node: Node
    judged: Judged | None = None


class Nodes:
    """The nodes of the city, as far as they are heard."""

    def __init__(self, board: Board | None, own: Callable[[], Node], judged: Callable[[], Judged] | None) -> None:
        """`board`: None for a hub with a log of its own, which is the only node. `own`: what this node says of itself; `judged`: and of what it
        works on, None where another works."""
        self._board, self._own, self._judged = board, own, judged
        self._heard: dict[str, tuple[float, Said]] = {}
        self._decoder = msgspec.json.Decoder(Said)
        if board is not None:
            board.hear(self._hear)

    def _hear(self, told: bytes) -> None:
        """Of the board's own thread."""
        try:
            said = self._decoder.decode(told)
        except msgspec.MsgspecError:  # of a version that speaks otherwise
            return
        self._heard[said.node.node] = time.monotonic(), said

    async def run(self) -> None:
        """Say how this node is, for good."""
        while self._board is not None:
            await self._board.say(msgspec.json.encode(Said(self._own(), self._judged() if self._judged else None)))
            await asyncio.sleep(SAY_EVERY_S)

    def all(self) -> list[Node]:
        """This one and those that were heard lately, by name."""
        own = self._own()
        others = [said.node for _, said in self._lately() if said.node.node != own.node]
        return sorted([own, *others], key=lambda node: node.node)

    @property
    def listen(self) -> bool:
        """Whether some node takes anything in, by an adapter or by HTTP."""
        return any({"ingest", "api"} & set(node.roles) for node in self.all())

    @property
    def judged(self) -> Judged:
        """What the node that works said last; nothing where none is heard."""
        heard = [(at, said.judged) for at, said in self._lately() if said.judged is not None]
        return max(heard, key=lambda one: one[0])[1] if heard else Judged()

    def _lately(self) -> list[tuple[float, Said]]:
        since = time.monotonic() - GONE_S
        return [(at, said) for at, said in list(self._heard.values()) if at > since]
