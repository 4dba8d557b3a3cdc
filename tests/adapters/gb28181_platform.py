"""A GB/T 28181 platform for tests: registrar and message taker, over UDP and TCP. Reads and writes SIP by itself."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable

REALM, PASSWORD = "3402000000", "s3cret"


class Platform(asyncio.DatagramProtocol):
    """Answers like a platform. `answers(method, text)` may override a status; 0 keeps silent."""

    def __init__(self, answers: Callable[[str, str], int | None] | None = None) -> None:
        self.answers = answers or (lambda method, text: None)
        self.heard: list[tuple[str, str]] = []
        """(head, body) of every request."""
        self.responses: list[tuple[str, str]] = []
        self.registered = False
        self.confirms_alarms = False
        self.charset = "gb18030"
        self.in_the_200 = ""
        """A body for the 200 to an alarm, as some platforms have it."""
        self.version = ""
        """X-GB-Ver of its answers to REGISTER."""
        self.granted_s = 86_400
        self.algorithm = "MD5"
        self.port = 0
        self._send: Callable[[bytes], None] = lambda data: None
        self._nonce = "n1"
        self._number = 0
        self._server: asyncio.Server | None = None
        self._transport: asyncio.DatagramTransport | None = None

    # ---------------------------------------------------------------------------------------------- sockets

    async def start_udp(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", self.port))
        self.port = self._transport.get_extra_info("sockname")[1]

    async def start_tcp(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._transport:
            self._transport.close()
        if self._server:
            self._server.close()
        await asyncio.sleep(0)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        transport = self._transport
        assert transport
        self._send = lambda message: transport.sendto(message, addr)
        self._take(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._send = writer.write
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"Content-Length: (\d+)", head)[1])  # type: ignore[index]
                self._take(head + await reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    # ---------------------------------------------------------------------------------------------- talk

    def _take(self, data: bytes) -> None:
        head_bytes, _, body_bytes = data.partition(b"\r\n\r\n")
        head = head_bytes.decode()
        body = body_bytes.decode(self.charset)
        assert f"Content-Length: {len(body_bytes)}" in head
        if head.startswith("SIP/2.0"):
            self.responses.append((head, body))
            return
        self.heard.append((head, body))
        method = head.split(" ", 1)[0]
        status = self.answers(method, head + "\r\n\r\n" + body)
        if status == 0:
            return
        extra = ""
        if status is None:
            status = 200
            if method == "REGISTER":
                status, extra = self._register(head)
        said = self.in_the_200 if status == 200 and "<CmdType>Alarm</CmdType>" in body else ""
        self._reply(head, status, extra, said)
        if self.confirms_alarms and "<CmdType>Alarm</CmdType>" in body and status == 200:
            self.message(
                f"<Response><CmdType>Alarm</CmdType><SN>{tag(body, 'SN')}</SN><DeviceID>x</DeviceID><Result>OK</Result></Response>"
            )

    def _register(self, head: str) -> tuple[int, str]:
        field = dict(re.findall(r'(\w+)="?([^",\r\n]+)"?', header(head, "Authorization")))
        if not field:
            return 401, self._challenge()
        if field["nonce"] != self._nonce:  # it is old: a new one, and no fault of the device
            return 401, self._challenge().replace("Digest ", "Digest stale=true,")
        digest = md5 if self.algorithm == "MD5" else sha256
        secret = digest(f"{field['username']}:{REALM}:{PASSWORD}")
        what = digest(f"REGISTER:{field['uri']}")
        good = digest(f"{secret}:{self._nonce}:{field['nc']}:{field['cnonce']}:auth:{what}")
        if field["response"] != good:
            return 403, ""
        self.registered = header(head, "Expires") != "0"
        # A date that is no RFC date, as the standard has it.
        version = f"X-GB-Ver: {self.version}\r\n" if self.version else ""
        return 200, f"Date: 2026-01-01T08:00:00.000\r\nExpires: {self.granted_s}\r\n{version}"

    def _challenge(self) -> str:
        return (
            f'WWW-Authenticate: Digest realm="{REALM}",nonce="{self._nonce}",qop="auth",algorithm={self.algorithm}\r\n'
        )

    def _reply(self, head: str, status: int, extra: str = "", body: str = "") -> None:
        kept = "\r\n".join(line for line in head.split("\r\n") if re.match(r"(Via|From|Call-ID|CSeq):", line))
        to = header(head, "To")
        to += "" if ";tag=" in to else ";tag=platform"
        data = body.encode(self.charset)
        lines = f"SIP/2.0 {status} Answer\r\n{kept}\r\nTo: {to}\r\n{extra}Content-Length: {len(data)}\r\n\r\n"
        self._send(lines.encode() + data)

    def message(
        self, body: str, method: str = "MESSAGE", extra: str = "", call_id: str = "", encoded: bytes = b""
    ) -> None:
        """Send the device something."""
        self._number += 1
        data = encoded or f'<?xml version="1.0" encoding="GB2312"?>\n{body}'.encode(self.charset)
        head = (
            f"{method} sip:34020000002050000001@127.0.0.1 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch=z9hG4bKp{self._number}\r\n"
            f"From: <sip:34020000002000000001@{REALM}>;tag=p{self._number}\r\nTo: <sip:34020000002050000001@{REALM}>\r\n"
            f"Call-ID: {call_id or f'p{self._number}'}\r\nCSeq: {self._number} {method}\r\n{extra}"
            f"Contact: <sip:34020000002000000001@127.0.0.1:{self.port}>\r\n"
            f"Content-Type: Application/MANSCDP+xml\r\nMax-Forwards: 70\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        self._send(head.encode() + data)

    def again(self) -> None:
        """The next message repeats the number of the last: a retransmission."""
        self._number -= 1

    def bodies(self, command: str, kind: str = "") -> list[str]:
        return [body for _, body in self.heard if f"<CmdType>{command}</CmdType>" in body and f"<{kind}" in body]


def header(head: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", head.replace("\r", ""), re.MULTILINE)
    return found[1] if found else ""


def tag(body: str, name: str) -> str:
    found = re.search(rf"<{name}>(.*?)</{name}>", body, re.DOTALL)
    return found[1] if found else ""


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
