"""Every file of a data folder, harmed in every way: the hub comes up, warns and delivers, and has what it acknowledged."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.app.editions import Editions
from hub.app.hub import Hub
from hub.log import Cursors, Log
from hub.model import Message, Reading, Verdict
from hub.moment import SECOND
from hub.ports import SeriesQuery
from hub.whole_file import damaged, read, replace
from tests.acceptance.running import write_city
from tests.hub.running import running

READINGS = 40
PENDING = "underpass-1"


class Desk:
    """A webhook's receiver on a loopback port."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.status = 200
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line
                )
                body = json.loads(await reader.readexactly(length))
                if self.status == 200:
                    self.bodies.append(body)
                writer.write(b"HTTP/1.1 %d OK\r\ncontent-length: 0\r\n\r\n" % self.status)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def warning(folder: Path, desk: Desk) -> AsyncIterator[Hub]:
    server = await asyncio.start_server(desk.answer, "127.0.0.1", desk.port)
    desk.port = server.sockets[0].getsockname()[1]
    write_city(
        folder,
        '[api]\nlisten = "127.0.0.1:0"\n'
        f'[[sinks]]\nname = "desk"\nprotocol = "webhook"\nurl = "http://127.0.0.1:{desk.port}/"\n',
    )
    try:
        async with running(folder) as hub:
            yield hub
    finally:
        server.close()


async def tell(hub: Hub, device: str, *readings: tuple[int, dict[str, Any]]) -> None:
    messages = [Message([Reading(device, at, values)], [], device) for at, values in readings]
    assert set(await hub.state.door.submit(messages)) == {Verdict.STORED}


async def until(what: Callable[[], bool], why: str, seconds: float = 60.0) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not what():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(why)


async def lived(folder: Path) -> None:
    """A hub that took readings, raised and cleared a warning, delivered both, and was stopped."""
    desk = Desk()
    async with warning(folder, desk) as hub:
        now = hub.now()
        await tell(hub, "gauge-7", *((now - n * SECOND, {"water_level": n / 100}) for n in range(READINGS)))
        await tell(
            hub, "underpass-1", (now - 9 * SECOND, {"water_depth": 0.5}), (now - 5 * SECOND, {"water_depth": 0.0})
        )
        await until(lambda: {"raised", "cleared"} <= {body["change"] for body in desk.bodies}, "nothing was delivered")
        await hub.drain(20)
    async with warning(folder, desk):  # the second start leaves a second segment, a second edition of every file
        pass


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lived")
    asyncio.run(lived(folder))
    return folder


def wrong_type(data: bytes) -> bytes:
    return b"[1, 2]" if data[:1] == b"{" else b'{"a": 1}'


HARMS: dict[str, Callable[[Path], None]] = {
    "deleted": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "zeroed": lambda path: path.write_bytes(bytes(min(4096, path.stat().st_size)) + path.read_bytes()[4096:]) and None,
    "random": lambda path: path.write_bytes(os.urandom(max(100, path.stat().st_size))) and None,
    "wrong type": lambda path: path.write_bytes(wrong_type(path.read_bytes())) and None,
}


def files(folder: Path) -> list[Path]:
    found = (path.relative_to(folder) for path in (folder / "var").rglob("*") if path.is_file())
    return sorted(path for path in found if path.name != "lock")


def test_a_data_folder_has_the_files_that_are_harmed(city: Path) -> None:
    names = {path.name for path in files(city)}
    assert {
        "ledger.json",
        "editions.json",
        "rules.snapshot",
        "delivery.db",
        "history.duckdb",
        "delivery.desk.cursor",
    } <= names
    assert {path.parent.name for path in files(city)} >= {"events", "alerts", "cursors"}


@pytest.mark.parametrize("harm", HARMS)
async def test_whatever_becomes_of_a_file_the_hub_comes_up_warns_and_keeps_what_it_had(
    city: Path, tmp_path: Path, harm: str
) -> None:
    few = asyncio.Semaphore(4)  # each hub mostly waits for its disk

    async def harmed(number: int, name: Path) -> None:
        async with few:
            folder = tmp_path / str(number)
            shutil.copytree(city, folder)
            HARMS[harm](folder / name)
            await goes_on(folder, f"{name} was {harm}")

    await asyncio.gather(*(harmed(number, name) for number, name in enumerate(files(city))))


async def goes_on(folder: Path, what: str) -> None:
    """A hub on that folder warns, delivers, and has every reading, once."""
    desk = Desk()
    fresh = {"raised", "escalated"}
    async with warning(folder, desk) as hub:
        await tell(hub, "underpass-1", (hub.now(), {"water_depth": 0.6}))
        await until(
            lambda: any(body["change"] in fresh and body["values"]["depth"] == 0.6 for body in desk.bodies),
            f"{what}, and the new warning was not delivered",
        )
        assert await hub.drain(30), what
        rows = await asyncio.to_thread(hub.store.series, SeriesQuery(device="gauge-7", metric="water_level"))
        assert sorted(row.value for row in rows) == [n / 100 for n in range(READINGS)], what
        assert all(counts.balances() for counts in hub.ledger.adapters.values()), what
        assert all(hub.ledger.waiting("store", adapter) == 0 for adapter in hub.ledger.adapters), what


async def test_a_lost_cursor_means_again_and_not_from_now_on(city: Path, tmp_path: Path) -> None:
    folder = tmp_path / "city"
    shutil.copytree(city, folder)
    desk = Desk()
    desk.status = 503
    async with warning(folder, desk) as hub:
        for n in range(10):
            await tell(hub, "underpass-1", (hub.now(), {"water_depth": 0.5 if n % 2 == 0 else 0.0}))
        await until(lambda: hub.log.alerts.next >= 6, f"only {hub.log.alerts.next} changes")
        await hub.drain(20)
        made: list[str] = []
        while len(made) < hub.log.alerts.next:
            made += [change.id for change in hub.log.alerts.read_now(len(made)).entries]
    (folder / "var" / "cursors" / "delivery.desk.cursor").unlink()
    desk.status = 200
    async with warning(folder, desk) as hub:
        await until(
            lambda: hub.delivering.destinations.couriers["desk"].status.cursor >= len(made), "not all was delivered"
        )
        await until(lambda: {body["id"] for body in desk.bodies} >= set(made[2:]), "the pending ones were skipped")
    assert len(desk.bodies) == len(made) - 2  # two were on record as taken
    assert hub.delivering.destinations.couriers["desk"].status.skipped == 0


def test_a_file_that_cannot_be_used_is_kept_under_a_name_with_the_time(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert read(path, json.loads, {}) == {}
    replace(path, b'{"a": 1}')
    assert read(path, json.loads, {}) == {"a": 1}
    for content in (b"\xff\xfe", b"", b"{"):
        path.write_bytes(content)
        assert read(path, json.loads, {"b": 2}) == {"b": 2}
        assert not path.exists()
    assert len(list(tmp_path.glob("x.json.damaged-2*"))) == 3
    assert all("x.json could not be used" in sentence for sentence in damaged(tmp_path))


def test_names_of_new_and_replaced_files_are_made_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd))[1])
    replace(tmp_path / "ledger.json", b"{}")
    assert synced == [str(tmp_path)]
    synced.clear()
    for _ in range(
        2
    ):  # also where they are there: a process killed before it synced them has left names that a power cut takes
        cursors = Cursors(tmp_path / "data" / "cursors")
        assert {str(tmp_path / "data" / "cursors"), str(tmp_path / "data"), str(tmp_path)} <= set(synced)
        synced.clear()
    cursors.set("rules", 1)
    cursors.set("rules", 2)
    assert synced == [str(tmp_path / "data" / "cursors")]


async def test_what_a_device_sends_again_after_a_restart_is_known(tmp_path: Path) -> None:
    """It heard no answer, because the hub was killed behind the sync; the log has it once."""
    folder, desk = tmp_path / "city", Desk()
    at = time.time_ns()
    for life in range(3):
        async with warning(folder, desk) as hub:
            await tell(hub, "gauge-7", (at, {"water_level": 1.25}), (at + 1 + life, {"water_level": 2.0 + life}))
            await hub.drain(20)
    counts = hub.ledger.of("api")
    assert (counts.received, counts.duplicate, counts.logged) == (6, 2, 4)
    assert hub.ledger.stored["store"]["api"] == 4


async def test_a_new_destination_hears_of_what_the_hub_had_not_judged_when_it_was_killed(tmp_path: Path) -> None:
    """The first life took a reading and was killed before anything else: its warning is the second life's to deliver."""
    folder, desk = tmp_path / "city", Desk()
    at = time.time_ns()
    (folder / "var").mkdir(parents=True)
    log = Log(folder / "var" / "log")
    Cursors(folder / "var" / "cursors").set("delivery.desk", 0)  # as the first life began, before it took anything
    await log.events.append(
        [Reading("underpass-1", at, {"water_depth": 0.6}, received_at=at, adapter="api", kind="underpass-gauge")]
    )
    await log.close()
    async with warning(folder, desk):
        await until(lambda: [body["change"] for body in desk.bodies] == ["raised"], "it was not delivered")


async def test_a_new_destination_has_its_place_before_anything_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int | None] = []
    begin = Editions.begin

    async def noted(editions: Editions, *given: Any) -> None:
        begun.append(Cursors(tmp_path / "city" / "var" / "cursors").get("delivery.desk"))
        await begin(editions, *given)

    monkeypatch.setattr(Editions, "begin", noted)
    async with warning(tmp_path / "city", Desk()):
        assert begun == [0]
