"""Destinations that are added, changed and removed while the hub runs: none misses a warning, none hears one twice, others notice nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.webhook.sink import WebhookOptions
from hub.app.destinations import Destinations
from hub.client import AsyncClient, calls
from hub.delivery import Journal
from hub.delivery.line import Line
from hub.health import Health
from hub.log import Cursors, Log
from hub.model import AlertChange, Change
from hub.options import SinkConfig
from hub.ports import Delivery
from tests.acceptance.ports import free_port
from tests.acceptance.running import write_city
from tests.adapters.http_peer import HttpPeer, http_peer
from tests.hub.couriers import until
from tests.hub.running import running


def to(peer: HttpPeer, name: str = "video", **options: str) -> SinkConfig:
    return SinkConfig(name, "webhook", WebhookOptions(url=f"{peer.url}/", **options), (), (), (), 1)  # type: ignore[arg-type]


def got(peer: HttpPeer) -> list[str]:
    """The warnings that it was sent, in order."""
    return [json.loads(heard.body)["alert"] for heard in peer.heard]


class City:
    """Log and destinations, without a hub."""

    def __init__(self, folder: Path) -> None:
        self.log, self.cursors = Log(folder / "log"), Cursors(folder / "cursors")
        self.health = Health()
        self.destinations = Destinations(self.log, folder)
        self.destinations.show_in(self.health)

    async def has(self, *sinks: SinkConfig) -> list[str]:
        if not self.destinations.couriers:
            await self.destinations.begin((), self.cursors)
        return await self.destinations.take_over(sinks, self.destinations.prepared(sinks))

    async def raises(self, *alerts: str) -> None:
        said: Sequence[AlertChange] = [AlertChange(name, 1, 0, "flood", name, Change.RAISED, "red") for name in alerts]
        await self.log.alerts.append(said)


@asynccontextmanager
async def city_in(folder: Path) -> AsyncIterator[City]:
    city = City(folder)
    try:
        yield city
    finally:
        await city.destinations.close()
        await city.log.close()


async def test_a_changed_destination_goes_on_where_it_was_and_others_are_not_disturbed(tmp_path: Path) -> None:
    async with http_peer() as old, http_peer() as new, http_peer() as other, city_in(tmp_path) as city:
        assert await city.has(to(old), to(other, "desk")) == ["destination video: started", "destination desk: started"]
        desk = city.destinations.couriers["desk"]
        await city.raises("a", "b")
        await until(lambda: got(old) == ["a", "b"])
        assert await city.has(to(new), to(other, "desk")) == ["destination video: started anew"]
        await city.raises("c")
        await until(lambda: got(new) == ["c"] and got(other) == ["a", "b", "c"])
        assert (got(old), got(new)) == (["a", "b"], ["c"])
        assert city.destinations.couriers["desk"] is desk
        assert await city.has(to(new), to(other, "desk")) == []
        assert {part.name for part in city.health.parts()} == {"destination/video", "destination/desk"}


async def test_what_a_wrong_address_did_not_take_goes_to_the_right_one_in_order(tmp_path: Path) -> None:
    async with http_peer(lambda heard: (503, b"")) as wrong, http_peer() as right, city_in(tmp_path) as city:
        await city.has(to(wrong))
        await city.raises("a", "b")
        await until(lambda: len(got(wrong)) >= 1)
        await city.has(to(right))
        await until(lambda: got(right) == ["a", "b"])


async def test_a_destination_that_is_gone_keeps_its_place_and_a_new_one_begins_at_the_end(tmp_path: Path) -> None:
    async with http_peer() as peer, http_peer() as late, city_in(tmp_path) as city:
        await city.has(to(peer))
        await city.raises("a")
        await until(lambda: got(peer) == ["a"])
        assert await city.has() == ["destination video: stopped"]
        assert not city.destinations.couriers
        assert not city.destinations.states()
        assert not city.health.parts()
        await city.raises("b")
        await city.has(to(peer), to(late, "late"))
        await city.raises("c")
        await until(lambda: got(peer) == ["a", "b", "c"] and got(late) == ["c"])


async def test_a_secret_that_was_renewed_is_taken_and_one_that_is_missing_changes_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("whsec_" + "YWJj" * 8)
    async with http_peer() as peer, city_in(tmp_path) as city:
        await city.has(to(peer, secret_file=str(secret)))
        before = city.destinations.couriers["video"]
        secret.write_text("whsec_" + "ZGVm" * 8)
        assert await city.has(to(peer, secret_file=str(secret))) == ["destination video: started anew"]
        assert city.destinations.couriers["video"] is not before
        with pytest.raises(ValueError, match="CITY_NO_SUCH_SECRET"):
            await city.has(to(peer, secret_file=str(secret)), to(peer, "desk", secret_env="CITY_NO_SUCH_SECRET"))
        assert list(city.destinations.couriers) == ["video"]
        await city.raises("a")
        await until(lambda: got(peer) == ["a"])


@pytest.mark.acceptance
async def test_a_running_hub_takes_its_destinations_from_the_edited_folder(tmp_path: Path) -> None:
    async with http_peer() as old, http_peer() as new:
        api = free_port()
        folder = write_city(tmp_path, api=api)
        plain, toml = (folder / "hub.toml").read_text(), folder / "hub.toml"
        block = '[[sinks]]\nname = "video"\nprotocol = "webhook"\nurl = "{}/"\n'
        async with running(folder) as hub, AsyncClient(f"http://127.0.0.1:{api}") as client:
            for depth, text, said in (
                (0.2, block.format(old.url), "destination video: started"),
                (0.5, "# a line more\n" + block.format(new.url), "destination video: started anew"),
            ):
                toml.write_text(plain + text)
                told = await client.ask(calls.reload())
                assert (told.mistakes, told.applied, told.restart) == ([], [said], [])
                await client.ask(calls.readings([{"device": "underpass-1", "values": {"water_depth": depth}}]))
                await until(lambda: len(got(new)) + len(got(old)) >= (1 if depth == 0.2 else 2))  # noqa: B023
            assert (len(got(old)), len(got(new))) == (1, 1)
            toml.write_text(plain + block.format(new.url) + 'secret_env = "CITY_NO_SUCH_SECRET"\n')
            told = await client.ask(calls.reload())
            assert told.applied == []
            assert "CITY_NO_SUCH_SECRET" in told.mistakes[0]
            shown = (await client.ask(calls.delivery())).destinations
            assert [item["name"] for item in shown] == ["video"]
            toml.write_text(plain)
            assert (await client.ask(calls.reload())).applied == ["destination video: stopped"]
            assert hub.state.config.sinks == ()
            assert not (await client.ask(calls.delivery())).destinations


async def test_a_line_that_is_left_in_the_middle_of_a_batch_is_not_waited_for(tmp_path: Path) -> None:
    """Nothing that could still come would settle what has been taken of the batch, so ten seconds of patience would help nobody."""
    line = Line("up", Journal(tmp_path / "delivery.db"))
    first, second = asyncio.Event(), asyncio.Event()

    async def offer(_: int) -> Delivery:
        first.set()
        await second.wait()
        return Delivery(True)

    async def batch() -> None:
        for part in range(3):
            await line.hand_over(f"part {part}", offer)

    work = asyncio.create_task(batch())
    await first.wait()
    leaving = asyncio.create_task(line.leave(3600))
    await asyncio.sleep(0)
    assert not leaving.done()
    second.set()
    async with asyncio.timeout(60):
        await leaving
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert len(line.journal.attempts("up")) == 1
    line.journal.close()


async def test_a_line_that_waits_after_a_failure_is_left_at_once(tmp_path: Path) -> None:
    """Nothing is being handed over between two attempts: a reload does not wait for a destination that is down."""
    waits = asyncio.Event()

    async def sleep(_: float) -> None:
        if line.status.failed:
            waits.set()
            await asyncio.Event().wait()

    async def offer(_: int) -> Delivery:
        return Delivery(False, detail="HTTP 503")

    line = Line("up", Journal(tmp_path / "delivery.db"), sleep=sleep)
    work = asyncio.create_task(line.hand_over("change", offer))
    async with asyncio.timeout(60):
        await waits.wait()
        await line.leave(3600)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert [attempt.outcome for attempt in line.journal.attempts("up")] == ["failed"]
    line.journal.close()
