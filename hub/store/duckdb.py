"""History in one DuckDB file: the default store, nothing to install, owned by one process.

Rows and cursor go into one transaction, so after a crash the cursor stands exactly behind the rows. There is no
primary key (it costs two thirds of the speed); the same device, metric and time may stand twice, and every read takes
the row written last. Columns go in as numpy arrays: 700 k rows/s against 290 k through DuckDB's appender, batches of
10,000 rows (tests/bench/bench_store.py).
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np

from hub.bilingual import Text, quoted
from hub.marks import GOOD
from hub.model import AlertChange, Event, Reading
from hub.moment import ON_THE_WAY_NS
from hub.ports import Bucket, Refusal, Row, SeriesQuery, StoreUnavailable
from hub.store.columns import moments, numbers, of_changes, of_readings, texts
from hub.store.erasing import Told
from hub.store.rollups import WIDTHS, finer
from hub.store.rows import POSITION_METRIC, Said, marks_said, restore
from hub.text_files import FORMULA, NUMBER
from hub.whole_file import make_folder, set_aside

SCHEMA = """
create table if not exists readings (
    time timestamp_ns not null, device varchar not null, kind varchar not null, metric varchar not null,
    value double, text varchar, quality utinyint not null, lon double, lat double, alt double,
    received_at timestamp_ns not null, adapter varchar not null);
create table if not exists alert_changes (
    id varchar not null, alert varchar not null, ordinal integer not null, time timestamp_ns not null, rule varchar not null,
    subject varchar not null, change varchar not null, level varchar not null, title varchar not null, lon double,
    lat double, area varchar not null, who varchar not null, note varchar not null, late boolean not null, body json not null);
create table if not exists rollups (
    width varchar not null, time timestamp_ns not null, device varchar not null, kind varchar not null, metric varchar not null,
    count bigint not null, min double, mean double, max double, last double);
create table if not exists cursors (stream varchar not null, next bigint not null);
"""
_MARKS_SAID = """
create table if not exists marks as select time, device, kind, metric, quality from readings where quality <> 0 order by rowid
"""
"""What was said against values, by every mark, in order: a value that comes later knows it. A file of an older hub has it in its rows."""

_READ = "epoch_ns(time), device, kind, metric, value, text, quality, lon, lat, epoch_ns(received_at)"
_LAST_WRITTEN = "qualify row_number() over (partition by device, metric, time order by rowid desc) = 1"
_BUCKET = "epoch_ns(time) - (epoch_ns(time) % $every + $every) % $every"
_OF_WANTED = (
    f"where time >= make_timestamp_ns(?) and time < make_timestamp_ns(?) "
    f"and (device, {_BUCKET}) in (select device, start from wanted)"
)
_IS_GOOD = f"value is not null and quality in ({', '.join(map(str, sorted(GOOD)))})"
_FOLDED_ROWS = (
    f"select make_timestamp_ns({_BUCKET}) as time, device, max_by(kind, time) as kind, metric, count(*) as count, "
    f"min(value) as min, avg(value) as mean, max(value) as max, max_by(value, time) as last "
    f"from (select time, device, kind, metric, value, quality from readings {_OF_WANTED} {_LAST_WRITTEN}) "
    f"where {_IS_GOOD} group by {_BUCKET}, device, metric"
)
_ROLLUP = "time, device, kind, metric, count, min, mean, max, last"
_FIGURES_OF_ROLLUPS = (  # rounding must not push a mean out of the range of what it is the mean of
    "sum(count)::bigint as count, min(min) as min, least(greatest(sum(mean * count) / sum(count), min(min)), max(max)) as mean, "
    "max(max) as max, max_by(last, time) as last"
)
_FOLDED_ROLLUPS = (
    f"select make_timestamp_ns({_BUCKET}) as time, device, kind, metric, {_FIGURES_OF_ROLLUPS} "
    f"from rollups {_OF_WANTED} and width = '$finer' group by {_BUCKET}, device, metric, kind"
)
_COUNTS_AS_OBSERVED = (
    f"case when time <= received_at then epoch_ns(time) else epoch_ns(received_at) - {ON_THE_WAY_NS} end"
)
_HELD = "lock on file"
"""Words of DuckDB where another process has the file."""
_MAY_PASS = (_HELD, "Permission denied", "No space left", "Too many open files", "Out of Memory")
"""Words of DuckDB for what is no damage of the file."""

_IN_DOUBT = (MemoryError, duckdb.OutOfMemoryException, duckdb.InternalException, duckdb.FatalException)
"""After a commit that failed so, DuckDB 2.0 was seen to hold rows twice in memory and others not at all, and wrote that down later."""


_LAST_TIME = 1 << 63
"""Later than any, ns."""


class DuckDBOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`[store] kind = "duckdb"`."""

    file: str = "history.duckdb"
    """Name of the file, in the hub's data folder."""
    memory_mb: int = 64
    """What DuckDB may hold in memory, MB; beyond it big queries spill into the data folder."""
    threads: int = 1
    """Threads a query may use. One leaves the other cores to the hub."""


class DuckDBStore:
    """A `hub.ports.Store` in one file."""

    def __init__(self, folder: Path, options: DuckDBOptions | None = None) -> None:
        options = options or DuckDBOptions()
        make_folder(folder)
        self._path = folder / options.file
        config = {
            "memory_limit": f"{options.memory_mb}MB",
            "threads": options.threads,
            "temp_directory": str(folder / f"{options.file}.spill"),
        }
        self._config = config
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._begin()

    def _begin(self) -> None:
        """Open the database."""
        self._writer = self._open(self._config)
        self._reader = self._writer.cursor()
        self._said_of = self._span_of_marks()
        self._doubtful = False
        """Whether what the database has in memory may differ from what it has written down."""

    def _begin_anew(self) -> None:
        """Believe what stands in the files, and nothing that was in memory. Whoever calls holds `_writing`."""
        with self._reading:
            self._let_go()
            self._begin()

    def _let_go(self) -> None:
        """Close the database; what is in doubt in memory is not written down by that."""
        if self._doubtful:
            with contextlib.suppress(duckdb.Error):  # closed already, where opening failed before
                self._writer.execute("pragma disable_checkpoint_on_shutdown")
        self._reader.close()
        self._writer.close()

    def _open(self, config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        """The database. A damaged one is set aside, first only what was not yet checkpointed, and the log fills it again.

        Raises `StoreUnavailable` for what may pass: another process has it, the disk is full, it may not be read.
        """
        log_of_changes = self._path.with_name(self._path.name + ".wal")
        for suspect in (log_of_changes, self._path, None):
            begun_here = not self._path.exists()
            try:
                return self._connected(config)
            except duckdb.Error as error:
                reason = str(error).partition("\n")[0]
                if begun_here and _HELD not in reason:
                    # A full disk leaves the beginning of a new file, which the next attempt would take for a damaged one.
                    self._path.unlink(missing_ok=True)
                    log_of_changes.unlink(missing_ok=True)
                if suspect is None or any(words in reason for words in _MAY_PASS):
                    raise StoreUnavailable(_said("open", self._path, reason)) from error
                if suspect.exists():
                    set_aside(suspect, reason)
        raise AssertionError

    def _span_of_marks(self) -> tuple[int, int]:
        """The first and last time of which anything was ever said against a value, ns; the first behind the last where nothing was."""
        first, last = self._writer.execute("select epoch_ns(min(time)), epoch_ns(max(time)) from marks").fetchall()[0]
        return (_LAST_TIME, -_LAST_TIME) if first is None else (first, last)

    def _connected(self, config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        """Opened, with its tables, and read once."""
        database = duckdb.connect(str(self._path), config=config)
        try:
            database.execute(SCHEMA)
            database.execute(_MARKS_SAID)
            for table in ("readings", "marks", "alert_changes", "rollups", "cursors"):
                database.execute(f"select * from {table} limit 1").fetchall()
            database.execute(f"select {_READ}, alt, adapter from readings limit 0")
        except duckdb.Error:
            database.close()
            raise
        return database

    # ---------------------------------------------------------------------------------------------- writing

    def reach(self) -> None:
        """Nothing to ask: the database is in this process."""

    def cursor(self, stream: str) -> int | None:
        [[next]] = self._fetch("select max(next) from cursors where stream = ?", [stream])
        return next  # type: ignore[no-any-return]

    def write(
        self, stream: str, events: Sequence[Event] | Sequence[AlertChange], first: int, next: int
    ) -> list[Refusal]:
        readings = [event for event in events if type(event) is Reading]
        changes = [event for event in events if type(event) is AlertChange]
        columns, refused = of_readings(readings)
        marks = marks_said(readings)
        with self._transaction():
            if marks:
                self._say(marks)
            if columns is not None:
                self._insert("readings", self._as_said(columns))
            if changes:
                self._insert("alert_changes", of_changes(changes))
            self._move(stream, next)
        return refused

    def _move(self, stream: str, next: int) -> None:
        moved = self._writer.execute("update cursors set next = ? where stream = ?", [next, stream]).fetchone()
        if not moved or not moved[0]:
            self._writer.execute("insert into cursors values (?, ?)", [stream, next])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it is written, or nothing. Raises `StoreUnavailable`."""
        with self._explained("write"), self._writing:
            if self._doubtful:
                self._begin_anew()
            self._writer.begin()
            try:
                yield
                self._writer.commit()
            except BaseException as error:
                self._doubtful = isinstance(error, _IN_DOUBT)
                with contextlib.suppress(duckdb.Error):  # a failed commit has already rolled back
                    self._writer.rollback()
                raise

    @contextlib.contextmanager
    def _beside(self, name: str, columns: dict[str, Any]) -> Iterator[None]:
        """The columns as a table of that name, for statements of a transaction."""
        self._writer.register(name, columns)
        try:
            yield
        finally:
            self._writer.unregister(name)

    def _with(self, batch: dict[str, Any], statement: str, values: Sequence[Any] = ()) -> duckdb.DuckDBPyConnection:
        """Run a statement that calls these columns `batch`. DuckDB finds them in this frame by that name, which costs half of what a table
        of that name does: most of what a small batch costs."""
        return self._writer.execute(statement, values)

    def _insert(self, table: str, columns: dict[str, Any]) -> None:
        self._with(columns, f"insert into {table} select {', '.join(columns)} from batch")

    def _say(self, marks: Mapping[tuple[str, str, int], Said]) -> None:
        """Give the values of these devices, metrics and times that quality: those that are there, and those that come."""
        times = [at for _, _, at in marks]
        self._said_of = min(self._said_of[0], *times), max(self._said_of[1], *times)
        self._insert("marks", _mark_columns(marks))
        alone = {
            key: said for key, said in marks.items() if said.alone
        }  # beside the others comes a row of that quality
        if not alone:
            return
        times = [at for _, _, at in alone]
        key = " and ".join(f"readings.{name} = batch.{name}" for name in ("time", "device", "metric"))
        # The span lets DuckDB pass over the rows of other times.
        span = "readings.time between make_timestamp_ns(?) and make_timestamp_ns(?)"
        self._with(
            _mark_columns(alone),
            f"update readings set quality = batch.quality from batch where {span} and {key}",
            [min(times), max(times)],
        )

    def _as_said(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Rows to write, each of the quality that the last mark on its value gave it, if any did."""
        times = columns["time"].view(np.int64)
        bounds = [int(times.min()), int(times.max())]
        if bounds[1] < self._said_of[0] or bounds[0] > self._said_of[1]:  # to ask costs a third of what writing does
            return columns
        span = "marks.time between make_timestamp_ns(?) and make_timestamp_ns(?)"
        found = self._with(
            {"time": np.unique(columns["time"])},
            f"select epoch_ns(time), device, metric, quality from marks where {span} and time in (select time from batch) "
            "order by rowid",
            bounds,
        ).fetchall()
        if not found:
            return columns
        said = {(at, device, metric): code for at, device, metric, code in found}
        qualities = columns["quality"].copy()
        for row in np.flatnonzero(np.isin(times, [at for at, _, _ in said])):
            key = (int(times[row]), columns["device"][row], columns["metric"][row])
            qualities[row] = said.get(key, qualities[row])
        return columns | {"quality": qualities}

    def _replace_rollups(self, width: str, source: str, first: int, last: int) -> None:
        """Put the rows of a table into the place of what stood there for the same device, metric and time, all between these two times."""
        key = " and ".join(f"rollups.{name} = {source}.{name}" for name in ("time", "device", "metric"))
        # The span lets DuckDB pass over what was made for other times.
        span = "rollups.width = ? and rollups.time between make_timestamp_ns(?) and make_timestamp_ns(?)"
        self._writer.execute(f"delete from rollups using {source} where {span} and {key}", [width, first, last])
        self._writer.execute(f"insert into rollups select ?, {_ROLLUP} from {source}", [width])

    # ---------------------------------------------------------------------------------------------- reading

    def latest(self, devices: Sequence[str] | None = None) -> list[Row]:
        """The newest row of each device and metric, by observed time; what is dated in the future counts as older than what may
        have been on its way when it was received (docs/decisions/wrong-clocks.md)."""
        chosen, values = ("", []) if devices is None else ("where device in (select unnest(?))", [list(devices)])
        newest = f"select max_by(rowid, ({_COUNTS_AS_OBSERVED}, rowid)) from readings {chosen} group by device, metric"
        return self._rows(f"select {_READ} from readings where rowid in ({newest}) order by device, metric", values)

    def series(self, query: SeriesQuery) -> list[Row]:
        where, values = _where(query)
        limit = "" if query.limit is None else f"limit {int(query.limit)}"
        if query.newest and query.limit is not None:
            found = f"select {_READ} from readings {where} {_LAST_WRITTEN} order by time desc, device desc, metric desc {limit}"
            return self._rows(found, values)[::-1]
        return self._rows(
            f"select {_READ} from readings {where} {_LAST_WRITTEN} order by time, device, metric {limit}", values
        )

    def buckets(self, query: SeriesQuery, every: int) -> list[Bucket]:
        """Count, min, mean, max and last of each device and metric per `every` ns, from the epoch on; numbers only, none that is
        doubted."""
        where, values = _where(query)
        limit = "" if query.limit is None else f"limit {int(query.limit)}"
        sql = (
            f"select {_BUCKET} as bucket, device, metric, count(*), "
            f"min(value), avg(value), max(value), max_by(value, time), max_by(kind, time) "
            f"from (select time, device, kind, metric, value, quality from readings {where} {_LAST_WRITTEN}) "
            f"where {_IS_GOOD} group by bucket, device, metric order by bucket, device, metric {limit}"
        ).replace("$every", str(int(every)))
        return [Bucket(*row) for row in self._fetch(sql, values)]

    def write_rollups(self, width: str, buckets: list[Bucket]) -> None:
        """As `hub.store.rollups` says. What stood there for the same device, metric and time goes in the same transaction."""
        columns = {
            "time": moments([bucket.time for bucket in buckets]),
            **{name: texts([getattr(bucket, name) for bucket in buckets]) for name in ("device", "kind", "metric")},
            "count": np.array([bucket.count for bucket in buckets], dtype=np.int64),
            **{name: numbers([getattr(bucket, name) for bucket in buckets]) for name in ("min", "mean", "max", "last")},
        }
        times = [bucket.time for bucket in buckets]
        with self._transaction(), self._beside("batch", columns):
            self._replace_rollups(width, "batch", min(times), max(times))

    def drop_rollups(self, width: str, buckets: Sequence[Bucket]) -> None:
        """As `hub.store.rollups` says."""
        columns = {
            "time": moments([bucket.time for bucket in buckets]),
            **{name: texts([getattr(bucket, name) for bucket in buckets]) for name in ("device", "metric")},
        }
        key = " and ".join(f"rollups.{name} = dropped.{name}" for name in columns)
        with self._transaction(), self._beside("dropped", columns):
            self._writer.execute(f"delete from rollups using dropped where rollups.width = ? and {key}", [width])

    def remake(self, width: str, minutes: Mapping[str, set[int]]) -> int:
        """As `hub.store.rollups` says, exactly those asked for, in the database alone: nothing passes through Python."""
        every = WIDTHS[width]
        wanted = [(device, start) for device, starts in minutes.items() for start in {at - at % every for at in starts}]
        if not wanted:
            return 0
        first, last = min(start for _, start in wanted), max(start for _, start in wanted)
        columns = {
            "device": texts([device for device, _ in wanted]),
            "start": np.array([start for _, start in wanted], dtype=np.int64),
        }
        folded = _FOLDED_ROWS if width == "1m" else _FOLDED_ROLLUPS.replace("$finer", finer(width))
        with self._transaction(), self._beside("wanted", columns):
            self._writer.execute(
                f"create or replace temp table made as {folded}".replace("$every", str(every)), [first, last + every]
            )
            self._replace_rollups(width, "made", first, last)
            written = self._writer.execute("select count(*) from made").fetchall()[0][0]
            self._writer.execute("drop table made")
        return int(written)

    def rollups(self, width: str, query: SeriesQuery) -> list[Bucket]:
        where, values = _where(query)
        limit = "" if query.limit is None else f"limit {int(query.limit)}"
        sql = (
            "select epoch_ns(time), device, metric, count, min, mean, max, last, kind from rollups "
            f"{where or 'where true'} and width = ? order by time, device, metric {limit}"
        )
        return [Bucket(*row) for row in self._fetch(sql, [*values, width])]

    def folded(self, width: str, query: SeriesQuery, every: int) -> list[Bucket]:
        where, values = _where(query)
        limit = "" if query.limit is None else f"limit {int(query.limit)}"
        sql = (
            f"select {_BUCKET} as bucket, device, metric, {_FIGURES_OF_ROLLUPS}, kind from rollups {where or 'where true'} and width = ? "
            f"group by bucket, device, metric, kind order by bucket, device, metric, kind {limit}"
        ).replace("$every", str(int(every)))
        return [Bucket(*row) for row in self._fetch(sql, [*values, width])]

    def forget(self, what: str, before: int) -> None:
        """Raw rows or rollups older than `before`. The file does not shrink; DuckDB fills the space again."""
        older = "time < make_timestamp_ns(?)"
        with self._transaction():
            if what == "raw":
                self._writer.execute(f"delete from readings where {older}", [before])
                self._writer.execute(f"delete from marks where {older}", [before])
            else:
                self._writer.execute(f"delete from rollups where {older} and width = ?", [before, what])

    def told(self, before: int, naming: Sequence[str]) -> Told:
        """As `hub.store.erasing` says."""
        due = "time < make_timestamp_ns($1)"
        kinds = f"select distinct kind from readings where {due} union select distinct kind from rollups where {due}"
        named = f"select distinct device from readings where {due} and metric in (select unnest($2))"
        placed = f"select distinct device from readings where {due} and kind = '' and (lon is not null or metric = '{POSITION_METRIC}')"
        return Told(
            {row[0] for row in self._fetch(kinds, [before])},
            {row[0] for row in self._fetch(named, [before, list(naming)])},
            {row[0] for row in self._fetch(placed, [before])},
            self._fetch("select epoch_ns(min(time)) from alert_changes", [])[0][0],
        )

    def erase(self, before: int, kinds: Collection[str], devices: Collection[str]) -> None:
        """As `hub.store.erasing` says. The rows are gone from every answer at once, and from the file with the checkpoint."""
        which = "time < make_timestamp_ns(?) and (kind in (select unnest(?)) or device in (select unnest(?)))"
        with self._transaction():
            for table in ("readings", "marks", "rollups"):
                self._writer.execute(f"delete from {table} where {which}", [before, list(kinds), list(devices)])

    def reword(self, changes: Sequence[tuple[AlertChange, AlertChange]]) -> None:
        """As `hub.store.erasing` says."""
        with self._transaction():
            ids = [old.id for old, _ in changes]
            self._writer.execute("delete from alert_changes where id in (select unnest(?))", [ids])
            self._insert("alert_changes", of_changes([new for _, new in changes]))

    def changes(self, start: int | None = None, end: int | None = None) -> list[AlertChange]:
        """Alert changes between two times (ns, from inclusive, to exclusive), oldest first, each once."""
        where, values = _where(SeriesQuery(start, end))
        sql = f"select body from alert_changes {where} qualify row_number() over (partition by id order by rowid desc) = 1 order by time, alert, ordinal"
        return [msgspec.json.decode(row[0], type=AlertChange) for row in self._fetch(sql, values)]

    def export(self, query: SeriesQuery, form: str, path: Path) -> int:
        """Write rows to a CSV or Parquet file (`form`); gives their number. Columns as in `cityhub export`. Raises OSError where the
        file, not the database, is what cannot be written."""
        path.open("ab").close()
        where, values = _where(query)
        limit = "" if query.limit is None else f"limit {int(query.limit)}"
        found = f"(select * from readings {where} {_LAST_WRITTEN} order by time, device, metric {limit})"
        copy = copy_statement(found, form, path)
        [[self._exporting]] = self._fetch(f"select count(*) from (select 1 from readings {where} {limit})", values)
        for setting in ("enable_progress_bar", "enable_progress_bar_print"):  # counted, and not printed
            self._fetch(f"set {setting} = {setting == 'enable_progress_bar'}", [])
        try:
            return self._fetch(copy, values)[0][0]  # type: ignore[no-any-return]
        except StoreUnavailable as error:
            if str(path) in str(error):
                raise OSError(str(error.__cause__).partition("\n")[0]) from error
            raise

    _exporting = 0
    """Rows that the export looks at."""

    def exported(self) -> tuple[int, int | None]:
        """Rows that the export which runs now is done with, by DuckDB's own estimate, and of how many."""
        percent = max(0.0, self._reader.query_progress())
        return round(self._exporting * percent / 100), self._exporting or None

    def copy_to(self, folder: Path) -> list[str]:
        """A consistent copy of the file (and of what is not in it yet) into `folder`; their names. Writes wait meanwhile.

        A process of its own copies: whoever closes a file gives up the locks that his process has on it (POSIX, fcntl), and DuckDB's is
        one of them.
        """
        with self._explained("copy"), self._writing:
            if self._doubtful:
                self._begin_anew()
            with contextlib.suppress(
                duckdb.Error
            ):  # a query that runs may be in its way; the changes then come as they are
                self._writer.execute("checkpoint")
            files = [path for path in (self._path, self._path.with_name(self._path.name + ".wal")) if path.exists()]
            done = subprocess.run(
                ["cp", "--reflink=auto", *map(str, files), str(folder)], capture_output=True, text=True
            )
            if done.returncode:
                raise OSError(done.stderr.strip().removeprefix("cp: "))
        return [path.name for path in files]

    def close(self) -> None:
        """Write everything into the file and let it go."""
        with self._writing, self._reading:
            self._let_go()

    def _rows(self, sql: str, values: list[Any]) -> list[Row]:
        return [
            Row(time, device, kind, metric, restore(metric, number, text), code, lon, lat, received_at)
            for time, device, kind, metric, number, text, code, lon, lat, received_at in self._fetch(sql, values)
        ]

    def _fetch(self, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
        """All rows of a question. Whoever leaves some unread leaves its transaction open, and DuckDB keeps whatever any later write replaces."""
        with self._explained("read"):
            if self._doubtful:
                with self._writing:
                    if self._doubtful:  # nobody else was faster
                        self._begin_anew()
            with self._reading:
                return self._reader.execute(sql, values).fetchall()  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            quotes = isinstance(error, duckdb.DataError | duckdb.IntegrityError)  # the value of a row
            reason = type(error).__name__ if quotes else str(error).partition("\n")[0]
            if "orrupt" in reason:
                reason += (
                    "; at the next start the file is set aside, and a new one is filled with what the log still has"
                )
            raise StoreUnavailable(_said(doing, self._path, reason)) from error


DOING_ZH = {"open": "打开", "read": "读取", "write": "写入", "copy": "复制"}


def _said(doing: str, path: Path, reason: str) -> Text:
    return Text(f"DuckDB cannot {doing} {path}: {reason}", f"DuckDB 无法{DOING_ZH[doing]} {path}：{quoted(reason).zh}")


def _harmless(column: str) -> str:
    """`hub.text_files.harmless` of a column, in SQL."""
    pattern = FORMULA.replace("'", "''")
    formula = f"regexp_matches({column}, '{pattern}') and not regexp_full_match({column}, '{NUMBER}')"
    return f"case when {formula} then chr(39) || {column} else {column} end"


def copy_statement(source: str, form: str, path: Path) -> str:
    """A DuckDB COPY of rows shaped like the table `readings` into a file that people and their tools can open.

    CSV has the columns of `cityhub export`. In Parquet a column has one type, so texts stand in a column of their own.
    """
    target = str(path).replace("'", "''")
    if form == "parquet":
        wanted = "time, device, kind, metric, value, text, quality, lon, lat, received_at"
        return f"copy (select {wanted} from {source}) to '{target}' (format parquet)"
    if form != "csv":
        raise ValueError(f"{form!r} is no export format; was csv or parquet meant?")
    value = f"coalesce({_harmless('text')}, value::varchar) as value"
    wanted = f"{_iso('time')}, {_harmless('device')} as device, {_harmless('kind')} as kind, metric, {value}, quality, lon, lat, {_iso('received_at')}"
    return f"copy (select {wanted} from {source}) to '{target}' (format csv, header)"


def _iso(column: str) -> str:
    """The text of a moment as `hub.moment.to_text` gives it: Z, and a fraction only where there is one."""
    seconds = f"strftime({column}, '%Y-%m-%dT%H:%M:%S')"
    fraction = (
        f"rtrim('.' || lpad(((epoch_ns({column}) % 1000000000 + 1000000000) % 1000000000)::varchar, 9, '0'), '0')"
    )
    return f"{seconds} || rtrim({fraction}, '.') || 'Z' as {column}"


def _mark_columns(marks: Mapping[tuple[str, str, int], Said]) -> dict[str, Any]:
    return {
        "time": moments([at for _, _, at in marks]),
        "device": texts([device for device, _, _ in marks]),
        "kind": texts([said.kind for said in marks.values()]),
        "metric": texts([metric for _, metric, _ in marks]),
        "quality": np.array([said.quality for said in marks.values()], dtype=np.uint8),
    }


def _where(query: SeriesQuery) -> tuple[str, list[Any]]:
    terms: list[str] = []
    values: list[Any] = []
    for term, value in (
        ("time >= make_timestamp_ns(?)", query.start),
        ("time < make_timestamp_ns(?)", query.end),
        ("device = ?", query.device),
        ("metric = ?", query.metric),
        ("device in (select unnest(?))", None if query.devices is None else list(query.devices)),
    ):
        if value is not None:
            terms.append(term)
            values.append(value)
    return f"where {' and '.join(terms)}" if terms else "", values
