"""ONVIF cameras as a destination: they turn to fresh warnings, are asked whether they arrived, and go home afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx
import msgspec

from adapters.onvif import soap
from adapters.onvif.calibration import Scale, check_zoom, fit, zoom_at
from adapters.onvif.client import Client, Reply
from adapters.peer_http import Peer
from adapters.ptz import Operator, waiting
from hub.model import AlertChange, CameraView, Position
from hub.ports import Delivery
from hub.secret_files import secret

VIEW_M = 20.0
LOOK_EVERY_S = 0.4
ARRIVED = {soap.SPHERICAL: 1.0, soap.GENERIC: 0.01}
"""How near to what was ordered is there: degrees, or one part in a hundred of the half turn."""


class OnvifCamera(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to reach one camera's PTZ service, and how it can be aimed: the first of GeoMove, angles, presets that it has."""

    url: str
    """Of its PTZ service, such as http://10.0.0.7/onvif/ptz_service."""
    profile: str = "Profile_1"
    geo_move: bool = False
    """It knows its own place (SetGeoLocation) and takes GeoMove."""
    spherical: bool = False
    """It offers SphericalPositionSpace: pan and tilt in degrees. Takes the registry's pan_offset_deg, or landmarks."""
    landmarks: list[tuple[float, float]] = msgspec.field(default_factory=list)
    """[true azimuth, the camera's own pan there], two at least: calibrates pan."""
    zoom: list[tuple[float, float]] = msgspec.field(default_factory=list)
    """[magnification, the camera's own zoom there], two at least, such as [[1, 0.0], [30, 1.0]]: calibrates zoom in the generic
    space, which says nothing of the field of view by itself. Without it zoom stays as it is."""
    tilt_units: float | None = None
    """In a generic space: tilt degrees (upwards) to one unit. Without it generic tilt stays as it is."""
    preset_prefix: str = ""
    """Put before a preset's number to make its token."""


class OnvifOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a `[[sinks]]` block with protocol = "onvif"."""

    cameras: dict[str, OnvifCamera]
    """By the registry's camera ids."""
    username: str = ""
    password_env: str | None = None
    password_file: str | None = None
    cameras_max: int = 1
    """How many turn for one warning."""
    fresh_s: float = 300.0
    """No camera turns for an older change."""
    lease_s: float = 600.0
    arrive_s: float = 8.0
    """So long a camera is asked whether it has arrived; 0 does not ask."""
    timeout_s: float = 10.0
    ca_file: str | None = None

    def __post_init__(self) -> None:
        if not self.cameras:
            raise ValueError("cameras: at least one [sinks.cameras.NAME] with its url")
        for name, camera in self.cameras.items():
            if not camera.url.startswith(("http://", "https://")):
                raise ValueError(f"cameras.{name}: url = {camera.url!r}: http:// or https:// was meant")
            if camera.landmarks:
                fit(camera.landmarks)
            if camera.zoom:
                check_zoom(camera.zoom)
        if not 0 <= self.arrive_s <= 30:
            raise ValueError("arrive_s: 0 to 30")


class Order(msgspec.Struct, frozen=True):
    """One way to turn a camera there: the request, and where it should end on the camera's own scales where that is known."""

    way: str
    body: str
    pan: float | None = None
    tilt: float | None = None
    space: str = ""


class OnvifSink:
    """A `hub.ports.Sink` that also runs, to send cameras home in time."""

    def __init__(self, options: OnvifOptions, now: Callable[[], int] = time.time_ns) -> None:
        self._options, self._now = options, now
        password = secret("password", options.password_env, options.password_file)
        auth = httpx.DigestAuth(options.username, password) if options.username else None
        self._peer = Peer(options.timeout_s, ca_file=options.ca_file, auth=auth)
        self._client = Client(self._peer, options.username, password, now)
        self.operator = Operator(options.fresh_s, options.lease_s, options.cameras_max)
        self._scales = {name: fit(camera.landmarks) for name, camera in options.cameras.items() if camera.landmarks}

    async def run(self) -> None:
        await self.operator.run(self._send_home, self._now)

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        ours = msgspec.structs.replace(
            change,
            cameras=[view for view in change.cameras if view.camera in self._options.cameras],
            handover=[watch for watch in change.handover if watch.camera in self._options.cameras],
        )
        plan = self.operator.plan(ours, now, self._unable)
        await self.operator.keep()
        said = [plan.note] if plan.note else []
        for view in plan.turn:
            delivery = await self._turn(view, change.position, now)
            if not delivery.taken:
                return msgspec.structs.replace(delivery, detail=f"{view.camera}: {delivery.detail}")
            said.append(f"{view.camera} {delivery.detail}")
        if plan.ahead:  # that it fails holds up nothing: the subject is not there yet
            turned = await self._turn(waiting(plan.ahead), plan.ahead.position, now)
            said.append(f"{plan.ahead.camera} waits from {plan.ahead.from_s:.0f} s on: {turned.detail}")
        await self.operator.go_home(self._send_home, now)
        return Delivery(True, detail="; ".join(said) or "no camera of ours to turn")

    async def close(self) -> None:
        await self._peer.close()

    def _unable(self, view: CameraView) -> str:
        camera = self._options.cameras[view.camera]
        able = camera.geo_move or aim(camera, self._scales.get(view.camera), view, None)
        return "" if able else "has neither GeoMove, a calibrated pan nor a preset that shows the place"

    async def _turn(self, view: CameraView, place: Position | None, now: int) -> Delivery:
        """By the first way that the camera takes. A fault leads to the next way; the last one's is final."""
        camera = self._options.cameras[view.camera]
        orders = aim(camera, self._scales.get(view.camera), view, place)
        refused: list[str] = []
        for order in orders:
            reply = await self._client.ask(camera.url, order.body)
            if reply.ok:
                turned = await self._arrival(camera, order)
                return Delivery(True, detail=f"{turned} ({'; '.join(refused)})" if refused else turned)
            if not reply.fault:
                return reply.answer.delivery(now)
            refused.append(f"{order.way} refused: {reply.fault}")
        return Delivery(False, final=True, detail="; ".join(refused))

    async def _arrival(self, camera: OnvifCamera, order: Order) -> str:
        """What became of an order that was taken: the camera's own word, for the record."""
        if not self._options.arrive_s:
            return "turned"
        begun = asyncio.get_running_loop().time()
        last: soap.Status | None = None
        while True:
            reply = await self._client.ask(camera.url, soap.get_status(camera.profile))
            status = soap.status(reply.answer.body) if reply.ok else None
            took = asyncio.get_running_loop().time() - begun
            if status is None:
                return f"turned by {order.way}; it does not say where it looks ({reply.why_not or 'no status'})"
            if arrived(order, status, last):
                return f"turned by {order.way} and arrived after {took:.1f} s"
            if took >= self._options.arrive_s:
                return f"turned by {order.way}, {_short_of(order, status, took)}"
            last = status
            await asyncio.sleep(LOOK_EVERY_S)

    async def _send_home(self, view: CameraView) -> bool:
        camera = self._options.cameras.get(view.camera)
        if camera is None:  # it was taken out of the configuration since
            return True
        home = view.pose.home if view.pose else None
        order = soap.goto_home(camera.profile)
        if home is not None:
            order = soap.goto_preset(camera.profile, f"{camera.preset_prefix}{home}")
        reply: Reply = await self._client.ask(camera.url, order)
        return reply.ok


def aim(camera: OnvifCamera, scale: Scale | None, view: CameraView, place: Position | None) -> list[Order]:
    """The ways to turn the camera there, best first: GeoMove, angles, the preset that shows the place. Pure."""
    pose, orders = view.pose, list[Order]()
    if pose is None:
        return orders
    if camera.geo_move and place:
        orders.append(Order("GeoMove", soap.geo_move(camera.profile, place.lon, place.lat, place.alt or 0.0, VIEW_M)))
    zoom = zoom_at(camera.zoom, pose.zoom) if camera.zoom and pose.zoom is not None else None
    if camera.spherical:
        pan = scale.raw(pose.azimuth_deg) if scale else pose.pan_deg
        if pan is not None:
            orders.append(_absolute(camera, (pan + 180) % 360 - 180, -pose.tilt_deg, soap.SPHERICAL, zoom))
    elif scale and camera.tilt_units:
        tilt = max(-1.0, min(1.0, -pose.tilt_deg / camera.tilt_units))
        orders.append(_absolute(camera, scale.raw(pose.azimuth_deg), tilt, soap.GENERIC, zoom))
    if pose.preset is not None:
        token = f"{camera.preset_prefix}{pose.preset}"
        orders.append(Order(f"preset {token}", soap.goto_preset(camera.profile, token)))
    return orders


def _absolute(camera: OnvifCamera, pan: float, tilt: float, space: str, zoom: float | None) -> Order:
    return Order("angles", soap.absolute_move(camera.profile, pan, tilt, space, zoom), pan, tilt, space)


def arrived(order: Order, status: soap.Status, last: soap.Status | None) -> bool:
    """Whether the camera stands where it was ordered to; where that cannot be compared, whether it stands still. Pure.

    Some cameras say IDLE before they begin to move, so standing still takes two looks that agree.
    """
    if status.moving:
        return False
    away = _away(order, status)
    if away is not None:
        return away <= ARRIVED[order.space]
    return last is not None and (last.pan, last.tilt, last.zoom) == (status.pan, status.tilt, status.zoom)


def _away(order: Order, status: soap.Status) -> float | None:
    """How far off on the order's own scale, None where the status is on another one."""
    if order.pan is None or order.tilt is None or status.pan is None or status.tilt is None:
        return None
    if (status.space or order.space) != order.space:
        return None
    turn = 360.0 if order.space == soap.SPHERICAL else 2.0
    off = (status.pan - order.pan) % turn
    return max(min(off, turn - off), abs(status.tilt - order.tilt))


def _short_of(order: Order, status: soap.Status, took_s: float) -> str:
    at = "" if status.pan is None or status.tilt is None else f" (pan {status.pan:.2f}, tilt {status.tilt:.2f})"
    if status.moving:
        return f"still moving after {took_s:.0f} s{at}"
    if order.pan is None or order.tilt is None:
        return f"not at rest after {took_s:.0f} s{at}"
    return f"but stands elsewhere after {took_s:.0f} s{at}; pan {order.pan:.2f}, tilt {order.tilt:.2f} was ordered"
