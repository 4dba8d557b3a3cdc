"""GB 26875.3-2011 frames to messages: `@@`, header, application data, an arithmetic sum, `##`. Little-endian, no escaping."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from adapters.framing import DeclaredFrames, Stretch, Unchecked
from adapters.gb26875 import objects
from adapters.gb26875.objects import Item, local_time
from adapters.gb26875.tables import (
    ANALOGS,
    CANCELLED,
    COMMANDS,
    DEVICE_BITS,
    DEVICE_FAULTS,
    DEVICE_OPERATION_BITS,
    MANUAL_ALARM,
    PART_FAULTS,
    PART_POWER,
    RESET,
    STATE_BITS,
    STATE_FAULTS,
    SYSTEM_OPERATION_BITS,
    TYPES,
)
from adapters.wallclock import ClockOptions, zone_named
from hub.metrics import to_vocabulary
from hub.model import Fault, FaultKind, Message, Reading, Value, Verdict
from hub.moment import SECOND, from_local, in_one_message, shown_alike

MAX_APP = 1024
"""Bytes of application data (clause 7.3)."""
MAX_FRAME = 30 + MAX_APP
MAX_STANDING = 10_000
"""Parts whose alarm or fault is remembered on one connection."""

_MARK, _TAIL = b"@@", b"##"
_START = re.compile(_MARK)
_HEAD = 27
_SEND, _CONFIRM, _RESPONSE, _DENY = 2, 3, 5, 6


_Who = tuple[int | str, ...]
_Read = tuple[dict[str, Value], int | None, str]
"""What an object says, when, and why its time cannot be told."""
"""A system (type, address) or one of its parts (and part address)."""
_DEVICE: _Who = ("device",)


class Frame(msgspec.Struct, gc=False):
    """One frame: header fields as they stood, and the objects."""

    serial: int
    version: tuple[int, int]
    time_raw: bytes
    source: bytes
    dest: bytes
    command: int
    checksum: int
    app: bytes
    type_flag: int | None = None
    count: int = 0
    items: list[Item] = msgspec.field(default_factory=list)

    def detail(self) -> dict[str, Any]:
        label = local_time(self.time_raw)
        found: dict[str, Any] = {
            "serial": self.serial,
            "version": f"{self.version[0]}.{self.version[1]}",
            "time_label": label.isoformat() if label else None,
            "time_label_raw": self.time_raw.hex(),
            "source_addr_le": self.source.hex(),
            "dest_addr_le": self.dest.hex(),
            "source": int.from_bytes(self.source, "little"),
            "dest": int.from_bytes(self.dest, "little"),
            "app_length": len(self.app),
            "command": self.command,
            "command_name": COMMANDS.get(self.command, "user-defined" if self.command > 127 else "reserved"),
            "length_ok": True,
            "checksum": f"{self.checksum:02x}",
            "checksum_ok": True,
        }
        if self.type_flag is not None:
            name = TYPES.get(self.type_flag, "user-defined" if self.type_flag > 127 else "reserved")
            found["app"] = {
                "type_flag": self.type_flag,
                "type_name": name,
                "objects": self.count,
                "items": self.items,
            }
        return found


class Gb26875Codec:
    """GB 26875.3-2011 for one connection."""

    def __init__(self, options: ClockOptions) -> None:
        self._zone = zone_named(options.zone)
        self._stream = DeclaredFrames(_START, _plausible, _size, MAX_FRAME)
        self._received_at: int | None = None
        self._fires: set[_Who] = set()
        self._faults: set[_Who] = set()

    # ------------------------------------------------------------------------------------------------- framing

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        self._received_at = received_at
        self._stream.add(data, received_at)
        return self._taken()

    def end(self, received_at: int | None = None) -> list[Message]:
        self._received_at = received_at
        self._stream.end()
        return self._taken()

    def _taken(self) -> list[Message]:
        messages: list[Message] = []
        while (taken := self._stream.take()) is not None:
            kind, raw = taken
            if kind is Stretch.FRAME:
                messages.append(self._judge(raw))
            elif not raw.strip(b"\r\n\x00"):
                pass
            elif kind is Stretch.CUT:
                said = f"the frame ends after {len(raw)} bytes, before its own length says"
                messages.append(_fault(FaultKind.TRUNCATED, said, raw))
            else:
                messages.append(_junk(raw))
        return messages

    def _judge(self, raw: bytes) -> Message:
        """A frame whose sum and end fit, or the fault it makes."""
        total = sum(raw[2:-3]) & 0xFF
        if raw[-2:] != _TAIL:
            said = f"no ## after the {len(raw) - 30} bytes of data that the frame declares"
            return _fault(FaultKind.FRAME, said, self._stream.give_back(raw))
        if total == raw[-3]:
            return self._message(raw)
        said = f"the frame says sum {raw[-3]:02X}, its bytes give {total:02X}"
        lost = self._stream.give_back(raw)
        message = _fault(FaultKind.CHECKSUM, said, lost)
        if len(lost) == len(raw):
            message.body = Unchecked(lambda: _frame_of(raw)[0], {"checksum_ok": False})
        return message

    # ------------------------------------------------------------------------------------------------- content

    def _message(self, raw: bytes) -> Message:
        frame, misfit = _frame_of(raw)
        device = f"gb26875:{int.from_bytes(frame.source, 'little')}"
        message = Message([], [], device, frame, raw)
        if misfit:
            message.faults.append(Fault(FaultKind.SYNTAX, misfit, raw, device=device))
        elif frame.command == _SEND and frame.type_flag is None:
            said = "data sent without type and number of objects"
            message.faults.append(Fault(FaultKind.SYNTAX, said, raw, device=device))
        if frame.command in (_SEND, _RESPONSE):
            self._read(frame, message, device)
        return message

    def _read(self, frame: Frame, message: Message, device: str) -> None:
        """Objects to readings: states of one moment together, each analog value by itself."""
        states: dict[tuple[int | None, str], dict[str, Value]] = {}
        read = [(values, *self._moment(item, frame)) for item in frame.items if (values := self._values(frame, item))]
        for values, at, told in self._in_order(read):
            if frame.type_flag == 3:
                _add(message, Reading(device, at, values), told)
            else:
                _merge(states.setdefault((at, told), {}), values)
        for (at, told), values in states.items():
            _add(message, Reading(device, at, values), told)

    def _in_order(self, read: list[_Read]) -> list[_Read]:
        """The same with the two hours told apart that a frame may reach over in autumn: objects stand in order. Two of one second are of
        one moment."""
        near = self._received_at
        said = [shown_alike(at, self._zone) if at is not None else () for _, at, _ in read]
        if near is None or max(map(len, said), default=0) < 2:
            return read
        rows = [(frozenset[str](), moments) for moments in said if moments]
        ordered = iter(in_one_message(rows, near))
        return [(values, at if at is None else next(ordered), told) for values, at, told in read]

    def _moment(self, item: Item, frame: Frame) -> tuple[int | None, str]:
        """When the object was so: its own time, else the frame's, else not known; and a sentence if neither can be read."""
        for raw in (bytes.fromhex(item.get("time_raw", "")), frame.time_raw):
            if any(raw):
                moment = local_time(raw)
                if moment is None:
                    return None, f"the time {raw.hex()} (second, minute, hour, day, month, year) is no time"
                try:
                    return from_local(moment, self._zone, self._received_at), ""
                except ValueError as error:
                    return None, str(error)
        return None, ""

    def _values(self, frame: Frame, item: Item) -> dict[str, Value]:
        kind = frame.type_flag
        if kind in (1, 2):
            bits = STATE_BITS if kind == 1 else STATE_BITS | PART_POWER
            who: _Who = (item["system_type"], item["system_addr"])
            if kind == 2:
                who += (item["part_addr_hex_le"],)
            faults = STATE_FAULTS if kind == 1 else PART_FAULTS
            word = int(item["state"], 16)
            clears = (True, True) if kind == 1 else (not word & ~1, not word & ~1)
            values = self._state(who, word, bits, faults, clears)
            return values | {"text": _place(item)}
        if kind == 21:
            # Devices abuse this as a heartbeat, so its silence about a fire says nothing of the panels behind it.
            return self._state(_DEVICE, int(item["device_state"], 16), DEVICE_BITS, DEVICE_FAULTS, (False, True))
        if kind == 3:
            analog = ANALOGS.get(item["analog_type"])
            if analog is None or not analog.metric:
                return {}
            value = to_vocabulary(item["value"], analog.unit, analog.metric)
            return {analog.metric: float(f"{value:.12g}"), "text": _place(item)}
        if kind in (4, 24):
            return self._operation(int(item["operation"], 16), kind)
        if kind in (5, 25):
            return {"firmware": item["version"]}
        return {}

    def _state(
        self, who: _Who, word: int, bits: Mapping[int, str], faults: int, clears: tuple[bool, bool]
    ) -> dict[str, Value]:
        """Named states, and the panel's own flags: a part that is well again must not hide another one that burns.

        A flag is up while any part is known to be up. It goes down when none is and the report may say so (`clears`, for fire
        and for fault), or when the one that was up is up no more; else it is not said at all.
        """
        values: dict[str, Value] = {"events": [name for bit, name in bits.items() if word >> bit & 1]}
        flags = (("fire_alarm", 1 << 1, self._fires), ("fire_fault", faults, self._faults))
        for (metric, mask, standing), clear in zip(flags, clears, strict=True):
            known = who in standing
            if word & mask:
                if len(standing) < MAX_STANDING:
                    standing.add(who)
                values[metric] = True
                continue
            standing.discard(who)
            if len(who) == 2:  # a whole system is well: so are its parts
                standing.difference_update([one for one in standing if one[:2] == who])
            if standing:
                values[metric] = True
            elif clear or known:
                values[metric] = False
        return values

    def _operation(self, word: int, kind: int) -> dict[str, Value]:
        bits = SYSTEM_OPERATION_BITS if kind == 4 else DEVICE_OPERATION_BITS
        values: dict[str, Value] = {"events": [name for bit, name in bits.items() if word >> bit & 1]}
        if word & MANUAL_ALARM:
            values["fire_alarm"] = True
        elif word & (CANCELLED | RESET):
            self._fires.clear()
            values["fire_alarm"] = False
        return values

    # --------------------------------------------------------------------------------------------------- reply

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        """Confirm (3) for data that are on disk, deny (6) for what was refused, nothing while busy: the device sends again."""
        frame = message.body
        if not isinstance(frame, Frame) or frame.command != _SEND or verdict is Verdict.BUSY:
            return None
        moment = datetime.fromtimestamp(now // SECOND, UTC).astimezone(self._zone)
        stamp = (moment.second, moment.minute, moment.hour, moment.day, moment.month, moment.year % 100)
        inner = (
            frame.serial.to_bytes(2, "little")
            + bytes(frame.version)
            + bytes(stamp)
            + frame.dest
            + frame.source
            + b"\x00\x00"
            + bytes([_CONFIRM if verdict is Verdict.STORED else _DENY])
        )
        return _MARK + inner + bytes([sum(inner) & 0xFF]) + _TAIL


def _frame_of(raw: bytes) -> tuple[Frame, str]:
    """The frame taken apart, and a sentence about objects that do not fit."""
    frame = Frame(
        int.from_bytes(raw[2:4], "little"), (raw[4], raw[5]), raw[6:12], raw[12:18], raw[18:24], raw[26], raw[-3], raw[27:-3]
    )  # fmt: skip
    misfit = ""
    if len(frame.app) >= 2:
        frame.type_flag, frame.count = frame.app[0], frame.app[1]
        frame.items, misfit = objects.read(frame.type_flag, frame.count, frame.app[2:])
    return frame, misfit


def _add(message: Message, reading: Reading, told: str) -> None:
    """The reading; where its time is none, and `told` says so, a fault that holds it."""
    if told:
        fault = Fault(FaultKind.TIME, told, message.raw, reading.device, readings=1, reading=reading)
        message.faults.append(fault)
    else:
        message.readings.append(reading)


def _merge(into: dict[str, Value], values: dict[str, Value]) -> None:
    """Several objects of one moment: flags by "any", names and texts one after the other."""
    for name, value in values.items():
        held = into.get(name)
        if isinstance(held, list) and isinstance(value, list):
            into[name] = held + [text for text in value if text not in held]
        elif isinstance(held, bool) and isinstance(value, bool):
            into[name] = value  # the later object of a frame knows more: it was counted after the earlier
        elif isinstance(held, str) and isinstance(value, str):
            into[name] = f"{held}; {value}"
        else:
            into[name] = value


def _place(item: Item) -> str:
    """Where it is, for people: "smoke detector, fire alarm system 1, zone 2, position 10: corridor"."""
    words = f"{item['system']} {item['system_addr']}"
    if "part" in item:
        words = f"{item['part']}, {words}, zone {item['zone']}, position {item['position']}"
    return f"{words}: {item['description']}" if item.get("description") else words


def _plausible(buffer: bytes | bytearray, at: int) -> bool | None:
    """Whether a frame's header stands here; None while more bytes must come to tell."""
    have = len(buffer) - at
    if buffer[at] != 0x40 or (have > 1 and buffer[at + 1] != 0x40):
        return False
    if have < _HEAD:
        return None
    return int.from_bytes(buffer[at + 24 : at + 26], "little") <= MAX_APP


def _size(buffer: bytes | bytearray, at: int) -> int:
    """The length of the frame that begins here."""
    return 30 + int.from_bytes(buffer[at + 24 : at + 26], "little")


def _junk(raw: bytes) -> Message:
    return _fault(FaultKind.FRAME, f"{len(raw)} bytes that belong to no GB 26875.3 frame", raw)


def _fault(kind: FaultKind, sentence: str, raw: bytes) -> Message:
    return Message([], [Fault(kind, sentence, raw)], raw=raw)
