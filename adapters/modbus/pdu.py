"""Modbus requests and responses, told apart and taken apart. Pure; Modbus Application Protocol V1.1b3, clause 6.

Nothing in a protocol data unit says whether it asks or answers. Where both readings fit (a read of 0x03xx registers and an
answer of three bytes), what was asked before decides, then which of the two is possible at all.
"""

from __future__ import annotations

from typing import Any

import msgspec

READS = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
NAMES = {
    1: "read coils",
    2: "read discrete inputs",
    3: "read holding registers",
    4: "read input registers",
    5: "write single coil",
    6: "write single register",
    7: "read exception status",
    8: "diagnostics",
    11: "get comm event counter",
    12: "get comm event log",
    15: "write multiple coils",
    16: "write multiple registers",
    17: "report server id",
    20: "read file record",
    21: "write file record",
    22: "mask write register",
    23: "read/write multiple registers",
    24: "read FIFO queue",
    43: "encapsulated interface",
}
EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
_OBJECTS = {
    0: "vendor",
    1: "product_code",
    2: "revision",
    3: "vendor_url",
    4: "product_name",
    5: "model_name",
    6: "application",
}
_LIMITS = {1: 2000, 2: 2000, 3: 125, 4: 125}


class Pdu(msgspec.Struct, gc=False):
    """One protocol data unit. `data` holds its fields under the specification's names; `problem` what does not fit."""

    function: int
    kind: str
    """request, response or exception."""
    data: dict[str, Any]
    problem: str = ""
    raw: bytes = b""

    @property
    def table(self) -> str | None:
        return READS.get(self.function & 0x7F)


def parse(pdu: bytes, asked: Pdu | None = None) -> Pdu:
    """Take a data unit apart. `asked`: the request that is still without an answer, if there is one. Never raises."""
    function = pdu[0]
    if function & 0x80:
        code = pdu[1] if len(pdu) > 1 else None
        data = {"exception_code": code, "meaning": EXCEPTIONS.get(code or 0, "unknown exception")}
        return Pdu(
            function, "exception", data, "" if len(pdu) == 2 else f"an exception has 2 bytes, this has {len(pdu)}", pdu
        )
    answers = asked is not None and asked.kind == "request" and asked.function == function
    orders = (_response, _request) if answers else (_request, _response)
    if function not in NAMES:
        kind = "response" if answers else "request"
        return Pdu(function, kind, {"payload_hex": pdu[1:].hex()}, raw=pdu)
    for reader in orders:
        found = reader(function, pdu, asked if answers else None)
        if found is not None:
            return found
    name = NAMES[function]
    said = f"{len(pdu)} bytes fit neither a request nor a response of function {function} ({name})"
    return Pdu(function, "response" if answers else "request", {"payload_hex": pdu[1:].hex()}, said, pdu)


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _words(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def _bits(data: bytes, count: int) -> list[bool]:
    """Least significant bit first; the padding after `count` means nothing."""
    return [bool(data[at >> 3] >> (at & 7) & 1) for at in range(min(count, 8 * len(data)))]


def _request(function: int, pdu: bytes, asked: Pdu | None) -> Pdu | None:
    size = len(pdu)
    if function in READS:
        if size != 5 or not 1 <= _word(pdu, 3) <= _LIMITS[function]:
            return None
        return Pdu(function, "request", {"address": _word(pdu, 1), "count": _word(pdu, 3)}, raw=pdu)
    if function in (5, 6):
        return _single(function, "request", pdu) if size == 5 else None
    if function in (15, 16):
        if size < 7 or size != 6 + pdu[5]:
            return None
        count, written = _word(pdu, 3), pdu[6:]
        data: dict[str, Any] = {"address": _word(pdu, 1), "count": count, "bytes_hex": written.hex()}
        if function == 16:
            data["registers"] = _words(written)
            fits = len(written) == 2 * count
        else:
            data["bits"] = _bits(written, count)
            fits = len(written) == (count + 7) // 8
        return Pdu(function, "request", data, "" if fits else f"{count} values do not fill {len(written)} bytes", pdu)
    if function == 22 and size == 7:
        data = {"address": _word(pdu, 1), "and_mask": _word(pdu, 3), "or_mask": _word(pdu, 5)}
        return Pdu(function, "request", data, raw=pdu)
    if function == 23 and size >= 10 and size == 10 + pdu[9]:
        data = {
            "address": _word(pdu, 1),
            "count": _word(pdu, 3),
            "write_address": _word(pdu, 5),
            "write_count": _word(pdu, 7),
        }
        return Pdu(function, "request", data | {"registers": _words(pdu[10:])}, raw=pdu)
    if function == 24 and size == 3:
        return Pdu(function, "request", {"address": _word(pdu, 1)}, raw=pdu)
    if function == 43:
        if size == 4 and pdu[1] == 14:
            return Pdu(function, "request", {"mei_type": 14, "read_code": pdu[2], "object_id": pdu[3]}, raw=pdu)
        return None
    if function == 8 and size >= 3:
        return Pdu(function, "request", {"subfunction": _word(pdu, 1), "payload_hex": pdu[3:].hex()}, raw=pdu)
    if function in (7, 11, 12, 17) and size == 1:
        return Pdu(function, "request", {}, raw=pdu)
    if function in (20, 21) and size >= 2 and size == 2 + pdu[1]:
        return Pdu(function, "request", {"payload_hex": pdu[2:].hex()}, raw=pdu)
    return None


def _response(function: int, pdu: bytes, asked: Pdu | None) -> Pdu | None:
    size = len(pdu)
    if function in READS or function == 23:
        if size < 3 or size != 2 + pdu[1] or (function > 2 and pdu[1] % 2):
            return None
        return _read_response(function, pdu, asked)
    if function in (5, 6):
        return _single(function, "response", pdu) if size == 5 else None
    if function in (15, 16):
        return (
            Pdu(function, "response", {"address": _word(pdu, 1), "count": _word(pdu, 3)}, raw=pdu)
            if size == 5
            else None
        )
    if function == 22 and size == 7:
        data = {"address": _word(pdu, 1), "and_mask": _word(pdu, 3), "or_mask": _word(pdu, 5)}
        return Pdu(function, "response", data, raw=pdu)
    if function == 24 and size >= 5 and size == 3 + _word(pdu, 1):
        return Pdu(function, "response", {"count": _word(pdu, 3), "registers": _words(pdu[5:])}, raw=pdu)
    if function == 43:
        return _identification(pdu)
    if function == 7 and size == 2:
        return Pdu(function, "response", {"status": pdu[1]}, raw=pdu)
    if function == 8 and size >= 3:
        return Pdu(function, "response", {"subfunction": _word(pdu, 1), "payload_hex": pdu[3:].hex()}, raw=pdu)
    if function == 11 and size == 5:
        return Pdu(function, "response", {"status": _word(pdu, 1), "events": _word(pdu, 3)}, raw=pdu)
    if function in (12, 17, 20, 21) and size >= 2 and size == 2 + pdu[1]:
        return Pdu(function, "response", {"payload_hex": pdu[2:].hex()}, raw=pdu)
    return None


def _read_response(function: int, pdu: bytes, asked: Pdu | None) -> Pdu:
    content = pdu[2:]
    data: dict[str, Any] = {}
    problem = ""
    if asked is not None:
        count = asked.data["count"]
        data = {"address": asked.data["address"], "count": count}
        wanted = (count + 7) // 8 if function in (1, 2) else 2 * count
        if wanted != len(content):
            problem = f"{count} values were asked for, {len(content)} bytes came instead of {wanted}"
    data["bytes_hex"] = content.hex()
    if function in (1, 2):
        bits = _bits(content, data.get("count", 8 * len(content)))
        data |= {"bits": bits, "first8": bits[:8]}
    else:
        data["registers"] = _words(content)
    return Pdu(function, "response", data, problem, pdu)


def _single(function: int, kind: str, pdu: bytes) -> Pdu:
    value = _word(pdu, 3)
    data: dict[str, Any] = {"address": _word(pdu, 1), "value": value == 0xFF00 if function == 5 else value}
    problem = (
        f"a coil is written with FF00 or 0000, not {value:04X}" if function == 5 and value not in (0, 0xFF00) else ""
    )
    return Pdu(function, kind, data, problem, pdu)


def _identification(pdu: bytes) -> Pdu | None:
    """Read device identification (43/14)."""
    if len(pdu) < 7 or pdu[1] != 14:
        return None
    objects: dict[str, str] = {}
    at = 7
    for _ in range(pdu[6]):
        if at + 2 > len(pdu) or at + 2 + pdu[at + 1] > len(pdu):
            return None
        text = pdu[at + 2 : at + 2 + pdu[at + 1]].decode("utf-8", "replace")
        objects[_OBJECTS.get(pdu[at], f"object_{pdu[at]}")] = text
        at += 2 + pdu[at + 1]
    if at != len(pdu):
        return None
    data = {
        "mei_type": 14,
        "read_code": pdu[2],
        "conformity": pdu[3],
        "more_follows": pdu[4] == 0xFF,
        "objects": objects,
    }
    return Pdu(43, "response", data, raw=pdu)


def lengths(data: bytes | bytearray, at: int) -> tuple[list[int], int]:
    """Lengths that the data unit beginning at `at` may have, and how many bytes must be there to know them all.

    For RTU, which has no length of its own. The second number is 0 where the list is complete.
    """
    have = len(data) - at
    if have < 1:
        return [], 1
    function = data[at]
    if function & 0x80:
        return [2], 0
    if function in READS:
        return ([5], 2) if have < 2 else ([5, 2 + data[at + 1]], 0)
    if function in (5, 6):
        return [5], 0
    if function in (15, 16):
        return ([5], 6) if have < 6 else ([5, 6 + data[at + 5]], 0)
    if function == 22:
        return [7], 0
    if function == 23:
        known = [2 + data[at + 1]] if have >= 2 else []
        return (known, 10) if have < 10 else ([*known, 10 + data[at + 9]], 0)
    if function == 24:
        return ([3], 3) if have < 3 else ([3, 3 + _word(bytes(data[at + 1 : at + 3]), 0)], 0)
    if function == 43:
        return _identification_lengths(data, at)
    if function == 8:
        return [5], 0
    if function in (7, 11):
        return [1, 2 if function == 7 else 5], 0
    if function in (12, 17, 20, 21):
        known = [1] if function in (12, 17) else []
        return (known, 2) if have < 2 else ([*known, 2 + data[at + 1]], 0)
    return [], 0


def _identification_lengths(data: bytes | bytearray, at: int) -> tuple[list[int], int]:
    if len(data) - at < 7:
        return [4], 7
    end = at + 7
    for _ in range(data[at + 6]):
        if end + 2 > len(data):
            return [4], end + 2 - at
        end += 2 + data[end + 1]
        if end - at > 253:
            return [4], 0
    return [4, end - at], 0
