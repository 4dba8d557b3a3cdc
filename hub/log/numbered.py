"""Places in segment files: entries are numbered one by one, so positions are a range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from hub.ports import Batch, LogPosition


def numbered(first: int, entries: Sequence[Any]) -> Batch:
    """Entries whose numbers follow one another from `first` on."""
    return Batch(entries, cast(Sequence[LogPosition], range(first, first + len(entries) + 1)))
