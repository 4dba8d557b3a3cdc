"""Frigate as a destination: an event on the best camera of a warning, ended with it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from urllib.parse import quote

import msgspec

from adapters.peer_http import Peer
from hub.model import AlertChange, Change
from hub.ports import Delivery
from hub.secret_files import secret
from hub.whole_file import read, replace

logger = logging.getLogger(__name__)

TELLS = frozenset({Change.RAISED, Change.ESCALATED})
ENDS = frozenset({Change.CLEARED, Change.EXPIRED})
OPEN_MAX = 1_000
"""Events remembered to be ended."""


class FrigateOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a `[[sinks]]` block with protocol = "frigate"."""

    url: str
    """Such as http://frigate.local:5000 (or 8971 with a token)."""
    cameras: dict[str, str]
    """The registry's camera id → the camera's name in Frigate."""
    label: str = "cityhub"
    duration_s: int | None = 60
    """How long an event lasts; without (0) it lasts until the warning ends."""
    pre_capture_s: int = 10
    fresh_s: float = 3600.0
    """An event is of its moment: an older change makes none."""
    token_env: str | None = None
    token_file: str | None = None
    timeout_s: float = 15.0

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url = {self.url!r}: http:// or https:// was meant")
        if not self.cameras:
            raise ValueError("cameras: at least one, the registry's id = Frigate's name")


class FrigateSink:
    """A `hub.ports.Sink`."""

    def __init__(self, options: FrigateOptions) -> None:
        self._options = options
        token = secret("token", options.token_env, options.token_file)
        self._peer = Peer(options.timeout_s, {"authorization": f"Bearer {token}"} if token else {})
        self._url = options.url.rstrip("/")
        self._open: dict[str, str] = {}
        """Alert → event, oldest first."""
        self._path: Path | None = None

    def remember_in(self, path: Path) -> None:
        """Running events lie in this file, so that they are ended also when the hub was restarted in between."""
        self._path = path
        # Without it events that run in Frigate are not ended.
        self._open = read(path, lambda data: msgspec.json.decode(data, type=dict[str, str]), {})

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        if change.change in ENDS:
            return await self._end(change.alert, now)
        if change.change not in TELLS:
            return Delivery(True, detail=f"no event for {change.change.value}")
        if change.alert in self._open:
            return Delivery(True, detail="its event is still running")
        camera = next((self._options.cameras[view.camera] for view in change.cameras if view.camera in self._options.cameras), None)  # fmt: skip
        if camera is None:
            return Delivery(True, detail="none of its cameras is in Frigate")
        if change.late or now - change.at > self._options.fresh_s * 1e9:
            return Delivery(True, detail=f"no event: the change is {(now - change.at) / 1e9:.0f} s old")
        return await self._create(camera, change, now)

    async def close(self) -> None:
        await self._peer.close()

    async def _create(self, camera: str, change: AlertChange, now: int) -> Delivery:
        options = self._options
        body = {
            "sub_label": f"{change.level} {change.title or change.rule}"[:100],
            "score": round(max((view.score for view in change.cameras), default=0.0), 2),
            "duration": options.duration_s or None,
            "include_recording": True,
            "pre_capture": options.pre_capture_s,
        }
        url = f"{self._url}/api/events/{quote(camera, safe='')}/{quote(options.label, safe='')}/create"
        answer = await self._peer.ask_json("POST", url, body)
        if answer.ok and not options.duration_s:
            try:
                self._open[change.alert] = str(msgspec.json.decode(answer.body)["event_id"])
            except (msgspec.DecodeError, KeyError, TypeError):
                return Delivery(True, detail="taken, but it named no event_id: the event cannot be ended")
            while len(self._open) > OPEN_MAX:
                del self._open[next(iter(self._open))]
            await self._remember()
        return answer.delivery(now)

    async def _end(self, alert: str, now: int) -> Delivery:
        event = self._open.get(alert)
        if event is None:
            return Delivery(True, detail="no event of it is running")
        answer = await self._peer.ask_json("PUT", f"{self._url}/api/events/{quote(event, safe='')}/end", {})
        delivery = answer.delivery(now)
        if delivery.taken or delivery.final:
            del self._open[alert]
            await self._remember()
        return delivery

    async def _remember(self) -> None:
        if self._path is None:
            return
        try:
            await asyncio.to_thread(replace, self._path, msgspec.json.encode(self._open))
        except OSError as error:
            logger.error("running events cannot be written to %s: %s", self._path, error.strerror)
