"""Ports for servers under test."""

from __future__ import annotations

import os
import random
import socket

FIRST, LAST = 12_000, 32_000
"""Below those that the system gives to connections by itself (ip_local_port_range, from 32768): else one of them, of any test at all, may have
the port before the server does for which it was found free."""
WORKERS = 8
"""Of pytest-xdist; each has ports of its own."""

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
_own = [port for port in range(FIRST, LAST) if port % WORKERS == _worker]
random.Random(os.urandom(8)).shuffle(_own)


def free_port() -> int:
    """A port of 127.0.0.1 that is free for TCP and UDP, each given once: a closed socket's port may be the next one's too."""
    while True:
        port = _own.pop()
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
