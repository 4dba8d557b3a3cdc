"""What a destination refused for good is seen wherever an operator looks, until somebody has seen to it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hub.moment import from_text
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city
from tests.adapters.http_peer import http_peer
from tests.dashboards.browser import Browser

pytestmark = pytest.mark.acceptance

PANEL = "document.getElementById('tab-hub').innerText"
TAB = "document.getElementById('for-hub').innerText"


async def test_dead_letters_are_counted_and_can_be_read_wherever_an_operator_looks(tmp_path: Path) -> None:
    status = 404
    async with http_peer(lambda heard: (status, b"no such page")) as peer:
        api = free_port()
        toml = f'[[sinks]]\nname = "video"\nprotocol = "webhook"\nurl = "{peer.url}/alerts"\n'
        city = write_city(tmp_path / "city", toml, api)
        hub = await asyncio.to_thread(RunningHub, city, api)
        try:
            assert 'cityhub_dead_letters{destination="video"} 0' in await asyncio.to_thread(hub.get, "/metrics")
            await asyncio.to_thread(refused, hub)
            assert await asyncio.to_thread(hub.stop) == 0
            hub = await asyncio.to_thread(RunningHub, city, api)
            await asyncio.to_thread(seen, hub)  # they are on disk, and so is what is said of them
            told = await asyncio.to_thread(cityhub, "health", city)
            assert "video has refused 1 warnings for good since" in told.stderr
            assert "cityhub delivery DIR list" in told.stderr

            status = 200
            await asyncio.to_thread(read_and_offered, tmp_path, api)
            assert (await asyncio.to_thread(hub.get, "/api/v1/status"))["dead_letters"] == []
            metrics = await asyncio.to_thread(hub.get, "/metrics")
            assert 'cityhub_dead_letters{destination="video"} 0' in metrics
            assert "cityhub_dead_letters_since_seconds{" not in metrics
            assert "refused" not in (await asyncio.to_thread(cityhub, "health", city)).stderr
        finally:
            assert await asyncio.to_thread(hub.stop) == 0


async def test_a_destination_that_has_taken_nothing_yet_is_not_said_to_have_taken_all(tmp_path: Path) -> None:
    """It was down, a warning waited for it, and the list ended with "every destination has taken what it was given"."""
    api, nobody = free_port(), free_port()
    toml = f'[[sinks]]\nname = "video"\nprotocol = "webhook"\nurl = "http://127.0.0.1:{nobody}/path/of/secrets"\n'
    city = write_city(tmp_path / "city", toml, api)
    hub = await asyncio.to_thread(RunningHub, city, api)
    try:
        well = await asyncio.to_thread(cityhub, "delivery", city, "list")
        assert "every destination has taken what it was given" in well.stdout
        await asyncio.to_thread(hub.reading, {"water_depth": 0.5}, "underpass-1")
        await asyncio.to_thread(hub.wait, lambda: hub.reader("delivery/video")["state"] != "up", "it is up")
        listed = await asyncio.to_thread(cityhub, "delivery", city, "list")
        assert "no dead letters" in listed.stdout
        assert "taken what it was given" not in listed.stdout
        assert f"127.0.0.1:{nobody} cannot be reached: Connection refused" in listed.stdout
        assert "secrets" not in listed.stdout, "a path may be a secret"
    finally:
        assert await asyncio.to_thread(hub.stop) == 0


def refused(hub: RunningHub) -> None:
    hub.reading({"water_depth": 0.5}, "underpass-1")
    hub.wait(lambda: bool(hub.get("/api/v1/status")["dead_letters"]), "nothing says that the warning was refused")
    seen(hub)


def seen(hub: RunningHub) -> None:
    [letters] = hub.get("/api/v1/status")["dead_letters"]
    assert (letters["destination"], letters["count"]) == ("video", 1)
    [letter] = hub.get("/api/v1/delivery")["dead_letters"]
    assert letter["at"] == letters["since"]
    metrics = hub.get("/metrics")
    assert 'cityhub_dead_letters{destination="video"} 1' in metrics
    [since] = [line for line in metrics.splitlines() if line.startswith("cityhub_dead_letters_since_seconds{")]
    assert abs(float(since.split()[1]) - from_text(letter["at"]) / 1e9) < 0.001
    assert 'cityhub_dead_letters_lost_total{destination="video"} 0' in metrics


def read_and_offered(folder: Path, api: int) -> None:
    with Browser(folder) as browser:
        browser.go(f"http://127.0.0.1:{api}/#hub")
        browser.wait(f"{PANEL}.includes('1 refused for good')", "the console does not say that a warning was refused")
        browser.wait(f"{TAB}.includes('1')", "the tab does not say that there is something to see to")
        browser.ask("document.querySelector('[data-letters=video]').click()")
        browser.wait(
            f"{PANEL}.includes('water 50 cm deep') && {PANEL}.includes('no such page')", "the letter cannot be read"
        )
        browser.ask("document.querySelector('[data-offer=video]').click()")
        browser.wait(f"{PANEL}.includes('offered again 1 · taken 1')", "it was not offered again")
        browser.wait(f"!{PANEL}.includes('refused for good')", "what was taken is still shown as refused")
        assert browser.errors == []
