"""One question for charts: buckets of any width over any range, from the coarsest rollups that they can be made of.

A year by days reads 365 rollups of a day instead of the rows. What is newer than the newest rollup comes from finer ones and at the
end from the rows, because minutes are made once a minute, hours and days every ten. A late reading shows when its rollups are made anew.
"""

from __future__ import annotations

from hub.ports import Bucket, SeriesQuery
from hub.store.rollups import WIDTHS, RollupStore, fold


def buckets_every(store: RollupStore, query: SeriesQuery, every: int) -> list[Bucket]:
    """Count, min, mean, max and last of each device and metric per `every` ns (counted from the epoch, as UTC days are), by time,
    device and metric; `query.limit` is the number of buckets, the newest ones with `query.newest`. Exact at both ends of the range.

    Blocking; raises `StoreUnavailable`, and ValueError for an `every` below 1.
    """
    if every < 1:
        raise ValueError(f"every = {every}: a bucket lasts 1 ns or longer")
    widths = [name for name, width in WIDTHS.items() if every % width == 0]
    if not widths:
        return _limited(store.buckets(_span(query, query.start, query.end), every), query)
    parts = _folded(store, query, every, widths) or _parts(store, query, query.start, query.end, widths)
    return _limited(fold(parts, every), query)


def _folded(store: RollupStore, query: SeriesQuery, every: int, widths: list[str]) -> list[Bucket]:
    """As `_parts`, the middle in buckets of `every` made by the store itself; nothing where there is no such middle."""
    low = None if query.start is None else -(-query.start // every) * every
    high = None if query.end is None else query.end // every * every
    if every == WIDTHS[widths[-1]] or (low is not None and high is not None and low >= high):
        return []
    made = store.folded(widths[-1], _span(query, low, high), every)
    if not made:
        return []
    newest = made[-1].time  # perhaps not all of its rollups are made yet
    head = [] if low is None else _parts(store, query, query.start, low, widths)
    middle = [bucket for bucket in made if bucket.time < newest]
    return [*head, *middle, *_parts(store, query, newest, query.end, widths)]


def _parts(
    store: RollupStore, query: SeriesQuery, start: int | None, end: int | None, widths: list[str]
) -> list[Bucket]:
    """Buckets that together hold the range, none twice: rollups of the last of `widths` in the middle, finer ones at both ends."""
    if start is not None and end is not None and start >= end:
        return []
    if not widths:
        return store.buckets(_span(query, start, end), WIDTHS["1m"])
    *finer, name = widths
    width = WIDTHS[name]
    low = None if start is None else -(-start // width) * width
    high = None if end is None else end // width * width
    if low is not None and high is not None and low >= high:
        return _parts(store, query, start, end, finer)
    made = store.rollups(name, _span(query, low, high))
    if not made:
        return _parts(store, query, start, end, finer)
    newest = made[-1].time  # perhaps made before it was over
    middle = [bucket for bucket in made if bucket.time < newest]
    head = [] if low is None else _parts(store, query, start, low, finer)
    return [*head, *middle, *_parts(store, query, newest, end, finer)]


def _span(query: SeriesQuery, start: int | None, end: int | None) -> SeriesQuery:
    return SeriesQuery(start, end, query.device, query.metric)


def _limited(buckets: list[Bucket], query: SeriesQuery) -> list[Bucket]:
    if query.limit is None or len(buckets) <= query.limit:
        return buckets
    return buckets[-query.limit :] if query.newest else buckets[: query.limit]
