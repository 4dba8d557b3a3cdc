"""What the bounds of a series' samples, the least and the greatest of them, say of a comparison over a window: mostly that it cannot hold, so that
the window need not be looked at."""

from __future__ import annotations

from typing import NamedTuple

from rules.figures.ranks import NEAR
from rules.language import ir

INVERSE = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}


class Bound(NamedTuple):
    """Where it is false, the comparison does not hold."""

    window: ir.Window
    which: str
    """`high`, `low`, or `width`, what lies between these two."""
    then: str
    """The operator and the limit."""


_BETWEEN = ("mean", "min", "max", "last", "percentile")
"""Figures that lie between the least and the greatest sample."""
_WITHIN = ("delta", "rise", "fall", "largest_step")
"""Figures that are no greater than what lies between these two."""


def bound(node: ir.Node, wanted: bool) -> Bound | None:
    """What the bounds of the samples say of that comparison (`wanted` False: of its contrary); None where they say nothing. Figures are rounded,
    so a little more is let through."""
    match node:
        case ir.Comparison(
            op=">" | ">=" | "<" | "<=" as op,
            left=ir.Window() as window,
            right=ir.Const(value=float() | int() as limit),
        ) if window.around.which not in _TOLD_TO_PLACES:
            sign = op if wanted else INVERSE[op]
            up = sign[0] == ">"
            then = f"{sign} {limit - NEAR if up else limit + NEAR!r}"
            if window.function in _BETWEEN:
                return Bound(window, "high" if up else "low", then)
            if up and window.function in _WITHIN:
                return Bound(window, "width", then)
    return None


_TOLD_TO_PLACES = ("passing", "same zone", "ahead")
"""Whose figures are kept of places or pooled once for all who ask (`rules.state.answers`)."""
