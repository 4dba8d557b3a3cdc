"""One question for charts: buckets of any width over any range, from the coarsest rollups that they can be made of.

A year by days reads 365 rollups of a day instead of the rows. What is newer than the newest rollup comes from finer ones and at the
end from the rows, because minutes are made once a minute, hours and days every ten. A late reading shows when its rollups are made anew;
in a range of three days at once, as that is made from the rows.
"""

from __future__ import annotations

from hub.ports import Bucket, SeriesQuery
from hub.store.rollups import DAY, WIDTHS, RollupStore, fold

FROM_ROWS_NS = 3 * DAY
"""A range this short is made from the rows: what came late, such as the hours that a gauge was cut off, shows at once in the charts by
which people act."""
PIECES = 16


def buckets_every(store: RollupStore, query: SeriesQuery, every: int) -> list[Bucket]:
    """Count, min, mean, max and last of each device and metric per `every` ns (counted from the epoch, as UTC days are), by time,
    device and metric; `query.limit` is the number of buckets, the newest ones with `query.newest`. Exact at both ends of the range.

    Blocking; raises `StoreUnavailable`, and ValueError for an `every` below 1.
    """
    if every < 1:
        raise ValueError(f"every = {every}: a bucket lasts 1 ns or longer")
    found: list[Bucket] = []
    for start, end in _pieces(query, every):
        piece = _made(store, query, start, end, every)
        found = [*piece, *found] if query.newest else [*found, *piece]
        if query.limit is not None and len(found) >= query.limit:
            break
    return _limited(found, query)


def _pieces(query: SeriesQuery, every: int) -> list[tuple[int | None, int | None]]:
    """The range in pieces of whole buckets, in the order in which a limit wants them. Of one device it is one piece; of many a piece at a
    time is in memory, and a limit spares most of them."""
    if query.start is None or query.end is None or query.device is not None or query.limit is None:
        return [(query.start, query.end)]
    first, last = query.start // every, -(-query.end // every)
    step = max(1, -(-(last - first) // PIECES))
    turns = [max(query.start, turn * every) for turn in range(first, last, step)]
    pieces: list[tuple[int | None, int | None]] = list(zip(turns, [*turns[1:], query.end], strict=True))
    return pieces[::-1] if query.newest else pieces


def _made(store: RollupStore, query: SeriesQuery, start: int | None, end: int | None, every: int) -> list[Bucket]:
    """All buckets between two times."""
    widths = [name for name, width in WIDTHS.items() if every % width == 0]
    short = query.start is not None and query.end is not None and query.end - query.start <= FROM_ROWS_NS
    if short or not widths:
        return store.buckets(_span(query, start, end), every)
    piece = _span(query, start, end)
    return fold(_folded(store, piece, every, widths) or _parts(store, piece, start, end, widths), every)


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
    return SeriesQuery(start, end, query.device, query.metric, devices=query.devices)


def _limited(buckets: list[Bucket], query: SeriesQuery) -> list[Bucket]:
    if query.limit is None or len(buckets) <= query.limit:
        return buckets
    return buckets[-query.limit :] if query.newest else buckets[: query.limit]
