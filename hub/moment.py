"""Moments as text and as nanoseconds: pure conversions. Nobody here asks what time it is; `hub.clock` does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST = (1 << 63) - 1


def to_text(at: int) -> str:
    """ISO 8601 with Z; fractions only where there are any: 2026-08-17T14:18:12Z, 2026-08-17T14:18:12.25Z."""
    seconds, fraction = divmod(at, SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:09d}".rstrip("0") + "Z" if fraction else text + "Z"


def to_zone_text(at: int, zone: tzinfo) -> str:
    """The wall clock's time in a zone, to the second, with its offset: 2026-08-17 22:18:12 +08:00."""
    moment = (_EPOCH + timedelta(seconds=at // SECOND)).astimezone(zone)
    offset = moment.strftime("%z")
    return moment.strftime("%Y-%m-%d %H:%M:%S ") + f"{offset[:3]}:{offset[3:5]}"


def from_text(text: str, zone: tzinfo | None = None) -> int:
    """ns UTC of an ISO 8601 time. Without an offset it is read in `zone`. Raises ValueError with a sentence."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is not an ISO 8601 time such as 2026-11-22T08:00:00Z") from None
    if moment.tzinfo is None:
        if zone is None:
            raise ValueError(f"{text!r} has no time zone; add Z or an offset such as +08:00")
        moment = moment.replace(tzinfo=zone)
    return from_datetime(moment)


def from_datetime(moment: datetime) -> int:
    """ns UTC of an aware datetime, exact to the microsecond. Raises ValueError for what 64 bits do not hold (1677 to 2262)."""
    delta = moment - _EPOCH
    at = (delta.days * 86400 + delta.seconds) * SECOND + delta.microseconds * 1000
    if not -_MOST <= at <= _MOST:
        raise ValueError(f"{moment.isoformat()} is out of range; a time from 1678 to 2261 was meant")
    return at
