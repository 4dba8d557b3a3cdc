"""The protocol's own view of a frame: header, session data, the items of a report. Built only when somebody looks."""

from __future__ import annotations

from adapters.gb32960.items import Item, walk
from adapters.wallclock import WallClock

HEADER_BYTES = 24
COMMAND = 0xFE
"""The answer flag of a frame that is not itself an answer."""
LOGIN, REALTIME, REISSUE, LOGOUT, PLATFORM_LOGIN, PLATFORM_LOGOUT, HEARTBEAT, TIME = range(1, 9)
SESSIONS = (LOGIN, LOGOUT, PLATFORM_LOGIN, PLATFORM_LOGOUT)
NAMES = {
    LOGIN: "vehicle_login",
    REALTIME: "realtime",
    REISSUE: "reissue",
    LOGOUT: "vehicle_logout",
    PLATFORM_LOGIN: "platform_login",
    PLATFORM_LOGOUT: "platform_logout",
    HEARTBEAT: "heartbeat",
    TIME: "time_calibration",
    0x09: "activation",
    0x0A: "activation_answer",
    0x0B: "key_exchange",
    0x80: "query",
    0x81: "set",
    0x82: "control",
}


class Frame:
    """A frame whose check code is right."""

    __slots__ = ("_clock", "raw")

    def __init__(self, raw: bytes, clock: WallClock) -> None:
        self.raw = raw
        self._clock = clock

    @property
    def edition(self) -> int:
        return 2016 if self.raw[0] == 0x23 else 2025

    @property
    def data(self) -> bytes:
        return self.raw[HEADER_BYTES:-1]

    def detail(self) -> Item:
        raw, data = self.raw, self.data
        command, answer, encryption = raw[2], raw[3], raw[21]
        shown: Item = {
            "version": str(self.edition),
            "command": f"0x{command:02x}",
            "command_name": NAMES.get(command, "unknown"),
            "response": f"0x{answer:02x}",
            "vin": text(raw[4:21]),
            "encryption": f"0x{encryption:02x}",
            "data_length": len(data),
            "bcc": f"{raw[-1]:02x}",
            "bcc_ok": True,
        }
        if data and encryption != 1:
            shown["data_hex"] = data.hex()
        elif answer != COMMAND and len(data) == 6:  # a terminal's answer to the platform: usually the time alone
            shown["time"] = self._time(data)
        elif answer == COMMAND and command in (REALTIME, REISSUE) and len(data) >= 6:
            shown["data"] = self._report(data)
        elif answer == COMMAND and command in SESSIONS and len(data) >= session_bytes(command, self.edition):
            name = {LOGOUT: "logout", LOGIN: "login"}.get(command, NAMES[command])
            shown[name] = self._session(command, data)
        elif data or command not in (HEARTBEAT, TIME) or answer != COMMAND:
            shown["data_hex"] = data.hex()
        return shown

    def _report(self, data: bytes) -> Item:
        found = walk(data, 6, self.edition)
        view: Item = {"collect_time": self._time(data[:6]), "items": found.items}
        if found.signature:
            view["signature"] = found.signature
        if found.trouble:
            view["unread_hex"] = found.unread.hex()
        return view

    def _session(self, command: int, data: bytes) -> Item:
        view: Item = {"time": self._time(data[:6]), "serial": int.from_bytes(data[6:8], "big")}
        if command == PLATFORM_LOGIN:
            view |= {"user": text(data[8:20]), "encryption": f"0x{data[40]:02x}"}  # the password is not for showing
        elif command == LOGIN:
            view["iccid"] = text(data[8:28])
            view |= battery_codes(data, self.edition)[0]
        return view

    def _time(self, stamp: bytes) -> str:
        try:
            return self._clock.local(stamp).isoformat()
        except ValueError:
            return stamp.hex()


def session_bytes(command: int, edition: int) -> int:
    """The least that a login or logout holds."""
    return {LOGIN: 30 if edition == 2016 else 29, PLATFORM_LOGIN: 41}.get(command, 8)


def text(raw: bytes) -> str:
    return raw.decode("ascii", "replace").strip("\0 ")


def battery_codes(data: bytes, edition: int) -> tuple[Item, str]:
    """Battery codes of a vehicle login (table 6 of either edition), and what is wrong with them, or nothing."""
    systems = data[28]
    if edition == 2016:
        size = data[29]
        counts = [systems]
        at = 30
        view: Item = {"subsystems": systems, "code_length": size}
    else:
        size = 24
        counts = list(data[29 : 29 + systems])
        at = 29 + systems
        view = {"subsystems": systems, "packs": counts}
    total = sum(counts)
    if at + total * size != len(data):
        view["codes_hex"] = data[at:].hex()
        return view, f"login tells {total} battery codes of {size} bytes, {max(0, len(data) - at)} bytes follow"
    codes = data[at:].decode("ascii", "replace")  # not stripped: some put binary there
    view["codes"] = [codes[place * size : (place + 1) * size] for place in range(total)]
    return view, ""
