"""SIP messages (RFC 3261) as GB/T 28181 uses them: bytes to messages and back. Pure; no bytes raise."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

HEAD_BYTES_MAX = 16 << 10
BODY_BYTES_MAX = 1 << 20
HEADERS_MAX = 100

COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type",
           "o": "event", "u": "allow-events", "e": "content-encoding", "k": "supported", "s": "subject"}  # fmt: skip
"""Short forms (RFC 3261 §7.3.3, RFC 6665 §8.2.1)."""
_REQUEST = re.compile(r"([A-Z]{1,20}) (\S{1,500}) SIP/2\.0")
_STATUS = re.compile(r"SIP/2\.0 (\d{3})(?: (.*))?")


class SipMessage(msgspec.Struct, frozen=True):
    """A request (`method`, `uri`) or a response (`status`, `phrase`). Headers in order, names as written."""

    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    method: str = ""
    uri: str = ""
    status: int = 0
    phrase: str = ""

    def header(self, name: str) -> str:
        """The first header of that name, "" without one."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        wanted = name.lower()
        return [value for key, value in self.headers if COMPACT.get(key.lower(), key.lower()) == wanted]

    @property
    def branch(self) -> str:
        return parameter(self.header("via"), "branch")

    @property
    def sequence(self) -> tuple[int, str]:
        """Number and method of CSeq; (0, "") where it cannot be read."""
        found = re.fullmatch(r"(\d{1,10})\s+([A-Z]+)", self.header("cseq").strip())
        return (int(found[1]), found[2]) if found else (0, "")

    def encode(self) -> bytes:
        start = f"{self.method} {self.uri} SIP/2.0" if self.method else f"SIP/2.0 {self.status} {self.phrase}"
        lines = [
            start,
            *(f"{name}: {value}" for name, value in self.headers),
            f"Content-Length: {len(self.body)}",
            "",
            "",
        ]
        return "\r\n".join(lines).encode() + self.body


class Malformed(msgspec.Struct, frozen=True):
    """Bytes that are no SIP message."""

    detail: str
    raw: bytes = b""


def parse(data: bytes) -> SipMessage | Malformed:
    """One datagram. A body longer than Content-Length is cut, a shorter one is malformed."""
    head, blank, rest = data.partition(b"\r\n\r\n")
    if not blank:
        return Malformed("no empty line ends the headers", data[:HEAD_BYTES_MAX])
    message = _head(head)
    if isinstance(message, Malformed):
        return message
    length = _length(message)
    if length is None or length > BODY_BYTES_MAX:
        return Malformed(f"Content-Length is {message.header('content-length')[:20]!r}", head)
    if length > len(rest):
        return Malformed(f"the body has {len(rest)} of {length} bytes", head)
    body = rest[:length] if message.header("content-length") else rest
    return msgspec.structs.replace(message, body=body)


class Framer:
    """Messages out of a TCP stream, by Content-Length. `broken` once the stream's boundaries are lost: close it then."""

    def __init__(self) -> None:
        self._buffer = b""
        self.broken = False

    def feed(self, data: bytes) -> list[SipMessage | Malformed]:
        found: list[SipMessage | Malformed] = []
        if self.broken:
            return found
        self._buffer += data
        while True:
            self._buffer = self._buffer.lstrip(b"\r\n")  # keepalives (RFC 5626 §3.5.1)
            end = self._buffer.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX + 4)
            if end < 0:
                if len(self._buffer) > HEAD_BYTES_MAX:
                    self._break(found, f"no empty line within {HEAD_BYTES_MAX} bytes")
                return found
            message = _head(self._buffer[:end])
            length = None if isinstance(message, Malformed) else _length(message)
            if isinstance(message, Malformed) or length is None or not message.header("content-length"):
                self._break(
                    found, message.detail if isinstance(message, Malformed) else "no Content-Length on a stream"
                )
                return found
            if length > BODY_BYTES_MAX:
                self._break(found, f"a body of {length} bytes; {BODY_BYTES_MAX} at most")
                return found
            if len(self._buffer) < end + 4 + length:
                return found
            found.append(msgspec.structs.replace(message, body=self._buffer[end + 4 : end + 4 + length]))
            self._buffer = self._buffer[end + 4 + length :]

    def _break(self, found: list[SipMessage | Malformed], why: str) -> None:
        found.append(Malformed(why, self._buffer[:HEAD_BYTES_MAX]))
        self.broken, self._buffer = True, b""


def request(method: str, uri: str, headers: Sequence[tuple[str, str]], body: bytes = b"") -> SipMessage:
    return SipMessage(tuple(headers), body, method, uri)


def response(
    to: SipMessage, status: int, phrase: str, tag: str = "", extra: Sequence[tuple[str, str]] = ()
) -> SipMessage:
    """An answer to a request: its Via, From, To (with our tag), Call-ID and CSeq, then `extra`."""
    headers: list[tuple[str, str]] = [("Via", value) for value in to.all("via")]
    headers.append(("From", to.header("from")))
    to_header = to.header("to")
    headers.append(("To", f"{to_header};tag={tag}" if tag and not parameter(to_header, "tag") else to_header))
    headers += [("Call-ID", to.header("call-id")), ("CSeq", to.header("cseq")), *extra]
    return SipMessage(tuple(headers), b"", status=status, phrase=phrase)


def parameter(value: str, name: str) -> str:
    """A parameter of a header value: `tag` of `<sip:a@b>;tag=1`."""
    outside = value.rpartition(">")[2] if ">" in value else value
    found = re.search(rf";\s*{re.escape(name)}\s*=\s*\"?([^;,\s\"]*)", outside, re.IGNORECASE)
    return found[1] if found else ""


def user(value: str) -> str:
    """The user part of the first SIP address in a header value or URI."""
    found = re.search(r"sips?:([^@;>\s]{1,100})@", value)
    return found[1] if found else ""


def _head(head: bytes) -> SipMessage | Malformed:
    if len(head) > HEAD_BYTES_MAX:
        return Malformed(f"headers of {len(head)} bytes; {HEAD_BYTES_MAX} at most", head[:200])
    lines = head.decode("utf-8", "replace").lstrip("\r\n").split("\r\n")
    start = lines[0]
    headers: list[tuple[str, str]] = []
    for line in lines[1:]:
        if line[:1] in (" ", "\t") and headers:  # a folded line
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9\-.!%*_+`'~]{1,60}\s*", name):
            return Malformed(f"{line[:60]!r} is no header", head)
        headers.append((name.strip(), value.strip()))
    if len(headers) > HEADERS_MAX:
        return Malformed(f"{len(headers)} headers; {HEADERS_MAX} at most", head)
    if found := _REQUEST.fullmatch(start):
        message = SipMessage(tuple(headers), method=found[1], uri=found[2])
    elif found := _STATUS.fullmatch(start):
        message = SipMessage(tuple(headers), status=int(found[1]), phrase=found[2] or "")
    else:
        return Malformed(f"{start[:60]!r} is no SIP request or response", head)
    for needed in ("via", "from", "to", "call-id", "cseq"):
        if not message.header(needed):
            return Malformed(f"the header {needed} is missing", head)
    return message


def _length(message: SipMessage) -> int | None:
    text = message.header("content-length").strip()
    if not text:
        return 0
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
