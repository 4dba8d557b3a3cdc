"""Names and paths between hubs (district → city → province): what is forwarded keeps its origin and never runs in a circle.

A name of another hub's begins with that hub's name: `district-a/gauge-1`. The name is that of the hub where the thing began,
whatever way it came, so it stays the same when a level is put between; hubs that forward to each other therefore need names
of their own. The way itself is the path: the hubs it passed, the first one the hub that made it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite
from typing import TypeVar

import msgspec

from hub.model import LEVELS, AlertChange, CameraView, Origin, Reading, Watch
from hub.pairs import pair_named
from hub.validation import DEVICE_MAX

HOPS_MAX = 8
"""Hubs that one thing may pass; more is a circle that the names did not show."""
ALERT_NAME_MAX = 500
"""Characters of a warning's id."""
CHANGE_BYTES_MAX = 64 << 10
"""Of one change as it stands in the log."""
_HUB = re.compile(r"[^\s/+#@:,\"'<>&]{1,60}")
_PLACES = ("zone:", "area:")


def hub_name_problem(name: str) -> str | None:
    """Why a hub that forwards cannot be called so, None where it can."""
    if _HUB.fullmatch(name) and name.isprintable():
        return None
    return (
        f"{name!r} cannot stand before the names of a hub's devices: 1 to 60 characters without blanks and none of "
        "/ + # @ : , quotes < > &, such as district-a, were meant"
    )


def qualified(hub: str, name: str) -> str:
    """A device's name, or a place's, as other hubs say it: `hub/gauge-1`, `zone:hub/quay`."""
    for place in _PLACES:
        if name.startswith(place):
            return f"{place}{hub}/{name.removeprefix(place)}"
    return f"{hub}/{name}"


def reading_outward(reading: Reading, here: str) -> Reading:
    """The reading as it leaves the hub `here`."""
    if reading.path:
        return msgspec.structs.replace(reading, path=[*reading.path, here])
    return msgspec.structs.replace(reading, device=f"{here}/{reading.device}", path=[here])


def change_outward(change: AlertChange, here: str) -> AlertChange:
    """The change as it leaves the hub `here`. What people did here carries their names as `here/li`."""
    origin = change.origin
    values = {
        name: value
        for name, value in change.values.items()
        if not (isinstance(value, float) and not isfinite(value))  # JSON cannot say it
    }
    if origin is None:
        pair = tuple(sorted(f"{here}/{one}" for one in change.pair)) if change.pair else None
        return msgspec.structs.replace(
            change,
            alert=f"{here}/{change.alert}",
            subject=pair_named(*pair) if pair else qualified(here, change.subject),
            pair=pair,
            area=f"{here}/{change.area}" if change.area else here,
            group=f"{here}/{change.group}" if change.group else "",
            who=f"{here}/{change.who}" if change.who else "",
            cameras=_named(change.cameras, (), here),
            handover=_named(change.handover, (), here),
            values=values,
            contact=1,  # who is told first, and who after them, is each hub's own affair
            origin=Origin(here, change.ordinal, (here,)),
        )
    if origin.path:
        return msgspec.structs.replace(
            change,
            cameras=_named(change.cameras, (origin.hub, *origin.path), here),
            handover=_named(change.handover, (origin.hub, *origin.path), here),
            values=values,
            origin=msgspec.structs.replace(origin, path=(*origin.path, here)),
        )
    return msgspec.structs.replace(
        change,
        values=values,
        who=f"{here}/{change.who}" if change.who else "",
        origin=Origin(origin.hub, change.ordinal, (here,)),
    )


Seen = TypeVar("Seen", CameraView, Watch)


def _named(views: Sequence[Seen], hubs: Sequence[str], here: str) -> list[Seen]:
    """Those that no hub on the way has named are this one's, and get its name: a platform above may have another of that id."""
    return [
        msgspec.structs.replace(view, camera=f"{here}/{view.camera}")
        if view.camera and not _begins(view.camera, hubs)
        else view
        for view in views
    ]


def _begins(name: str, hubs: Sequence[str]) -> bool:
    return any(name.startswith(f"{hub}/") for hub in hubs)


def circle(path: Sequence[str], here: str, owner: str = "") -> str | None:
    """Why what came this way goes no further into the hub `here`, None where it may. `owner`: whose warning it is."""
    way = " → ".join(path)
    if here in path or owner == here:
        return f"it has been at {here} before ({way} → {here}); two hubs forward to each other"
    if len(path) > HOPS_MAX:
        return f"it has passed {len(path)} hubs, more than {HOPS_MAX} ({way})"
    return None


def reading_problem(reading: Reading) -> str | None:
    """What is wrong with the names of a forwarded reading, None where they fit."""
    path = reading.path or []
    if problem := _path_problem(path):
        return problem
    if not reading.device.startswith(f"{path[0]}/") or len(reading.device) > DEVICE_MAX:
        return f"device {reading.device[:80]!r} came from {path[0]}: its name begins with {path[0]}/ and has at most {DEVICE_MAX} characters"
    return None


def change_problem(change: AlertChange) -> str | None:
    """What is wrong with a forwarded change, None where it can go into the log."""
    origin = change.origin
    if origin is None:
        return "a forwarded change states its origin"
    if problem := _path_problem(origin.path) or hub_name_problem(origin.hub):
        return problem
    if problem := _names_problem(change, origin):
        return problem
    if change.contact != 1:
        return "contacts are each hub's own; a forwarded change is told to the first"
    if change.level not in LEVELS:
        return f"level {change.level[:40]!r} is none of {', '.join(LEVELS)}"
    if not 1 <= origin.ordinal < 1 << 62:
        return "changes are numbered from 1"
    if not 0 <= change.at < 1 << 63:
        return f"at = {change.at}: ns since 1970 UTC were meant"
    for name in ("alert", "subject", "group"):
        if len(getattr(change, name)) > ALERT_NAME_MAX or not getattr(change, name).isprintable():
            return f"{name} has at most {ALERT_NAME_MAX} characters, all of them printable"
    try:
        size = len(msgspec.msgpack.encode(change))
    except (ValueError, OverflowError, TypeError) as error:
        return f"it cannot be written down ({error})"
    return f"it has {size} bytes, more than {CHANGE_BYTES_MAX}" if size > CHANGE_BYTES_MAX else None


def _names_problem(change: AlertChange, origin: Origin) -> str | None:
    """What is not named after the hub where it began."""
    mine = f"{origin.hub}/"
    if change.pair and change.subject != pair_named(*change.pair):
        return f"subject {change.subject[:80]!r} is not the name of the pair that it is about"
    named = [part.removeprefix("zone:").removeprefix("area:") for part in change.about]
    if not all(name.startswith(mine) for name in (change.alert, *named)):
        return f"a warning of {origin.hub} has an id and a subject that begin with {mine}"
    cameras = [view.camera for view in change.cameras] + [watch.camera for watch in change.handover if watch.camera]
    if not all(_begins(camera, (origin.hub, *origin.path)) for camera in cameras):
        return "the names of its cameras do not begin with those of the hubs that it passed"
    if change.area != origin.hub and not change.area.startswith(mine):
        return f"area {change.area[:80]!r} does not begin with {origin.hub}"
    if change.group and not change.group.startswith(mine):
        return f"group {change.group[:80]!r} does not begin with {mine}"
    if change.who and not change.who.startswith(f"{origin.path[0]}/"):
        return f"who is {change.who[:80]!r}: people at {origin.path[0]} have names that begin with {origin.path[0]}/"
    return None


def _path_problem(path: Sequence[str]) -> str | None:
    if not path:
        return "what is forwarded states its path: the hubs it came through"
    return next((problem for name in path if (problem := hub_name_problem(name))), None)


__all__ = [
    "CHANGE_BYTES_MAX",
    "HOPS_MAX",
    "change_outward",
    "change_problem",
    "circle",
    "hub_name_problem",
    "qualified",
    "reading_outward",
    "reading_problem",
]
