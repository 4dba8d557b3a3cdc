"""Progress of long work: a bar on a terminal, now and then a line in a pipe, and nothing of it in what a command prints."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import pytest

from hub.cli import main
from hub.cli.progress import LINE_EVERY_S, meanwhile, progress
from hub.model import Reading
from hub.ports import SeriesQuery
from hub.store.duckdb import DuckDBStore
from tests.acceptance.running import write_city
from tests.waiting import PATIENCE_S


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_a_plain_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1.0, LINE_EVERY_S, LINE_EVERY_S, LINE_EVERY_S + 1, 2 * LINE_EVERY_S, 2 * LINE_EVERY_S])
    with progress("readings", clock=lambda: next(times)) as told:
        told(10, None)
        told(2_000, None)
        told(3_000, None)
        told(4_000, 5_000)
    said = capsys.readouterr()
    assert said.err == "2,000 readings so far\n4,000 of 5,000 readings\n"
    assert said.out == ""


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    with progress("readings", quiet=True) as told:
        told(10, None)
    assert terminal.getvalue() == capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "command", ["import CITY FILE --json", "store CITY rebuild --json", "backtest CITY --readings FILE --json"]
)
def test_a_bar_on_the_terminal_leaves_the_output_alone(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output goes into a file, and the terminal sees the bar: every line of the file is JSON."""
    city = write_city(tmp_path / "city")
    rows = "".join(f"2026-11-20T08:{minute:02}:00Z,underpass-1,water_depth,0.5\n" for minute in range(20))
    (tmp_path / "history.csv").write_text("time,device,metric,value\n" + rows)
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    words = [{"CITY": str(city), "FILE": str(tmp_path / "history.csv")}.get(word, word) for word in command.split()]
    if words[0] == "store":
        main(["import", *words[1:2], str(tmp_path / "history.csv")])
        capsys.readouterr()
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(json.loads(line) for line in lines)
    assert ("days" if words[0] == "store" else "readings") in terminal.getvalue()


def test_what_cannot_say_itself_how_far_it_is_is_looked_at_meanwhile() -> None:
    looks: list[int] = []
    enough = threading.Event()

    def look() -> None:
        looks.append(len(looks))
        if len(looks) == 3:
            enough.set()

    with meanwhile(look):
        assert enough.wait(60)
    seen = len(looks)
    assert looks == list(range(seen)), "one look at a time"
    with pytest.raises(ValueError, match="the work's own"), meanwhile(look):
        raise ValueError("the work's own")


def test_an_export_shows_rows_on_a_terminal_and_its_file_is_only_the_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    city = str(write_city(tmp_path / "city"))
    rows = "".join(f"2026-11-20T08:{minute:02}:00Z,underpass-1,water_depth,0.5\n" for minute in range(20))
    (tmp_path / "history.csv").write_text("time,device,metric,value\n" + rows)
    main(["import", city, str(tmp_path / "history.csv")])
    capsys.readouterr()
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    assert main(["export", city]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), lines[0].split(",")[:2]) == (21, ["time", "device"])
    assert "rows" in terminal.getvalue()


class _Slow:
    """A store whose export tells of every tenth of its rows, and goes on when it has been asked for it since."""

    def __init__(self) -> None:
        self._done = 0
        self._told: set[int] = set()
        self._asked = threading.Condition()

    def exported(self) -> tuple[int, int | None]:
        with self._asked:
            self._told.add(self._done)
            self._asked.notify()
            return self._done, 100

    def export(self, query: object, form: str, path: Path) -> int:
        for done in range(0, 100, 10):
            with self._asked:
                self._done = done
                assert self._asked.wait_for(lambda: self._done in self._told, PATIENCE_S)
        path.write_text("time\n")
        return 100

    def close(self) -> None:
        pass


def test_an_export_in_a_pipe_says_a_plain_line_now_and_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    city = write_city(tmp_path / "city")
    monkeypatch.setattr("hub.cli.storing.open_city_store", lambda *_: _Slow())
    monkeypatch.setattr("hub.cli.progress.LINE_EVERY_S", 0.0)
    monkeypatch.setattr("hub.cli.progress.LOOK_EVERY_S", 0.001)
    assert main(["export", str(city), "-o", str(tmp_path / "out.csv")]) == 0
    said = capsys.readouterr()
    *lines, last = said.err.splitlines()
    counts = [int(line.removesuffix(" of 100 rows")) for line in lines if "MB so far" not in line]
    assert counts == sorted(counts)
    assert set(counts) == set(range(0, 100, 10))
    assert (last, said.out) == (f"100 rows in {tmp_path / 'out.csv'}", "")


def test_duckdb_says_how_far_an_export_is(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path)
    try:
        readings = [Reading("gauge", 1_770_000_000_000_000_000 + n, {"water_level": 1.0}) for n in range(3_000)]
        store.write("events", readings, 0, 3_000)
        assert store.exported() == (0, None)
        assert store.export(SeriesQuery(metric="water_level"), "csv", tmp_path / "out.csv") == 3_000
        done, of = store.exported()
        assert of == 3_000
        assert 0 <= done <= 3_000
    finally:
        store.close()
