"""The Teltonika codec: one device's bytes in, messages out, and the answers that device must hear."""

from __future__ import annotations

from adapters.framing import Waiting
from adapters.teltonika.packet import (
    AVL_CODECS,
    CODEC_8,
    HEAD_ZEROS,
    MAX_DATA,
    TEXT_CODECS,
    WINDOW,
    BrokenPacket,
    Packet,
    Record,
    Start,
    crc,
    next_start,
    records,
    starts,
    texts,
)
from hub.model import Fault, FaultKind, Message, Reading, Verdict
from hub.ports import NoOptions

MAX_JUNK = MAX_DATA
"""Bytes of junk kept in one fault; what follows is skipped up to the next start."""


class TeltonikaCodec:
    """Bytes of one connection (or datagram peer) to messages. Holds at most `MAX_DATA` + `WINDOW` bytes."""

    def __init__(self, options: NoOptions | None = None) -> None:
        self.device: str | None = None
        """Who logged in on this connection (TCP); a UDP packet names its device itself."""
        self._waiting = Waiting()
        self._skipping = False
        self._searched = 0  # places at the front of `_rest` that are known to start nothing

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        """Messages completed by these bytes."""
        out: list[Message] = []
        buffer = self._waiting.add(data)
        if buffer is not None:
            self._take(buffer, out)
        return out

    def _take(self, buffer: bytes, out: list[Message]) -> None:
        at, size, needed = 0, len(buffer), 0
        searched, self._searched = self._searched, 0
        while at < size:
            start = None if self._skipping else starts(buffer, at)
            if start is None:
                step = self._junk(buffer, at, searched if at == 0 else 0, out)
                if step == 0:
                    break
                at += step
                continue
            kind, length = start
            if at + length > size:
                needed = length
                break
            raw = buffer[at : at + length]
            message = self._message(kind, raw)
            if any(fault.kind is FaultKind.CHECKSUM for fault in message.faults):
                length = _inside(
                    raw, goes_on=True
                )  # its length may lie: where a packet begins inside, it is read again
                if length < len(raw):
                    message = _bad(FaultKind.CHECKSUM, message.faults[0].detail, raw[:length])
            out.append(message)
            at += length
        self._waiting.keep(buffer[at:], needed)

    def end(self, received_at: int | None = None) -> list[Message]:
        """What is left becomes a fault; the login stays."""
        out: list[Message] = []
        while rest := self._waiting.all():
            self._searched = 0
            skipping, self._skipping = self._skipping, False
            if skipping:
                break
            start = starts(rest, 0)
            cut = _inside(rest, goes_on=False) if start is not None else len(rest)
            out.append(_left_over(rest[:cut], start))
            self._take(rest[cut:], out)  # whole packets that a wrong length had swallowed
        self._searched = 0
        return out

    def _junk(self, buffer: bytes, at: int, searched: int, out: list[Message]) -> int:
        """How many bytes to leave behind because no packet starts in them; 0 when more are needed to tell."""
        place = next_start(buffer, max(at if self._skipping else at + 1, searched))
        told = len(buffer) - WINDOW + 1  # no start before here can still turn up
        if self._skipping:
            self._skipping = place < 0
            return place - at if place >= 0 else max(told - at, 0)
        length = place - at if place >= 0 else told - at
        if length > MAX_JUNK:
            detail = f"no packet within {MAX_JUNK} bytes; what follows is skipped up to the next one"
            out.append(_bad(FaultKind.OVERSIZE, detail, bytes(buffer[at : at + MAX_JUNK])))
            self._skipping = True
            return MAX_JUNK
        if place < 0:
            self._searched = max(told - at, 0)
            return 0
        out.append(_bad(FaultKind.FRAME, f"{length} bytes that are no Teltonika packet", bytes(buffer[at:place])))
        return length

    # ------------------------------------------------------------------------------------------------- messages

    def _message(self, start: Start, raw: bytes) -> Message:
        if start is Start.TCP:
            packet = Packet(start, raw, raw[8:-4])
            stated, computed = packet.stated_crc, crc(packet.data)
            if stated != computed:
                detail = f"the packet says CRC {stated:04x}, its bytes give {computed:04x}"
                return _bad(FaultKind.CHECKSUM, detail, raw, packet)
            return self._data(packet, self.device)
        if start is Start.UDP:
            imei = raw[8:23].decode("ascii")
            return self._data(Packet(start, raw, raw[23:], imei), f"teltonika:{imei}")
        if start is Start.LOGIN:
            imei = raw[2:].decode("ascii")
            self.device = f"teltonika:{imei}"
            return Message([], [], self.device, Packet(start, raw, b"", imei), raw, login=True)
        return Message([], [], self.device, Packet(start, raw, b""), raw)

    def _data(self, packet: Packet, device: str | None) -> Message:
        faults: list[Fault] = []
        readings: list[Reading] = []
        try:
            if packet.data[0] in AVL_CODECS:
                for record in _records(packet):
                    reading = record.reading(device or "", faults)
                    if reading is not None:
                        readings.append(reading)
            elif packet.codec in TEXT_CODECS:
                texts(packet.data)
            else:
                faults.append(Fault(FaultKind.UNSUPPORTED, f"codec 0x{packet.codec:02x} is not read here"))
        except BrokenPacket as broken:
            faults.append(Fault(FaultKind.SYNTAX, str(broken), readings=packet.count))
            readings = []
        for fault in faults:
            fault.raw, fault.device = packet.raw, device
        # A datagram has no session: the IMEI in each stands for the login of a connection.
        return Message(readings, faults, device, packet, packet.raw, login=packet.start is Start.UDP)

    # -------------------------------------------------------------------------------------------------- answers

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        """01 or 00 to a login; to data the number of records taken. Nothing to pings, texts and broken packets, and
        nothing to data while the hub is busy: the device keeps it and sends it again."""
        packet = message.body
        if not isinstance(packet, Packet) or packet.start is Start.PING:
            return None
        if packet.start is Start.LOGIN:
            return b"\x01" if verdict is Verdict.STORED else b"\x00"
        if packet.codec not in AVL_CODECS or verdict is Verdict.BUSY:
            return None
        unread = not message.readings and any(fault.kind in _NOT_READ for fault in message.faults)
        if unread and not (message.spent and packet.count):
            return None
        if verdict is Verdict.REFUSED and message.device is None:
            return None
        # Refused records are in quarantine; a smaller number would make the device send the same ones for ever.
        if packet.start is Start.UDP:
            return b"\0\x05" + packet.raw[2:4] + b"\x01" + packet.raw[5:6] + bytes([packet.count])
        return packet.count.to_bytes(4, "big")


def _inside(raw: bytes, goes_on: bool) -> int:
    """Where, inside a packet that cannot be used, the next one begins; its end where none does. Where the stream goes on, that one may
    reach beyond, since a length that lies may end within the packet behind, also among the zeros of its head; else it must be whole."""
    at = 1
    while (at := next_start(raw, at)) >= 0:
        start = starts(raw, at)
        if start is not None and start[0] is not Start.PING and (goes_on or at + start[1] <= len(raw)):
            return at
        at += 1
    return max(len(raw.rstrip(b"\0")), len(raw) - HEAD_ZEROS, 1) if goes_on else len(raw)


def _left_over(rest: bytes, start: tuple[Start, int] | None) -> Message:
    """The fault of what the end of the stream cuts off."""
    if start is not None:
        return _bad(FaultKind.TRUNCATED, f"the packet ends after {len(rest)} of its {start[1]} bytes", rest)
    if rest[:8] == bytes(8):
        return _bad(FaultKind.FRAME, "a packet that declares no data", rest)
    if len(rest) < WINDOW and rest[0] == 0:
        return _bad(FaultKind.TRUNCATED, f"{len(rest)} bytes are too few for a packet", rest)
    return _bad(FaultKind.FRAME, f"{len(rest)} bytes that are no Teltonika packet", rest)


_NOT_READ = frozenset({FaultKind.CHECKSUM, FaultKind.SYNTAX, FaultKind.UNSUPPORTED})


def _records(packet: Packet) -> list[Record]:
    """The packet's records; old devices append a group of 16-byte values to codec 8 without saying so."""
    try:
        return records(packet.data)
    except BrokenPacket:
        if packet.codec != CODEC_8:
            raise
        try:
            found = records(packet.data, extended=True)
        except BrokenPacket:
            pass
        else:
            packet.extended = True
            return found
        raise


def _bad(kind: FaultKind, detail: str, raw: bytes, packet: Packet | None = None) -> Message:
    return Message([], [Fault(kind, detail, raw)], None, packet, raw)
