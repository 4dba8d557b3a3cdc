"""What became of readings that were handed to a store, by the store's own answer: each is stored, refused or replaced.

A store knows a value by device, metric and observed time, and of two with the same key the one written last stands
(docs/decisions/readings-with-one-key.md). So a reading that takes the place of an earlier one adds none: it counts as `replaced`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from hub.model import Forwarded, Reading
from hub.ports import Refusal
from hub.store.rows import POSITION_METRIC, observed

REMEMBERED_MAX = 300_000
"""Readings remembered as written, so that values with the same key are recognised. At 100 readings/s the last 50 minutes."""


class Outcome(NamedTuple):
    """Numbers of readings by adapter."""

    stored: Counter[str]
    refused: Counter[str]
    """Nothing of the reading is in the store. Where some of its values are, it is stored, and the others stand in quarantine."""
    replaced: Counter[str]


class Written:
    """What was written lately: a hash of whose and when each reading was, and the names of its values, in two generations, so that memory is
    bounded and the oldest go first."""

    def __init__(self, readings_max: int = REMEMBERED_MAX) -> None:
        self._half = max(1, readings_max // 2)
        self._young: dict[int, tuple[str, ...]] = {}
        self._old: dict[int, tuple[str, ...]] = {}
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}
        """Each list of names once: devices of a kind tell the same."""

    def outcome(self, events: Iterable[Any], refusals: Sequence[Refusal]) -> Outcome:
        """Of a batch that the store has answered; what is no reading and comes from no other hub is not counted."""
        refused = _refused_values(refusals)
        stored: dict[str, int] = defaultdict(int)
        found = Outcome(Counter(), Counter(), Counter())
        for event in events:
            if type(event) is Reading:
                names = tuple(event.values) or (POSITION_METRIC,)
                at = event.received_at if event.observed_at is None else event.observed_at  # `observed`, a call less
                if refused and all((event.device, at, name) in refused for name in names):
                    found.refused[event.adapter] += 1
                elif self._was_there(event.device, at, names):
                    found.replaced[event.adapter] += 1
                else:
                    stored[event.adapter] += 1
            elif type(event) is Forwarded:
                stored[event.adapter] += 1
        found.stored.update(stored)
        return found

    def _was_there(self, device: str, at: int, names: tuple[str, ...]) -> bool:
        """Whether one of these values was written before; remembers them."""
        place = hash((device, at))
        before = self._young.get(place) or self._old.get(place)
        told = names if before is None else tuple(dict.fromkeys((*before, *names)))
        if len(self._young) >= self._half and place not in self._young:
            self._old, self._young, self._names = self._young, {}, {}
        self._young[place] = self._names.setdefault(told, told)
        return before is not None and not set(names).isdisjoint(before)


def _refused_values(refusals: Sequence[Refusal]) -> set[tuple[str, int, str]]:
    return {
        (refusal.reading.device, observed(refusal.reading), name)
        for refusal in refusals
        if refusal.reading is not None
        for name in refusal.reading.values or (POSITION_METRIC,)
    }
