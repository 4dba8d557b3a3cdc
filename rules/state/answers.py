"""What devices have answered to the conditions that rules ask of them, for as long as they cannot answer otherwise.

Many rules ask the same of the same gauge: every gauge down the river asks all those above it. An answer hangs on what the device has
told, and on time only where a value grows too old or a sample leaves a window. So it is given again until one of these comes, or the
device says something; and only while its windows still begin where they began when it was asked. To ask again would then change
nothing, not even a window, so that an engine resumed from a snapshot, which asks again, says and remembers the same.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from rules.language.codegen import Question
from rules.state.subject import Subject
from rules.state.windows import Window

FOR_GOOD = 1 << 62


class _Answer(NamedTuple):
    """What was answered, from which moment and until which it holds, and where the windows began that it hangs on."""

    meets: bool
    since: int
    until: int
    windows: tuple[tuple[Window, int], ...]


class Answers:
    """The answers that hold, by device and question."""

    def __init__(self) -> None:
        self._of: dict[str, dict[Question, _Answer]] = {}

    def of(self, device: Subject, now: int, question: Question) -> bool:
        """Whether the device meets the condition at that moment."""
        given = self._of.get(device.id)
        if given is None:
            given = self._of[device.id] = {}
        known = given.get(question)
        if known is not None and known.since <= now < known.until:
            for window, begins in known.windows:
                if window.begins != begins:
                    break
            else:
                return known.meets
        meets = question.meets(device, now)
        windows = [found for key in question.windows if (found := device.windows.get(key)) is not None]
        given[question] = _Answer(
            meets, now, _until(device, now, question), tuple((window, window.begins) for window in windows)
        )
        return meets

    def forget(self, device: str) -> None:
        """The device says something: what it answered before counts no longer."""
        if device in self._of:
            del self._of[device]

    def forget_all(self) -> None:
        self._of.clear()


def _until(device: Subject, now: int, question: Question) -> int:
    """When time alone may change the answer: a value grows too old, or a sample leaves a window."""
    until = FOR_GOOD
    for series in question.series:
        told = device.last_t.get(series)
        if told is not None and now - told <= question.age_ns:
            until = min(until, told + question.age_ns + 1)
    for key in question.windows:
        samples = device.samples.get(key.series)
        if samples is not None:
            reach = key.size_ns + key.closed
            oldest = bisect_right(samples.times, now - reach)
            if oldest < len(samples.times):
                until = min(until, samples.times[oldest] + reach)
    return until
