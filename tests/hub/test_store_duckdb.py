"""What only the file has to do: survive kill -9, say who holds it, keep to its memory."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import duckdb
import msgspec
import pytest

from hub.app.importing import messages
from hub.model import Reading
from hub.ports import SeriesQuery, StoreUnavailable
from hub.store.duckdb import DuckDBOptions, DuckDBStore

T = 1_770_000_000_000_000_000
ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import sys
from pathlib import Path
from hub.model import Reading
from hub.store.duckdb import DuckDBStore

store = DuckDBStore(Path(sys.argv[1]))
at = store.cursor("events") or 0
while True:
    batch = [Reading(f"d{n % 97}", 1_770_000_000_000_000_000 + n, {"pm25": float(n), "no2": 1.0}) for n in range(at, at + 3000)]
    store.write("events", batch, at, at + 3000)
    at += 3000
    print(at, flush=True)
"""


@pytest.mark.acceptance
def test_kill_9_in_the_middle_of_writes_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    told = 0
    for round_ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT, text=True
        )
        assert process.stdout is not None
        for _ in range(5 + 7 * round_):
            told = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.wait()
        process.stdout.close()
        told = int(rest[-1]) if rest else told

        store = DuckDBStore(tmp_path)
        try:
            cursor = store.cursor("events")
            assert cursor is not None
            assert cursor in (told, told + 3000)
            (rows,) = store._fetch("select count(*), count(distinct (device, metric, time)) from readings", [])
            assert rows == (cursor * 2, cursor * 2)
        finally:
            store.close()


def test_a_file_of_an_older_hub_knows_the_marks_of_its_rows(tmp_path: Path) -> None:
    at = 1_770_000_000_000_000_000
    denied = Reading("a", at, {"pm25": 900.0}, None, {"pm25": "fault"}, at, "x", "air-station")
    store = DuckDBStore(tmp_path)
    store.write("events", [denied], 0, 1)
    store._writer.execute("drop table marks")
    store.close()
    store = DuckDBStore(tmp_path)
    store.write("events", [msgspec.structs.replace(denied, marks=None)], 1, 2)
    assert [row.quality for row in store.series(SeriesQuery())] == [4]
    store.forget("raw", at + 1)
    store.write("events", [msgspec.structs.replace(denied, marks=None)], 2, 3)
    assert [row.quality for row in store.series(SeriesQuery())] == [0]
    store.close()


def test_a_file_that_another_process_holds_is_said_so(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path)
    try:
        script = "import sys; from pathlib import Path; from hub.store.duckdb import DuckDBStore; DuckDBStore(Path(sys.argv[1]))"
        other = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
        )
    finally:
        store.close()
    assert other.returncode == 1
    assert "StoreUnavailable: DuckDB cannot open" in other.stderr
    assert "lock" in other.stderr


def test_marks_are_asked_for_only_where_some_may_be(tmp_path: Path) -> None:
    """Also those of the run before, and of a batch between the first and the last."""
    store = DuckDBStore(tmp_path)
    said = [Reading("a", T + at, {}, None, {"pm25": "fault"}, T, "x", "air-station") for at in (10, 30)]
    value = msgspec.structs.replace(said[0], values={"pm25": 1.0}, marks=None)
    store.write("events", [msgspec.structs.replace(value, observed_at=T + 5)], 0, 1)
    assert store._said_of[0] > store._said_of[1]
    store.write("events", said, 1, 3)
    store.close()
    store = DuckDBStore(tmp_path)
    for number, at in enumerate((10, 20, 30, 40), 3):
        store.write("events", [msgspec.structs.replace(value, observed_at=T + at)], number, number + 1)
    found = {row.time - T: row.quality for row in store.series(SeriesQuery(T, T + 100))}
    assert store._said_of == (T + 10, T + 30)
    assert found[5] == found[20] == found[40] != found[10] == found[30]
    store.close()


@pytest.mark.parametrize("damage", [b"this is no database", os.urandom(20_000)])
def test_a_file_that_is_no_database_is_set_aside_and_a_new_one_begun(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "history.duckdb").write_bytes(damage)
    store = DuckDBStore(tmp_path)
    assert store.cursor("events") is None  # so the log fills it again
    store.close()
    [aside] = tmp_path.glob("history.duckdb.damaged-*")
    assert aside.read_bytes() == damage


def test_a_file_that_a_full_disk_let_nobody_finish_is_no_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB leaves a begun file behind. Each attempt set another one aside, every ten seconds, until the disk had room again."""

    def full(path: str, **_: object) -> NoReturn:
        Path(path).write_bytes(bytes(4096))
        raise duckdb.IOException(f'IO Error: Could not write file "{path}": No space left on device')

    with monkeypatch.context() as disk:
        disk.setattr(duckdb, "connect", full)
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="No space left"):
                DuckDBStore(tmp_path)
    DuckDBStore(tmp_path).close()
    assert [path.name for path in tmp_path.iterdir() if "damaged" in path.name] == []


def test_an_export_that_cannot_be_written_blames_its_file_and_not_the_database(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path)
    try:
        store.write("events", [Reading("a", T, {"pm25": 1.0})], 0, 1)
        for form in ("csv", "parquet"):
            for target in (tmp_path / "no such folder" / "x", tmp_path, Path("/dev/full")):
                with pytest.raises(OSError, match=r"No such file|Is a directory|No space|write"):
                    store.export(SeriesQuery(), form, target)
            assert store.export(SeriesQuery(), form, tmp_path / form) == 1
    finally:
        store.close()


def test_an_export_holds_no_formula_and_reads_back_as_it_was_told(tmp_path: Path) -> None:
    texts = ["=HYPERLINK(1)", "@SUM(1)", "-2+3", "+1-1", "'=1", "'plain", "-5", "12", "plain", "\t=1"]
    told = [
        Reading(f"{text}|" if text == "\t=1" else text, T + n, {"state": text, "pm25": -1.5})
        for n, text in enumerate(texts)
    ]
    store = DuckDBStore(tmp_path)
    try:
        store.write("events", told, 0, 1)
        store.export(SeriesQuery(), "csv", tmp_path / "out.csv")
    finally:
        store.close()
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cells = {row[column] for row in rows for column in ("device", "value")}
    assert [cell for cell in cells if cell[:1] in "=@+\t" or (cell[:1] == "-" and cell not in ("-1.5", "-5"))] == []
    assert {"'=HYPERLINK(1)", "'-2+3", "''=1", "'plain", "-5"} <= cells
    states = [
        reading
        for message in messages([tmp_path / "out.csv"])
        for reading in message.readings
        if "state" in reading.values
    ]
    read = {reading.device: reading.values["state"] for reading in states if reading.device != "|"}
    assert {name: value for name, value in read.items() if "\t" not in name} == {
        text: text for text in texts if text != "\t=1"
    }


@pytest.mark.acceptance
def test_a_torn_tail_steps_back_to_whole_transactions_and_a_flipped_bit_is_said(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "live")], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert process.stdout is not None
    for _ in range(6):
        process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    wal = (tmp_path / "live" / "history.duckdb.wal").read_bytes()
    assert len(wal) > 1_000_000

    for share in (0.3, 0.6, 0.999):
        torn = tmp_path / f"torn-{share}"
        shutil.copytree(tmp_path / "live", torn)
        (torn / "history.duckdb.wal").write_bytes(wal[: int(len(wal) * share)])
        store = DuckDBStore(torn)
        cursor = store.cursor("events")
        rows = store._fetch("select count(*) from readings", [])[0][0]
        store.close()
        assert cursor is not None
        assert cursor >= 3000
        assert rows == cursor * 2

    flipped = tmp_path / "flipped"
    shutil.copytree(tmp_path / "live", flipped)
    middle = len(wal) // 2
    (flipped / "history.duckdb.wal").write_bytes(wal[:middle] + bytes([wal[middle] ^ 1]) + wal[middle + 1 :])
    store = DuckDBStore(flipped)  # back to the last checkpoint: the log has what came behind it
    assert (store.cursor("events") or 0) * 2 == store._fetch("select count(*) from readings", [])[0][0]
    store.close()
    assert len(list(flipped.glob("history.duckdb.wal.damaged-*"))) == 1


def test_a_failed_write_leaves_rows_and_cursor_where_they_were(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path)
    try:
        store.write("events", [Reading("a", T, {"pm25": 1.0})], 0, 1)
        with pytest.raises(StoreUnavailable):
            store.write("events", [Reading("a", T + 1, {"pm25": 2.0})], 1, 2**70)
        assert store.cursor("events") == 1
        assert len(store.series(SeriesQuery())) == 1
        store.write("events", [Reading("a", T + 1, {"pm25": 2.0})], 1, 2)
        assert store.cursor("events") == 2
        assert len(store.series(SeriesQuery())) == 2
    finally:
        store.close()


def test_reads_and_writes_from_several_threads(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path)
    faults: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(30):
                rows = store.series(SeriesQuery(metric="pm25"))
                assert len(rows) % 100 == 0  # whole transactions only
                store.latest()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        for batch in range(30):
            readings = [Reading(f"d{n}", T + batch, {"pm25": 1.0}) for n in range(100)]
            store.write("events", readings, batch, batch + 1)
        for thread in threads:
            thread.join()
    finally:
        store.close()
    assert faults == []


def test_after_close_it_says_so(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path)
    store.close()
    with pytest.raises(StoreUnavailable):
        store.cursor("events")
    with pytest.raises(StoreUnavailable):
        store.write("events", [], 0, 1)


@pytest.mark.acceptance
def test_ten_thousand_devices_stay_small(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from hub.model import Reading
from hub.store.duckdb import DuckDBStore
store = DuckDBStore(Path(sys.argv[1]))
for minute in range(40):
    batch = [Reading(f"device-{n:05d}", 1_770_000_000_000_000_000 + minute * 60_000_000_000 + n, {"pm25": n * 0.1, "no2": 1.0}) for n in range(10_000)]
    store.write("events", batch, minute, minute + 1)
assert len(store.latest()) == 20_000
store.close()
print(int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) // 1024)  # ru_maxrss would begin at the parent's
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 220  # MB, of the 300 that the whole hub may use


def test_options(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path, DuckDBOptions(file="h.duckdb", memory_mb=100, threads=2))
    limit, threads = store._fetch("select current_setting('memory_limit'), current_setting('threads')", [])[0]
    store.close()
    assert limit.startswith("95.3")  # MiB
    assert threads == 2
    assert (tmp_path / "h.duckdb").exists()


@pytest.mark.parametrize("asked", ["cursor", "series", "rollups", "newest", "alerts"])
def test_a_question_keeps_nothing_of_what_is_replaced_after_it(tmp_path: Path, asked: str) -> None:
    """A question whose rows were not read to the end left its transaction open. Every write after it was kept beside: 64 MB after 250 writes,
    then 0.1 MB more of the disk with each, and 130 ms a write after a thousand."""
    store = DuckDBStore(tmp_path)
    try:
        for n in range(60):
            store.write("events", [Reading("a", T + n, {"pm25": 1.0}, received_at=T + n)], n, n + 1)
            if n == 1:
                match asked:
                    case "cursor":
                        assert store.cursor("events") == 2
                    case "series":
                        assert len(store.series(SeriesQuery())) == 2
                    case "rollups":
                        assert store.rollups("1m", SeriesQuery()) == []
                    case "newest":
                        assert len(store.series(SeriesQuery(limit=1, newest=True))) == 1
                    case _:
                        assert store.changes() == []
        kept = store._writer.execute(
            "select memory_usage_bytes from duckdb_memory() where tag = 'TRANSACTION'"
        ).fetchall()
        assert kept[0][0] < 2 << 20
    finally:
        store.close()
