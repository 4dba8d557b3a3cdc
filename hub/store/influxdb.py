"""History in InfluxDB 1.x, 2.x or 3. Why it is written this way, with figures: docs/decisions/influxdb-writing.md.

At least once: every line says the same thing whenever it is written, the cursor moves after the server has taken the
batch, and a batch that fails is left to the hub, which comes again. The cursor is a file beside the log, because it
counts this log's entries; a cursor kept in the server would outlive the log and skip what a new one holds.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

import httpx
import msgspec

from hub.bilingual import Text, quoted
from hub.error_words import words_of
from hub.model import AlertChange, Event, Reading
from hub.moment import to_text
from hub.ports import Bucket, LogPosition, Refusal, Row, SeriesQuery, StoreUnavailable
from hub.store.bounded import UNREACHED, asked, beginning, by_status
from hub.store.erasing import Told
from hub.store.influxql import Influxql, place_of
from hub.store.lineprotocol import (
    ALERTS,
    REWORDED_NS,
    Encoder,
    Unwritable,
    alert_line,
    alert_time,
    rollup_lines,
    rollup_measurement,
)
from hub.store.rollups import WIDTHS, fold, remake_by_queries
from hub.store.rows import only, sift
from hub.tls import believing

GZIP_LEVEL = 1
"""4 ms for 5,000 lines against 17 ms at the client library's level 9, for a tenth more bytes."""
ROLLUP_LINES = 2_000
DELETING = (1, 2)
"""Families of servers that can delete points."""
SEVERAL_STATEMENTS = (1, 2)
"""Families of servers that take several statements in one request; InfluxDB 3 answers that only one is supported."""
NO_TAGS: Mapping[str, str] = MappingProxyType({})
PROBE = "cityhub probe=1"
"""A line that every server takes. If it is refused as well, the fault is not with the lines."""


class InfluxDBOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`[store] kind = "influxdb"`, secrets already resolved."""

    url: str
    version: int = 2
    """Family of the server: 1, 2 or 3. 1 writes to /write, which every 1.x has; 2 and 3 to /api/v2/write."""
    database: str = "city"
    """Bucket in 2, database in 1 and 3."""
    org: str = ""
    token: str = ""
    username: str = ""
    """1.x with users."""
    password: str = ""
    timeout_s: float = 10.0
    gzip: bool = True
    """Worth its time on every network but loopback."""
    batch_lines: int = 5_000
    batch_bytes: int = 4_000_000
    """Of one request, before compression. InfluxDB 3 takes 10 MB."""
    ca_file: str = ""
    """Certificate authority of a server with a private one, PEM."""


class Rejected(Exception):
    """The server looked at the lines and did not take all of them (400, 413, 422)."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        dropped = re.search(r"dropped=(\d+)", reason)
        self.dropped = int(dropped[1]) if dropped else None


Line: TypeAlias = tuple[str, Reading | AlertChange]
"""One line and what it was made from."""


class Transport(Protocol):
    def post(self, body: bytes) -> tuple[int, str]:
        """Offer line protocol; (status, the server's words). Raises `StoreUnavailable` where no answer comes."""
        ...

    def close(self) -> None: ...


class InfluxDBStore:
    """A `hub.ports.Store` on a server."""

    def __init__(self, folder: Path, options: InfluxDBOptions, areas: Mapping[str, str] | None = None) -> None:
        from hub.log import Cursors

        self._options = options
        self._areas = areas or {}
        self._encoder = Encoder(areas)
        place = hashlib.sha256(f"{options.url} {options.org} {options.database}".encode()).hexdigest()[:12]
        self._cursors = Cursors(folder / f"influxdb-{place}")
        self._transport: Transport = WriteV1(options) if options.version == 1 else WriteV2(options)
        self._reads = httpx.Client(
            base_url=options.url, timeout=options.timeout_s, verify=_tls(options), **_login(options)
        )
        self._influxql = Influxql(
            self._reads,
            options.database,
            options.timeout_s,
            keeps_emptied=options.version not in DELETING,
            takes_several=options.version in SEVERAL_STATEMENTS,
        )
        self._writing = threading.Lock()
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="influxdb")

    # ---------------------------------------------------------------------------------------------- writing

    def cursor(self, stream: str) -> int | None:
        return self._cursors.get(stream)

    def reach(self) -> None:
        """The cursor is kept here, so only this tells at the start whether there is a server. Any answer but 5xx will do: whether
        its token may write shows with the first line."""
        status, words = asked(self._reads, self._options.timeout_s, "GET", "/ping")
        if status >= 500:
            raise StoreUnavailable(by_status("InfluxDB answers {}", "InfluxDB 应答 {}", status, _words(words)))

    def write(
        self, stream: str, events: Sequence[Event] | Sequence[AlertChange], first: int, next: int
    ) -> list[Refusal]:
        refused: list[Refusal] = []
        with self._writing:
            on_its_way: Future[list[Refusal]] | None = None
            for at in range(0, len(events), self._options.batch_lines):
                # The next lines are made while the server takes these.
                lines, unwritable = self._encode(events[at : at + self._options.batch_lines])
                refused.extend(unwritable)
                if on_its_way is not None:
                    refused.extend(on_its_way.result())
                on_its_way = self._sender.submit(self._send, lines)
            if on_its_way is not None:
                refused.extend(on_its_way.result())
            self._cursors.set(stream, LogPosition(next))
        return refused

    def _send(self, lines: list[Line]) -> list[Refusal]:
        return [refusal for part in self._parts(lines) for refusal in self._offer(part)]

    def _encode(self, events: Sequence[Event] | Sequence[AlertChange]) -> tuple[list[Line], list[Refusal]]:
        lines: list[Line] = []
        refused: list[Refusal] = []
        encode = self._encoder.lines
        for event in events:
            if type(event) is Reading:
                try:
                    lines.extend([(text, event) for text in encode(event)])
                except (ValueError, OverflowError, TypeError):
                    some, why = self._encode_with_care(event)
                    lines.extend(some)
                    refused.extend(why)
            elif type(event) is AlertChange:
                lines.append((alert_line(event), event))
        return lines, refused

    def _encode_with_care(self, reading: Reading) -> tuple[list[Line], list[Refusal]]:
        """The lines of a reading in which something cannot be said, and what that is."""
        good, refused = sift([reading])
        while good:
            reading = good.pop()
            try:
                return [(text, reading) for text in self._encoder.lines(reading)], refused
            except Unwritable as error:
                refused.append(Refusal(only(reading, error.metric), str(error)))
                rest = {metric: value for metric, value in reading.values.items() if metric != error.metric}
                marks = {metric: mark for metric, mark in (reading.marks or {}).items() if metric != error.metric}
                if rest:
                    good.append(msgspec.structs.replace(reading, values=rest, marks=marks or None))
            except ValueError as error:
                refused.append(Refusal(reading, str(error)))
        return [], refused

    def _parts(self, lines: list[Line]) -> Iterator[list[Line]]:
        """Parts within both limits of a request; a single line may be larger."""
        for at in range(0, len(lines), self._options.batch_lines):
            waiting = [lines[at : at + self._options.batch_lines]]
            while waiting:
                part = waiting.pop()
                if len(part) > 1 and sum([len(text) for text, _ in part]) > self._options.batch_bytes:
                    middle = len(part) // 2
                    waiting += [part[middle:], part[:middle]]
                else:
                    yield part

    def _offer(self, lines: list[Line]) -> list[Refusal]:
        """Have these lines stored. Those that the server refuses for good come back, each with its reason."""
        try:
            self._post(lines)
        except Rejected as error:
            first = error
        else:
            return []
        self._be_sure_it_is_the_lines(first)
        refusals: list[Refusal] = []
        for line, reason in self._culprits(lines, first):
            refusals.extend(self._refuse(line, reason))
        return refusals

    def _culprits(self, lines: list[Line], error: Rejected) -> list[tuple[Line, str]]:
        """Halve until each refused line stands alone. Lines written twice on the way say the same thing twice.

        `dropped=N` (partial writes of 1.x and 2.x) spares the halving where all of a half is refused for one reason.
        """
        if len(lines) == 1 or error.dropped == len(lines):
            return [(line, str(error)) for line in lines]
        found: list[tuple[Line, str]] = []
        middle = len(lines) // 2
        for half in (lines[:middle], lines[middle:]):
            try:
                self._post(half)
            except Rejected as again:
                found.extend(self._culprits(half, again))
        return found

    def _refuse(self, line: Line, reason: str) -> list[Refusal]:
        """One bad field takes its whole line with it, so its values are offered again one by one."""
        source = line[1]
        if isinstance(source, AlertChange):
            return [Refusal(None, reason, source)]
        if len(source.values) < 2 or "retention policy" in reason:
            return [Refusal(source, reason)]
        refused = []
        for metric in source.values:
            alone = only(source, metric)
            try:
                self._post([(text, alone) for text in self._encoder.lines(alone)])
            except Rejected as error:
                refused.append(Refusal(alone, str(error)))
        return refused

    def _be_sure_it_is_the_lines(self, error: Rejected) -> None:
        """A missing bucket or a proxy's 400 must not send a city's readings into quarantine."""
        status, words = self._transport.post(PROBE.encode())
        if status != 204:
            raise StoreUnavailable(
                by_status(
                    "InfluxDB refuses every line with {}", "InfluxDB 以 {} 拒绝每一行", status, words or str(error)
                )
            )

    def _post(self, lines: Sequence[Line]) -> None:
        status, words = self._transport.post("\n".join([text for text, _ in lines]).encode())
        if status == 204:
            return
        if status in (400, 413, 422):
            raise Rejected(status, words or f"HTTP {status}")
        hint = {
            401: Text("is the token right?", "令牌是否正确？"),
            403: Text("may this token write here?", "此令牌有写入权限吗？"),
            404: Text("is there such a database or bucket?", "数据库或存储桶是否存在？"),
        }
        raise StoreUnavailable(
            by_status(
                "InfluxDB answers a write with {}",
                "InfluxDB 对写入应答 {}",
                status,
                words or hint.get(status, Text("no reason given", "未说明原因")),
            )
        )

    # ---------------------------------------------------------------------------------------------- reading

    def latest(self, devices: Sequence[str] | None = None) -> list[Row]:
        return self._influxql.latest(devices)

    def series(self, query: SeriesQuery) -> list[Row]:
        return list(self._influxql.series(query))

    def buckets(self, query: SeriesQuery, every: int) -> list[Bucket]:
        return self._influxql.buckets(query, every)

    def buckets_of(self, lots: Iterable[Sequence[SeriesQuery]], every: int) -> Iterator[list[Bucket]]:
        return self._influxql.buckets_of(lots, every)

    def write_rollups(self, width: str, buckets: list[Bucket]) -> None:
        """As `hub.store.rollups` says: a point of the same series and time is written over."""
        lines = list(rollup_lines(width, buckets, self._areas))
        for at in range(0, len(lines), ROLLUP_LINES):
            status, words = self._transport.post("\n".join(lines[at : at + ROLLUP_LINES]).encode())
            # A server with a retention policy of its own refuses what it would drop at once.
            if status != 204 and "retention" not in words:
                raise StoreUnavailable(
                    by_status("InfluxDB answers rollups with {}", "InfluxDB 对汇总应答 {}", status, words)
                )

    def drop_rollups(self, width: str, buckets: Sequence[Bucket]) -> None:
        """As `hub.store.rollups` says. A point holds all metrics of its family, so the others are written again. A server that cannot delete
        gets a count of 0, which this hub passes over."""
        if self._options.version not in DELETING:
            self.write_rollups(width, [msgspec.structs.replace(bucket, count=0) for bucket in buckets])
            return
        points: defaultdict[tuple[str, str, int], set[str]] = defaultdict(set)
        for bucket in buckets:
            points[rollup_measurement(bucket.metric, width), bucket.device, bucket.time].add(bucket.metric)
        for (measurement, device, at), metrics in points.items():
            there = self.rollups(width, SeriesQuery(at, at + 1, device))
            self._delete(measurement, at + 1, at, {"device": device})
            self.write_rollups(
                width,
                [
                    bucket
                    for bucket in there
                    if bucket.metric not in metrics and rollup_measurement(bucket.metric, width) == measurement
                ],
            )

    def folded(self, width: str, query: SeriesQuery, every: int) -> list[Bucket]:
        if query.metric is None or query.limit is not None:
            return fold(self.rollups(width, query), every)
        return self._influxql.folded(width, query, query.metric, every)

    def remake(self, width: str, minutes: Mapping[str, set[int]]) -> int:
        return remake_by_queries(self, width, minutes)

    def rollups(self, width: str, query: SeriesQuery) -> list[Bucket]:
        return self._influxql.rollups(width, query)

    def rollups_of(self, width: str, lots: Iterable[Sequence[SeriesQuery]]) -> Iterator[list[Bucket]]:
        return self._influxql.rollups_of(width, lots)

    def forget(self, what: str, before: int) -> None:
        """1.x: DELETE. 2.x: its delete API. 3 cannot delete points; its retention is set when the database is made."""
        for measurement in self._influxql.measurements("" if what == "raw" else what):
            self._delete(measurement, before)

    def told(self, before: int, naming: Sequence[str]) -> Told:
        """As `hub.store.erasing` says."""
        return self._influxql.told(before, naming)

    def erase(self, before: int, kinds: Collection[str], devices: Collection[str]) -> None:
        """As `hub.store.erasing` says, whole points at a time."""
        for width in ("", *WIDTHS):
            for measurement in self._influxql.measurements(width):
                for tag, values in (("kind", kinds), ("device", devices)):
                    for value in sorted(values):
                        self._delete(measurement, before, tags={tag: value})

    def reword(self, changes: Sequence[tuple[AlertChange, AlertChange]]) -> None:
        """As `hub.store.erasing` says. A point cannot lose a field, so the new one stands beside the old one, in a time of its own, and the old one
        is deleted then: after a crash between the two the same is done once more."""
        for at in range(0, len(changes), ROLLUP_LINES):
            self._post([(alert_line(new, REWORDED_NS), new) for _, new in changes[at : at + ROLLUP_LINES]])
        for old, _ in changes:
            self._delete(ALERTS, alert_time(old) + 1, alert_time(old))

    def _delete(self, measurement: str, before: int, since: int = 0, tags: Mapping[str, str] = NO_TAGS) -> None:
        """Points of a measurement from `since` to before `before`, ns, with these tags."""
        if self._options.version == 1:
            self._influxql.delete(measurement, before, since, tags)
            return
        if self._options.version != 2:
            return
        where = {"org": self._options.org, "bucket": self._options.database}
        chosen = " AND ".join(
            f"{name}={_quoted(value)}" for name, value in {"_measurement": measurement, **tags}.items()
        )
        span = {"start": to_text(since), "stop": to_text(before), "predicate": chosen}
        status, words = asked(self._reads, self._options.timeout_s, "POST", "/api/v2/delete", params=where, json=span)
        if status != 204:
            raise StoreUnavailable(
                by_status("InfluxDB answers a delete with {}", "InfluxDB 对删除应答 {}", status, _words(words))
            )

    def changes(self, start: int | None = None, end: int | None = None) -> list[AlertChange]:
        return self._influxql.changes(start, end)

    def export(self, query: SeriesQuery, form: str, path: Path) -> int:
        from hub.store.export import export_rows

        self._exported = 0
        return export_rows(self._counted(self._influxql.series(query)), form, path)

    def _counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self._exported += 1
            yield row

    _exported = 0

    def exported(self) -> tuple[int, int | None]:
        """Rows that the export which runs now has got from the server; it does not say how many there are."""
        return self._exported, None

    def close(self) -> None:
        self._sender.shutdown()
        self._transport.close()
        self._reads.close()


def _quoted(text: str) -> str:
    """A text of a delete's predicate."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class WriteV1:
    """The native /write of InfluxDB 1.x, back to 1.6 and before."""

    def __init__(self, options: InfluxDBOptions) -> None:
        self._gzip, self._within_s = options.gzip, options.timeout_s
        self._parameters = {**place_of(options.database), "precision": "ns"}
        self._client = httpx.Client(
            base_url=options.url, timeout=options.timeout_s, verify=_tls(options), **_login(options)
        )

    def post(self, body: bytes) -> tuple[int, str]:
        headers = {"content-encoding": "gzip"} if self._gzip else {}
        content = gzip.compress(body, GZIP_LEVEL) if self._gzip else body
        more = {"params": self._parameters, "content": content, "headers": headers}
        status, words = asked(self._client, self._within_s, "POST", "/write", **more)
        return status, _words(words)

    def close(self) -> None:
        self._client.close()


class WriteV2:
    """/api/v2/write of 1.8+, 2.x and 3, through influxdb-client as transport: no batching, no retries of its own."""

    def __init__(self, options: InfluxDBOptions) -> None:
        # Imported here: 43 MB and half a second that only a hub with this store pays.
        from influxdb_client import InfluxDBClient
        from influxdb_client.rest import ApiException
        from influxdb_client.service.write_service import WriteService
        from urllib3.exceptions import HTTPError

        self._options = options
        self._client = InfluxDBClient(
            options.url,
            options.token,
            timeout=int(options.timeout_s * 1000),
            org=options.org,
            ssl_context=believing(options.ca_file) if options.ca_file else None,
        )
        rest = self._client.api_client.rest_client
        rest.pool_manager = _Short(rest.pool_manager, options.timeout_s)
        self._post: Callable[..., Any] = WriteService(self._client.api_client).post_write_with_http_info
        self._refused: type[Any] = ApiException
        self._unreachable: tuple[type[Exception], ...] = (HTTPError, OSError, ValueError)

    def post(self, body: bytes) -> tuple[int, str]:
        compressed = self._options.gzip
        content = gzip.compress(body, GZIP_LEVEL) if compressed else body
        try:
            _, status, _ = self._post(
                self._options.org,
                self._options.database,
                content,
                precision="ns",
                content_encoding="gzip" if compressed else "identity",
                _return_http_data_only=False,
            )
        except self._refused as error:
            if not error.status:  # TLS
                raise StoreUnavailable(UNREACHED + quoted(str(error.reason))) from error
            return int(error.status), _words(error.body or error.reason or "")
        except self._unreachable as error:
            raise StoreUnavailable(UNREACHED + words_of(error)) from error
        return int(status), ""

    def close(self) -> None:
        self._client.close()


class _Short:
    """In place of the library's pool: the library itself reads any answer to its end."""

    def __init__(self, pool: Any, within_s: float) -> None:
        self._pool, self._within_s = pool, within_s

    def request(self, *given: Any, **more: Any) -> Any:
        from urllib3 import HTTPResponse

        answer = self._pool.request(*given, **{**more, "preload_content": False})
        try:
            words = beginning(answer.stream(8192), self._within_s)
            if answer.closed:  # read to its end, so the connection serves again
                answer.release_conn()
        finally:
            answer.close()
        body = BytesIO(words.encode())
        return HTTPResponse(body, answer.headers, answer.status, reason=answer.reason, decode_content=False)

    def clear(self) -> None:
        self._pool.clear()


def _words(body: str) -> str:
    """The server's reason in an answer's body: {"error": …} in 1.x and 3, {"message": …} in 2.x, or text."""
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body.strip()[:500]
    if isinstance(told, dict):
        words = str(told.get("message") or told.get("error") or told)
        lines = told.get("data")  # InfluxDB 3: one entry a refused line
        if isinstance(lines, list) and lines and isinstance(lines[0], dict):
            words = f"{words}: {lines[0].get('error_message', '')}"
        return words[:2000]
    return str(told)[:500]


def _login(options: InfluxDBOptions) -> dict[str, Any]:
    if options.username:
        return {"auth": (options.username, options.password)}
    return {"headers": {"Authorization": f"Token {options.token}"}} if options.token else {}


def _tls(options: InfluxDBOptions) -> ssl.SSLContext | bool:
    return believing(options.ca_file) if options.ca_file else True
