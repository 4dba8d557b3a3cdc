"""Values that stand alone: neither the reading before nor the one after bears them out, so they are denied.

A drop-out to zero is the base of a rise that never was, a spike the height of a fall. Which it was is known with the next value:
then the lone one is taken out of windows and memories, before anything is judged. (The measure is that of Argo's spike test, which
takes the slope off: a value between its neighbours never stands alone. Argo Quality Control Manual for CTD data, test 9.)
A first value has none before it: where the second leaves it and the third stays with the second, the first stood alone.
"""

from __future__ import annotations

from typing import NamedTuple

from rules.state.subject import Subject
from rules.state.track import Leap


class Denied(NamedTuple):
    at: int
    told: int
    value: float


def settle(
    subject: Subject, metric: str, by: float, before: float | None, value: float, before_at: int, at: int, told: int
) -> Denied | None:
    """Take the next value of a metric; the earlier one that it shows to have stood alone, if any. `before`: the value before
    it, None where there is none, or none lately; `by`: values further apart do not bear each other out."""
    leap = subject.leaps.pop(metric, None)
    if before is None:
        subject.own("leaps")[metric] = Leap(at, told, None, None)
        return None
    far = abs(value - before) >= by
    if leap is None or leap.at != before_at:
        if far:
            subject.own("leaps")[metric] = Leap(at, told, before, None)
        return None
    if leap.before is None:
        if far:  # one of the first two is wrong, or it moves as fast as that
            subject.own("leaps")[metric] = Leap(at, told, before, (leap.at, leap.told, before))
        return None
    if far and (before > leap.before) == (before > value):
        if abs(value - leap.before) >= by:
            subject.own("leaps")[metric] = Leap(at, told, leap.before, leap.base)
        return Denied(leap.at, leap.told, before)
    if far:
        subject.own("leaps")[metric] = Leap(at, told, before, None)
    return Denied(*leap.base) if leap.base is not None else None
