"""Marks as numbers: the column `quality` of stores and exports."""

from __future__ import annotations

from collections.abc import Mapping

from hub.model import USABLE_MARKS, Mark

QUALITY: Mapping[str, int] = {mark.value: code for code, mark in enumerate(Mark, 1)}
"""The device's own marks as numbers, in the order of `Mark`; 0 is "nothing said against it"."""
DOUBTED = 10
"""Any other mark: the hub's own quality tests doubt the value."""
GOOD = frozenset({0, *(QUALITY[mark] for mark in USABLE_MARKS)})
"""Quality of what enters rollups, means and buckets. All other marks say that the value does not hold: HJ 212's flags but for what
people entered, and what the hub's own tests found suspect or failed (QARTOD 3 and 4)."""
_MARKS = {code: mark for mark, code in QUALITY.items()}


def quality(mark: str) -> int:
    """The code of one mark; 0 for none."""
    return QUALITY.get(mark, DOUBTED) if mark else 0


def mark_of(code: int) -> str:
    """The mark that stands behind a code, "" for 0. Of `DOUBTED` nobody knows any more which it was: "doubted"."""
    return _MARKS.get(code, "doubted") if code else ""
