"""What of a stream may go: the oldest, beyond the limits of size and age, and nothing that a required reader has not told to have taken.

Where readers are stands on the servers, so that it does not matter which node drops, and nothing goes while the node of a reader is away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from hub.clock import now
from hub.log.jetstream.blobs import blob_of
from hub.log.jetstream.servers import Servers
from hub.moment import SECOND
from hub.ports import LogPosition

TRIM_FROM, TRIM_TO = 0.9, 0.8
"""Parts of the limit: above the one the oldest go, until the other is reached."""


class Retention:
    """Of one stream. Runs beside the servers' connection."""

    def __init__(
        self,
        servers: Servers,
        stream: str,
        name: str,
        bytes_max: int,
        age_max_s: float | None,
        needed: Sequence[str],
        places: KeyValue,
        first_since: Callable[[int], Awaitable[int]],
    ) -> None:
        """`stream`: on the servers; `name`: the hub's. `needed`: required readers wherever they run; nothing goes while one of them has no place among
        `places`. `first_since`: the number of the oldest message that was stored at or after a time, ns."""
        self._servers, self._stream, self._name = servers, stream, name
        self._bytes_max, self._age_max_s = bytes_max, age_max_s
        self._needed, self._places, self._first_since = needed, places, first_since
        self._told: dict[str, LogPosition] = {}

    async def tell(self, places: Mapping[str, LogPosition]) -> None:
        """Have these places of this node's readers on the servers."""
        for reader, position in places.items():
            if reader in self._needed and self._told.get(reader) != position:
                await self._places.put(self._key(reader), b"%d" % position)
                self._told[reader] = position

    async def drop(self, keep_from: LogPosition) -> bool:
        """Let go what is over the limits and before that place and every reader's. Whether anything went."""
        state = (await self._servers.js.stream_info(self._stream)).state
        if not state.messages:
            return False
        until = state.first_seq
        if state.bytes > TRIM_FROM * self._bytes_max:
            over = state.bytes - TRIM_TO * self._bytes_max
            until += round(over / state.bytes * state.messages)
        if self._age_max_s is not None:
            until = max(until, await self._first_since(now() - round(self._age_max_s * SECOND)))
        if until <= state.first_seq:
            return False
        for reader in self._needed:
            try:
                told = (await self._places.get(self._key(reader))).value or b"0"
            except KeyNotFoundError:
                return False
            keep_from = min(keep_from, LogPosition(int(told)))
        until = min(until, blob_of(keep_from), state.last_seq)
        if until <= state.first_seq:
            return False
        await self._servers.js.purge_stream(self._stream, seq=until)
        return True

    def _key(self, reader: str) -> str:
        return f"{self._name}.{reader.replace('/', '.')}"
