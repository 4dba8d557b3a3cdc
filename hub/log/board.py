"""Where the nodes of one log tell each other how they are. What is said is heard by whoever listens just then, and kept nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Board(Protocol):
    async def say(self, said: bytes) -> None:
        """To all nodes, as far as they can be reached now."""
        ...

    def hear(self, told: Callable[[bytes], None]) -> None:
        """Tell of all that is said from now on, this node's own words too, in a thread of the board's."""
        ...
