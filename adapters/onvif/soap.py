"""ONVIF PTZ requests (PTZ Service Specification, 2026 edition) with WS-UsernameToken. Pure: time and nonce are arguments."""

from __future__ import annotations

import base64
import hashlib
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from hub.moment import SECOND, to_text

ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
PTZ = "http://www.onvif.org/ver20/ptz/wsdl"
SCHEMA = "http://www.onvif.org/ver10/schema"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
DIGEST = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
SPHERICAL = "http://www.onvif.org/ver10/tptz/PanTiltSpaces/SphericalPositionSpace"
GENERIC = "http://www.onvif.org/ver10/tptz/PanTiltSpaces/PositionGenericSpace"
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
    zoomed = f'<t:Zoom x="{zoom:.4f}"/>' if zoom is not None else ""
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


def fault(answer: bytes) -> str:
    """The reason of a SOAP fault, "" where there is none to read."""
    if b"<!" in answer[:200].replace(b"<!--", b""):
        return ""
    try:
        root = ET.fromstring(answer)
    except (ET.ParseError, ValueError):
        return ""
    found = root.find(f".//{{{ENVELOPE}}}Fault")
    if found is None:
        return ""
    words = [text.strip() for text in found.itertext() if text.strip()]
    return " ".join(words)[:300] or "a fault without a word"
