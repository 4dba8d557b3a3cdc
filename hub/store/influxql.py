"""Reading history back in InfluxQL, the one query language that InfluxDB 1.x, 2.x and 3 share."""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import httpx
import msgspec

from hub.bilingual import Text, quoted
from hub.error_words import words_of
from hub.marks import GOOD
from hub.metrics import vocabulary
from hub.model import AlertChange, Position
from hub.moment import ON_THE_WAY_NS
from hub.ports import Bucket, Row, SeriesQuery, StoreUnavailable
from hub.store.bounded import NEWEST_FIRST, Believable, Patience, asked, beginning, by_status, lines
from hub.store.erasing import Told
from hub.store.lineprotocol import ALERTS, OTHER, QUALITY_PREFIX, REWORDED_NS
from hub.store.rollups import WIDTHS
from hub.store.rows import POSITION_METRIC, point, restore

CHUNK_ROWS = 10_000
"""Rows that the server sends at a time, so that a long answer is never whole in memory."""
QUERY_CHARACTERS_MAX = 2_000
"""Of a query in an address."""
METRICS_AT_A_TIME = 12
"""Metrics summed up in one query."""
STATEMENTS_AT_A_TIME = 200
"""In one request. The server works at one after the other, and what each finds comes as soon as it is found."""
FIGURES = ("count", "min", "mean", "max", "last")
NOT_METRICS = {"lat", "lon", "alt", "received_at"}


class Column(NamedTuple):
    """One metric's place: its measurement, its field, and which of the accompanying fields the measurement has."""

    measurement: str
    metric: str
    beside: tuple[str, ...]


def place_of(database: str) -> dict[str, str]:
    """What names a database in a request. InfluxDB's own upgrade from 1.x makes buckets `db/rp`: database and retention policy."""
    name, _, policy = database.partition("/")
    return {"db": name, "rp": policy} if policy else {"db": name}


class Influxql:
    """Queries over `/query`. Blocking; raises `StoreUnavailable` for whatever the server does wrong."""

    def __init__(
        self,
        client: httpx.Client,
        database: str,
        within_s: float,
        keeps_emptied: bool = False,
        takes_several: bool = True,
    ) -> None:
        """`within_s`: for an answer that tells how something went. `keeps_emptied`: rollups whose values were all denied stay there, with a
        count of 0. `takes_several`: a request may hold several statements, as in 1.x and 2.x; InfluxDB 3 refuses all but one."""
        self._client, self._within_s = client, within_s
        self._statements_max = STATEMENTS_AT_A_TIME if takes_several else 1
        self._keeps_emptied = keeps_emptied
        self._place = place_of(database)

    # ---------------------------------------------------------------------------------------------- what the store asks

    def latest(self, devices: Sequence[str] | None = None) -> list[Row]:
        """The newest row of each device and metric, by observed time; what is dated in the future counts as older than what may
        have been on its way when it was received (docs/decisions/wrong-clocks.md). `last()` goes by the point's own time, so where it
        finds such a point those behind its receive time are looked at one by one."""
        if devices is not None and not devices:
            return []
        where = _where(SeriesQuery(devices=None if devices is None else tuple(devices)))
        newest: dict[tuple[str, str], Row] = {}
        for column in self._columns():
            wanted = ", ".join([f'last({_name(column.metric)}) AS "value"', *map(_name, column.beside)])
            if column.metric == POSITION_METRIC:
                wanted = ", ".join(['last("lat") AS "value"', *map(_name, column.beside)])
            found: dict[str, Row] = {}
            query = f"SELECT {wanted} FROM {_name(column.measurement)} {where} GROUP BY device, kind"
            for tags, cells in self._rows(query):
                row = _row(column.metric, {**tags, **cells}, cells["value"])
                known = found.get(row.device)
                if known is None or row.time > known.time:
                    found[row.device] = row
            ahead = {device: row for device, row in found.items() if row.time > row.received_at}
            if ahead:
                since = min(map(_counts_as_observed, ahead.values()))
                behind = SeriesQuery(since, devices=tuple(ahead), metric=column.metric)
                for row in self._measurement(behind, column.measurement, [column], newest_first=False):
                    found[row.device] = max(
                        found[row.device], row, key=lambda row: (_counts_as_observed(row), row.received_at)
                    )
            newest |= {(device, column.metric): row for device, row in found.items()}
        return [newest[key] for key in sorted(newest)]

    def series(self, query: SeriesQuery) -> Iterator[Row]:
        """Rows, oldest first, streamed; each device, metric and time once."""
        if query.newest and query.limit is not None:
            yield from reversed(list(self._in_order(query, newest_first=True)))
        else:
            yield from self._in_order(query, newest_first=False)

    def _in_order(self, query: SeriesQuery, newest_first: bool) -> Iterator[Row]:
        by_measurement: dict[str, list[Column]] = {}
        for column in self._columns():
            if query.metric in (None, column.metric):
                by_measurement.setdefault(column.measurement, []).append(column)
        merged = heapq.merge(
            *(self._measurement(query, name, columns, newest_first) for name, columns in by_measurement.items()),
            key=lambda row: row.time,
            reverse=newest_first,
        )
        given = 0
        instant, seen = 0, set[tuple[str, str]]()
        for row in merged:
            if row.time != instant:
                instant, seen = row.time, set()
            if (row.device, row.metric) in seen:  # its kind or area changed between two writes of one reading
                continue
            if query.limit is not None and given >= query.limit:
                return
            seen.add((row.device, row.metric))
            given += 1
            yield row

    def buckets(self, query: SeriesQuery, every: int) -> list[Bucket]:
        """As the port says; the server does the sums."""
        (found,) = self.buckets_of([[query]], every)
        return found if query.limit is None else found[: query.limit]

    def buckets_of(self, lots: Iterable[Sequence[SeriesQuery]], every: int) -> Iterator[list[Bucket]]:
        """As `hub.store.rollups` says; what fields there are is asked once."""
        columns = self._columns(numeric=True)
        for queries in lots:
            yield self._buckets(queries, every, columns)

    def _buckets(self, queries: Sequence[SeriesQuery], every: int, columns: Sequence[Column]) -> list[Bucket]:
        places = self._places(queries, columns)
        found = list(self._summed(places, every, columns))
        doubted = self._doubted(places, every)
        if doubted:
            reach = queries[0] if len(queries) == 1 else SeriesQuery()
            anew = [bucket for bucket in found if _key(bucket) in doubted]
            found = [bucket for bucket in found if _key(bucket) not in doubted]
            found += self._of_good_rows(anew, every, columns, reach)
        return sorted(found, key=_key)

    def _places(
        self, queries: Sequence[SeriesQuery], columns: Sequence[Column]
    ) -> list[tuple[SeriesQuery, str, list[Column]]]:
        """Each question with each measurement that may tell something of it, and which columns are asked for there."""
        by_measurement: dict[str, list[Column]] = {}
        for column in columns:
            by_measurement.setdefault(column.measurement, []).append(column)
        knows = self._devices_in(by_measurement, queries)
        return [
            (query, measurement, wanted)
            for query in queries
            for measurement, those in by_measurement.items()
            if (wanted := [column for column in those if query.metric in (None, column.metric)])
            and (knows is None or (measurement, query.device) in knows)
        ]

    def _devices_in(self, measurements: Collection[str], queries: Sequence[SeriesQuery]) -> set[tuple[str, str]] | None:
        """(measurement, device) of the devices asked for, where that spares questions. None: not known. InfluxDB 3 is not asked: it keeps no
        index of all times that it would have to answer from."""
        devices = sorted({query.device or "" for query in queries})
        if len(queries) == 1 or "" in devices or len(measurements) < 2 or self._statements_max == 1:
            return None
        chosen = " OR ".join(f"device = {_text(device)}" for device in devices)
        text = f"SHOW TAG VALUES FROM {', '.join(map(_name, measurements))} WITH KEY = device WHERE {chosen}"
        return {(tags["name"], str(row[1])) for tags, rows in self._answers(text) for row in rows}

    def _summed(
        self, places: Sequence[tuple[SeriesQuery, str, list[Column]]], every: int, columns: Sequence[Column]
    ) -> Iterator[Bucket]:
        """Buckets of all values, doubted ones too. Figures bear the number of their column."""
        numbers = {column: number for number, column in enumerate(columns)}
        texts = []
        for query, measurement, those in places:
            for at in range(0, len(those), METRICS_AT_A_TIME):
                wanted = ", ".join(
                    f'{function}({_name(column.metric)}) AS "{function}{numbers[column]}"'
                    for column in those[at : at + METRICS_AT_A_TIME]
                    for function in FIGURES
                )
                texts.append(
                    f"SELECT {wanted} FROM {_name(measurement)} {_where(query)} GROUP BY time({every // 1000}u), device, kind fill(none)"
                )
        for tags, cells in self._rows(*texts):
            for name, count in cells.items():
                if name.startswith("count") and count:
                    number = name.removeprefix("count")
                    low, mean, high, last = (float(cells[function + number]) for function in FIGURES[1:])
                    metric, kind = columns[int(number)].metric, tags.get("kind", "")
                    yield Bucket(cells["time"], tags["device"], metric, int(count), low, mean, high, last, kind)

    def _doubted(
        self, places: Sequence[tuple[SeriesQuery, str, list[Column]]], every: int
    ) -> set[tuple[int, str, str]]:
        """(time, device, metric) of the buckets in which a mark says that a value does not hold. (InfluxQL cannot ask for points that lack a
        field.)"""
        texts = []
        for query, measurement, those in places:
            marks = [mark for column in those if (mark := QUALITY_PREFIX + column.metric) in column.beside]
            if marks:
                marked = f"({' OR '.join(f'{_name(mark)} > 0' for mark in marks)})"
                wanted = ", ".join(map(_name, (*marks, "device")))
                texts.append(f"SELECT {wanted} FROM {_name(measurement)} {_where(query, marked)}")
        return {
            (cells["time"] - cells["time"] % every, cells.get("device") or "", name.removeprefix(QUALITY_PREFIX))
            for _, cells in self._rows(*texts)
            for name, mark in cells.items()
            if name.startswith(QUALITY_PREFIX) and mark is not None and int(mark) not in GOOD
        }

    def _of_good_rows(
        self, buckets: Sequence[Bucket], every: int, columns: Sequence[Column], reach: SeriesQuery
    ) -> Iterator[Bucket]:
        """These buckets summed up anew from their good rows within `reach`; those without one are left out."""
        kinds: dict[tuple[int, str, str], list[str]] = {}
        for bucket in buckets:
            kinds.setdefault(_key(bucket), []).append(bucket.kind)
        texts = []
        for time, device, metric in kinds:
            start = time if reach.start is None else max(time, reach.start)
            end = time + every if reach.end is None else min(time + every, reach.end)
            where = _where(SeriesQuery(start, end, device))
            for column in columns:
                if column.metric == metric:
                    marks = [name for name in column.beside if name == QUALITY_PREFIX + metric]
                    wanted = ", ".join(map(_name, (metric, *marks, "device", "kind")))
                    texts.append(f"SELECT {wanted} FROM {_name(column.measurement)} {where}")
        rows = self._values(*texts)
        for key, told in itertools.groupby(rows, lambda row: (row[0] - row[0] % every, row[1], row[2])):
            good: dict[str, list[float]] = {}
            instant = None
            for at, _, _, value, quality, kind in sorted(told, key=lambda row: row[0]):
                if at == instant:  # its kind or area changed between two writes of one reading
                    continue
                instant = at
                if quality in GOOD:
                    good.setdefault(kind, []).append(value)
            for kind in kinds.get(key, ()):
                if values := good.get(kind):
                    mean = min(max(sum(values) / len(values), min(values)), max(values))
                    yield Bucket(*key, len(values), min(values), mean, max(values), values[-1], kind)

    def _values(self, *queries: str) -> Iterator[tuple[int, str, str, float, int, str]]:
        """(time, device, metric, value, quality, kind) of the rows of queries of which the first thing asked for is a metric."""
        for _, rows, names in self._series(*queries):
            metric = names[1]
            for row in rows:
                cells = dict(zip(names, row, strict=True))
                if cells[metric] is not None:
                    quality = int(cells.get(QUALITY_PREFIX + metric) or 0)
                    device, kind = cells.get("device") or "", cells.get("kind") or ""
                    yield cells["time"], device, metric, float(cells[metric]), quality, kind

    def rollups(self, width: str, query: SeriesQuery) -> list[Bucket]:
        """Rollups as `hub.store.lineprotocol.rollup_line` writes them."""
        (found,) = self.rollups_of(width, [[query]])
        return found if query.limit is None else found[: query.limit]

    def rollups_of(self, width: str, lots: Iterable[Sequence[SeriesQuery]]) -> Iterator[list[Bucket]]:
        """As `hub.store.rollups` says; what fields there are is asked once."""
        columns = self._rollup_columns(width)
        for queries in lots:
            yield self._rollups(queries, columns)

    def _rollups(self, queries: Sequence[SeriesQuery], columns: Sequence[Column]) -> list[Bucket]:
        texts = []
        for query, measurement, those in self._places(queries, columns):
            names = [name for column in those for name in column.beside]
            wanted = "*" if query.metric is None else ", ".join(map(_name, (*names, "device", "kind")))
            texts.append(f"SELECT {wanted} FROM {_name(measurement)} {_where(query)}")
        found: dict[tuple[int, str, str], Bucket] = {}
        for tags, cells in self._rows(*texts):
            for column in columns:
                if column.measurement == tags["name"] and (count := cells.get(column.beside[0])):
                    low, mean, high, last = (float(cells[name]) for name in column.beside[1:])
                    key = (cells["time"], cells.get("device") or "", column.metric)
                    found[key] = Bucket(*key, int(count), low, mean, high, last, cells.get("kind") or "")
        return [found[key] for key in sorted(found)]

    def folded(self, width: str, query: SeriesQuery, metric: str, every: int) -> list[Bucket]:
        """Rollups of one metric folded into buckets of `every` ns; the server does the sums. Asked for in parts at the same time, because it
        works at one part with one core, and is slow where a row has several fields of a subquery (docs/decisions/influxdb-reading.md)."""
        count, low, mean, high, last = map(_name, _rollup_fields(metric))
        emptied = [f"{count} > 0"] if self._keeps_emptied else []
        found: list[Bucket] = []
        for measurement, fields in self.fields().items():
            if not measurement.endswith(f"_{width}") or f"{metric}_count" not in fields:
                continue
            rows = f"{_name(measurement)} {_where(query, *emptied)}"
            grouped = f"GROUP BY time({every // 1000}u), device, kind fill(none)"
            weighed = f"(SELECT {count} * {mean} AS weighed FROM {rows} GROUP BY device, kind) {_where(SeriesQuery(query.start, query.end))}"
            parts = (
                f"SELECT min({low}) AS low, max({high}) AS high, last({last}) AS newest FROM {rows} {grouped}",
                f"SELECT sum({count}) AS n FROM {rows} {grouped}",
                f"SELECT sum(weighed) AS sum FROM {weighed} {grouped}",
            )
            for (time, device, kind), (least, most, newest, number, weighed_sum) in self._side_by_side(parts):
                middle = min(max(float(weighed_sum) / number, float(least)), float(most))
                key = (time, device, metric, int(number))
                found.append(Bucket(*key, float(least), middle, float(most), float(newest), kind))
        return sorted(found, key=lambda bucket: (bucket.time, bucket.device, bucket.kind))

    def _side_by_side(self, queries: Sequence[str]) -> Iterator[tuple[tuple[int, str, str], list[Any]]]:
        """(time, device, kind) and what these queries, asked at the same time, tell of it one after the other, where each tells something."""

        def ask(query: str) -> dict[tuple[int, str, str], list[Any]]:
            answers = self._answers(query)
            return {(row[0], tags["device"], tags.get("kind", "")): row[1:] for tags, rows in answers for row in rows}

        with ThreadPoolExecutor(len(queries), thread_name_prefix="influxql") as pool:
            first, *others = pool.map(ask, queries)
        for key, told in first.items():
            if all(key in other for other in others):  # one may have been written between two of the queries
                yield key, sum((other[key] for other in others), start=told)

    def measurements(self, width: str = "") -> list[str]:
        """Measurements of raw points, or of the rollups of one width, that there are."""
        wanted = {f"{family}_{width}" if width else family for family in _families()}
        return sorted(wanted & self.fields().keys())

    def execute(self, statement: str) -> None:
        """A statement that changes something, by POST, as InfluxQL wants it."""
        status, words = asked(self._client, self._within_s, "POST", "/query", params=self._place, data={"q": statement})
        if status != 200 or "error" in words[:200]:
            raise StoreUnavailable(by_status("InfluxDB answers {}", "InfluxDB 应答 {}", status, words[:200]))

    def delete(self, measurement: str, before: int, since: int, tags: Mapping[str, str]) -> None:
        """Points from `since` to before `before`, ns, with these tags."""
        chosen = "".join(f" AND {name} = {_text(value)}" for name, value in tags.items())
        after = f" AND time >= {int(since)}" if since else ""
        self.execute(f"DELETE FROM {_name(measurement)} WHERE time < {int(before)}{after}{chosen}")

    def told(self, before: int, naming: Sequence[str]) -> Told:
        """As `hub.store.erasing` says. Kinds are those of all times, which the server knows without looking."""
        fields = self.fields()
        first = f"SELECT first(ordinal) FROM {ALERTS}" if ALERTS in fields else ""
        since = next((cells["time"] for _, cells in self._rows(first)), None) if first else None
        found = Told(set(), set(), set(), since)
        for width in ("", *WIDTHS):
            for measurement in self.measurements(width):
                for _, rows in self._answers(f"SHOW TAG VALUES FROM {_name(measurement)} WITH KEY = kind"):
                    found.kinds.update(str(row[1]) for row in rows)
        for measurement in self.measurements():
            for name in fields[measurement]:
                if name in naming:
                    found.naming.update(self._devices(measurement, name, f"time < {int(before)}"))
            if "lon" in fields[measurement]:
                found.placed.update(self._devices(measurement, "lon", f"time < {int(before)} AND kind = ''"))
        return found

    def _devices(self, measurement: str, field: str, where: str) -> set[str]:
        """Devices with that field in points like these."""
        query = f"SELECT last({_name(field)}) FROM {_name(measurement)} WHERE {where} GROUP BY device"
        return {tags["device"] for tags, _ in self._rows(query)}

    def changes(self, start: int | None, end: int | None) -> list[AlertChange]:
        """Alert changes, oldest first. Their points stand up to a millisecond behind their own time, reworded ones a second one."""
        reach = SeriesQuery(start, None if end is None else end + 1_000_000 + REWORDED_NS)
        if ALERTS not in self.fields():
            return []
        bodies = (cells["body"] for _, cells in self._rows(f"SELECT body FROM {ALERTS} {_where(reach)}"))
        found = {change.id: change for change in (msgspec.json.decode(body, type=AlertChange) for body in bodies)}
        kept = (c for c in found.values() if (start is None or c.at >= start) and (end is None or c.at < end))
        return sorted(kept, key=lambda change: (change.at, change.alert, change.ordinal))

    def fields(self) -> dict[str, dict[str, str]]:
        """Field types by measurement and field."""
        return {
            tags["name"]: {str(key): str(kind) for key, kind in rows} for tags, rows in self._answers("SHOW FIELD KEYS")
        }

    # ---------------------------------------------------------------------------------------------- how

    def _columns(self, numeric: bool = False) -> list[Column]:
        families = _families()
        columns = []
        for measurement, fields in self.fields().items():
            if measurement not in families:
                continue
            place = tuple(name for name in ("lat", "lon", "received_at") if name in fields)
            for metric, kind in fields.items():
                if metric in NOT_METRICS or metric.startswith(QUALITY_PREFIX) or (numeric and kind != "float"):
                    continue
                mark = QUALITY_PREFIX + metric
                columns.append(Column(measurement, metric, (*place, mark) if mark in fields else place))
            if measurement == POSITION_METRIC and not numeric:
                columns.append(Column(measurement, POSITION_METRIC, place))
        return columns

    def _rollup_columns(self, width: str) -> list[Column]:
        """Metrics of which there are rollups of this width; beside each the names of its figures."""
        families = _families()
        return [
            Column(measurement, metric, _rollup_fields(metric))
            for measurement, fields in self.fields().items()
            if measurement.endswith(f"_{width}") and measurement.removesuffix(f"_{width}") in families
            for name in fields
            if name.endswith("_count") and (metric := name.removesuffix("_count")) in fields
        ]

    def _measurement(
        self, query: SeriesQuery, measurement: str, columns: list[Column], newest_first: bool
    ) -> Iterator[Row]:
        wanted = "*"
        if query.metric is not None and query.metric != POSITION_METRIC:
            wanted = ", ".join(map(_name, (query.metric, *columns[0].beside, "device", "kind")))
        order = NEWEST_FIRST if newest_first else ""
        for cells in self._points(f"SELECT {wanted} FROM {_name(measurement)} {_where(query)} {order}", query):
            for column in columns:
                value = cells.get(column.metric)
                if value is not None or column.metric == POSITION_METRIC:
                    yield _row(column.metric, cells, value)

    def _points(self, text: str, query: SeriesQuery) -> Iterator[dict[str, Any]]:
        """Points of a query as they are asked for. With a limit they come in pages of that size: points that only bear a mark or a place
        count against the server's limit, and not as rows. With one metric asked for they are most, so the stream is left early instead."""
        if query.limit is None or query.metric is not None:
            yield from (cells for _, cells in self._rows(text))
            return
        page = int(query.limit)
        for offset in itertools.count(0, page):
            count = 0
            for _, cells in self._rows(f"{text} LIMIT {page} OFFSET {offset}"):
                count += 1
                yield cells
            if count < page:
                return

    def _rows(self, *queries: str) -> Iterator[tuple[Mapping[str, str], dict[str, Any]]]:
        for tags, rows, columns in self._series(*queries):
            for row in rows:
                yield tags, dict(zip(columns, row, strict=True))

    def _answers(self, query: str) -> Iterator[tuple[Mapping[str, str], list[list[Any]]]]:
        for tags, rows, _ in self._series(query):
            yield tags, rows

    def _ask(self, parameters: dict[str, str]) -> AbstractContextManager[httpx.Response]:
        """GET is what all three families surely read; only a long list of devices needs a body."""
        if len(parameters["q"]) < QUERY_CHARACTERS_MAX:
            return self._client.stream("GET", "/query", params=parameters)
        return self._client.stream("POST", "/query", data=parameters)

    def _series(self, *queries: str) -> Iterator[tuple[Mapping[str, str], list[list[Any]], list[str]]]:
        """(tags and `name`, rows, columns) of each series of the answers, one query after the other, as they come in."""
        for at in range(0, len(queries), self._statements_max):
            yield from self._answered(queries[at : at + self._statements_max])

    def _answered(self, queries: Sequence[str]) -> Iterator[tuple[Mapping[str, str], list[list[Any]], list[str]]]:
        """`_series` of one request. An answer that leaves out statements is none: what they would have told would look as if it were not
        there."""
        parameters = {
            **self._place,
            "epoch": "ns",
            "q": "; ".join(queries),
            "chunked": "true",
            "chunk_size": str(CHUNK_ROWS),
        }
        answered: set[int | None] = set()
        try:
            with self._ask(parameters) as response:
                if response.status_code != 200:
                    words = beginning(response.iter_bytes(), self._within_s)
                    raise StoreUnavailable(
                        by_status(
                            "InfluxDB answers a query with {}",
                            "InfluxDB 对查询应答 {}",
                            response.status_code,
                            words[:200],
                        )
                    )
                patience, believable = Patience(response.iter_bytes()), Believable(queries)
                for line in lines(patience):
                    for result in json.loads(line)["results"] if line.strip() else ():
                        if "error" in result:
                            raise StoreUnavailable(
                                Text("InfluxDB cannot answer: ", "InfluxDB 无法应答：") + quoted(str(result["error"]))
                            )
                        if (number := result.get("statement_id")) not in answered and len(answered) < len(queries):
                            answered.add(number)
                            patience.told()
                        for series in result.get("series", ()):
                            tags = {**series.get("tags", {}), "name": series["name"]}
                            rows, columns = series.get("values", []), series["columns"]
                            believable.take(number, tags, rows, columns[0] == "time")
                            yield tags, rows, columns
                            patience.told()
            if len(queries) > 1 and None not in answered and len(answered) != len(queries):
                raise StoreUnavailable(
                    Text(
                        f"InfluxDB answers {len(answered)} of {len(queries)} statements",
                        f"InfluxDB 只应答了 {len(queries)} 条语句中的 {len(answered)} 条",
                    )
                )
        except httpx.HTTPError as error:
            raise StoreUnavailable(
                Text("InfluxDB cannot be asked: ", "InfluxDB 无法查询：") + words_of(error)
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreUnavailable(
                Text("InfluxDB's answer to a query makes no sense: ", "InfluxDB 对查询的应答无法理解：")
                + quoted(repr(error))
            ) from error


def _families() -> set[str]:
    """Measurements of raw points."""
    return {OTHER, POSITION_METRIC, *(known.family for known in vocabulary().values())}


def _key(bucket: Bucket) -> tuple[int, str, str]:
    return bucket.time, bucket.device, bucket.metric


def _row(metric: str, cells: Mapping[str, Any], value: Any) -> Row:
    lon, lat = cells.get("lon"), cells.get("lat")
    if metric == POSITION_METRIC:
        value = point(Position(float(lon or 0.0), float(lat or 0.0)))
    number, text = (None, value) if isinstance(value, str) else (float(value), None)
    return Row(
        cells["time"],
        cells.get("device") or "",
        cells.get("kind") or "",
        metric,
        restore(metric, number, text),
        int(cells.get(QUALITY_PREFIX + metric) or 0),
        None if lon is None else float(lon),
        None if lat is None else float(lat),
        int(cells.get("received_at") or cells["time"]),
    )


def _counts_as_observed(row: Row) -> int:
    return row.time if row.time <= row.received_at else row.received_at - ON_THE_WAY_NS


def _rollup_fields(metric: str) -> tuple[str, ...]:
    """Count, min, mean, max and last of a metric, as `rollup_lines` names them."""
    return f"{metric}_count", f"{metric}_min", metric, f"{metric}_max", f"{metric}_last"


def _where(query: SeriesQuery, *more: str) -> str:
    """A WHERE clause of what is asked for, and of more conditions."""
    terms = list(more)
    if query.start is not None:
        terms.append(f"time >= {int(query.start)}")
    if query.end is not None:
        terms.append(f"time < {int(query.end)}")
    if query.device is not None:
        terms.append(f"device = {_text(query.device)}")
    if query.devices is not None:  # InfluxQL has no IN; a name that no device has stands for none
        terms.append(f"({' OR '.join(f'device = {_text(name)}' for name in query.devices or ('',))})")
    return f"WHERE {' AND '.join(terms)}" if terms else ""


def _name(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
