"""Who may turn a PTZ camera, for how long, and where it goes afterwards; the time is an argument.

One lease a camera, whichever destinations reach it: a warning of a higher level takes it over, one of the same or a lower
level does not. A lease ends with its warning or when it runs out; then the camera returns home, which is tried until the
camera takes it. The leases lie in a file, so a camera also returns when the hub was restarted in between. An action that
comes late is not done at all: nobody wants a camera to swing for what happened an hour ago.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from hub.model import LEVELS, AlertChange, CameraView, Change, Watch
from hub.moment import SECOND
from hub.whole_file import read, replace

logger = logging.getLogger(__name__)

FRESH_S = 300.0
"""An older change turns no camera."""
LEASE_S = 600.0
LEASES_MAX = 1_000
HOME_CHECK_S = 10.0
HOME_TRIES_MAX = 360
"""About an hour of a camera that does not take the way home; then a person must."""
ORPHAN_S = 7 * 86_400.0
"""A lease of a destination that no longer exists is forgotten so long after its end."""

ASKS = frozenset({Change.RAISED, Change.ESCALATED})
ENDS = frozenset({Change.CLEARED, Change.EXPIRED})


class Lease(msgspec.Struct):
    """A camera's engagement by one destination (`sink`) for one warning (`holder`). `until` in ns; what is past it is due home."""

    view: CameraView
    holder: str
    priority: int
    until: int
    sink: str = ""
    tries: int = 0
    """How often the way home was asked for in vain."""


class Leases:
    """The leases of a hub, in one file. Without a path they live in memory only."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._held = {lease.view.camera: lease for lease in _load(path)}
        self._edition = self._written = 0
        self._writing = asyncio.Lock()

    def ask(self, view: CameraView, holder: str, priority: int, now: int, until: int, sink: str = "") -> Lease | None:
        """The lease, or None while somebody at least as important holds the camera. A holder may renew."""
        held = self._held.get(view.camera)
        if held and held.until > now and held.holder != holder and held.priority >= priority:
            return None
        if held is None and len(self._held) >= LEASES_MAX:
            return None
        lease = self._held[view.camera] = Lease(view, holder, priority, until, sink)
        self._edition += 1
        return lease

    def holder(self, camera: str, now: int) -> str | None:
        held = self._held.get(camera)
        return held.holder if held and held.until > now else None

    def end(self, holder: str, sink: str, now: int) -> None:
        """The holder needs its cameras no longer: they are due home."""
        for lease in self._held.values():
            if lease.holder == holder and lease.sink == sink and lease.until > now:
                lease.until = now
                self._edition += 1

    def due(self, sink: str, now: int) -> list[Lease]:
        """What this destination should send home: leases past their end."""
        for lease in [one for one in self._held.values() if one.sink != sink and one.until + ORPHAN_S * SECOND <= now]:
            self._drop(lease)
        return [lease for lease in self._held.values() if lease.sink == sink and lease.until <= now]

    def stands(self, lease: Lease) -> bool:
        """Whether the camera was not leased anew since."""
        return self._held.get(lease.view.camera) is lease

    def returned(self, lease: Lease, home: bool) -> None:
        """Whether the camera took the way home. A lease given anew meanwhile stays."""
        lease.tries += 1
        if not self.stands(lease) or (not home and lease.tries < HOME_TRIES_MAX):
            return
        if not home:
            logger.warning("camera %s did not take the way home in %d tries", lease.view.camera, lease.tries)
        self._drop(lease)

    def _drop(self, lease: Lease) -> None:
        del self._held[lease.view.camera]
        self._edition += 1

    async def keep(self) -> None:
        """Onto the disk, all or nothing, where something changed. A full disk is said and keeps no camera from turning."""
        async with self._writing:
            if self._path is None or self._written == self._edition:
                return
            edition, data = self._edition, msgspec.json.encode(list(self._held.values()))
            try:
                await asyncio.to_thread(replace, self._path, data)
                self._written = edition
            except OSError as error:
                logger.error("leases on cameras cannot be written to %s: %s", self._path, error.strerror)


def _load(path: Path | None) -> list[Lease]:
    if path is None:
        return []
    # Without it cameras that were turned before stay where they are.
    return read(path, lambda data: msgspec.json.decode(data, type=list[Lease]), [])


class Plan(msgspec.Struct):
    """Which cameras to turn because of a change, best first, and why not more."""

    turn: list[CameraView] = msgspec.field(default_factory=list)
    ahead: Watch | None = None
    """The next PTZ of a moving subject's hand-over list, aimed before it comes."""
    note: str = ""


SendHome = Callable[[CameraView], Awaitable[bool]]
"""Sends one camera home; whether it took the order."""
Unable = Callable[[CameraView], str]
"""Why a destination cannot turn a camera to its pose, "" where it can."""


def always_able(view: CameraView) -> str:
    return ""


class Operator:
    """Decides for one destination which cameras turn, and sees them home."""

    def __init__(self, fresh_s: float = FRESH_S, lease_s: float = LEASE_S, cameras_max: int = 1) -> None:
        self._fresh = int(fresh_s * SECOND)
        self._lease = int(lease_s * SECOND)
        self._cameras_max = cameras_max
        self._leases, self._sink = Leases(), ""

    def share(self, leases: Leases, sink: str) -> None:
        """Use the hub's leases under this destination's name."""
        self._leases, self._sink = leases, sink

    def plan(self, change: AlertChange, now: int, unable: Unable = always_able) -> Plan:
        """Cameras to turn to the change's place, best first; each is leased, and none that this destination is unable to turn.
        What the change ends is due home."""
        if change.change in ENDS:
            self._leases.end(change.alert, self._sink, now)
            return Plan()
        turnable = [view for view in change.cameras if view.sees and view.pose]
        if change.change not in ASKS or not (turnable or any(watch.pose for watch in change.handover)):
            return Plan()
        age = now - change.at
        if change.late or age > self._fresh:
            return Plan(note=f"no camera turned: the change is {age / SECOND:.0f} s old")
        able = [view for view in turnable if not unable(view)]
        plan = Plan(self._lease_of(able, change, now))
        plan.ahead = self._ahead(plan.turn, change, now, unable)
        if able and not plan.turn:
            held = able[0].camera
            plan.note = f"no camera turned: {held} is held by {self._leases.holder(held, now)}"
        elif turnable and not able:
            plan.note = f"no camera turned: {turnable[0].camera} {unable(turnable[0])}"
        return plan

    def _ahead(self, turn: list[CameraView], change: AlertChange, now: int, unable: Unable) -> Watch | None:
        """The first camera of the hand-over list that must turn for it and is free."""
        turning = {view.camera for view in turn}
        for watch in change.handover:
            view = waiting(watch)
            if watch.pose and watch.from_s > 0 and watch.camera not in turning and not unable(view):
                until = now + max(self._lease, int(watch.until_s * SECOND))
                if self._leases.ask(view, change.alert, _priority(change), now, until, self._sink):
                    return watch
        return None

    def _lease_of(self, views: Iterable[CameraView], change: AlertChange, now: int) -> list[CameraView]:
        turn: list[CameraView] = []
        for view in views:
            if len(turn) >= self._cameras_max:
                break
            if self._leases.ask(view, change.alert, _priority(change), now, now + self._lease, self._sink):
                turn.append(view)
        return turn

    async def keep(self) -> None:
        """Put the leases on disk; before a camera turns, so that it is sent home whatever happens next."""
        await self._leases.keep()

    async def go_home(self, send_home: SendHome, now: int) -> None:
        """Send home whose time is over."""
        for lease in self._leases.due(self._sink, now):
            if self._leases.stands(lease):
                self._leases.returned(lease, await send_home(lease.view))
        await self._leases.keep()

    async def run(self, send_home: SendHome, now: Callable[[], int]) -> None:
        """Send cameras home in time, for good."""
        while True:
            await self.go_home(send_home, now())
            await asyncio.sleep(HOME_CHECK_S)


def waiting(watch: Watch) -> CameraView:
    """A watch as the view of the camera that waits for the target."""
    return CameraView(
        watch.camera,
        watch.score,
        0.0,
        watch.pose.azimuth_deg if watch.pose else 0.0,
        True,
        watch.reason,
        watch.name,
        watch.stream_url or None,
        watch.gb28181_id,
        pose=watch.pose,
    )


def _priority(change: AlertChange) -> int:
    return LEVELS.index(change.level) if change.level in LEVELS else 0


@runtime_checkable
class TurnsCameras(Protocol):
    """A sink with an operator; the hub makes all of them share its leases."""

    operator: Operator
