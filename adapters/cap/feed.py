"""An Atom feed of CAP messages (RFC 4287; OASIS CAP-Feeds CN02): each entry links the full message. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote
from xml.etree import ElementTree as ET

import msgspec

from adapters.cap.message import document
from hub.moment import to_text

ATOM = "http://www.w3.org/2005/Atom"
CAP_TYPE = "application/cap+xml"


class Entry(msgspec.Struct, frozen=True):
    """One message in the feed: `file` is its name beside the feed."""

    identifier: str
    file: str
    title: str
    sent: int
    status: str
    kind: str


def build(title: str, sender: str, base_url: str, entries: Sequence[Entry], updated: int) -> bytes:
    """The feed, newest entry first as given. `base_url` is where the folder is served; "" makes links relative."""
    feed = ET.Element("feed", {"xmlns": ATOM})

    def say(parent: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
        element = ET.SubElement(parent, name, attributes)
        element.text = text or None
        return element

    base = base_url.rstrip("/") + "/" if base_url else ""
    say(feed, "id", f"{base or f'urn:cityhub:{sender}:'}feed.xml")
    say(feed, "title", title)
    say(feed, "updated", to_text(updated // 1_000_000_000 * 1_000_000_000))
    say(say(feed, "author"), "name", sender)
    say(feed, "link", rel="self", href=f"{base}feed.xml")
    for item in entries:
        entry = say(feed, "entry")
        href = base + quote(item.file)
        say(entry, "id", f"{base}{quote(item.file)}" if base else f"urn:cityhub:{sender}:{quote(item.identifier)}")
        say(entry, "title", f"{item.title} ({item.status}, {item.kind})")
        say(entry, "updated", to_text(item.sent // 1_000_000_000 * 1_000_000_000))
        say(entry, "link", href=href, type=CAP_TYPE)
    ET.indent(feed, " ")
    return document(feed)
