"""Modbus/TCP and Modbus RTU as recorded on the wire, for `cityhub decode`, replay and back-tests.

The hub's own polling does not come through here (pymodbus does that); this reads what somebody else's master and
slaves said to each other. With a register map, answers become readings.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec
from fastcrc.crc16 import modbus as crc16

from adapters.modbus.pdu import NAMES, READS, Pdu, lengths, parse
from adapters.modbus.planner import plan
from adapters.modbus.registers import RegisterMap, Unit, load_map, value_of
from adapters.modbus.values import ValueProblem
from hub.model import Fault, FaultKind, Message, Reading, Value, Verdict

MAX_ADU = 260
"""Bytes of a Modbus/TCP frame; an RTU frame has at most 256."""
MBAP_BYTES = 8
"""Bytes by which a header is known: the function, too."""
MAX_PENDING = 256
"""Requests remembered until their answer comes."""


class Frame(msgspec.Struct, gc=False):
    """One frame: the address and checks of its framing, and its data unit."""

    framer: str
    device_id: int
    pdu: Pdu
    transaction: int | None = None
    crc: int | None = None

    def detail(self) -> dict[str, Any]:
        found: dict[str, Any] = {"framer": self.framer, "device_id": self.device_id, "function": self.pdu.function}
        found["function_name"] = NAMES.get(self.pdu.function & 0x7F, "unknown function")
        if self.framer == "tcp":
            found |= {
                "transaction": self.transaction,
                "protocol_id": 0,
                "length": len(self.pdu.raw) + 1,
                "length_ok": True,
            }
        else:
            found |= {"crc": f"{self.crc:04x}", "crc_ok": True}
        return found | {"kind": self.pdu.kind} | self.pdu.data


class ModbusCodecOptions(msgspec.Struct, kw_only=True, frozen=True):
    """What makes readings of answers."""

    map: str = ""
    """A register map (TOML); without it, frames are shown and give no readings."""

    def registers(self) -> RegisterMap | None:
        """Raises `MapError` or OSError where the map cannot be used."""
        return load_map(self.map) if self.map else None


class _Reader:
    """What both framings share: which request an answer belongs to, and what the map makes of it."""

    def __init__(self, registers: RegisterMap | None = None) -> None:
        self._map = registers
        self._pending: OrderedDict[tuple[int, int | None], Pdu] = OrderedDict()
        self._buffer = bytearray()
        self._junk = 0
        """Bytes at the head of the buffer that begin no frame."""
        self._needed = 0
        """Bytes of the buffer without which nothing more can be told."""

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        return None

    def _message(
        self, frame_of: str, unit: int, transaction: int | None, data: bytes, raw: bytes, at: int | None
    ) -> Message:
        key = (unit, transaction)
        pdu = parse(data, self._pending.get(key))
        frame = Frame(frame_of, unit, pdu, transaction, None if transaction is not None else crc16(raw[:-2]))
        message = Message([], [], f"modbus:{unit}", frame, raw)
        if pdu.problem:
            message.faults.append(Fault(FaultKind.SYNTAX, pdu.problem, raw, device=message.device))
            self._pending.pop(key, None)
            return message
        if pdu.kind == "request":
            self._pending[key] = pdu
            self._pending.move_to_end(key)
            if len(self._pending) > MAX_PENDING:
                self._pending.popitem(last=False)
            return message
        self._pending.pop(key, None)
        if self._map is not None and pdu.kind == "response" and pdu.function in READS:
            self._read(self._map, unit, pdu, message, at)
        return message

    def _read(self, registers: RegisterMap, unit: int, pdu: Pdu, message: Message, at: int | None) -> None:
        for device in registers.of_unit(unit):
            start, words = _located(device, pdu)
            if start is None:
                continue
            table = READS[pdu.function]
            held = {start + offset: word for offset, word in enumerate(words)}
            values: dict[str, Value] = {}
            for field in device.fields:
                span = range(field.address, field.address + max(1, field.registers))
                if field.table != table or any(address not in held for address in span):
                    continue
                exponent = None
                if field.scale_register is not None:
                    if field.scale_register not in held:
                        continue
                    exponent = scale_exponent(held[field.scale_register])
                    if exponent is None:
                        continue
                try:
                    value = value_of(field, [held[address] for address in span], exponent)
                except ValueProblem as problem:
                    message.faults.append(Fault(FaultKind.VALUE, str(problem), message.raw, device=device.device))
                    continue
                if value is not None:
                    values[field.metric] = value
            if values:
                message.readings.append(Reading(device.device, at, values))
            message.device = device.device


def scale_exponent(word: int) -> int | None:
    """A SunSpec scale factor: a power of ten from -10 to 10, None for "not implemented" (0x8000) and nonsense."""
    exponent = word - 65536 if word > 32767 else word
    return exponent if -10 <= exponent <= 10 else None


def _located(device: Unit, pdu: Pdu) -> tuple[int | None, list[int]]:
    """Where the answer's first value lies, and the values. Without its request: the map's one block of that size."""
    bits = pdu.function in (1, 2)
    words = [int(bit) for bit in pdu.data["bits"]] if bits else pdu.data["registers"]
    if "address" in pdu.data:
        return pdu.data["address"], words
    sizes = [block for block in plan(device, device.fields) if block.table == READS[pdu.function]]
    fitting = [one for one in sizes if ((one.count + 7) // 8 * 8 if bits else one.count) == len(words)]
    return (fitting[0].address, words) if len(fitting) == 1 else (None, words)


class ModbusTcpCodec(_Reader):
    """Modbus/TCP (MBAP header). Options: `map`, a register map's path."""

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        self._buffer += data
        return self._frames(received_at, ended=False) if len(self._buffer) >= self._needed else []

    def end(self, received_at: int | None = None) -> list[Message]:
        return self._frames(received_at, ended=True)

    def _frames(self, received_at: int | None, *, ended: bool) -> list[Message]:
        messages: list[Message] = []
        buffer, at, junk, needed = self._buffer, 0, self._junk, 0
        while at + junk < len(buffer):
            start = at + junk
            fits = _is_mbap(buffer, start)
            if fits is False and junk < MAX_ADU:
                junk += 1
                continue
            if fits is None and not ended:
                break
            if junk:
                messages.append(_junk(bytes(buffer[at:start])))
                at, junk = start, 0
                continue
            end = at + 6 + int.from_bytes(buffer[at + 4 : at + 6], "big") if fits else len(buffer) + 1
            if end > len(buffer):
                if ended:  # its length may lie: whole frames may stand behind the header
                    cut = _behind_the_cut(buffer, at)
                    said = f"the frame ends after {cut - at} bytes, before its own length says"
                    raw = bytes(buffer[at:cut])
                    messages.append(Message([], [Fault(FaultKind.TRUNCATED, said, raw)], raw=raw))
                    at = cut
                    continue
                needed = end - at
                break
            if _may_lie(buffer, at, end):
                if len(buffer) < end + MBAP_BYTES and not ended:
                    needed = end + MBAP_BYTES - at
                    break
                own = _own_end(buffer, at, end)
                if own != end:
                    said = f"a frame of {own - at} bytes, and its own length says {end - at}"
                    raw = bytes(buffer[at:own])
                    messages.append(Message([], [Fault(FaultKind.FRAME, said, raw)], raw=raw))
                    at = own
                    continue
            raw = bytes(buffer[at:end])
            transaction = int.from_bytes(raw[:2], "big")
            messages.append(self._message("tcp", raw[6], transaction, raw[7:], raw, received_at))
            at = end
        if ended and junk:
            messages.append(_junk(bytes(buffer[at:])))
            at, junk = len(buffer), 0
        del buffer[:at]
        self._junk, self._needed = junk, needed
        return messages


def _behind_the_cut(buffer: bytearray, at: int) -> int:
    """Where, behind the header at `at` whose frame is cut off, frames stand whose lengths reach the end exactly; else the end."""
    for begin in range(at + 1, len(buffer)):
        place = begin
        while place < len(buffer) and _is_mbap(buffer, place):
            place += 6 + int.from_bytes(buffer[place + 4 : place + 6], "big")
        if place == len(buffer):
            return begin
    return len(buffer)


def _may_lie(buffer: bytearray, at: int, end: int) -> bool:
    """Whether the function of the frame there gives it another length than its header does."""
    known, _ = lengths(buffer, at + MBAP_BYTES - 1)
    return bool(known) and end - at - MBAP_BYTES + 1 not in known


def _own_end(buffer: bytearray, at: int, end: int) -> int:
    """Where a frame ends whose length may lie: the first of where its function says, where its length says, or anywhere in it, at
    which another header begins."""
    known, _ = lengths(buffer, at + MBAP_BYTES - 1)
    begins = [*(at + MBAP_BYTES - 1 + size for size in known), end, *range(at + MBAP_BYTES, end)]
    return next((begin for begin in begins if begin <= end and _is_mbap(buffer, begin)), end)


def _is_mbap(buffer: bytes | bytearray, at: int) -> bool | None:
    """Whether a header stands here: protocol 0, a possible length, a function; None while more bytes must come to tell."""
    have = len(buffer) - at
    if (have > 2 and buffer[at + 2]) or (have > 3 and buffer[at + 3]) or (have > 4 and buffer[at + 4]):
        return False
    if have > 5 and not 2 <= buffer[at + 5] <= 254:
        return False
    if have > 7:
        return buffer[at + 7] & 0x7F != 0
    return None


class ModbusRtuCodec(_Reader):
    """Modbus RTU: address, data unit, CRC. The silence between frames is not in a recording, so the CRC finds them.

    Options: `map`, a register map's path.
    """

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        self._buffer += data
        return self._scan(received_at, last=False) if len(self._buffer) >= self._needed else []

    def end(self, received_at: int | None = None) -> list[Message]:
        messages = self._scan(received_at, last=True)
        self._buffer.clear()
        self._junk = self._needed = 0
        return messages

    def _scan(self, received_at: int | None, *, last: bool) -> list[Message]:
        buffer, at, junk, needed = self._buffer, 0, self._junk, 0
        messages: list[Message] = []
        while at + junk < len(buffer):
            start = at + junk
            length = _rtu_length(buffer, start, last=last)
            if length < 0:
                needed = start - at - length
                break
            if not length:
                junk += 1
                if junk >= MAX_ADU:
                    messages.append(_rtu_fault(bytes(buffer[at : at + junk])))
                    at, junk = at + junk, 0
                continue
            if junk:
                messages.append(_rtu_fault(bytes(buffer[at:start])))
            raw = bytes(buffer[start : start + length])
            messages.append(self._message("rtu", raw[0], None, raw[1:-2], raw, received_at))
            at, junk = start + length, 0
        if last and junk:
            messages.append(_rtu_fault(bytes(buffer[at:])))
            at = len(buffer)
        del buffer[:at]
        self._junk, self._needed = junk, needed
        return messages


def _rtu_length(buffer: bytearray, at: int, *, last: bool) -> int:
    """Length of the frame here by the first CRC that fits; 0 where none does; while more bytes must come to tell, how many
    there must be, as a negative number."""
    known, needed = lengths(buffer, at + 1)
    wanted = [needed + 1] if needed else []
    for size in sorted(known):
        end = at + size + 3
        if end > len(buffer):
            wanted.append(size + 3)
            continue
        if int.from_bytes(buffer[end - 2 : end], "little") == crc16(bytes(buffer[at : end - 2])):
            return size + 3
    return -min(wanted) if wanted and not last else 0


def _rtu_fault(raw: bytes) -> Message:
    """Junk, or, where its size is that of a frame, a frame with a bad CRC."""
    known, _ = lengths(raw, 1)
    if len(raw) > 3 and len(raw) - 3 in known:
        said = f"the frame says CRC {raw[-2:].hex().upper()}, its bytes give {crc16(raw[:-2]).to_bytes(2, 'little').hex().upper()}"
        return Message([], [Fault(FaultKind.CHECKSUM, said, raw)], raw=raw)
    return _junk(raw)


def _junk(raw: bytes) -> Message:
    return Message([], [Fault(FaultKind.FRAME, f"{len(raw)} bytes that belong to no Modbus frame", raw)], raw=raw)
