"""When a reading counts as observed: never later than it was received.

A device whose clock is ahead would else be the newest for as long as it is ahead, and keep what it says afterwards, with a clock
put right, from being judged.
"""

from __future__ import annotations

from hub.model import Reading
from hub.moment import ON_THE_WAY_NS, SECOND

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


def in_its_turn(at: int, reading: Reading, received: int, newest: int) -> int:
    """When a reading counts as observed, of a device whose newest one is of `newest`; `at` is what `moment` says.

    What is dated right and comes next may have been on its way while this one from the future was received, or know only whole
    seconds: so this one counts as observed `ON_THE_WAY_NS` earlier, but after what was newest.
    """
    if reading.observed_at is None or reading.observed_at <= received or newest >= received:
        return at
    early = at - ON_THE_WAY_NS
    window = received - JUST_BEFORE_NS - ON_THE_WAY_NS
    return early if newest < window + JUST_BEFORE_NS else newest + 1


def as_told(reading: Reading, at: int) -> int:
    """The time under which the store has the reading: what is said of it goes out under that time."""
    return at if reading.observed_at is None else reading.observed_at
