"""The cameras for a change of a warning: as many and as near as its rule wishes."""

from __future__ import annotations

from hub.cameras import Cameras
from hub.model import AlertChange, Change
from rules.book import RuleBook

PICKED = 3
WITHIN_M = 1000.0
ASKS_FOR_CAMERAS = frozenset({Change.RAISED, Change.ESCALATED})


def look(change: AlertChange, cameras: Cameras, book: RuleBook) -> None:
    """Add the cameras that see the place to a change that wants eyes on it."""
    if change.position is None or change.change not in ASKS_FOR_CAMERAS or not len(cameras) or change.cameras:
        return  # a change that another hub forwarded names the cameras there
    rule = book.rule(change.rule)
    wish = rule.cameras if rule else {}
    need = str(wish.get("need", ""))
    change.cameras = cameras.rank(
        change.position,
        int(wish.get("pick", PICKED)),
        float(wish.get("within_m", WITHIN_M)),
        need if need in cameras.tasks else "",
    )
