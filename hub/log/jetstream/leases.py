"""Leases: which node does what only one may do. A key that its holder must renew, or the servers drop it and another node takes it."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import suppress

from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from hub.log.jetstream.servers import AGAIN_S, TROUBLES, Servers

TTL_S = 5.0
"""The servers drop a lease that was not renewed for so long."""
RENEW_S = 1.0
RENEWED_S = 0.5
"""How long one renewal may take before it is tried again: a server that ends takes the question along."""
SURE_S = 4.0
"""So long after the last renewal was sent its holder may act. Shorter than `TTL_S`: nobody else has it yet, though clocks run apart by a tenth."""
OLD = "hub"
"""The lease under which hubs of earlier versions judge, store and deliver."""
MARK = b"a newer version +"
"""The value of that key while hubs of this version work; the others read a machine's name in it."""
WRONG_LAST_SEQUENCE = frozenset({10071, 10164})
"""JetStream's error codes: somebody has written since, or is about to."""


def seconds() -> float:
    """By a clock that goes on while the machine sleeps, as the servers' does: a machine that wakes has lost its leases, and must know it before it
    does anything by them."""
    return time.clock_gettime(_CLOCK)


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Where there is no such clock (macOS), the one that has counted sleep there."""


class Lease:
    """One lease, asked for by one node."""

    def __init__(self, servers: Servers, bucket: KeyValue, name: str, node: str) -> None:
        self._servers, self._bucket, self.name = servers, bucket, name
        self._value = f"{node} {uuid.uuid4().hex}".encode()
        self._revision = 0
        self._sure_until = 0.0
        self.term = 0
        """Greater for each node that takes a lease of this bucket after another; 0 while it was never held."""

    @property
    def held(self) -> bool:
        """Whether this node may act on it now. Of any thread."""
        return seconds() < self._sure_until

    async def holder(self) -> str:
        """The node that has it; empty where none has, or nobody knows."""
        with suppress(*TROUBLES):
            return await self._servers.call(self._holder())
        return ""

    async def is_held(self) -> bool:
        """Whether some node has it; True where nobody knows."""
        with suppress(*TROUBLES):
            return bool(await self._servers.call(self._holder()))
        return True

    async def _holder(self) -> str:
        try:
            return ((await self._bucket.get(self.name)).value or b"").decode().rpartition(" ")[0]
        except KeyNotFoundError:
            return ""

    def give_up(self) -> None:
        """Act on it no more: something has shown that another node does."""
        self._sure_until = 0.0

    async def take(self) -> bool:
        """Try once."""
        sent = seconds()
        try:
            self._revision = await self._servers.call(self._bucket.create(self.name, self._value))
        except TROUBLES:
            return False
        self.term = self._revision
        self._sure_until = sent + SURE_S
        return True

    async def keep(self) -> None:
        """Renew it for as long as that goes. Returns when it is lost: then nothing that it allowed may be done any more. The connection's own
        event loop does it, so a hub that is busy for seconds (a start, a large snapshot) loses nothing by that."""
        await self._servers.call(self._keep())

    async def _keep(self) -> None:
        unanswered = 0.0
        """When the first renewal was sent of which nobody knows whether it reached the servers; 0 where there is none."""
        while self.held:
            await asyncio.sleep(AGAIN_S if unanswered else RENEW_S)
            sent = seconds()
            try:
                renewing = self._bucket.update(self.name, self._value, last=self._revision)
                self._revision = await asyncio.wait_for(renewing, RENEWED_S)
            except KeyWrongLastSequenceError:
                if not await self._was_renewed():
                    continue
                sent = unanswered or sent
            except TROUBLES:
                unanswered = unanswered or sent
                continue
            unanswered = 0.0
            if self.held:
                self._sure_until = sent + SURE_S

    async def _was_renewed(self) -> bool:
        """After a renewal that was refused because of a newer one: whether that is there, and this node's own, whose answer was lost."""
        with suppress(*TROUBLES):
            found = await asyncio.wait_for(self._bucket.get(self.name), RENEWED_S)
            if found.value != self._value:
                self.give_up()
            elif (found.revision or 0) > self._revision:
                self._revision = found.revision or 0
                return True
        return False

    async def release(self) -> None:
        """Give it back, so that nobody has to wait for it to run out."""
        held, self._sure_until = self.held, 0.0
        if held:
            with suppress(*TROUBLES):
                await self._servers.call(self._bucket.delete(self.name, last=self._revision))


class Newer:
    """Keeps hubs of earlier versions out, which did everything under the one lease `OLD`: while a hub of this version asks for leases or holds
    some that key is marked, and while one of theirs holds it nobody of this version works."""

    def __init__(self, servers: Servers, bucket: KeyValue) -> None:
        self._servers, self._bucket = servers, bucket

    async def mark(self) -> str:
        """Mark the key, or renew the mark. Gives the machine of an earlier version that works; empty where none does. Raises what the client raises."""
        return await self._servers.call(self._mark())

    async def _mark(self) -> str:
        try:
            found = await self._bucket.get(OLD)
        except KeyNotFoundError:
            with suppress(KeyWrongLastSequenceError):  # somebody has made it meanwhile, and the next look shows who
                await self._bucket.create(OLD, MARK)
                return ""
            found = await self._bucket.get(OLD)
        if found.value != MARK:
            return (found.value or b"").decode().rpartition(" ")[0] or "?"
        with suppress(KeyWrongLastSequenceError):  # another of this version was faster
            await self._bucket.update(OLD, MARK, last=found.revision)
        return ""

    async def keep(self) -> None:
        """Renew the mark for as long as no hub of an earlier version works."""
        await self._servers.call(self._keep())

    async def _keep(self) -> None:
        works = ""
        while not works:
            await asyncio.sleep(RENEW_S)
            with suppress(*TROUBLES):
                works = await asyncio.wait_for(self._mark(), RENEWED_S)


def bucket_of_leases(servers: Servers, space: str, replicas: int) -> KeyValue:
    return servers.bucket(f"{space}-leases", replicas, TTL_S)
