"""Durations, moments and ids of alerts as text."""

from __future__ import annotations

from functools import lru_cache

from hub.bilingual import CHANGES_ZH, Text
from hub.model import Change
from hub.moment import to_text as write_moment
from rules.language.types import seconds_text

duration = seconds_text


@lru_cache(maxsize=4096)
def to_text(at: int) -> str:
    """ISO 8601 with Z; remembered, since a flood of alerts repeats the same few moments."""
    return write_moment(at)


moment = to_text


def by(change: Change, who: str) -> Text:
    """Who did something with a warning."""
    return Text(f"{change.value} by {who}", f"由{who}{CHANGES_ZH[change]}")


def until(at: int) -> Text:
    return Text(f" until {to_text(at)}", f"，至{to_text(at)}")


SHELF_OVER = Text("the time it was shelved for is over", "搁置时间已到")
SHELF_OUTGROWN = Text("it has risen above the level at which it was shelved", "已升至高于搁置时的级别")


def alert_id(rule: str, subject: str, observed: int) -> str:
    """`rule@subject@time`, the time being when what raised it was observed."""
    return f"{rule}@{subject}@{to_text(observed)}"
