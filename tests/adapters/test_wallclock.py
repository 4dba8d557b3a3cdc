"""Six-byte device clocks: zones, calendars and the way back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wallclock import WallClock, zone_named
from hub.moment import SECOND, to_text


@pytest.mark.parametrize(
    ("zone", "stamp", "utc"),
    [
        ("UTC", "180613012b39", "2024-06-19T01:43:57Z"),
        ("Asia/Shanghai", "190a1b140202", "2025-10-27T12:02:02Z"),
        ("+05:30", "190a1b140202", "2025-10-27T14:32:02Z"),
        ("-0400", "190a1b140202", "2025-10-28T00:02:02Z"),
        ("Europe/Berlin", "1907010c0000", "2025-07-01T10:00:00Z"),  # summer time
        ("Europe/Berlin", "1901010c0000", "2025-01-01T11:00:00Z"),
    ],
)
def test_stamps_are_read_in_their_zone(zone: str, stamp: str, utc: str) -> None:
    clock = WallClock(zone_named(zone))
    raw = bytes.fromhex(stamp)
    assert to_text(clock.ns(raw)) == utc
    assert to_text(clock.ns(raw)) == utc  # from the hour it remembers
    assert clock.stamp(clock.ns(raw)) == raw


@pytest.mark.parametrize(
    "stamp", ["190d01000000", "190220000000", "190101180000", "190101003c00", "19010100003c", "ff0001000000"]
)
def test_what_no_calendar_has_is_a_value_error(stamp: str) -> None:
    clock = WallClock(UTC)
    for _ in range(2):
        with pytest.raises(ValueError):  # noqa: PT011 - the codec writes the sentence
            clock.ns(bytes.fromhex(stamp))


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "+99:00", "../etc/passwd", "8"])
def test_an_unknown_zone_is_said(zone: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        zone_named(zone)


@given(st.integers(946_684_800, 9_000_000_000))  # 2000 to 2255, in seconds
def test_every_second_is_read_as_the_calendar_has_it(second: int) -> None:
    moment = datetime.fromtimestamp(second, UTC)
    stamp = bytes((moment.year - 2000, moment.month, moment.day, moment.hour, moment.minute, moment.second))
    assert WallClock(UTC).ns(stamp) == second * SECOND
