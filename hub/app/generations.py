"""The generations of parts of the rules, on the servers: which is the newest, where it began, and how the next one is made (`hub.app.parts_number`)."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

import msgspec

from hub.app.gathering import Letters
from hub.app.keeping import BEGIN, NUMBER, PART, OnServers, files_of
from hub.app.part_worker import Begin
from hub.app.reuniting import has_ended, next_of
from rules.together import Together

logger = logging.getLogger(__name__)

LOOK_S = (0.5, 5.0)
"""So often is looked whether a part has written down where it ended; less often the longer that takes, up to the second."""


class Number(msgspec.Struct):
    """Of the newest generation of parts."""

    parts: int
    generation: int


class GatherOnServers:
    """For whoever brings together (`hub.app.warning`): with the lease `rules`."""

    def __init__(self, keeping: OnServers, data: Path) -> None:
        self._keeping, self._data = keeping, data
        self.wanted = keeping.parts

    def letters(self) -> Letters:
        return self._keeping.posts().reader(lambda: False)

    def begin(self) -> Begin | None:
        begin = begin_of(self._keeping)
        if begin is not None and self._keeping.shown(NUMBER) != _number(begin):  # lost between writing the two
            self._keeping.replace(self._data / NUMBER, _number(begin))
        return begin

    def keep(self, begin: Begin) -> None:
        self._keeping.replace(self._data / BEGIN, msgspec.msgpack.encode(begin))
        self._keeping.replace(self._data / NUMBER, _number(begin))

    async def next_of(self, begin: Begin, parts: int, together: Together) -> Begin:
        saved = [await self._last_of(part, begin.generation) for part in range(begin.parts)]
        return await asyncio.to_thread(next_of, begin, parts, saved, together)

    async def _last_of(self, part: int, generation: int) -> bytes:
        """The snapshot of that part where it has ended, as soon as it has. One that is damaged is written again."""
        (name,) = files_of(PART.format(part=part))
        pause_s, said = LOOK_S[0], ""
        while True:
            with suppress(OSError):
                try:
                    saved = await asyncio.to_thread(self._keeping.shown, name)
                    if has_ended(saved, generation):
                        return saved
                except ValueError as error:
                    if str(error) != said:
                        said = str(error)
                        logger.error(
                            "%s cannot be used (%s); judging goes on once its part has written it again", name, error
                        )
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LOOK_S[1])


def begin_of(keeping: OnServers) -> Begin | None:
    """Where the newest generation of parts began; None where one engine has always judged. Raises OSError."""
    data = keeping.shown(BEGIN)
    return None if data is None else msgspec.msgpack.decode(data, type=Begin)


def _number(begin: Begin) -> bytes:
    return msgspec.json.encode(Number(begin.parts, begin.generation))


def number_of(keeping: OnServers) -> Number | None:
    """None where one engine has always judged. Raises OSError."""
    data = keeping.shown(NUMBER)
    return None if data is None else msgspec.json.decode(data, type=Number)
