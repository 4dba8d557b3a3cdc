"""Milestone XProtect as a destination: an analytics event (XML), or an alarm by the API Gateway's REST."""

from __future__ import annotations

import time
import uuid
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import msgspec

from adapters.peer_http import Answer, Peer
from adapters.xml_text import legal
from hub.model import AlertChange, Change
from hub.moment import SECOND, to_text
from hub.ports import Delivery
from hub.secret_files import secret

NAMESPACE = "urn:milestone-systems"
TELLS = frozenset({Change.RAISED, Change.ESCALATED})
TOKEN_MARGIN_S = 60.0


class MilestoneOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a `[[sinks]]` block with protocol = "milestone"."""

    url: str
    """Analytics: the event server, such as http://10.0.0.3:9090. REST: the API Gateway, such as https://vms.example."""
    mode: str = "analytics"
    """ "analytics" (switch the port on in the event server) or "rest" (2023 R2 and later)."""
    cameras: dict[str, str] = msgspec.field(default_factory=dict)
    """The registry's camera id → the camera's GUID there."""
    message: str = "CityhubAlarm"
    """The analytics event's Message: an alarm definition with this name must exist."""
    username: str = ""
    password_env: str | None = None
    password_file: str | None = None
    timeout_s: float = 15.0
    ca_file: str | None = None

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url = {self.url!r}: http:// or https:// was meant")
        if self.mode not in ("analytics", "rest"):
            raise ValueError(f'mode = {self.mode!r}: "analytics" or "rest" was meant')
        for name, guid in self.cameras.items():
            try:
                uuid.UUID(guid)
            except ValueError:
                raise ValueError(f"cameras.{name} = {guid!r}: a GUID was meant") from None


class MilestoneSink:
    """A `hub.ports.Sink`."""

    def __init__(self, options: MilestoneOptions) -> None:
        self._options = options
        self._password = secret("password", options.password_env, options.password_file)
        self._peer = Peer(options.timeout_s, ca_file=options.ca_file)
        self._url = options.url.rstrip("/")
        self._token, self._token_until = "", 0.0

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        if change.change not in TELLS:
            return Delivery(True, detail=f"no event for {change.change.value}")
        camera = next((view.camera for view in change.cameras if view.camera in self._options.cameras), None)
        guid = self._options.cameras[camera] if camera else None
        if self._options.mode == "analytics":
            body = analytics_event(change, key, self._options.message, guid)
            return (await self._peer.ask("POST", self._url, body, {"content-type": "text/xml"})).delivery(now)
        return await self._alarm(change, guid, now)

    async def close(self) -> None:
        await self._peer.close()

    async def _alarm(self, change: AlertChange, guid: str | None, now: int) -> Delivery:
        if time.monotonic() >= self._token_until:
            answer = await self._log_in()
            if not answer.ok or not self._token:
                said = msgspec.structs.replace(answer.delivery(now), taken=False)
                return msgspec.structs.replace(said, detail=f"log-in: {said.detail}")
        body = {"name": change.title or change.rule, "message": description(change)}
        if guid:
            body["source"] = guid
        answer = await self._peer.ask_json(
            "POST", f"{self._url}/api/rest/v1/alarms", body, {"authorization": f"Bearer {self._token}"}
        )
        if answer.status == 401:  # the token ended early: log in again, next time
            self._token_until = 0.0
            return Delivery(False, detail="the token is no longer good")
        return answer.delivery(now)

    async def _log_in(self) -> Answer:
        form = urlencode(
            {
                "grant_type": "password",
                "username": self._options.username,
                "password": self._password,
                "client_id": "GrantValidatorClient",
            }
        ).encode()
        answer = await self._peer.ask(
            "POST", f"{self._url}/API/IDP/connect/token", form, {"content-type": "application/x-www-form-urlencoded"}
        )
        self._token = ""
        if answer.ok:
            try:
                said = msgspec.json.decode(answer.body)
                self._token = str(said["access_token"])
                self._token_until = time.monotonic() + max(0.0, float(said.get("expires_in", 3600)) - TOKEN_MARGIN_S)
            except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
                return Answer(0, detail="its answer holds no access_token")
        return answer


def analytics_event(change: AlertChange, key: str, message: str, camera: str | None) -> bytes:
    """The event as XML; its ID follows from the key, so that a repetition is the same event. Pure."""
    event = ET.Element("AnalyticsEvent", {"xmlns": NAMESPACE})
    header = ET.SubElement(event, "EventHeader")

    def say(parent: ET.Element, name: str, text: str) -> None:
        ET.SubElement(parent, name).text = legal(text)

    say(header, "ID", str(uuid.uuid5(uuid.NAMESPACE_URL, f"cityhub:{key}")))
    say(header, "Timestamp", to_text(change.at // SECOND * SECOND))
    say(header, "Type", change.rule)
    say(header, "Message", message)
    say(header, "CustomTag", change.alert)
    if camera:
        say(ET.SubElement(ET.SubElement(header, "Source"), "FQID"), "ObjectId", camera)
    say(event, "Description", description(change))
    if change.position:
        say(event, "Location", f"{change.position.lat:.6f},{change.position.lon:.6f}")
    say(ET.SubElement(event, "Vendor"), "Name", "cityhub")
    return f'<?xml version="1.0" encoding="utf-8"?>{ET.tostring(event, "unicode")}'.encode()


def description(change: AlertChange) -> str:
    return f"{change.level}: {change.title or change.rule}" + (f" ({change.area})" if change.area else "")
