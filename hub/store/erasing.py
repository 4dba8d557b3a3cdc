"""Personal data out of a store when it is due (`[store] keep_personal_days`): what persons' devices told, with its rollups, and who and where in warnings, and what people
wrote about them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

import msgspec

from hub.bilingual import Text
from hub.error_words import of_system
from hub.metrics import vocabulary
from hub.model import AlertChange
from hub.pairs import members
from hub.personal import Personal, devices_named, masked_change, moves, names_in, names_somebody
from hub.ports import StoreUnavailable
from hub.store.rollups import DAY, RollupStore

AT_A_TIME = 7 * DAY
"""Warnings looked at in one go."""
KindOf = Callable[[str], str | None]
"""Device → its kind, None where nobody knows it."""


class Told(NamedTuple):
    """Who told what before a time, of what a store has."""

    kinds: set[str]
    """All kinds that there are rows or rollups of; "" for devices without one."""
    naming: set[str]
    """Devices that named somebody."""
    placed: set[str]
    """Devices without a kind that told a place."""
    warned_since: int | None
    """The day of the oldest warning, or some time in it, ns; None where there is none."""


class ErasingStore(RollupStore, Protocol):
    """A store that personal data can be taken out of. Blocking; raises `StoreUnavailable`."""

    def told(self, before: int, naming: Sequence[str]) -> Told:
        """`naming`: the metrics that name somebody; `before` in ns."""
        ...

    def erase(self, before: int, kinds: Collection[str], devices: Collection[str]) -> None:
        """Drop all raw rows and rollups older than `before` of devices of these kinds, and of these devices."""
        ...

    def reword(self, changes: Sequence[tuple[AlertChange, AlertChange]]) -> None:
        """Put the second of each pair in the place of the first, which has the same id and time."""
        ...


class Eraser:
    """Erases once a day of UTC, and once after a start."""

    def __init__(
        self,
        store: ErasingStore,
        personal: Personal,
        keep_days: float,
        kind_of: KindOf,
        forget: Callable[[int], None] = lambda before: None,
    ) -> None:
        """`keep_days`: 0 keeps for ever. `forget` takes out what people wrote before a time, ns; raises OSError."""
        self._forget = forget
        self._store, self._personal, self._keep_days, self._kind_of = store, personal, keep_days, kind_of
        self._done = 0

    def step(self, now: int) -> None:
        """Take out what is due at `now`, ns. Raises `StoreUnavailable`; what is left is then done at the next step."""
        before = now - int(self._keep_days * DAY)
        before -= before % DAY
        if not self._keep_days or before <= self._done:
            return
        told = self._store.told(before, sorted(filter(names_somebody, vocabulary())))
        kinds = {kind for kind in told.kinds if kind and self._personal.kind(kind)}
        devices = told.naming | told.placed
        self._store.erase(before, kinds, devices)
        oldest = before if told.warned_since is None else told.warned_since - told.warned_since % DAY
        for start in range(max(self._done, oldest), before, AT_A_TIME):
            self._reword(self._store.changes(start, min(start + AT_A_TIME, before)), devices)
        try:
            self._forget(before)
        except OSError as error:
            said = of_system(error)
            raise StoreUnavailable(
                Text(f"notes that are due cannot be taken out: {said.en}", f"到期的备注无法删除：{said.zh}")
            ) from error
        self._done = before

    def _reword(self, changes: Iterable[AlertChange], devices: Collection[str]) -> None:
        due: list[tuple[AlertChange, AlertChange]] = []
        for _, group in groupby(
            sorted(changes, key=lambda change: (change.alert, change.ordinal)), key=lambda change: change.alert
        ):
            history = list(group)
            private = any(self._is_private(change, devices) for change in history)
            named = {
                name
                for change in history
                for name in devices_named(change.evidence, lambda name: self._kind_of(name) is not None)
            }
            persons = {name for name in named if name in devices or self._personal.kind(self._kind_of(name) or "")}
            persons |= set(_subjects(history[0], self._kind_of)) if private else set()
            names = [name for change in history for name in names_in(change, private, persons)]
            masked = [
                msgspec.structs.replace(masked_change(change, private, persons, names), note="") for change in history
            ]
            due += [(old, new) for old, new in zip(history, masked, strict=True) if old != new]
        if due:
            self._store.reword(due)

    def _is_private(self, change: AlertChange, devices: Collection[str]) -> bool:
        for name in _subjects(change, self._kind_of):
            kind = self._kind_of(name)
            if name in devices or (moves(change) if kind is None else bool(kind) and self._personal.kind(kind)):
                return True
        return False


def _subjects(change: AlertChange, kind_of: KindOf) -> list[str]:
    """The devices that a warning is about; none for a zone or an area, which stand still."""
    if change.subject.startswith(("zone:", "area:")):
        return []
    return list(members(change.subject, lambda name: kind_of(name) is not None))
