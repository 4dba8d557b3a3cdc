"""Who may speak for a device: what a door knows of its peer (a topic, a certificate, a token, a session) bound to the devices in its messages.

A device belongs to a name that is its id, or its id without the protocol in front (`jt808:014450376202`, `014450376202`), and so do its
parts (`panel-7/loop-2` to `panel-7`).
"""

from __future__ import annotations

from collections.abc import Callable

from hub.model import Fault, FaultKind, Message

TOPIC = "topic:"
CERTIFICATE = "certificate"
SESSION = "session"
TOKEN = "token"
OSCORE = "oscore"


def belongs(device: str, name: str) -> bool:
    """Whether this device is the one of that name, or a part of it."""
    own = device.partition(":")[2]
    return any(said == name or said.startswith(f"{name}/") for said in (device, own) if name)


def listed(device: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns is the device's id; `*` stands for any characters at a pattern's end."""
    return any(device.startswith(pattern[:-1]) if pattern.endswith("*") else device == pattern for pattern in patterns)


def only(message: Message, may: Callable[[str], bool], who: str) -> Message:
    """The message as it may go in: what speaks for a device it may not speak for becomes one fault a device."""
    kept = [reading for reading in message.readings if may(reading.device)]
    strangers: dict[str, int] = {}
    for reading in message.held:
        if not may(reading.device):
            strangers[reading.device] = 0  # the fault that holds it counts it
    for reading in message.readings:
        if not may(reading.device):
            strangers[reading.device] = strangers.get(reading.device, 0) + 1
    if message.device is not None and not may(message.device):
        strangers.setdefault(message.device, 0)
    if not strangers:
        return message
    unauthorised = [
        Fault(FaultKind.UNAUTHORISED, f"{who} may not speak for {device}", message.raw, device, readings=count)
        for device, count in strangers.items()
    ]
    login = message.login and message.device not in strangers
    return Message(
        kept,
        [*message.without_held(strangers), *unauthorised],
        message.device,
        message.body,
        message.raw,
        login,
        message.credential,
        message.changes,
    )


def topic_level(identity: str) -> int:
    """N of "topic:N", from 1. Raises ValueError with a sentence."""
    if identity == TOKEN:
        raise ValueError(
            "identity = \"token\": MQTT shows a publisher's name, password or token to its broker alone, and no message carries one; let the broker's "
            'access list give each device a topic of its own, and bind it with "topic:N"'
        )
    number = identity.removeprefix(TOPIC)
    if not identity.startswith(TOPIC) or not number.isdecimal() or not 1 <= int(number) <= 128:
        raise ValueError(
            f'identity = {identity!r}: "topic:N" was meant, N the level of the topic that names the device, from 1'
        )
    return int(number)
