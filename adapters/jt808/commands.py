"""Commands down to a terminal: pure encoders of 0x8103, 0x8104, 0x8201 and 0x8300.

Each gives a message id and a body; `Jt808Codec.send(terminal, *command)` frames it under the platform's next serial, which the
terminal's answer (0x0001, 0x0104, 0x0201 …) repeats. Who may send one is the caller's matter.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.jt808.bodies import ANSWERS
from adapters.jt808.codec import Jt808Codec
from adapters.jt808.frame import Frame
from adapters.jt808.wire import MAX_BODY, Terminal
from hub.model import Message
from hub.ports import Codec, DeviceCommand, NotSupported, Order

REPORT_INTERVAL = 0x0029
"""Parameter: seconds between locations (default reporting interval, DWORD)."""

Command = tuple[int, bytes]


def set_parameters(parameters: Mapping[int, bytes]) -> Command:
    """0x8103: parameters by id, each value as its wire bytes. Raises ValueError where they do not fit one message."""
    if not 1 <= len(parameters) <= 255:
        raise ValueError(f"0x8103 takes 1 to 255 parameters, not {len(parameters)}")
    body = bytes([len(parameters)])
    for ident, value in parameters.items():
        if len(value) > 255:
            raise ValueError(f"parameter 0x{ident:04x}: a value holds at most 255 bytes, this one has {len(value)}")
        body += ident.to_bytes(4, "big") + bytes([len(value)]) + value
    return _fitting(0x8103, body)


def set_interval(seconds: int) -> Command:
    """0x8103 with parameter 0x0029: report every so many seconds (1 to 86400)."""
    if not 1 <= seconds <= 86_400:
        raise ValueError(f"a reporting interval is 1 to 86400 s, not {seconds}")
    return set_parameters({REPORT_INTERVAL: seconds.to_bytes(4, "big")})


def query_parameters() -> Command:
    """0x8104: send all parameters; the answer is 0x0104."""
    return 0x8104, b""


def locate() -> Command:
    """0x8201: report where you are now; the answer is 0x0201."""
    return 0x8201, b""


def say(terminal: Terminal, message: str, *, urgent: bool = False, show: bool = True, speak: bool = True) -> Command:
    """0x8300: a text for the driver, GBK. Raises ValueError where it is too long or not writable in GBK.

    2011/2013: flag b0 is "urgent". 2019: b0–b1 are 2 urgent, 3 notice, and a text type (1 notice) follows.
    """
    flags = show * 0x04 | speak * 0x08
    head = bytes([flags | urgent]) if terminal.version is None else bytes([flags | (2 if urgent else 3), 1])
    try:
        text = message.encode("gbk")
    except UnicodeEncodeError as error:
        raise ValueError(f"{message[error.start]!r} cannot be written in GBK, the terminal's character set") from None
    if not text:
        raise ValueError("the text is empty")
    return _fitting(0x8300, head + text)


def raw(message: str, data: str) -> Command:
    """Any platform message by its number, such as "0x8104", and its body in hex. Raises ValueError."""
    try:
        msg_id, body = int(message, 16), bytes.fromhex(data)
    except ValueError:
        raise ValueError(f'raw needs message = "0x8104" and data in hex, not {message!r} and {data[:40]!r}') from None
    if not 0x8000 <= msg_id <= 0xFFFF:
        raise ValueError(f"0x{msg_id:04x} is no message of the platform; those are 0x8000 to 0xffff")
    return _fitting(msg_id, body)


def order(codec: Codec, device: str, wanted: DeviceCommand) -> Order:
    """`Plugin.order`."""
    assert isinstance(codec, Jt808Codec)
    terminal = codec.terminal if codec.terminal and codec.speaker == device else terminal_of(device)
    match wanted.command:
        case "locate":
            command = locate()
        case "interval":
            if wanted.seconds is None:
                raise ValueError("interval needs seconds")
            command = set_interval(wanted.seconds)
        case "text":
            command = say(terminal, wanted.text, urgent=wanted.urgent)
        case "raw":
            command = raw(wanted.message, wanted.data)
        case _:
            raise NotSupported(f"JT/T 808 has no command {wanted.command!r}; locate, interval, text and raw it has")
    serial = codec.serial.to_bytes(2, "big")

    def answers(message: Message) -> bool:
        frame = message.body
        return isinstance(frame, Frame) and frame.header.msg_id in ANSWERS and frame.body[:2] == serial

    return Order(codec.send(terminal, *command), answers)


def terminal_of(device: str) -> Terminal:
    """The terminal behind a device id: 12 digits speak the 2011/2013 form, 20 the 2019 one. Raises ValueError."""
    number = device.removeprefix("jt808:")
    if not number.isdecimal() or not number.isascii() or len(number) not in (12, 20):
        raise ValueError(f"{device!r} is no JT/T 808 terminal id of 12 or 20 digits")
    return Terminal(bytes.fromhex(number), None if len(number) == 12 else 1)


def _fitting(msg_id: int, body: bytes) -> Command:
    if len(body) > MAX_BODY:
        raise ValueError(f"0x{msg_id:04x}: a body holds at most {MAX_BODY} bytes, this one would have {len(body)}")
    return msg_id, body
