"""Who does what where several machines work on one log: which adapters run here, and what the nodes of a city tell each other.

Every node says once in a while who it is and what it does. Those that judge, store and deliver, by their leases, say beside it what only they know
and others show or note: how the rules are, which windows of maintenance are planned, the city's books, how far their readers are.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from hub.api.state import ReaderState
from hub.bilingual import Text
from hub.health import Health, Part
from hub.ingest import Ingest
from hub.ledger import Books, Ledger
from hub.log.board import Board
from hub.model import Maintenance
from hub.moment import SECOND
from hub.options import AdapterConfig
from hub.ports import LogPosition

SAY_EVERY_S = 2.0
ROLE = "role/"
"""How the parts begin that say of a role whether anybody fills it."""
AMONG = "machines"
"""The part that says how the nodes are among each other."""
GONE_S = 10.0
"""A node of which nothing was heard for so long is not shown among those that work any more."""
FORGOTTEN_S = 3600.0
"""And after so long nobody misses it any more: it may have been taken away for good."""


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
    partitions: int = 0
    """Among how many parts its city folder says that the rules are to be shared; 0 of a machine that does not judge, or says nothing of it."""
    counts: bool = True
    """Whether that number is heard when machines agree on one (`hub.app.own_number`)."""


class Judged(msgspec.Struct):
    """What only the node that judges knows, and others show."""

    rules: dict[str, Any] = msgspec.field(default_factory=dict)
    """How the rules are."""
    maintenance: tuple[Maintenance, ...] = ()
    parts: int = 0
    """Among how many the rules are judged; 0 where nobody says."""


class Reads(msgspec.Struct):
    """How far one reader has come, and whether it is well."""

    name: str
    stream: str
    cursor: LogPosition
    skipped: int
    state: str


class Ill(msgspec.Struct):
    """A part of a node that is not up."""

    part: str
    state: str
    since: int
    why: str
    why_zh: str
    required: bool


class Said(msgspec.Struct):
    """On the board."""

    node: Node
    judged: Judged | None = None
    books: Books | None = None
    """Of the city, as the node that stores has them."""
    readers: list[Reads] = []
    """Of the roles that one node fills at a time."""
    ill: list[Ill] = []
    doors: dict[str, bool] = {}
    """By door: whether it is up. Those of the node that anything can come in by."""
    run: str = ""
    """Other for each start of a node, by which two of one name are told apart."""
    at: int = 0
    """The node's clock, ns; 0 of a version that does not tell it."""
    leaves: bool = False
    """It was told to end, and nobody need miss it."""


class Heard(NamedTuple):
    """What was said, and when it was heard: by a clock that goes on by itself, s, and how far the other's clock was ahead then, s."""

    at: float
    said: Said
    ahead_s: float


class Nodes:
    """The nodes of the city, as far as they are heard."""

    def __init__(
        self,
        name: str,
        board: Board | None,
        own: Callable[[], Node],
        said: Callable[[Node], Said],
        now: Callable[[], int],
    ) -> None:
        """`name`: this node's; `board`: None for a hub with a log of its own, which is the only node. `own`: this node as it is; `said`: all that it
        says; `now`: its clock."""
        self.name, self._board, self._own, self._said, self._now = name, board, own, said, now
        self._run = uuid.uuid4().hex
        self._heard: dict[str, Heard] = {}
        self._twin: Heard | None = None
        """Another node that has this one's name."""
        self._decoder = msgspec.json.Decoder(Said)
        if board is not None:
            board.hear(self._hear)

    def _hear(self, told: bytes) -> None:
        """Of the board's own thread."""
        try:
            said = self._decoder.decode(told)
        except msgspec.MsgspecError:  # of a version that speaks otherwise
            return
        heard = Heard(time.monotonic(), said, (said.at - self._now()) / SECOND if said.at else 0.0)
        if said.run != self._run and said.node.node == self.name:
            self._twin = None if said.leaves else heard
        elif said.leaves:
            self._heard.pop(said.node.node, None)
        else:
            self._heard[said.node.node] = heard

    async def run(self) -> None:
        """Say how this node is, for good."""
        while self._board is not None:
            await self._say(self._board, self._said(self._own()))
            await asyncio.sleep(SAY_EVERY_S)

    async def leave(self) -> None:
        """Say the last word, so that nobody misses this node."""
        if self._board is not None:
            await self._say(self._board, Said(self._own(), leaves=True))

    async def _say(self, board: Board, said: Said) -> None:
        said.run, said.at = self._run, self._now()
        await board.say(msgspec.json.encode(said))

    def all(self) -> list[Node]:
        """This one and those that were heard lately, by name."""
        return sorted([self._own(), *(one.said.node for one in self._others())], key=lambda node: node.node)

    @property
    def listen(self) -> bool:
        """Whether some node takes anything in, by an adapter or by HTTP."""
        return any({"ingest", "api"} & set(node.roles) for node in self.all())

    def who(self, role: str) -> str | None:
        """The node that fills this role, None where none is heard that does."""
        twin = self.twin
        nodes = [*self.all(), *([] if twin is None else [twin.node])]
        return next((node.node for node in nodes if role in node.roles), None)

    @property
    def twin(self) -> Said | None:
        """What another node says that has this one's name."""
        heard = self._twin
        return heard.said if heard is not None and heard.at > time.monotonic() - GONE_S else None

    def lost(self) -> list[Node]:
        """Those that were heard, did not say that they leave, and are not heard any more, by name."""
        at = time.monotonic()
        heard = [one for one in list(self._heard.values()) if GONE_S <= at - one.at < FORGOTTEN_S]
        return sorted((one.said.node for one in heard if one.said.node.node != self.name), key=lambda node: node.node)

    def ahead_s(self) -> dict[str, float]:
        """By node, how far its clock was ahead of this one's when it was last heard, s."""
        return {one.said.node.node: one.ahead_s for one in self._others()}

    def doors(self, own: Mapping[str, bool]) -> dict[str, bool]:
        """By door, whether it is up wherever it is; with this node's own."""
        found: dict[str, bool] = {}
        for doors in (own, *(one.said.doors for one in self._others())):
            for name, up in doors.items():
                found[name] = found.get(name, True) and up
        return found

    def ill(self) -> list[Part]:
        """The parts of other nodes that are not up, as PART@NODE."""
        found = []
        for one in self._others():
            for ill in one.said.ill:
                part = Part(f"{ill.part}@{one.said.node.node}", ill.state)
                part.since, part.why, part.required = ill.since, Text(ill.why, ill.why_zh), ill.required
                found.append(part)
        return found

    @property
    def judged(self) -> Judged:
        """What the node that judges said last; nothing where none is heard."""
        return next((one.said.judged for one in self._newest_first() if one.said.judged is not None), Judged())

    @property
    def books(self) -> Ledger | None:
        """The city's, as the node that stores said them last; None where none is heard."""
        told = next((one.said.books for one in self._newest_first() if one.said.books is not None), None)
        return None if told is None else Ledger.of_books(told)

    def readers(self) -> list[ReaderState]:
        """Those of other nodes."""
        found = []
        for other in self._others():
            for one in other.said.readers:
                part = Part(one.name, one.state)
                found.append(ReaderState(one.name, one.stream, True, one.cursor, part, one.skipped))
        return found

    def _others(self) -> list[Heard]:
        return [one for one in self._newest_first() if one.said.node.node != self.name]

    def _newest_first(self) -> list[Heard]:
        since = time.monotonic() - GONE_S
        heard = [one for one in list(self._heard.values()) if one.at > since]
        return sorted(heard, key=lambda one: one.at, reverse=True)


def doors(ingest: Ingest, roles: Sequence[str]) -> dict[str, bool]:
    """For the board: by door of a node with these roles, whether it is up."""
    return {name: door.status.state == "up" for name, door in ingest.doors.items() if name != "api" or "api" in roles}


def ill(health: Health) -> list[Ill]:
    """For the board: what of this node is not up, but for what every node finds by itself."""
    return [
        Ill(part.name, part.state, part.since, part.why.en, part.why.zh, part.required)
        for part in health.ill()
        if part.whole is None and part.name != AMONG and not part.name.startswith(ROLE)
    ]


def reads(readers: Iterable[ReaderState]) -> list[Reads]:
    """For the board."""
    return [Reads(one.name, one.stream, one.cursor, one.skipped, one.state) for one in readers]
