"""Connections to SMTP servers that can be cut from outside.

`smtplib` limits each wait for a byte, so a server that says one every few seconds would hold a thread for hours, and threads are
what the hub's store writes with. A second handle on the connection cuts it, in the middle of a TLS handshake too.
"""

from __future__ import annotations

import smtplib
import socket
import threading
from contextlib import suppress
from typing import Any


class Cut:
    """Ends a connection that was made, or will be, when called. From any thread, more than once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self.done = False

    def holds(self, line: socket.socket) -> None:
        with self._lock:
            self._handle = line.dup()
        if self.done:
            self()

    def __call__(self) -> None:
        with self._lock:
            self.done = True
            handle, self._handle = self._handle, None
        if handle is not None:
            with handle, suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)


class Line(smtplib.SMTP):
    """Of plain connections, and the beginning of STARTTLS."""

    def __init__(self, cut: Cut, *args: Any, **more: Any) -> None:
        self._cut = cut
        super().__init__(*args, **more)

    def _get_socket(self, host: Any, port: Any, timeout: Any) -> Any:
        line = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        self._cut.holds(line)
        return line


class TlsLine(smtplib.SMTP_SSL, Line):
    """TLS from the first byte: its handshake is on a line that can be cut already."""

    def __init__(self, cut: Cut, *args: Any, **more: Any) -> None:
        self._cut = cut
        smtplib.SMTP_SSL.__init__(self, *args, **more)
