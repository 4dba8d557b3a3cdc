"""Backups of a hub that works under load, and hubs that go on from them."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city

pytestmark = pytest.mark.acceptance


@contextmanager
def load(hub: RunningHub) -> Iterator[list[int]]:
    """Readings one after another, each with its number as its level; the list holds those that the hub acknowledged."""
    acknowledged: list[int] = []
    stop = threading.Event()

    def send() -> None:
        for number in itertools.count(1):
            if stop.is_set():
                return
            moment = f"2026-11-20T00:00:00.{number:06d}Z"
            if hub.reading({"water_flow": float(number)}, time=moment)[0] == 200:
                acknowledged.append(number)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        hub.wait(lambda: len(acknowledged) > 20, "nothing was acknowledged")
        yield acknowledged
    finally:
        stop.set()
        sender.join()


def numbers(hub: RunningHub) -> list[int]:
    rows = hub.get("/api/v1/series?device=gauge-7&metric=water_flow&limit=100000")["rows"]
    return sorted(int(row["value"]) for row in rows)


def backup(city: Path, to: Path, *options: str) -> dict[str, int]:
    done = cityhub("backup", city, to, "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_a_backup_under_load_holds_all_that_was_acknowledged_before_it(tmp_path: Path) -> None:
    api = free_port()
    city = write_city(tmp_path / "city", api=api)
    hub = RunningHub(city, api)
    try:
        hub.reading({"water_depth": 0.5}, "underpass-1")
        hub.wait(lambda: bool(hub.get("/api/v1/alerts")["open"]), "no warning")
        with load(hub) as acknowledged:
            before_first = list(acknowledged)
            first = backup(city, tmp_path / "backups")
            hub.wait(lambda: len(acknowledged) > len(before_first) + 20, "the hub stopped taking readings")
            before_second = list(acknowledged)
            second = backup(city, tmp_path / "backups", "--verify")
        assert not list((city / "var").glob("backup-staging*"))
    finally:
        assert hub.stop() == 0
    assert second["new_bytes"] < second["bytes"]
    for taken, expected in ((first, before_first), (second, before_second)):
        target = tmp_path / str(taken["name"])
        done = cityhub("restore", target, tmp_path / "backups", "--at", taken["name"])
        assert done.returncode == 0, done.stderr
        assert (target / "rules" / "own.yaml").read_text() == (city / "rules" / "own.yaml").read_text()
        goes_on(RunningHub(target, api), set(expected))


def goes_on(hub: RunningHub, expected: set[int]) -> None:
    """A hub on what was restored: nothing acknowledged is missing or there twice, the warning stands, the books balance, work goes on."""
    try:
        assert not [line for line in hub.said if "damaged" in line]
        hub.wait(lambda: expected <= set(numbers(hub)), "readings are missing")
        found = numbers(hub)
        assert len(found) == len(set(found))
        (alert,) = hub.get("/api/v1/alerts")["open"]
        assert alert["rule"] == "city/underpass-flooding"
        hub.wait(lambda: hub.get("/api/v1/status")["balances"], "the books do not balance")
        assert hub.reading({"water_flow": 7.0})[0] == 200
    finally:
        assert hub.stop() == 0


def test_a_damaged_backup_restores_nothing_and_a_hub_at_rest_is_backed_up_too(tmp_path: Path) -> None:
    api = free_port()
    city = write_city(tmp_path / "city", api=api)
    hub = RunningHub(city, api)
    hub.reading({"water_flow": 3.0})
    assert hub.stop() == 0
    backups = tmp_path / "backups"
    taken = backup(city, backups)
    assert backup(city, backups)["new_bytes"] == 0
    assert len(cityhub("restore", tmp_path / "x", backups, "--list", "--json").stdout.splitlines()) == 2
    assert len(cityhub("restore", city, backups).stderr.splitlines()) == 1
    assert "is not empty" in cityhub("restore", city, backups).stderr
    kept = json.loads((backups / f"{taken['name']}.json").read_text())
    name = next(path for path in kept["data"] if path.startswith("log/events/"))
    piece = kept["data"][name]["pieces"][0]
    path = backups / "pieces" / piece[:2] / piece
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    for options in ((), ("--verify",)):
        done = cityhub("restore", tmp_path / "new", backups, *options)
        assert done.returncode == 1
        assert name in done.stderr
        assert "damaged" in done.stderr
    assert not (tmp_path / "new").exists()
    path.unlink()
    assert backup(city, backups, "--keep", "1")["new_bytes"] > 0, "a piece that is gone is written again"
    assert cityhub("restore", tmp_path / "new", backups).returncode == 0
    assert len(list(backups.glob("*.json"))) == 1
    listed = backups / f"{backup(city, backups)['name']}.json"
    listed.write_text(listed.read_text().replace('"mode": ', '"mode":  '))
    assert "its content is not what its name says" in cityhub("restore", tmp_path / "newer", backups).stderr


def test_places_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    city = write_city(tmp_path / "city")
    assert "lies inside" in cityhub("backup", city, city / "backups").stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("x")
    assert "holds other things" in cityhub("backup", city, tmp_path / "mine").stderr
    assert "holds no backup" in cityhub("restore", tmp_path / "new", tmp_path / "mine").stderr
