"""Devices that knocked and were not known: the newest and the most persistent, however many strangers come between."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import msgspec

PASSING_MAX = 2_000
RETURNING_MAX = 2_000
"""Devices remembered per door: of those that came once, and of those that came again. Each kind makes room only among itself,
so a flood of ids that come once each moves out nobody who keeps knocking, and the newest one is always shown."""
NAME_MAX = 200
"""Characters of an id that are kept."""


class Knock(msgspec.Struct):
    """A device that the registry does not know, and how often it came."""

    device: str
    adapter: str
    kind: str
    count: int
    first_at: int
    last_at: int


class Knocks:
    """Bounded memory of them, for each door its own."""

    def __init__(self) -> None:
        self._doors: dict[str, tuple[OrderedDict[str, Knock], OrderedDict[str, Knock]]] = {}

    def note(self, device: str, adapter: str, kind: str, at: int) -> None:
        """It came, and was not known."""
        device = device[:NAME_MAX]
        passing, returning = self._doors.setdefault(adapter, (OrderedDict(), OrderedDict()))
        seen = returning.get(device) or passing.pop(device, None)
        if seen is None:
            passing[device] = Knock(device, adapter, kind, 1, at, at)
            if len(passing) > PASSING_MAX:
                passing.popitem(last=False)
            return
        seen.count += 1
        seen.last_at = at
        returning[device] = seen
        returning.move_to_end(device)
        if len(returning) > RETURNING_MAX:
            returning.popitem(last=False)

    def values(self) -> list[Knock]:
        """All that is remembered, who came last first."""
        found = [knock for parts in self._doors.values() for part in parts for knock in part.values()]
        return sorted(found, key=lambda knock: -knock.last_at)

    def __getitem__(self, device: str) -> Knock:
        """The newest knock of that device at any door. Raises KeyError."""
        found = [part[device] for parts in self._doors.values() for part in parts if device in part]
        if not found:
            raise KeyError(device)
        return max(found, key=lambda knock: knock.last_at)

    def __iter__(self) -> Iterator[str]:
        return iter({knock.device: None for knock in self.values()})

    def __len__(self) -> int:
        return sum(len(part) for parts in self._doors.values() for part in parts)
