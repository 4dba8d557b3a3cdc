"""Whether the number of parts that this machine's city folder says is a wish, or only what nobody has changed there since the city went over to another.

A machine that was away during a change comes back with the number of before. Alone, it would take the city back to it. So each machine remembers
which number its folder said, and in which generation of parts that was new (`hub.app.generations`).
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from hub.whole_file import read, replace

OWN_NUMBER = "parts.own.json"
"""In the data folder."""


class _Noted(msgspec.Struct):
    said: int
    """The number of parts that the city folder said."""
    generation: int
    """The newest generation of parts then."""
    wished: bool
    """Whether somebody had written it there in place of the number that held."""


_decode = msgspec.json.Decoder(_Noted).decode


class OwnNumber:
    def __init__(self, data: Path) -> None:
        self._path = data / OWN_NUMBER
        self._noted = read(self._path, _decode, None)
        self.counts = False
        """Whether the number is heard when machines agree on one: it holds, or is a wish."""

    def look(self, said: int, holds: int, generation: int) -> None:
        """To be asked often. `said`: by the city folder; `holds`: the number of parts of the newest generation."""
        noted = _Noted(said, generation, said != holds and self._is_wished(said, holds, generation))
        self.counts = said == holds or noted.wished
        if noted != self._noted:
            self._noted = noted
            with suppress(OSError):  # after a restart it is a wish no more, and is named
                replace(self._path, msgspec.json.encode(noted))

    def _is_wished(self, said: int, holds: int, generation: int) -> bool:
        before = self._noted
        if before is None:  # nobody knows when it was written
            return False
        if before.said == said:
            return before.wished and before.generation == generation
        return before.generation == generation or before.said == holds
