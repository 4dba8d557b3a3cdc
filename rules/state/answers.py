"""What devices have answered to the conditions that rules ask of them, for as long as they cannot answer otherwise; and figures over the windows
of those on the same grounds.

Many rules ask the same of the same gauge: every gauge down the river asks all those above it. An answer hangs on what the device has
told, and on time only where a value grows too old or a sample leaves a window. So it is given again until one of these comes, or the
device says something. To ask again would then change nothing that is remembered, so that an engine resumed from a snapshot, which asks
again, says and remembers the same: how far a window was moved on is remembered only of those that keep a running sum, and these have to
begin where they began when it was asked.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from rules.language import ir
from rules.language.ir import WindowKey
from rules.language.writer import Question
from rules.state.pooling import pooled
from rules.state.subject import Subject
from rules.state.windows import Window

FOR_GOOD = 1 << 62


class _Answer:
    """What was answered and when, until which moment it holds (0 until somebody asks at another), and where the windows with sums began
    that it hangs on."""

    __slots__ = ("at", "meets", "until", "windows")

    def __init__(self, meets: bool, at: int, windows: tuple[tuple[Window, int], ...]) -> None:
        self.meets = meets
        self.at = at
        self.until = 0
        self.windows = windows

    def holds(self, device: Subject, now: int, question: Question) -> bool:
        """Whether to ask the device again would change nothing, if it has told nothing since."""
        if now != self.at:
            if now < self.at:
                return False
            if not self.until:
                self.until = _until(device, self.at, question)
            if now >= self.until:
                return False
        return all(window.begins == begins for window, begins in self.windows)


class _Figure(NamedTuple):
    """A figure over the windows of some devices, from which moment and until which it holds, and how the windows stood: where each began, and its sum."""

    figure: float | None
    since: int
    until: int
    windows: tuple[tuple[Window, int, float | None], ...]
    node: ir.Window
    """What was asked; kept so that nothing else gets its `id`."""

    def holds(self, now: int) -> bool:
        """Whether to pool the windows again would change neither them nor the figure, if no device has told anything since. The sum has to be the
        same object: one that went on and came back may differ in its last bit."""
        if self.since <= now < self.until:
            for window, begins, total in self.windows:
                if window.begins != begins or window._sum is not total:
                    break
            else:
                return True
        return False


_Asked = tuple[int, tuple[Subject, ...]]
"""The `id` of a node, and whom it asks."""


class Answers:
    """The answers that hold, by device and question; and figures over several devices, by what and whom they were asked."""

    def __init__(self, summed: frozenset[WindowKey] = frozenset()) -> None:
        """`summed`: the windows of which some rule asks the sum or the mean."""
        self._summed = summed
        self._of: dict[str, dict[Question, _Answer]] = {}
        self._figures: dict[_Asked, _Figure] = {}
        self._part_of: dict[str, set[_Asked]] = {}
        """By device, the figures that it is part of."""

    def of(self, device: Subject, now: int, question: Question) -> bool:
        """Whether the device meets the condition at that moment."""
        given = self._of.get(device.id)
        if given is None:
            given = self._of[device.id] = {}
        known = given.get(question)
        if known is not None and ((known.at == now and not known.windows) or known.holds(device, now, question)):
            return known.meets
        meets = question.meets(device, now)
        given[question] = _Answer(meets, now, self._with_sums(device, question))
        return meets

    def _with_sums(self, device: Subject, question: Question) -> tuple[tuple[Window, int], ...]:
        """The windows it was asked for that keep a running sum, or may yet get one, and where they begin."""
        found = [(key, window) for key in question.windows if (window := device.windows.get(key)) is not None]
        return tuple([(w, w.begins) for key, w in found if w.sums or key in self._summed])

    def figure(self, devices: tuple[Subject, ...], now: int, node: ir.Window) -> float | None:
        """The figure over the windows of these devices at that moment; None where there are too few."""
        asked = (id(node), devices)
        known = self._figure(asked)
        if known is not None and known.holds(now):
            return known.figure
        key = WindowKey(node.series, node.size_ns, node.closed)
        windows = [window for device in devices if (window := device.window(key)) is not None]
        figure = pooled(node.function, windows, now, node.parameter, node.at_least)
        until = min((window.until() for window in windows), default=FOR_GOOD)
        stood = tuple((window, window.begins, window._sum) for window in windows)
        self._figures[asked] = _Figure(figure, now, until, stood, node)
        for device in devices:
            self._part_of.setdefault(device.id, set()).add(asked)
        return figure

    def _figure(self, asked: _Asked) -> _Figure | None:
        """What was answered, unless one of the devices has told something since."""
        return self._figures.get(asked)

    def forget(self, device: str) -> None:
        """The device says something: what it answered before counts no longer."""
        if device in self._of:
            del self._of[device]
        for asked in self._part_of.pop(device, ()):
            del self._figures[asked]
            for other in asked[1]:
                if other.id != device:
                    self._part_of[other.id].discard(asked)

    def forget_all(self) -> None:
        self._of.clear()
        self._figures.clear()
        self._part_of.clear()


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
