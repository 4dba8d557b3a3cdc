"""Rollups: what each metric of each device did per minute, hour and day, kept beside the raw rows.

The hub makes them, on every kind of server, and not continuous queries (1.x) or tasks (2.x): those look at a window once,
so late data never reaches them, and 3 Core has neither. Minutes are made from the raw rows, hours from minutes, days (of
UTC) from hours. A window is always made anew as a whole, so making it twice changes nothing, and late data means: once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, cast

from hub.model import USABLE_MARKS, Reading
from hub.moment import SECOND
from hub.ports import Bucket, SeriesQuery, Store

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WIDTHS: Mapping[str, int] = {"1m": MINUTE, "1h": HOUR, "1d": DAY}
"""Name of a rollup → its width in ns, finest first."""
_AT_A_TIME: Mapping[str, int] = {"1m": HOUR, "1h": HOUR, "1d": DAY}
"""Range of one query and one write. Bounds what is in memory: an hour of 1,000 devices with 5 metrics has 300,000 minutes."""


ONE_DEVICE_AT_A_TIME = 30 * DAY
"""The same for one device: 43,200 minutes of each metric."""
LOT_PARTS = ONE_DEVICE_AT_A_TIME // MINUTE
"""Minutes, or rollups that a wider one is made of, in one lot of questions."""
TOGETHER = 8
"""More devices than this in one minute are asked for together: one query over all of them costs about as much as eight of one."""
WINDOWS_MAX = 20
"""Of one device. One with more, as sparse history has, is asked for in long ranges: each query has its price, a wide one hardly more."""
PART_MINUTES = 50_000
"""Minutes of devices made in one go: bounds what is in memory, and how long the next part, or the present, waits."""


class RollupStore(Store, Protocol):
    """A store that keeps rollups. Blocking, like all of `Store`; raises `StoreUnavailable`."""

    def write_rollups(self, width: str, buckets: list[Bucket]) -> None:
        """Put these in the place of what was there for their device, metric and time."""
        ...

    def drop_rollups(self, width: str, buckets: Sequence[Bucket]) -> None:
        """Take out what stands there for the device, metric and time of these. Where a server cannot, no answer of the store shows them."""
        ...

    def rollups(self, width: str, query: SeriesQuery) -> list[Bucket]:
        """Those that begin in the query's range, by time, device and metric."""
        ...

    def folded(self, width: str, query: SeriesQuery, every: int) -> list[Bucket]:
        """As `fold(self.rollups(width, query), every)`, for `every` a multiple of the width."""
        ...

    def remake(self, width: str, minutes: Mapping[str, set[int]]) -> int:
        """Make those anew that hold these minutes of these devices, minutes from raw rows, others from the next finer width; gives how
        many were written. More than these may be made anew, never less."""
        ...

    def forget(self, what: str, before: int) -> None:
        """Drop raw rows ("raw") or rollups ("1m", "1h", "1d") older than `before`, ns. Where a server cannot, nothing."""
        ...


class QueriedStore(RollupStore, Protocol):
    """One that can be asked many questions in one go, as a server over the network should. Others are asked one by one."""

    def buckets_of(self, lots: Iterable[Sequence[SeriesQuery]], every: int) -> Iterator[list[Bucket]]:
        """`buckets` of each lot of questions, without limits. Those of one lot do not overlap, and begin and end at multiples of `every`
        where they are several."""
        ...

    def rollups_of(self, width: str, lots: Iterable[Sequence[SeriesQuery]]) -> Iterator[list[Bucket]]:
        """`rollups` of each lot of questions, each once, without limits."""
        ...


class Window(NamedTuple):
    start: int
    end: int


def fold(buckets: Iterable[Bucket], every: int) -> list[Bucket]:
    """Finer buckets as coarser ones of `every` ns: exact for count, min, max and last, and for the mean by weight."""
    gathered: dict[tuple[int, str, str, str], list[Bucket]] = {}
    for bucket in buckets:
        start = bucket.time - bucket.time % every
        gathered.setdefault((start, bucket.device, bucket.metric, bucket.kind), []).append(bucket)
    folded = []
    for (start, device, metric, kind), parts in sorted(gathered.items()):
        count = sum(part.count for part in parts)
        mean = sum(part.mean * part.count for part in parts) / count
        low, high = min(part.min for part in parts), max(part.max for part in parts)
        last = max(parts, key=lambda part: part.time).last
        # Rounding must not push a mean out of the range of what it is the mean of.
        folded.append(Bucket(start, device, metric, count, low, min(max(mean, low), high), high, last, kind))
    return folded


def remake(store: RollupStore, window: Window, widths: Iterable[str] = tuple(WIDTHS), device: str | None = None) -> int:
    """Make rollups anew that begin in or hold a part of `window`, finest first, of one device or of all; gives how many were written."""
    written = 0
    for width in widths:
        written += _remade(store, width, lots([(device, window)], width))
    return written


def _remade(store: RollupStore, width: str, asked: Iterable[Sequence[SeriesQuery]]) -> int:
    """Make the rollups of each lot of questions anew; gives how many were written."""
    written = 0
    for buckets in _made(store, width, asked):
        if buckets:
            store.write_rollups(width, buckets)
            written += len(buckets)
    return written


def _made(store: RollupStore, width: str, asked: Iterable[Sequence[SeriesQuery]]) -> Iterator[list[Bucket]]:
    """What the rollups of each lot of questions are now, by what they are made of."""
    if width != "1m":
        for parts_of in _kept(store, finer(width), asked):
            yield fold(parts_of, WIDTHS[width])
    elif hasattr(store, "buckets_of"):
        yield from cast(QueriedStore, store).buckets_of(asked, WIDTHS[width])
    else:
        for queries in asked:
            yield [bucket for query in queries for bucket in store.buckets(query, WIDTHS[width])]


def _kept(store: RollupStore, width: str, asked: Iterable[Sequence[SeriesQuery]]) -> Iterator[list[Bucket]]:
    """The rollups that there are, of each lot of questions."""
    if hasattr(store, "rollups_of"):
        yield from cast(QueriedStore, store).rollups_of(width, asked)
    else:
        for queries in asked:
            yield [bucket for query in queries for bucket in store.rollups(width, query)]


def drop_denied(store: RollupStore, width: str, window: Window, device: str | None = None) -> None:
    """Drop rollups, made while their values counted as good, of which marks have denied every value since.

    One whose rows are gone, by retention, stays.
    """
    _drop_denied(store, width, [(device, window)])


def _drop_denied(store: RollupStore, width: str, found: Iterable[tuple[str | None, Window]]) -> None:
    """`drop_denied` of each of these devices and windows."""
    every = WIDTHS[width]
    asked = list(lots(found, width))
    if not asked:
        return
    for now, before in zip(_made(store, width, asked), _kept(store, width, asked), strict=True):
        made = {(bucket.time, bucket.device, bucket.metric) for bucket in now}
        left = [bucket for bucket in before if (bucket.time, bucket.device, bucket.metric) not in made]
        emptied = [
            bucket
            for bucket in left
            if store.series(SeriesQuery(bucket.time, bucket.time + every, bucket.device, bucket.metric, limit=1))
        ]
        if emptied:
            store.drop_rollups(width, emptied)


def remake_touched(
    store: RollupStore, width: str, minutes: Mapping[str, set[int]], denied: Mapping[str, set[int]]
) -> int:
    """Rollups of one width that hold these minutes of these devices; in those of `denied` some may have lost all that they had. Gives
    how many were written."""
    written = store.remake(width, minutes)
    every = WIDTHS[width]
    _drop_denied(
        store,
        width,
        [
            (device, window)
            for device in minutes.keys() & denied.keys()
            for window in windows({start - start % every for start in minutes[device] & denied[device]})
        ],
    )
    return written


def remake_by_queries(store: RollupStore, width: str, minutes: Mapping[str, set[int]]) -> int:
    """`RollupStore.remake` for a server that cannot fold rows into rollups by itself."""
    every = WIDTHS[width]
    begins = {device: {start - start % every for start in starts} for device, starts in minutes.items()}
    return _remade(store, width, lots(jobs(begins), width))


def lots(found: Iterable[tuple[str | None, Window]], width: str) -> Iterator[list[SeriesQuery]]:
    """Jobs as the questions that are asked and written together, in their order. Of one device each, as many as reach over no more than
    one device's at a time; of all devices one alone."""
    every = WIDTHS[width]
    part_of = every if width == "1m" else WIDTHS[finer(width)]
    lot: list[SeriesQuery] = []
    size = 0
    for device, window in found:
        for part in _parts(window, every, _AT_A_TIME[width] if device is None else ONE_DEVICE_AT_A_TIME):
            more = (part.end - part.start) // part_of
            if lot and (device is None or lot[0].device is None or size + more > LOT_PARTS):
                yield lot
                lot, size = [], 0
            lot.append(SeriesQuery(part.start, part.end, device))
            size += more
    if lot:
        yield lot


def parts(minutes: Mapping[str, set[int]]) -> Iterator[dict[str, set[int]]]:
    """Touched minutes in parts for `RollupStore.remake`, the newest hour first; a device's hour is never split. What is more than a day apart is
    in parts of its own, unless that gives too many: a part costs a look at all that lies between its ends.

    Nothing here sorts or gathers all minutes at once: for a year of one device that is a second in which no other thread gets its turn.
    """
    hours: dict[int, dict[str, list[int]]] = {}
    for device, starts in minutes.items():
        for start in starts:
            hours.setdefault(start - start % HOUR, {}).setdefault(device, []).append(start)
    spans = windows(hours, DAY)
    if len(spans) > WINDOWS_MAX:
        spans = windows(hours, ONE_DEVICE_AT_A_TIME)
    begins = iter(span.start for span in reversed(spans))
    begin, size = next(begins, 0), 0
    part: dict[str, set[int]] = {}
    for hour in sorted(hours, reverse=True):
        if hour < begin:
            yield part
            part, size = {}, 0
        while hour < begin:
            begin = next(begins)
        for device, some in hours[hour].items():
            if part and size + len(some) > PART_MINUTES:
                yield part
                part, size = {}, 0
            part.setdefault(device, set()).update(some)
            size += len(some)
    if part:
        yield part


def touched(readings: Iterable[Reading]) -> dict[str, set[int]]:
    """Starts of the minutes that these readings fall into, by device."""
    found: dict[str, set[int]] = {}
    for reading in readings:
        if (at := reading.observed_at) is not None and (reading.values or reading.marks):
            found.setdefault(reading.device, set()).add(at - at % MINUTE)
    return found


def denied(readings: Iterable[Reading]) -> dict[str, set[int]]:
    """Of the minutes that are touched: those in which a mark denies a value, this reading's or one written before."""
    return touched(
        reading for reading in readings if reading.marks and not USABLE_MARKS.issuperset(reading.marks.values())
    )


def jobs(minutes: Mapping[str, set[int]]) -> list[tuple[str | None, Window]]:
    """The windows to make anew, the newest first, of one device each, or of all (None) for minutes that many devices touched, where
    that takes fewer queries."""
    devices = Counter(start for starts in minutes.values() for start in starts)
    shared = {start for start, count in devices.items() if count > TOGETHER}
    if not _together_is_less(minutes, shared):
        shared = set()
    found: list[tuple[str | None, Window]] = [(None, window) for window in windows(shared)]
    for device, starts in minutes.items():
        own = windows(starts - shared)
        if len(own) > WINDOWS_MAX:
            own = windows(starts - shared, ONE_DEVICE_AT_A_TIME)
        found += [(device, window) for window in own]
    return sorted(found, key=lambda job: -job[1].end)


def _together_is_less(minutes: Mapping[str, set[int]], shared: set[int]) -> bool:
    """Whether asking for these minutes of all devices takes less than asking for each device that has any."""
    of_all = TOGETHER * len({start // _AT_A_TIME["1m"] for start in shared})
    of_one = 0
    for starts in minutes.values():
        of_one += len({start // ONE_DEVICE_AT_A_TIME for start in starts & shared})
        if of_one >= of_all:
            return True
    return False


def windows(minutes: Iterable[int], apart: int = HOUR) -> list[Window]:
    """Minutes as few windows: those less than `apart` ns from one another are taken together."""
    found: list[Window] = []
    for start in sorted(minutes):
        if found and start - found[-1].end < apart:
            found[-1] = Window(found[-1].start, start + MINUTE)
        else:
            found.append(Window(start, start + MINUTE))
    return found


def apply_retention(store: RollupStore, days: Mapping[str, float], now: int) -> None:
    """Drop what is older than its days; 0 keeps for ever."""
    for what, kept in days.items():
        if kept:
            # By whole days, so that no hour or day is ever made anew from half of its minutes.
            before = now - int(kept * DAY)
            store.forget(what, before - before % DAY)


def finer(width: str) -> str:
    """The width that rollups of this one are made of."""
    names = list(WIDTHS)
    return names[names.index(width) - 1]


def _parts(window: Window, every: int, at_a_time: int) -> Iterator[Window]:
    start = window.start - window.start % every
    end = -(-window.end // every) * every
    while start < end:
        until = min(end, (start // at_a_time + 1) * at_a_time)
        yield Window(start, until)
        start = until
