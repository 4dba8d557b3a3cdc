"""GB/T 32960.3 (2016 and 2025): electric vehicles' terminals and the platforms that forward them.

Frame: start `##` (2016) or `$$` (2025), command, answer flag, unique id (VIN, 17), encryption, length (WORD), data unit,
BCC = XOR of everything from the command to the last data byte. Pure: bytes in, messages out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.gb32960.items import Item, walk
from adapters.gcj02 import to_wgs84
from adapters.wallclock import WallClock, zone_named
from hub.model import Fault, FaultKind, Message, Position, Reading, Value, Verdict

HEADER_BYTES = 24
FRAME_BYTES_MAX = HEADER_BYTES + 0xFFFF + 1
"""The length field can say no more, so neither can the buffer hold more (plus the chunk just fed)."""

COMMAND = 0xFE
"""The answer flag of a frame that is not itself an answer."""
_ANSWERS = (1, 2, 3, 4, 5, 6, 7, COMMAND)
_ENCRYPTIONS = {2: "RSA", 3: "AES-128", 4: "SM2", 5: "SM4"}
_ENCRYPTION_CODES = (1, *_ENCRYPTIONS, 0xFE, 0xFF)
_LOGIN, _REALTIME, _REISSUE, _LOGOUT, _PLATFORM_LOGIN, _PLATFORM_LOGOUT, _HEARTBEAT, _TIME = range(1, 9)
_ACTIVATION, _ACTIVATION_ANSWER, _KEY_EXCHANGE = 0x09, 0x0A, 0x0B
_NAMES = {
    _LOGIN: "vehicle_login",
    _REALTIME: "realtime",
    _REISSUE: "reissue",
    _LOGOUT: "vehicle_logout",
    _PLATFORM_LOGIN: "platform_login",
    _PLATFORM_LOGOUT: "platform_logout",
    _HEARTBEAT: "heartbeat",
    _TIME: "time_calibration",
    _ACTIVATION: "activation",
    _ACTIVATION_ANSWER: "activation_answer",
    _KEY_EXCHANGE: "key_exchange",
    0x80: "query",
    0x81: "set",
    0x82: "control",
}
_ANSWERED = (_LOGIN, _REALTIME, _REISSUE, _LOGOUT, _PLATFORM_LOGIN, _PLATFORM_LOGOUT, _HEARTBEAT, _TIME)
_GEARS = {0: "N", 13: "R", 14: "D", 15: "P"}


class Gb32960Codec:
    """One connection: a vehicle, or a platform that forwards many. Options: `zone`, `coordinates`."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._clock = WallClock(zone_named(options.get("zone", "Asia/Shanghai")))
        coordinates = options.get("coordinates", "wgs84")
        if coordinates not in ("wgs84", "gcj02"):
            raise ValueError(f"coordinates = {coordinates!r}: wgs84 or gcj02")
        self._gcj02 = coordinates == "gcj02"
        self._buffer = b""
        self._searched = 0
        """Bytes at the head of the buffer that are known to start no frame."""

    # ------------------------------------------------------------------------------------------------- framing

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        self._buffer += data
        return self._frames(ended=False)

    def end(self, received_at: int | None = None) -> list[Message]:
        return self._frames(ended=True)

    def _frames(self, ended: bool) -> list[Message]:
        messages: list[Message] = []
        buffer = self._buffer
        done = 0  # everything before is in a message
        at = self._searched
        while True:
            start = at if buffer[at : at + 2] in (b"##", b"$$") else _next_start(buffer, at)
            if start < 0:
                # The last byte may be half a start mark.
                at = max(at, len(buffer) if ended or not buffer.endswith((b"#", b"$")) else len(buffer) - 1)
                break
            at = start
            if len(buffer) - start < HEADER_BYTES:
                if not ended:
                    break
            elif not _plausible(buffer, start):
                at = start + 1
                continue
            size = HEADER_BYTES + int.from_bytes(buffer[start + 22 : start + HEADER_BYTES], "big") + 1
            if len(buffer) - start < size:
                if not ended:
                    break
                messages += _junk(buffer[done:start])
                done = at = _inner_start(buffer, start, len(buffer))
                messages.append(_truncated(buffer[start:done], size))
                continue
            if start > done:
                messages += _junk(buffer[done:start])
            frame = buffer[start : start + size]
            bcc = check_code(frame[2:-1])
            if bcc == frame[-1]:
                messages.append(self._decode(frame))
                done = at = start + size
            else:
                done = at = _inner_start(buffer, start, start + size)
                messages.append(_bad_checksum(buffer[start:done], frame[-1], bcc))
        sure = at if ended else at - (at - done) % FRAME_BYTES_MAX
        if sure > done:
            messages += _junk(buffer[done:sure])
            done = sure
        self._buffer = buffer[done:]
        self._searched = at - done
        return messages

    # ------------------------------------------------------------------------------------------------- content

    def _decode(self, frame: bytes) -> Message:
        command, answer, encryption = frame[2], frame[3], frame[21]
        vin = frame[4:21].decode("ascii", "replace").strip("\0 ")
        edition = 2016 if frame[0] == 0x23 else 2025
        data = frame[HEADER_BYTES:-1]
        body: Item = {
            "version": str(edition),
            "command": f"0x{command:02x}",
            "command_name": _NAMES.get(command, "unknown"),
            "response": f"0x{answer:02x}",
            "vin": vin,
            "encryption": f"0x{encryption:02x}",
            "data_length": len(data),
            "bcc": f"{frame[-1]:02x}",
            "bcc_ok": True,
        }
        message = Message([], [], device=f"gb32960:{vin}" if vin else None, body=body, raw=frame)
        if data and encryption != 1:
            body["data_hex"] = data.hex()
            message.faults.append(_encrypted(encryption, frame, message.device))
        elif answer != COMMAND:
            self._answer(message, data)
        elif command in (_REALTIME, _REISSUE):
            self._report(message, data, edition)
        elif command in (_LOGIN, _LOGOUT, _PLATFORM_LOGIN, _PLATFORM_LOGOUT):
            self._session(message, command, data, edition)
        elif command in (_HEARTBEAT, _TIME):
            if data:
                body["data_hex"] = data.hex()
        else:
            body["data_hex"] = data.hex()
            self._fault(
                message,
                FaultKind.UNSUPPORTED,
                f"command 0x{command:02X} ({body['command_name']}) is not read; its data unit is kept in hex",
            )
        return message

    def _fault(self, message: Message, kind: FaultKind, detail: str, readings: int = 0) -> None:
        message.faults.append(Fault(kind, detail, message.raw, message.device, readings=readings))

    def _answer(self, message: Message, data: bytes) -> None:
        """A terminal's answer to the platform: usually the time alone."""
        if len(data) == 6:
            message.body["time"] = self._time_text(data)
        else:
            message.body["data_hex"] = data.hex()

    def _time_text(self, stamp: bytes) -> str:
        try:
            return self._clock.local(stamp).isoformat()
        except ValueError:
            return stamp.hex()

    def _observed(self, message: Message, data: bytes, readings: int) -> int | None:
        try:
            return self._clock.ns(data[:6])
        except ValueError:
            detail = f"time {data[:6].hex(' ')} (year month day hour minute second, binary) is on no calendar"
            self._fault(message, FaultKind.TIME, detail, readings)
            return None

    def _session(self, message: Message, command: int, data: bytes, edition: int) -> None:
        needed = {_LOGIN: 30 if edition == 2016 else 29, _PLATFORM_LOGIN: 41}.get(command, 8)
        name = {_LOGOUT: "logout", _LOGIN: "login"}.get(command, _NAMES[command])
        if len(data) < needed:
            message.body["data_hex"] = data.hex()
            self._fault(message, FaultKind.SYNTAX, f"{_NAMES[command]} needs {needed} bytes of data, {len(data)} came")
            return
        view: Item = {"time": self._time_text(data[:6]), "serial": int.from_bytes(data[6:8], "big")}
        message.body[name] = view
        self._observed(message, data, 0)
        if command == _PLATFORM_LOGIN:
            user, password = _text(data[8:20]), _text(data[20:40])
            view |= {"user": user, "encryption": f"0x{data[40]:02x}"}  # the password is not for showing
            message.login = True
            message.credential = password
            message.device = message.device or f"gb32960:{user}"
        elif command == _LOGIN:
            message.login = True
            view["iccid"] = _text(data[8:28])
            trouble = _battery_codes(view, data, edition)
            if trouble:
                self._fault(message, FaultKind.SYNTAX, trouble)

    def _report(self, message: Message, data: bytes, edition: int) -> None:
        if len(data) < 6:
            message.body["data_hex"] = data.hex()
            self._fault(message, FaultKind.SYNTAX, f"a report needs at least its 6 bytes of time, {len(data)} came", 1)
            return
        found = walk(data, 6, edition)
        view: Item = {"collect_time": self._time_text(data[:6]), "items": found.items}
        message.body["data"] = view
        if found.signature:
            view["signature"] = found.signature
        if found.trouble:
            view["unread_hex"] = found.unread.hex()
            kind = FaultKind.SYNTAX if found.known_type else FaultKind.UNSUPPORTED
            self._fault(message, kind, f"{found.trouble}; {len(found.unread)} bytes are kept unread")
        values: dict[str, Value] = {}
        position: Position | None = None
        for item in found.items:
            if item["name"] == "position":
                position = self._position(message, item)
            elif not (item.get("layout") or item["name"] == "vendor"):
                _READERS[item["name"]](item, values)
        if not values and position is None:
            self._observed(message, data, 0)
            return
        observed_at = self._observed(message, data, 1)
        if observed_at is not None:
            message.readings.append(Reading(message.device or "", observed_at, values, position, kind="vehicle"))

    def _position(self, message: Message, item: Item) -> Position | None:
        lon, lat = item["lon"], item["lat"]
        if not item["valid"] or isinstance(lon, str) or isinstance(lat, str):
            return None
        if abs(lon) > 180 or abs(lat) > 90:
            self._fault(message, FaultKind.POSITION, f"longitude {lon}, latitude {lat} is nowhere on Earth")
            return None
        system = item.get("coordinate_system", 2 if self._gcj02 else 1)
        if system == 1:
            return Position(lon, lat)
        if system == 2:
            return Position(*to_wgs84(lon, lat))
        self._fault(
            message,
            FaultKind.POSITION,
            f"coordinate system {system} is neither WGS-84 (1) nor GCJ-02 (2): the place is not known",
        )
        return None

    # -------------------------------------------------------------------------------------------------- replies

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        """Same header with the answer flag set and the frame's own time back; a clock request gets the time `now`."""
        frame = message.raw
        if message.body is None or frame[3] != COMMAND or frame[2] not in _ANSWERED or verdict is Verdict.BUSY:
            return None
        if frame[2] == _TIME:
            data = self._clock.stamp(now)
        elif frame[2] == _HEARTBEAT or frame[21] != 1:
            data = b""
        else:
            data = frame[HEADER_BYTES:-1][:6]
        unread = any(fault.kind is FaultKind.ENCRYPTED for fault in message.faults)
        refused = verdict is Verdict.REFUSED or unread  # nothing of it was stored, whatever became of the fault
        flag = _refusal(message, frame[0] == 0x24) if refused else 1
        head = frame[2:3] + bytes((flag,)) + frame[4:21] + b"\x01" + len(data).to_bytes(2, "big") + data
        return frame[:2] + head + bytes((check_code(head),))


# ------------------------------------------------------------------------------------------------- framing's helpers


def check_code(data: bytes) -> int:
    """XOR of all bytes, by folding the number in half: 2 µs for a battery's report of 600 bytes, byte by byte 8 µs."""
    folded = int.from_bytes(data, "big")
    bits = 8 << len(data).bit_length()
    while bits > 8:
        bits >>= 1
        folded = folded >> bits ^ folded & (1 << bits) - 1
    return folded


def _next_start(buffer: bytes, at: int) -> int:
    old, new = buffer.find(b"##", at), buffer.find(b"$$", at)
    return max(old, new) if old < 0 or new < 0 else min(old, new)


def _plausible(buffer: bytes, at: int) -> bool:
    """Two of three header fields as the standard has them: a frame with one damaged field still counts as one, junk does not."""
    vin = buffer[at + 4 : at + 21]
    return (
        (buffer[at + 3] in _ANSWERS)
        + (buffer[at + 21] in _ENCRYPTION_CODES)
        + (vin.isascii() and vin.strip(b"\0").decode("ascii").isprintable())
    ) >= 2


def _inner_start(buffer: bytes, start: int, end: int) -> int:
    """Where a good frame may begin inside [start, end) of one that is damaged; `end` where there is none.

    Looks at no byte behind `end`: whether they are here yet must not matter.
    """
    at = start + 1
    while 0 <= (at := _next_start(buffer, at)) < end - 1:
        if at + HEADER_BYTES > end or (_plausible(buffer, at) and buffer[at + 2] in _NAMES):
            return at
        at += 1
    return end - 1 if buffer[end - 1] in b"#$" and end - 1 > start else end  # perhaps half a start mark


def _junk(raw: bytes) -> list[Message]:
    """One fault for a run of junk; a run longer than the buffer's limit is cut there."""
    runs = [raw[at : at + FRAME_BYTES_MAX] for at in range(0, len(raw), FRAME_BYTES_MAX)]
    return [
        Message([], [Fault(FaultKind.FRAME, f"{len(run)} bytes that start no GB/T 32960 frame", run)], raw=run)
        for run in runs
    ]


def _truncated(raw: bytes, size: int) -> Message:
    told = f" of the {size} that its header tells" if len(raw) >= HEADER_BYTES else ", less than a header"
    return Message([], [Fault(FaultKind.TRUNCATED, f"the frame ends after {len(raw)} bytes{told}", raw)], raw=raw)


def _bad_checksum(raw: bytes, told: int, computed: int) -> Message:
    detail = f"check code 0x{told:02X} in the frame, 0x{computed:02X} computed: damaged or clipped on the way"
    return Message([], [Fault(FaultKind.CHECKSUM, detail, raw)], raw=raw)


def _encrypted(encryption: int, frame: bytes, device: str | None) -> Fault:
    method = _ENCRYPTIONS.get(encryption)
    if method:
        detail = f"the data unit is encrypted with {method} and the hub holds no key for it"
        return Fault(FaultKind.ENCRYPTED, detail, frame, device, readings=1)
    detail = f"encryption byte 0x{encryption:02X} does not say how the data unit is coded"
    return Fault(FaultKind.SYNTAX, detail, frame, device, readings=1)


def _refusal(message: Message, edition_2025: bool) -> int:
    """2016 knows only "error"; 2025 has 04 VIN unknown, 06 bad structure, 07 not decrypted."""
    if not edition_2025:
        return 2
    kinds = {fault.kind for fault in message.faults}
    if FaultKind.ENCRYPTED in kinds:
        return 7
    if FaultKind.SYNTAX in kinds:
        return 6
    return 2 if kinds else 4


# ------------------------------------------------------------------------------------------------- login's helpers


def _text(raw: bytes) -> str:
    return raw.decode("ascii", "replace").strip("\0 ")


def _battery_codes(view: Item, data: bytes, edition: int) -> str:
    """Battery codes of a vehicle login (table 6 of either edition); returns what is wrong with them, or nothing."""
    systems = data[28]
    if edition == 2016:
        size = data[29]
        counts = [systems]
        at = 30
        view |= {"subsystems": systems, "code_length": size}
    else:
        size = 24
        counts = list(data[29 : 29 + systems])
        at = 29 + systems
        view |= {"subsystems": systems, "packs": counts}
    total = sum(counts)
    if at + total * size != len(data):
        view["codes_hex"] = data[at:].hex()
        return f"login tells {total} battery codes of {size} bytes, {max(0, len(data) - at)} bytes follow"
    codes = data[at:].decode("ascii", "replace")  # not stripped: some put binary there
    view["codes"] = [codes[place * size : (place + 1) * size] for place in range(total)]
    return ""


# ----------------------------------------------------------------------------------------- items to the vocabulary


def _put(values: dict[str, Value], metric: str, value: Any) -> None:
    if not isinstance(value, str):
        values[metric] = value


def _vehicle(item: Item, values: dict[str, Value]) -> None:
    _put(values, "speed", item["speed_kmh"])
    _put(values, "odometer", item["odometer_km"])
    _put(values, "voltage", item["voltage_v"])
    _put(values, "current", item["current_a"])
    _put(values, "soc", item["soc_pct"])
    _put(values, "insulation_resistance", item["insulation_kohm"])
    if "brake_pct" in item:
        _put(values, "throttle", item["accelerator_pct"])
        _put(values, "brake", item["brake_pct"])
    if item["vehicle_status"] in (1, 2):
        values["ignition"] = item["vehicle_status"] == 1
    if item["charge_status"] in (1, 2, 3, 4):
        values["charging"] = item["charge_status"] in (1, 2)
    gear = item["gear"]
    if gear < 0x80:  # b7: "invalid" in 2025, reserved and so zero in 2016
        values["gear"] = _GEARS.get(gear & 15, str(gear & 15))


def _motors(item: Item, values: dict[str, Value]) -> None:
    """The first motor that reports anything speaks for the vehicle; all of them stand in the detail."""
    for motor in item["motors"]:
        found: dict[str, Value] = {}
        _put(found, "motor_speed", motor["rpm"])
        _put(found, "motor_torque", motor["torque_nm"])
        _put(found, "motor_temperature", motor["temp_c"])
        if found:
            values |= found
            return


def _engine(item: Item, values: dict[str, Value]) -> None:
    _put(values, "engine_speed", item["crank_rpm"])


def _extremes(item: Item, values: dict[str, Value]) -> None:
    _put(values, "cell_voltage_max", item["max_cell_v"])
    _put(values, "cell_voltage_min", item["min_cell_v"])
    _put(values, "battery_temperature_max", item["max_temp_c"])
    _put(values, "battery_temperature_min", item["min_temp_c"])


def _alarms(item: Item, values: dict[str, Value]) -> None:
    values["alarms"] = item["alarms"]
    _put(values, "alarm_level", item["max_level"])


def _cell_voltages(item: Item, values: dict[str, Value]) -> None:
    """2025 has no item of extremes and lists every cell; 2016 may list a part of them, and has the extremes."""
    cells = [cell for pack in item.get("packs", ()) for cell in pack["cell_v"] if not isinstance(cell, str)]
    if cells:
        values["cell_voltage_max"], values["cell_voltage_min"] = max(cells), min(cells)


def _temperatures(item: Item, values: dict[str, Value]) -> None:
    probes = [probe for pack in item.get("packs", ()) for probe in pack["temps"] if not isinstance(probe, str)]
    if probes:
        values["battery_temperature_max"], values["battery_temperature_min"] = max(probes), min(probes)


_READERS = {
    "vehicle": _vehicle,
    "motors": _motors,
    "fuel_cell": lambda item, values: None,
    "engine": _engine,
    "extremes": _extremes,
    "alarms": _alarms,
    "cell_voltages": _cell_voltages,
    "temperatures": _temperatures,
}
