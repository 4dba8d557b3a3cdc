"""PTZ commands in eight bytes (GB/T 28181-2022 A.3). Pure."""

from __future__ import annotations

STOP, RIGHT, LEFT, DOWN, UP, ZOOM_IN, ZOOM_OUT = 0x00, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
SET_PRESET, CALL_PRESET, DELETE_PRESET = 0x81, 0x82, 0x83
ADDRESS = 1
"""What platforms send and cameras are set to out of the box; 0 is for all."""


def command(code: int, pan: int = 0, tilt: int = 0, zoom: int = 0, address: int = ADDRESS) -> str:
    """The instruction in hex. Speeds: pan and tilt 0 to 255, zoom 0 to 15; address 0 to 4095. Raises ValueError beyond."""
    if not (0 <= code <= 255 and 0 <= pan <= 255 and 0 <= tilt <= 255 and 0 <= zoom <= 15 and 0 <= address <= 4095):
        raise ValueError("a PTZ command has speeds of 0 to 255 (zoom 15) and an address of 0 to 4095")
    data = [0xA5, 0x0F, address & 0xFF, code, pan, tilt, zoom << 4 | address >> 8]
    return bytes([*data, sum(data) % 256]).hex().upper()


def preset(number: int, code: int = CALL_PRESET) -> str:
    """Call (or set, delete) a preset, 1 to 255."""
    if not 1 <= number <= 255:
        raise ValueError(f"preset {number}: GB/T 28181 has 1 to 255")
    return command(code, 0, number)
