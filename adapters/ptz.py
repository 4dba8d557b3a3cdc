"""Who may turn a PTZ camera, for how long, and where it goes afterwards. Pure: the time is an argument.

One lease a camera: a warning of a higher level takes it over, one of the same or a lower level does not. A lease ends with
its warning or when it runs out; then the camera returns home. An action that comes late is not done at all: nobody wants
a camera to swing for what happened an hour ago.
"""

from __future__ import annotations

import msgspec

from hub.model import LEVELS, AlertChange, CameraView, Change
from hub.moment import SECOND

FRESH_S = 300.0
"""An older change turns no camera."""
LEASE_S = 600.0
LEASES_MAX = 10_000

ASKS = frozenset({Change.RAISED, Change.ESCALATED})
ENDS = frozenset({Change.CLEARED, Change.EXPIRED})


class Lease(msgspec.Struct, frozen=True):
    """A camera's engagement. `until` in ns."""

    view: CameraView
    holder: str
    priority: int
    until: int


class Leases:
    """All leases of one destination."""

    def __init__(self) -> None:
        self._held: dict[str, Lease] = {}

    def ask(self, view: CameraView, holder: str, priority: int, now: int, until: int) -> Lease | None:
        """The lease, or None while somebody at least as important holds the camera. A holder may renew."""
        held = self._held.get(view.camera)
        if held and held.until > now and held.holder != holder and held.priority >= priority:
            return None
        if held is None and len(self._held) >= LEASES_MAX:
            return None
        lease = Lease(view, holder, priority, until)
        self._held[view.camera] = lease
        return lease

    def holder(self, camera: str, now: int) -> str | None:
        held = self._held.get(camera)
        return held.holder if held and held.until > now else None

    def release(self, holder: str) -> list[CameraView]:
        """The holder's cameras, which are free now and should go home."""
        return self._take([lease for lease in self._held.values() if lease.holder == holder])

    def expire(self, now: int) -> list[CameraView]:
        """Cameras whose lease has run out: they should go home."""
        return self._take([lease for lease in self._held.values() if lease.until <= now])

    def _take(self, leases: list[Lease]) -> list[CameraView]:
        for lease in leases:
            del self._held[lease.view.camera]
        return [lease.view for lease in leases]


class Plan(msgspec.Struct):
    """What to do with cameras because of a change, and why not more."""

    turn: list[CameraView] = msgspec.field(default_factory=list)
    home: list[CameraView] = msgspec.field(default_factory=list)
    note: str = ""


class Operator:
    """Decides for one destination which cameras turn."""

    def __init__(self, fresh_s: float = FRESH_S, lease_s: float = LEASE_S, cameras_max: int = 1) -> None:
        self._fresh = int(fresh_s * SECOND)
        self._lease = int(lease_s * SECOND)
        self._cameras_max = cameras_max
        self._leases = Leases()

    def plan(self, change: AlertChange, now: int) -> Plan:
        """Cameras to turn to the change's place, best first, and cameras to send home."""
        plan = Plan(home=self._leases.expire(now))
        if change.change in ENDS:
            plan.home += self._leases.release(change.alert)
            return plan
        turnable = [view for view in change.cameras if view.sees and view.pose]
        if change.change not in ASKS or not turnable:
            return plan
        age = now - change.at
        if change.late or age > self._fresh:
            plan.note = f"no camera turned: the change is {age / SECOND:.0f} s old"
            return plan
        priority = LEVELS.index(change.level) if change.level in LEVELS else 0
        for view in turnable:
            if len(plan.turn) >= self._cameras_max:
                break
            if self._leases.ask(view, change.alert, priority, now, now + self._lease):
                plan.turn.append(view)
        turning = {view.camera for view in plan.turn}
        plan.home = [view for view in plan.home if view.camera not in turning]
        if not plan.turn:
            plan.note = (
                f"no camera turned: {turnable[0].camera} is held by {self._leases.holder(turnable[0].camera, now)}"
            )
        return plan

    def tidy(self, now: int) -> list[CameraView]:
        """Cameras whose time is over."""
        return self._leases.expire(now)
