"""What became of readings that were handed to a store, by the store's own answer: each is stored, refused or replaced.

A store knows a value by device, metric and observed time, and of two with the same key the one written last stands
(docs/decisions/readings-with-one-key.md). So a reading that takes the place of an earlier one adds none: it counts as `replaced`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from hub.model import Forwarded, Reading
from hub.ports import Refusal
from hub.store.rows import POSITION_METRIC, observed

REMEMBERED_MAX = 500_000
"""Values remembered as written, so that those with the same key are recognised. At 200 values/s the last 40 minutes."""


class Outcome(NamedTuple):
    """Numbers of readings by adapter."""

    stored: Counter[str]
    refused: Counter[str]
    """Nothing of the reading is in the store. Where some of its values are, it is stored, and the others stand in quarantine."""
    replaced: Counter[str]


class Written:
    """Keys of what was written lately: hashes, in two generations, so that memory is bounded and the oldest go first."""

    def __init__(self, values_max: int = REMEMBERED_MAX) -> None:
        self._half = max(1, values_max // 2)
        self._young: set[int] = set()
        self._old: set[int] = set()

    def outcome(self, events: Iterable[Any], refusals: Sequence[Refusal]) -> Outcome:
        """Of a batch that the store has answered; what is no reading and comes from no other hub is not counted."""
        refused = _refused_values(refusals)
        found = Outcome(Counter(), Counter(), Counter())
        for event in events:
            if type(event) is Forwarded:
                found.stored[event.adapter] += 1
            elif type(event) is Reading:
                names = event.values or (POSITION_METRIC,)
                at = observed(event)
                if refused and all((event.device, at, name) in refused for name in names):
                    found.refused[event.adapter] += 1
                elif self._was_there(event.device, at, names):
                    found.replaced[event.adapter] += 1
                else:
                    found.stored[event.adapter] += 1
        return found

    def _was_there(self, device: str, at: int, names: Iterable[str]) -> bool:
        known = False
        for name in names:
            key = hash((device, at, name))
            if key in self._young or key in self._old:
                known = True
            elif len(self._young) >= self._half:
                self._old, self._young = self._young, {key}
            else:
                self._young.add(key)
        return known


def _refused_values(refusals: Sequence[Refusal]) -> set[tuple[str, int, str]]:
    return {
        (refusal.reading.device, observed(refusal.reading), name)
        for refusal in refusals
        if refusal.reading is not None
        for name in refusal.reading.values or (POSITION_METRIC,)
    }
