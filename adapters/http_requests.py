"""Requests of HTTP/1.1 (RFC 9112) out of a byte stream: pure, bounded, and able to go on behind junk."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from hub.content_coding import packed
from hub.model import FaultKind

HEAD_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 64 * 1024
"""Of one body, where the protocol states no other limit."""
_CHUNKING_FACTOR_MAX = 4
"""A chunked body with its sizes, over the body alone; more overhead than that is nobody's."""

_START = re.compile(rb"[A-Z]{3,7} (?=[/?h])")
_START_BYTES_MAX = 9
_LINE = re.compile(rb"([A-Z]{3,7}) (\S.*) HTTP/1\.([01])")  # spaces in the target: some send dates that way
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")
_CHUNK_LINE_BYTES_MAX = 256
_ALL = 1 << 62
_METHODS = ("GET", "POST", "PUT")
_LINE_BEGUN = re.compile(rb"(?:GET|POST|PUT) [/?h]")
_LINE_BEGUN_BYTES = 6
_CUT_METHOD = re.compile(rb"(?:GET?|G|PO?|POST?|POS|PUT?) ?\Z")
_LINE_END = re.compile(rb" HTTP/1\.[01]\r?\n")


class Request(msgspec.Struct):
    """One request, or what stands where one should be; then `kind` and `trouble` say what is wrong."""

    raw: bytes
    method: str = ""
    target: str = ""
    content_type: str = ""
    authorization: str = ""
    body: bytes = b""
    close: bool = False
    """The client wants, or the damage needs, the connection closed after the answer."""
    status: int = 200
    """400 and above: refused whatever the hub's verdict. 0: no request, so no answer."""
    kind: FaultKind | None = None
    trouble: str = ""


class _Head(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    close: bool


class _Bad(Exception):
    """Why a head or body is refused."""

    def __init__(
        self, status: int, kind: FaultKind, trouble: str, end: int | None = None, two_ends: bool = False
    ) -> None:
        """`end`: where the request ends, if that is known; else behind its head. `two_ends`: its head says twice where its body ends. Whoever
        stands in front may have read the other one, and what follows may be somebody else's, so nothing more of the connection is read
        (RFC 9112, 6.1 and 6.3)."""
        self.status, self.kind, self.trouble, self.end, self.two_ends = status, kind, trouble, end, two_ends


class RequestReader:
    """Feed it bytes, take requests. Never holds more than one head and one body of at most `body_bytes_max`."""

    def __init__(self, body_bytes_max: int = BODY_BYTES_MAX, authorised: Callable[[str], bool] | None = None) -> None:
        """`authorised`: whether who shows this Authorization header may send a body; nothing of theirs is held otherwise."""
        self._body_bytes_max = body_bytes_max
        self._authorised = authorised
        self._buffer = bytearray()
        self._needed = 0
        """Bytes of the buffer without which the request that has begun is not all here."""
        self._open: tuple[_Head, int] | None = None
        """Head of the request that has begun, and its bytes: read once, however slowly the body comes."""
        self._searched = 0
        """Bytes at the head of the buffer in which no request starts."""
        self._skip = 0
        """Bytes still to come of a body that was refused for its length."""
        self._chunks = _Chunks(body_bytes_max)
        self._cut_method = b""
        """The end of the last body, where it may be the beginning of the next request, as its length was too long."""

    def feed(self, data: bytes) -> list[Request]:
        self._buffer += data
        return self._requests(ended=False) if self._skip or len(self._buffer) >= self._needed else []

    def end(self) -> list[Request]:
        """The stream ended: a request line alone is a complete request, a body without a length ends here."""
        found = self._requests(ended=True)
        self._skip = 0
        return found

    def _requests(self, ended: bool) -> list[Request]:
        requests: list[Request] = []
        buffer = self._buffer
        done = 0  # everything before is in a request
        at, self._needed = self._searched, 0
        while True:
            if self._skip:
                skipped = min(self._skip, len(buffer) - done)
                self._skip -= skipped
                done = at = done + skipped
            if self._cut_method:
                taken = self._give_back(at, ended)
                if taken is None:
                    break
                if taken:
                    trouble = f"the content-length of the body before took {taken} bytes of this request"
                    requests.append(Request(b"", status=0, kind=FaultKind.FRAME, trouble=trouble))
            start = _START.search(buffer, at)
            if start is None:
                at = len(buffer) if ended else max(at, len(buffer) - _START_BYTES_MAX)
                break
            at = start.start()
            request, end = self._request(buffer, at, ended)
            if request is None:
                break
            if buffer[done:at].strip():
                requests += _junk(bytes(buffer[done:at]))
                done = at
            request.raw = bytes(buffer[done:end])  # with the empty lines that some clients send before it
            requests.append(request)
            self._chunks, self._open, self._needed = _Chunks(self._body_bytes_max), None, 0
            done = at = end
        sure = at if ended else at - (at - done) % HEAD_BYTES_MAX
        if sure > done and buffer[done:sure].strip():
            requests += _junk(bytes(buffer[done:sure]))
        del buffer[:sure]
        self._searched = at - sure
        self._needed = max(0, self._needed - sure)
        return requests

    def _give_back(self, at: int, ended: bool) -> int | None:
        """Give the next request the beginning of its method back, where the body before it took it and was answered already: how many
        bytes. None: too little is there to tell."""
        behind = bytes(self._buffer[at : at + _START_BYTES_MAX])
        if len(behind) < _START_BYTES_MAX and not ended and behind[:1] not in (b"\r", b"\n"):
            return None
        taken = self._cut_method if behind and not _LINE_BEGUN.match(behind) else b""
        if not _LINE_BEGUN.match(taken + behind):
            taken = b""
        self._buffer[at:at] = taken
        self._cut_method = b""
        return len(taken)

    def _request(self, buffer: bytearray, start: int, ended: bool) -> tuple[Request | None, int]:
        """The request that starts there and where it ends; None while it is not all here."""
        if self._open is not None:
            head, size = self._open
            return self._with_body(head, buffer, start, start + size, ended)
        head_end = buffer.find(b"\r\n\r\n", start, start + HEAD_BYTES_MAX)
        body_at = head_end + 4
        if head_end < 0:
            if len(buffer) - start >= HEAD_BYTES_MAX:
                end = start + HEAD_BYTES_MAX
                return _refused(431, FaultKind.OVERSIZE, f"a request head longer than {HEAD_BYTES_MAX} bytes"), end
            if not ended:
                return None, start
            head_end = body_at = len(buffer)
        try:
            head = _head(bytes(buffer[start:head_end]), cut=body_at == head_end)
        except _Bad as bad:
            if bad.two_ends:
                self._skip = _ALL
            return _refused(bad.status, bad.kind, bad.trouble), body_at
        if self._authorised is not None and not self._authorised(head.headers.get("authorization", "")):
            self._skip = _stated_length(head)
            return _refused(401, FaultKind.UNAUTHORISED, "whoever asked showed no known token"), body_at
        self._open = (head, body_at - start)
        return self._with_body(head, buffer, start, body_at, ended)

    def _with_body(
        self, head: _Head, buffer: bytearray, start: int, body_at: int, ended: bool
    ) -> tuple[Request | None, int]:
        request = Request(
            b"",
            head.method,
            head.target,
            head.headers.get("content-type", ""),
            head.headers.get("authorization", ""),
            close=head.close,
        )
        try:
            end = self._body(request, head, buffer, start, body_at, ended)
        except _Bad as bad:
            request.status, request.kind, request.trouble = bad.status, bad.kind, bad.trouble
            request.close = True  # where its body ends is not known
            if bad.two_ends:
                self._skip = _ALL
            return request, body_at if bad.end is None else bad.end
        if end < 0:
            return None, start
        if request.body and (why := packed([head.headers.get("content-encoding", "")])):
            request.status, request.kind, request.trouble = 415, FaultKind.UNSUPPORTED, why
        if head.method not in _METHODS:
            request.status, request.kind = 405, FaultKind.UNSUPPORTED
            request.trouble = f"{head.method} is not taken here; use GET or POST"
        return request, end

    def _body(self, request: Request, head: _Head, buffer: bytearray, start: int, body_at: int, ended: bool) -> int:
        """Fills the body and returns where it ends; -1 while it is not all here."""
        length = head.headers.get("content-length")
        coding = head.headers.get("transfer-encoding")
        if coding is not None:
            if length is not None or coding.lower() != "chunked":
                trouble = "transfer-encoding must be chunked alone, without a content-length"
                raise _Bad(400, FaultKind.SYNTAX, trouble, two_ends=length is not None)
            return self._chunked(request, buffer, start, body_at, ended)
        if length is None:
            if head.method not in ("POST", "PUT") or "?" in head.target:
                size = 0
            elif ended:
                size = _next_line(buffer, body_at, len(buffer)) - body_at
            elif len(buffer) - body_at > self._body_bytes_max:
                raise _Bad(
                    411, FaultKind.OVERSIZE, f"a body without a length, longer than {self._body_bytes_max} bytes"
                )
            else:
                return -1
        elif len(length) > 12 or not (length.isascii() and length.isdecimal()):
            raise _Bad(400, FaultKind.SYNTAX, f"content-length {length[:20]!r} is not a number of bytes")
        else:
            size = int(length)
        if size > self._body_bytes_max:
            self._skip = size
            raise _Bad(413, FaultKind.OVERSIZE, f"a body of {size} bytes; the limit is {self._body_bytes_max}")
        if length is None:
            request.body = bytes(buffer[body_at : body_at + size])
            return body_at + size
        return self._stated(request, buffer, body_at, size, ended)

    def _stated(self, request: Request, buffer: bytearray, body_at: int, size: int, ended: bool) -> int:
        """As `_body`, of a body with a length. A length that lies costs this request, and not the next one."""
        have, end = len(buffer) - body_at, body_at + size
        if have < size and not ended:
            self._needed = end
            return -1
        there = min(end, len(buffer))
        inner = _next_line(buffer, body_at, there)
        if inner < there:
            if len(buffer) < end + _LINE_BEGUN_BYTES and not ended:
                self._needed = (
                    end + _LINE_BEGUN_BYTES
                )  # no form and no JSON looks like this; what comes next tells whether the length lies
                return -1
            if not _LINE_BEGUN.match(buffer, end):
                said = f"its content-length of {size} reaches into the next request, which begins after {inner - body_at} bytes"
                raise _Bad(400, FaultKind.FRAME, said, inner)
        if have < size:
            raise _Bad(400, FaultKind.TRUNCATED, f"the body ends after {have} of its {size} bytes", len(buffer))
        cut = _CUT_METHOD.search(buffer, max(body_at, end - _LINE_BEGUN_BYTES), end)
        self._cut_method = b"" if cut is None else cut[0]
        request.body = bytes(buffer[body_at:end])
        return end

    def _chunked(self, request: Request, buffer: bytearray, start: int, body_at: int, ended: bool) -> int:
        chunks = self._chunks
        chunks.read(buffer, start, body_at)
        if not chunks.complete:
            if ended:
                raise _Bad(
                    400, FaultKind.TRUNCATED, f"the chunked body ends after {len(chunks.data)} bytes", len(buffer)
                )
            return -1
        request.body = bytes(chunks.data)
        return start + chunks.at


class _Chunks:
    """A chunked body as far as it has come: no byte is looked at twice."""

    def __init__(self, body_bytes_max: int) -> None:
        self._max = body_bytes_max
        self.at = 0
        """Where reading goes on, counted from the request's start."""
        self.data = bytearray()
        self.complete = False

    def read(self, buffer: bytearray, start: int, body_at: int) -> None:
        self.at = self.at or body_at - start
        while not self.complete:
            at = start + self.at
            if at - body_at > _CHUNKING_FACTOR_MAX * self._max or len(self.data) > self._max:
                raise _Bad(413, FaultKind.OVERSIZE, f"a chunked body longer than {self._max} bytes")
            line_end = buffer.find(b"\r\n", at, at + _CHUNK_LINE_BYTES_MAX)
            if line_end < 0:
                if len(buffer) - at >= _CHUNK_LINE_BYTES_MAX:
                    raise _Bad(400, FaultKind.SYNTAX, "a chunk's size line does not end")
                return
            size_line = _CHUNK.fullmatch(buffer, at, line_end)
            if size_line is None:
                raise _Bad(400, FaultKind.SYNTAX, "a chunk without a size")
            size = int(size_line[1], 16)
            if size == 0:
                end = buffer.find(b"\r\n\r\n", line_end, line_end + HEAD_BYTES_MAX)  # trailers, usually none
                if end < 0:
                    if len(buffer) - line_end >= HEAD_BYTES_MAX:
                        raise _Bad(431, FaultKind.OVERSIZE, f"trailers longer than {HEAD_BYTES_MAX} bytes")
                    return
                self.at = end + 4 - start
                self.complete = True
                return
            if size > self._max:
                raise _Bad(413, FaultKind.OVERSIZE, f"a chunk of {size} bytes; the limit is {self._max}")
            end = line_end + 2 + size
            if len(buffer) < end + 2:
                return
            if buffer[end : end + 2] != b"\r\n":
                raise _Bad(400, FaultKind.SYNTAX, "a chunk longer than its size")
            self.data += buffer[line_end + 2 : end]
            self.at = end + 2 - start


def _next_line(buffer: bytearray, at: int, end: int) -> int:
    """Where, between these two, the first line of a request begins, complete or cut off by the end; `end` where none does."""
    line = at
    for line_end in _LINE_END.finditer(buffer, at, end):
        line = max(line, buffer.rfind(b"\n", line, line_end.start()) + 1)
        begun = _LINE_BEGUN.search(buffer, line, line_end.start() + 1)
        if begun is not None:
            return begun.start()
        line = line_end.end()
    line = max(line, buffer.rfind(b"\n", line, end) + 1)
    begun = _LINE_BEGUN.search(buffer, line, end)
    return end if begun is None else begun.start()


def _head(raw: bytes, cut: bool) -> _Head:
    """Request line and headers. `cut`: the stream ended inside them."""
    first, *others = raw.rstrip(b"\r\n").split(b"\r\n")
    line = _LINE.fullmatch(first.rstrip())
    if line is None:
        kind = FaultKind.TRUNCATED if cut else FaultKind.SYNTAX
        shown = first[:80].decode("ascii", "replace")
        raise _Bad(400, kind, f"{shown!r} is not a request line such as 'GET /?id=… HTTP/1.1'")
    headers: dict[str, str] = {}
    for other in others:
        name, colon, value = other.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise _Bad(
                400, FaultKind.SYNTAX, f"header line {other[:40].decode('ascii', 'replace')!r} has no name and colon"
            )
        key = name.lower()
        value = value.strip()
        if key in ("content-length", "transfer-encoding") and headers.get(key, value) != value:
            raise _Bad(400, FaultKind.SYNTAX, f"two different {key} headers", two_ends=True)
        if key == "content-encoding" and key in headers:
            value = f"{headers[key]}, {value}"
        headers[key] = value
    wish = headers.get("connection", "").lower()
    close = "close" in wish or (line[3] == b"0" and "keep-alive" not in wish)
    return _Head(line[1].decode("ascii"), line[2].decode("utf-8", "replace"), headers, close)


def _stated_length(head: _Head) -> int:
    """Bytes of a body that nobody reads; where that is not stated, all that comes until the connection ends."""
    length = head.headers.get("content-length", "")
    if length.isascii() and length.isdecimal() and len(length) <= 12:
        return int(length)
    return 0 if not length and "transfer-encoding" not in head.headers else _ALL


def _refused(status: int, kind: FaultKind, trouble: str) -> Request:
    return Request(b"", close=True, status=status, kind=kind, trouble=trouble)


def _junk(raw: bytes) -> list[Request]:
    """One refusal for a run of junk; a run longer than the limit is cut there."""
    runs = [raw[at : at + HEAD_BYTES_MAX] for at in range(0, len(raw), HEAD_BYTES_MAX)]
    return [
        Request(run, status=0, kind=FaultKind.FRAME, trouble=f"{len(run)} bytes that are no HTTP request")
        for run in runs
    ]


_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


def response(
    status: int, text: str = "", close: bool = False, extra: str = "", content_type: str = "text/plain; charset=utf-8"
) -> bytes:
    """An answer with a text or nothing in it."""
    body = text.encode("utf-8", "replace")
    kind = f"Content-Type: {content_type}\r\n" if body else ""
    last = "Connection: close\r\n" if close else ""
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\n{kind}Content-Length: {len(body)}\r\n{extra}{last}\r\n"
    return head.encode("ascii") + body
