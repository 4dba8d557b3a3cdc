"""Small files of state on the servers, replaced all or nothing: whichever node takes over finds them. A node that has been overtaken replaces
none of them any more. Of some the content of before stays beside the new one, should that be damaged one day."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO

from nats.js import api
from nats.js.errors import (
    BadObjectMetaError,
    DigestMismatchError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    NotFoundError,
)
from nats.js.kv import KeyValue
from nats.js.object_store import ObjectStore

from hub.log.jetstream.servers import OPENING_S, TROUBLES, Servers

INLINE_MAX = 256 << 10
"""Up to so many bytes a file is the value of its key; a larger one is an object, and the value is its name."""
INLINE, OBJECT = b"=", b"@"
BEFORE = ".before"
"""Behind a file's name: the key of what it held before."""
PUT_S = 60.0
GONE = (BadObjectMetaError, DigestMismatchError, NotFoundError)
"""What reading an object raises that the servers do not have any more as it was put there."""


class Damaged(ValueError):
    """The servers have the file, and not what it held."""


class JetStreamFiles:
    def __init__(self, servers: Servers, space: str, replicas: int) -> None:
        self._servers = servers
        self._keys = servers.bucket(f"{space}-files", replicas)
        self._objects: ObjectStore = servers.insist(
            lambda: self._open_objects(f"{space}-objects", replicas),
            "the store of large files cannot be had from the servers of the log",
            OPENING_S,
        )
        self._revisions: dict[str, int] = {}
        self._unanswered: dict[str, bytes] = {}
        """Values that were sent to the servers last, of which nobody knows whether they got there."""

    async def _open_objects(self, name: str, replicas: int) -> ObjectStore:
        try:
            return await self._servers.js.object_store(name)
        except NotFoundError:
            return await self._servers.js.create_object_store(
                name, api.ObjectStoreConfig(bucket=name, replicas=replicas, storage=api.StorageType.FILE)
            )

    def read(self, name: str) -> bytes | None:
        """None where there is none. Raises `Damaged`, and OSError where the servers do not answer."""
        what = f"{name} cannot be read from the servers of the log"
        return self._servers.insist(lambda: self._read(name), what, OPENING_S)

    def read_before(self, name: str) -> bytes | None:
        """What it held before, where that was to be kept. Raises as `read`."""
        return self.read(name + BEFORE)

    async def _read(self, name: str) -> bytes | None:
        entry = await self._entry(name)
        if entry is None:
            return None
        value = entry.value or INLINE
        if value[:1] == INLINE:
            return value[1:]
        whole = BytesIO()  # the client alone would copy what it has for each piece that comes
        try:
            await self._objects.get(value[1:].decode(), writeinto=whole)
            return whole.getvalue()
        except GONE as error:
            newest = await self._entry(name)
            if newest is not None and newest.revision != entry.revision:  # it was replaced meanwhile
                raise TimeoutError from error
            raise Damaged(f"{name} on the servers of the log is damaged ({error or type(error).__name__})") from None

    async def _entry(self, name: str) -> KeyValue.Entry | None:
        """The key, which is known from now on as it is."""
        try:
            entry = await self._keys.get(name)
        except KeyNotFoundError:
            self._revisions[name] = 0
            return None
        self._revisions[name] = entry.revision or 0
        return entry

    def replace(
        self, name: str, data: bytes, held: Callable[[], bool] = lambda: False, keep_before: bool = False
    ) -> None:
        """`held`: whether this node may replace it also where another has done so since this one has read it, asked when that shows. `keep_before`:
        for `read_before`. Raises OSError where it may not, or the servers do not answer."""
        what = f"{name} cannot be kept on the servers of the log"
        self._servers.demand(self._replace(name, data, held, keep_before), what, PUT_S)

    async def _replace(self, name: str, data: bytes, held: Callable[[], bool], keep_before: bool) -> None:
        if name not in self._revisions:
            await self._entry(name)
        value, made = INLINE + data, ""
        if len(data) > INLINE_MAX:
            made = f"{name}-{uuid.uuid4().hex}"
            await self._objects.put(made, data)
            value = OBJECT + made.encode()
        before = await self._keep_before(name) if keep_before else b""
        await self._update(name, value, held)
        if made:
            await self._forget_others(name, {value, before})

    async def _keep_before(self, name: str) -> bytes:
        """The value of the key, which stands under another from now on."""
        try:
            value = (await self._keys.get(name)).value or INLINE
        except KeyNotFoundError:
            return b""
        await self._keys.put(name + BEFORE, value)
        return value

    async def _forget_others(self, name: str, values: set[bytes]) -> None:
        """Objects of the file that none of these values names."""
        for old in await self._objects.list():
            if old.name and old.name.startswith(f"{name}-") and OBJECT + old.name.encode() not in values:
                with suppress(*TROUBLES):
                    await self._objects.delete(old.name)

    async def _update(self, name: str, value: bytes, held: Callable[[], bool]) -> None:
        """Raises `KeyWrongLastSequenceError` where another node has replaced it. One that was stopped in the middle of that, and goes on when this one
        has its lease, may still do so once: then it is this one's turn."""
        try:
            self._revisions[name] = await self._keys.update(name, value, last=self._revisions[name])
        except KeyWrongLastSequenceError:
            found = await self._keys.get(name)
            if found.value != self._unanswered.get(name) and not held():
                raise
            self._revisions[name] = await self._keys.update(name, value, last=found.revision)
        except TROUBLES:
            self._unanswered[name] = value
            raise
        self._unanswered.pop(name, None)
