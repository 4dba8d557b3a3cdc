"""MANSCDP bodies: the XML inside GB/T 28181 MESSAGEs (2022 edition, clause 9 and Annex A). Pure; no bytes raise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import msgspec

from adapters.wallclock import zone_named
from adapters.xml_text import legal
from hub.moment import SECOND

TYPE = "Application/MANSCDP+xml"
BEIJING = zone_named("Asia/Shanghai")
DESCRIPTION_MAX = 500
UDP_BODY_BYTES = 800
"""With some 500 bytes of headers a message then stays under an MTU (Annex M), which not every network puts together again."""
CATALOG_ITEMS_A_MESSAGE = 4
"""Over UDP a message should stay under an MTU (Annex M)."""


class Body(msgspec.Struct, frozen=True):
    """A body read: `kind` is the root (Query, Notify, Control, Response), `command` its CmdType."""

    kind: str
    command: str
    number: str
    device: str
    root: ET.Element

    def text(self, path: str) -> str:
        return (self.root.findtext(path) or "").strip()


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alarm input that the hub shows to the platform, and which warnings it speaks for."""

    id: str
    """20 digits, type 134 (alarm input) in digits 11 to 13."""
    name: str
    areas: list[str] = msgspec.field(default_factory=list)
    """Only warnings of these areas; empty: of all."""
    packs: list[str] = msgspec.field(default_factory=list)
    lon: float | None = None
    lat: float | None = None

    def __post_init__(self) -> None:
        check_id(self.id)


class Alarm(msgspec.Struct, frozen=True):
    """One alarm as the platform hears it."""

    channel: str
    priority: int
    method: int
    at: int
    description: str
    lon: float | None = None
    lat: float | None = None
    type: int | None = None
    extra: str = ""
    """ExtraInfo, 2022 edition only."""


def check_id(text: str) -> str:
    """A device id of Annex E. Raises ValueError with a sentence."""
    if not re.fullmatch(r"\d{20}", text):
        raise ValueError(f"{text!r} is no GB/T 28181 id: 20 digits were meant")
    return text


def encode(xml: str, charset: str) -> bytes:
    """With the declaration the peer expects; GB 18030 bytes, which GB 2312 is a part of."""
    codec = "utf-8" if charset.upper() == "UTF-8" else "gb18030"
    return f'<?xml version="1.0" encoding="{charset}"?>\r\n{xml}\r\n'.encode(codec, "replace")


def decode(body: bytes) -> str:
    """The text whatever the declaration says: platforms lie about it.

    What is only one of the two, is that one. Two or three characters may be both; then the declaration decides, unless there are so
    many that chance does not make UTF-8 of them.
    """
    found = {codec: text for codec in ("utf-8", "gb18030") if (text := _strictly(body, codec)) is not None}
    if len(found) == 2:
        declared = b"utf-8" in body[:100].lower()
        return found["utf-8" if declared or sum(byte >= 0x80 for byte in body) >= 6 else "gb18030"]
    return found.get("utf-8") or found.get("gb18030") or body.decode("gb18030", "replace")


def _strictly(body: bytes, codec: str) -> str | None:
    try:
        return body.decode(codec)
    except UnicodeDecodeError:
        return None


def read(body: bytes) -> Body | str:
    """The body, or a sentence why it cannot be used."""
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", decode(body).lstrip("\ufeff")).strip()
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return "a body with a document type is not read"
    try:
        root = ET.fromstring(legal(text))
    except (ET.ParseError, ValueError, RecursionError) as error:
        return f"the body is not XML: {error}"
    command = (root.findtext("CmdType") or "").strip()
    if not command:
        return "the body has no CmdType"
    return Body(
        root.tag,
        command,
        (root.findtext("SN") or "").strip()[:20],
        (root.findtext("DeviceID") or "").strip()[:40],
        root,
    )


def element(name: str, *inside: str) -> str:
    return f"<{name}>\r\n{''.join(inside)}</{name}>\r\n"


def leaf(name: str, value: object) -> str:
    return f"<{name}>{escape(legal(str(value)))}</{name}>\r\n"


def local_time(at: int) -> str:
    """Beijing time without an offset, as the standard has it."""
    return datetime.fromtimestamp(at // SECOND, BEIJING).strftime("%Y-%m-%dT%H:%M:%S")


# ------------------------------------------------------------------------------------------------- what the hub says


def keepalive(number: int, device: str) -> str:
    return element(
        "Notify", leaf("CmdType", "Keepalive"), leaf("SN", number), leaf("DeviceID", device), leaf("Status", "OK")
    )


def alarm(number: int, said: Alarm, bytes_max: int = 0) -> str:
    """Clause A.2.5.3. No AlarmTypeParam: a common platform lets it overwrite the description, which is cut where the body would have
    more than `bytes_max` bytes."""
    xml = _alarm(number, said)
    over = len(xml.encode("gb18030", "replace")) - bytes_max
    if not bytes_max or over <= 0:
        return xml
    words = said.description[:DESCRIPTION_MAX]
    while words and over > 0:
        over -= len(escape(words[-1]).encode("gb18030", "replace"))
        words = words[:-1]
    return _alarm(number, msgspec.structs.replace(said, description=words))


def _alarm(number: int, said: Alarm) -> str:
    parts = [
        leaf("CmdType", "Alarm"), leaf("SN", number), leaf("DeviceID", said.channel), leaf("AlarmPriority", said.priority),
        leaf("AlarmMethod", said.method), leaf("AlarmTime", local_time(said.at)),
        leaf("AlarmDescription", said.description[:DESCRIPTION_MAX]),
    ]  # fmt: skip
    if said.lon is not None and said.lat is not None:
        parts += [leaf("Longitude", f"{said.lon:.6f}"), leaf("Latitude", f"{said.lat:.6f}")]
    if said.type is not None:
        parts.append(element("Info", leaf("AlarmType", said.type)))
    if said.extra:
        parts.append(leaf("ExtraInfo", said.extra[:1024]))
    return element("Notify", *parts)


def catalog(query: Body, device: str, name: str, channels: Sequence[Channel]) -> list[str]:
    """The answer to a Catalog query, in several messages of one SN."""
    items = [_item(device, channel) for channel in channels]
    total = leaf("SumNum", len(items))
    head = (leaf("CmdType", "Catalog"), leaf("SN", query.number), leaf("DeviceID", query.device or device), total)
    if not items:
        return [element("Response", *head)]
    parts = [items[at : at + CATALOG_ITEMS_A_MESSAGE] for at in range(0, len(items), CATALOG_ITEMS_A_MESSAGE)]
    return [
        element("Response", *head, f'<DeviceList Num="{len(part)}">\r\n', *part, "</DeviceList>\r\n") for part in parts
    ]


def _item(device: str, channel: Channel) -> str:
    parts = [
        leaf("DeviceID", channel.id), leaf("Name", channel.name), leaf("Manufacturer", "cityhub"), leaf("Model", "alarm"),
        leaf("Owner", ""), leaf("CivilCode", channel.id[:6]), leaf("Address", ""), leaf("Parental", 0),
        leaf("ParentID", device), leaf("SafetyWay", 0), leaf("RegisterWay", 1), leaf("Secrecy", 0), leaf("Status", "ON"),
    ]  # fmt: skip
    if channel.lon is not None and channel.lat is not None:
        parts += [leaf("Longitude", f"{channel.lon:.6f}"), leaf("Latitude", f"{channel.lat:.6f}")]
    return element("Item", *parts)


def device_info(query: Body, device: str, name: str, channels: int) -> str:
    return element(
        "Response", leaf("CmdType", "DeviceInfo"), leaf("SN", query.number), leaf("DeviceID", device), leaf("DeviceName", name),
        leaf("Result", "OK"), leaf("Manufacturer", "cityhub"), leaf("Model", "alarm"), leaf("Firmware", "1"),
        leaf("Channel", channels),
    )  # fmt: skip


def device_status(query: Body, device: str, at: int, duty: Sequence[tuple[str, str]]) -> str:
    """`duty`: each alarm channel with ONDUTY, OFFDUTY or ALARM."""
    items = [element("Item", leaf("DeviceID", channel), leaf("DutyStatus", status)) for channel, status in duty]
    return element(
        "Response", leaf("CmdType", "DeviceStatus"), leaf("SN", query.number), leaf("DeviceID", device), leaf("Result", "OK"),
        leaf("Online", "ONLINE"), leaf("Status", "OK"), leaf("Encode", "OFF"), leaf("Record", "OFF"),
        leaf("DeviceTime", local_time(at)), f'<Alarmstatus Num="{len(items)}">\r\n', *items, "</Alarmstatus>\r\n",
    )  # fmt: skip


def result(query: Body, device: str, good: bool) -> str:
    """The answer to a Control, or to a Query that is not understood."""
    return element(
        "Response", leaf("CmdType", query.command), leaf("SN", query.number), leaf("DeviceID", query.device or device),
        leaf("Result", "OK" if good else "ERROR"),
    )  # fmt: skip


def catalog_query(number: int, device: str) -> str:
    return element("Query", leaf("CmdType", "Catalog"), leaf("SN", number), leaf("DeviceID", device))


def ptz_command(number: int, camera: str, hexadecimal: str, priority: int = 5) -> str:
    return element(
        "Control", leaf("CmdType", "DeviceControl"), leaf("SN", number), leaf("DeviceID", camera), leaf("PTZCmd", hexadecimal),
        element("Info", leaf("ControlPriority", priority)),
    )  # fmt: skip


def ptz_precise(number: int, camera: str, pan: float, tilt: float, zoom: float | None) -> str:
    """2022 edition: pan 0 to 360 clockwise from above, tilt -30 to 90 positive downwards, zoom as a factor."""
    inside = [leaf("Pan", f"{pan % 360:.2f}"), leaf("Tilt", f"{max(-30.0, min(90.0, tilt)):.2f}")]
    if zoom is not None:
        inside.append(leaf("Zoom", f"{zoom:.2f}"))
    return element(
        "Control",
        leaf("CmdType", "DeviceControl"),
        leaf("SN", number),
        leaf("DeviceID", camera),
        element("PTZPreciseCtrl", *inside),
    )


class Item(msgspec.Struct, frozen=True):
    """A camera of a platform's catalog, as far as it says."""

    id: str
    name: str
    parent: str
    on: bool
    lon: float | None
    lat: float | None
    ptz_type: int | None
    azimuth_deg: float | None
    hfov_deg: float | None
    vfov_deg: float | None
    range_m: float | None


AZIMUTHS = {1: 90.0, 2: 270.0, 3: 180.0, 4: 0.0, 5: 135.0, 6: 45.0, 7: 225.0, 8: 315.0}
"""DirectionType: the optical axis, good to 22.5° only."""


class Catalog(msgspec.Struct, frozen=True):
    """A platform's catalog as far as it came: `stated` is how many items it announced."""

    items: list[Item]
    stated: int

    @property
    def lacks(self) -> int:
        return max(0, self.stated - len(self.items))


def catalog_items(body: Body) -> tuple[int, list[Item]]:
    """SumNum and the items of a Catalog answer. Info fields are looked for under Info and under Item: both occur."""
    total = _number(body.text("SumNum"))
    return int(total or 0), [_read_item(item) for item in body.root.iterfind("DeviceList/Item")]


def _read_item(item: ET.Element) -> Item:
    def text(name: str) -> str:
        return (item.findtext(name) or item.findtext(f"Info/{name}") or item.findtext(f"info/{name}") or "").strip()

    def number(name: str) -> float | None:
        return _number(text(name))

    direction, kind = number("DirectionType"), number("PTZType")
    return Item(
        text("DeviceID")[:40], text("Name")[:200], text("ParentID")[:100], text("Status").upper() in ("ON", "OK", "ONLINE"),
        number("Longitude"), number("Latitude"), int(kind) if kind is not None else None,
        AZIMUTHS.get(int(direction)) if direction is not None else None, number("HorizontalFieldAngle"),
        number("VerticalFieldAngle"), number("MaxViewDistance"),
    )  # fmt: skip


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e9 else None
