"""The books of a running hub, over a real server that refuses some: logged = stored + refused + replaced + waiting."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest

from hub.moment import to_text
from tests.acceptance.influx_server import influx_server
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city

pytestmark = pytest.mark.acceptance
DAY = 86_400 * 10**9


def figures(hub: RunningHub) -> dict[str, int]:
    """What `/metrics` says of the readings that came by the API."""
    found = {}
    for line in hub.get("/metrics").splitlines():
        name, _, value = line.rpartition(" ")
        if 'adapter="api"' in name:
            found[name.partition("{")[0].removeprefix("cityhub_readings_")] = int(value)
    return found


def test_what_the_store_refuses_is_in_every_book_once(tmp_path: Path) -> None:
    port, api = free_port(), free_port()
    toml = f'[store]\nkind = "influxdb"\nurl = "http://127.0.0.1:{port}"\nversion = 1\ndatabase = "city"\n'
    folder = write_city(tmp_path / "city", toml, api)
    now = time.time_ns()
    with influx_server(tmp_path / "influx", port) as url:
        httpx.post(f"{url}/query", params={"q": "CREATE DATABASE city WITH DURATION 1d NAME brief"}).raise_for_status()
        hub = RunningHub(folder, api)
        sent = [
            {"device": "gauge-7", "time": to_text(now - n * 10**9 - (n % 2) * 30 * DAY), "values": {"water_level": 1.0}}
            for n in range(100)
        ]
        sent += [{"device": "gauge-7", "time": to_text(now), "values": {"water_level": 2.0 + n}} for n in range(3)]
        assert hub.post("/api/v1/readings", json.dumps(sent).encode())[0] == 200
        hub.wait(lambda: figures(hub)["waiting"] == 0, "the store does not take it")
        counted = figures(hub)
        assert (counted["logged_total"], counted["stored_total"]) == (103, 50)
        assert (counted["store_refused_total"], counted["replaced_total"]) == (50, 3)
        entries = hub.get("/api/v1/quarantine?limit=200")["entries"]
        assert sum(entry["count"] for entry in entries) == 50
        assert len({entry["raw_entry"] for entry in entries}) == len(entries)
        retried = json.loads(cityhub("quarantine", folder, "retry", "--json").stdout)
        assert retried == {"offered": 50, "stored": 0, "refused": 50, "waiting": 0}
        assert hub.get("/api/v1/quarantine?limit=200")["entries"] == entries
        httpx.post(f"{url}/query", params={"q": "ALTER RETENTION POLICY brief ON city DURATION INF"}).raise_for_status()
        retried = json.loads(cityhub("quarantine", folder, "retry", "--json").stdout)
        assert retried == {"offered": 50, "stored": 50, "refused": 0, "waiting": 0}
        assert figures(hub)["stored_total"] == 100
        hub.kill()
        hub = RunningHub(folder, api)
        again = figures(hub)
        parts = ("stored_total", "store_refused_total", "replaced_total", "waiting")
        assert again["logged_total"] == sum(again[name] for name in parts) == 103
        assert hub.stop() == 0


def test_an_import_says_what_the_store_says(tmp_path: Path) -> None:
    port = free_port()
    toml = f'[store]\nkind = "influxdb"\nurl = "http://127.0.0.1:{port}"\nversion = 1\ndatabase = "city"\n'
    folder = write_city(tmp_path / "city", toml, free_port())
    rows = [f"2020-01-01T00:00:{n:02}Z,gauge-7,water_level,{n}" for n in range(10)]
    rows += ["2020-01-01T00:00:00Z,gauge-7,water_level,11"]
    (tmp_path / "old.csv").write_text("\n".join(["time,device,metric,value", *rows]) + "\n")
    with influx_server(tmp_path / "influx", port) as url:
        httpx.post(f"{url}/query", params={"q": "CREATE DATABASE city WITH DURATION 1d NAME brief"}).raise_for_status()
        done = json.loads(cityhub("import", folder, tmp_path / "old.csv", "--json").stdout)
        assert (done["readings"], done["stored"], done["refused"], done["replaced"]) == (11, 0, 11, 0)
        httpx.post(f"{url}/query", params={"q": "ALTER RETENTION POLICY brief ON city DURATION INF"}).raise_for_status()
        done = json.loads(cityhub("import", folder, tmp_path / "old.csv", "--json").stdout)
        assert (done["readings"], done["stored"], done["refused"], done["replaced"]) == (11, 10, 0, 1)


def test_an_upload_of_an_unknown_logger_locks_nothing_and_is_stored_once_it_is_registered(tmp_path: Path) -> None:
    api = free_port()
    folder = write_city(tmp_path / "city", "", api)
    hub = RunningHub(folder, api)
    now = time.time_ns()
    upload = [
        {"device": "new-logger", "time": to_text(now - n * 10**9), "values": {"water_depth": n / 1000}}
        for n in range(10_000)
    ]
    body = json.dumps(upload).encode()
    for _ in range(2):
        status, answer = hub.post("/api/v1/readings", body)
        assert status == 400
        assert "new-logger is not in the registry" in answer["error"]
        assert hub.reading({"water_level": 1.0, "nonsense": 1.0})[0] == 200
    assert hub.get("/api/v1/health")["ok"]
    assert hub.get("/api/v1/status")["log"]["quarantine"]["bytes"] < 6 * len(body)
    assert hub.get("/api/v1/unknown")["devices"][0]["count"] == 20_000
    shown = json.loads(cityhub("quarantine", folder, "show", "3", "--json").stdout)
    assert shown["raw_text"].startswith('[{"device": "new-logger"')
    assert len(cityhub("quarantine", folder, "export").stdout.splitlines()) == 4
    assert hub.stop() == 0
    with (folder / "devices.csv").open("a") as file:
        file.write("new-logger,New,underpass-gauge,121.4,31.2,,,,\n")
    hub = RunningHub(folder, api)
    retried = json.loads(cityhub("quarantine", folder, "retry", "--json").stdout)
    assert retried == {"offered": 20_000, "stored": 20_000, "refused": 0, "waiting": 0}
    assert len(hub.get("/api/v1/series?device=new-logger&limit=20000")["rows"]) == 10_000
    assert hub.get("/api/v1/status")["balances"]
    assert hub.stop() == 0
