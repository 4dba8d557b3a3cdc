"""ONVIF requests with WS-UsernameToken, and their answers read. Pure: time and nonce are arguments; no bytes raise.

PTZ: PTZ Service Specification, 2026 edition; device, media and media 2: Core and Media Specifications, the same edition.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

import msgspec

from hub.moment import SECOND, to_text

ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
PTZ = "http://www.onvif.org/ver20/ptz/wsdl"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
SCHEMA = "http://www.onvif.org/ver10/schema"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
DIGEST = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
SPHERICAL = "http://www.onvif.org/ver10/tptz/PanTiltSpaces/SphericalPositionSpace"
GENERIC = "http://www.onvif.org/ver10/tptz/PanTiltSpaces/PositionGenericSpace"
ZOOM_GENERIC = "http://www.onvif.org/ver10/tptz/ZoomSpaces/PositionGenericSpace"
TYPE = "application/soap+xml; charset=utf-8"


def envelope(body: str, username: str, password: str, now: int, nonce: bytes) -> bytes:
    """The request around a body; without a user there is no security header."""
    header = ""
    if username:
        created = to_text(now // SECOND * SECOND)
        digest = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False).digest()
        header = (
            f'<s:Header><w:Security xmlns:w="{WSSE}" s:mustUnderstand="1"><w:UsernameToken>'
            f"<w:Username>{escape(username)}</w:Username>"
            f'<w:Password Type="{DIGEST}">{base64.b64encode(digest).decode()}</w:Password>'
            f"<w:Nonce>{base64.b64encode(nonce).decode()}</w:Nonce>"
            f'<u:Created xmlns:u="{WSU}">{created}</u:Created></w:UsernameToken></w:Security></s:Header>'
        )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{ENVELOPE}">{header}'
        f'<s:Body xmlns:p="{PTZ}" xmlns:t="{SCHEMA}">{body}</s:Body></s:Envelope>'
    ).encode()


def geo_move(profile: str, lon: float, lat: float, elevation: float, width_m: float) -> str:
    """The camera aims by itself; the area's width in metres lets it choose the zoom."""
    return (
        f"<p:GeoMove><p:ProfileToken>{escape(profile)}</p:ProfileToken>"
        f'<p:Target lon="{lon:.7f}" lat="{lat:.7f}" elevation="{elevation:.1f}"/>'
        f"<p:AreaWidth>{width_m:.1f}</p:AreaWidth></p:GeoMove>"
    )


def absolute_move(profile: str, pan: float, tilt: float, space: str, zoom: float | None = None) -> str:
    """`pan` and `tilt` in the space's own scale; positive tilt looks up. `zoom` 0 to 1 in the generic space."""
    zoomed = f'<t:Zoom x="{zoom:.4f}" space="{ZOOM_GENERIC}"/>' if zoom is not None else ""
    return (
        f"<p:AbsoluteMove><p:ProfileToken>{escape(profile)}</p:ProfileToken><p:Position>"
        f'<t:PanTilt x="{pan:.4f}" y="{tilt:.4f}" space="{space}"/>{zoomed}</p:Position></p:AbsoluteMove>'
    )


def goto_preset(profile: str, preset: str) -> str:
    return (
        f"<p:GotoPreset><p:ProfileToken>{escape(profile)}</p:ProfileToken>"
        f"<p:PresetToken>{escape(preset)}</p:PresetToken></p:GotoPreset>"
    )


def goto_home(profile: str) -> str:
    return f"<p:GotoHomePosition><p:ProfileToken>{escape(profile)}</p:ProfileToken></p:GotoHomePosition>"


def get_status(profile: str) -> str:
    return f"<p:GetStatus><p:ProfileToken>{escape(profile)}</p:ProfileToken></p:GetStatus>"


def get_presets(profile: str) -> str:
    return f"<p:GetPresets><p:ProfileToken>{escape(profile)}</p:ProfileToken></p:GetPresets>"


def get_nodes() -> str:
    return "<p:GetNodes/>"


def ask_device(operation: str, inside: str = "") -> str:
    """An operation of the device service, such as GetScopes."""
    return f"<{operation} xmlns={quoteattr(DEVICE)}>{inside}</{operation}>"


def get_profiles(media: str) -> str:
    """Of the media or the media 2 service; the second tells only what is asked for."""
    inside = "<Type>All</Type>" if media == MEDIA2 else ""
    return f"<GetProfiles xmlns={quoteattr(media)}>{inside}</GetProfiles>"


def get_stream_uri(media: str, profile: str) -> str:
    """Where the profile's picture comes from by RTSP."""
    token = f"<ProfileToken>{escape(profile)}</ProfileToken>"
    if media == MEDIA2:
        return f"<GetStreamUri xmlns={quoteattr(media)}><Protocol>RTSP</Protocol>{token}</GetStreamUri>"
    setup = (
        f"<StreamSetup><t:Stream>RTP-Unicast</t:Stream><t:Transport xmlns:t={quoteattr(SCHEMA)}>"
        "<t:Protocol>RTSP</t:Protocol></t:Transport></StreamSetup>"
    )
    return f"<GetStreamUri xmlns={quoteattr(media)}>{setup}{token}</GetStreamUri>"


# ------------------------------------------------------------------------------------------------- answers


def read(answer: bytes) -> ET.Element | None:
    """What stands in the answer's Body, None where it is no SOAP."""
    if b"<!DOCTYPE" in answer or b"<!ENTITY" in answer:
        return None
    try:
        root = ET.fromstring(answer)
    except (ET.ParseError, ValueError, RecursionError):
        return None
    body = next((part for part in root if name_of(part) == "Body"), None)
    return body[0] if body is not None and len(body) else None


def fault(answer: bytes) -> str:
    """The codes and the reason of a SOAP fault, "" where there is none to read."""
    found = read(answer)
    if found is None or name_of(found) != "Fault":
        return ""
    words = [text.strip() for text in found.itertext() if text.strip()]
    return " ".join(words)[:300] or "a fault without a word"


def name_of(element: ET.Element) -> str:
    """The name without its namespace: cameras are loose with those."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def every(root: ET.Element, name: str) -> Iterator[ET.Element]:
    """All elements of that name below, in order."""
    return (element for element in root.iter() if name_of(element) == name)


def text_of(root: ET.Element | None, name: str) -> str:
    """The text of the first element of that name, "" without one."""
    found = None if root is None else next(every(root, name), None)
    return "" if found is None else (found.text or "").strip()[:500]


def number_of(root: ET.Element, *path: str) -> float | None:
    """The number in an element (path of names below), or in an attribute where the last begins with @."""
    element: ET.Element | None = root
    for name in path:
        if element is None:
            return None
        if name.startswith("@"):
            return _number(element.get(name[1:], ""))
        element = next((part for part in element.iter() if part is not element and name_of(part) == name), None)
    return None if element is None else _number(element.text or "")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def clock(answer: bytes) -> int | None:
    """The camera's UTC of a GetSystemDateAndTime answer in ns, None where it says none."""
    root = read(answer)
    utc = None if root is None else next(every(root, "UTCDateTime"), None)
    if utc is None:
        return None
    parts = [number_of(utc, name) for name in ("Year", "Month", "Day", "Hour", "Minute", "Second")]
    year, month, day, hour, minute, second = (-1 if part is None else int(part) for part in parts)
    try:
        said = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return int(said.timestamp()) * SECOND if 1970 <= said.year <= 2200 else None


class Status(msgspec.Struct, frozen=True):
    """Where a camera looks now, on its own scales; `moving` None where it does not say."""

    pan: float | None = None
    tilt: float | None = None
    zoom: float | None = None
    space: str = ""
    moving: bool | None = None


def status(answer: bytes) -> Status | None:
    """A GetStatus answer, None where it is none."""
    root = read(answer)
    found = None if root is None else next(every(root, "PTZStatus"), None)
    if found is None:
        return None
    position = next(every(found, "Position"), None)
    pan_tilt = None if position is None else next(every(position, "PanTilt"), None)
    move = next(every(found, "MoveStatus"), None)
    said = [] if move is None else [text.strip().upper() for text in move.itertext() if text.strip()]
    known = [word for word in said if word in ("IDLE", "MOVING")]
    return Status(
        None if pan_tilt is None else number_of(pan_tilt, "@x"),
        None if pan_tilt is None else number_of(pan_tilt, "@y"),
        None if position is None else number_of(position, "Zoom", "@x"),
        "" if pan_tilt is None else pan_tilt.get("space", "")[:200],
        "MOVING" in known if known else None,
    )
