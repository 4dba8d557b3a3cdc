"""Commands down to a device: codec 12 text commands (`getinfo`, `setdigout 1`, …), a pure encoder.

The answer comes up as a codec 12 response. Who may send one is the caller's matter.
"""

from __future__ import annotations

from adapters.teltonika.packet import crc

MAX_COMMAND = 1000
"""Characters of one command; devices take an SMS's worth, some up to 1000."""


def command(text: str) -> bytes:
    """The TCP packet of one command. Raises ValueError where it is empty, too long or not ASCII."""
    if not text or len(text) > MAX_COMMAND or not text.isascii():
        raise ValueError(f"a command is 1 to {MAX_COMMAND} ASCII characters, not {text[:40]!r}")
    data = b"\x0c\x01\x05" + len(text).to_bytes(4, "big") + text.encode("ascii") + b"\x01"
    return bytes(4) + len(data).to_bytes(4, "big") + data + crc(data).to_bytes(4, "big")
