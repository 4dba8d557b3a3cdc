"""Check sums of the field protocols, each written from its standard."""

from __future__ import annotations


def xor8(data: bytes) -> int:
    """JT/T 808 (4.4.4) and GB/T 32960 (BCC): exclusive or of all bytes."""
    result = 0
    for byte in data:
        result ^= byte
    return result


def sum8(data: bytes) -> int:
    """GB/T 26875.3: arithmetic sum, low eight bits."""
    return sum(data) & 0xFF


def crc_modbus(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial A001 reflected, start FFFF. Modbus RTU, SL 651."""
    return _crc_a001(data, 0xFFFF)


def crc_ibm(data: bytes) -> int:
    """CRC-16/IBM (ARC): the same polynomial, start 0. Teltonika."""
    return _crc_a001(data, 0)


def crc_x25(data: bytes) -> int:
    """CRC-16/X.25 (CRC-ITU of GT06's manual): polynomial 8408 reflected, start and final exclusive or FFFF."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ 0x8408 if register & 1 else register >> 1
    return register ^ 0xFFFF


def crc_hj212(data: bytes) -> int:
    """HJ 212-2017 annex A: the high byte is shifted down and the low one dropped before each byte joins in."""
    register = 0xFFFF
    for byte in data:
        register = (register >> 8) ^ byte
        for _ in range(8):
            carry = register & 1
            register >>= 1
            if carry:
                register ^= 0xA001
    return register


def _crc_a001(data: bytes, register: int) -> int:
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ 0xA001 if register & 1 else register >> 1
    return register
