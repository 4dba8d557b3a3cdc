"""The body of an SL 651 frame, HEX/BCD or ASCII, as the list of items it holds. No clock, no zone, no metrics."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from adapters.sl651.elements import BY_ASCII, GROUP_COUNT, GROUPS, PARAMETERS, STATIONS, STATUS, UNIFORM
from hub.model import FaultKind

Item = dict[str, Any]
"""`obs_time_bcd`, or `id` with `value`, `values` (an hour's group), `series` (at a step), `step_dhm_bcd`, `text` or `hex`."""


class Body(msgspec.Struct, gc=False):
    """What one body said, in the order it said it; `problems` are the parts that could not be read."""

    serial: int | None = None
    send_time_bcd: str | None = None
    station: str | None = None
    station_type: str | None = None
    items: list[Item] = msgspec.field(default_factory=list)
    params: bytes | None = None
    problems: list[tuple[FaultKind, str]] = msgspec.field(default_factory=list)

    def detail(self) -> dict[str, Any]:
        found: dict[str, Any] = {"serial": self.serial, "send_time_bcd": self.send_time_bcd}
        if self.station is not None:
            found["station_in_body"] = self.station
        if self.station_type is not None:
            found["station_type"] = self.station_type
        if self.items:
            found["elements"] = self.items
        if self.params:
            found["params_hex"] = self.params.hex()
            parameters = _parameters(self.params)
            if parameters:
                found["parameters"] = parameters
        return found


# ------------------------------------------------------------------------------------------------------- HEX / BCD


def read_hex(data: bytes, function: int, up: bool) -> Body:
    """A HEX/BCD body: serial (2), send time (6 BCD), then groups. Never raises."""
    body = Body()
    if len(data) < 8:
        body.problems.append((FaultKind.SYNTAX, f"the body has {len(data)} bytes, fewer than serial and send time"))
        return body
    body.serial = int.from_bytes(data[:2], "big")
    body.send_time_bcd = data[2:8].hex()
    at = 8
    if not up:
        body.params = data[at:] or None
        return body
    if data[at : at + 2] == b"\xf1\xf1":
        body.station = data[at + 2 : at + 7].hex()
        at += 7
        if function not in PARAMETERS:
            kind = data[at] if at < len(data) else 0
            body.station_type = STATIONS.get(kind, f"{kind:02x}")
            at += 1
    if function in PARAMETERS:
        body.params = data[at:] or None
        if function == STATUS and data[at : at + 2] == b"\x45\x20":
            _elements(body, data, at, function)
        return body
    _elements(body, data, at, function)
    return body


def _elements(body: Body, data: bytes, at: int, function: int) -> None:
    repeat = False
    end = len(data)
    while at < end:
        name, first = f"{data[at]:02x}", at
        if name in ("f0", "f1", "f2", "f3"):
            at = _marked(body, data, at, name)
            continue
        at += 1
        if name == "ff":  # extended: FF, identifier, descriptor
            name += data[at : at + 1].hex()
            at += 1
        if at >= end:
            body.problems.append((FaultKind.SYNTAX, f"element {name} has no descriptor"))
            return
        size, decimals = data[at] >> 3, data[at] & 7
        at += 1
        if name in GROUPS:
            size, decimals = GROUPS[name] * GROUP_COUNT, 2
        if at + size > end:
            said = f"element {name} at byte {first} says {size} bytes, {end - at} are left"
            body.problems.append((FaultKind.SYNTAX, said))
            return
        if repeat and name not in GROUPS and size and (end - at) % size == 0:
            series = [_number(body, name, data[i : i + size], decimals) for i in range(at, end, size)]
            body.items.append({"id": name, "bytes": size, "decimals": decimals, "series": series})
            return
        value = data[at : at + size]
        at += size
        if name == "04":
            body.items.append({"id": name, "step_dhm_bcd": value.hex()})
            repeat = function in UNIFORM
        elif name in GROUPS:
            body.items.append(_group(name, value))
        elif name == "45":
            body.items.append({"id": name, "bytes": size, "hex": value.hex()})
        else:
            number = _number(body, name, value, decimals)
            body.items.append({"id": name, "bytes": size, "decimals": decimals, "value": number})


def _marked(body: Body, data: bytes, at: int, name: str) -> int:
    """F0F0 time, F1F1 station, F2F2 text, F3F3 picture; returns where the next element begins."""
    if data[at + 1 : at + 2] != data[at : at + 1]:
        body.problems.append((FaultKind.SYNTAX, f"{name} at byte {at} is not doubled, the rest cannot be read"))
        return len(data)
    at += 2
    if name == "f0":
        body.items.append({"obs_time_bcd": data[at : at + 5].hex()})
        return at + 5
    if name == "f1":
        body.station = data[at : at + 5].hex()
        return at + 6
    rest = data[at:]
    text = rest.decode("gb18030", "replace").strip() if name == "f2" else None
    body.items.append({"id": name, "bytes": len(rest), "text": text, "head_hex": rest[:8].hex()})
    return len(data)


def _group(name: str, value: bytes) -> Item:
    size = GROUPS[name]
    missing = (1 << 8 * size) - 1
    scale = 10 if size == 1 else 100
    raw = (int.from_bytes(value[i : i + size], "big") for i in range(0, len(value), size))
    values = [None if number == missing else number / scale for number in raw]
    return {"id": name, "values": values, "unit": "mm per 5 min" if size == 1 else "m"}


def _number(body: Body, name: str, value: bytes, decimals: int) -> float | None:
    """BCD with a leading FF for minus; all F is missing."""
    if not value or value.count(0xFF) == len(value):
        return None
    sign, digits = (-1, value[1:].hex()) if value[0] == 0xFF else (1, value.hex())
    if not digits.isdecimal():
        body.problems.append((FaultKind.VALUE, f"element {name} holds {value.hex()}, which is no BCD number"))
        return None
    return float(sign * int(digits) / 10**decimals)


def _parameters(data: bytes) -> list[Item] | None:
    """Parameters by their own descriptors, None where they do not fit exactly."""
    found: list[Item] = []
    at = 0
    while at < len(data):
        width = 2 if data[at] == 0xFF else 1
        if at + width >= len(data):
            return None
        name, size = data[at : at + width].hex(), data[at + width] >> 3
        at += width + 1
        if at + size > len(data):
            return None
        found.append({"id": name, "bytes": size, "hex": data[at : at + size].hex()})
        at += size
    return found


# ------------------------------------------------------------------------------------------------------------ ASCII

_OPENING = re.compile(r"\s*([0-9A-Fa-f]{4})\s*(\d{12})\s*")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?|[+-]?\.\d+")
_STEP = re.compile(r"DR([DHN])(\d\d)")
_MISSING = re.compile(r"[-+]?[FfMm*/.-]+")
_STATION_LETTERS = {text[0]: text for text in STATIONS.values()}


def read_ascii(data: bytes, function: int, up: bool) -> Body:
    """An ASCII body: serial and send time, then names and values between blanks. Never raises."""
    body = Body()
    text = data.decode("gb18030", "replace")
    opening = _OPENING.match(text)
    if opening is None:
        body.problems.append((FaultKind.SYNTAX, f"the body does not begin with serial and send time: {text[:16]!r}"))
        return body
    body.serial, body.send_time_bcd = int(opening[1], 16), opening[2]
    rest = text[opening.end() :]
    if not up or function in PARAMETERS:
        body.params = rest.encode("gb18030", "replace") or None
        return body
    words = rest.split()
    at = 0
    while at < len(words):
        at = _word(body, words, at, rest)
    return body


def _word(body: Body, words: list[str], at: int, text: str) -> int:
    """One name and what belongs to it; returns the index of the next name."""
    name = words[at].upper()
    value = words[at + 1] if at + 1 < len(words) else ""
    if name == "ST":
        body.station = value
        letter = words[at + 2] if at + 2 < len(words) else ""
        if len(letter) == 1:
            body.station_type = _STATION_LETTERS.get(letter.upper(), letter)
        return at + (3 if len(letter) == 1 else 2)
    if name == "TT":
        body.items.append({"obs_time_bcd": value})
        return at + 2
    if name in ("RGZS", "PIC"):
        rest = text.partition(words[at])[2].strip()
        size = len(rest.encode("gb18030", "replace"))
        body.items.append({"id": "f2" if name == "RGZS" else "f3", "bytes": size, "text": rest[:2000]})
        return len(words)
    step = _STEP.fullmatch(name)
    if step:
        dhm = {"D": "{}0000", "H": "00{}00", "N": "0000{}"}[step[1]].format(step[2])
        body.items.append({"id": "04", "step_dhm_bcd": dhm})
        return _series(body, words, at + 1)
    identifier = BY_ASCII.get(name, name)
    if identifier in GROUPS:
        width = 2 * GROUPS[identifier] * GROUP_COUNT
        if len(value) != width or not re.fullmatch(r"[0-9A-Fa-f]+", value):
            body.problems.append((FaultKind.SYNTAX, f"{name} needs {width} hex digits, has {value[:60]!r}"))
        else:
            body.items.append(_group(identifier, bytes.fromhex(value)))
    elif identifier == "45":
        body.items.append({"id": identifier, "hex": value})
    else:
        body.items.append({"id": identifier, "value": _text_number(body, name, value)})
    return at + 2


def _series(body: Body, words: list[str], at: int) -> int:
    """After a time step: one name and its values to the end (or an hour's group, which has its own step)."""
    if at >= len(words) or BY_ASCII.get(words[at].upper()) in GROUPS:
        return at
    name = words[at].upper()
    series = [_text_number(body, name, word) for word in words[at + 1 :]]
    body.items.append({"id": BY_ASCII.get(name, name), "series": series})
    return len(words)


def _text_number(body: Body, name: str, text: str) -> float | None:
    if _NUMBER.fullmatch(text):
        return float(text)
    if not _MISSING.fullmatch(text):
        body.problems.append((FaultKind.VALUE, f"{name} {text[:40]!r} is no number"))
    return None
