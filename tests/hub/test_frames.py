"""What many viewers are told: made once for all who see the same, and never another's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from hub.access import Grant, Principal
from hub.api import views
from hub.api.auth import LOCAL
from hub.api.encoded import Encoded
from hub.api.frames import PIECE_BYTES, Frames
from hub.api.sight import Sight
from hub.app.hub import Hub
from hub.model import Reading
from tests.acceptance.running import write_city
from tests.hub.running import running

VIEWER = Principal("li", "user", (Grant(frozenset({"view"})),))
SOUTH = Principal("chen", "user", (Grant(frozenset({"view"}), areas=("south",)),))


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running(write_city(tmp_path / "city", '[api]\nlisten = "127.0.0.1:0"\n')) as hub:
        yield hub


def hear(hub: Hub, device: str, value: float, kind: str = "river-gauge") -> None:
    at = hub.now()
    hub.live.feed([Reading(device, at, {"water_level": value}, received_at=at, adapter="x", kind=kind)])


async def test_a_device_is_made_anew_when_it_changes_and_only_then(hub: Hub) -> None:
    encoded, sight = Encoded(hub.state), Sight(hub.state, LOCAL)

    def told() -> msgspec.Raw:
        return encoded.device(hub.live.devices["gauge-7"], sight.registered("gauge-7"))

    hear(hub, "gauge-7", 1.0)
    first = told()
    assert first is told()
    hear(hub, "gauge-7", 2.0)
    assert msgspec.json.decode(told())["values"]["water_level"]["value"] == 2.0
    # The registry of a reload is another, whatever it says.
    devices = dict(hub.state.registry.devices)
    devices["gauge-7"] = msgspec.structs.replace(devices["gauge-7"], name="Renamed")
    hub.state.registry = msgspec.structs.replace(hub.state.registry, devices=devices)
    assert msgspec.json.decode(told())["name"] == "Renamed"
    seen = hub.live.devices["gauge-7"]
    assert bytes(told()) == msgspec.json.encode(views.device(seen, devices["gauge-7"]))


async def test_who_sees_the_same_gets_the_same_bytes_and_nobody_anothers(hub: Hub) -> None:
    frames = Frames(hub.state, Encoded(hub.state))
    start = frames.now()
    hear(hub, "gauge-7", 1.0)
    whole = await frames.after(start, LOCAL, "en", 1)
    assert await frames.after(start, LOCAL, "en", 1) is whole
    assert b"gauge-7" in whole.pieces[0]
    assert await frames.after(start, Principal("wang", "user", LOCAL.grants), "en", 1) is whole, (
        "rights count, not names"
    )
    assert b"gauge-7" not in b"".join((await frames.after(start, SOUTH, "en", 1)).pieces)
    # In the next beat there is nothing new; who is behind is told what the others know.
    nothing = await frames.after(whole.end, LOCAL, "en", 2)
    assert [piece.split(b"\n")[1] for piece in nothing.pieces] == [b"event: status"]
    assert b"gauge-7" in (await frames.after(start, LOCAL, "en", 2)).pieces[0]
    # Who comes in the middle of a beat is told with all others in the next one.
    hear(hub, "gauge-7", 2.0)
    assert b"gauge-7" in (await frames.first(nothing.end, LOCAL, "en")).pieces[0], "who has just come waits for no beat"
    newcomer = await frames.first(frames.now(), LOCAL, "en")
    for place in (newcomer.end, nothing.end):
        await frames.after(place, LOCAL, "en", 3)
    assert (await frames.after(newcomer.end, LOCAL, "en", 3)).end == (
        await frames.after(nothing.end, LOCAL, "en", 3)
    ).end


async def test_a_vehicle_is_masked_in_a_frame_though_another_was_told_all(hub: Hub) -> None:
    encoded = Encoded(hub.state)
    frames, start = Frames(hub.state, encoded), Frames(hub.state, encoded).now()
    at = hub.now()
    hub.live.feed([Reading("bus-1", at, {"driver": "Wang Li", "speed": 30.0}, received_at=at, adapter="x", kind="bus")])
    assert b"Wang Li" in (await frames.after(start, LOCAL, "en", 1)).pieces[0]
    told = b"".join((await frames.after(start, VIEWER, "en", 1)).pieces)
    assert b"bus-1" in told
    assert b"Wang Li" not in told
    assert b"Wang Li" in (await frames.after(start, LOCAL, "en", 2)).pieces[0]


async def test_long_news_comes_in_pieces_and_whoever_loses_the_last_hears_all_again(hub: Hub) -> None:
    frames = Frames(hub.state, Encoded(hub.state))
    start = frames.now()
    for number in range(1_000):
        hear(hub, f"station-{number}", float(number))
    frame = await frames.after(start, LOCAL, "en", 1)
    events = [piece for piece in frame.pieces if b"\nevent: devices\n" in piece]
    assert len(events) > 2
    assert max(map(len, events)) < 2 * PIECE_BYTES
    found = [device["device"] for piece in events for device in msgspec.json.decode(piece.split(b"data: ")[1])["devices"]]  # fmt: skip
    assert sorted(found) == sorted(f"station-{number}" for number in range(1_000))
    turns = [int(piece.split(b"\n")[0].split(b"-")[1]) for piece in events]
    assert turns == [start.turn] * (len(events) - 1) + [frame.end.turn]
