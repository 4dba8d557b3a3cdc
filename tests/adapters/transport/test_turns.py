"""What one connection sends does not hold the others: it is decoded in slices, with turns between them."""

from __future__ import annotations

import asyncio
import time

from adapters.transport.connection import SLICE_BYTES, Connection
from adapters.transport.options import StreamOptions
from adapters.transport.session import Session, Sessions
from adapters.transport.tally import Tally
from hub.model import Message, Verdict
from tests.adapters.intake import FakeIntake

BUSY_S = 0.03


class _Slow:
    """A codec that takes `BUSY_S` for each chunk."""

    def __init__(self) -> None:
        self.chunks: list[int] = []

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        if data:
            self.chunks.append(len(data))
            end = time.perf_counter() + BUSY_S
            while time.perf_counter() < end:
                pass
        return []

    def end(self, received_at: int | None = None) -> list[Message]:
        return []

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        return None


class _Once:
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, n: int) -> bytes:
        data, self._data = self._data[:n], self._data[n:]
        return data


def test_others_have_their_turn_between_the_slices_of_one_read() -> None:
    async def scenario() -> tuple[list[int], int]:
        codec, intake = _Slow(), FakeIntake()
        options = StreamOptions(listen="tcp://127.0.0.1:1")
        session = Session("peer", codec, options, lambda _data: True, lambda _why: None)
        connection = Connection(_Once(bytes(65_536)), None, session, Sessions(), intake, Tally(intake), options)
        running = asyncio.create_task(connection.run())
        turns = 0
        while not running.done():
            turns += 1
            await asyncio.sleep(0)
        return codec.chunks, turns

    chunks, turns = asyncio.run(scenario())
    assert chunks == [SLICE_BYTES] * (65_536 // SLICE_BYTES)
    assert turns >= len(chunks), "the other task ran once a slice at least"
