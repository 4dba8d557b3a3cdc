"""An ONVIF camera for tests: device, media and PTZ services over HTTP, and WS-Discovery. Reads and writes SOAP by itself."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from tests.adapters.http_peer import Heard, HttpPeer, http_peer

SPACES = "http://www.onvif.org/ver10/tptz"
SPHERICAL = f"{SPACES}/PanTiltSpaces/SphericalPositionSpace"
GENERIC = f"{SPACES}/PanTiltSpaces/PositionGenericSpace"
GROUP = "239.255.255.250"


class SimulatedCamera:
    """A dome. `peer` is its web server once `onvif_camera` runs it."""

    def __init__(
        self,
        *,
        now: Callable[[], int] = time.time_ns,
        clock_off_s: float = 0.0,
        spaces: tuple[str, ...] = (SPHERICAL, GENERIC),
        geo_move: bool = False,
        geo_move_fault: str = "",
        place: tuple[float, float, float] | None = None,
        status: bool = True,
        status_space: str = SPHERICAL,
        lazy: bool = False,
        turn_s: float = 0.0,
        stuck: bool = False,
        media2: bool = False,
        old: bool = False,
        fixed: bool = False,
        serial: str = "C0FFEE42",
        elsewhere: str = "",
        user: str = "hub",
        password: str = "s3cret",
    ) -> None:
        self.now, self.clock_off_s, self.user, self.password = now, clock_off_s, user, password
        self.spaces, self.geo_move, self.geo_move_fault, self.place = spaces, geo_move, geo_move_fault, place
        self.status, self.status_space, self.lazy, self.turn_s, self.stuck = status, status_space, lazy, turn_s, stuck
        self.media2, self.old, self.fixed, self.serial, self.elsewhere = media2, old, fixed, serial, elsewhere
        self.presets = {"1": (0.0, 0.0), "3": (60.0, -5.0)}
        self.orders: list[str] = []
        """Operations that were carried out, by name."""
        self.refused = 0
        self._goal = self._from = (0.0, 0.0, 0.0)
        self._begun = 0.0
        self._nonces: set[str] = set()
        self.peer: HttpPeer = HttpPeer()

    # ---------------------------------------------------------------------------------------------- SOAP

    def answer(self, heard: Heard) -> tuple[int, bytes]:
        text = heard.body.decode()
        operation = re.search(r"<s:Body[^>]*><(?:\w+:)?(\w+)", text)
        assert operation, text
        name = operation[1]
        if name == "GetSystemDateAndTime":
            return 200, body(self._clock())
        if not self._trusts(text):
            self.refused += 1
            return 400, fault("ter:NotAuthorized", "Sender not Authorized")
        handler = getattr(self, f"_{name}", None)
        if handler is None:
            return 500, fault("ter:ActionNotSupported", f"{name} is not offered")
        self.orders.append(name)
        said = handler(text)
        return (500, said) if isinstance(said, bytes) else (200, body(said))

    def _trusts(self, text: str) -> bool:
        """WS-UsernameToken with a digest no older than five seconds by this camera's clock, each nonce once."""
        field = {
            name: re.search(rf"<\w+:{name}(?: [^>]*)?>([^<]*)<", text)
            for name in ("Username", "Password", "Nonce", "Created")
        }
        if not all(field.values()):
            return False
        given = {name: found[1] for name, found in field.items() if found}
        digest = hashlib.sha1(
            base64.b64decode(given["Nonce"]) + given["Created"].encode() + self.password.encode(), usedforsecurity=False
        ).digest()
        created = datetime.fromisoformat(given["Created"]).timestamp()
        good = (
            given["Username"] == self.user
            and base64.b64encode(digest).decode() == given["Password"]
            and abs(created - (self.now() / 1e9 + self.clock_off_s)) <= 5.0
            and given["Nonce"] not in self._nonces
        )
        self._nonces.add(given["Nonce"])
        return good

    def _clock(self) -> str:
        at = datetime.fromtimestamp(self.now() / 1e9 + self.clock_off_s, UTC)
        return (
            "<d:GetSystemDateAndTimeResponse><d:SystemDateAndTime><t:DateTimeType>NTP</t:DateTimeType><t:UTCDateTime><t:Time>"
            f"<t:Hour>{at.hour}</t:Hour><t:Minute>{at.minute}</t:Minute><t:Second>{at.second}</t:Second></t:Time><t:Date>"
            f"<t:Year>{at.year}</t:Year><t:Month>{at.month}</t:Month><t:Day>{at.day}</t:Day></t:Date></t:UTCDateTime>"
            "</d:SystemDateAndTime></d:GetSystemDateAndTimeResponse>"
        )

    # ---------------------------------------------------------------------------------------------- device and media

    def _GetDeviceInformation(self, text: str) -> str:
        return (
            "<d:GetDeviceInformationResponse><d:Manufacturer>Acme</d:Manufacturer><d:Model>Dome 30x</d:Model>"
            f"<d:FirmwareVersion>1.2</d:FirmwareVersion><d:SerialNumber>{self.serial}</d:SerialNumber></d:GetDeviceInformationResponse>"
        )

    def _GetScopes(self, text: str) -> str:
        items = "".join(f"<d:Scopes><t:ScopeItem>{scope}</t:ScopeItem></d:Scopes>" for scope in self.scopes)
        return f"<d:GetScopesResponse>{items}</d:GetScopesResponse>"

    @property
    def scopes(self) -> tuple[str, ...]:
        said = (
            "type/video_encoder",
            "name/North%20Gate",
            "location/city/Harbour",
            "hardware/Dome-30x",
            "Profile/Streaming",
        )
        return tuple(f"onvif://www.onvif.org/{scope}" for scope in said)

    def _GetGeoLocation(self, text: str) -> str | bytes:
        if self.place is None:
            return fault("ter:ActionNotSupported", "no location")
        lon, lat, yaw = self.place
        return (
            f'<d:GetGeoLocationResponse><d:Location><t:GeoLocation lon="{lon}" lat="{lat}" elevation="4"/>'
            f'<t:GeoOrientation roll="0" pitch="0" yaw="{yaw}"/></d:Location></d:GetGeoLocationResponse>'
        )

    def _url(self, path: str) -> str:
        host = self.elsewhere or self.peer.url
        return f"{host}{path}"

    def _GetServices(self, text: str) -> str | bytes:
        if self.old:
            return fault("ter:ActionNotSupported", "older than GetServices")
        media = "ver20/media" if self.media2 else "ver10/media"
        found = {f"http://www.onvif.org/{media}/wsdl": "/media", "http://www.onvif.org/ver20/ptz/wsdl": "/ptz"}
        if self.fixed:
            del found["http://www.onvif.org/ver20/ptz/wsdl"]
        parts = "".join(
            f"<d:Service><d:Namespace>{space}</d:Namespace><d:XAddr>{self._url(path)}</d:XAddr></d:Service>"
            for space, path in found.items()
        )
        return f"<d:GetServicesResponse>{parts}</d:GetServicesResponse>"

    def _GetCapabilities(self, text: str) -> str:
        return (
            f"<d:GetCapabilitiesResponse><d:Capabilities><t:Media><t:XAddr>{self._url('/media')}</t:XAddr></t:Media>"
            f"<t:PTZ><t:XAddr>{self._url('/ptz')}</t:XAddr></t:PTZ></d:Capabilities></d:GetCapabilitiesResponse>"
        )

    def _GetProfiles(self, text: str) -> str:
        ptz = "" if self.fixed else "<t:PTZConfiguration><t:NodeToken>node0</t:NodeToken></t:PTZConfiguration>"

        def profile(token: str, width: int, height: int) -> str:
            return (
                f'<m:Profiles token="{token}"><t:Name>{token}</t:Name><t:VideoSourceConfiguration><t:SourceToken>vs0</t:SourceToken>'
                f"</t:VideoSourceConfiguration><t:VideoEncoderConfiguration><t:Resolution><t:Width>{width}</t:Width>"
                f"<t:Height>{height}</t:Height></t:Resolution></t:VideoEncoderConfiguration>{ptz}</m:Profiles>"
            )

        return f"<m:GetProfilesResponse>{profile('sub', 640, 360)}{profile('main', 2560, 1440)}</m:GetProfilesResponse>"

    def _GetStreamUri(self, text: str) -> str:
        uri = "<t:Uri>rtsp://admin:12345@10.0.0.7/main</t:Uri>"
        inside = uri.replace("t:", "m:") if self.media2 else f"<m:MediaUri>{uri}</m:MediaUri>"
        return f"<m:GetStreamUriResponse>{inside}</m:GetStreamUriResponse>"

    # ---------------------------------------------------------------------------------------------- PTZ

    def _GetNodes(self, text: str) -> str:
        described = {
            SPHERICAL: "<t:XRange><t:Min>-180</t:Min><t:Max>180</t:Max></t:XRange><t:YRange><t:Min>-85</t:Min><t:Max>5</t:Max></t:YRange>",
            GENERIC: "<t:XRange><t:Min>-1</t:Min><t:Max>1</t:Max></t:XRange><t:YRange><t:Min>-1</t:Min><t:Max>1</t:Max></t:YRange>",
        }
        spaces = "".join(
            f"<t:AbsolutePanTiltPositionSpace><t:URI>{space}</t:URI>{described[space]}</t:AbsolutePanTiltPositionSpace>"
            for space in self.spaces
        )
        return (
            f'<p:GetNodesResponse><p:PTZNode token="node0" FixedHomePosition="false" GeoMove="{str(self.geo_move).lower()}">'
            f"<t:SupportedPTZSpaces>{spaces}<t:AbsoluteZoomPositionSpace><t:URI>{SPACES}/ZoomSpaces/PositionGenericSpace</t:URI>"
            "</t:AbsoluteZoomPositionSpace></t:SupportedPTZSpaces><t:MaximumNumberOfPresets>255</t:MaximumNumberOfPresets>"
            "<t:HomeSupported>true</t:HomeSupported></p:PTZNode></p:GetNodesResponse>"
        )

    def _GetPresets(self, text: str) -> str:
        parts = "".join(f'<p:Preset token="{token}"><t:Name>View {token}</t:Name></p:Preset>' for token in self.presets)
        return f"<p:GetPresetsResponse>{parts}</p:GetPresetsResponse>"

    def _AbsoluteMove(self, text: str) -> str | bytes:
        found = re.search(r'PanTilt x="([-\d.]+)" y="([-\d.]+)" space="([^"]+)"', text)
        assert found
        if found[3] not in self.spaces:
            return fault("ter:SpaceNotSupported", "no such space")
        zoom = re.search(r'Zoom x="([-\d.]+)"', text)
        self._go((float(found[1]), float(found[2]), float(zoom[1]) if zoom else self.pose[2]))
        return "<p:AbsoluteMoveResponse/>"

    def _GeoMove(self, text: str) -> str | bytes:
        if self.geo_move_fault:
            return fault(self.geo_move_fault, "cannot")
        self._go((12.0, -3.0, 0.5))
        return "<p:GeoMoveResponse/>"

    def _GotoPreset(self, text: str) -> str | bytes:
        token = re.search(r"PresetToken>([^<]*)<", text)
        if not token or token[1] not in self.presets:
            return fault("ter:NoToken", "No such preset")
        self._go((*self.presets[token[1]], 0.0))
        return "<p:GotoPresetResponse/>"

    def _GotoHomePosition(self, text: str) -> str:
        self._go((0.0, 0.0, 0.0))
        return "<p:GotoHomePositionResponse/>"

    def _GetStatus(self, text: str) -> str | bytes:
        if not self.status:
            return fault("ter:ActionNotSupported", "no status")
        pan, tilt, zoom = self.pose
        moving = not self.lazy and (pan, tilt, zoom) != self._goal and not self.stuck
        word = "MOVING" if moving else "IDLE"
        return (
            f'<p:GetStatusResponse><p:PTZStatus><t:Position><t:PanTilt x="{pan}" y="{tilt}" space="{self.status_space}"/>'
            f'<t:Zoom x="{zoom}"/></t:Position><t:MoveStatus><t:PanTilt>{word}</t:PanTilt><t:Zoom>{word}</t:Zoom></t:MoveStatus>'
            "<t:UtcTime>2026-01-01T00:00:00Z</t:UtcTime></p:PTZStatus></p:GetStatusResponse>"
        )

    def _go(self, goal: tuple[float, float, float]) -> None:
        self._from, self._goal, self._begun = self.pose, goal, time.monotonic()

    @property
    def pose(self) -> tuple[float, float, float]:
        """Pan, tilt and zoom as they are now."""
        if self.stuck:
            return self._from
        share = 1.0 if not self.turn_s else min(1.0, (time.monotonic() - self._begun) / self.turn_s)
        if share >= 1.0:
            return self._goal
        pan, tilt, zoom = (a + (b - a) * share for a, b in zip(self._from, self._goal, strict=True))
        return pan, tilt, zoom


def body(inside: str) -> bytes:
    return (
        '<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:d="http://www.onvif.org/ver10/device/wsdl"'
        ' xmlns:m="http://www.onvif.org/ver10/media/wsdl" xmlns:p="http://www.onvif.org/ver20/ptz/wsdl" xmlns:t="http://www.onvif.org/ver10/schema">'
        f"<s:Body>{inside}</s:Body></s:Envelope>"
    ).encode()


def fault(code: str, reason: str) -> bytes:
    return body(
        f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>{code}</s:Value></s:Subcode></s:Code>"
        f"<s:Reason><s:Text>{reason}</s:Text></s:Reason></s:Fault>"
    )


@asynccontextmanager
async def onvif_camera(**more: Any) -> AsyncIterator[SimulatedCamera]:
    """A camera at its web address, `camera.peer.url`."""
    camera = SimulatedCamera(**more)
    async with http_peer(camera.answer) as peer:
        camera.peer = peer
        yield camera


class Responder(asyncio.DatagramProtocol):
    """Answers Probes for `types` like a camera with these addresses."""

    def __init__(self, camera: SimulatedCamera, types: str = "dn:NetworkVideoTransmitter", urls: str = "") -> None:
        self.types, self.urls, self.camera = types, urls, camera
        self.probes: list[str] = []
        self.port = 0
        self.before = b""
        """Sent ahead of each answer: rubbish, say."""
        self._transport: Any = None

    async def start(self, group: str = "") -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((group or "127.0.0.1", 0))
        if group:
            sock.setsockopt(
                socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton("127.0.0.1")
            )
        self.port = sock.getsockname()[1]
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=sock)

    def stop(self) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        text = data.decode()
        self.probes.append(text)
        wanted = re.search(r"<w:Types[^>]*>\w+:(\w+)<", text)
        if not wanted or wanted[1] not in self.types:
            return
        number = re.search(r"MessageID>([^<]+)<", text)
        assert number
        urls = self.urls or f"http://192.0.2.1/onvif/device_service {self.camera.peer.url}/onvif/device_service"
        if self.before:
            self._transport.sendto(self.before, addr)
        self._transport.sendto(
            (
                '<?xml version="1.0"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
                ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><e:Header>'
                f"<a:RelatesTo>{number[1]}</a:RelatesTo></e:Header><e:Body><d:ProbeMatches><d:ProbeMatch><a:EndpointReference>"
                f"<a:Address>urn:uuid:00000000-0000-4000-8000-{self.camera.serial:0>12}</a:Address></a:EndpointReference>"
                f"<d:Types>{self.types}</d:Types><d:Scopes>{' '.join(self.camera.scopes)}</d:Scopes><d:XAddrs>{urls}</d:XAddrs>"
                "<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>"
            ).encode(),
            addr,
        )
