"""Time passing, into the log: one tick after another, never back, whatever the machine's clock does.

Small steps back are waited out: the tick repeats the last one's time. A larger one is told by a tick that is earlier, which is how
the rules learn that the clock was set back. A jump ahead, be it a clock put right or a machine that slept, is a time in which
the hub was deaf: nobody's silence counts it. So is the time in which no machine of the city takes anything in, though the one that judges works.
"""

from __future__ import annotations

from hub.model import Deaf, Tick
from hub.moment import SECOND
from rules.judging.setback import BACK_NS

AHEAD_NS = 60 * SECOND
"""From tick to tick the clock does not go further by itself."""
USUAL_TIMES = 20
"""Nor further than so many usual steps: a clock that hurries, as in the demo, makes long ones."""


class Ticking:
    """What the ticker writes. Pure: it is told what the clock says."""

    def __init__(self, last: int | None = None) -> None:
        """`last`: the time of the last entry in the log."""
        self._last = last
        self._usual = 0

    def entries(self, now: int, deaf: bool = False) -> list[Deaf | Tick]:
        """The entries for a clock that says `now`. `deaf`: nobody listened since the last."""
        last = self._last
        if last is None or now < last - BACK_NS:
            self._last = now
            return [Tick(now)]
        if now <= last:
            return [Tick(last)]
        step, self._last = now - last, now
        if deaf or (self._usual and step > max(AHEAD_NS, USUAL_TIMES * self._usual)):
            return [Deaf(last, now), Tick(now)]
        self._usual = step
        return [Tick(now)]
