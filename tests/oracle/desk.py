"""The desk that warnings are delivered to: a webhook's receiver that writes down each key, and is a bad peer by the seed."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any


class Desk:
    def __init__(self, chance: random.Random, ill: float = 0.1) -> None:
        """`ill`: the share of requests that are refused, or taken without an answer."""
        self._chance, self._ill = chance, ill
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.heard: list[dict[str, Any]] = []
        """Bodies in the order in which their keys first came."""
        self.repeats = 0
        """Deliveries of a key that had come before: the answer was lost, or the hub's memory of it."""
        self.silent = False
        """Takes connections and answers nothing."""
        self._keys: set[str] = set()

    async def open(self, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
                size = next(int(line.partition(b":")[2]) for line in head if line.startswith(b"content-length:"))
                key = next(line.partition(b":")[2].strip().decode() for line in head if line.startswith(b"webhook-id:"))
                body = await reader.readexactly(size)
                while self.silent:  # and when it is well again the line breaks
                    await asyncio.sleep(0.1)
                luck = self._chance.random()
                if luck < self._ill / 2:
                    writer.write(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")
                    continue
                self._take(key, json.loads(body))
                if luck < self._ill:  # taken, and the line breaks before the answer
                    return
                writer.write(b"HTTP/1.1 204 Taken\r\ncontent-length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _take(self, key: str, body: dict[str, Any]) -> None:
        if key in self._keys:
            self.repeats += 1
            return
        self._keys.add(key)
        self.heard.append(body)

    def well(self) -> None:
        """From now on every request is answered."""
        self._ill, self.silent = 0.0, False
        self.hang_up()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.hang_up()
