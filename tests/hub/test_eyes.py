"""The cameras of a change: those that see the place, and for what moves who will see it when."""

from __future__ import annotations

import json

from adapters.webhook.sink import cloud_event
from hub.app.eyes import WATCHES_MAX, look
from hub.cameras import Cameras
from hub.cameras.following import POINTS_MAX, ahead
from hub.geo import destination
from hub.model import AlertChange, Camera, Change, Motion, Position
from hub.wire import change_line, change_to_json
from rules.book import RuleBook, read_book

LON, LAT = 121.5, 31.2
T = 1_767_225_600_000_000_000


def book() -> RuleBook:
    found = read_book([("city", "r.yaml", "- rule: leak\n  for_each: {kind: k}\n  levels: {red: pm25 > 5 ug/m3}\n")])
    assert isinstance(found, RuleBook), found
    return found


def street(count: int = 4) -> Cameras:
    """Domes every 300 m along a road to the east."""
    return Cameras(
        Camera(
            f"d{n}",
            Position(*destination(LON, LAT, 90, 300.0 * n)),
            ptz=True,
            range_m=160.0,
            gb28181_id=f"{n}",
            name=f"Dome {n}",
        )
        for n in range(count)
    )


def leak(what: Change = Change.RAISED, motion: Motion | None = None, **more: object) -> AlertChange:
    return AlertChange("a", 0, T, "city/leak", "truck", what, "red", position=Position(LON, LAT), motion=motion, **more)  # type: ignore[arg-type]


EAST = Motion(90.0, 15.0)


def test_what_moves_gets_a_hand_over_list_with_times_and_poses() -> None:
    change = leak(motion=EAST)
    look(change, street(), book())
    assert change.cameras[0].camera == "d0"
    seen = [watch.camera for watch in change.handover if watch.camera]
    assert seen == ["d0", "d1", "d2", "d3"]
    second = next(watch for watch in change.handover if watch.camera == "d1")
    assert second.pose is not None
    assert abs(second.pose.azimuth_deg - 270) < 1  # it waits for the truck from the west
    assert second.turn_by_s is not None
    assert second.turn_by_s < second.from_s < 20
    assert "looking W, PTZ" in second.reason


def test_what_stands_is_late_or_ends_gets_none() -> None:
    for change in (leak(), leak(motion=EAST, late=True), leak(Change.CLEARED, EAST), leak(Change.ACKNOWLEDGED, EAST)):
        look(change, street(), book())
        assert change.handover == []


def test_the_list_and_its_looks_are_bounded() -> None:
    for speed in (0.5, 3.0, 15.0, 80.0):
        way = ahead(Position(LON, LAT), Motion(90.0, speed))
        assert len(way) <= POINTS_MAX + 1
        assert way[-1].after_s <= 300
    change = leak(motion=EAST)
    narrow = [
        Camera(f"c{n}", Position(*destination(LON, LAT, 90, 40.0 * n)), range_m=20.0, panoramic=True) for n in range(40)
    ]
    look(change, Cameras(narrow), book())
    assert len(change.handover) == WATCHES_MAX


def test_the_webhook_carries_the_hand_over_list() -> None:
    change = leak(motion=EAST)
    look(change, street(), book())
    for body in (change_to_json(change), json.loads(change_line(change)), cloud_event(change, change.id)["data"]):
        assert body["motion"] == {"course_deg": 90.0, "speed_kmh": 54.0}
        first, *_, last = body["handover"]
        assert first["camera"] == "d0"
        assert first["from"] == "2026-01-01T00:00:00Z"
        assert last["from"] > first["from"]
        assert {"pose", "turn_by_s", "reason", "gb28181_id", "stream_url", "until", "position"} <= set(first)
    assert change_to_json(leak())["motion"] is None
