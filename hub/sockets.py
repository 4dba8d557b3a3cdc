"""Listening sockets: made the same way wherever the hub listens, and the reason in words where it cannot."""

from __future__ import annotations

import errno
import socket

from hub.bilingual import Text, same
from hub.error_words import of_system

REASONS = {
    errno.EADDRINUSE: Text(" is in use by another program", " 已被其他程序占用"),
    errno.EADDRNOTAVAIL: Text(" is no address of this machine", " 不是本机地址"),
    errno.EACCES: Text(
        " may not be listened on: ports below 1024 need the privilege CAP_NET_BIND_SERVICE",
        " 无权监听：1024 以下的端口需要 CAP_NET_BIND_SERVICE 权限",
    ),
}


def listener(host: str, port: int, backlog: int = 512) -> socket.socket:
    """A listening TCP socket whose connections send at once. Raises OSError; `not_bound` says why in words.

    asyncio sets TCP_NODELAY only where the socket names its protocol, which `socket.create_server` does not; without it every
    answer on a kept connection waits some 40 ms for the peer's delayed acknowledgement.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def not_bound(address: str, error: OSError) -> Text:
    """Why nobody can listen there, in a sentence that names the address."""
    if isinstance(error, socket.gaierror):
        return Text(
            f"{address} names no address of this machine; 0.0.0.0 stands for all of IPv4, [::] for all of IPv6",
            f"{address} 不是本机地址；0.0.0.0 表示全部 IPv4 地址，[::] 表示全部 IPv6 地址",
        )
    known = REASONS.get(error.errno or 0)
    return same(address) + (known or Text(" cannot be listened on: ", " 无法监听：") + of_system(error))
