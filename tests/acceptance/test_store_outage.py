"""A store that is down delays and never loses; a disk that is full refuses, says so, and recovers by itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.influx_server import influx_server
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city

pytestmark = pytest.mark.acceptance


def stored(url: str) -> list[float]:
    answer = httpx.get(f"{url}/query", params={"db": "city", "q": "SELECT water_level FROM water"}).json()
    series = answer["results"][0].get("series")
    return [row[1] for row in series[0]["values"]] if series else []


def test_influxdb_may_go_and_come_back(tmp_path: Path) -> None:
    port, api = free_port(), free_port()
    toml = f'[store]\nkind = "influxdb"\nurl = "http://127.0.0.1:{port}"\nversion = 1\ndatabase = "city"\n'
    folder = write_city(tmp_path / "city", toml, api)
    hub = RunningHub(folder, api)  # the store is not even there yet
    for number in range(10):
        assert hub.reading({"water_level": number / 10})[0] == 200
    hub.wait(lambda: hub.reader("store/events")["state"] == "down", "nobody noticed that the store is down")
    assert hub.reader("store/events")["behind"] >= 10
    assert 'cityhub_readings_waiting{reader="store",adapter="api"} 10' in hub.get("/metrics")
    with influx_server(tmp_path / "influx", port) as url:
        httpx.post(f"{url}/query", params={"q": "CREATE DATABASE city"})
        hub.wait(lambda: len(stored(url)) == 10, "the store was not caught up")
        assert hub.reading({"water_level": 1.0})[0] == 200
        hub.wait(lambda: len(stored(url)) == 11, "live data does not flow")
    hub.wait(lambda: hub.reader("store/events")["state"] == "down", "with only ticks nobody noticed")
    for number in range(5):
        assert hub.reading({"water_level": 2 + number / 10})[0] == 200
    with influx_server(tmp_path / "influx", port) as url:
        hub.wait(lambda: len(stored(url)) == 16, "the second outage was not caught up")
        hub.wait(lambda: hub.reader("store/events")["state"] == "up", "it still counts as down")
        assert hub.get("/api/v1/status")["balances"]
        assert hub.stop() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB of its own."""
    mountpoint = tmp_path / "disk"
    mountpoint.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mountpoint)], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip(
            "LOUD SKIP: mounting a small file system takes root; the simulated full disk in tests/hub/test_log.py was tried instead"
        )
    yield mountpoint
    subprocess.run(["umount", "-l", str(mountpoint)], check=True)


@pytest.mark.long
def test_a_full_disk_refuses_says_so_and_recovers(tmp_path: Path, small_disk: Path) -> None:
    api = free_port()
    folder = write_city(tmp_path / "city", "", api)
    (folder / "var" / "log").mkdir(parents=True)
    (folder / "var" / "log" / "events").symlink_to(small_disk / "events")
    (small_disk / "events").mkdir()
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(3_900_000))
    hub = RunningHub(folder, api)
    accepted, refused = 0, ""
    for number in range(4000):
        status, answer = hub.reading({"water_level": number / 1000, "temperature": 1.0})
        if status == 503:
            refused = answer["error"]
            break
        assert status == 200
        accepted += 1
    assert "is full; input is refused until there is room" in refused
    assert hub.get("/api/v1/status")["log"]["events"]["refusing"]
    assert hub.get("/api/v1/status")["balances"]
    ballast.unlink()
    hub.wait(lambda: hub.reading({"water_level": 9.0})[0] == 200, "it did not recover by itself")
    assert hub.get("/api/v1/status")["log"]["events"]["refusing"] is None
    hub.wait(lambda: hub.reader("store/events")["behind"] < 3, "the store did not catch up")
    assert hub.stop() == 0
    rows = cityhub("export", folder, "--device", "gauge-7", "--metric", "water_level").stdout.splitlines()[1:]
    assert len(rows) >= accepted + 1


def test_a_hub_on_a_full_disk_is_backed_up_to_another(tmp_path: Path, small_disk: Path) -> None:
    """The copy of its store was made on the full disk, so there was no backup when it was needed most."""
    api = free_port()
    folder = write_city(tmp_path / "city", "", api)
    (small_disk / "var").mkdir()
    (folder / "var").symlink_to(small_disk / "var")
    hub = RunningHub(folder, api)
    assert hub.reading({"water_level": 1.5})[0] == 200
    hub.wait(lambda: hub.reader("store/events")["behind"] < 3, "the store did not catch up")
    free = shutil.disk_usage(small_disk).free
    (small_disk / "ballast").write_bytes(bytes(free - 100_000))
    done = cityhub("backup", folder, tmp_path / "backups")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "backups").iterdir() if path.is_dir()] == ["pieces"]
    assert hub.reading({"water_level": 2.5})[0] == 200, "the backup took the log's room"
    assert hub.stop() == 0
    assert cityhub("restore", tmp_path / "restored", tmp_path / "backups").returncode == 0
    assert "1.5" in cityhub("export", tmp_path / "restored", "--metric", "water_level").stdout
