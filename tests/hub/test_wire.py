"""The JSON object of a change, in the shape that CONTRACTS promises."""

from __future__ import annotations

import json

from hub.model import AlertChange, CameraView, Change, Position
from hub.wire import change_to_json

PROMISED = ["at", "rule", "subject", "change", "level", "values", "position", "cameras", "alert"]


def test_a_change_has_every_promised_key() -> None:
    change = AlertChange(
        "r/s/t", 3, 1_357_974_000_000_000_000, "air-cn/pm25-hourly", "us-embassy", Change.ESCALATED, "red"
    )
    wire = change_to_json(change)
    assert set(PROMISED) <= set(wire)
    assert (wire["at"], wire["change"], wire["id"], wire["ordinal"]) == (
        "2013-01-12T07:00:00Z",
        "escalated",
        "r/s/t#3",
        3,
    )
    assert (wire["position"], wire["cameras"], wire["values"]) == (None, [], {})


def test_everything_in_it_is_json() -> None:
    change = AlertChange(
        "a", 0, 0, "r", "s", Change.RAISED, "red", "t",
        {"x": float("inf"), "alarms": ["a"], "on": True}, Position(116.4, 39.9, 5.0),
        [CameraView("c", 1.0, float("nan"), 0.0, False, "r", "n", "rtsp://x")],
        [{"deep": [{"n": float("-inf")}, (1, 2)]}],
    )  # fmt: skip
    wire = json.loads(json.dumps(change_to_json(change), allow_nan=False))
    assert wire["values"] == {"x": None, "alarms": ["a"], "on": True}
    assert wire["position"] == [116.4, 39.9]
    assert wire["cameras"][0]["distance_m"] is None
    assert wire["evidence"] == [{"deep": [{"n": None}, [1, 2]]}]
