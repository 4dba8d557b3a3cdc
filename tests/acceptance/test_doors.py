"""Machines that only take in (`--role ingest`): they know of each other's readings that they are there, and show nothing."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest

from hub.log.jetstream import JetStreamLog, Servers
from hub.model import Reading
from tests.acceptance.nats_server import NatsServer
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city
from tests.cluster.machines import log_toml
from tests.hub.logs import everything

pytestmark = pytest.mark.acceptance

ADAPTER = """
[[adapters]]
name = "phones"
protocol = "osmand"
listen = "tcp://127.0.0.1:{port}"
unknown_devices = "admit"
"""
JUDGE = "store,delivery,rules,api"
BEGAN = int(time.time()) - 3600


class Phones:
    """A door's machine, and the port of its adapter."""

    def __init__(self, folder: Path, name: str, log: str) -> None:
        self.name, self.port = name, free_port()
        self.folder = write_city(folder / name, log + ADAPTER.format(port=self.port), free_port())
        self.hub = self.run()

    def run(self) -> RunningHub:
        return RunningHub(self.folder, 0, more=["--role", "ingest", "--node", self.name])

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
            return True
        return False

    def says(self, number: int) -> int:
        """The status by which the door answers a phone that reports its place."""
        asked = f"?id=truck&lat=31.24&lon=121.49&speed=7&timestamp={BEGAN + number}"
        self.hub.wait(self._listens, "its adapter does not listen")
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{asked}", timeout=30) as answer:
            return int(answer.status)


def _parts(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in cityhub("health", folder, "--json").stdout.splitlines()]


async def test_doors_that_only_take_in_put_nothing_into_the_log_twice(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "servers")
    server.start()
    log_options = log_toml([server])
    port = free_port()
    judge = RunningHub(
        write_city(tmp_path / "judge", log_options, port), port, more=["--role", JUDGE, "--node", "judge"]
    )
    hubs = [judge]
    try:
        first, second = (Phones(tmp_path, name, log_options) for name in ("first", "second"))
        hubs += [first.hub, second.hub]
        assert [first.says(number) for number in range(10)] == [200] * 10
        assert [second.says(number) for number in range(5, 15)] == [200] * 10
        first.hub.kill()
        first.hub = first.run()
        hubs.append(first.hub)
        assert [first.says(number) for number in range(20)] == [200] * 20, "it has to know what stood there before"
        judge.wait(lambda: judge.get("/api/v1/devices")["devices"], "the judge does not show the phone")
        judge.wait(lambda: {part["state"] for part in _parts(first.folder)} == {"up"}, "a part of a door is not up")
        parts = _parts(first.folder)
        assert not {"store", "rollups", "reader", "rules"} & {part["part"].split("/")[0] for part in parts}
        assert [one.hub.stop() for one in (first, second)] == [0, 0]
        judge.wait_stored()
        assert judge.stop() == 0
        with closing(Servers([server.url])) as servers:
            log = JetStreamLog(servers, "cityhub", 1)
            found = everything(log, "events")
            await log.close()
    finally:
        for hub in hubs:
            if hub.process.poll() is None:
                hub.kill()
        server.kill()
    kept = Counter(one.observed_at // 10**9 - BEGAN for one in found if isinstance(one, Reading))
    assert kept == Counter(range(20))
