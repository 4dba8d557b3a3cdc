"""What stands in InfluxDB's place may answer without end: it is read no further than it is of use."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hub.model import Reading
from hub.ports import SeriesQuery, StoreUnavailable
from hub.store import bounded
from hub.store.influxdb import InfluxDBOptions, InfluxDBStore

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
    assert 0 < liar.sent < FEW


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
    assert 0 < liar.sent < FEW


def test_a_query_is_not_read_on_in_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "LINE_BYTES_MAX", 1 << 20)
    liar = Liar(200, b" " * 65536)
    with lying(tmp_path, 2, liar) as store, pytest.raises(StoreUnavailable, match="a line of more than 1 MiB"):
        store.series(SeriesQuery())
    assert 0 < liar.sent < FEW


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
