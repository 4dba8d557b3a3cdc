"""The hub as a GB/T 28181 device: what it answers when the platform asks, orders or subscribes. Pure; time is an argument."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from adapters.gb28181 import manscdp
from adapters.gb28181.manscdp import Alarm, Body, Channel
from adapters.gb28181.profile import Profile
from adapters.gb28181.sip import SipMessage, parameter, user
from hub.moment import SECOND

SUBSCRIPTIONS_MAX = 32
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
SUBSCRIPTION_S = 600
"""Where the platform names no time (the standard's default)."""
SUBSCRIPTION_MAX_S = 86_400
LATCH_MAX_S = 300.0
"""A latched channel speaks again after this even without ResetAlarm: a warning must not wait for a forgotten button."""


class Subscription(msgspec.Struct):
    """A dialog in which the platform is told of alarms or of the catalog by NOTIFY."""

    what: str  # Alarm or Catalog
    event: str
    call_id: str
    ours: str
    theirs: str
    contact: str
    until: int
    query: Body
    sequence: int = 0

    def wants(self, alarm: Alarm) -> bool:
        """The filters of clause A.2.4 that are stated; 0 or nothing is all. Times are Beijing's, without an offset."""

        def number(name: str, otherwise: int) -> int:
            text = self.query.text(name)
            return int(text[:9]) or otherwise if text.isascii() and text.isdigit() else otherwise

        methods = self.query.text("AlarmMethod")
        by_method = methods in ("", "0") or str(alarm.method) in re.split(r"[/,]", methods)
        types, asked = self.query.text("AlarmType"), self.query.device
        by_type = types in ("", "0") or alarm.type is None or str(alarm.type) in re.split(r"[/,]", types)
        begins, ends = self.query.text("StartAlarmTime"), self.query.text("EndAlarmTime")
        at = manscdp.local_time(alarm.at)
        in_time = (not _TIME.match(begins) or begins[:19] <= at) and (not _TIME.match(ends) or at <= ends[:19])
        return (
            by_method
            and by_type
            and in_time
            and number("StartAlarmPriority", 1) <= alarm.priority <= number("EndAlarmPriority", 4)
            and (asked == alarm.channel or not manscdp_channel(asked))
        )


class Heard(msgspec.Struct):
    """What to answer to a request, and what to send afterwards."""

    status: int
    phrase: str
    headers: list[tuple[str, str]] = msgspec.field(default_factory=list)
    then: list[str] = msgspec.field(default_factory=list)
    """Bodies of MESSAGEs."""
    notify: list[tuple[Subscription, str]] = msgspec.field(default_factory=list)


class Device:
    """Channels, guard, latches, subscriptions."""

    def __init__(self, device: str, name: str, channels: Sequence[Channel], profile: Profile) -> None:
        self.id = device
        self._name = name
        self._channels = {channel.id: channel for channel in channels}
        self._profile = profile
        self._disarmed: set[str] = set()
        self._latched: dict[str, int] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self.confirmed = 0
        """Alarm responses heard: evidence only, since many platforms never send them."""
        self.result = ""
        """What the newest of them said; some say nothing."""

    # ---------------------------------------------------------------------------------------------- alarms

    def refuses(self, alarm: Alarm, now: int) -> str:
        """Why this alarm may not go out now, "" where it may."""
        if alarm.channel in self._disarmed:
            return f"the platform has switched off the guard of channel {alarm.channel}"
        if self._profile.latched and alarm.method == 2 and self._latched.get(alarm.channel, 0) > now:
            return f"channel {alarm.channel} waits for the platform to reset its last alarm"
        return ""

    def disarmed(self, channel: str) -> bool:
        return channel in self._disarmed

    def sent(self, alarm: Alarm, now: int) -> None:
        self._latched[alarm.channel] = now + int(LATCH_MAX_S * SECOND)

    def subscribers(self, alarm: Alarm, now: int) -> list[Subscription]:
        self._forget(now)
        return [one for one in self._subscriptions.values() if one.what == "Alarm" and one.wants(alarm)]

    def drop(self, subscription: Subscription) -> None:
        """The subscriber no longer knows of it (481)."""
        self._subscriptions.pop(subscription.call_id, None)

    # ---------------------------------------------------------------------------------------------- requests

    def hear(self, request: SipMessage, tag: str, now: int) -> Heard:
        """`tag` is ours for a dialog that this request may open."""
        if request.method == "MESSAGE":
            body = manscdp.read(request.body)
            return Heard(400, f"Bad Request: {body[:80]}") if isinstance(body, str) else self._message(body, now)
        if request.method == "SUBSCRIBE":
            return self._subscribe(request, tag, now)
        if request.method == "OPTIONS":
            return Heard(200, "OK", [("Allow", "MESSAGE, SUBSCRIBE, NOTIFY, OPTIONS")])
        if request.method == "INVITE":
            return Heard(488, "Not Acceptable Here")  # alarm inputs have no picture
        return Heard(405, "Method Not Allowed", [("Allow", "MESSAGE, SUBSCRIBE, NOTIFY, OPTIONS")])

    def _message(self, body: Body, now: int) -> Heard:
        ok = Heard(200, "OK")
        if body.kind == "Query":
            ok.then = self._query(body, now)
        elif body.kind == "Control":
            ok.then = self._control(body)
        elif body.kind == "Response" and body.command == "Alarm":
            self.confirms(body)
        return ok

    def confirms(self, body: Body) -> None:
        """A platform's answer to an alarm, in a message of its own or in the 200."""
        self.confirmed += 1
        self.result = body.text("Result")[:40]

    def _query(self, body: Body, now: int) -> list[str]:
        if body.command == "Catalog":
            return manscdp.catalog(body, self.id, self._name, list(self._channels.values()))
        if body.command == "DeviceInfo":
            return [manscdp.device_info(body, self.id, self._name, len(self._channels))]
        if body.command == "DeviceStatus":
            duty = [(channel, self._duty(channel, now)) for channel in self._channels]
            return [manscdp.device_status(body, self.id, now, duty)]
        return [manscdp.result(body, self.id, good=False)]

    def _duty(self, channel: str, now: int) -> str:
        if channel in self._disarmed:
            return "OFFDUTY"
        return "ALARM" if self._latched.get(channel, 0) > now else "ONDUTY"

    def _control(self, body: Body) -> list[str]:
        """Guard and ResetAlarm; an order to the device itself is one to all its channels."""
        about = [body.device] if body.device in self._channels else list(self._channels)
        guard, reset = body.text("GuardCmd"), body.text("AlarmCmd")
        if guard == "SetGuard":
            self._disarmed.difference_update(about)
        elif guard == "ResetGuard":
            self._disarmed.update(about)
        elif reset == "ResetAlarm":
            for channel in about:
                self._latched.pop(channel, None)
        elif body.text("PTZCmd") or body.text("PTZPreciseCtrl"):
            return []  # PTZ orders get no application answer; alarm inputs have nothing to turn
        else:
            return [manscdp.result(body, self.id, good=False)]
        return [manscdp.result(body, self.id, good=True)]

    def _subscribe(self, request: SipMessage, tag: str, now: int) -> Heard:
        call_id, event = request.header("call-id"), request.header("event")
        text = request.header("expires")
        seconds = min(int(text[:9]), SUBSCRIPTION_MAX_S) if text.isascii() and text.isdigit() else SUBSCRIPTION_S
        self._forget(now)
        known = self._subscriptions.get(call_id)
        body = manscdp.read(request.body) if request.body.strip() else known.query if known else "no body"
        if isinstance(body, str):
            return Heard(400, f"Bad Request: {body[:80]}")
        what = "Catalog" if body.command == "Catalog" else "Alarm" if body.command == "Alarm" else ""
        if not what:
            return Heard(489, "Bad Event")
        answer = Heard(200, "OK", [("Expires", str(seconds)), ("Event", event)])
        if known is None and seconds == 0:
            return answer
        if known is None and len(self._subscriptions) >= SUBSCRIPTIONS_MAX:
            return Heard(503, "Too many subscriptions", [("Retry-After", "60")])
        contact = re.search(r"sips?:[^>;\s]{1,200}", request.header("contact") or request.header("from"))
        ours = request.header("to")
        one = Subscription(
            what, event, call_id, ours if parameter(ours, "tag") else f"{ours};tag={tag}", request.header("from"),
            contact[0] if contact else f"sip:{user(request.header('from'))}", now + seconds * SECOND, body,
            known.sequence if known else 0,
        )  # fmt: skip
        self._subscriptions[call_id] = one
        if what == "Catalog" and seconds:
            answer.notify = [
                (one, text.replace("Response>", "Notify>"))
                for text in manscdp.catalog(body, self.id, self._name, list(self._channels.values()))
            ]
        if seconds == 0:
            del self._subscriptions[call_id]
        return answer

    def _forget(self, now: int) -> None:
        for call_id in [key for key, one in self._subscriptions.items() if one.until <= now]:
            del self._subscriptions[call_id]


def manscdp_channel(text: str) -> bool:
    """Whether an id is one of a single alarm input, not of a device or platform."""
    return len(text) == 20 and text[10:13] == "134"
