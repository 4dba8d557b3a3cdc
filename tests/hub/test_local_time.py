"""Times without an offset: the hour that comes twice in autumn, and the one that spring leaves out."""

from __future__ import annotations

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from adapters.json.mapping import read_map
from adapters.wallclock import WallClock
from hub.app.plugins import Plugins
from hub.model import FaultKind
from hub.moment import LocalOrder, candidates, from_local, from_text, in_one_message, to_text

ZURICH = ZoneInfo("Europe/Zurich")
LIVE = [("02:50", "00:50"), ("02:30", "01:30"), ("02:45", "01:45")]
"""What the device's clock shows, and when (UTC) that is received: 25 October 2026, clocks go back at 01:00 UTC."""


def utc(text: str) -> int:
    return from_text(f"2026-10-25T{text}:00Z")


@pytest.mark.parametrize(("shown", "received"), LIVE)
def test_live_the_moment_nearest_to_reception_is_meant(shown: str, received: str) -> None:
    assert from_text(f"2026-10-25T{shown}:00", ZURICH, utc(received)) == utc(received)
    map = read_map({"device": "a", "time": {"path": "t", "zone": "Europe/Zurich"}, "values": {"ph": "v"}})
    pattern = read_map(
        {
            "device": "a",
            "time": {"path": "t", "format": "%Y-%m-%d %H:%M", "zone": "Europe/Zurich"},
            "values": {"ph": "v"},
        }
    )
    for one in (map, pattern):
        message = one.decode(f'{{"t":"2026-10-25 {shown}","v":7}}'.encode(), utc(received))
        assert [to_text(reading.observed_at or 0) for reading in message.readings] == [to_text(utc(received))]
    hour, minute = int(shown[:2]), int(shown[3:])
    assert WallClock(ZURICH).ns(bytes((26, 10, 25, hour, minute, 0)), utc(received)) == utc(received)


@pytest.mark.parametrize(
    ("shown", "received", "meant"),
    [
        ("02:40", "01:20", "00:40"),  # kept for 40 min: the other moment is 20 min ahead
        ("02:59", "01:05", "00:59"),
        ("02:25", "01:20", "01:25"),  # a clock that is 5 min ahead
        ("02:40", "02:30", "01:40"),
        ("02:10", "00:05", "00:10"),
    ],
)
def test_what_was_kept_for_a_while_is_never_taken_for_what_is_yet_to_come(
    shown: str, received: str, meant: str
) -> None:
    assert from_text(f"2026-10-25T{shown}:00", ZURICH, utc(received)) == utc(meant)


@pytest.mark.parametrize(("shown", "received"), LIVE)
def test_a_frame_of_hj212_too(shown: str, received: str) -> None:
    from adapters.hj212.checksum import crc16

    data = f"ST=22;CN=2011;MN=S1;CP=&&DataTime=20261025{shown.replace(':', '')}00;a34004-Rtd=35&&".encode()
    codec = Plugins()["hj212"].codec({"zone": "Europe/Zurich"})  # type: ignore[misc]
    (message,) = codec.feed(b"##%04d%b%04X\r\n" % (len(data), data, crc16(data)), utc(received))
    assert [reading.observed_at for reading in message.readings] == [utc(received)]


def test_what_cannot_be_told_is_a_fault_that_says_so() -> None:
    with pytest.raises(ValueError, match="comes twice"):
        from_text("2026-10-25T02:30:00", ZURICH)
    with pytest.raises(ValueError, match="spring leaves out"):
        from_text("2026-03-29T02:30:00", ZURICH, from_text("2026-03-29T01:30:00Z"))
    map = read_map({"device": "a", "time": {"path": "t", "zone": "Europe/Zurich"}, "values": {"ph": "v"}})
    message = map.decode(b'{"t":"2026-03-29 02:30","v":7}', from_text("2026-03-29T01:30:00Z"))
    assert [fault.kind for fault in message.faults] == [FaultKind.TIME]
    assert "spring leaves out" in message.faults[0].detail


def test_half_an_hour_that_comes_twice() -> None:
    """Lord Howe goes back by 30 minutes at 02:00."""
    zone = ZoneInfo("Australia/Lord_Howe")
    late = from_text("2026-04-04T15:15:00Z")
    assert len(candidates(datetime.fromisoformat("2026-04-05T01:45"), zone)) == 2
    assert from_local(datetime.fromisoformat("2026-04-05T01:45"), zone, late) == late
    assert WallClock(zone).ns(bytes((26, 4, 5, 1, 45, 0)), late) == late


def chosen(texts: list[str]) -> list[str]:
    order = LocalOrder()
    return [
        to_text(order.choose("a", candidates(datetime.fromisoformat(f"2026-10-25T{text}"), ZURICH)))[11:16]
        for text in texts
    ]


def test_in_a_file_the_order_of_the_rows_tells() -> None:
    rising = ["01:45", "02:15", "02:45", "02:15", "02:45", "03:15"]
    moments = ["23:45", "00:15", "00:45", "01:15", "01:45", "02:15"]
    assert chosen(rising) == moments
    assert chosen(rising[::-1]) == moments[::-1]
    assert chosen(["02:30", "02:30"]) == ["00:30", "01:30"]
    with pytest.raises(ValueError, match="stand in the rows before"):
        chosen(["02:30", "02:30", "02:30"])


@pytest.mark.parametrize(
    ("shown", "received", "meant"),
    [
        ("01:50 02:10 02:30 02:50 02:10 02:30 02:50 03:10", "02:11", "23:50 00:10 00:30 00:50 01:10 01:30 01:50 02:10"),
        ("03:10 02:50 02:30 02:10 02:50 02:30 02:10 01:50", "02:11", "02:10 01:50 01:30 01:10 00:50 00:30 00:10 23:50"),
        ("02:50 02:30 02:45", "01:46", "00:50 01:30 01:45"),
        ("02:10 02:30 02:50", "02:11", "01:10 01:30 01:50"),
        ("02:10 02:30 02:50", "00:51", "00:10 00:30 00:50"),
        ("02:30 02:30", "01:31", "00:30 01:30"),
        ("02:50 02:10 02:40 02:20 02:30", "01:51", "01:50 01:10 01:40 01:20 01:30"),
        ("02:30+02:00 02:30+01:00", "01:31", "00:30 01:30"),
    ],
)
def test_an_array_that_reaches_over_both_hours_keeps_all_its_rows(shown: str, received: str, meant: str) -> None:
    """All were put into the hour nearest to the moment of receiving, and the second hour's values took the place of the first's."""
    found = read_map(
        {"each": "[*]", "device": "{d}", "time": {"path": "t", "zone": "Europe/Zurich"}, "values": {"water_level": "v"}}
    )
    rows = [{"d": d, "t": f"2026-10-25T{at}", "v": n} for n, at in enumerate(shown.split()) for d in "ab"]
    message = found.decode(json.dumps(rows).encode(), from_text(f"2026-10-25T{received}:00Z"))
    assert message.faults == []
    for device in "ab":
        times = [to_text(one.observed_at or 0)[11:16] for one in message.readings if one.device == device]
        assert times == meant.split()
    assert [one.values["water_level"] for one in message.readings] == [float(row["v"]) for row in rows]  # type: ignore[arg-type]


def test_rows_of_one_moment_that_say_different_things_stay_together() -> None:
    level, flow = frozenset(["water_level"]), frozenset(["water_flow"])
    both = (0, 3600)
    assert in_one_message([(level, both), (flow, both)], 3700) == [3600, 3600]
    assert in_one_message([(level, both), (flow, both), (level, both), (flow, both)], 3700) == [0, 0, 3600, 3600]
