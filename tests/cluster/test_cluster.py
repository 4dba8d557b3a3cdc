"""`make cluster` as its user has it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.cli.cities import clean_city
from tests.acceptance.running import ROOT
from tests.cluster.machines import ADDRESS, DOORS, ROLES, STAND_IN, WORKERS, write_folders


def test_every_machine_has_a_clean_city_folder_with_ports_of_its_own(tmp_path: Path) -> None:
    folders = write_folders(tmp_path, '[log]\nservers = ["nats://127.0.0.1:4222"]\n')
    assert folders.keys() == ROLES.keys()
    listening: list[str] = []
    for folder in folders.values():
        assert clean_city(folder).config.log.servers == ["nats://127.0.0.1:4222"]
        lines = (folder / "hub.toml").read_text().splitlines()
        listening += [found[1] for line in lines if line.startswith("listen") and (found := ADDRESS.search(line))]
    assert len(listening) == len(set(listening)) > 60
    assert not {"1883", "8080"} & set(listening)


@pytest.mark.slow
def test_the_console_of_any_door_shows_the_city_and_ctrl_c_ends_it_cleanly() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster", "--seconds", "500"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    said: list[str] = []
    assert process.stdout is not None
    listening = threading.Thread(target=lambda lines: said.extend(lines), args=(iter(process.stdout),), daemon=True)
    listening.start()
    try:
        wait(lambda: re.search(r"[1-9]\d* open warnings", "".join(said)), said, process)
        consoles = re.findall(r"console at (http://\S+)", "".join(said))
        assert len(consoles) == len(DOORS)
        for address in consoles:
            with urllib.request.urlopen(f"{address}/", timeout=20) as answer:
                assert b"<html" in answer.read().lower()
        does = dict(re.findall(r"^  (\S+) +(\S.*)$", "".join(said), re.M))
        assert does["door-1"] == does["door-2"] == "ingest, api"
        assert {name: does[name] for name in WORKERS} == WORKERS
        assert does[STAND_IN] == "stands by for store, delivery, rules"
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(120)
    listening.join(10)
    process.stdout.close()
    assert code == 0
    assert said[-1] == "The cluster has ended cleanly.\n"


def wait(ready: Callable[[], object], said: list[str], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 300
    while not ready():
        assert time.monotonic() < until, said
        assert process.poll() is None, said
        time.sleep(0.2)
