"""Ports for servers under test."""

from __future__ import annotations

import socket

_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that is free for TCP and UDP, each given once: a closed socket's port may be the next one's too."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            if port in _given:
                continue
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            _given.add(port)
            return port
