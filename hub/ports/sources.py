"""Taking data in: codecs, the front door as adapters see it, adapters, and commands down to devices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from hub.bilingual import NOTHING, Text
from hub.model import Message, Verdict


@runtime_checkable
class Codec(Protocol):
    """Bytes in, messages out, for one connection (or one datagram peer, or one file).

    Laws, tested for every codec alike (`tests/laws/test_codecs.py`):
    no socket, no clock (receive time is an argument), no exception whatever the bytes; any chunking of the same
    bytes gives the same messages; never buffers more than its limit; junk becomes faults, once, and decoding goes on
    behind it.
    """

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        """Messages completed by these bytes. `received_at` (ns) refines what the wire dates only in part."""
        ...

    def end(self, received_at: int | None = None) -> list[Message]:
        """The frame or stream ended here: what is left in the buffer becomes messages or faults. Session state stays."""
        ...

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        """What the device must hear about this message, or None where the protocol answers nothing."""
        ...


class Intake(Protocol):
    """The hub's front door, as an adapter sees it."""

    def submit(self, messages: Sequence[Message]) -> Awaitable[list[Verdict]]:
        """Check, stamp, de-duplicate and log. Resolves, one verdict a message, only after the disk has them (law 1).

        Await it, or add a done-callback: it is an asyncio future. Keep in flight only what you can bound, and answer
        the device by its verdict.
        """
        ...

    def rest_s(self) -> float:
        """To be asked after `submit`: for how long, s, it does no harm to leave unread what comes next. It could not be acknowledged sooner, and read
        piece by piece it wakes the hub for each. 0 where it is to be read at once."""
        ...

    def report(self, state: str, why: Text | str = NOTHING) -> None:
        """Say how this adapter is: "up", "down" or "degraded", with a sentence in both languages; shown in console and metrics. One that is a `str`
        is in English only, and the Chinese console quotes it."""
        ...

    def knows(self, device: str) -> bool:
        """Whether the registry lists this device, or the adapter's policy admits unknown ones."""
        ...

    def now(self) -> int:
        """The hub's time, ns since 1970 UTC: when what is handed in now was received."""
        ...

    def attribute(self, device: str, name: str) -> float | str | None:
        """An attribute of a registered device (`auth_code`, `clock_zone` …), None where there is none."""
        ...


class Adapter(Protocol):
    """A running source. The hub starts `run` as a task, restarts it with back-off if it fails, cancels it to stop."""

    async def run(self, intake: Intake) -> None: ...


# ---------------------------------------------------------------------------------------------- commands down


class DeviceCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person asks of a device; each protocol says in its own tongue what it can, and names what it cannot."""

    command: str
    """ "locate" (say where you are), "interval" (report every `seconds`), "text" (show `text`), or "raw" (the protocol's own)."""
    seconds: int | None = None
    text: str = ""
    urgent: bool = False
    message: str = ""
    """With "raw", where the protocol numbers its messages: the number, such as "0x8104"."""
    data: str = ""
    """With "raw": the body in hex."""


class Order(msgspec.Struct, frozen=True):
    """A command in the protocol's own bytes, and how to know its answer among what the device sends next."""

    data: bytes
    answers: Callable[[Message], bool]


class NotSupported(Exception):
    """The protocol, or this session, has no such command; the text says which it has."""


class NotReached(Exception):
    """The device has no live session, or takes nothing now."""


class NotKnown(Exception):
    """Whether the command was sent is not known: the machine that holds the connection did not answer."""


@runtime_checkable
class Commandable(Protocol):
    """An adapter that can reach its devices."""

    def codec_of(self, device: str) -> Codec | None:
        """The codec of the device's live session, None where it has none."""
        ...

    async def ask(self, device: str, order: Order, wait_s: float) -> Message | None:
        """Send, and wait for the answer; None where none came in time. Raises `NotReached`."""
        ...


# ---------------------------------------------------------------------------------------------- handing alerts out
