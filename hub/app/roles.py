"""Who does what where several machines work on one log: which adapters run here, and what the nodes of a city tell each other.

Every node says once in a while who it is and what it does. Those that judge, store and deliver, by their leases, say beside it what only they know
and others show or note: how the rules are, which windows of maintenance are planned, the city's books, how far their readers are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from hub.api.state import ReaderState
from hub.health import Part
from hub.ledger import Books, Ledger
from hub.log.board import Board
from hub.model import Maintenance
from hub.options import AdapterConfig
from hub.ports import LogPosition

SAY_EVERY_S = 2.0
GONE_S = 10.0
"""A node of which nothing was heard for so long is not shown any more."""


def shows(roles: Sequence[str]) -> bool:
    """Whether a node with these roles follows what the log holds from its start on. Others know of others' readings no more than that they are
    there, and decode none, unless a part that they fill needs them."""
    return "api" in roles


def here(adapters: Sequence[AdapterConfig], roles: Sequence[str]) -> list[AdapterConfig]:
    """The adapters that run on a node that fills these roles. What only waits for devices may run on any number of nodes; what goes and asks, or
    reads a file, runs where the rules do, for two would fetch everything twice."""
    return [adapter for adapter in adapters if ("ingest" if only_listens(adapter) else "rules") in roles]


def only_listens(adapter: AdapterConfig) -> bool:
    options = adapter.options
    asks = any(getattr(options, name, None) for name in ("connect", "file", "resources"))
    return bool(getattr(options, "listen", None)) and not asks


class Node(msgspec.Struct):
    """What one node says of itself. `roles`: what it does; `stands_by`: what it would do were it not for others. `address`: "" where it does not
    listen."""

    node: str
    roles: list[str]
    address: str
    ready: bool
    stands_by: list[str] = []


class Judged(msgspec.Struct):
    """What only the node that judges knows, and others show."""

    rules: dict[str, Any] = msgspec.field(default_factory=dict)
    """How the rules are."""
    maintenance: tuple[Maintenance, ...] = ()


class Reads(msgspec.Struct):
    """How far one reader has come, and whether it is well."""

    name: str
    stream: str
    cursor: LogPosition
    skipped: int
    state: str


class Said(msgspec.Struct):
    """On the board."""

    node: Node
    judged: Judged | None = None
    books: Books | None = None
    """Of the city, as the node that stores has them."""
    readers: list[Reads] = []
    """Of the roles that one node fills at a time."""


class Nodes:
    """The nodes of the city, as far as they are heard."""

    def __init__(self, board: Board | None, own: Callable[[], Node], said: Callable[[Node], Said]) -> None:
        """`board`: None for a hub with a log of its own, which is the only node. `own`: this node as it is; `said`: all that it says."""
        self._board, self._own, self._said = board, own, said
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
            await self._board.say(msgspec.json.encode(self._said(self._own())))
            await asyncio.sleep(SAY_EVERY_S)

    def all(self) -> list[Node]:
        """This one and those that were heard lately, by name."""
        own = self._own()
        return sorted([own, *(said.node for said in self._others(own.node))], key=lambda node: node.node)

    @property
    def listen(self) -> bool:
        """Whether some node takes anything in, by an adapter or by HTTP."""
        return any({"ingest", "api"} & set(node.roles) for node in self.all())

    @property
    def judged(self) -> Judged:
        """What the node that judges said last; nothing where none is heard."""
        return next((said.judged for _, said in self._newest_first() if said.judged is not None), Judged())

    @property
    def books(self) -> Ledger | None:
        """The city's, as the node that stores said them last; None where none is heard."""
        told = next((said.books for _, said in self._newest_first() if said.books is not None), None)
        return None if told is None else Ledger.of_books(told)

    def readers(self) -> list[ReaderState]:
        """Those of other nodes."""
        found = []
        for said in self._others(self._own().node):
            for one in said.readers:
                part = Part(one.name, one.state)
                found.append(ReaderState(one.name, one.stream, True, one.cursor, part, one.skipped))
        return found

    def _others(self, own: str) -> list[Said]:
        return [said for _, said in self._newest_first() if said.node.node != own]

    def _newest_first(self) -> list[tuple[float, Said]]:
        since = time.monotonic() - GONE_S
        heard = [(at, said) for at, said in list(self._heard.values()) if at > since]
        return sorted(heard, key=lambda one: one[0], reverse=True)


def reads(readers: Iterable[ReaderState]) -> list[Reads]:
    """For the board."""
    return [Reads(one.name, one.stream, one.cursor, one.skipped, one.state) for one in readers]
