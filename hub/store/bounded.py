"""What a server answers, read no further than it is of use, and for no longer than it may take: a server, or whatever stands in its place,
may answer without end.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import httpx

from hub.bilingual import Text, quoted
from hub.error_words import words_of
from hub.ports import StoreUnavailable

ANSWER_BYTES_MAX = 64 << 10
"""Of an answer that tells how something went; nobody reads on."""
LINE_BYTES_MAX = 128 << 20
"""Of one line of an answer to a query: 10,000 rows, each with a family's values and texts, have a tenth of it."""
CHUNKS_ALIKE_MAX = 1_000
"""Chunks, of 10,000 rows, that tell of one moment."""
SERIES_MAX = 2_000_000
"""In one answer."""
NEWEST_FIRST = "ORDER BY time DESC"
SILENCE_S = 120.0
"""Within so long a line must come whole that tells something."""

_TEXT = re.compile(r"'(?:\\.|[^'\\])*'")
_END = re.compile(r"\btime < (\d+)")
UNREACHED = Text("InfluxDB cannot be reached: ", "连不上 InfluxDB：")


def by_status(en: str, zh: str, status: int, words: str | Text) -> Text:
    """A sentence with a place for the status of an answer, and what the server said with it."""
    said = words if isinstance(words, Text) else quoted(words)
    return Text(f"{en.format(status)}: {said.en}", f"{zh.format(status)}：{said.zh}" if said.zh else zh.format(status))


def beginning(pieces: Iterable[bytes], within_s: float) -> str:
    """The text's first 64 KiB, or what came of it in time."""
    read, until = bytearray(), time.monotonic() + within_s
    for piece in pieces:
        read += piece
        if len(read) >= ANSWER_BYTES_MAX or time.monotonic() > until:
            break
    return read[:ANSWER_BYTES_MAX].decode("utf-8", "replace")


def asked(client: httpx.Client, within_s: float, method: str, path: str, **more: Any) -> tuple[int, str]:
    """Status and beginning of an answer. Raises `StoreUnavailable` where none comes."""
    try:
        with client.stream(method, path, **more) as answer:
            return answer.status_code, beginning(answer.iter_bytes(), within_s)
    except httpx.HTTPError as error:
        raise StoreUnavailable(UNREACHED + words_of(error)) from error


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines that hold something, as they come in. They end at a line feed and nowhere else: texts in JSON may hold whatever else Unicode
    calls the end of a line. Raises `StoreUnavailable` for a line without end."""
    held = bytearray()
    for piece in pieces:
        *ended, rest = piece.split(b"\n")
        for part in ended:
            line, held = bytes(held + part), bytearray()
            yield line
        held += rest
        if len(held) > LINE_BYTES_MAX:
            raise StoreUnavailable(
                Text(
                    f"InfluxDB's answer to a query has a line of more than {LINE_BYTES_MAX >> 20} MiB",
                    f"InfluxDB 对查询的应答中有一行超过 {LINE_BYTES_MAX >> 20} MiB",
                )
            )
    if held:
        yield bytes(held)


class Patience:
    """How long to wait for an answer that goes on and tells nothing."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self._until = time.monotonic() + SILENCE_S

    def __iter__(self) -> Iterator[bytes]:
        """The pieces. Raises `StoreUnavailable` once nothing was told for too long."""
        for piece in self._pieces:
            if time.monotonic() > self._until:
                raise StoreUnavailable(
                    Text(
                        f"InfluxDB's answer to a query has told nothing for {SILENCE_S:.0f} s",
                        f"InfluxDB 对查询的应答中断 {SILENCE_S:.0f} 秒",
                    )
                )
            yield piece

    def told(self) -> None:
        self._until = time.monotonic() + SILENCE_S


class Believable:
    """Rows of an answer as long as they can be those of the question: a server that says the same again and again, or goes on where nothing
    was asked for, gives rows without end, and each of them is well formed.

    A series comes in chunks. Its rows stand in the order of their times, and none lies behind the end of what was asked for.
    """

    def __init__(self, questions: Sequence[str]) -> None:
        self._questions = [_bounds(question) for question in questions]
        """Of each whether its newest row comes first, and the time at which it ends."""
        self._series: dict[tuple[Any, ...], tuple[int, int]] = {}
        """The last time of each series, and how many chunks have told nothing later."""

    def take(self, statement: int | None, tags: Mapping[str, str], rows: Sequence[Sequence[Any]], timed: bool) -> None:
        """One chunk, as it came; `timed`: its rows begin with a time, ns. Raises `StoreUnavailable` where it cannot be believed."""
        if not rows:
            return
        falling, end = self._questions[statement or 0] if (statement or 0) < len(self._questions) else (False, None)
        key = (statement, *sorted(tags.items()))
        first, last = (rows[0][0], rows[-1][0]) if timed else (0, 0)
        before, again = self._series.get(key, (first, 0))
        if (first > before) if falling else (first < before):
            raise StoreUnavailable(
                Text(
                    "InfluxDB's answer to a query begins again before it has ended",
                    "InfluxDB 对查询的应答还没结束又从头开始",
                )
            )
        if timed and end is not None and max(first, last) >= end:
            raise StoreUnavailable(
                Text(
                    "InfluxDB's answer to a query goes on behind the time that was asked for",
                    "InfluxDB 对查询的应答超出了所查询的时间",
                )
            )
        again = again + 1 if first == last == before else 0
        self._series[key] = last, again
        if again > CHUNKS_ALIKE_MAX or len(self._series) > SERIES_MAX:
            raise StoreUnavailable(
                Text(
                    "InfluxDB's answer to a query has more rows of one moment, or more series, than a city has",
                    "InfluxDB 对查询的应答中，同一时刻的行数或序列数超出了一座城市可能有的数量",
                )
            )


def _bounds(question: str) -> tuple[bool, int | None]:
    said = _TEXT.sub("", question)  # a device may be named like a condition
    end = _END.search(said)
    return NEWEST_FIRST in said, int(end[1]) if end else None
