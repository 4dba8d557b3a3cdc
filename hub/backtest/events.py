"""The events that a back-test is judged by, as a CSV names them."""

from __future__ import annotations

import csv
import io
from typing import NamedTuple

from hub.moment import from_text


class Event(NamedTuple):
    """Something that happened, times in ns. `device`: where it showed (several: `a;b`; two vessels: `a+b`), or `*`."""

    event: str
    kind: str
    device: str
    start: int
    peak: int
    end: int
    warn_by: int | None = None
    """Until when a warning is of use; None: until the peak."""
    share: float | None = None
    """Of the devices named, 0 to 1; None: all of them, of `*` as the kind of event has it."""

    @property
    def deadline(self) -> int:
        return self.peak if self.warn_by is None else self.warn_by


def read_events(text: str) -> list[Event]:
    """The events of a CSV `event,kind,device,start,peak,end[,warn_by][,share]`, times in ISO 8601 with offset, share 0.5 or
    50 %. Raises ValueError by line."""
    rows = csv.DictReader(io.StringIO(text, newline=""))
    wanted = Event._fields[:6]
    lacking = [name for name in wanted if name not in (rows.fieldnames or ())]
    if lacking:
        raise ValueError(f"line 1: {','.join(wanted)} were meant; {', '.join(lacking)} is missing")
    found: list[Event] = []
    for row in rows:
        try:
            start, peak, end = (from_text(row[name] or "") for name in ("start", "peak", "end"))
            warn_by = from_text(row["warn_by"]) if row.get("warn_by") else None
            share = _share_of(row["share"]) if row.get("share") else None
        except ValueError as error:
            raise ValueError(f"line {rows.line_num}: {error}") from None
        if not start <= peak <= end:
            raise ValueError(f"line {rows.line_num}: start, peak and end are not in this order")
        found.append(Event(row["event"], row["kind"], row["device"], start, peak, end, warn_by, share))
    return found


def _share_of(text: str) -> float:
    number = text.strip()
    try:
        share = float(number[:-1]) / 100 if number.endswith("%") else float(number)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise ValueError(f"share {text!r} is not between 0 and 1")
    return share
