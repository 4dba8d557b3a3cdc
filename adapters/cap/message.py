"""An alert change as a CAP 1.2 message, and back-references between messages. Pure.

Common Alerting Protocol 1.2 (OASIS Standard, 1 July 2010). Element order is the schema's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

from adapters.cap.words import COLOURS, EVENTS, HEADLINE_MAX, RESPONSES, SEVERITY, is_chinese
from adapters.xml_text import legal
from hub.metrics import vocabulary
from hub.model import AlertChange, Change
from hub.moment import SECOND

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
Ring = Sequence[tuple[float, float]]


class Issuer(msgspec.Struct, frozen=True):
    """Who speaks, and how: what does not change from message to message."""

    sender: str
    name: str = ""
    languages: tuple[str, ...] = ("zh-CN", "en")
    zone: tzinfo = UTC
    valid_s: float = 7200.0
    radius_km: float = 0.5
    """Of the circle round a warning's place, where no polygon of its area is known."""
    scope: str = "Public"
    restriction: str = ""
    web: str = ""
    contact: str = ""


class Issue(msgspec.Struct, frozen=True):
    """One message to be made: its kind and its place in a chain of messages about the same warning."""

    identifier: str
    sent: int
    status: str
    kind: str
    """Alert, Update or Cancel."""
    references: tuple[str, ...] = ()


def reference(sender: str, identifier: str, sent: int, zone: tzinfo) -> str:
    """How a later message names this one: sender,identifier,sent."""
    return f"{sender},{identifier},{time_text(sent, zone)}"


def time_text(at: int, zone: tzinfo) -> str:
    """CAP's time: whole seconds, an offset in digits; UTC is -00:00 (clause 3.3.2)."""
    text = datetime.fromtimestamp(at // SECOND, zone).isoformat()
    return text[:-6] + "-00:00" if text.endswith("+00:00") else text


def identifier(change: AlertChange, status: str) -> str:
    """The change's id as CAP allows it (no blanks, commas, < or &), one for each status, since each is its own chain."""
    plain = re.sub(r"[\s,<>&\"']+", "_", change.id)
    return plain if status == "Actual" else f"{plain}.{status.lower()}"


def build(change: AlertChange, issue: Issue, issuer: Issuer, polygons: Sequence[Ring] = ()) -> bytes:
    """The message as UTF-8 XML. `polygons` (lon/lat rings) are the area, if known."""
    alert = ET.Element("alert", {"xmlns": NAMESPACE})

    def say(parent: ET.Element, name: str, text: str) -> None:
        if text := plain(text):
            ET.SubElement(parent, name).text = text

    say(alert, "identifier", issue.identifier)
    say(alert, "sender", issuer.sender)
    say(alert, "sent", time_text(issue.sent, issuer.zone))
    say(alert, "status", issue.status)
    say(alert, "msgType", issue.kind)
    say(alert, "source", change.source.get("standard", ""))
    say(alert, "scope", issuer.scope)
    say(alert, "restriction", issuer.restriction)
    if issue.status == "Exercise":
        say(alert, "note", "Exercise: proposed by an automatic system, not approved by a person. 演练信息，未经审批。")
    say(alert, "references", " ".join(issue.references))
    for language in issuer.languages:
        _info(alert, change, issue, issuer, language, polygons)
    ET.indent(alert, " ")
    return document(alert)


def document(root: ET.Element) -> bytes:
    """The tree as a file."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, "unicode")}\n'.encode()


def _info(
    alert: ET.Element, change: AlertChange, issue: Issue, issuer: Issuer, language: str, polygons: Sequence[Ring]
) -> None:
    chinese = language.lower().startswith("zh")
    info = ET.SubElement(alert, "info")

    def say(name: str, text: str, parent: ET.Element = info) -> None:
        if text := plain(text):
            ET.SubElement(parent, name).text = text

    over = change.change in (Change.CLEARED, Change.EXPIRED)
    cap = change.cap
    categories = _texts(cap.get("category")) or ["Other"]
    say("language", language)
    for category in categories:
        say("category", category)
    say("event", event(change, chinese))
    responses = ["AllClear"] if over else _texts(cap.get("response"))
    for response in responses:
        say("responseType", response)
    say("urgency", "Past" if over else str(cap.get("urgency") or "Immediate"))
    say("severity", "Minor" if over else str(cap.get("severity") or SEVERITY.get(change.level, "Moderate")))
    say("certainty", str(cap.get("certainty") or "Observed"))
    say("effective", time_text(issue.sent, issuer.zone))
    say("onset", time_text(change.at, issuer.zone))
    say("expires", time_text(issue.sent + int(issuer.valid_s * SECOND), issuer.zone))
    say("senderName", issuer.name)
    say("headline", headline(change, chinese, issue.status))
    say("description", description(change, chinese))
    instruction = str(cap.get("instruction") or "")
    if not instruction or is_chinese(instruction) != chinese or over:
        instruction = " ".join(RESPONSES.get(response, ("", ""))[not chinese] for response in responses).strip()
    say("instruction", instruction)
    say("web", issuer.web)
    say("contact", issuer.contact)
    for name, text in (("rule", change.rule), ("subject", change.subject), ("level", change.level)):
        parameter = ET.SubElement(info, "parameter")
        say("valueName", f"cityhub:{name}", parameter)
        say("value", plain(text) or "-", parameter)
    area = ET.SubElement(info, "area")
    say("areaDesc", plain(change.area) or plain(change.subject) or ("见坐标" if chinese else "see coordinates"), area)
    for ring in polygons:
        say("polygon", " ".join(f"{lat:.6f},{lon:.6f}" for lon, lat in ring), area)
    if not polygons and change.position:
        say("circle", f"{change.position.lat:.6f},{change.position.lon:.6f} {issuer.radius_km:g}", area)


def event(change: AlertChange, chinese: bool) -> str:
    """What happened: the rule's own word where it is in this language, else the category's."""
    own = plain(str(change.cap.get("event") or ""))
    if own and is_chinese(own) == chinese:
        return own
    category = (_texts(change.cap.get("category")) or ["Other"])[0]
    return EVENTS.get(category, EVENTS["Other"])[not chinese]


def headline(change: AlertChange, chinese: bool, status: str) -> str:
    """One line: level, what, where. An exercise says so."""
    colour = COLOURS.get(change.level, ("", ""))[not chinese]
    title = change.title_zh or change.title if chinese else change.title
    # Names of places may be Chinese in an English title; where there is a Chinese title beside it, each is known for what it is.
    what = title if title and (change.title_zh or is_chinese(title) == chinese) else ""
    what = what or f"{event(change, chinese)} {change.subject}"
    over = change.change in (Change.CLEARED, Change.EXPIRED)
    if chinese:
        text = f"{'【演练】' if status != 'Actual' else ''}{'解除' if over else ''}{colour}预警：{what}"
    else:
        text = f"{'EXERCISE: ' if status != 'Actual' else ''}{colour} warning{' ended' if over else ''}: {what}"
    text = plain(text)
    return text if len(text) <= HEADLINE_MAX else text[: HEADLINE_MAX - 1] + "…"


def description(change: AlertChange, chinese: bool) -> str:
    named = {name: name for name in change.values}
    if chinese and change.reason_zh:  # which has all of them; here those that have a name of their own
        words = vocabulary()
        named = {name: words[name].title_zh for name in change.values if name in words and words[name].title_zh}
    values = ", ".join(f"{word} {change.values[name]}" for name, word in named.items())
    title, title_now, reason = change.title, change.title_now, change.reason
    if chinese:
        title, title_now = change.title_zh or title, change.title_now_zh or title_now
        reason = change.reason_zh or reason
    now = f"{'现在：' if chinese else 'Now: '}{title_now}" if title_now else ""
    said = [title, now, reason, ("实测值：" if chinese else "Measured: ") + values if values else ""]
    standard = change.source.get("standard", "")
    if standard:
        said.append(("依据：" if chinese else "Threshold from: ") + standard)
    return "\n".join(filter(None, map(plain, said))) or headline(change, chinese, "Actual")


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)] if value else []


def plain(text: str) -> str:
    """Without what XML 1.0 cannot hold, and without markup: receivers show it or drop the message."""
    return re.sub(r"&(?=\w+;)", "＆", legal(text).replace("<", "‹").replace(">", "›")).strip()
