"""Times as text, to the nanosecond, as far as 64 bits reach."""

from __future__ import annotations

import pytest

from hub.moment import to_text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_787_062_692_250_000_000, "2026-08-18T14:18:12.25Z"),
        (1_787_062_692_250_000_001, "2026-08-18T14:18:12.250000001Z"),
        (1_787_062_692_000_000_000, "2026-08-18T14:18:12Z"),
        (-(1 << 63), "1677-09-21T00:12:43.145224192Z"),
        ((1 << 63) - 1, "2262-04-11T23:47:16.854775807Z"),
    ],
)
def test_a_moment_as_text(at: int, text: str) -> None:
    assert [to_text(at), to_text(at)] == [text, text], "also when its second was asked for before"


def test_what_is_beyond_all_calendars_is_refused() -> None:
    for _ in range(2):
        with pytest.raises(OverflowError):
            to_text(1 << 90)
