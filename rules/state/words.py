"""Durations, moments and ids of alerts as text."""

from __future__ import annotations

from functools import lru_cache

from hub.moment import to_text as write_moment
from rules.language.types import seconds_text

duration = seconds_text


@lru_cache(maxsize=4096)
def to_text(at: int) -> str:
    """ISO 8601 with Z; remembered, since a flood of alerts repeats the same few moments."""
    return write_moment(at)


moment = to_text


def alert_id(rule: str, subject: str, observed: int) -> str:
    """`rule@subject@time`, the time being when what raised it was observed."""
    return f"{rule}@{subject}@{to_text(observed)}"
