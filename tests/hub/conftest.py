"""A server of the log, and nodes that are connected to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hub.log.jetstream import Servers
    from tests.acceptance.nats_server import Connect, NatsServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    from tests.acceptance.nats_server import NatsServer

    running = NatsServer(tmp_path / "servers")
    running.start()
    yield running
    running.kill()


@pytest.fixture
def connect(server: NatsServer) -> Iterator[Connect]:
    """Each call is a node of its own."""
    from hub.log.jetstream import Servers

    made: list[Servers] = []

    def connected() -> Servers:
        made.append(Servers([server.url]))
        return made[-1]

    yield connected
    for servers in made:
        servers.close()
