"""What tests need from beside the project and from npm: a loud skip on a laptop, a failure in CI, installed once."""

from __future__ import annotations

import multiprocessing
import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import conftest
from tests.npm import FOLDER, PROVIDER, NpmError, install, or_skip
from tests.shared import ROOT, shared_path


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_what_is_absent_fails_in_ci_and_is_skipped_elsewhere(
    ci: str, outcome: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("CITYHUB_SHARED", str(tmp_path))
    with pytest.raises(outcome, match="is absent"):
        shared_path("data/events.csv")
    with pytest.raises(outcome, match="no npm"), or_skip():
        raise NpmError("there is no npm here")


def test_every_test_is_run_by_one_target_and_what_a_change_needs_by_the_check_before_it_lands() -> None:
    makefile = (ROOT / "Makefile").read_text()
    chosen = {
        target: re.search(rf"^{target}: .*\n\t\$\(BIN\)/pytest .*-m (?:\"(.*?)\"|(\w+))", makefile, re.MULTILINE)
        for target in ("test", "long", "slow")
    }
    for marks in ((), ("long",), ("slow",), ("long", "slow")):
        runs = [
            target
            for target, found in chosen.items()
            if found and eval(found[1] or found[2], {}, {mark: mark in marks for mark in ("long", "slow")})
        ]
        assert len(runs) == 1, (marks, runs)
    assert "make check test long\n" in (ROOT / ".ci" / "run").read_text()


def _install(folder: str) -> None:
    install(Path(folder))


def test_two_processes_install_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow npm of the test's own notes each run, and that no other run was going on."""
    programs, folder = tmp_path / "bin", tmp_path / "package"
    programs.mkdir()
    folder.mkdir()
    (folder / "package-lock.json").write_text("{}")
    npm = programs / "npm"
    npm.write_text(
        '#!/bin/sh\n[ -e busy ] && echo collision >> runs\n: > busy\necho "$@" >> runs\nsleep 1\n'
        "mkdir -p node_modules\n: > node_modules/.package-lock.json\nrm busy\n"
    )
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    processes = [multiprocessing.get_context("spawn").Process(target=_install, args=(str(folder),)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert (folder / "runs").read_text().splitlines() == ["ci --no-audit --no-fund"]
    time.sleep(0.01)
    (folder / "package-lock.json").write_text("{} ")
    os.utime(folder / "package-lock.json")
    install(folder)
    assert len((folder / "runs").read_text().splitlines()) == 2


def test_what_a_failed_test_left_open_fails_no_later_test(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(Path(conftest.__file__).read_text())
    (tmp_path / "test_two.py").write_text(
        "import gc, socket\n"
        "def test_fails():\n    left = socket.socket()\n    cycle = [left]\n    cycle.append(cycle)\n    assert False\n"
        "def test_is_well():\n    gc.collect()\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "-c",
        os.devnull,
        "--rootdir",
        ".",
    ]
    ran = subprocess.run([*command, "test_two.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert "1 failed, 1 passed" in ran.stdout, ran.stdout
    assert "ResourceWarning" not in ran.stdout, ran.stdout


@pytest.mark.parametrize("folder", [FOLDER, PROVIDER], ids=lambda folder: folder.name)
def test_the_lock_file_has_hashes_and_no_addresses(folder: Path) -> None:
    text = (folder / "package-lock.json").read_text("utf-8")
    assert "resolved" not in text
    assert "https://" not in text
    assert text.count('"node_modules/') == text.count('"integrity": "sha512-')


def test_tests_that_share_a_setup_stay_on_one_worker(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_collection_modifyitems\n")
    (tmp_path / "test_shared.py").write_text(
        "import os, pathlib, pytest\n"
        "@pytest.mark.parametrize('number', range(40))\n"
        "@pytest.mark.xdist_group('shared')\n"
        "def test_it(number):\n"
        "    (pathlib.Path(__file__).parent / f'{number}.txt').write_text(os.environ['PYTEST_XDIST_WORKER'])\n"
        "def test_another(): ...\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:schemathesis", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    workers = [path.read_text() for path in tmp_path.glob("*.txt")]
    assert (len(workers), len(set(workers))) == (40, 1)
