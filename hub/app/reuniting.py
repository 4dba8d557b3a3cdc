"""Where a generation of parts has ended: what the next one begins with, of the last snapshots of all parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import msgspec

from hub.app.part_worker import Begin, Saved, Stage, stage_of
from rules.reunion import reunited
from rules.together import Together


def next_of(begin: Begin, parts: int, saved: Sequence[bytes], together: Together) -> Begin:
    """The generation behind that which began so, with another number of parts. `saved`: what every part wrote down where it ended, in their order;
    `together`: what brought together all that they said. Raises ValueError where a snapshot cannot be read."""
    try:
        last = [msgspec.msgpack.decode(data, type=Saved) for data in saved]
    except msgspec.MsgspecError as error:
        raise ValueError(f"the snapshot of a part cannot be read: {error}") from None
    head = last[0]
    engine = reunited([one.engine for one in last], together)
    return Begin(parts, head.rules, head.registry, head.cursor, engine, begin.generation + 1)


def has_ended(saved: bytes | None, generation: int) -> TypeGuard[bytes]:
    """Whether these bytes are what a part of that generation wrote down where it ended. Raises ValueError where they are no snapshot."""
    return saved is not None and stage_of(saved) == Stage(generation, ended=True)
