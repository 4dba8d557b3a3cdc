"""One peer: its codec, who it has proved to be, and how much it may send. No sockets here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from adapters.transport.options import StreamOptions
from hub.identity import CERTIFICATE, SESSION, belongs, only
from hub.model import Fault, FaultKind, Message, Verdict
from hub.ports import Codec, NotReached, Order

ASKED_MAX = 16
"""Commands of one connection that wait for their answers."""
DEVICES_PER_CONNECTION_MAX = 1_000
"""Devices of one connection that commands can reach; a gateway with more is still heard."""


class Session:
    """A codec with its peer. `send` hands bytes to the peer (False when it cannot), `close` ends the connection."""

    def __init__(
        self,
        peer: str,
        codec: Codec,
        options: StreamOptions,
        send: Callable[[bytes], bool],
        close: Callable[[str], None],
    ) -> None:
        self.peer = peer
        self.codec = codec
        self.send = send
        self.close = close
        self.devices: set[str] = set()
        self.logged_in: set[str] = set()
        self.allowance = Allowance(options)
        self.bad_in_a_row = 0
        self.names: tuple[str, ...] = ()
        """What the peer's certificate says it is: common name and alternative names."""
        self.attribute: Callable[[str, str], float | str | None] = lambda device, name: None
        self._first: str | None = None
        self._asked: list[tuple[Order, asyncio.Future[Message]]] = []
        self._options = options

    @property
    def settles(self) -> bool:
        """Whether it is still open who the peer is, so that the hub's verdict on a message decides about the next."""
        return self._options.identity == SESSION and self._first is None

    def admit(self, message: Message) -> Message:
        """The message as it may go in: readings of a peer that may not speak for that device become a fault."""
        if self._options.identity == CERTIFICATE:
            said = (
                f"the certificate of {', '.join(self.names)}"
                if self.names
                else f"{self.peer}, which has no certificate,"
            )
            message = only(message, self._certified, said)
        elif self._options.identity == SESSION and (first := self._first) is not None:
            message = only(message, lambda device: belongs(device, first), f"{self.peer}, which is {first},")
        if message.login or not (message.readings or message.held) or (self._options.relay and self.logged_in):
            return message
        if not self.logged_in:
            if not self._options.login_required:
                return message
            why = f"{self.peer} has not logged in; its readings are refused"
            fault = Fault(FaultKind.UNAUTHORISED, why, message.raw, message.device, readings=len(message.readings))
            return Message([], [*message.without_held(), fault], message.device, message.body, message.raw)
        known = self.logged_in
        return only(
            message,
            lambda device: any(belongs(device, one) for one in known),
            f"{self.peer} logged in as {', '.join(sorted(known))} and",
        )

    def _certified(self, device: str) -> bool:
        """Whether the certificate is the device's: by its name, or by the registry's attribute `certificate`."""
        return any(belongs(device, name) for name in self.names) or (
            self.attribute(device, CERTIFICATE) in self.names if self.names else False
        )

    def speaks_as(self, device: str) -> None:
        """The hub took a message of this device: the first one is who the peer is."""
        self._first = self._first or device

    def expect(self, order: Order) -> asyncio.Future[Message]:
        """A future of the order's answer. Raises `NotReached` where too many are waited for already."""
        self._asked = [(asked, answer) for asked, answer in self._asked if not answer.done()]
        if len(self._asked) >= ASKED_MAX:
            raise NotReached(f"{ASKED_MAX} commands wait for the device's answers already")
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked.append((order, answer))
        return answer

    def hear(self, message: Message) -> None:
        """Give the message to the first command that it answers."""
        for order, answer in self._asked:
            if not answer.done() and order.answers(message):
                answer.set_result(message)
                return

    def count(self, messages: Sequence[Message]) -> bool:
        """Follow the bad frames in a row; True once there are too many."""
        limit = self._options.faults_max
        for message in messages:
            if message.faults and not message.readings and not message.held:
                self.bad_in_a_row += 1
                if limit and self.bad_in_a_row >= limit:
                    return True
            else:
                self.bad_in_a_row = 0
        return False


class Sessions:
    """Which live session speaks for which device, so that a command finds its way down."""

    def __init__(self) -> None:
        self._by_device: dict[str, Session] = {}

    def settle(self, session: Session, message: Message, verdict: Verdict) -> None:
        """Learn from a verdict who is at the other end. A device that logs in anew ends its older connection."""
        session.hear(message)
        device = message.device
        if device is None or verdict is not Verdict.STORED:
            return
        session.speaks_as(device)
        older = self._by_device.get(device)
        if message.login:
            session.logged_in.add(device)
            if older is not None and older is not session:
                self._forget(older, device)
                older.close(f"{device} logged in again from {session.peer}")
        elif older is session:
            return
        if device not in session.devices:
            if len(session.devices) >= DEVICES_PER_CONNECTION_MAX:
                return
            session.devices.add(device)
        if older is not None and older is not session:
            older.devices.discard(device)
        self._by_device[device] = session

    def leave(self, session: Session) -> None:
        for device in session.devices:
            if self._by_device.get(device) is session:
                del self._by_device[device]
        session.devices.clear()
        session.logged_in.clear()

    def find(self, device: str) -> Session | None:
        return self._by_device.get(device)

    def _forget(self, session: Session, device: str) -> None:
        session.devices.discard(device)
        session.logged_in.discard(device)


class Allowance:
    """A second's worth of frames and bytes, refilled as time passes (a token bucket for each)."""

    def __init__(self, options: StreamOptions) -> None:
        self._frames_per_s = options.frames_per_s_max
        self._bytes_per_s = options.bytes_per_s_max
        self._frames = options.frames_per_s_max
        self._bytes = options.bytes_per_s_max
        self._at_s: float | None = None

    def spend(self, frames: int, size: int, now_s: float) -> float:
        """Take these; returns the seconds to wait until the debt is paid, 0.0 where there is none."""
        self._refill(now_s)
        self._frames -= frames
        self._bytes -= size
        return max(0.0, -self._frames / self._frames_per_s, -self._bytes / self._bytes_per_s)

    def exhausted(self, now_s: float) -> bool:
        """Whether nothing may be taken now."""
        self._refill(now_s)
        return self._frames <= 0.0 or self._bytes <= 0.0

    def _refill(self, now_s: float) -> None:
        if self._at_s is not None:
            elapsed_s = max(0.0, now_s - self._at_s)
            self._frames = min(self._frames_per_s, self._frames + elapsed_s * self._frames_per_s)
            self._bytes = min(self._bytes_per_s, self._bytes + elapsed_s * self._bytes_per_s)
        self._at_s = now_s
