"""A Modbus TCP device (Modbus Application Protocol V1.1b3): holding registers that the hub reads when it likes."""

from __future__ import annotations

import asyncio
from struct import pack, unpack
from urllib.parse import urlsplit

READ_HOLDING, READ_INPUT = 3, 4
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
REGISTERS_MAX = 125


def answer(request: bytes, registers: dict[int, int], unit: int) -> bytes | None:
    """The answer to one ADU, header included; None where it is for another unit."""
    transaction, protocol, _, addressed, function = unpack(">HHHBB", request[:8])
    if protocol != 0 or addressed not in (unit, 0, 255):
        return None
    if function not in (READ_HOLDING, READ_INPUT):
        body = bytes((function | 0x80, ILLEGAL_FUNCTION))
    else:
        start, count = unpack(">HH", request[8:12])
        if not 1 <= count <= REGISTERS_MAX:
            body = bytes((function | 0x80, ILLEGAL_VALUE))
        elif any(address not in registers for address in range(start, start + count)):
            body = bytes((function | 0x80, ILLEGAL_ADDRESS))
        else:
            words = b"".join(pack(">H", registers[address] & 0xFFFF) for address in range(start, start + count))
            body = bytes((function, len(words))) + words
    return pack(">HHHB", transaction, 0, len(body) + 1, addressed) + body


def substation_registers(voltage_v: float, current_a: float, power_kw: float, frequency_hz: float) -> dict[int, int]:
    """40001 voltage V · 40002 current 0.1 A · 40003-4 power W, int32 ABCD · 40005 frequency 0.001 Hz (addresses from 0)."""
    watts = round(power_kw * 1000)
    return {
        0: round(voltage_v),
        1: round(current_a * 10),
        2: watts >> 16 & 0xFFFF,
        3: watts & 0xFFFF,
        4: round(frequency_hz * 1000),
    }


class ModbusServer:
    """One unit behind one address."""

    def __init__(self, unit: int = 1) -> None:
        self.unit = unit
        self.registers = substation_registers(10_000.0, 0.0, 0.0, 50.0)
        self.requests = 0
        self._open: set[asyncio.StreamWriter] = set()

    async def run(self, address: str) -> None:
        """Serves until cancelled. `address` is where to listen: tcp://127.0.0.1:5020."""
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        server = await asyncio.start_server(self._serve, parts.hostname, parts.port)
        try:
            async with server:
                await server.serve_forever()
        finally:
            for writer in self._open:
                writer.close()  # ends the reading on the other side of it, and with that its task

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                head = await reader.readexactly(6)
                length = int.from_bytes(head[4:6])
                if not 2 <= length <= 254:
                    return
                request = head + await reader.readexactly(length)
                if len(request) < 12:
                    request = request.ljust(12, b"\0")
                self.requests += 1
                if found := answer(request, self.registers, self.unit):
                    writer.write(found)
                    await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            self._open.discard(writer)
            writer.close()
