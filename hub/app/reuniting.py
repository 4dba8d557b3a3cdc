"""Where a generation of parts has ended: what the next one begins with, of the last snapshots of all parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeGuard

import msgspec

from hub.app.part_worker import NOBODY, Begin, Saved
from hub.model import Device
from rules.book import from_text
from rules.desk import Desk
from rules.edition import registry_from_text
from rules.part import PartEngine
from rules.reunion import reunited
from rules.together import Together


class _Silent(Desk):
    """Of a part that judges nothing."""

    def is_past(self, part: int) -> bool:
        return True

    def wait(self) -> None:
        raise RuntimeError("a part that judges nothing has nothing to wait for")


def next_of(
    begin: Begin,
    parts: int,
    saved: Sequence[bytes],
    together: Together,
    make: Callable[..., PartEngine] = PartEngine,
    known: Mapping[str, Device] = NOBODY,
) -> Begin:
    """The generation behind that which began so, with another number of parts. `saved`: what every part wrote down where it ended, in their order;
    `together`: what brought together all that they said. Raises ValueError where a snapshot cannot be read."""
    last = [msgspec.msgpack.decode(data, type=Saved) for data in saved]
    head = last[0]
    rules, registry = from_text(head.rules), registry_from_text(head.registry, known)
    if rules is None or registry is None:
        raise ValueError("the snapshots of the parts have rules or a registry that this version does not read")
    engines = [make(_Silent(part, begin.parts), rules, *registry).again(one.engine) for part, one in enumerate(last)]
    engine = reunited(engines, together)
    return Begin(parts, head.rules, head.registry, head.cursor, engine, begin.generation + 1)


def has_ended(saved: bytes | None, generation: int) -> TypeGuard[bytes]:
    """Whether these bytes are what a part of that generation wrote down where it ended. Raises ValueError where they are no snapshot."""
    found = None if saved is None else msgspec.msgpack.decode(saved, type=_End)
    return found is not None and (found.generation, found.ended) == (generation, True)


class _End(msgspec.Struct):
    """Of `Saved`, what tells where it was written."""

    generation: int = 0
    ended: bool = False
