"""What one person or token sees of the city: every list, stream, count and export asks here.

Who is granted everything sees the hub's own objects untouched. For anybody else what they may not see is not there at all: not in
lists, not in the evidence of a warning, not among its cameras, not in counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.access import Item, Principal
from hub.api.state import State
from hub.live import DeviceState
from hub.model import Alert, AlertChange, Camera, Zone

_GONE = object()
NAMING = ("device", "subject", "station", "camera", "source", "target", "gauge", "sensor")
"""Keys of evidence that say whose the rest of the object is."""


class Sight:
    """One principal's view. Made for each request; `right`: what it is asked about."""

    def __init__(self, state: State, who: Principal, right: str = "view") -> None:
        self._state, self._who, self._right = state, who, right
        self.whole = who.everywhere(right)

    # ---------------------------------------------------------------------------------------------- what is it

    def item(self, device: str, kind: str = "", area: str = "") -> Item:
        """A device as grants see it. Parts of a registered device (`panel-7/loop-2`) belong where it does."""
        registered, name = self._state.registry.devices, device
        while name not in registered and "/" in name:
            name = name.rpartition("/")[0]
        found = registered.get(name)
        if found is not None:
            fleet = found.attributes.get("fleet", "")
            return Item(device, found.kind, found.area, f"{fleet:g}" if isinstance(fleet, float) else str(fleet))
        heard = self._state.live.devices.get(device)
        return Item(device, heard.kind if heard else kind, area)

    def device(self, device: str, kind: str = "", area: str = "") -> bool:
        return self.whole or self._who.may(self._right, self.item(device, kind, area))

    def there(self, device: str) -> bool:
        """Whether there is such a device and it is seen: who may not see it hears the same as of one that is not there."""
        return (device in self._state.registry.devices or device in self._state.live.devices) and self.device(device)

    def camera(self, camera: Camera) -> bool:
        return self.whole or self._who.may(self._right, Item(camera.camera, "camera", camera.area))

    def zone(self, zone: Zone) -> bool:
        """A zone lies in the area that its property `area` names, else it is an area by its own name."""
        return self.whole or self._who.may(
            self._right, Item(f"zone:{zone.zone}", zone.kind, str(zone.limits.get("area", zone.zone)))
        )

    def subject(self, subject: str, area: str = "") -> bool:
        """A warning's subject or the target of planned work: a device, a pair (both must be seen), `zone:NAME`, `area:NAME`."""
        if self.whole:
            return True
        what, colon, name = subject.partition(":")
        if colon and what == "area":
            return self._who.may(self._right, Item(subject, "area", name))
        if colon and what == "zone":
            zones = self._state.registry.zones
            found = [zones[name]] if name in zones else [zone for zone in zones.values() if zone.kind == name]
            if found:
                return all(self.zone(zone) for zone in found)
            return self._who.may(self._right, Item(subject, "zone", area or name))
        if subject in self._state.registry.devices or subject in self._state.live.devices:
            return self.device(subject, area=area)
        return all(self.device(part, area=area) for part in subject.split("+"))

    def change(self, change: AlertChange) -> bool:
        return self.whole or self.subject(change.subject, change.area)

    def alert(self, alert: Alert) -> bool:
        return self.whole or self.subject(alert.subject, alert.changes[-1].area)

    # ---------------------------------------------------------------------------------------------- lists of them

    def devices(self, found: Iterable[DeviceState]) -> Iterable[DeviceState]:
        return found if self.whole else (item for item in found if self.device(item.device))

    def known(self) -> tuple[str, ...] | None:
        """The ids of all devices that are seen; None where all are."""
        if self.whole:
            return None
        names = {**self._state.registry.devices, **self._state.live.devices}
        return tuple(name for name in names if self.device(name))

    # ---------------------------------------------------------------------------------------------- inside an object

    def of(self, shown: dict[str, Any]) -> dict[str, Any]:
        """The object without what it tells of others: neighbours in evidence, cameras, stretches of a way."""
        if self.whole:
            return shown
        return {key: kept for key, value in shown.items() if (kept := self._scrubbed(value)) is not _GONE}

    def _scrubbed(self, value: Any) -> Any:
        if isinstance(value, dict):
            if any(isinstance(value.get(key), str) and self._hidden(value[key]) for key in NAMING):
                return _GONE
            kept = {key: self._scrubbed(item) for key, item in value.items() if not self._hidden(key)}
            return {key: item for key, item in kept.items() if item is not _GONE}
        if isinstance(value, list):
            return [kept for item in value if (kept := self._scrubbed(item)) is not _GONE]
        return _GONE if isinstance(value, str) and self._hidden(value) else value

    def _hidden(self, name: str) -> bool:
        """Whether this text is the name of something there is and that is not seen."""
        registry = self._state.registry
        if name in registry.devices or name in self._state.live.devices:
            return not self.device(name)
        if name in registry.cameras:
            return not self.camera(registry.cameras[name])
        if name.startswith(("zone:", "area:")) or "+" in name:
            return not self.subject(name)
        return False
