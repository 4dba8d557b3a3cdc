"""Mails for recipients whom the server does not take them for yet, while it takes them for others (greylisting, RFC 6647; a full mailbox).

They are tried again, ever less often, and lie in a file of the data folder until they are taken or are too old: a restart makes nobody miss one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import msgspec

from hub.bilingual import Text
from hub.defects import told
from hub.whole_file import read, replace

logger = logging.getLogger(__name__)

FIRST_NS = 60_000_000_000
"""The first pause, which doubles."""
OLDEST_NS = 4 * 3_600_000_000_000
"""A server that greylists takes a mail within the hour; a warning that is older than this tells nobody anything."""
WAITING_MAX = 1_000
"""Mails."""

Refused = Mapping[str, tuple[int, bytes]]
"""By recipient, the code and the words with which the server would not take the mail for it."""


class Waiting(msgspec.Struct, frozen=True):
    """The newest mail of a warning, or a report: whom it still has to reach, since when, and when that is tried next (ns)."""

    mail: bytes
    recipients: list[str]
    since: int
    pause_ns: int
    next_at: int

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.mail, policy=default)


class Late:
    """All of one destination, by a key: of a warning there is one mail, the newest. In memory only until `remember_in`."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}
        self._path: Path | None = None
        self._writing = asyncio.Lock()

    def remember_in(self, path: Path) -> None:
        self._path = path
        # Without it who waits hears the next mail of a warning, not the one before.
        self._waiting = read(path, lambda data: msgspec.json.decode(data, type=dict[str, Waiting]), {})

    def due(self, now: int) -> list[str]:
        return [key for key, waiting in self._waiting.items() if waiting.next_at <= now]

    def get(self, key: str) -> Waiting | None:
        return self._waiting.get(key)

    async def begins(self, key: str, mail: EmailMessage, refused: Refused, now: int) -> None:
        """A mail has gone out, but for these. Who waits for an older one of that key needs this one alone."""
        await self._keep(key, Waiting(mail.as_bytes(), [], now, FIRST_NS, now), refused, now)

    async def goes_on(self, key: str, waiting: Waiting, refused: Refused, now: int) -> None:
        """It was tried again, and these have not got it."""
        await self._keep(key, waiting, refused, now)

    def names(self) -> Text | None:
        """For whom mails wait."""
        if not self._waiting:
            return None
        named = ", ".join(sorted({one for waiting in self._waiting.values() for one in waiting.recipients}))
        count = len(self._waiting)
        return Text(f"{count} mails wait for {named}", f"{count} 封邮件等待收件人：{named}")

    async def _keep(self, key: str, waiting: Waiting, refused: Refused, now: int) -> None:
        before = self._waiting.pop(key, None)
        left = [one for one, (code, _) in refused.items() if code < 500]
        if left and (now - waiting.since > OLDEST_NS or len(self._waiting) >= WAITING_MAX):
            logger.warning("the mail about %s was not taken for %s in time, and is given up", key, ", ".join(left))
        elif left:
            self._waiting[key] = Waiting(
                waiting.mail, left, waiting.since, 2 * waiting.pause_ns, now + waiting.pause_ns
            )
        if before is not None or key in self._waiting:
            await self._write()

    async def _write(self) -> None:
        """Onto the disk, all or nothing. A full one is said, and keeps no mail from others."""
        async with self._writing:
            if self._path is None:
                return
            try:
                await asyncio.to_thread(replace, self._path, msgspec.json.encode(self._waiting))
            except Exception as error:  # also no thread or no memory: what was taken must not be told again by that
                logger.error("mails that wait cannot be written to %s: %s", self._path.name, told(error).en)


def unasked(recipients: Sequence[str]) -> Refused:
    """Where there was no connection, nobody was asked: all of them may be taken later."""
    return dict.fromkeys(recipients, (0, b""))
