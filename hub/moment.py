"""Moments as text and as nanoseconds: pure conversions. Nobody here asks what time it is; `hub.clock` does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

SECOND = 1_000_000_000
ON_THE_WAY_NS = 2 * SECOND
"""How long before it was received a reading of the present may be dated: whole seconds lose up to one, the way takes part of another.
What is dated in the future counts as older than that (docs/decisions/wrong-clocks.md)."""
CLOCK_AHEAD_NS = 600 * SECOND
"""How far ahead a device's clock may be, where only that tells two moments apart: as far as `[ingest] future_max_s` takes by default."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT_MAX = 2**63 - 2
"""ns; one step inside what 64 bits hold (1677 to 2262), because their ends mean "infinity" to DuckDB."""


def to_text(at: int) -> str:
    """ISO 8601 with Z; fractions only where there are any: 2026-08-17T14:18:12Z, 2026-08-17T14:18:12.25Z."""
    seconds, fraction = divmod(at, SECOND)
    text = _second_text(seconds)
    return f"{text}.{fraction:09d}".rstrip("0") + "Z" if fraction else text + "Z"


@lru_cache(4096)
def _second_text(seconds: int) -> str:
    """Without Z. Kept for an hour's worth of seconds: a list of ten thousand devices has thirty thousand times of the last minutes in it, and to make
    them was most of its cost."""
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]


def to_zone_text(at: int, zone: tzinfo) -> str:
    """The wall clock's time in a zone, to the second, with its offset: 2026-08-17 22:18:12 +08:00."""
    moment = (_EPOCH + timedelta(seconds=at // SECOND)).astimezone(zone)
    offset = moment.strftime("%z")
    return moment.strftime("%Y-%m-%d %H:%M:%S ") + f"{offset[:3]}:{offset[3:5]}"


def largest_unit(ns: int) -> tuple[float, str]:
    """A duration in the largest unit ("d", "h", "min", "s") of which it has a whole number; a day of 24 h stays 24 h."""
    seconds = ns / SECOND
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0 and (unit != "d" or seconds >= 2 * 86400):
            return seconds / size, unit
    return seconds, "s"


def from_text(text: str, zone: tzinfo | None = None, near: int | None = None) -> int:
    """ns UTC of an ISO 8601 time. Without an offset it is read in `zone`, as `from_local` does. Raises ValueError with a
    sentence."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is not an ISO 8601 time such as 2026-11-22T08:00:00Z") from None
    if moment.tzinfo is None:
        if zone is None:
            raise ValueError(f"{text!r} has no time zone; add Z or an offset such as +08:00")
        return from_local(moment, zone, near)
    return from_datetime(moment)


def in_reach(at: int) -> bool:
    """Whether a moment (ns) can be kept at all. Log, rules and store hold 64 bits; whoever makes a moment out of foreign figures asks here."""
    return -MOMENT_MAX <= at <= MOMENT_MAX


def in_order(start: int | None, end: int | None) -> tuple[int | None, int | None]:
    """The two ends of a range that somebody asked for (ns; None: open). Raises ValueError where it begins behind its end: the answer
    would be nothing, which looks as if there were no data."""
    if start is not None and end is not None and start > end:
        raise ValueError(f"from ({to_text(start)}) lies behind to ({to_text(end)})")
    return start, end


def naive_text(text: str) -> datetime | None:
    """The clock's time of an ISO 8601 text without an offset; None where it has one, or is no such text."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo is None else None


def from_local(local: datetime, zone: tzinfo, near: int | None = None) -> int:
    """ns UTC of a clock's time in `zone`. In the hour that comes twice in autumn it is the one nearest to `near` (ns: when it
    was received). Raises ValueError where nothing tells which is meant, and for the hour that spring leaves out."""
    return nearest(candidates(local, zone), near)


def candidates(local: datetime, zone: tzinfo) -> tuple[int, ...]:
    """ns UTC of the moments at which clocks in `zone` show this time, the earlier first: one, or two in the hour that comes
    twice in autumn. Raises ValueError for the hour that spring leaves out.

    This, and nothing else, turns a time without an offset into a moment.
    """
    first, second = local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    if before == after:
        return (from_datetime(first),)
    if before is None or after is None or before < after:
        raise ValueError(
            f"{local.isoformat(' ')} is shown by no clock in {zone}: it is in the hour that spring leaves out"
        )
    return from_datetime(first), from_datetime(second)


def shown_alike(at: int, zone: tzinfo) -> tuple[int, ...]:
    """The moments at which clocks in `zone` show what they show at `at`, the earlier first: one, or two in the hour that comes twice in autumn."""
    if isinstance(zone, timezone):  # a fixed offset: every hour comes once
        return (at,)
    whole, rest = divmod(at, SECOND)
    local = datetime.fromtimestamp(whole, zone).replace(tzinfo=None)
    return tuple(moment + rest for moment in candidates(local, zone))


def nearest(moments: tuple[int, ...], near: int | None) -> int:
    """The one of `candidates` that is nearest to `near`; the earlier where the later would lie far ahead of it, since what a device sends
    late is of the past. Raises ValueError where there are two and `near` is not known."""
    if len(moments) == 1:
        return moments[0]
    if near is None:
        raise ValueError(
            "this local time comes twice that day, as clocks go back, and nothing tells which is meant; write an offset such as +02:00"
        )
    told = [at for at in moments if at - near <= CLOCK_AHEAD_NS] or moments
    return min(told, key=lambda at: abs(at - near))


class LocalOrder:
    """Which of two moments a local time in a file means: the one that keeps the order of its device's rows, rising or falling.

    A file that begins inside the repeated hour begins with the first of the two.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._falling: set[str] = set()

    def choose(self, device: str, moments: tuple[int, ...]) -> int:
        """The moment of this device's next row. Raises ValueError where neither of two keeps the order."""
        last = self._last.get(device)
        if len(moments) == 1:
            if last is not None and moments[0] != last:
                (self._falling.add if moments[0] < last else self._falling.discard)(device)
            at = moments[0]
        elif last is None:
            at = moments[0]
        else:
            if last > moments[-1]:
                self._falling.add(device)
            falling = device in self._falling
            left = [at for at in moments if (at < last if falling else at > last)]
            if not left:
                raise ValueError(
                    "this local time comes twice that day, and both moments stand in the rows before already"
                )
            at = max(left) if falling else min(left)
        self._last[device] = at
        return at


def in_one_message(rows: Sequence[tuple[frozenset[str], tuple[int, ...]]], near: int) -> list[int]:
    """When the rows of one device in one message were observed, each given by what it names and by `candidates` of its time.

    They stand in order, rising or falling, and the newest is the one nearest to `near` (ns: when the message was received): so a message
    that reaches over the hour that comes twice in autumn keeps all its rows. Rows that name different things may share a moment. Where
    both orders are possible the rows lie as close together as they can; where none is, each is nearest to `near`.
    """
    rising = _rising(rows, near)
    falling = _rising(rows[::-1], near)
    found = [order for order in (rising, falling[::-1] if falling else None) if order]
    if not found:
        return [nearest(moments, near) for _, moments in rows]
    return min(found, key=lambda order: max(order) - min(order))


def _rising(rows: Sequence[tuple[frozenset[str], tuple[int, ...]]], near: int) -> list[int] | None:
    """The moments of rows of which the last is the newest, each as late as the next one allows; None where one finds no place."""
    following, named = nearest(rows[-1][1], near), rows[-1][0]
    found = [following]
    for names, moments in reversed(rows[:-1]):
        fit = [at for at in moments if at < following or (at == following and not names & named)]
        if not fit:
            return None
        named = names | named if max(fit) == following else names
        following = max(fit)
        found.append(following)
    return found[::-1]


def from_datetime(moment: datetime) -> int:
    """ns UTC of an aware datetime, exact to the microsecond. Raises ValueError for what 64 bits do not hold (1677 to 2262)."""
    delta = moment - _EPOCH
    at = (delta.days * 86400 + delta.seconds) * SECOND + delta.microseconds * 1000
    if not in_reach(at):
        raise ValueError(f"{moment.isoformat()} lies outside the years 1677 to 2262")
    return at
