"""Recorded readings from files: long and wide CSV, other layouts through a map, raw frames through a codec.

Rows come in the order in which they stand, which is taken as the order of arrival (a map may say otherwise); several
files are merged by time. A CSV has no receive time, so a reading counts as received at its observed time, or at that
of an earlier row if that was later: nothing is received before it was observed. A row whose clock has leapt ahead of
all that follow does not carry the others with it: it counts as received with its predecessors, and is then refused as
a device whose clock is wrong, as it would be live.
"""

from __future__ import annotations

import csv
import gzip
import heapq
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from hub import text_files
from hub.model import Fault, FaultKind, Message, Reading
from hub.moment import SECOND, from_text
from hub.ports import Codec
from hub.recording_layout import Cells, Layout, Unread, mapped_layout, plain_layout
from hub.recording_map import WHITESPACE, Map, RecordingError, load_map
from hub.text_files import NotText, undecoded

LINE_MAX = 1 << 20
"""Characters of one line of a recording."""
SORTED_MAX = 5_000_000
"""Rows of one file that can be sorted by time."""
LEAP = 86_400 * SECOND
"""A row this far ahead of all before it is believed only if those behind it agree."""
LEAP_AT_END_MAX = 366 * LEAP
"""… or, where none are behind it, up to here."""
AHEAD = 8
"""Rows looked at behind it."""


class Recorded(NamedTuple):
    """One row or frame of a recording: when it arrived (ns) and what it held."""

    at: int
    message: Message


class RowCount(msgspec.Struct):
    """Rows that became no message: with `rows`, every line of a CSV is accounted for."""

    rows: int = 0
    """Lines behind the header that are neither blank nor a comment."""
    empty: int = 0
    """Nothing but missing values in them."""
    left_out: int = 0
    """Not taken by the map's `where`."""


def read_files(
    paths: Sequence[Path],
    mapping: Map | None = None,
    codec: Callable[[], Codec] | None = None,
    binary: bool = False,
    received: int | None = None,
    count: RowCount | None = None,
) -> Iterator[Recorded]:
    """What the files hold, merged by arrival. `codec` makes one decoder a file for recordings of raw frames;
    `received` (ns) dates frames that carry no time and have none before them. Raises `RecordingError`."""
    count = count if count is not None else RowCount()
    if codec is not None:
        sources = [_frames(path, codec(), binary, received) for path in paths]
    else:
        sources = [_arriving(_rows(path, mapping, count), mapping, path) for path in paths]
    if len(sources) == 1:
        return sources[0]
    return heapq.merge(*sources, key=lambda recorded: recorded.at)


# ------------------------------------------------------------------------------------------------- lines


def open_text(path: Path, encoding: str = "") -> IO[str]:
    """A text file, as `hub.text_files.open_text`. Raises `RecordingError`."""
    try:
        return text_files.open_text(path, encoding)
    except NotText as error:
        raise RecordingError(str(error)) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordingError(f"{path} is no whole gzip file: {error}") from None
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from None


def lines_of(path: Path, encoding: str = "") -> Iterator[str | Fault]:
    """The lines of a file; a fault for one that is too long, and one where the file breaks off. Raises `RecordingError`."""
    with open_text(path, encoding) as file:
        whole = True
        try:
            while line := file.readline(LINE_MAX):
                ends = len(line) < LINE_MAX or line.endswith(("\n", "\r"))
                if whole and ends:
                    yield line
                elif whole:
                    why = f"{path.name}: a line of more than {LINE_MAX >> 20} MB was left out"
                    yield Fault(FaultKind.OVERSIZE, why, _bytes(line[:2000]), readings=1)
                whole = ends
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield Fault(FaultKind.TRUNCATED, f"{path.name} breaks off ({error}); what stood before was used")
        except OSError as error:
            raise RecordingError(f"{path} cannot be read: {error.strerror or error}") from None


# ------------------------------------------------------------------------------------------------- rows


def _rows(path: Path, mapping: Map | None, count: RowCount) -> Iterator[Message]:
    """The messages of a CSV. A row is one line, so that a quote that is never closed costs one row."""
    comment = mapping.comment if mapping else "#"
    split = _splitter(mapping.delimiter if mapping else ",")
    layout: Layout | None = None
    if mapping and mapping.columns:
        layout = mapped_layout(mapping.columns, mapping, path)
    encoding = mapping.encoding if mapping else ""
    for number, line in enumerate(lines_of(path, encoding), 1):
        if isinstance(line, Fault):
            count.rows += line.readings
            yield Message([], [line])
            continue
        if not line.strip() or (comment and line.startswith(comment)):
            continue
        lost = undecoded(line, encoding)
        if lost and layout is None:
            raise RecordingError(f"{path}: its first line: {lost}")
        if lost:
            count.rows += 1
            yield _unreadable(FaultKind.SYNTAX, f"{path.name} line {number}: {lost}", line)
            continue
        row = split(line)
        if layout is None:
            header = [name.strip() for name in row]
            layout = mapped_layout(header, mapping, path) if mapping else plain_layout(header, path)
            continue
        if not any(row):
            continue
        count.rows += 1
        try:
            message = layout.read(row) if layout.takes(row) else None
            if message is not None:
                if message.faults:
                    message.faults = [_at_line(fault, path, number, line) for fault in message.faults]
                yield message
            elif layout.takes(row):
                count.empty += 1
            else:
                count.left_out += 1
        except Unread as error:
            yield _unreadable(error.kind, f"{path.name} line {number}: {error}", line)
        except IndexError:
            yield _unreadable(FaultKind.SYNTAX, f"{path.name} line {number}: has too few columns ({len(row)})", line)


def _splitter(delimiter: str) -> Callable[[str], Cells]:
    if delimiter == WHITESPACE:
        return str.split

    def split(line: str) -> Cells:
        line = line.rstrip("\r\n")
        if '"' not in line:
            return line.split(delimiter)
        return next(csv.reader([line], delimiter=delimiter))

    return split


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _unreadable(kind: FaultKind, why: str, line: str) -> Message:
    return Message([], [Fault(kind, why, _bytes(line.strip())[:2000], readings=1)])


def _at_line(fault: Fault, path: Path, number: int, line: str) -> Fault:
    return msgspec.structs.replace(
        fault, detail=f"{path.name} line {number}: {fault.detail}", raw=_bytes(line.strip())[:2000]
    )


# ------------------------------------------------------------------------------------------------- arrival


def _arriving(messages: Iterable[Message], mapping: Map | None, path: Path) -> Iterator[Recorded]:
    """The messages with the time at which each of them arrived."""
    if mapping and mapping.order == "time":
        messages = _sorted(messages, path)
    newest = 0
    waiting: deque[tuple[int | None, Message]] = deque()
    source = iter(messages)
    while True:
        while len(waiting) <= AHEAD and (message := next(source, None)) is not None:
            waiting.append((_observed(message), message))
        if not waiting:
            return
        observed, message = waiting.popleft()
        leap = observed - newest if observed is not None else 0
        if observed is not None and leap > 0 and (not newest or leap <= LEAP or _believed(observed, newest, waiting)):
            newest = observed
        yield Recorded(newest, message)


def _believed(observed: int, newest: int, behind: Iterable[tuple[int | None, Message]]) -> bool:
    """Whether the rows behind a leap in time have leapt as well: most of them."""
    times = sorted(at for at, _ in behind if at is not None)
    if not times:
        return observed - newest <= LEAP_AT_END_MAX
    return observed - times[len(times) // 2] <= LEAP


def _sorted(messages: Iterable[Message], path: Path) -> list[Message]:
    held: list[Message] = []
    for message in messages:
        if len(held) >= SORTED_MAX:
            raise RecordingError(f'{path}: order = "time" holds at most {SORTED_MAX:,} rows; sort the file by time')
        held.append(message)
    before = 0

    def key(message: Message) -> int:
        nonlocal before
        at = _observed(message)
        before = at if at is not None else before  # an unreadable row stays behind its predecessor
        return before

    return sorted(held, key=key)


def _observed(message: Message) -> int | None:
    readings = message.readings
    if len(readings) == 1:
        return readings[0].observed_at
    return max((reading.observed_at for reading in readings if reading.observed_at is not None), default=None)


# ------------------------------------------------------------------------------------------------- raw frames


_RECEIVED = re.compile(r"(\d{4}-\d\d-\d\dT[^\t]+|\d{9,19}(?:\.\d+)?)\t(.*)", re.DOTALL)


def _frames(path: Path, codec: Codec, binary: bool, received: int | None) -> Iterator[Recorded]:
    """One frame a line, hex for binary protocols; a receive time and a tab may stand before it."""
    at, newest = received, 0

    def recorded(messages: Iterable[Message]) -> Iterator[Recorded]:
        nonlocal newest
        for message in messages:
            observed = at if at is not None else _observed(message)
            newest = max(newest, observed or 0)
            yield Recorded(newest, message if newest else _undated(message, path))

    for line in lines_of(path):
        if isinstance(line, Fault):
            yield from recorded([Message([], [line])])
            continue
        at, data = split_received(line, at)
        yield from recorded(codec.feed(frame_bytes(data, binary), at))
        if binary:
            yield from recorded(codec.end(at))
    yield from recorded(codec.end(at))


def _undated(message: Message, path: Path) -> Message:
    """Before any time is known, a reading without one cannot be placed."""
    timeless = [reading for reading in message.readings if reading.observed_at is None]
    if not timeless:
        return message
    why = f"{path.name}: no time in this frame nor before it; put a receive time and a tab in front, or give --received"
    return msgspec.structs.replace(
        message,
        readings=[reading for reading in message.readings if reading.observed_at is not None],
        faults=[*message.faults, *(_timeless(reading, why, message.raw) for reading in timeless)],
    )


def _timeless(reading: Reading, why: str, raw: bytes) -> Fault:
    return Fault(FaultKind.TIME, why, raw, reading.device, readings=1)


def split_received(line: str, before: int | None = None) -> tuple[int | None, str]:
    """(receive time or the one before, the frame) of a line that may begin with a time and a tab."""
    found = _RECEIVED.match(line)
    if not found:
        return before, line
    text = found[1]
    if text[4:5] == "-":
        try:
            return from_text(text), found[2]
        except ValueError:
            return before, line
    digits = float(text)
    scale = SECOND if digits < 1e11 else SECOND // 1000 if digits < 1e14 else 1000 if digits < 1e17 else 1
    return round(digits * scale), found[2]


def frame_bytes(text: str, binary: bool) -> bytes:
    """The bytes of one frame: hex for binary protocols, else the text with its line break; bad hex stays as it is."""
    if not binary:
        return text.encode("utf-8", "surrogateescape")
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text.strip().encode("utf-8", "surrogateescape")


__all__ = [
    "LINE_MAX",
    "Map",
    "Recorded",
    "RecordingError",
    "RowCount",
    "frame_bytes",
    "lines_of",
    "load_map",
    "open_text",
    "read_files",
    "split_received",
]
