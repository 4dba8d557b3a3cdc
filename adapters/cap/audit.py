"""What validators in the field object to beyond the schema, as sentences. Pure; reads any CAP 1.2 message.

The rules of the Google CAP profile and of CAP 1.2 itself: times, references, closed polygons, words, lengths.
"""

from __future__ import annotations

import re
from datetime import datetime
from xml.etree import ElementTree as ET

import shapely

from adapters.cap.message import NAMESPACE
from adapters.cap.words import HEADLINE_MAX

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
NAME = re.compile(r"[^\s,<&]+")
BYTES_MAX = 100_000
"""A receiver's recommended largest message (Google); 900 kB is its limit."""


def problems(xml: bytes) -> list[str]:
    """Everything that is wrong with the message; empty for a good one."""
    try:
        alert = ET.fromstring(xml)
    except (ET.ParseError, ValueError) as error:
        return [f"not well-formed XML: {error}"]
    found: list[str] = []
    if alert.tag != f"{{{NAMESPACE}}}alert":
        return [f"the root is {alert.tag!r}, not a CAP 1.2 alert"]
    if len(xml) > BYTES_MAX:
        found.append(f"{len(xml)} bytes; receivers want at most {BYTES_MAX}")
    for name in ("identifier", "sender"):
        if not NAME.fullmatch(_text(alert, name)):
            found.append(f"{name} {_text(alert, name)!r} is empty or holds a blank, a comma, < or &")
    for path in ("sent", "info/effective", "info/onset", "info/expires"):
        for time in alert.findall("/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/"))):
            if not TIME.fullmatch(time.text or ""):
                found.append(f"{path} {time.text!r} is no CAP time such as 2026-01-01T08:00:00+08:00")
    found += _references(alert)
    if (_text(alert, "scope") == "Restricted") != bool(_text(alert, "restriction")):
        found.append("restriction belongs to scope Restricted, and to that only")
    infos = alert.findall(f"{{{NAMESPACE}}}info")
    if len({tuple(sorted(_texts(info, "category"))) for info in infos}) > 1:
        found.append("the infos differ in category")
    for info in infos:
        found += _info(info)
    return found


def _references(alert: ET.Element) -> list[str]:
    found = []
    references, kind = _text(alert, "references").split(), _text(alert, "msgType")
    if kind in ("Update", "Cancel", "Ack", "Error") and not references:
        found.append(f"{kind} without references")
    for said in references:
        parts = said.split(",")
        if len(parts) != 3 or not all(parts):
            found.append(f"reference {said!r} is not sender,identifier,sent")
            continue
        if parts[:2] == [_text(alert, "sender"), _text(alert, "identifier")]:
            found.append("the message refers to itself")
        if (
            TIME.fullmatch(parts[2])
            and TIME.fullmatch(_text(alert, "sent"))
            and _time(parts[2]) > _time(_text(alert, "sent"))
        ):
            found.append(f"reference {said!r} is later than the message")
    return found


def _info(info: ET.Element) -> list[str]:
    found = []
    for name in ("description", "expires", "headline"):
        if not _text(info, name):
            found.append(f"an info without {name}")
    if len(_text(info, "headline")) > HEADLINE_MAX:
        found.append(f"headline of {len(_text(info, 'headline'))} characters; {HEADLINE_MAX} at most")
    for name in ("urgency", "severity", "certainty"):
        if _text(info, name) in ("Unknown", "Very Likely", ""):
            found.append(f"{name} is {_text(info, name)!r}")
    effective, expires = _text(info, "effective"), _text(info, "expires")
    if TIME.fullmatch(effective) and TIME.fullmatch(expires) and _time(effective) >= _time(expires):
        found.append("effective is not before expires")
    for element in info.iter():
        if re.search(r"<[a-zA-Z/]|&[a-z]+;", element.text or ""):
            found.append(f"{element.tag.rpartition('}')[2]} holds markup")
    for area in info.findall(f"{{{NAMESPACE}}}area"):
        found += [problem for text in _texts(area, "polygon") if (problem := _polygon(text))]
        found += [problem for text in _texts(area, "circle") if (problem := _circle(text))]
    return found


def _polygon(text: str) -> str:
    try:
        points = [tuple(float(part) for part in pair.split(",")) for pair in text.split()]
        lats, lons = zip(*points, strict=True)
    except ValueError:
        return "a polygon is lat,lon pairs"
    if len(points) < 4 or points[0] != points[-1]:
        return "a polygon needs four points or more, the last like the first"
    if not all(-90 <= lat <= 90 for lat in lats) or not all(-180 <= lon <= 180 for lon in lons):
        return "a polygon's latitude comes first"
    return "" if shapely.Polygon(points).is_valid else "a polygon crosses itself"


def _circle(text: str) -> str:
    found = re.fullmatch(r"(-?[\d.]+),(-?[\d.]+) ([\d.]+)", text)
    if not found or not -90 <= float(found[1]) <= 90 or not -180 <= float(found[2]) <= 180:
        return "a circle is lat,lon and a radius in km"
    return "" if float(found[3]) > 0 else "a circle of radius zero"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _text(parent: ET.Element, name: str) -> str:
    return (parent.findtext(f"{{{NAMESPACE}}}{name}") or "").strip()


def _texts(parent: ET.Element, name: str) -> list[str]:
    return [(child.text or "").strip() for child in parent.findall(f"{{{NAMESPACE}}}{name}")]
