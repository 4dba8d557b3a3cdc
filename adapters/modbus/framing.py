"""Requests and answers on the wire as a master sees them: Modbus/TCP and RTU frames. Pure.

MODBUS Messaging on TCP/IP V1.0b, clause 3.1 (the MBAP header), MODBUS over Serial Line V1.02, clause 2.5 (RTU), and Application
Protocol V1.1b3, clause 6 (the data units, built by pymodbus). Finding answers in what comes is our own, because a master has to know
what else came: pymodbus takes an answer with number 0 for any request's, never compares functions, and throws away a good
frame behind a late one.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec
from fastcrc.crc16 import modbus as crc16
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from adapters.modbus.pdu import READS

_READ_REQUESTS: dict[str, type[ModbusPDU]] = {
    "coil": ReadCoilsRequest,
    "discrete": ReadDiscreteInputsRequest,
    "holding": ReadHoldingRegistersRequest,
    "input": ReadInputRegistersRequest,
}
_WRITES = (5, 6, 15, 16)
MBAP = 7
"""Bytes of the header of Modbus/TCP, the unit included."""
RTU_MAX = 256


class Request(msgspec.Struct, frozen=True):
    """What is asked of a unit, and how its answer must look."""

    unit: int
    pdu: bytes
    count: int
    """Values asked for, or written."""

    @property
    def function(self) -> int:
        return self.pdu[0]

    @property
    def size(self) -> int:
        """Bytes of the values in the answer to a read; 0 for a write."""
        if self.function not in READS:
            return 0
        return (self.count + 7) // 8 if self.function in (1, 2) else 2 * self.count

    def values(self, pdu: bytes) -> list[int]:
        """Words (or bits, as 0 and 1) of an answer of this size."""
        if self.function in (1, 2):
            return [pdu[2 + at // 8] >> at % 8 & 1 for at in range(self.count)]
        return [int.from_bytes(pdu[at : at + 2], "big") for at in range(2, 2 + self.size, 2)]


def read_request(unit: int, table: str, address: int, count: int) -> Request:
    return Request(unit, _encoded(_READ_REQUESTS[table](address=address, count=count)), count)


def write_request(unit: int, table: str, address: int, words: list[int]) -> Request:
    """Write one coil, one register, or several registers."""
    if table == "coil":
        return Request(unit, _encoded(WriteSingleCoilRequest(address=address, bits=[bool(words[0])])), 1)
    if len(words) == 1:
        return Request(unit, _encoded(WriteSingleRegisterRequest(address=address, registers=words)), 1)
    return Request(unit, _encoded(WriteMultipleRegistersRequest(address=address, registers=words)), len(words))


def _encoded(request: ModbusPDU) -> bytes:
    return bytes((request.function_code,)) + bytes(request.encode())


class Answer(NamedTuple):
    """One frame that came. `transaction` is None on lines that have none."""

    unit: int
    pdu: bytes
    transaction: int | None = None


_TCP = FramerSocket(DecodePDU(False))
_RTU = FramerRTU(DecodePDU(False))


class Framing(Protocol):
    """How frames stand on one line."""

    numbered: bool
    """Whether answers carry the number of their request."""

    def wrap(self, request: Request, transaction: int) -> bytes: ...

    def take(self, buffer: bytearray, *, quiet: bool = False) -> tuple[list[Answer], int]:
        """Complete frames out of the buffer, and how many bytes belonged to none. `quiet`: nothing has come for a while."""
        ...


class TcpFraming:
    """Modbus/TCP."""

    numbered = True

    def wrap(self, request: Request, transaction: int) -> bytes:
        return bytes(_TCP.encode(request.pdu, request.unit, transaction))

    def take(self, buffer: bytearray, *, quiet: bool = False) -> tuple[list[Answer], int]:
        answers: list[Answer] = []
        while len(buffer) >= MBAP + 1:
            length = int.from_bytes(buffer[4:6], "big")
            if buffer[2] or buffer[3] or not 3 <= length <= 254:
                junk = len(buffer)  # without a header that makes sense nothing says where the next frame begins
                buffer.clear()
                return answers, junk
            if len(buffer) < 6 + length:
                break
            answers.append(Answer(buffer[6], bytes(buffer[MBAP : 6 + length]), int.from_bytes(buffer[:2], "big")))
            del buffer[: 6 + length]
        return answers, 0


class RtuFraming:
    """RTU frames, on a serial line or over TCP. The CRC finds them; nothing in them says which request they answer."""

    numbered = False

    def wrap(self, request: Request, transaction: int) -> bytes:
        return bytes(_RTU.encode(request.pdu, request.unit, 0))

    def take(self, buffer: bytearray, *, quiet: bool = False) -> tuple[list[Answer], int]:
        answers: list[Answer] = []
        at = junk = 0
        while at < len(buffer):
            size = _rtu_size(buffer, at)
            if size is None or at + size > len(buffer):  # its end has not come; once the line is quiet it never will
                if not quiet:
                    break
            elif (
                size
                and crc16(bytes(buffer[at : at + size - 2])).to_bytes(2, "little") == buffer[at + size - 2 : at + size]
            ):
                junk += at
                answers.append(Answer(buffer[at], bytes(buffer[at + 1 : at + size - 2])))
                del buffer[: at + size]
                at = 0
                continue
            at += 1
        keep = 0 if quiet else min(len(buffer) - at, RTU_MAX)
        junk += len(buffer) - keep
        del buffer[: len(buffer) - keep]
        return answers, junk


def _rtu_size(buffer: bytearray, at: int) -> int | None:
    """Bytes of the answer that would begin here; 0 where none can, None while too little is there to tell."""
    if len(buffer) < at + 3:
        return None
    function = buffer[at + 1]
    if function & 0x80:
        return 5
    if function in READS:
        return 5 + buffer[at + 2]
    return 8 if function in _WRITES else 0
