"""One stream of the log on JetStream: group commits by acknowledged messages, reading from any place, back-pressure, retention."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from nats.js import api
from nats.js.errors import APIError, NotFoundError
from nats.js.kv import KeyValue

from hub.bilingual import Text, quoted
from hub.clock import now
from hub.error_words import words_of
from hub.log.jetstream.blobs import ENTRIES_MAX, Blob, Blobs, blob_of, entry_of, place
from hub.log.jetstream.leases import WRONG_LAST_SEQUENCE, Lease
from hub.log.jetstream.retention import Retention
from hub.log.jetstream.servers import AGAIN_S, OPENING_S, TROUBLES, Servers
from hub.log.keyed import KEY_BYTES
from hub.log.pending import Append, Group, Pending
from hub.moment import SECOND
from hub.ports import NO_KEYS, STOPPING, Batch, Heard, Key, LogFull, LogPosition, Unwritable

logger = logging.getLogger(__name__)

ACK_S = 0.5
"""How long a message may wait for its acknowledgement before it is sent again, by the same id. A server that is told to end hands over what
it leads at once and answers nothing more, so devices wait for that long, and a little."""
BUSY_AFTER_S = 2.0
"""How long a group may wait before further input is refused: devices would rather wait a moment than hear no."""
RETRY_AFTER_S = 1.0
"""How long a stream refuses at once after the servers refused, before it asks them again."""
DUPLICATES_S = 600.0
"""For so long the servers know the ids of messages: a message sent again within it is not stored twice."""
PENDING_MAX = 100_000
PENDING_BYTES_MAX = 64 << 20
HEAD_BYTES = 4096
"""Of a message, beside its entries."""
FETCH_BLOBS = 64
FETCH_BYTES = 4 << 20
ANSWER_S = 1.0
"""How long a server may take to answer a question before it is asked again: it may have been killed meanwhile, and another answers."""
LOOK_EVERY_S = 0.5
"""So often the stream's state is asked for; what is appended anywhere is told at once beside it."""
SILENT_S = 5.0
"""Servers that have answered none of these looks for so long are said to be away, also where nothing is appended that would show it."""
SILENT = Text(
    "the servers of the log do not answer; input is refused until they do", "日志服务器没有应答；恢复前拒收数据"
)
NOT_YET_S = 0.01
"""Before a replica is asked again that does not have yet what the majority has."""
OVERTAKEN = Text(
    "another hub may have begun to work, so this one says nothing more", "可能已有另一中枢接手，因此本中枢不再写入"
)
UNANSWERED = "the servers of the log do not answer"
WALK_BLOBS_MAX = 2_000
"""How far `before` goes back blob by blob."""
FULL = frozenset({10023, 10047, 10052, 10054, 10077, 10110})
"""Error codes of JetStream by which a message is refused and certainly not stored: resources, storage, size, the stream's limits."""


class JetStreamStream:
    """Use it from one event loop; `read_now` and `before` from any thread: they block for what is not at hand."""

    shared = False

    def __init__(
        self,
        servers: Servers,
        name: str,
        stream: str,
        subject: str,
        entry_type: Any,
        bytes_max: int,
        age_max_s: float | None,
        needed: Sequence[str],
        readers: KeyValue,
        lease: Lease | None,
    ) -> None:
        """`stream`, `subject`: on the servers, where the stream is made already. `needed`: required readers wherever they run, whose
        places stand in `readers`; nothing is dropped while one of them has told none. `lease`: with it this node is the
        only one that appends, and finds out where that does not hold."""
        self.name = name
        self.bytes_max = bytes_max
        self.refusing: Text | None = None
        self.damage: list[str] = []
        self._servers, self._stream, self._subject = servers, stream, subject
        self._retention = Retention(servers, stream, name, bytes_max, age_max_s, needed, readers, self._first_since)
        self._lease = lease
        self._last = 0
        """The number of the newest blob, by this node's account: only behind it the servers may put the next where there is a lease."""
        self._grown_subject = f"{subject}-grown"
        self._decoder = msgspec.msgpack.Decoder(list[entry_type])
        self._blobs = Blobs()
        self._pending = Pending(min(20_000, ENTRIES_MAX), servers.client.max_payload - HEAD_BYTES)
        self._committing: asyncio.Task[None] | None = None
        self._closing = False
        self._refused_at = 0.0
        self._required: dict[str, Callable[[], LogPosition]] = {}
        self._fetching: dict[int, asyncio.Task[int | None]] = {}
        self._tending: Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._grown = asyncio.Event()
        self._first = self._end = 1
        self._bytes = 0
        self._last_at: int | None = None
        self._looker: Future[None] | None = None
        servers.insist(self._look, f"the stream {stream} cannot be asked for", OPENING_S)
        servers.insist(self._begin, f"the stream {stream} cannot be followed", OPENING_S)

    # ---------------------------------------------------------------------------------------------- what the servers have

    async def _begin(self) -> None:
        self._last = self._end - 1
        await self._servers.client.subscribe(self._grown_subject, cb=self._hear)
        self._looker = self._servers.start(self._keep_looking())

    async def _keep_looking(self) -> None:
        answered_at = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._look()
            except Exception:
                # Whatever it is: without these looks a lost hint would hide what came, and nobody would know.
                if self.refusing is None and time.monotonic() - answered_at > SILENT_S:
                    self._refuse(SILENT)
            else:
                answered_at = time.monotonic()
                if self.refusing is SILENT:
                    self.refusing = None

    async def _look(self) -> None:
        info = await self._servers.js.stream_info(self._stream)
        self._first = max(self._first, info.state.first_seq)
        self._bytes = info.state.bytes
        self._learn(info.state.last_seq + 1)
        if self._last_at is None and info.state.messages:
            await self._fetch(info.state.last_seq)

    async def _info(self) -> api.StreamInfo:
        return await asyncio.wait_for(self._servers.js.stream_info(self._stream), ANSWER_S)

    async def _hear(self, message: Any) -> None:
        """Somebody has appended."""
        with suppress(ValueError):
            number, count, at = map(int, message.data.split())
            self._blobs.count(number, count)
            self._last_at = max(self._last_at or 0, at)
            self._learn(number + 1)

    def _learn(self, end: int) -> None:
        if end <= self._end:
            return
        self._end = end
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()

    @property
    def first(self) -> LogPosition:
        return place(min(self._first, self._end))

    @property
    def next(self) -> LogPosition:
        return place(self._end)

    @property
    def last_at(self) -> int | None:
        return self._last_at

    def size(self) -> int:
        return self._bytes

    # ---------------------------------------------------------------------------------------------- appending

    def rest_s(self) -> float:
        """Never: what waits for the servers goes as soon as they have answered."""
        return 0.0

    def append(self, entries: Sequence[Any], keys: Mapping[Key, Any] = NO_KEYS) -> asyncio.Future[LogPosition]:
        loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[LogPosition] = loop.create_future()
        if not entries:
            future.set_result(self.next)
            return future
        reason = self._reason_to_refuse(len(entries))
        if reason:
            future.set_exception(LogFull(reason))
            return future
        try:
            append = Append(entries, self._pending.encoded(entries), future, keys if self.shared else NO_KEYS)
            if append.size > self._servers.client.max_payload - HEAD_BYTES:
                raise Unwritable(f"{append.size} bytes at once are more than the servers of the log take (max_payload)")
        except (Unwritable, LogFull) as error:  # one caller's unwritable entry costs the others nothing
            future.set_exception(error)
            return future
        self._pending.add(append)
        if self._committing is None:
            self._committing = loop.create_task(self._commit())
        return future

    def _reason_to_refuse(self, count: int) -> Text | None:
        if self._closing:
            return STOPPING
        if count > ENTRIES_MAX or self._pending.entries >= PENDING_MAX or self._pending.bytes >= PENDING_BYTES_MAX:
            entries, size = self._pending.entries, f"{self._pending.bytes >> 10} KiB"
            return Text(
                f"the log's queue is full: {entries} entries, {size} wait for the servers",
                f"日志写入队列已满：{entries} 条、{size} 等待日志服务器",
            )
        if self.refusing and time.monotonic() - self._refused_at < RETRY_AFTER_S:
            return self.refusing
        return None

    async def _commit(self) -> None:
        """Group after group until nothing waits."""
        try:
            while self._pending:
                try:
                    group = self._pending.take()
                except Exception:  # no memory for it: its appends have been told
                    continue
                try:
                    self._committed(group, await self._publish(group))
                except Exception as error:
                    group.fail(error)
        finally:
            self._committing = None

    def _committed(self, group: Group, number: int) -> None:
        """The servers have the group as the blob of that number."""
        self.refusing = None
        if group.entries:
            entries = group.entries
            with suppress(MemoryError):  # who reads asks the servers for it
                self._blobs.add(Blob(number, len(entries), len(group.data), partial(list, entries)))
            self._learn(number + 1)
        at = 0
        for append in group.appends:
            if not append.future.done():
                append.future.set_result(place(number, at))
            at += len(append.entries)

    async def _publish(self, group: Group) -> int:
        """The number of the group's blob once the servers have acknowledged it. Whether a message without an acknowledgement was stored nobody
        knows, so it is sent until there is an answer, by the same id, which is stored once."""
        identity = uuid.uuid4().hex
        busy_at = time.monotonic() + BUSY_AFTER_S
        while True:
            try:
                return await self._offer(group, identity)
            except APIError as error:
                if error.err_code in FULL:
                    self._refuse(
                        Text(
                            f"the log {self.name!r} is full on its servers ({error.description}); input is refused until its readers catch up",
                            f"日志 {self.name!r} 在服务器上已满（「{error.description}」）；读者赶上前拒收数据",
                        )
                    )
                    raise LogFull(self.refusing) from None
                if error.err_code in WRONG_LAST_SEQUENCE and self._lease is not None:
                    self._lease.give_up()
                    self._refuse(OVERTAKEN)
                    raise LogFull(OVERTAKEN) from None
                why = quoted(str(error.description))
            except TROUBLES as error:
                why = words_of(error)
            if time.monotonic() >= busy_at:
                self._refuse(
                    Text(
                        f"the servers of the log do not acknowledge ({why.en}); input is refused until they do",
                        f"日志服务器未确认（{why.zh}）；确认前拒收数据",
                    )
                )
            if self._closing:
                raise LogFull(
                    Text(
                        "the hub is stopping, and the servers of the log have not acknowledged",
                        "中枢正在停止，日志服务器尚未确认",
                    )
                )
            await asyncio.sleep(AGAIN_S)

    async def _offer(self, group: Group, identity: str) -> int:
        """Try once. Raises what the client raises."""
        return await self._servers.call(self._send(group, identity))

    async def _send(self, group: Group, identity: str) -> int:
        try:
            number = await self._put(group, identity, None if self._lease is None else self._last)
        except APIError as error:
            if error.err_code not in WRONG_LAST_SEQUENCE or not await self._is_there(identity):
                raise
            number = self._last + 1
        self._last = max(self._last, number)
        return number

    async def _put(self, group: Group, identity: str, last: int | None) -> int:
        """The number that the servers give to this group's blob. `last`: behind that blob, or not at all."""
        if self._lease is not None and not self._lease.held:
            raise LogFull(OVERTAKEN)
        at = now()
        headers = {"Nats-Msg-Id": identity, "Entries": str(len(group.entries)), "At": str(at)}
        if self.shared:
            headers["Keys"] = str(group.keys)
        if self._lease is not None:
            headers["Term"] = str(self._lease.term)
        if last is not None:
            headers["Nats-Expected-Last-Sequence"] = str(last)
        acknowledged = await self._servers.js.publish(
            self._subject, group.data, timeout=ACK_S, stream=self._stream, headers=headers
        )
        self._last_at = max(self._last_at or 0, at)
        with suppress(*TROUBLES):
            await self._servers.client.publish(
                self._grown_subject, b"%d %d %d" % (acknowledged.seq, len(group.entries), at)
            )
        return acknowledged.seq

    async def _is_there(self, identity: str) -> bool:
        """Whether it was this message itself that the servers have put behind the newest that this node knows of: they compare numbers before
        they compare ids, and count what is on its way. Raises TimeoutError where it is on its way still, and nothing stands there."""
        if (await self._info()).state.last_seq == self._last:
            raise TimeoutError("the message is on its way")
        try:
            found = await self._servers.js.get_msg(self._stream, seq=self._last + 1)
        except NotFoundError:
            return False
        return (found.headers or {}).get("Nats-Msg-Id") == identity

    def _refuse(self, why: Text) -> None:
        self.refusing = why
        self._refused_at = time.monotonic()

    # ---------------------------------------------------------------------------------------------- reading

    async def read(self, position: LogPosition, entries_max: int = 10_000, wait_s: float | None = None) -> Batch:
        self._loop = loop = asyncio.get_running_loop()
        until, asked = None if wait_s is None else loop.time() + wait_s, False
        while True:
            grown = self._grown
            position = max(position, self.first)
            if blob_of(position) < self._end:
                batch = self._blobs.gather(position, self._end, entries_max)
                if batch.entries:
                    return batch
                position = batch.next
                if blob_of(position) < self._end:
                    if asked and until is not None and loop.time() >= until:
                        return Batch([], [position])
                    position, asked = await self._found(position), True
                    continue
            try:
                await asyncio.wait_for(grown.wait(), None if until is None else max(0.0, until - loop.time()))
            except TimeoutError:
                return Batch([], [position])

    async def _found(self, position: LogPosition) -> LogPosition:
        """Have the blob at hand that stands there; or where the next one is, where that is gone. A place that a lost connection leaves
        unknown is asked for again."""
        try:
            number = await self._servers.call(self._fetch(blob_of(position)))
        except TROUBLES:
            await asyncio.sleep(AGAIN_S)
            return position
        return position if number is None or number <= blob_of(position) else place(number)

    def read_now(self, position: LogPosition, entries_max: int = 10_000) -> Batch:
        """Raises OSError where the servers do not answer."""
        position = max(position, self.first)
        while blob_of(position) < self._end:
            batch = self._blobs.gather(position, self._end, entries_max)
            if batch.entries:
                return batch
            position = batch.next
            if blob_of(position) >= self._end:
                break
            asking = partial(self._fetch, blob_of(position))
            number = self._servers.insist(asking, UNANSWERED)
            if number is not None and number > blob_of(position):
                position = place(number)
        return Batch([], [position])

    async def _fetch(self, number: int) -> int | None:
        """Have blobs from that number on at hand. The number of the first that there is; None where the replica that was asked does not
        have it yet. Readers that want the same share one question."""
        if number in self._blobs:
            return number
        task = self._fetching.get(number)
        if task is None:
            task = self._fetching[number] = asyncio.ensure_future(self._ask_for(number))
            task.add_done_callback(lambda _: self._fetching.pop(number, None))
        return await asyncio.shield(task)

    async def _ask_for(self, number: int) -> int | None:
        first: int | None = None
        async for headers, data in self._got({"seq": number, "batch": FETCH_BLOBS, "max_bytes": FETCH_BYTES}):
            found = int(headers["Nats-Sequence"])
            first = found if first is None else first
            self._take_up(found, headers, data)
        if first is None:
            await asyncio.sleep(NOT_YET_S)
            info = await self._info()
            self._first = max(self._first, info.state.first_seq)
            return info.state.first_seq if info.state.first_seq > number else None
        return first

    async def _got(self, question: Mapping[str, Any]) -> AsyncIterator[tuple[Mapping[str, str], bytes]]:
        """The messages by which a replica answers a direct get, oldest first: headers and data."""
        client = self._servers.client
        inbox = client.new_inbox()
        answers = await client.subscribe(inbox)
        try:
            await client.publish(f"$JS.API.DIRECT.GET.{self._stream}", msgspec.json.encode(question), reply=inbox)
            while "Status" not in (headers := (message := await answers.next_msg(timeout=ANSWER_S)).headers or {}):
                yield headers, message.data
        finally:
            with suppress(*TROUBLES):
                await answers.unsubscribe()

    def _take_up(self, number: int, headers: Mapping[str, str], data: bytes) -> None:
        if number in self._blobs:
            return
        at, keyed = _number(headers, "At"), _number(headers, "Keys")
        if keyed is not None and KEY_BYTES * keyed >= len(data):  # never written by a hub
            keyed = None
        body = data if keyed is None else data[: -KEY_BYTES * keyed or None]
        self._blobs.add(
            Blob(
                number,
                _number(headers, "Entries") or 0,
                len(data),
                partial(self._decoded, number, body),
                None if keyed is None else data[len(body) :],
                headers.get("Nats-Msg-Id", ""),
                _number(headers, "Term") or 0,
            )
        )
        if number == self._end - 1 and at is not None:
            self._last_at = max(self._last_at or 0, at)

    def _decoded(self, number: int, body: bytes) -> Sequence[Any]:
        try:
            found: Sequence[Any] = self._decoder.decode(body)
        except msgspec.MsgspecError as error:  # a blob that holds what this version cannot read
            self.damage.append(f"{self._stream}: message {number} cannot be read ({error})")
            return ()
        return found

    # ---------------------------------------------------------------------------------------------- counting

    def lag(self, position: LogPosition, end: LogPosition | None = None) -> int:
        """How many entries lie from `position` to before `end`: exact as far as this process has seen the blobs between, else an estimate by
        their mean."""
        position = max(position, place(1))
        end = self.next if end is None else end
        if position >= end:
            return 0
        whole = self._blobs.estimate(blob_of(position), blob_of(end))
        return max(0, whole - self._within(position) + self._within(end))

    def _within(self, position: LogPosition) -> int:
        """How many entries of its blob stand before that place."""
        count = self._blobs.entries(blob_of(position))
        return entry_of(position) if count is None else min(entry_of(position), count)

    def before(self, end: LogPosition, entries: int) -> LogPosition:
        """The place so many entries before `end`; `first` where there are fewer, or more than 2,000 blobs lie between. Raises OSError where the
        servers do not answer."""
        number, at, first = blob_of(end), self._within(end), blob_of(self.first)
        least = max(first, number - WALK_BLOBS_MAX)
        while entries > at and number > least:
            entries -= at
            number -= 1
            at = self._count_of(number, least)
        return place(number, at - min(entries, at)) if number >= first else self.first

    def _count_of(self, number: int, least: int) -> int:
        """Raises OSError where the servers do not answer."""
        for start in (max(least, number - FETCH_BLOBS + 1), number):
            if self._blobs.entries(number) is None:
                self._servers.insist(partial(self._fetch, start), UNANSWERED)
        return self._blobs.entries(number) or 0

    # ---------------------------------------------------------------------------------------------- keeping and dropping

    def hear(self, since: LogPosition, told: Heard) -> None:
        """Nobody: the holder of the lease is the only one who appends here (`SharedStream` has many)."""

    def under(self, lease: Lease) -> None:
        """From now on this node appends by that lease, behind what stands there. Raises OSError where the servers do not answer."""
        self._servers.insist(self._look, f"the stream {self._stream} cannot be asked for", OPENING_S)
        if not self.shared:
            self._last = self._end - 1
        self._lease = lease

    def require(self, reader: str, cursor: Callable[[], LogPosition]) -> None:
        self._required[reader] = cursor

    def begin_at(self, position: LogPosition) -> None:
        """Raises ValueError where readers have been further than the stream reaches: then it is not the stream that they have read."""
        if position <= self.next:
            return
        if self._first < self._end:
            raise ValueError(
                f"a reader of {self.name!r} has been further than the stream {self._stream} on the servers reaches: the stream was made anew, or the servers are others; "
                "remove the reader's old state, or give [log] space another name"
            )
        number = blob_of(position) + bool(entry_of(position))
        self._servers.insist(
            partial(self._begin_at, number), f"the stream {self._stream} cannot be begun anew", OPENING_S
        )

    async def _begin_at(self, number: int) -> None:
        """An empty stream begins at that number."""
        await self._servers.js.purge_stream(self._stream, seq=number)
        await self._look()
        self._last = self._end - 1

    def trim(self) -> None:
        """Tell the servers how far the required readers are, and drop what is over the limits and needed by none. It is done beside
        everything else."""
        if self._tending is None or self._tending.done():
            places = {reader: cursor() for reader, cursor in self._required.items()}
            self._tending = self._servers.start(self._tend(places))

    async def _tend(self, places: Mapping[str, LogPosition]) -> None:
        with suppress(*TROUBLES):
            await self._retention.tell(places)
            if await self._retention.drop(min([self.next, *places.values()])):
                await self._look()

    async def _first_since(self, at: int) -> int:
        """The number of the oldest blob that was stored at or after that time, ns."""
        since = datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        found = [int(headers["Nats-Sequence"]) async for headers, _ in self._got({"start_time": since, "batch": 1})]
        return found[0] if found else self._first

    async def close(self) -> None:
        """Commit what waits, as far as the servers answer."""
        self._closing = True
        while self._committing is not None:
            await asyncio.wait([self._committing])
        if self._looker is not None:
            self._looker.cancel()


def _number(headers: Mapping[str, str], name: str) -> int | None:
    said = headers.get(name, "")
    return int(said) if said.isdecimal() else None


async def made(servers: Servers, stream: str, subject: str, bytes_max: int, replicas: int) -> api.StreamInfo:
    """The stream on the servers, made where it is not there; its size is brought to `bytes_max`."""
    config = api.StreamConfig(
        name=stream,
        subjects=[subject],
        retention=api.RetentionPolicy.LIMITS,
        discard=api.DiscardPolicy.NEW,
        storage=api.StorageType.FILE,
        max_bytes=bytes_max,
        num_replicas=replicas,
        duplicate_window=DUPLICATES_S,
        allow_direct=True,
    )
    try:
        return await servers.js.add_stream(config)
    except APIError as error:
        if error.err_code != 10058:  # the name is in use with another configuration
            raise
    info = await servers.js.stream_info(stream)
    if info.config.max_bytes != bytes_max:
        info.config.max_bytes = bytes_max
        info = await servers.js.update_stream(info.config)
    return info
