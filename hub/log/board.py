"""Where the nodes of one log tell each other how they are. What is said is heard by whoever listens just then, and kept nowhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol


class Unanswered(Exception):
    """Nobody has answered."""


class Nobody(Unanswered):
    """There is nobody whom the question could have reached."""


class Board(Protocol):
    async def say(self, said: bytes) -> None:
        """To all nodes, as far as they can be reached now."""
        ...

    def hear(self, told: Callable[[bytes], None]) -> None:
        """Tell of all that is said from now on, this node's own words too, in a thread of the board's."""
        ...

    async def ask(self, question: bytes, within_s: float, place: str = "") -> bytes:
        """The first answer: of the node at that place, of any without one. It is asked once and never again. Raises `Unanswered`."""
        ...

    def answer(self, by: Callable[[bytes], Awaitable[bytes | None]], alone: bool = False) -> str:
        """Have questions answered in this event loop, each beside the others; None keeps silent. `alone`: those to this node only. Gives the
        place where they are asked."""
        ...
