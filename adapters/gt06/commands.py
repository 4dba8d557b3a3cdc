"""Commands down to a tracker: protocol number 0x80 with the device's own words (`WHERE#`, `TIMER,60#`); a pure encoder.

The answer comes up as 0x15 or 0x21 with the same server flag. Which words a model knows stands in its own manual.
"""

from __future__ import annotations

from fastcrc.crc16 import ibm_sdlc

from adapters.gt06.codec import Frame, Gt06Codec
from hub.model import Message
from hub.ports import Codec, DeviceCommand, NotSupported, Order

MAX_COMMAND = 200
"""Characters: one length byte covers the server flag too."""


def command(text: str, flag: int, serial: int = 0) -> bytes:
    """The frame of one command. Raises ValueError where it is empty, too long or not ASCII."""
    if not text or len(text) > MAX_COMMAND or not text.isascii():
        raise ValueError(f"a command is 1 to {MAX_COMMAND} ASCII characters, not {text[:40]!r}")
    content = bytes([4 + len(text)]) + flag.to_bytes(4, "big") + text.encode("ascii")
    body = bytes([5 + len(content), 0x80]) + content + serial.to_bytes(2, "big")
    return b"xx" + body + ibm_sdlc(body).to_bytes(2, "big") + b"\r\n"


def order(codec: Codec, device: str, wanted: DeviceCommand) -> Order:
    """`Plugin.order`: "locate" is `WHERE#`, "raw" any command as its text."""
    assert isinstance(codec, Gt06Codec)
    match wanted.command:
        case "locate":
            text = "WHERE#"
        case "raw":
            text = wanted.text
        case _:
            raise NotSupported(
                f"GT06 has no command {wanted.command!r} of its own; locate, and raw with the device's words as text, it has"
            )
    codec.commands = flag = codec.commands + 1 & 0xFFFFFFFF

    def answers(message: Message) -> bool:
        frame = message.body
        if not isinstance(frame, Frame):
            return False
        if frame.raw[0] == 0x79:
            return frame.raw[4] == 0x21 and frame.raw[5:9] == flag.to_bytes(4, "big")
        return frame.raw[3] == 0x15 and frame.raw[5:9] == flag.to_bytes(4, "big")

    return Order(command(text, flag), answers)
