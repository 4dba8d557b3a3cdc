"""What stands in InfluxDB's place may answer without end: it is read no further than it is of use."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.model import Reading
from hub.ports import SeriesQuery, StoreUnavailable
from hub.store import bounded
from hub.store.influxdb import InfluxDBOptions, InfluxDBStore
from hub.store.influxql import Influxql

T = 1_770_000_000_000_000_000
ENDLESS = 16 << 20
"""So many bytes stand for an answer without end."""
FEW = 6 << 20
"""What may lie in the buffers of two sockets, and in those of the client."""


class Liar:
    """Answers every request with one head, and with one piece of a body again and again."""

    def __init__(self, status: int, piece: bytes, wait_s: float = 0.0) -> None:
        self.status, self.piece, self.wait_s = status, piece, wait_s
        self.sent = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self.listening.accept()
                threading.Thread(target=self.answer, args=(peer,), daemon=True).start()

    def answer(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 %d Well\r\nconnection: close\r\n\r\n" % self.status)
            sent = 0
            while sent < ENDLESS:
                peer.sendall(self.piece)
                sent += len(self.piece)
                self.sent = max(self.sent, sent)
                time.sleep(self.wait_s)


@contextmanager
def lying(folder: Path, version: int, liar: Liar) -> Iterator[InfluxDBStore]:
    threading.Thread(target=liar.serve, daemon=True).start()
    store = InfluxDBStore(folder, InfluxDBOptions(url=liar.url, version=version, timeout_s=2.0))
    try:
        yield store
    finally:
        store.close()
        liar.listening.close()


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_endless_answer_to_a_write_is_cut(tmp_path: Path, version: int, status: int) -> None:
    liar = Liar(status, b"x" * 65536)
    with lying(tmp_path, version, liar) as store:
        with pytest.raises(StoreUnavailable, match=f"with {status}: "):
            store.write("events", [Reading("a", T, {"pm25": 1.0})], 0, 1)
        assert store.cursor("events") is None
    assert liar.sent < FEW


@pytest.mark.parametrize("version", [1, 2])
def test_an_answer_that_trickles_on_is_cut(tmp_path: Path, version: int) -> None:
    """Each byte came within the time limit, so the limit never ran out."""
    with lying(tmp_path, version, Liar(500, b"x", 0.02)) as store, pytest.raises(StoreUnavailable, match="500: x"):
        store.write("events", [Reading("a", T, {"pm25": 1.0})], 0, 1)


def test_an_endless_answer_at_the_start_and_to_a_deletion_is_cut(tmp_path: Path) -> None:
    liar = Liar(503, b"x" * 65536)
    with lying(tmp_path, 1, liar) as store:
        with pytest.raises(StoreUnavailable, match="503: x"):
            store.reach()
        with pytest.raises(StoreUnavailable, match="503: x"):
            store.forget("raw", T)
    assert liar.sent < FEW


def test_a_query_is_not_read_on_in_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "LINE_BYTES_MAX", 1 << 20)
    liar = Liar(200, b" " * 65536)
    with lying(tmp_path, 2, liar) as store, pytest.raises(StoreUnavailable, match="a line of more than 1 MiB"):
        store.series(SeriesQuery())
    assert liar.sent < FEW


@pytest.mark.parametrize("piece", [b"\n", b'{"results":[]}\n', b'{"results":[{"statement_id":0}]}\n'])
def test_a_query_is_not_waited_for_that_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: bytes
) -> None:
    monkeypatch.setattr(bounded, "SILENCE_S", 0.5)
    with lying(tmp_path, 2, Liar(200, piece, 0.02)) as store, pytest.raises(StoreUnavailable, match="has told nothing"):
        store.series(SeriesQuery())


def test_lines_end_at_line_feeds_alone() -> None:
    """A device may say U+0085, and servers leave it in JSON as it is: that was taken for the end of a line."""
    told = '{"a":"x\u0085y\u2028z"}'.encode()
    pieces = [told[:7], told[7:] + b"\n\n" + told[:3], told[3:]]
    assert [line for line in bounded.lines(pieces) if line] == [told, told]


def chunk(*times: int, device: str = "a") -> bytes:
    """Ten thousand rows would be one; a few show the same."""
    rows = ",".join(f'[{at},1.5,"{device}",""]' for at in times)
    return f'{{"results":[{{"statement_id":0,"series":[{{"name":"air","columns":["time","pm25","device","kind"],"values":[{rows}]}}]}}]}}\n'.encode()


def asking(queries: list[str], *pieces: bytes) -> list[Any]:
    """What `Influxql` makes of these lines."""
    answer = httpx.Response(200, content=b"".join(pieces))
    client = httpx.Client(base_url="http://x", transport=httpx.MockTransport(lambda _: answer))
    return [row for _, rows, _ in Influxql(client, "city", 1.0)._series(*queries) for row in rows]


@pytest.mark.parametrize("falling", [False, True])
def test_a_server_that_says_the_same_rows_again_and_again_is_no_answer(falling: bool) -> None:
    query = "SELECT * FROM air ORDER BY time DESC LIMIT 3 OFFSET 0" if falling else "SELECT * FROM air"
    first, second = (chunk(9, 8), chunk(8, 7)) if falling else (chunk(7, 8), chunk(8, 9))
    assert [row[0] for row in asking([query], first, second)] == ([9, 8, 8, 7] if falling else [7, 8, 8, 9])
    with pytest.raises(StoreUnavailable, match="begins again before it has ended"):
        asking([query], first, second, first)


def test_rows_behind_what_was_asked_for_are_no_answer() -> None:
    """Each later than the one before, well formed, and without end."""
    query = "SELECT * FROM air WHERE time >= 5 AND time < 10"
    assert len(asking([query], chunk(5, 9))) == 2
    with pytest.raises(StoreUnavailable, match="goes on behind the time that was asked for"):
        asking([query], chunk(5, 9), chunk(9, 10))
    named = "SELECT * FROM air WHERE device = 'it\\'s time < 3 ORDER BY time DESC'"
    assert len(asking([named], chunk(5, 9), chunk(10, 11))) == 4


def test_rows_of_one_moment_and_series_without_end_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "CHUNKS_ALIKE_MAX", 3)
    monkeypatch.setattr(bounded, "SERIES_MAX", 3)
    assert len(asking(["SELECT"], *[chunk(7)] * 3, chunk(8))) == 4
    with pytest.raises(StoreUnavailable, match="more rows of one moment, or more series"):
        asking(["SELECT"], *[chunk(7)] * 4)
    names = [b'{"results":[{"series":[{"name":"air","tags":{"device":"%d"},"columns":["time"],"values":[[1]]}]}]}\n' % n for n in range(5)]  # fmt: skip
    assert len(asking(["SELECT"], *names[:3])) == 3
    with pytest.raises(StoreUnavailable, match="or more series"):
        asking(["SELECT"], *names)


def test_an_import_ends_where_the_server_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads back what it makes rollups of."""
    fields = b'{"results":[{"statement_id":0,"series":[{"name":"air","columns":["fieldKey","fieldType"],"values":[["pm25","float"]]}]}]}\n'
    monkeypatch.setattr(bounded, "CHUNKS_ALIKE_MAX", 3)
    with (
        lying(tmp_path, 2, Liar(200, fields)) as store,
        pytest.raises(StoreUnavailable, match="more rows of one moment"),
    ):
        store.buckets(SeriesQuery(T, T + 60_000_000_000), 60_000_000_000)
