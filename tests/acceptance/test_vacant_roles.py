"""Machines that fill a role alone: none says "no warning is open" that follows none, and each says so when nobody judges, stores or delivers."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from tests.acceptance.nats_server import NatsServer
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city

pytestmark = pytest.mark.acceptance

LOG = '[log]\nservers = ["{url}"]\nreplicas = 1\nmonitoring = ["{monitoring}"]\nevents_gb = 0.1\nalerts_gb = 0.1\nquarantine_gb = 0.1\n'


def _state(hub: RunningHub, part: str) -> str | None:
    return next((item["state"] for item in hub.get("/api/v1/status")["parts"] if item["part"] == part), None)


def _city(hub: RunningHub) -> tuple[int, ...] | None:
    """Of what came by HTTP: logged, stored, waiting."""
    books = next((item for item in hub.get("/api/v1/status")["city"] if item["name"] == "api"), None)
    return None if books is None else (books["logged"], books["stored"], books["waiting"])


@pytest.mark.long
def test_no_machine_looks_well_while_nobody_judges_and_none_says_that_there_is_no_warning_that_follows_none(
    tmp_path: Path,
) -> None:
    server = NatsServer(tmp_path / "servers")
    server.start()
    toml = LOG.format(url=server.url, monitoring=server.monitoring)

    def run(name: str, roles: str) -> RunningHub:
        port = free_port()
        return RunningHub(write_city(tmp_path / name, toml, port), port, more=["--node", name, "--role", roles])

    judge, archive, show = run("judge", "rules"), run("archive", "store,delivery"), run("show", "ingest,api")
    hubs = [archive, show]
    try:
        assert show.reading({"water_depth": 0.8}, "underpass-1")[0] == 200
        show.wait(lambda: len(show.get("/api/v1/alerts")["open"]) == 1, "no warning came")
        show.wait(lambda: _state(show, "role/rules") == "up", "nobody heard the judge")
        for command in ("alerts", "devices"):
            told = cityhub(command, archive.folder)
            assert (told.returncode, "follows neither" in told.stderr, told.stdout) == (1, True, ""), told
        assert "no warning" not in cityhub("alerts", show.folder).stdout
        assert "every destination has taken" in cityhub("delivery", archive.folder, "list").stdout
        assert "does not deliver" in cityhub("delivery", show.folder, "list").stdout
        assert 'cityhub_alerts_open{level="red"} 1' in show.get("/metrics")
        show.wait(lambda: _city(show) == (1, 1, 0), "who shows did not say what all machines logged and stored")
        for folder in (show.folder, archive.folder, judge.folder):
            assert "all machines" in cityhub("health", folder).stdout

        judge.kill()
        show.wait(lambda: _state(show, "role/rules") == "down", "a machine that shows looked well without a judge")
        archive.wait(lambda: archive.has_said("role/rules: down"), "the one that stores said nothing")
        with urllib.request.urlopen(f"http://127.0.0.1:{show.api}/readyz") as answer:
            assert answer.status == 200, "it takes in all the same"
        told = cityhub("maintenance", show.folder, "list")
        assert (told.returncode, "no machine judges" in told.stderr) == (1, True), told

        hubs.append(run("next", "rules"))
        show.wait(lambda: _state(show, "role/rules") == "up", "the next judge was not heard")
        assert cityhub("maintenance", show.folder, "list").returncode == 0
    finally:
        for hub in hubs:
            hub.stop()
        server.stop()
