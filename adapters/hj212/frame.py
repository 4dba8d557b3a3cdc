"""One HJ 212 data segment taken apart: header and CP items as they stood on the wire, and what they are called in words."""

from __future__ import annotations

import re
from typing import Any

import msgspec

ITEM = re.compile(r"([^=;,]+)=(//.*?//|[^;,]*)")

COMMANDS = {
    "1000": "set timeouts and resends",
    "1001": "logger hardware serial",
    "1002": "set MN",
    "1011": "read clock",
    "1012": "set clock",
    "1013": "clock request",
    "1014": "new key",
    "1061": "read real-time interval",
    "1062": "set real-time interval",
    "1063": "read minute interval",
    "1064": "set minute interval",
    "1072": "set password",
    "2011": "real-time data",
    "2012": "stop real-time data",
    "2013": "raw data",
    "2021": "device state",
    "2022": "stop device state",
    "2031": "day data",
    "2041": "device running time of the day",
    "2051": "minute data",
    "2052": "single noise data",
    "2061": "hour data",
    "2062": "standard-sample check",
    "2081": "logger start",
    "2111": "furnace temperature",
    "3011": "zero or span calibration",
    "3012": "sample now",
    "3013": "clean now",
    "3014": "compare by standard sample",
    "3015": "retain a sample",
    "3016": "set sampling period",
    "3017": "read sampling period",
    "3018": "read sampling time",
    "3019": "device identification",
    "3020": "device information",
    "3021": "set device parameter",
    "9011": "request acknowledged",
    "9012": "command result",
    "9013": "notice acknowledged",
    "9014": "data acknowledged",
    "9015": "heartbeat",
}
EDITIONS = {0: "HJ/T 212-2005", 1: "HJ 212-2017", 2: "HJ 212-2025"}


class Frame(msgspec.Struct, gc=False):
    """One data segment: header and CP items as they stood on the wire."""

    declared_length: int
    segment_length: int
    crc_in_frame: str
    crc_computed: int
    header: dict[str, str]
    cp: list[tuple[str, str]]
    number: dict[str, str]
    """The header again under the standard's spelling of its names (QN ST CN PW MN Flag)."""

    @property
    def flag(self) -> int | None:
        """Bits 7-2 edition, bit 1 package numbers follow, bit 0 an answer is wanted; None where absent or no number."""
        text = self.number.get("Flag", "")
        return int(text) if text.isdecimal() and len(text) <= 3 else None

    @property
    def version(self) -> int:
        return (self.flag or 0) >> 2

    @property
    def ack_required(self) -> bool:
        return bool((self.flag or 0) & 1)

    def detail(self) -> dict[str, Any]:
        flag = self.flag
        return {
            "command": COMMANDS.get(self.number.get("CN", ""), "unknown"),
            "edition": EDITIONS.get(self.version, "unknown") if flag is not None else None,
            "declared_length": self.declared_length,
            "segment_length": self.segment_length,
            "length_ok": self.declared_length == self.segment_length,
            "crc_in_frame": self.crc_in_frame,
            "crc_computed": f"{self.crc_computed:04X}",
            "crc_ok": int(self.crc_in_frame, 16) == self.crc_computed,
            "header": self.header,
            "cp": dict(self.cp),
            "flag": {
                "version": self.version,
                "has_package_no": bool(flag & 2),
                "ack_required": self.ack_required,
            }
            if flag is not None
            else None,
        }


_NAMES = {name.upper(): name for name in ("QN", "ST", "CN", "PW", "MN", "Flag")}


def header_of(head: str) -> tuple[dict[str, str], dict[str, str]]:
    """The header as written, and again under the standard's spelling."""
    header: dict[str, str] = {}
    for item in head.split(";"):
        key, equals, value = item.strip(" ,\r\n").partition("=")
        if equals:
            header[key] = value.strip()
    return header, {_NAMES.get(key.upper(), key): value for key, value in header.items()}


def frame_of(segment: bytes, crc_text: str, computed: int, declared: int) -> tuple[Frame, str]:
    """The segment taken apart, and the text between the && of its CP."""
    try:
        text = segment.decode("utf-8")
    except UnicodeDecodeError:
        text = segment.decode("gb18030", errors="replace")
    head, _, content = text.partition("CP=&&")
    header, number = header_of(head)
    content = content.rpartition("&&")[0]
    cp = [(key.strip(), value) for key, value in ITEM.findall(content)]
    return Frame(declared, len(segment), crc_text, computed, header, cp, number), content
