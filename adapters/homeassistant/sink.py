"""Home Assistant as a destination: an event on its bus for automations, and presets of its ONVIF cameras."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import msgspec

from adapters.peer_http import Peer
from adapters.ptz import Operator, waiting
from hub.model import AlertChange, CameraView
from hub.ports import Delivery
from hub.secret_files import secret
from hub.wire import change_to_json


class HomeAssistantOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a `[[sinks]]` block with protocol = "homeassistant"."""

    url: str
    """Such as http://homeassistant.local:8123."""
    token_env: str | None = None
    """Environment variable with a long-lived access token."""
    token_file: str | None = None
    event_type: str = "cityhub_alert"
    cameras: dict[str, str] = msgspec.field(default_factory=dict)
    """The registry's camera id → the camera's entity, such as camera.north_gate: it goes to the preset that shows the place."""
    fresh_s: float = 300.0
    """No camera turns for an older change; the event is fired all the same, with its time."""
    lease_s: float = 600.0
    timeout_s: float = 15.0
    ca_file: str | None = None

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url = {self.url!r}: http:// or https:// was meant")
        if not re.fullmatch(r"\w{1,64}", self.event_type):
            raise ValueError(f"event_type = {self.event_type!r}: letters, digits and _ were meant")
        for name, entity in self.cameras.items():
            if not re.fullmatch(r"camera\.\w+", entity):
                raise ValueError(f"cameras.{name} = {entity!r}: an entity such as camera.north_gate was meant")


class HomeAssistantSink:
    """A `hub.ports.Sink` that also runs, to send cameras home in time."""

    def __init__(self, options: HomeAssistantOptions, now: Callable[[], int] = time.time_ns) -> None:
        self._options, self._now = options, now
        token = secret("token", options.token_env, options.token_file)
        self._peer = Peer(options.timeout_s, {"authorization": f"Bearer {token}"} if token else {}, options.ca_file)
        self._url = options.url.rstrip("/")
        self.operator = Operator(options.fresh_s, options.lease_s)

    async def run(self) -> None:
        await self.operator.run(self._send_home, self._now)

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        answer = await self._peer.ask_json(
            "POST", f"{self._url}/api/events/{self._options.event_type}", change_to_json(change)
        )
        delivery = answer.delivery(now)
        if not delivery.taken or not self._options.cameras:
            return delivery
        ours = [view for view in change.cameras if view.camera in self._options.cameras]
        later = [watch for watch in change.handover if watch.camera in self._options.cameras]
        plan = self.operator.plan(msgspec.structs.replace(change, cameras=ours, handover=later), now, _unable)
        await self.operator.keep()
        said = [plan.note] if plan.note else []
        for view in [*plan.turn, *([waiting(plan.ahead)] if plan.ahead else [])]:
            good = await self._preset(view, view.pose.preset if view.pose else None)
            said.append(f"{view.camera} {'turned' if good else 'not turned'}")
        await self.operator.go_home(self._send_home, now)
        return Delivery(True, detail="; ".join(said))

    async def close(self) -> None:
        await self._peer.close()

    async def _send_home(self, view: CameraView) -> bool:
        home = view.pose.home if view.pose else None
        return home is None or view.camera not in self._options.cameras or await self._preset(view, home)

    async def _preset(self, view: CameraView, number: int | None) -> bool:
        """`onvif.ptz` takes directions and presets there, no angles."""
        if number is None:
            return False
        body = {
            "entity_id": self._options.cameras[view.camera],
            "move_mode": "GotoPreset",
            "preset": str(number),
        }
        return (await self._peer.ask_json("POST", f"{self._url}/api/services/onvif/ptz", body)).ok


def _unable(view: CameraView) -> str:
    return "" if view.pose and view.pose.preset is not None else "has no preset that shows the place"
