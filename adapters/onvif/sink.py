"""ONVIF cameras as a destination: they turn to fresh warnings, and home afterwards."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import httpx
import msgspec

from adapters.onvif import soap
from adapters.onvif.calibration import Scale, fit
from adapters.peer_http import Peer, secret
from adapters.ptz import Operator
from hub.model import AlertChange, CameraView
from hub.ports import Delivery

VIEW_M = 20.0


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


class OnvifSink:
    """A `hub.ports.Sink` that also runs, to send cameras home in time."""

    def __init__(self, options: OnvifOptions, now: Callable[[], int] = time.time_ns) -> None:
        self._options, self._now = options, now
        self._password = secret("password", options.password_env, options.password_file)
        auth = httpx.DigestAuth(options.username, self._password) if options.username else None
        self._peer = Peer(options.timeout_s, ca_file=options.ca_file, auth=auth)
        self.operator = Operator(options.fresh_s, options.lease_s, options.cameras_max)
        self._scales = {name: fit(camera.landmarks) for name, camera in options.cameras.items() if camera.landmarks}

    async def run(self) -> None:
        await self.operator.run(self._send_home, self._now)

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        ours = msgspec.structs.replace(
            change, cameras=[view for view in change.cameras if view.camera in self._options.cameras]
        )
        plan = self.operator.plan(ours, now)
        await self.operator.keep()
        said = [plan.note] if plan.note else []
        for view in plan.turn:
            camera = self._options.cameras[view.camera]
            order = aim(camera, self._scales.get(view.camera), view, change)
            if order is None:
                said.append(f"{view.camera}: neither GeoMove, a calibrated pan nor a preset that shows the place")
                continue
            delivery = await self._ask(camera, order, now)
            if not delivery.taken:
                return msgspec.structs.replace(delivery, detail=f"{view.camera}: {delivery.detail}")
            said.append(f"{view.camera} turned")
        await self.operator.go_home(self._send_home, now)
        return Delivery(True, detail="; ".join(said) or "no camera of ours to turn")

    async def close(self) -> None:
        await self._peer.close()

    async def _send_home(self, view: CameraView) -> bool:
        camera = self._options.cameras.get(view.camera)
        if camera is None:  # it was taken out of the configuration since
            return True
        home = view.pose.home if view.pose else None
        order = soap.goto_home(camera.profile)
        if home is not None:
            order = soap.goto_preset(camera.profile, f"{camera.preset_prefix}{home}")
        return (await self._ask(camera, order, self._now())).taken

    async def _ask(self, camera: OnvifCamera, order: str, now: int) -> Delivery:
        request = soap.envelope(order, self._options.username, self._password, now, secrets.token_bytes(16))
        answer = await self._peer.ask("POST", camera.url, request, {"content-type": soap.TYPE})
        reason = soap.fault(answer.body)
        if reason:  # faults come as 400 or 500; asking again would not change the camera's mind
            return Delivery(False, final=True, detail=f"fault: {reason}")
        return answer.delivery(now)


def aim(camera: OnvifCamera, scale: Scale | None, view: CameraView, change: AlertChange) -> str | None:
    """The order that turns the camera there: GeoMove, else angles, else the preset that shows the place. Pure."""
    pose = view.pose
    if pose is None:
        return None
    if camera.geo_move and change.position:
        return soap.geo_move(
            camera.profile, change.position.lon, change.position.lat, change.position.alt or 0.0, VIEW_M
        )
    if camera.spherical:
        pan = scale.raw(pose.azimuth_deg) if scale else pose.pan_deg
        if pan is not None:
            return soap.absolute_move(camera.profile, (pan + 180) % 360 - 180, -pose.tilt_deg, soap.SPHERICAL)
    elif scale and camera.tilt_units:
        tilt = max(-1.0, min(1.0, -pose.tilt_deg / camera.tilt_units))
        return soap.absolute_move(camera.profile, scale.raw(pose.azimuth_deg), tilt, soap.GENERIC)
    if pose.preset is not None:
        return soap.goto_preset(camera.profile, f"{camera.preset_prefix}{pose.preset}")
    return None
