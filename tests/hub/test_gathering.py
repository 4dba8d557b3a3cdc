"""Whoever brings together what the parts of the rules say notices that it cannot hear them, and waits for nothing that will not come."""

from __future__ import annotations

import msgspec
import pytest

from hub.app.gathering import Gathering
from hub.app.part_worker import Begin, Message, encode
from hub.model import Tick
from hub.ports import Batch, LogPosition
from rules.book import RuleBook, load
from rules.edition import registry_text

NOTHING = msgspec.Raw(encode([]))


class LettersOf:
    """What comes of each reading, one after another; then nothing more."""

    def __init__(self, *told: list[tuple[int, int, bytes]] | Exception) -> None:
        self._told = list(told)

    def read(self, after: int, wait: bool) -> list[tuple[int, int, bytes]]:
        found = self._told.pop(0) if self._told else []
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        pass


def gathering(*told: list[tuple[int, int, bytes]] | Exception) -> Gathering:
    book = load([], [])
    assert isinstance(book, RuleBook)
    made = Gathering.begun(Begin(1, book.text, registry_text([], []), 0, b""), LettersOf(*told))
    made.listen()
    return made


BATCH = Batch([Tick(1)], [LogPosition(0), LogPosition(1)])
THROUGH = [(1, 0, encode(Message(1, -1, -1, NOTHING, NOTHING)))]


async def test_what_all_parts_are_through_comes_at_once() -> None:
    outcome = await gathering(THROUGH).outcome(BATCH)
    assert (outcome.changes, outcome.derived) == ([], [])


@pytest.mark.parametrize(
    "told",
    [
        OSError("no answer that can be read"),
        [(1, 0, b"no message")],
        [(1, 0, encode(Message(1, -1, -1, NOTHING, msgspec.Raw(encode(["no entry"])))))],
    ],
)
async def test_what_cannot_be_heard_has_whoever_waits_begin_anew(
    told: list[tuple[int, int, bytes]] | Exception,
) -> None:
    """The thread that hears ended by it, without a word, and no warning came any more; an entry was left out for good."""
    with pytest.raises(RuntimeError, match="could not be heard"):
        await gathering(told, THROUGH).outcome(BATCH)
