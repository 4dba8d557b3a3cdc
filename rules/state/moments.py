"""When a reading counts as observed: never later than it was received.

A device whose clock is ahead would else be the newest for as long as it is ahead, and keep what it says afterwards, with a clock
put right, from being judged.
"""

from __future__ import annotations

from hub.model import Reading

SECOND = 1_000_000_000
JUST_BEFORE_NS = 1_000_000
"""What is dated in the future counts as observed within this time before it was received, a nanosecond for each second that it
is ahead: so the readings of one message keep their order and stay apart, and what comes next is newer than all of them."""


def moment(reading: Reading, clock: int) -> tuple[int, int]:
    """(observed, received) of a reading, for the rules. `clock` stands in where it has no times at all."""
    received = reading.received_at or reading.observed_at or clock
    observed = reading.observed_at
    if observed is None:
        return received, received
    if observed <= received:
        return observed, received
    return received - JUST_BEFORE_NS + min((observed - received) // SECOND, JUST_BEFORE_NS - 1), received


def as_told(reading: Reading, at: int) -> int:
    """The time under which the store has the reading: what is said of it goes out under that time."""
    return at if reading.observed_at is None else reading.observed_at
