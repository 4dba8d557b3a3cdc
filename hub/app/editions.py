"""Into the log: which rules and which registry hold from here on, and how long the hub was deaf before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from hub.app.city import City
from hub.model import Deaf, Edition, Tick
from hub.moment import SECOND
from hub.ports import Log, LogFull
from hub.whole_file import read
from rules.edition import registry_text
from rules.judging.setback import BACK_NS

DEAF_AFTER_S = 5.0


class Editions:
    """`path`: the file that keeps which ones stand in the log; `replace`: how it is replaced, durably; `version`: who judges by them."""

    def __init__(self, log: Log, path: Path, replace: Callable[[Path, bytes], None], version: str) -> None:
        self._log, self._path, self._replace, self._version = log, path, replace, version

    async def begin(self, city: City, at: int) -> None:
        """The hub starts at `at`, ns."""
        entries: list[Any] = []
        last = self._log.events.last_at
        if last is not None and at - last > DEAF_AFTER_S * SECOND:
            entries.append(Deaf(last, at))
        elif last is not None and at < last - BACK_NS:
            entries.append(Tick(at))  # the clock was set back while the hub was down
        if entries:
            with suppress(LogFull, OSError):
                await self._log.events.append(entries)
        await self.note(city, at)

    async def note(self, city: City, at: int) -> list[str]:
        """What of rules and registry has changed: from there on it holds. A sentence for each."""
        noted: dict[str, str] = read(self._path, lambda data: msgspec.json.decode(data, type=dict[str, str]), {})
        registry = city.registry
        texts = {"rules": city.book.text, "registry": registry_text(registry.devices.values(), registry.zones.values())}
        digests = {
            what: hashlib.sha256(f"{self._version}\n{text}".encode()).hexdigest() for what, text in texts.items()
        }
        changed = [what for what in texts if noted.get(what) != digests[what]]
        if changed:
            try:
                await self._log.events.append([Edition(at, what, self._version, texts[what]) for what in changed])
                self._replace(self._path, msgspec.json.encode(digests))
            except (LogFull, OSError) as error:  # a full disk: noted at the next start
                return [f"{what}: not taken over, for the log takes nothing now ({error})" for what in changed]
        return [f"{what}: taken over" for what in changed]
