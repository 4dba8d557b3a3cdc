"""The city's own files, changed from the console of a running hub: what is proposed, written, and taken over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hub.app import admitting, fences
from hub.app.admitting import NotProposed, Proposal
from hub.bilingual import Text
from hub.model import Refusal


class CityFiles:
    """What the API asks of a running hub. `reload` takes the folder over. `alone`: the hub's only machine; of several each has a folder of its
    own, which is changed where they are all set up."""

    def __init__(self, folder: Path, reload: Callable[[], Awaitable[Any]], alone: bool) -> None:
        self._folder, self._reload, self._alone = folder, reload, alone

    def device(self, device: str, row: Mapping[str, str]) -> Proposal:
        """A line more for devices.csv. Blocks. Raises NotProposed, OSError."""
        self._ask_where()
        return admitting.propose(self._folder, device, row)

    def zone(
        self, zone: str, properties: Mapping[str, Any], ring: Sequence[Sequence[float]] | None, reshape: bool
    ) -> Proposal:
        """A zone more, or with another shape; without a `ring` that zone less. Blocks. Raises NotProposed, OSError."""
        self._ask_where()
        if ring is None:
            return fences.removed(self._folder, zone)
        if reshape:
            return fences.reshaped(self._folder, zone, ring)
        return fences.added(self._folder, zone, properties, ring)

    async def change(self, proposal: Proposal) -> Any:
        """Written and taken over; what became of the reload. Raises OSError."""
        await asyncio.to_thread(admitting.replace_file, self._folder / proposal.file, proposal.content)
        return await self._reload()

    async def refuse(self, refusals: Mapping[str, Refusal]) -> Any:
        """All refusals, written and taken over. Raises NotProposed, OSError."""
        self._ask_where()
        await asyncio.to_thread(admitting.refuse, self._folder, refusals)
        return await self._reload()

    def _ask_where(self) -> None:
        if not self._alone:
            raise NotProposed(
                Text(
                    "this city runs on several machines, each with a folder of its own; change its files on all of them",
                    "本城市运行于多台机器，各有自己的目录；请在所有机器上修改文件",
                )
            )
