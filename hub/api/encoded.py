"""Devices as JSON, each made once for a change of it and kept: lists and streams put together what is there already.

Of 10,000 devices most have not changed since they were told last, and a thousand viewers are told the same of those that have.
"""

from __future__ import annotations

import msgspec

from hub.api import views
from hub.api.state import State
from hub.live import DeviceState
from hub.model import Device

KEPT_MAX = 50_000
"""Devices; some 400 bytes each. Beyond it everything is made anew now and then."""
_Kept = tuple[DeviceState, int, Device | None, msgspec.Raw]


class Encoded:
    """What is shown of devices, as `views.device` has it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._kept: dict[str, _Kept] = {}
        """Device → its state and turn, what the registry said of it, and the JSON of both."""

    def device(self, seen: DeviceState, registered: Device | None) -> msgspec.Raw:
        """`seen`, `registered`: as the asker's `Sight` hands them out. What was masked for one is a copy; it is made for them alone."""
        name = seen.device
        kept = self._kept.get(name)
        if kept is not None and kept[0] is seen and kept[1] == seen.turn and kept[2] is registered:
            return kept[3]
        made = msgspec.Raw(msgspec.json.encode(views.device(seen, registered)))
        of_all = seen is self._state.live.devices.get(name) and registered is self._state.registry.devices.get(name)
        if of_all:
            if len(self._kept) >= KEPT_MAX and name not in self._kept:
                self._kept.clear()
            self._kept[name] = (seen, seen.turn, registered, made)
        return made
