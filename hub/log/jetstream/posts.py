"""The log of the parts of the rules: one stream, a subject for each part, written by the holder of that part's lease alone.

Each message says behind which message of its part it belongs. So whoever has lost its lease, and does not know it yet, cannot speak once its heir
has spoken, and what it said before its heir did is what the heir would have said.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event
from typing import Any

import msgspec
from nats.js import api
from nats.js.errors import APIError, NotFoundError

from hub.log.jetstream.leases import WRONG_LAST_SEQUENCE, Lease
from hub.log.jetstream.servers import AGAIN_S, OPENING_S, TROUBLES, Servers
from hub.log.jetstream.stream import ACK_S, ANSWER_S, DUPLICATES_S, FETCH_BLOBS, FETCH_BYTES

LOOK_EVERY_S = 0.2
"""So often is looked for new messages; whoever writes one tells it beside the stream."""


class JetStreamPosts:
    """Of one node. Use it from any thread: it blocks."""

    def __init__(self, servers: Servers, space: str, replicas: int) -> None:
        """Makes the stream where it is not there. Raises OSError where the servers say no."""
        self._servers = servers
        self.stream, self._subject = f"{space}-parts", f"{space}.parts"
        self._grown = f"{self.stream}-grown"
        self._news: set[Event] = set()
        what = f"the stream {self.stream} cannot be had from the servers of the log"
        servers.insist(lambda: self._open(replicas), what, OPENING_S)

    async def _open(self, replicas: int) -> None:
        config = api.StreamConfig(
            name=self.stream,
            subjects=[f"{self._subject}.*"],
            storage=api.StorageType.FILE,
            num_replicas=replicas,
            duplicate_window=DUPLICATES_S,
            allow_direct=True,
        )
        with suppress(APIError):  # it is there
            await self._servers.js.add_stream(config)
        await self._servers.js.stream_info(self.stream)

        async def hear(_: Any) -> None:
            for news in list(self._news):
                news.set()

        await self._servers.client.subscribe(self._grown, cb=hear)

    def reader(self, ended: Callable[[], bool]) -> Reader:
        """`ended`: whether whoever reads is to wait for nothing more."""
        return Reader(self, ended)

    def writer(self, part: int, lease: Lease) -> Writer:
        return Writer(self, part, lease)

    def forget(self, before: int) -> None:
        """Messages that all have read. Raises OSError."""
        purge = lambda: self._servers.js.purge_stream(self.stream, seq=before)  # noqa: E731
        self._servers.insist(purge, f"the stream {self.stream} cannot be shortened")


class Reader:
    """Reads all messages in their order."""

    def __init__(self, posts: JetStreamPosts, ended: Callable[[], bool]) -> None:
        self._posts, self._servers, self._ended = posts, posts._servers, ended
        self._news, self._closed = Event(), False
        posts._news.add(self._news)

    def read(self, after: int, wait: bool) -> list[tuple[int, int, bytes]]:
        """Those behind that number: (number, part, message); none where there are none yet and `wait` is False, or this is to end."""
        while not self._closed and not self._ended():
            self._news.clear()
            try:
                found = self._servers.wait(self._fetch(after + 1))
            except TROUBLES:
                found = []
                time.sleep(AGAIN_S if wait else 0)
            if found or not wait:
                return found
            self._news.wait(LOOK_EVERY_S)
        return []

    async def _fetch(self, number: int) -> list[tuple[int, int, bytes]]:
        client = self._servers.client
        inbox = client.new_inbox()
        answers = await client.subscribe(inbox)
        found: list[tuple[int, int, bytes]] = []
        question = {"seq": number, "batch": FETCH_BLOBS, "max_bytes": FETCH_BYTES}
        try:
            await client.publish(f"$JS.API.DIRECT.GET.{self._posts.stream}", msgspec.json.encode(question), reply=inbox)
            while "Status" not in (headers := (message := await answers.next_msg(timeout=ANSWER_S)).headers or {}):
                part = int(headers["Nats-Subject"].rpartition(".")[2])
                found.append((int(headers["Nats-Sequence"]), part, message.data))
        finally:
            with suppress(*TROUBLES):
                await answers.unsubscribe()
        return found

    def close(self) -> None:
        """Whoever waits for messages waits no more."""
        self._closed = True
        self._posts._news.discard(self._news)


class Writer:
    """Writes for one part, while its lease is held."""

    def __init__(self, posts: JetStreamPosts, part: int, lease: Lease) -> None:
        self._posts, self._servers, self._lease = posts, posts._servers, lease
        self._subject = f"{posts._subject}.{part}"
        self._last = 0

    def last(self) -> bytes | None:
        """The newest message of the part; what is sent from now on stands behind it. Raises OSError."""
        found: tuple[int, bytes | None] = self._servers.insist(
            self._find_last, f"{self._subject}: what was said last cannot be asked for", OPENING_S
        )
        self._last = found[0]
        return found[1]

    async def _find_last(self) -> tuple[int, bytes | None]:
        try:
            found = await self._servers.js.get_last_msg(self._posts.stream, self._subject)
        except NotFoundError:
            return 0, None
        return found.seq or 0, found.data

    def send(self, message: bytes) -> bool:
        """Returns when the servers keep it, however long that takes. False where another writes for this part."""
        identity = uuid.uuid4().hex
        while self._lease.held:
            try:
                self._last = self._servers.wait(self._put(message, identity))
                return True
            except APIError as error:
                if error.err_code in WRONG_LAST_SEQUENCE and not self._is_there(identity):
                    break
                if error.err_code in WRONG_LAST_SEQUENCE:
                    return True
            except TROUBLES:
                pass
            time.sleep(AGAIN_S)
        self._lease.give_up()
        return False

    async def _put(self, message: bytes, identity: str) -> int:
        headers: Mapping[str, str] = {
            "Nats-Msg-Id": identity,
            "Nats-Expected-Last-Subject-Sequence": str(self._last),
        }
        told = await self._servers.js.publish(
            self._subject, message, timeout=ACK_S, stream=self._posts.stream, headers=dict(headers)
        )
        with suppress(*TROUBLES):
            await self._servers.client.publish(self._posts._grown, b"")
        return told.seq

    def _is_there(self, identity: str) -> bool:
        """Whether it was this very message that was stored behind the last, and its acknowledgement got lost. Waits while it is on its way."""
        while self._lease.held:
            try:
                found = self._servers.wait(self._servers.js.get_last_msg(self._posts.stream, self._subject))
            except NotFoundError:
                return False
            except TROUBLES:
                time.sleep(AGAIN_S)
                continue
            if (found.seq or 0) == self._last:  # the servers count what no majority has yet
                time.sleep(AGAIN_S)
                continue
            if (found.headers or {}).get("Nats-Msg-Id") != identity:
                return False
            self._last = found.seq or 0
            return True
        return False
