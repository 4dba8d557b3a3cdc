"""What one person or token sees of the city: every list, stream, count and export asks here.

Who is granted everything sees the hub's own objects untouched. For anybody else what they may not see is not there at all: not in
lists, not in the evidence of a warning, not among its cameras, not in counts.

What is seen is handed out here too, without what is personal (`hub.personal`) for who lacks the right to it: devices as they are now and as the
registry has them, rows, warnings, faults. A view that shows one of these takes it from here and not from the hub's own tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from hub.access import Item, Principal
from hub.api.state import State
from hub.live import DeviceState
from hub.model import Alert, AlertChange, Camera, Device, Fault, Zone
from hub.notes import Note
from hub.pairs import members, pair_of
from hub.personal import (
    HIDDEN,
    devices_named,
    hidden,
    masked_change,
    masked_fault,
    moves,
    names_in,
    names_somebody,
    parts,
)
from hub.ports import Bucket, Row

_GONE = object()
NAMING = ("device", "subject", "station", "camera", "source", "target", "gauge", "sensor")
"""Keys of evidence that say whose the rest of the object is."""


class Sight:
    """One principal's view. Made for each request; `right`: what it is asked about."""

    def __init__(self, state: State, who: Principal, right: str = "view") -> None:
        self._state, self._who, self._right = state, who, right
        self.whole = who.everywhere(right)
        self._open = right != "view" or who.everywhere("personal")
        """Nothing is masked: they may know all, or are asked about an act, which shows nothing."""
        self.untouched = self.whole and self._open
        """They see what the hub has as it is."""
        self._private: dict[tuple[str, str], bool] = {}

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
        return all(self.device(part, area=area) for part in members(subject))

    def change(self, change: AlertChange) -> bool:
        return self.whole or self.subject(change.subject, change.area)

    def alert(self, alert: Alert) -> bool:
        return self.whole or self.subject(alert.subject, alert.changes[-1].area)

    # ---------------------------------------------------------------------------------------------- lists of them

    def devices(self, found: Iterable[DeviceState]) -> Iterable[DeviceState]:
        """Those that are seen, as they are seen."""
        return found if self.untouched else (self._masked(item) for item in found if self.device(item.device))

    def known(self) -> tuple[str, ...] | None:
        """The ids of all devices that are seen; None where all are."""
        if self.whole:
            return None
        names = {**self._state.registry.devices, **self._state.live.devices}
        return tuple(name for name in names if self.device(name))

    # ---------------------------------------------------------------------------------------------- without what is personal

    def masks(self, device: str, kind: str = "") -> bool:
        """Whether where this device is, is hidden: it is a person's, and they lack the right to know. `kind`: what a row or a warning says."""
        if self._open:
            return False
        found = self._private.get((device, kind))
        if found is None:
            found = self._private[device, kind] = not self._knows(device, kind) and self._is_private(device, kind)
        return found

    def _is_private(self, device: str, kind: str) -> bool:
        registered, heard = self._known_as(device), self._state.live.devices.get(device)
        kinds = [registered.kind if registered else "", heard.kind if heard else "", kind]
        return self._state.config.personal.device(kinds, tuple(heard.values) if heard else ())

    def _knows(self, device: str, kind: str = "") -> bool:
        return self._open or self._who.may("personal", self.item(device, kind))

    def _known_as(self, device: str) -> Device | None:
        """What the registry says of it, or of what it is a part of."""
        while device not in self._state.registry.devices and "/" in device:
            device = device.rpartition("/")[0]
        return self._state.registry.devices.get(device)

    def heard(self, device: str) -> DeviceState | None:
        """The device as it is now."""
        found = self._state.live.devices.get(device)
        return None if found is None else self._masked(found)

    def _masked(self, state: DeviceState) -> DeviceState:
        if self._knows(state.device, state.kind):
            return state
        private = self.masks(state.device, state.kind)
        if not private and not any(map(names_somebody, state.values)):
            return state
        values = {metric: told for metric, told in state.values.items() if not hidden(metric, private)}
        if private:
            return msgspec.structs.replace(state, values=values, position=None, position_at=0)
        return msgspec.structs.replace(state, values=values)

    @property
    def registry(self) -> Callable[[str], Device | None]:
        """`registered`, for many devices: the registry itself for who may know everything."""
        return self._state.registry.devices.get if self._open else self.registered

    def registered(self, device: str) -> Device | None:
        """What the registry says of it; where a vehicle is kept at night is personal too."""
        found = self._state.registry.devices.get(device)
        if found is None or found.position is None or not self.masks(device):
            return found
        return msgspec.structs.replace(found, position=None)

    def value(self, device: str, metric: str, kind: str = "") -> bool:
        """Whether what a device says of this metric is shown."""
        return not hidden(metric, self.masks(device, kind)) or self._knows(device, kind)

    def rows(self, rows: Iterable[Row]) -> list[Row]:
        if self._open:
            return list(rows)
        seen: list[Row] = []
        masked: dict[tuple[str, str], tuple[bool, bool]] = {}
        for row in rows:
            of = row.device, row.kind
            if of not in masked:
                masked[of] = self._knows(*of), self.masks(*of)
            knows, private = masked[of]
            if knows or not hidden(row.metric, private):
                seen.append(
                    msgspec.structs.replace(row, lon=None, lat=None) if private and row.lon is not None else row
                )
        return seen

    def buckets(self, buckets: Iterable[Bucket]) -> list[Bucket]:
        if self._open:
            return list(buckets)
        return [bucket for bucket in buckets if self.value(bucket.device, bucket.metric, bucket.kind)]

    def ways(self, device: str, driven: dict[str, Any]) -> dict[str, Any]:
        """Trips and stops of a device: when and how far, and where only for who may know."""
        if not self.masks(device):
            return driven
        places = {"trips": {"start": None, "end": None}, "stops": {"at": None}}
        return {**driven, **{what: [{**item, **unsaid} for item in driven[what]] for what, unsaid in places.items()}}

    def told(self, change: AlertChange) -> AlertChange:
        """A change of a warning, for who may see it."""
        if self._open:
            return change
        alerts = self._state.alerts
        found = alerts.open.get(change.alert) or alerts.closed.get(change.alert)
        return self._told([change], [change, *(found.changes if found else ())])[0]

    def told_alert(self, alert: Alert) -> Alert:
        """A warning with its history, for who may see it."""
        if self._open:
            return alert
        return msgspec.structs.replace(alert, changes=self._told(alert.changes, alert.changes))

    def _told(self, changes: Sequence[AlertChange], history: Sequence[AlertChange]) -> list[AlertChange]:
        """Changes of one warning. `history`: all of it, for a title may be one of before."""
        subject = changes[0].subject
        subjects = members(subject, self._is_device)
        named = {*subjects, *(name for change in history for name in devices_named(change.evidence, self._is_device))}
        if all(map(self._knows, named)):
            return list(changes)
        private = any(self._masks_subject(one, change) for one in subjects for change in history)
        devices = {name for name in named if self._is_device(name) and self.masks(name)} | (
            set(subjects) if private else set()
        )
        names = [text for change in history for text in names_in(change, private, devices)]
        names += [text for name in named for text in self._names_of(name)]
        return [masked_change(change, private, devices, names) for change in changes]

    def note(self, note: Note) -> Note:
        """What somebody wrote about a warning, without the names that its changes are shown without. People write freely: about a person's
        vehicle or phone, and where the hub has forgotten whom the warning named, all they wrote is hidden."""
        if self._open or not note.alert:
            return note
        alerts = self._state.alerts
        found = alerts.open.get(note.alert) or alerts.closed.get(note.alert)
        if found is None or any(map(self.masks, (note.subject, *members(note.subject)))):
            return msgspec.structs.replace(note, text=HIDDEN if note.text else "")
        (told,) = self._told([msgspec.structs.replace(found.changes[-1], note=note.text)], found.changes)
        return msgspec.structs.replace(note, text=told.note)

    def fault(self, fault: Fault) -> Fault:
        """An entry of quarantine. The bytes of a message may speak of several devices, so only who sees all that there is sees them."""
        if self._open:
            return fault if self.whole else msgspec.structs.replace(fault, raw=b"")
        return masked_fault(fault, not fault.device or self.masks(fault.device))

    def _is_device(self, name: str) -> bool:
        return name in self._state.registry.devices or name in self._state.live.devices

    def _masks_subject(self, subject: str, change: AlertChange) -> bool:
        """Whether where the subject is, is hidden; zones and areas stand still, and of what nobody here knows the warning itself tells."""
        if subject.startswith(("zone:", "area:")):
            return False
        if self._is_device(subject) or self._known_as(subject) is not None:
            return self.masks(subject)
        return not self._knows(subject) and moves(change)

    def _names_of(self, device: str) -> list[str | float]:
        """What a device says now of who somebody is: no text may have it."""
        heard = self._state.live.devices.get(device)
        return [
            text
            for metric, value in (heard.values if heard else {}).items()
            if names_somebody(metric)
            for text in parts(value)
        ]

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
        if name.startswith(("zone:", "area:")) or pair_of(name):
            return not self.subject(name)
        return False
