"""The worker of one part of the rules: events in; what it says, and what it hands to other parts, out to the posts.

Whatever it says is said once: each message tells how far its part has come, so whoever judges the same again, because the one before was lost,
leaves out what stands there. It blocks, also in the middle of an event, until others have come as far as it needs; so it has a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from hub.app.parts_number import ends
from hub.model import Device, Edition, Event
from rules.book import from_text
from rules.desk import Desk, Entry, Figures
from rules.edition import registry_from_text
from rules.hand_over import HandOver
from rules.part import PartEngine

NOBODY: Mapping[str, Device] = {}


class Posts(Protocol):
    """What the parts write, in one order, kept until all have read it."""

    def last(self, part: int) -> bytes | None:
        """The newest message of a part; from now on this one writes for it."""
        ...

    def send(self, part: int, message: bytes) -> None:
        """Returns when it is kept. Raises `Ended` where another may write for this part."""
        ...

    def read(self, after: int, wait: bool) -> list[tuple[int, int, bytes]]:
        """Messages behind that number: (number, part, message). `wait`: until there are some, or a while. Raises `Ended` where the part is to end."""
        ...


class Message(msgspec.Struct, array_like=True):
    """Of one part."""

    through: int
    """The place in the log before which all is judged."""
    event: int
    number: int
    """The last that was written: the event and the number of the entry there."""
    mail: msgspec.Raw
    """Entries for other parts."""
    said: msgspec.Raw
    """Entries for whoever brings together."""
    figures: dict[str, Any] | None = None
    """How the rules of the part are, once in a while."""


ENTRIES_MAX = 200
"""Of one message: a subject that is handed over may have some ten kilobytes, and servers take a few megabytes at once."""

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Message).decode
entries_of = msgspec.msgpack.Decoder(list[Entry]).decode


class PostedDesk(Desk):
    """A desk whose entries go through the posts."""

    def __init__(self, part: int, parts: int, posts: Posts, through: int) -> None:
        super().__init__(part, parts)
        self._posts = posts
        self.read_until = 0
        """The number of the newest message that was read."""
        self._others_through = [-1] * parts
        self.through = through
        self.figures: dict[str, Any] | None = None
        """Goes with the next message."""
        before = posts.last(part)
        self._told = (-1, -1) if before is None else (decode(before).event, decode(before).number)
        self._told_through = -1 if before is None else decode(before).through

    def wait(self) -> None:
        self.through = max(self.through, self.event)
        self.send()
        self.receive(wait=True)

    def send(self) -> None:
        """Everything that was not told before."""
        new = [entry for entry in self.outgoing if (entry.event, entry.number) > self._told]
        self.outgoing = []
        while len(new) > ENTRIES_MAX:
            self._post(new[:ENTRIES_MAX], self._told_through)
            new = new[ENTRIES_MAX:]
        if new or self.through > self._told_through:
            self._post(new, max(self._told_through, self.through))

    def _post(self, entries: list[Entry], through: int) -> None:
        mail = [entry for entry in entries if isinstance(entry.what, HandOver | Figures)]
        said = [entry for entry in entries if not isinstance(entry.what, HandOver | Figures)]
        if entries:
            self._told = entries[-1].event, entries[-1].number
        self._told_through = through
        raw = msgspec.Raw(encode(mail)), msgspec.Raw(encode(said))
        self._posts.send(self.part, encode(Message(through, *self._told, *raw, self.figures)))
        self.figures = None

    def receive(self, wait: bool = False) -> None:
        for number, part, data in self._posts.read(self.read_until, wait):
            self.read_until = number
            if part != self.part and part < self.parts:  # a part of an earlier generation has no more to say
                message = decode(data)
                self.take(part, entries_of(message.mail))
                self._others_through[part] = message.through

    def is_past(self, part: int) -> bool:
        return self._others_through[part] > self.event


class Saved(msgspec.Struct):
    """A snapshot of a worker, between two events."""

    rules: str
    registry: str
    cursor: int
    read_until: int
    desk: list[Any]
    engine: bytes
    generation: int = 0
    """Of `Begin`."""
    ended: bool = False
    """Whether the parts end here, since another number of them holds from here on."""


class Stage(msgspec.Struct):
    """Of `Saved`, what tells where it was written."""

    generation: int = 0
    ended: bool = False


def stage_of(saved: bytes) -> Stage:
    """Raises ValueError where these bytes are no snapshot of a worker."""
    return msgspec.msgpack.decode(saved, type=Stage)


class Begin(msgspec.Struct):
    """Where all parts of one generation begin, so that they begin alike."""

    parts: int
    """1: one engine goes on, with the holder of `rules`."""
    rules: str
    registry: str
    cursor: int
    """The place of the first event."""
    engine: bytes
    """The snapshot of one engine that had come there; empty where none had."""
    generation: int = 1
    """One more for each change of the number of parts."""
    alerts_next: int = 0
    """The place in "alerts" behind which stands what is told of events from `cursor` on."""
    derived_next: int = 0
    """As `alerts_next`, in "derived"."""


class PartWorker:
    """Use it from one thread."""

    def __init__(
        self,
        part: int,
        posts: Posts,
        begin: Begin,
        known: Mapping[str, Device] = NOBODY,
        saved: bytes | None = None,
        make: Callable[..., PartEngine] = PartEngine,
    ) -> None:
        """`known`: devices that need not be in memory twice. `saved`: of an earlier generation it counts for nothing. Raises ValueError where it cannot
        be read."""
        found = None if saved is None else msgspec.msgpack.decode(saved, type=Saved)
        if found is not None and found.generation != begin.generation:
            found = None
        self.generation = begin.generation
        self.ended = found is not None and found.ended
        """Whether it has come to where its generation ends: it has nothing more to judge."""
        head = begin if found is None else found
        self.desk = PostedDesk(part, begin.parts, posts, head.cursor)
        rules, registry = from_text(head.rules), registry_from_text(head.registry, known)
        if rules is None or registry is None:
            raise ValueError("the snapshot has rules or a registry that this version does not read")
        self._registry = head.registry
        self.engine = make(self.desk, rules, *registry)
        if found is not None:
            self.desk.read_until = found.read_until
            self.desk.thaw(found.desk)
            self.engine.again(found.engine)
        elif begin.engine:
            self.engine.from_whole(begin.engine)

    @property
    def cursor(self) -> int:
        """The place of the next event."""
        return self.desk.through

    def judge(self, events: Sequence[Event], places: Sequence[int]) -> list[Exception]:
        """Judge these, up to where the generation ends; `places`: of each, and the one behind them. Gives what had events skipped."""
        count, number = ends(events, self.desk.parts)
        events, places = events[:count], places[: count + 1]
        self.desk.receive()
        failed = self.engine.feed(events, places).failed
        for event in events:
            if type(event) is Edition and event.what == "registry":
                self._registry = event.text
        self.desk.through = places[-1]
        self.desk.send()
        self.ended = number != 0
        return failed

    def tell_figures(self) -> None:
        """Have the next message say how the rules are."""
        self.desk.figures = {**self.engine.stats(), "ill": self.engine.health()}

    @property
    def read_until(self) -> int:
        """The newest message of others that it needs no more."""
        return self.desk.read_until

    def saved(self) -> bytes:
        """The snapshot; all that was judged has been sent."""
        desk, engine = self.desk.freeze(), self.engine
        head = engine.book.text, self._registry, self.cursor, self.desk.read_until
        return encode(Saved(*head, desk, engine.saved(), self.generation, self.ended))
