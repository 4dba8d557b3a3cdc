"""The same warning in the manner of GB/T 35965.1-2018, the message of China's emergency warning release systems. Pure.

Like CAP and not CAP: times with a blank, a 31-character identifier, severities as colours, an event code. The element
names follow published messages of those systems; the standard's own text was not at hand, so this must be compared with
the receiving centre's specification before use.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from xml.etree import ElementTree as ET

import msgspec

from adapters.cap.message import Issue, Issuer, Ring, description, document, event, headline, plain
from adapters.wallclock import zone_named
from hub.model import AlertChange
from hub.moment import SECOND

BEIJING = zone_named("Asia/Shanghai")
COLOURS = {"blue": "Blue", "yellow": "Yellow", "orange": "Orange", "red": "Red"}


class Centre(msgspec.Struct, frozen=True):
    """What the release centre assigned."""

    code: str
    """14 characters: area (6 digits), kind of department, unit, channel."""
    event_type: str = ""
    """The event's code in the centre's table."""
    area_code: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9A-Za-z]{14}", self.code):
            raise ValueError(f"code {self.code!r}: the centre's sender code has 14 letters or digits")


def time_text(at: int) -> str:
    """Beijing time with a blank: 2026-01-01 08:00:00+08:00."""
    return datetime.fromtimestamp(at // SECOND, BEIJING).isoformat(" ")


def identifier(centre: Centre, at: int, number: int) -> str:
    """ZZZZZZDDDUUUXX_YYYYMMDDhhmmss_N, 31 characters; `number` 0 to 9 tells messages of one second apart."""
    if not 0 <= number <= 9:
        raise ValueError("at most ten messages a second can be told apart")
    return f"{centre.code}_{datetime.fromtimestamp(at // SECOND, BEIJING):%Y%m%d%H%M%S}_{number}"


def build(change: AlertChange, issue: Issue, issuer: Issuer, centre: Centre, polygons: Sequence[Ring] = ()) -> bytes:
    """The message as UTF-8 XML; `issue.identifier` and the references are of this module's own form."""
    alert = ET.Element("alert")

    def say(parent: ET.Element, name: str, text: str) -> None:
        ET.SubElement(parent, name).text = plain(text)

    say(alert, "identifier", issue.identifier)
    say(alert, "sender", issuer.name or issuer.sender)
    say(alert, "senderCode", centre.code)
    say(alert, "sendTime", time_text(issue.sent))
    say(alert, "status", issue.status)
    say(alert, "msgType", issue.kind)
    say(alert, "scope", issuer.scope)
    say(alert, "secClassification", "None")
    say(alert, "note", "")
    say(alert, "references", " ".join(issue.references))
    info = ET.SubElement(alert, "info")
    say(info, "language", "zh-CN")
    say(info, "eventType", centre.event_type or event(change, chinese=True))
    say(info, "urgency", str(change.cap.get("urgency") or "Immediate"))
    say(info, "severity", COLOURS.get(change.level, "Blue"))
    say(info, "certainty", str(change.cap.get("certainty") or "Observed"))
    say(info, "effective", time_text(issue.sent))
    say(info, "onset", time_text(change.at))
    say(info, "expires", time_text(issue.sent + int(issuer.valid_s * SECOND)))
    say(info, "senderName", issuer.name or issuer.sender)
    say(info, "headline", headline(change, True, issue.status))
    say(info, "description", description(change, True))
    say(info, "instruction", str(change.cap.get("instruction") or ""))
    say(info, "web", issuer.web)
    area = ET.SubElement(info, "area")
    say(area, "areaDesc", change.area or change.subject)
    for ring in polygons:
        say(area, "polygon", " ".join(f"{lat:.6f},{lon:.6f}" for lon, lat in ring))
    if not polygons and change.position:
        say(area, "circle", f"{change.position.lat:.6f},{change.position.lon:.6f} {issuer.radius_km:g}")
    say(area, "geocode", centre.area_code)
    ET.indent(alert, " ")
    return document(alert)
