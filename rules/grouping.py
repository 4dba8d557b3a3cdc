"""Twenty sensors, one flood: alerts of one rule that arise near each other and soon after each other carry one group."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.subject import Subject

WITHIN_NS = 3_600_000_000_000
"""A group takes in alerts up to an hour after the last that joined."""
CELL_DEG = 0.05
"""Places are cells of about 5 km; a group reaches into the cells beside them and through an area of the registry."""
MAX_GROUPS = 10_000
"""Places remembered; beyond, those longest quiet are forgotten."""

Groups = dict[str, tuple[str, int]]
"""Place of a rule → (group, when an alert last joined, ns)."""


def join(groups: Groups, rule: str, subject: Subject, alert: str, at: int) -> str:
    """The group that a new alert belongs to, named after the alert that began it; the alert's own id where it is the first."""
    place, beside = _places(rule, subject)
    known = [groups[key] for key in beside if key in groups and abs(at - groups[key][1]) <= WITHIN_NS]
    group = min((name for name, _ in known), default=alert)
    for key in place:
        groups[key] = (group, max(at, groups.get(key, ("", at))[1]))
    if len(groups) > MAX_GROUPS:
        for key in sorted(groups, key=lambda key: (groups[key][1], key))[: MAX_GROUPS // 10]:
            del groups[key]
    return group


def _places(rule: str, subject: Subject) -> tuple[list[str], list[str]]:
    """Keys of where the subject is, and of where its group may be known."""
    place: list[str] = []
    beside: list[str] = []
    if subject.area:
        place.append(f"{rule}|area {subject.area}")
    if subject.position is not None:
        x, y = floor(subject.position.lon / CELL_DEG), floor(subject.position.lat / CELL_DEG)
        place.append(f"{rule}|{x}|{y}")
        beside = [f"{rule}|{x + i}|{y + j}" for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return place, [*place[:1], *beside] if subject.area else beside
