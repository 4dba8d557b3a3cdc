"""A forked command is like one that was started by itself."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance.forked import run, start
from tests.acceptance.ports import free_port
from tests.acceptance.running import ROOT, RunningHub, cityhub, write_city
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("words", [["--version"], ["check"], ["check", "/nowhere"], ["rules", "list", "--json"]])
def test_it_says_and_ends_as_one_that_is_started(words: list[str]) -> None:
    fresh = subprocess.run(
        [sys.executable, "-m", "hub.cli", *words], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S
    )
    forked = cityhub(*words)
    assert (forked.returncode, forked.stdout, forked.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)


def test_it_has_the_environment_of_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    wide = cityhub("--help").stdout
    monkeypatch.setenv("COLUMNS", "50")
    narrow = cityhub("--help").stdout
    assert max(map(len, narrow.splitlines())) < max(map(len, wide.splitlines()))


def test_two_hubs_have_nothing_of_each_other_and_end_as_they_are_told(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    one, two = (RunningHub(write_city(tmp_path / str(port), api=port), port) for port in ports)
    files = {path.resolve() for path in Path(f"/proc/{two.process.pid}/fd").iterdir()}
    assert not [file for file in files if str(tmp_path / str(ports[0])) in str(file)]
    one.kill()  # its stderr has ended with it, else this would wait
    assert one.process.poll() == -signal.SIGKILL
    assert two.process.poll() is None
    two.process.send_signal(signal.SIGINT)
    assert two.wait_end() == 0


def test_threads_that_start_commands_at_once_hear_each_of_its_own(tmp_path: Path) -> None:
    """One was told another's process, and what was to end that one ended this."""
    folders = [write_city(tmp_path / str(number), api=free_port()) for number in range(6)]
    with ThreadPoolExecutor(len(folders)) as pool:
        started = list(pool.map(lambda folder: start(["run", str(folder)]), folders))
    try:
        assert len({process.pid for process, _ in started}) == len(folders)
        for process, _ in started:
            others = [one for one, _ in started if one is not process and one.returncode is None]
            process.kill()
            assert process.wait(PATIENCE_S) == -signal.SIGKILL
            assert all(one.poll() is None for one in others)
    finally:
        for process, said in started:
            process.kill()
            process.wait(PATIENCE_S)
            said.close()


def test_who_waits_too_short_is_told_and_the_command_is_ended(tmp_path: Path) -> None:
    folder = write_city(tmp_path / "city", api=free_port())
    with pytest.raises(subprocess.TimeoutExpired):
        run(["run", str(folder)], 0.5)
    assert cityhub("--version").returncode == 0
