"""Commands down to a device: codec 12 text commands (`getinfo`, `setdigout 1`, …), a pure encoder.

The answer comes up as a codec 12 response, which names no command: the next one counts as the answer. Who may send one is the
caller's matter.
"""

from __future__ import annotations

from adapters.teltonika.codec import TeltonikaCodec
from adapters.teltonika.packet import Packet, crc
from hub.model import Message
from hub.ports import Codec, DeviceCommand, NotSupported, Order

MAX_COMMAND = 1000
"""Characters of one command; devices take an SMS's worth, some up to 1000."""


def command(text: str) -> bytes:
    """The TCP packet of one command. Raises ValueError where it is empty, too long or not ASCII."""
    if not text or len(text) > MAX_COMMAND or not text.isascii():
        raise ValueError(f"a command is 1 to {MAX_COMMAND} ASCII characters, not {text[:40]!r}")
    data = b"\x0c\x01\x05" + len(text).to_bytes(4, "big") + text.encode("ascii") + b"\x01"
    return bytes(4) + len(data).to_bytes(4, "big") + data + crc(data).to_bytes(4, "big")


def order(codec: Codec, device: str, wanted: DeviceCommand) -> Order:
    """`Plugin.order`: "locate" is `getgps`, "raw" any command as its text."""
    assert isinstance(codec, TeltonikaCodec)
    if codec.device is None:
        raise NotSupported(f"{device} reports over UDP, where Teltonika devices take no commands")
    match wanted.command:
        case "locate":
            text = "getgps"
        case "raw":
            text = wanted.text
        case _:
            raise NotSupported(
                f"Teltonika has no command {wanted.command!r}; locate, and raw with the device's own command as text, it has"
            )
    return Order(command(text), _answers)


def _answers(message: Message) -> bool:
    return isinstance(message.body, Packet) and message.body.codec in (0x0C, 0x0D)
