"""Commands to devices that are connected to another machine of the city.

    the machine that a person asks ── who has this device? ──► all
                                   ◄── I, at this place ── the one that holds the connection
      notes it in its audit
                                   ── send it ──► that one notes it in the log, sends it, and waits
                                   ◄── the device's answer, or none came

A question is asked once and never again, so a command is sent once or not at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from hub.app.commanding import Commander
from hub.log.board import Board, Nobody, Unanswered
from hub.ports import DeviceCommand, LogFull, NotKnown, NotReached, NotSupported

FIND_S = 1.0
"""How long the machines may take to say which of them has the device."""
MORE_S = 5.0
"""How much longer than the device itself the machine that asks it may take."""
REFUSALS: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (NotReached, NotSupported, LogFull, ValueError, msgspec.ValidationError)
}


class Asked(msgspec.Struct):
    device: str
    wanted: DeviceCommand
    who: str
    wait_s: float


class Told(msgspec.Struct):
    """`place`: where the machine that has the device can be asked to send. `refusal`: of `REFUSALS`, and `why`."""

    place: str = ""
    answer: Any = None
    refusal: str = ""
    why: str = ""


class Relay:
    """Commands from here to wherever the device is, and from elsewhere to the devices here."""

    def __init__(self, own: Commander, board: Board) -> None:
        self._own, self._board = own, board
        self._decoder = msgspec.json.Decoder(Asked)
        board.answer(self._find)
        self._place = board.answer(self._send, alone=True)

    async def command(
        self, device: str, wanted: DeviceCommand, who: str, wait_s: float, allowed: Callable[[], Awaitable[None]]
    ) -> Any:
        """As `Commander.command`. Raises `NotKnown` too, where the machine that holds the connection was asked to send and did not answer."""
        try:
            self._own.reach(device, wanted)
        except NotReached:
            return await self._elsewhere(Asked(device, wanted, who, wait_s), allowed)
        return await self._own.command(device, wanted, who, wait_s, allowed)

    async def _elsewhere(self, asked: Asked, allowed: Callable[[], Awaitable[None]]) -> Any:
        question = msgspec.json.encode(asked)
        nowhere = f"{asked.device} has no connection to any machine of this city now"
        try:
            found = _said(await self._board.ask(question, FIND_S))
        except Unanswered:
            raise NotReached(nowhere) from None
        await allowed()
        try:
            told = await self._board.ask(question, asked.wait_s + MORE_S, found.place)
        except Nobody:
            raise NotReached(nowhere) from None
        except Unanswered:
            raise NotKnown(
                f"the machine to which {asked.device} is connected did not answer, so it is not known whether the command was sent; where it was, the log has it"
            ) from None
        return _said(told).answer

    async def _find(self, question: bytes) -> bytes | None:
        try:
            asked = self._decoder.decode(question)
        except msgspec.MsgspecError:  # of a version that asks otherwise
            return None
        try:
            self._own.reach(asked.device, asked.wanted)
        except NotReached:
            return None
        except tuple(REFUSALS.values()) as error:
            return _refusal(error)
        return msgspec.json.encode(Told(self._place))

    async def _send(self, question: bytes) -> bytes:
        asked = self._decoder.decode(question)
        try:
            answer = await self._own.command(asked.device, asked.wanted, asked.who, asked.wait_s, _noted_there)
        except tuple(REFUSALS.values()) as error:
            return _refusal(error)
        return msgspec.json.encode(Told(answer=answer))


async def _noted_there() -> None:
    """The audit of the machine that was asked by a person has it already."""


def _refusal(error: Exception) -> bytes:
    kind = type(error).__name__ if type(error).__name__ in REFUSALS else ValueError.__name__
    return msgspec.json.encode(Told(refusal=kind, why=str(error)))


def _said(told: bytes) -> Told:
    found = msgspec.json.decode(told, type=Told)
    if found.refusal:
        raise REFUSALS[found.refusal](found.why)
    return found
