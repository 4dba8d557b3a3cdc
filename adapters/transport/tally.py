"""What the transport turned away, told to the hub as counted faults: a flood of refusals is one fault a second."""

from __future__ import annotations

import asyncio

from hub.model import Fault, FaultKind, Message
from hub.ports import Intake

INTERVAL_S = 1.0
CAUSES_MAX = 1_000
"""Causes told apart in one interval; a forged sender address in each datagram must not fill the memory."""


class Tally:
    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._counts: dict[tuple[FaultKind, str], tuple[int, bytes]] = {}

    def note(self, cause: str, raw: bytes = b"", kind: FaultKind = FaultKind.RATE) -> None:
        """Count one refusal; the first raw bytes of each cause are kept as its sample."""
        if (kind, cause) not in self._counts and len(self._counts) >= CAUSES_MAX:
            cause, raw = "too many different peers were turned away to name each", b""
        count, sample = self._counts.get((kind, cause), (0, raw))
        self._counts[kind, cause] = (count + 1, sample)

    async def run(self) -> None:
        try:
            while True:
                await asyncio.sleep(INTERVAL_S)
                await self._tell()
        finally:
            self._tell()

    def _tell(self) -> asyncio.Future[object]:
        counts, self._counts = self._counts, {}
        faults = [
            Fault(kind, f"{cause} (x{count})", raw, count=count) for (kind, cause), (count, raw) in counts.items()
        ]
        if not faults:
            nothing: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            nothing.set_result(None)
            return nothing
        return asyncio.ensure_future(self._intake.submit([Message([], [fault], raw=fault.raw) for fault in faults]))
