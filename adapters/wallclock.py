"""Device clocks that send six binary bytes (year since 2000, month, day, hour, minute, second) in a zone the wire does not name."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import msgspec

from hub.moment import SECOND, from_local

# No daylight saving since 1991 and the default of the Chinese protocols: must not hang on the machine's zone files.
_FIXED = {"UTC": UTC, "Asia/Shanghai": timezone(timedelta(hours=8))}
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")
_HOURS_KEPT = 256


def zone_named(name: str) -> tzinfo:
    """The zone of an IANA name ("Asia/Shanghai") or an offset ("+08:00"). Raises ValueError with a sentence."""
    if name in _FIXED:
        return _FIXED[name]
    offset = _OFFSET.fullmatch(name)
    if offset:
        sign = -1 if offset[1] == "-" else 1
        minutes = int(offset[2]) * 60 + int(offset[3])
        if minutes < 24 * 60:
            return timezone(sign * timedelta(minutes=minutes))
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name!r}; write an IANA name such as Asia/Shanghai or +08:00") from None


class ClockOptions(msgspec.Struct, kw_only=True, frozen=True):
    """Options of codecs whose devices tell the time of a clock, and not its zone."""

    zone: str = "Asia/Shanghai"
    """The zone of the devices' clocks: an IANA name, or an offset such as "+08:00"."""

    def __post_init__(self) -> None:
        zone_named(self.zone)


def _offsets(local: datetime, zone: tzinfo) -> set[timedelta | None]:
    return {local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)}


class WallClock:
    """Turns such stamps into ns UTC and back."""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        self._hours: dict[bytes, int] = {}
        """ns of full hours already seen in which the offset does not change: most stamps of a connection share one."""

    def local(self, stamp: bytes) -> datetime:
        """The stamp as a datetime in its own zone. Raises ValueError for what no calendar has."""
        year, month, day, hour, minute, second = stamp
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=self.zone)

    def ns(self, stamp: bytes, near: int | None = None) -> int:
        """ns UTC of the stamp, nearest to `near` where that hour comes twice. Raises ValueError for what no calendar has and
        for what cannot be told."""
        minute, second = stamp[4], stamp[5]
        if minute > 59 or second > 59:
            raise ValueError(f"{minute} minutes {second} seconds stand on no clock")
        hour = self._hours.get(stamp[:4])
        if hour is None:
            begin, end = (self.local(stamp[:4] + edge).replace(tzinfo=None) for edge in (b"\0\0", b"\x3b\x3b"))
            if _offsets(begin, self.zone) != _offsets(end, self.zone) or len(_offsets(begin, self.zone)) > 1:
                return from_local(self.local(stamp).replace(tzinfo=None), self.zone, near)
            hour = from_local(begin, self.zone)
            if len(self._hours) >= _HOURS_KEPT:
                self._hours.clear()
            self._hours[stamp[:4]] = hour
        return hour + (minute * 60 + second) * SECOND

    def stamp(self, at: int) -> bytes:
        """The six bytes that tell a device the time `at` (ns UTC)."""
        moment = datetime.fromtimestamp(at // SECOND, self.zone)
        return bytes((moment.year % 100, moment.month, moment.day, moment.hour, moment.minute, moment.second))
