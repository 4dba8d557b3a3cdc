"""An exercise: it goes to one destination the way that warnings go, says what it is, and leaves no trace among them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city
from tests.adapters.http_peer import Heard, http_peer

pytestmark = pytest.mark.acceptance


async def test_a_destination_is_tried_end_to_end(tmp_path: Path) -> None:
    answers = iter([200, 200, 500, 410])

    def answer(_: Heard) -> tuple[int, bytes]:
        return next(answers), b"{}"

    async with http_peer(answer) as peer:
        api = free_port()
        toml = f'[[sinks]]\nname = "video"\nprotocol = "webhook"\nurl = "{peer.url}/alerts"\nlevels = ["red"]\n'
        city = write_city(tmp_path / "city", toml, api)
        hub = await asyncio.to_thread(RunningHub, city, api)
        try:
            done = await asyncio.to_thread(cityhub, "delivery", city, "test", "video")
            assert (done.returncode, "video took the exercise" in done.stdout) == (0, True), done.stderr
            raised, cleared = (json.loads(item.body) for item in peer.heard)
            assert (raised["change"], cleared["change"]) == ("raised", "cleared"), (
                "although the destination wants red alone"
            )
            assert raised["rule"] == "exercise/delivery-test"
            assert "EXERCISE" in raised["title"]
            assert "演练" in raised["title"]
            assert raised["alert"] == cleared["alert"]

            failed = await asyncio.to_thread(cityhub, "delivery", city, "test", "video", "--json")
            assert failed.returncode == 1
            assert json.loads(failed.stdout)["taken"] is False
            assert "500" in json.loads(failed.stdout)["detail"]
            status, problem = await asyncio.to_thread(hub.post, "/api/v1/delivery/test", {"name": "vidoe"})
            assert (status, "'video'" in problem["detail"]) == (404, True)
            found = await asyncio.to_thread(hub.get, "/api/v1/delivery")
            assert found["dead_letters"] == []
            assert {item["outcome"] for item in found["attempts"]} == {"taken", "failed"}, "every attempt is on record"
            assert (await asyncio.to_thread(hub.get, "/api/v1/alerts"))["open"] == [], "an exercise is no warning here"
        finally:
            assert await asyncio.to_thread(hub.stop) == 0
    nowhere = await asyncio.to_thread(cityhub, "delivery", city, "test", "video")
    assert (nowhere.returncode, "needs one" in nowhere.stderr) == (1, True)
