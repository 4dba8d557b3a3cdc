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


def here(adapters: Sequence[AdapterConfig], roles: Sequence[str]) -> list[AdapterConfig]:
    """The adapters that run on a node with these roles. What only waits for devices may run on any number of nodes; what goes and asks, or reads
    a file, runs where the hub works, for two would fetch everything twice."""
    return [adapter for adapter in adapters if ("ingest" in roles if only_listens(adapter) else works(roles))]


def only_listens(adapter: AdapterConfig) -> bool:
    options = adapter.options
    asks = any(getattr(options, name, None) for name in ("connect", "file", "resources"))
    return bool(getattr(options, "listen", None)) and not asks


class Node(msgspec.Struct):
    """What one node says of itself."""

    node: str
    roles: list[str]
    works_in: list[str]
    """What it does now; of the roles that one node has at a time, those of which it has the lease."""
    address: str
    ready: bool
    rules: dict[str, Any] = msgspec.field(default_factory=dict)
    maintenance: list[Maintenance] = msgspec.field(default_factory=list)


class Nodes:
    """The nodes of the city, as far as they are heard."""

    def __init__(self, board: Board | None, own: Callable[[], Node]) -> None:
        """`board`: None for a hub with a log of its own, which is the only node. `own`: what this node says of itself."""
        self._board, self._own = board, own
        self._heard: dict[str, tuple[float, Node]] = {}
        self._decoder = msgspec.json.Decoder(Node)
        if board is not None:
            board.hear(self._hear)

    def _hear(self, said: bytes) -> None:
        """Of the board's own thread."""
        try:
            node = self._decoder.decode(said)
        except msgspec.MsgspecError:  # of a version that speaks otherwise
            return
        self._heard[node.node] = time.monotonic(), node

    async def run(self) -> None:
        while True:
            if self._board is not None:
                await self._board.say(msgspec.json.encode(self._own()))
            await asyncio.sleep(SAY_EVERY_S)

    def all(self) -> list[Node]:
        """This one and those that were heard lately, by name."""
        own, since = self._own(), time.monotonic() - GONE_S
        others = [node for at, node in list(self._heard.values()) if at > since and node.node != own.node]
        return sorted([own, *others], key=lambda node: node.node)

    @property
    def listen(self) -> bool:
        """Whether some node takes anything in, by an adapter or by HTTP."""
        return any({"ingest", "api"} & set(node.works_in) for node in self.all())

    @property
    def worker(self) -> Node | None:
        """The one that works: this one, or who said so last; None where none is heard."""
        own = self._own()
        if works(own.works_in):
            return own
        since = time.monotonic() - GONE_S
        heard = [(at, node) for at, node in list(self._heard.values()) if at > since and works(node.works_in)]
        return max(heard, key=lambda one: one[0])[1] if heard else None

    @property
    def rules(self) -> dict[str, Any]:
        """How the rules are, by who runs them."""
        worker = self.worker
        return {} if worker is None else worker.rules

    @property
    def maintenance(self) -> Sequence[Maintenance]:
        worker = self.worker
        return () if worker is None else worker.maintenance
