"""A stream to which many nodes append: each only behind what it has read, so that nothing stands there twice.

Every message says behind which number it belongs, which the servers compare. Where another node was faster they refuse; the node reads what came,
leaves out of its own what stands there already, and tries again behind it. So of two nodes that a device sent the same reading to, one
puts it into the log and the other learns that it is there, whatever was lost or late between them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from nats.js.errors import APIError

from hub.log.jetstream.blobs import Blob, blob_of
from hub.log.jetstream.leases import WRONG_LAST_SEQUENCE
from hub.log.jetstream.servers import AGAIN_S
from hub.log.jetstream.stream import NOT_YET_S, JetStreamStream
from hub.log.pending import Append, Group
from hub.ports import Heard, LogPosition

logger = logging.getLogger(__name__)


class SharedStream(JetStreamStream):
    """`_last` is the newest blob that this node has read or written. Everything here happens in the node's own event loop."""

    shared = True

    def __init__(self, *given: Any) -> None:
        self._told: Heard | None = None
        self._following: asyncio.Task[None] | None = None
        self._offering = ""
        """The id of the message under way."""
        self._landed = 0
        """The number of its blob, where it was read before it was acknowledged."""
        self._ours_there: dict[int, Any] = {}
        """Entries on their way that others have put there, by what tells objects apart."""
        super().__init__(*given)  # which opens it, and from then on others are heard

    def hear(self, since: LogPosition, told: Heard) -> None:
        self._told, self._last = told, blob_of(since) - 1
        self._loop = asyncio.get_running_loop()
        self._following = self._loop.create_task(self._follow())

    async def _follow(self) -> None:
        """Read on while nothing of this node is under way: whoever appends reads by itself what came in between."""
        while True:
            grown = self._grown
            if self._offering or self._last + 1 >= self._end:
                await grown.wait()
                continue
            try:
                await self._read_on()
            except Exception:  # whatever it is: what this node no longer hears of it would take in once more
                await asyncio.sleep(AGAIN_S)

    async def _publish(self, group: Group) -> int:
        try:
            return await super()._publish(group)
        finally:
            self._offering, self._landed = "", 0
            self._wake()
            for entry in group.entries:
                self._ours_there.pop(id(entry), None)

    async def _offer(self, group: Group, identity: str) -> int:
        self._offering, pause_s = identity, NOT_YET_S
        if self._last + 1 < self._end:  # the servers would refuse
            await self._give_way(group)
        while not self._landed:
            self._leave_out_what_is_there(
                group
            )  # also what was read beside this; from here to the servers nothing comes between
            if not group.entries:
                return self._last + 1
            try:
                number = await self._servers.call(self._put(group, identity, self._last))
            except APIError as error:
                if error.err_code not in WRONG_LAST_SEQUENCE:
                    raise
            else:
                self._last = max(self._last, number)
                return number
            if not await self._give_way(group):  # what is on its way counts for the servers, and cannot be read yet
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, AGAIN_S)
        return self._landed

    async def _give_way(self, group: Group) -> bool:
        """Others were faster. Where they stand, what was offered cannot come to stand any more, so it may change: what has come meanwhile goes with
        it. False where nothing was found."""
        last = self._last
        await self._read_on()
        if self._last == last:
            return False
        if not self._landed:
            self._pending.add_to(group)
        return True

    def _leave_out_what_is_there(self, group: Group) -> None:
        if self._ours_there:
            group.hold([self._left_of(append) for append in group.appends])

    async def _read_on(self) -> None:
        """Take up the blobs behind the last, as many as one question gives. Raises what the client raises."""
        found = await self._servers.call(self._fetch(self._last + 1))
        if found is not None:
            self._last = max(self._last, found - 1)  # what lay between was dropped
        while (blob := self._blobs.get(self._last + 1)) is not None:
            self._take_note(blob)

    def _take_note(self, blob: Blob) -> None:
        self._learn(blob.number + 1)
        if self._offering and blob.identity == self._offering:
            self._last = self._landed = blob.number
            return
        if self._lease is not None and blob.term > self._lease.term:
            self._lease.give_up()
        self._ours_there |= {id(entry): entry for entry in self._heard(blob)}
        self._last = blob.number

    def _heard(self, blob: Blob) -> Sequence[Any]:
        """What of it is on its way from this node as well. Raises MemoryError: then it is asked again. What cannot be heard at all keeps nobody from
        appending."""
        try:
            return () if self._told is None else tuple(self._told(blob))
        except MemoryError:
            raise
        except Exception:
            logger.exception("what others have put into the log could not be heard; report this")
            return ()

    def _left_of(self, append: Append) -> Append:
        there = self._ours_there.keys() & {id(entry) for entry in append.entries}
        if not there:
            return append
        left = [entry for entry in append.entries if id(entry) not in there]
        keys = {key: entry for key, entry in append.keys.items() if id(entry) not in there}
        for one in there:
            del self._ours_there[one]
        return Append(left, self._pending.encoded(left), append.future, keys)

    async def close(self) -> None:
        await super().close()
        if self._following is not None:
            self._following.cancel()
