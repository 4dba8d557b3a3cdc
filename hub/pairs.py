"""How two that meet are named as one subject, and how that name is taken apart. Nothing else joins or splits names at a plus.

A pair is called `a+b`, sorted. In it a plus of a member's own name is written `%2B`, so there is exactly one bare plus. A name is a
pair's only where it reads so: one plus, something on both sides of it, in order. `+41791234567` and `truck+1` are devices. A device may still
be called as a pair would be (`A+B`): who knows which devices there are says so (`known`), and the device wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable

PAIR = "vessel-pair"
"""The kind of such a subject."""
_JOIN = "+"
_QUOTED = re.compile("%(2B|25)")


def pair_named(one: str, other: str) -> str:
    """The subject that these two are together, whichever is told first."""
    return _JOIN.join(map(_quoted, sorted((one, other))))


def pair_of(name: str) -> tuple[str, str] | None:
    """The two that a name joins, in order; None where it is no pair's."""
    if name.count(_JOIN) != 1:
        return None
    first, _, second = name.partition(_JOIN)
    first, second = _plain(first), _plain(second)
    return (first, second) if first and second and first <= second else None


def members(subject: str, known: Callable[[str], bool] | None = None) -> tuple[str, ...]:
    """Whom a subject is about: both of a pair, else itself. `known` tells which names are devices; such a name is no pair's."""
    if known is not None and known(subject):
        return (subject,)
    return pair_of(subject) or (subject,)


def begins_with(name: str) -> str:
    """How the names of all pairs begin that have this member first."""
    return _quoted(name) + _JOIN


def _quoted(name: str) -> str:
    """Ordinary names are as they are, a percent sign of their own too."""
    if _JOIN not in name and not _QUOTED.search(name):
        return name
    return name.replace("%", "%25").replace(_JOIN, "%2B")


def _plain(name: str) -> str:
    return name.replace("%2B", _JOIN).replace("%25", "%") if _QUOTED.search(name) else name
