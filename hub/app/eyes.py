"""The cameras for a change of a warning: as many and as near as its rule wishes, and who will see what moves on."""

from __future__ import annotations

from hub.cameras import Cameras
from hub.cameras.following import ahead, follow
from hub.model import AlertChange, Change
from rules.book import RuleBook

PICKED = 3
WITHIN_M = 1000.0
WATCHES_MAX = 12
ASKS_FOR_CAMERAS = frozenset({Change.RAISED, Change.ESCALATED})


def look(change: AlertChange, cameras: Cameras, book: RuleBook) -> None:
    """Add the cameras that see the place to a change that wants eyes on it; where its subject moves, also the hand-over list."""
    if change.position is None or change.change not in ASKS_FOR_CAMERAS or not len(cameras):
        return
    rule = book.rule(change.rule)
    wish = rule.cameras if rule else {}
    need = str(wish.get("need", ""))
    need = need if need in cameras.tasks else ""
    picked, within = int(wish.get("pick", PICKED)), float(wish.get("within_m", WITHIN_M))
    ranked = cameras.rank(change.position, picked, within, need)
    # A change that another hub forwarded names the cameras there: those of both, the best first.
    change.cameras = sorted([*ranked, *change.cameras], key=lambda view: -view.score) if change.cameras else ranked
    if change.motion is not None and not change.late and change.origin is None:
        change.handover = follow(cameras, ahead(change.position, change.motion), need)[:WATCHES_MAX]
