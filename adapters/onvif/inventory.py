"""What an ONVIF device is and has: identity, place, pictures, how it turns. Read from its services, then said as cameras.

Devices know little of where they look, and much of what they know nobody ever set. Every value keeps where it came from;
what is not said stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import hypot
from urllib.parse import urlsplit, urlunsplit
from xml.etree import ElementTree as ET

import msgspec

from adapters.onvif import soap
from adapters.onvif.client import Client
from adapters.onvif.discovery import scopes as read_scopes
from hub.model import Camera, Position
from hub.moment import SECOND

YAW_ERROR_DEG = 22.5
"""One sigma of a GeoOrientation: set by hand where it is set at all, and vendors differ in its sign and zero."""
CLOCK_OFF_S = 5.0
"""A clock further off is said: recordings are then found at the wrong time."""
SOURCES_MAX = 256
PRESETS_MAX = 1_000


class Node(msgspec.Struct, frozen=True):
    """A PTZ node: which ways of aiming it offers."""

    token: str
    spherical: bool = False
    generic: bool = False
    zoom: bool = False
    geo_move: bool = False
    home: bool = False
    tilt_max_deg: float | None = None


class Source(msgspec.Struct):
    """One picture: a video source, by its sharpest profile."""

    token: str
    profile: str
    width_px: int | None = None
    stream_url: str = ""
    node: Node | None = None
    ptz_profile: str = ""
    presets: list[tuple[str, str]] = msgspec.field(default_factory=list)
    """(token, name)."""


class Device(msgspec.Struct):
    """What a device said of itself, and what could not be had."""

    url: str
    endpoint: str = ""
    scopes: dict[str, list[str]] = msgspec.field(default_factory=dict)
    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    clock_off_s: float = 0.0
    lon: float | None = None
    lat: float | None = None
    yaw_deg: float | None = None
    ptz_url: str = ""
    sources: list[Source] = msgspec.field(default_factory=list)
    remarks: list[str] = msgspec.field(default_factory=list)

    @property
    def id(self) -> str:
        """Its serial number, or the end of its endpoint's UUID, or its address: stable as far as can be."""
        known = self.serial or self.endpoint.rpartition("-")[2] or urlsplit(self.url).netloc
        return "onvif:" + (re.sub(r"[^A-Za-z0-9._-]+", "-", known).strip("-")[-40:] or "unknown")


async def survey(client: Client, url: str, endpoint: str = "", scopes: Mapping[str, list[str]] | None = None) -> Device:
    """Ask a device for all of it. What it does not tell becomes a remark."""
    device = Device(url, endpoint, dict(scopes or {}))
    device.clock_off_s = round(await client.clock_ahead(url) / SECOND, 1)
    if abs(device.clock_off_s) > CLOCK_OFF_S:
        device.remarks.append(f"its clock is {device.clock_off_s:+.0f} s off")
    about = await _ask(client, device, url, soap.ask_device("GetDeviceInformation"), "who it is")
    if about is None:
        return device  # a device that does not even say its name will not say more
    device.manufacturer, device.model = soap.text_of(about, "Manufacturer")[:100], soap.text_of(about, "Model")[:100]
    device.serial, device.firmware = soap.text_of(about, "SerialNumber")[:100], soap.text_of(about, "FirmwareVersion")
    if not device.scopes and (said := (await client.ask(url, soap.ask_device("GetScopes"))).answer.body):
        root = soap.read(said)
        items = [] if root is None else [(one.text or "").strip() for one in soap.every(root, "ScopeItem")]
        device.scopes = read_scopes(items)
    await _place(client, device)
    services = await _services(client, device)
    device.ptz_url = services.get(soap.PTZ, "")
    await _pictures(client, device, services)
    return device


async def _ask(client: Client, device: Device, url: str, body: str, what: str) -> ET.Element | None:
    """The answer's body, or None and a remark."""
    reply = await client.ask(url, body)
    found = soap.read(reply.answer.body) if reply.ok else None
    if found is None:
        device.remarks.append(f"does not tell {what}: {reply.why_not or 'no SOAP came back'}")
    return found


async def _place(client: Client, device: Device) -> None:
    """GetGeoLocation (Core, since 2017): most devices do not have it, and most of the others were never told."""
    reply = await client.ask(device.url, soap.ask_device("GetGeoLocation"))
    root = soap.read(reply.answer.body) if reply.ok else None
    if root is None:
        return
    lon, lat = soap.number_of(root, "GeoLocation", "@lon"), soap.number_of(root, "GeoLocation", "@lat")
    if lon is None or lat is None or (lon, lat) == (0.0, 0.0):
        return
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        swapped = "; were longitude and latitude swapped?" if -90 <= lon <= 90 and -180 <= lat <= 180 else ""
        device.remarks.append(f"its GeoLocation {lon}, {lat} is no place on Earth{swapped}")
        return
    device.lon, device.lat = lon, lat
    yaw = soap.number_of(root, "GeoOrientation", "@yaw")
    device.yaw_deg = None if yaw is None else yaw % 360


async def _services(client: Client, device: Device) -> dict[str, str]:
    """Namespace → address at the device itself: GetServices, or GetCapabilities of older ones."""
    asked = soap.ask_device("GetServices", "<IncludeCapability>false</IncludeCapability>")
    reply = await client.ask(device.url, asked)
    root = soap.read(reply.answer.body) if reply.ok else None
    found: dict[str, str] = {}
    if root is not None:
        for one in soap.every(root, "Service"):
            found[soap.text_of(one, "Namespace")] = soap.text_of(one, "XAddr")
    else:
        asked = soap.ask_device("GetCapabilities", "<Category>All</Category>")
        root = await _ask(client, device, device.url, asked, "its services")
        for name, space in (("Media", soap.MEDIA), ("PTZ", soap.PTZ)):
            for one in soap.every(root, name) if root is not None else ():
                found[space] = soap.text_of(one, "XAddr")
    return {space: _at(device.url, address) for space, address in found.items() if address}


def _at(device_url: str, address: str) -> str:
    """The address at the device as we reach it: devices behind NAT name another host, and no login goes to strangers."""
    here, there = urlsplit(device_url), urlsplit(address)
    if there.hostname == here.hostname:
        return address
    return urlunsplit((here.scheme, here.netloc, there.path, there.query, ""))


async def _pictures(client: Client, device: Device, services: Mapping[str, str]) -> None:
    media = soap.MEDIA if soap.MEDIA in services else soap.MEDIA2
    if media not in services:
        device.remarks.append("names no media service")
        return
    root = await _ask(client, device, services[media], soap.get_profiles(media), "its profiles")
    if root is None:
        return
    nodes = await _nodes(client, device)
    device.sources = sources(root, nodes)
    if not device.sources:
        device.remarks.append("has no profile with a video source")
    for source in device.sources:
        said = await _ask(client, device, services[media], soap.get_stream_uri(media, source.profile), "its stream")
        source.stream_url = without_login(soap.text_of(said, "Uri"))
        if source.node and source.ptz_profile:
            said = await _ask(client, device, device.ptz_url, soap.get_presets(source.ptz_profile), "its presets")
            found = () if said is None else list(soap.every(said, "Preset"))[:PRESETS_MAX]
            source.presets = [(one.get("token", "")[:64], soap.text_of(one, "Name")[:100]) for one in found]


async def _nodes(client: Client, device: Device) -> dict[str, Node]:
    if not device.ptz_url:
        return {}
    root = await _ask(client, device, device.ptz_url, soap.get_nodes(), "how it turns")
    return {} if root is None else {node.token: node for node in map(_node, soap.every(root, "PTZNode"))}


def _node(element: ET.Element) -> Node:
    pan_tilt = list(soap.every(element, "AbsolutePanTiltPositionSpace"))
    spaces = {soap.text_of(space, "URI"): space for space in pan_tilt}
    spherical = spaces.get(soap.SPHERICAL)
    zooms = {soap.text_of(space, "URI") for space in soap.every(element, "AbsoluteZoomPositionSpace")}
    down = None if spherical is None else soap.number_of(spherical, "YRange", "Min")  # +tilt looks up
    return Node(
        element.get("token", "")[:64],
        spherical is not None,
        soap.GENERIC in spaces,
        soap.ZOOM_GENERIC in zooms,
        element.get("GeoMove", "").lower() in ("true", "1"),
        soap.text_of(element, "HomeSupported").lower() in ("true", "1"),
        None if down is None or not -90 <= down <= 90 else -down,
    )


def sources(profiles: ET.Element, nodes: Mapping[str, Node]) -> list[Source]:
    """The pictures of a GetProfiles answer (media or media 2), each by its sharpest profile."""
    found: dict[str, Source] = {}
    sharpness: dict[str, float] = {}
    for profile in soap.every(profiles, "Profiles"):
        token = profile.get("token", "")[:64]
        video = soap.text_of(profile, "SourceToken")[:64]
        if not token or not video or (video not in found and len(found) >= SOURCES_MAX):
            continue
        width, height = soap.number_of(profile, "Resolution", "Width"), soap.number_of(profile, "Resolution", "Height")
        node = nodes.get(soap.text_of(profile, "NodeToken"))
        source = found.setdefault(video, Source(video, token))
        if width and hypot(width, height or 0) > sharpness.get(video, 0.0):
            sharpness[video] = hypot(width, height or 0)
            source.profile, source.width_px = token, int(width) if 16 <= width <= 100_000 else None
        if node and (source.node is None or token == source.profile):
            source.node, source.ptz_profile = node, token
    return list(found.values())


def without_login(url: str) -> str:
    """A stream's address without the user and password that some devices put into it."""
    try:
        parts = urlsplit(url)
        if "@" in parts.netloc:
            parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        return urlunsplit(parts)
    except ValueError:
        return ""


# ------------------------------------------------------------------------------------------------- cameras


def cameras(devices: Iterable[Device]) -> tuple[list[Camera], list[Camera], list[str]]:
    """Cameras that know their place; those that do not (at 0, 0, to be filled in); and remarks."""
    placed: list[Camera] = []
    remarks: list[str] = []
    nowhere: list[Camera] = []
    seen: set[str] = set()
    for device in devices:
        said = f"{device.id} ({urlsplit(device.url).netloc})"
        remarks += [f"{said}: {remark}" for remark in device.remarks]
        if device.id in seen:
            remarks.append(f"{said}: another device has the same serial number; left out")
            continue
        seen.add(device.id)
        found = [camera(device, number) for number in range(len(device.sources))]
        if device.lon is None:
            nowhere += found
            remarks.append(f"{said}: does not know where it is; fill in lon and lat")
        else:
            placed += found
    return placed, nowhere, remarks


def camera(device: Device, number: int) -> Camera:
    """The device's picture of that number as a row of the registry."""
    source = device.sources[number]
    name = " ".join(device.scopes.get("name", [])) or f"{device.manufacturer} {device.model}".strip()
    area = " / ".join(device.scopes.get("location", []))
    turns = source.node is not None and (source.node.spherical or source.node.generic or bool(source.presets))
    origin = {
        "name": "onvif scope" if device.scopes.get("name") else "onvif GetDeviceInformation",
        **({"area": "onvif scope location"} if area else {}),
        **({"position": "onvif GeoLocation, accuracy not stated"} if device.lon is not None else {}),
        **({"width_px": f"onvif profile {source.profile}"} if source.width_px else {}),
        **({"stream_url": "onvif GetStreamUri"} if source.stream_url else {}),
        **({"ptz": f"onvif node {source.node.token}"} if source.node else {}),
    }
    azimuth = None if turns else device.yaw_deg
    if azimuth is not None:
        origin["azimuth_deg"] = "onvif GeoOrientation yaw, not checked"
    down = source.node.tilt_max_deg if source.node and turns else None
    if down is not None:
        origin["tilt_max_deg"] = "onvif SphericalPositionSpace"
    return Camera(
        device.id + (f"-{number + 1}" if len(device.sources) > 1 else ""),
        Position(device.lon or 0.0, device.lat or 0.0),
        name=name + (f" {number + 1}" if len(device.sources) > 1 else ""),
        azimuth_deg=azimuth,
        azimuth_error_deg=None if azimuth is None else YAW_ERROR_DEG,
        ptz=turns,
        tilt_max_deg=down,
        width_px=source.width_px,
        area=area,
        stream_url=source.stream_url,
        origin=origin,
    )


def sink_block(devices: Sequence[Device], username: str, password_env: str) -> str:
    """The `[[sinks]]` block that turns these devices' PTZ cameras, with what each can."""
    lines = ["[[sinks]]", 'name = "domes"', 'protocol = "onvif"']
    if username:
        lines.append(f"username = {_toml(username)}")
    if password_env:
        lines.append(f"password_env = {_toml(password_env)}")
    for device in devices:
        for number, source in enumerate(device.sources):
            row = camera(device, number)
            if not row.ptz or source.node is None:
                continue
            lines += ["", f"[sinks.cameras.{_toml(row.camera)}]", f"url = {_toml(device.ptz_url)}"]
            lines.append(f"profile = {_toml(source.ptz_profile)}")
            if source.node.geo_move:
                lines.append("geo_move = true")
            if source.node.spherical:
                lines.append("spherical = true                     # with landmarks, or pan_offset_deg in cameras.csv")
            elif source.node.generic:
                lines.append(
                    "# landmarks = [[12.5, 0.1], [95.0, 0.35]]   # [true azimuth, its own pan]; and tilt_units"
                )
            if source.node.zoom:
                lines.append("# zoom = [[1, 0.0], [30, 1.0]]      # [magnification, its own zoom]")
            if source.presets:
                lines.append(
                    f"# presets: {', '.join(f'{token} {name}'.strip() for token, name in source.presets)[:200]}"
                )
    return "\n".join(lines) + "\n"


def _toml(text: str) -> str:
    """A basic string of TOML; JSON strings are ones, but for what is beyond the basic plane."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else " " for c in text) + '"'
