"""Groups of warnings against a plain recomputation: one table of places, searched and sorted whole."""

from __future__ import annotations

from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.model import Device, Position
from rules.state import groups
from rules.state.groups import CELL_DEG, WITHIN_NS, Groups
from rules.state.subject import Subject

MAX = 20
ALERT = st.tuples(
    st.sampled_from(("a/fire", "a/flood", "b/fire")), st.sampled_from(("", "north", "so|uth")),
    st.one_of(st.none(), st.tuples(st.integers(0, 6), st.integers(0, 6))), st.integers(-1, 3),
)  # fmt: skip


def plain(known: dict[str, tuple[str, int]], rule: str, subject: Subject, alert: str, at: int) -> str:
    """The group of an alert, by one table of rule and place."""
    places = beside = [f"|area {subject.area}"] if subject.area else []
    if subject.position is not None:
        x, y = floor(subject.position.lon / CELL_DEG), floor(subject.position.lat / CELL_DEG)
        places, beside = (
            [*places, f"|{x}|{y}"],
            [*beside, *(f"|{x + i}|{y + j}" for i in (-1, 0, 1) for j in (-1, 0, 1))],
        )
    found = [known[rule + where] for where in beside if rule + where in known]
    group = min((name for name, last in found if abs(at - last) <= WITHIN_NS), default=alert)
    for where in places:
        known[rule + where] = (group, max(at, known.get(rule + where, ("", at))[1]))
    if len(known) > MAX:
        for key in sorted(known, key=lambda key: (known[key][1], key))[: MAX // 10]:
            del known[key]
    return group


@settings(deadline=None)
@given(st.lists(ALERT, max_size=120), st.integers(0, 120))
def test_groups_are_those_of_a_plain_table(
    told: list[tuple[str, str, tuple[int, int] | None, int]], resumed: int
) -> None:
    """Also where the oldest are forgotten, and from what a snapshot holds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(groups, "MAX_PLACES", MAX)
        made, known, at = Groups(), {}, 0  # type: ignore[var-annotated]
        for number, (rule, area, cell, step) in enumerate(told):
            at += step * WITHIN_NS // 2
            position = Position(116 + cell[0] * CELL_DEG, 39 + cell[1] * CELL_DEG) if cell else None
            subject = Subject(Device("d", area=area, position=position), None)
            if number == resumed:
                made = Groups(made.freeze())
            joined = made.join(rule, area, position, f"alert {number}", at)
            assert joined == plain(known, rule, subject, f"alert {number}", at)
            assert made.freeze() == known
        made.go_back(at - WITHIN_NS)
        assert made.freeze() == {key: (group, min(last, at - WITHIN_NS)) for key, (group, last) in known.items()}
