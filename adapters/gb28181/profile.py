"""What platforms make of the standard: which alarm they take, how, in which charset. Facts, not code paths."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Profile(msgspec.Struct, frozen=True):
    """One platform's ways."""

    version: str
    """X-GB-Ver: 1.0 = 2011, 1.1 = its amendment, 2.0 = 2016, 3.0 = 2022."""
    charset: str
    """What the XML declares; the bytes are GB 18030 (or UTF-8) in any case."""
    method: int = 2
    """AlarmMethod: 1 phone, 2 device, 3 SMS, 4 GPS, 5 video, 6 device fault, 7 other."""
    type: int | None = None
    """Info/AlarmType; None leaves Info out."""
    latched: bool = False
    """After a device alarm a channel keeps silent until ResetAlarm (the standard's note; most platforms never send it)."""
    notify: bool = True
    """A subscriber is told by NOTIFY instead of MESSAGE."""
    precise: bool = False
    """Understands PTZPreciseCtrl."""


PROFILES: Mapping[str, Profile] = {
    "2016": Profile("2.0", "GB2312"),
    "2022": Profile("3.0", "GB18030", precise=True),
    "strict": Profile("3.0", "GB18030", latched=True, precise=True),
    # Stores methods 1, 2, 3, 5 and 6 only; 7 is passed on but not kept and 4 moves the channel. Wants MESSAGE.
    "wvp": Profile("2.0", "GB2312", method=5, type=1, notify=False),
    "livegbs": Profile("2.0", "GB2312", method=2),
    # Fails on an alarm without Info/AlarmType.
    "easycvr": Profile("2.0", "GB2312", method=5, type=1, notify=False),
    "monibuca": Profile("2.0", "GB2312", method=5, type=1, notify=False),
}
