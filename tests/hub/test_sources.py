"""Adapters listen when the hub says that it is ready: a device that comes at once is not refused."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from hub.app import sources
from tests.acceptance.ports import free_port
from tests.acceptance.running import write_city
from tests.hub.running import running

BLOCK = '[[adapters]]\nname = "{}"\nprotocol = "nmea0183"\nlisten = "tcp://127.0.0.1:{}"\ndevice = "boat"\n'


def listens(port: int) -> bool:
    """Asked without a turn of the event loop."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except ConnectionRefusedError:
        return False
    return True


async def test_a_hub_that_has_started_listens(tmp_path: Path) -> None:
    one, two = free_port(), free_port()
    city = write_city(tmp_path, BLOCK.format("one", one) + BLOCK.format("two", two), api=free_port())
    async with running(city):
        assert listens(one)
        assert listens(two)


async def test_adapters_that_change_places_listen_when_the_reload_is_over(tmp_path: Path) -> None:
    one, two, three = free_port(), free_port(), free_port()
    city = write_city(tmp_path, BLOCK.format("one", one) + BLOCK.format("two", two), api=free_port())
    async with running(city) as hub:
        toml = (city / "hub.toml").read_text()
        (city / "hub.toml").write_text(toml.replace(f":{two}", f":{three}").replace(f":{one}", f":{two}"))
        told = await hub.reload()
        assert set(told.applied) == {"adapter one: started anew", "adapter two: started anew"}
        assert [listens(port) for port in (one, two, three)] == [False, True, True]


async def test_a_port_that_cannot_be_had_holds_no_start_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LISTENS_WITHIN_S", 3600.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        city = write_city(tmp_path, BLOCK.format("one", taken.getsockname()[1]), api=free_port())
        async with asyncio.timeout(60), running(city) as hub:
            part = hub.ingest.doors["one"].status
            assert part.state == "down"
            assert "in use by another program" in part.reason


async def test_adapters_are_started_and_stopped_one_call_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload that began before a role was taken over, and ended after it, forgot the adapters of that role: none of their blocks could be changed
    or taken out any more."""
    within, most = 0, 0

    async def run(wanted: object) -> list[str]:
        nonlocal within, most
        within += 1
        most = max(most, within)
        await asyncio.sleep(0.01)
        within -= 1
        return []

    async with running(write_city(tmp_path)) as hub:
        with monkeypatch.context() as patched:
            patched.setattr(hub.sources, "run", run)
            await asyncio.gather(*(hub._run_adapters() for _ in range(3)))
    assert most == 1
