"""Progress of long work: a bar on a terminal, now and then a line in a pipe, and nothing of it in what a command prints."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from hub.cli import main
from hub.cli.progress import LINE_EVERY_S, progress
from tests.acceptance.running import write_city


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
