"""What a service manager hears, and that one which does not read holds nothing up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hub.app import notifying
from hub.app.notifying import keep_alive, notify, reloading


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What a service manager listens on; a short path, for those of sockets are."""
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        path = str(Path(folder) / "notify")
        heard.bind(path)
        heard.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        yield heard


@pytest.fixture
def busy(manager: socket.socket) -> socket.socket:
    """A manager whose socket has room for no word more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way, suppress(BlockingIOError):
        way.setblocking(False)
        while True:
            way.sendto(b"old", manager.getsockname())
    return manager


def heard(manager: socket.socket) -> list[str]:
    """All that was said and not read."""
    said = []
    with suppress(BlockingIOError):
        while True:
            said.append(manager.recv(4096).decode())
    return said


async def test_words_come_as_they_are_said(manager: socket.socket) -> None:
    await notify("READY=1", "STATUS=listening")
    await reloading()
    first, second = heard(manager)
    assert first == "READY=1\nSTATUS=listening"
    assert second.splitlines()[0] == "RELOADING=1"
    assert second.splitlines()[1].removeprefix("MONOTONIC_USEC=").isdigit()


async def test_a_manager_that_reads_late_hears_it_all_the_same(busy: socket.socket) -> None:
    saying = asyncio.create_task(notify("READY=1"))
    await asyncio.sleep(0.1)
    assert not saying.done(), "there was no room for it"
    assert set(heard(busy)) == {"old"}
    await saying
    assert heard(busy) == ["READY=1"]


async def test_a_manager_that_never_reads_holds_nothing_up(
    busy: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifying, "PATIENCE_S", 0.2)
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    alive = asyncio.create_task(keep_alive())
    await notify("STOPPING=1")
    assert not alive.done()
    alive.cancel()
    assert set(heard(busy)) == {"old"}


@pytest.mark.parametrize("address", ["", "/there/is/no/such/socket"])
async def test_nobody_listening_is_no_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    await notify("READY=1")


@pytest.mark.parametrize(("span", "beats"), [("", False), ("soon", False), ("0", False), ("20000", True)])
async def test_it_says_that_it_is_alive_as_often_as_asked(
    span: str, beats: bool, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", span)
    alive = asyncio.create_task(keep_alive())
    await asyncio.sleep(0.1)
    alive.cancel()
    said = heard(manager)
    assert set(said) == ({"WATCHDOG=1"} if beats else set())
    assert len(said) >= 2 * beats


async def test_it_goes_on_saying_that_it_is_alive_after_a_moment_without_memory(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service manager took it for one that hangs."""
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    real, raised = asyncio.sleep, 0

    async def sleep(seconds: float) -> None:
        nonlocal raised
        if seconds and not raised:
            raised += 1
            raise MemoryError
        await real(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    alive = asyncio.create_task(keep_alive())
    await real(0.2)
    assert raised
    assert not alive.done()
    alive.cancel()
    assert len(heard(manager)) >= 2
