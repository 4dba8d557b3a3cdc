"""Datagrams over real sockets."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from hub.model import FaultKind
from tests.adapters.transport.peers import Hub, port_of, running, soon, until


async def test_datagrams_are_answered_to_their_sender_and_a_flood_of_them_is_counted() -> None:
    hub = Hub()
    async with running(hub, listen="udp://127.0.0.1:0", frames_per_s_max=20, login_required=True) as adapter:
        loop = asyncio.get_running_loop()
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
        ):
            for peer in (one, two):
                peer.setblocking(False)
                await loop.sock_connect(peer, ("127.0.0.1", port_of(adapter)))
            await loop.sock_sendall(one, b"login a\n")
            await loop.sock_sendall(one, b"a 1\n")  # held until the login is through
            assert await soon(loop.sock_recv(one, 100)) == b"stored login a\n"
            assert await soon(loop.sock_recv(one, 100)) == b"stored a 1\n"
            await loop.sock_sendall(two, b"a 2\n")
            assert await soon(loop.sock_recv(two, 100)) == b"refused a 2\n"
            assert adapter.send("a", b"command\n")
            assert await soon(loop.sock_recv(one, 100)) == b"command\n"
            for number in range(200):
                await loop.sock_sendall(two, b"a %d\n" % number)
            await until(lambda: any("more than its limit" in fault.detail for fault in hub.faults(FaultKind.RATE)))
            await loop.sock_sendall(one, b"a 3\n")
            assert await soon(loop.sock_recv(one, 100)) == b"stored a 3\n"
    assert hub.values == [1, 3]


async def test_datagrams_beyond_what_may_wait_for_the_log_are_dropped_and_counted() -> None:
    hub = Hub()
    hub.open.clear()
    async with running(hub, listen="udp://127.0.0.1:0", in_flight_max=5, connections_max=3) as adapter:
        loop = asyncio.get_running_loop()
        peers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
        try:
            for number, peer in enumerate(peers):
                peer.setblocking(False)
                await loop.sock_connect(peer, ("127.0.0.1", port_of(adapter)))
                await loop.sock_sendall(peer, b"a %d\n" % number)
            await until(lambda: hub.in_flight >= 5)
            await asyncio.sleep(0.1)
            assert hub.in_flight == 5
            hub.open.set()
            await until(lambda: hub.faults(FaultKind.RATE))
        finally:
            for peer in peers:
                peer.close()
    assert len(hub.values) == 5
    assert "(x3)" in hub.faults(FaultKind.RATE)[0].detail


async def test_an_address_with_too_many_ports_forgets_its_oldest_and_silence_forgets_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.transport.datagram.EXPIRY_INTERVAL_S", 0.1)
    hub = Hub()
    options: dict[str, Any] = {"connections_per_peer_max": 2, "idle_timeout_s": 1.0}
    async with running(hub, listen="udp://127.0.0.1:0", **options) as adapter:
        loop = asyncio.get_running_loop()
        peers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        try:
            for number, peer in enumerate(peers):
                peer.setblocking(False)
                await loop.sock_connect(peer, ("127.0.0.1", port_of(adapter)))
                await loop.sock_sendall(peer, b"d%d 1\n" % number)
                assert await soon(loop.sock_recv(peer, 100)) == b"stored d%d 1\n" % number
            assert [adapter.send(f"d{number}", b"hello") for number in range(3)] == [False, True, True]
            await until(lambda: not adapter.send("d2", b"hello"))
        finally:
            for peer in peers:
                peer.close()


async def test_the_hub_may_be_the_one_that_connects_by_datagrams() -> None:
    hub = Hub()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.setblocking(False)
        far.bind(("127.0.0.1", 0))
        async with running(hub, connect=f"udp://127.0.0.1:{far.getsockname()[1]}") as adapter:
            assert adapter.local is not None
            await loop.sock_sendto(far, b"a 1\n", adapter.local)
            assert (await soon(loop.sock_recvfrom(far, 100)))[0] == b"stored a 1\n"
