"""One submission of an adapter on its way to the disk: what was accepted of it, what else must be there, and the verdicts once all of it is."""

from __future__ import annotations

import asyncio
from functools import partial

from hub.faults import Faults
from hub.ledger import Counts
from hub.model import Forwarded, Reading, Verdict
from hub.ports import STOPPING, Key, LogFull, LogPosition, Unwritable


class Submission:
    """What became of the messages of one `submit` so far."""

    def __init__(self, at: int, adapter: str) -> None:
        self.at = at
        self.received_at = 0.0
        """By the clock of the journey, where anybody follows it."""
        self.counts = Counts()
        """The group's own, until it is handed to the log: a ledger saved meanwhile knows nothing of it, nor does the log."""
        self.accepted: list[Reading | Forwarded] = []
        self.accepted_of: list[int] = []
        """Numbers of the messages that `accepted` come from."""
        self.keys: dict[Key, Reading] = {}
        self.there: set[Key] = set()
        """Of them, those that another node has put into the log meanwhile."""
        self.others: set[tuple[int | None, asyncio.Future[LogPosition]]] = set()
        """What else must be on disk: a duplicate's original, with the number of the message that repeats it, and what goes to quarantine."""
        self.faults = Faults(at, adapter)
        self.verdicts: list[Verdict] = []
        self.settled: asyncio.Future[list[Verdict]] = asyncio.get_running_loop().create_future()
        """The verdicts, once everything is on disk that they speak of."""
        self._on_the_way = 0
        """Parts of it that are."""
        self._appended: asyncio.Future[LogPosition] | None = None

    def appended(self) -> asyncio.Future[LogPosition]:
        """Whether what was accepted gets to the disk, for whoever else waits for that. To be asked for before it is known."""
        if self._appended is None:
            self._appended = asyncio.get_running_loop().create_future()
        return self._appended

    def wait(self) -> None:
        """Settle once what was accepted and all others are on disk, or failed."""
        self._on_the_way = len(self.others) + bool(self.accepted)
        for at, other in self.others:
            other.add_done_callback(partial(self._other_over, at))
        if not self._on_the_way:
            self.settled.set_result(self.verdicts)

    def logged(self, first: LogPosition) -> None:
        """What was accepted is on disk, from there on."""
        if self._appended is not None:
            self._appended.set_result(first)
        self._part_over()

    def failed(self, error: BaseException) -> None:
        """What was accepted is not on disk."""
        if self._appended is not None:
            self._appended.set_exception(error)
            self._appended.exception()  # seen: whoever waits for it gets it too
        if not self._on_the_way:  # it was given up before the log had it, and nobody asks for its verdicts
            return
        for at in self.accepted_of:
            self._fail(at, error)
        self._part_over()

    def _other_over(self, at: int | None, other: asyncio.Future[LogPosition]) -> None:
        error = LogFull(STOPPING) if other.cancelled() else other.exception()
        if at is not None and error is not None:
            self._fail(at, error)
        self._part_over()

    def _fail(self, at: int, error: BaseException) -> None:
        """Something of this message is not on disk. Where any of it may come again, the message is to."""
        if self.verdicts[at] is not Verdict.BUSY:
            self.verdicts[at] = Verdict.REFUSED if isinstance(error, Unwritable) else Verdict.BUSY

    def _part_over(self) -> None:
        self._on_the_way -= 1
        if not self._on_the_way and not self.settled.done():
            self.settled.set_result(self.verdicts)
