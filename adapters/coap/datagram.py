"""Is this datagram a CoAP message? RFC 7252, sections 3, 4 and 12.1. Pure."""

from __future__ import annotations

HEADER_BYTES = 4
VERSION = 1
TOKEN_BYTES_MAX = 8
PAYLOAD_MARK = 0xFF
_RESERVED_CLASSES = (1, 6, 7)
_CON, _NON, _ACK, _RST = range(4)
_EMPTY = 0


def flaw(data: bytes) -> str:
    """Why it is none, in the same few sentences whatever the bytes; "" where it is one."""
    if len(data) < HEADER_BYTES or data[0] >> 6 != VERSION:
        return "it does not begin with a header of version 1"
    kind, token_bytes, code = data[0] >> 4 & 3, data[0] & 0xF, data[1]
    if token_bytes > TOKEN_BYTES_MAX:
        return f"its token is longer than {TOKEN_BYTES_MAX} bytes"
    if HEADER_BYTES + token_bytes > len(data):
        return "it ends inside its token"
    if code >> 5 in _RESERVED_CLASSES:
        return "its code is of a class that is reserved"
    if code == _EMPTY:
        if len(data) > HEADER_BYTES:
            return "it is empty by its code and has bytes behind its header"
        return "it is empty and non-confirmable" if kind == _NON else ""
    if kind == _RST or (kind == _ACK and code >> 5 == 0):
        return "its code does not go with its type: a request, say, that acknowledges"
    return _flaw_of_options(data, HEADER_BYTES + token_bytes)


def _flaw_of_options(data: bytes, at: int) -> str:
    while at < len(data):
        head = data[at]
        at += 1
        if head == PAYLOAD_MARK:
            return "" if at < len(data) else "its payload is announced and absent"
        sizes = []
        for nibble in (head >> 4, head & 0xF):
            if nibble == 15:
                return "an option has a reserved length or number"
            extended = max(0, nibble - 12)
            if at + extended > len(data):
                return "it ends inside an option"
            sizes.append(nibble if nibble < 13 else int.from_bytes(data[at : at + extended]) + (13, 269)[nibble - 13])
            at += extended
        at += sizes[1]
        if at > len(data):
            return "it ends inside an option"
    return ""
