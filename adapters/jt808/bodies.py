"""Message bodies other than locations, each read into the standard's own field names.

JT/T 808-2019 clause 8 (2011/2013 where the layout differs: by the header form, and 2011 from 2013 by length). Strings
are GBK. A reader raises `ShortBody` where the body ends before its own fields do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from adapters.jt808.location import SIZE, clock, describe

MAX_LISTED = 512
"""Entries of a list shown in a detail; the rest stays in `body_hex`."""


class ShortBody(ValueError):
    """The body ends before its own fields do."""


class Cursor:
    """Reads a body from front to back."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0

    def take(self, size: int) -> bytes:
        value = self.body[self.at : self.at + size]
        if len(value) < size:
            raise ShortBody(f"the body ends at byte {len(self.body)}, inside a field that starts at {self.at}")
        self.at += size
        return value

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self, size: int) -> str:
        return text(self.take(size))

    def rest(self) -> bytes:
        return self.take(len(self.body) - self.at)

    def left(self) -> int:
        return len(self.body) - self.at


def text(raw: bytes) -> str:
    """GBK text of a field that is padded with zeros on either side."""
    return raw.strip(b"\0").decode("gbk", "replace")


Body = dict[str, Any]
Reader = Callable[[Cursor, bool, tzinfo], Body]
"""(body, whether the 2019 edition, zone) → fields."""


def read(msg_id: int, body: bytes, new: bool, zone: tzinfo) -> Body:
    """The fields of a body that this module knows, {} for others. Raises `ShortBody`."""
    reader = READERS.get(msg_id)
    return reader(Cursor(body), new, zone) if reader else {}


# ------------------------------------------------------------------------------------------- session and answers


def _answer(c: Cursor, new: bool, zone: tzinfo) -> Body:
    if not c.left():
        return {}  # some devices and platforms send it empty
    return {"reply_serial": c.number(2), "reply_id": f"0x{c.number(2):04x}", "result": c.number(1)}


def _registration(c: Cursor, new: bool, zone: tzinfo) -> Body:
    if new:
        maker, model, ident = 11, 30, 30
    elif len(c.body) < 37:  # 2011: the model takes 8 bytes, and no plate is long enough to be mistaken for 2013
        maker, model, ident = 5, 8, 7
    else:
        maker, model, ident = 5, 20, 7
    found: Body = {} if new or model == 20 else {"version": "2011 (short register body)"}
    found |= {"province": c.number(2), "city": c.number(2), "manufacturer": c.text(maker), "model": c.text(model)}
    return found | {"terminal_id": c.text(ident), "plate_color": c.number(1), "plate": text(c.rest())}


def _registered(c: Cursor, new: bool, zone: tzinfo) -> Body:
    if not c.left():
        return {}
    found: Body = {"reply_serial": c.number(2), "result": c.number(1)}
    return found | ({"auth_code": text(c.rest())} if found["result"] == 0 else {})


def _authentication(c: Cursor, new: bool, zone: tzinfo) -> Body:
    if not c.left():
        raise ShortBody("the authentication carries no code")
    if new and c.body[0] + 1 <= len(c.body) and len(c.body) >= c.body[0] + 1 + 15:
        found: Body = {"auth_code": c.text(c.number(1)), "imei": c.text(15)}
        return found | {"software": c.text(min(20, c.left()))}
    return {"auth_code": text(c.rest())}


def _resend(c: Cursor, new: bool, zone: tzinfo) -> Body:
    found: Body = {"first_serial": c.number(2)}
    count = c.number(2 if new else 1)
    return found | {"numbers": [c.number(2) for _ in range(min(count, c.left() // 2))]}


def _parameters(c: Cursor, new: bool, zone: tzinfo) -> Body:
    found: Body = {"reply_serial": c.number(2), "count": c.number(1)}
    values: Body = {}
    while c.left():
        ident = c.number(4)
        raw = c.take(c.number(1))
        values[f"0x{ident:04x}"] = _parameter(ident, raw)
    named = {PARAMETERS[int(key, 16)]: value for key, value in values.items() if int(key, 16) in PARAMETERS}
    return found | {"parameters": values, "named_parameters": named}


def _parameter(ident: int, raw: bytes) -> int | str:
    """A number where the standard's table has BYTE, WORD or DWORD, text where it has STRING, else hex."""
    if ident in _TEXT_PARAMETERS:
        return text(raw)
    if ident <= 0x00FF and ident not in _HEX_PARAMETERS and len(raw) in (1, 2, 4):
        return int.from_bytes(raw, "big")
    return raw.hex()


_TEXT_PARAMETERS = {*range(0x10, 0x18), 0x1A, 0x1D, *range(0x23, 0x27), *range(0x40, 0x45), 0x48, 0x49, 0x83}
_HEX_PARAMETERS = {0x32, 0x110}

PARAMETERS = {
    0x0001: "heartbeat_interval_s",
    0x0013: "server",
    0x0018: "tcp_port",
    0x0020: "report_strategy",
    0x0027: "sleep_report_interval_s",
    0x0028: "emergency_report_interval_s",
    0x0029: "report_interval_s",
    0x0055: "max_speed_kmh",
    0x0056: "overspeed_duration_s",
    0x0057: "continuous_driving_s",
    0x0058: "daily_driving_s",
    0x0059: "min_rest_s",
    0x005A: "max_parking_s",
}
"""Names of parameters that people ask for; tables 12 of 2013 and 2019 hold the others."""


def _attributes(c: Cursor, new: bool, zone: tzinfo) -> Body:
    """Makers disagree on the widths, whatever edition their header is of: the layout that ends where the body ends is the one."""
    widths = sorted(_ATTRIBUTE_WIDTHS, key=lambda width: (width[1] == 30) != new)
    short: ShortBody | None = None
    for maker, model, ident in widths:
        trial = Cursor(c.body)
        try:
            found = _attributes_of(trial, maker, model, ident)
        except ShortBody as error:
            short = short or error
        else:
            if not trial.left():
                return found
    if short is not None:
        raise short
    return _attributes_of(c, *widths[0])


_ATTRIBUTE_WIDTHS = ((5, 30, 30), (11, 30, 30), (5, 20, 7), (5, 8, 7))
"""Bytes of manufacturer, model and terminal id: 2019 as most send it and as its registration has it, 2013, 2011."""


def _attributes_of(c: Cursor, maker: int, model: int, ident: int) -> Body:
    found: Body = {"terminal_type": c.number(2), "manufacturer": c.text(maker), "model": c.text(model)}
    found |= {"terminal_id": c.text(ident), "iccid": c.take(10).hex(), "hardware": c.text(c.number(1))}
    return found | {"firmware": c.text(c.number(1)), "gnss": c.number(1), "modem": c.number(1)}


def _upgrade(c: Cursor, new: bool, zone: tzinfo) -> Body:
    return {"upgrade_type": c.number(1), "result": c.number(1)}


# ------------------------------------------------------------------------------------------------------ locations


def _location(c: Cursor, new: bool, zone: tzinfo) -> Body:
    return {"location": describe(c.rest(), new, zone)}


def _location_answer(c: Cursor, new: bool, zone: tzinfo) -> Body:
    return {"reply_serial": c.number(2), "location": describe(c.rest(), new, zone)}


def _batch(c: Cursor, new: bool, zone: tzinfo) -> Body:
    found: Body = {"count": c.number(2), "batch_type": c.number(1)}
    locations: list[Body] = []
    while c.left() and len(locations) < MAX_LISTED:
        locations.append(describe(c.take(c.number(2)), new, zone))
    return found | {"locations": locations}


# ------------------------------------------------------------------------------------------------ driver and media


def _driver(c: Cursor, new: bool, zone: tzinfo) -> Body:
    found: Body = {"status": c.number(1), "time": clock(zone, c.take(6))}
    if found["status"] != 1 and not c.left():
        return found
    found |= {"card_result": c.number(1), "driver": c.text(c.number(1)), "certificate": c.text(20)}
    found |= {"issuer": c.text(c.number(1)), "expiry": c.take(4).hex()}
    if new and c.left():
        found["identity_card"] = c.text(min(20, c.left()))
    return found


def _media_event(c: Cursor, new: bool, zone: tzinfo) -> Body:
    found: Body = {"media_id": c.number(4), "media_type": c.number(1), "media_format": c.number(1)}
    return found | {"event": c.number(1), "channel": c.number(1)}


def _media(c: Cursor, new: bool, zone: tzinfo) -> Body:
    found = _media_event(c, new, zone)
    if c.left() >= SIZE:  # 2011 has no location here
        found["location"] = describe(c.take(SIZE), new, zone)
    return found | {"media_bytes": c.left()}


def _media_search(c: Cursor, new: bool, zone: tzinfo) -> Body:
    found: Body = {"reply_serial": c.number(2), "count": c.number(2)}
    items: list[Body] = []
    while c.left() and len(items) < MAX_LISTED:
        item: Body = {"media_id": c.number(4), "media_type": c.number(1), "channel": c.number(1)}
        items.append(item | {"event": c.number(1), "location": describe(c.take(SIZE), new, zone)})
    return found | {"items": items}


def _shot(c: Cursor, new: bool, zone: tzinfo) -> Body:
    found: Body = {"reply_serial": c.number(2), "result": c.number(1)}
    if not c.left():
        return found
    return found | {"media_ids": [c.number(4) for _ in range(min(c.number(2), c.left() // 4))]}


# --------------------------------------------------------------------------------------------------------- others


def _can(c: Cursor, new: bool, zone: tzinfo) -> Body:
    found: Body = {"count": c.number(2), "time_bcd": c.take(5).hex()}
    return found | {"frames": [{"id": c.take(4).hex(), "data": c.take(8).hex()} for _ in range(c.left() // 12)]}


def _pass_through(c: Cursor, new: bool, zone: tzinfo) -> Body:
    return {"passthrough_type": c.number(1), "payload_hex": c.rest().hex()}


def _compressed(c: Cursor, new: bool, zone: tzinfo) -> Body:
    return {"compressed_bytes": c.number(4), "payload_hex": c.rest().hex()}


def _event(c: Cursor, new: bool, zone: tzinfo) -> Body:
    return {"event_id": c.number(1)}


def _question(c: Cursor, new: bool, zone: tzinfo) -> Body:
    return {"reply_serial": c.number(2), "answer_id": c.number(1)}


def _menu(c: Cursor, new: bool, zone: tzinfo) -> Body:
    return {"menu_type": c.number(1), "wanted": c.number(1)}


def _controlled(c: Cursor, new: bool, zone: tzinfo) -> Body:
    return {"reply_serial": c.number(2), "location": describe(c.rest(), new, zone)}


def _waybill(c: Cursor, new: bool, zone: tzinfo) -> Body:
    return {"waybill_hex": c.take(c.number(4)).hex()}


def _text_down(c: Cursor, new: bool, zone: tzinfo) -> Body:
    found: Body = {"flags": c.number(1)}
    if new:
        found["text_type"] = c.number(1)
    return found | {"text": text(c.rest())}


READERS: dict[int, Reader] = {
    0x0001: _answer,
    0x0005: _resend,
    0x0100: _registration,
    0x0102: _authentication,
    0x0104: _parameters,
    0x0107: _attributes,
    0x0108: _upgrade,
    0x0200: _location,
    0x0201: _location_answer,
    0x0301: _event,
    0x0302: _question,
    0x0303: _menu,
    0x0500: _controlled,
    0x0701: _waybill,
    0x0702: _driver,
    0x0704: _batch,
    0x0705: _can,
    0x0800: _media_event,
    0x0801: _media,
    0x0802: _media_search,
    0x0805: _shot,
    0x0900: _pass_through,
    0x0901: _compressed,
    0x8001: _answer,
    0x8003: _resend,
    0x8100: _registered,
    0x8300: _text_down,
}

NAMES: dict[int, str] = {
    0x0001: "terminal answer",
    0x0002: "heartbeat",
    0x0003: "logout",
    0x0004: "server time request",
    0x0005: "resend request",
    0x0100: "registration",
    0x0102: "authentication",
    0x0104: "parameters",
    0x0107: "attributes",
    0x0108: "upgrade result",
    0x0200: "location",
    0x0201: "location on request",
    0x0210: "location batch or battery (vendor)",
    0x0301: "event report",
    0x0302: "answer to a question",
    0x0303: "information menu",
    0x0500: "vehicle control answer",
    0x0608: "areas and routes",
    0x0700: "recorder data",
    0x0701: "waybill",
    0x0702: "driver identity",
    0x0704: "location batch",
    0x0705: "CAN data",
    0x0800: "media event",
    0x0801: "media data",
    0x0802: "media search",
    0x0805: "camera answer",
    0x0900: "pass-through",
    0x0901: "compressed data",
    0x0A00: "RSA public key",
    # JT/T 1078-2016 and T/JSATL 12-2017, which travel in the same frames
    0x1003: "audio and video attributes",
    0x1005: "passenger flow",
    0x1205: "recordings list",
    0x1206: "file upload done",
    0x1210: "alarm attachments",
    0x1211: "attachment begins",
    0x1212: "attachment done",
}
"""Messages up that are taken; any other is a fault and answered with "unsupported"."""

ANSWERS = frozenset({0x0001, 0x0005, 0x0104, 0x0107, 0x0201, 0x0302, 0x0500, 0x0608, 0x0700, 0x0802, 0x0805})
"""Messages up that answer one down: they get no answer of their own."""
