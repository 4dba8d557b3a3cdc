"""What the rules know, as a file: written while events are judged, and taken up again.

A snapshot holds the editions that the engine was running, how far it had come, and its state.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgspec

from hub.app.part_worker import Begin
from hub.model import Device, Zone
from hub.ports import LogPosition
from rules.book import RuleBook, from_text
from rules.edition import registry_from_text
from rules.engine import Engine
from rules.partition import engine_of
from rules.snapshot import health_of

logger = logging.getLogger(__name__)

SNAPSHOT = "rules.snapshot"
"""The file in the data folder."""
SLICE_S = 0.01
"""So long a snapshot is written before others get their turn, and as long they have it."""
CHUNK_BYTES = 1 << 18
CHUNKS_WAITING = 16
"""Chunks of a snapshot that a slow disk may leave in memory."""
END, HALF = b"end", b"half"
"""What stands behind the last chunk: it is whole, or it is not."""


class Head(msgspec.Struct):
    """Of a snapshot: the editions that the engine was running, and how far it had come. What comes in the log behind the cursor was
    judged by those, and a newer edition takes effect where the log says so."""

    rules: str
    registry: str
    cursor: LogPosition
    alerts_next: LogPosition
    derived_next: LogPosition | None
    """None in a snapshot of a version that did not note it."""
    generation: int
    """Of the parts of the rules (`hub.app.part_worker.Begin`); 0 where one engine has always judged."""
    changing: int
    """The number of parts that holds from the cursor on, where they have not begun yet; 0: it stays."""


class Snapshot(msgspec.Struct):
    """What `pieces` wrote."""

    rules: str
    registry: str
    cursor: LogPosition
    alerts_next: LogPosition
    engine: msgspec.Raw
    """The map that the engine froze; in older snapshots its bytes."""
    derived_next: LogPosition | None = None
    generation: int = 0
    changing: int = 0

    @property
    def state(self) -> bytes:
        """What the engine froze."""
        held = bytes(self.engine)
        return msgspec.msgpack.decode(held, type=bytes) if held[:1] in _BYTES else held


decode_snapshot = msgspec.msgpack.Decoder(Snapshot).decode
_BYTES = (b"\xc4", b"\xc5", b"\xc6")
"""MessagePack's heads of bytes."""


def pieces(head: Head, engine: Iterable[bytes]) -> Generator[bytes, None, None]:
    """One MessagePack map of the head and, under `engine`, the state, piece by piece."""
    fields = msgspec.msgpack.encode(head)
    yield (
        bytes([fields[0] + 1]) + fields[1:] + msgspec.msgpack.encode("engine")
    )  # a small map's first byte counts its entries
    yield from engine


async def written(state: Generator[bytes, None, None], keep: Callable[[Iterable[bytes]], None]) -> float:
    """Have a thread write the pieces of the state down, which are made here, a slice at a time. Gives the seconds that making them took. Raises what
    writing raises."""
    chunks: SimpleQueue[bytes] = SimpleQueue()
    writing = asyncio.create_task(asyncio.to_thread(keep, _until_the_end(chunks)))
    chunk, took_s, whole = bytearray(), 0.0, False
    try:
        while not (whole or writing.done()):
            began = time.thread_time()
            whole = _slice(state, chunk)
            if chunk and (whole or len(chunk) >= CHUNK_BYTES):
                chunks.put(bytes(chunk))
                chunk.clear()
            took_s += time.thread_time() - began
            await asyncio.sleep(SLICE_S)
            while chunks.qsize() > CHUNKS_WAITING and not writing.done():
                await asyncio.sleep(SLICE_S)
    finally:
        state.close()
        chunks.put(END if whole else HALF)
        await asyncio.wait([writing])
        failed = writing.exception()
    if failed is not None:
        raise failed
    return took_s


def _slice(state: Iterator[bytes], chunk: bytearray) -> bool:
    """Add pieces for as long as a slice lasts. Whether there are no more."""
    until = time.perf_counter() + SLICE_S
    for piece in state:
        chunk += piece
        if time.perf_counter() >= until:
            return False
    return True


def _until_the_end(chunks: SimpleQueue[bytes]) -> Iterator[bytes]:
    """The chunks as they come. Raises OSError where it stays a half, so that it replaces no whole one."""
    while (chunk := chunks.get()) is not END:
        if chunk is HALF:
            raise OSError("it was not completed")
        yield chunk


def snapshot_of(begin: Begin) -> Snapshot:
    """As if it had been written down where that generation begins."""
    alerts, derived = LogPosition(begin.alerts_next), LogPosition(begin.derived_next)
    head = begin.rules, begin.registry, LogPosition(begin.cursor), alerts
    return Snapshot(*head, msgspec.Raw(begin.engine), derived, begin.generation)


def restored(
    saved: Snapshot, book: RuleBook, devices: Mapping[str, Device], partitions: int
) -> tuple[Snapshot, Engine]:
    """With the engine that it holds, which has these devices where it has the same. Raises what decoding raises."""
    registry = registry_from_text(saved.registry, devices)
    if registry is None:
        raise ValueError("its registry is of a version that this one does not read")
    return saved, _engine_of(saved, book, registry, partitions)


def _engine_of(saved: Snapshot, book: RuleBook, registry: tuple[list[Device], list[Zone]], partitions: int) -> Engine:
    """The saved engine under its own rules; under those of today where that fails. Raises ValueError."""
    try:
        before = from_text(saved.rules)
        if before is not None:
            return engine_of(before, *registry, partitions, saved.state)
    except MemoryError:  # no matter of the rules
        raise
    except Exception:
        logger.exception("the rules that the hub ran last cannot be run any more; those of today take over")
    return engine_of(book, *registry, partitions, saved.state)


def saved_health(path: Path) -> list[dict[str, Any]]:
    """The rules that were ill when the hub saved its state last; none where it holds nothing that can be read."""
    try:
        saved = msgspec.msgpack.decode(path.read_bytes(), type=Snapshot)
        return health_of(saved.state)
    except (OSError, msgspec.MsgspecError, ValueError):
        return []
