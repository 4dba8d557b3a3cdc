"""How every part of the hub is: the one place that keeps it, says each change once, and knows whether the hub is ready.

A part is the log, one of its streams, the store, a reader, the rules, an adapter, a destination, the API … Whoever runs a part
holds its `Part` and reports; everybody else (probes, metrics, console, the journal of the service manager) reads the same.

States: "starting", "up", "degraded" (works, but not as it should), "down" (does not work and may come back by itself),
"failed" (a defect that does not pass by itself: a rule that is left out where it fails).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable

from hub import clock
from hub.bilingual import NOTHING, Text, joined, quoted
from hub.moment import SECOND, to_text

WORST = ("up", "starting", "degraded", "down", "failed")
"""From well to ill."""
WORKS = frozenset({"up", "degraded"})
REASON_MAX = 400
"""Characters; reasons quote what peers and files say."""
BURST = 5
"""Changes of one part that are said at once …"""
BURST_S = 600.0
"""… within so many seconds; of a part that changes more often only every `FLAPPING_EVERY_S` is said how it is."""
FLAPPING_EVERY_S = 60.0


class Part:
    """One part: its state, since when, and why. `report` is the only way to change it."""

    def __init__(self, name: str, state: str = "starting", now: Callable[[], int] = clock.now) -> None:
        self.name = name
        self.state = state
        self.why = NOTHING
        """Why it is so, in both languages."""
        self.required = False
        """Whether the hub is not ready without it."""
        self.whole: Whole | None = None
        self._now = now
        self._changed: Callable[[Part, str, int], None] = lambda part, before, lasted: None
        self.since = now()

    @property
    def reason(self) -> str:
        """In English, for logs and other systems."""
        return self.why.en

    def report(self, state: str, why: Text | str = NOTHING) -> None:
        """Say how it is. `since` is when it came to be in this state; a new reason for the same state does not move it. `why` as a `str`: the words of
        a plug-in that speaks one language; in Chinese they are quoted."""
        why = why if isinstance(why, Text) else quoted(why)
        why = Text(_one_line(why.en), _one_line(why.zh))
        if (state, why) == (self.state, self.why):
            return
        before, lasted = self.state, self._now() - self.since
        self.why = why
        if state != before:
            self.state, self.since = state, self._now()
        if self.whole is not None:
            self.whole.gather()
        if state != before:
            self._changed(self, before, lasted)

    @property
    def works(self) -> bool:
        return self.state in WORKS

    def joins(self, health: Health, required: bool) -> None:
        """From now on `health` knows this part, and hears of its changes."""
        self.required, self._now, self._changed = required, health.now, health.changed
        self.since = health.now()


class Whole(Part):
    """A part made of others, such as the log of its streams: as ill as the worst of them, for that one's reason."""

    def __init__(self, name: str, now: Callable[[], int] = clock.now) -> None:
        super().__init__(name, "starting", now)
        self.members: list[Part] = []

    def add(self, member: Part) -> None:
        member.whole = self
        self.members.append(member)
        self.gather()

    def gather(self) -> None:
        worst = max((member.state for member in self.members), key=WORST.index, default="starting")
        self.report(worst, joined(dict.fromkeys(member.why for member in self.members if member.state == worst)))


class Health:
    """All parts of one hub, in the order in which they were added."""

    def __init__(
        self,
        now: Callable[[], int] = clock.now,
        say: Callable[[str], None] = lambda line: None,
        when: Callable[[int], str] = to_text,
    ) -> None:
        """`say` gets one line for each change; `when` writes its time."""
        self.now = now
        self._say, self._when = say, when
        self._parts: dict[str, Part] = {}
        self._voices: dict[str, _Voice] = {}

    def part(self, name: str, required: bool = False, state: str = "starting") -> Part:
        """The part of that name, made where there is none yet."""
        if name not in self._parts:
            self.add(Part(name, state, self.now), required)
        return self._parts[name]

    def whole(self, name: str, members: Iterable[Part], required: bool = False) -> Whole:
        """A part that is as ill as the worst of these. Only the whole is said, or one outage would be told once a member."""
        made = Whole(name, self.now)
        self.add(made, required)
        for member in members:
            self.add(member, member.required)
            made.add(member)
        return made

    def add(self, part: Part, required: bool = False) -> Part:
        self._parts[part.name] = part
        part.joins(self, required)
        return part

    def forget(self, name: str) -> None:
        """A part that is no more, such as a rule that was taken out."""
        self._parts.pop(name, None)
        self._voices.pop(name, None)

    def parts(self) -> list[Part]:
        return list(self._parts.values())

    def ill(self) -> list[Part]:
        """Parts that are not up."""
        return [part for part in self._parts.values() if part.state != "up"]

    @property
    def ready(self) -> bool:
        """Whether every part works without which the hub cannot do what it is for."""
        return all(part.works for part in self._parts.values() if part.required)

    def hush(self) -> None:
        """Say nothing more: the hub is being stopped, so its parts end one after another."""
        self._say = lambda line: None
        self._voices.clear()

    def changed(self, part: Part, before: str, lasted: int) -> None:
        if part.whole is None:
            self._voice(part).changed(self._line(part, before, lasted))

    def settle(self) -> None:
        """Say what was held back of parts that change again and again. Called about once a second."""
        for name, voice in self._voices.items():
            if held := voice.due():
                self._say(f"{self._line(self._parts[name])} ({held} changes since were not said one by one)")

    def _voice(self, part: Part) -> _Voice:
        return self._voices.setdefault(part.name, _Voice(self._say))

    def _line(self, part: Part, before: str = "", lasted: int = 0) -> str:
        back = f" again, after {_span(lasted)}" if part.state == "up" and before not in ("", "starting") else ""
        return f"{self._when(self.now())} {part.name}: {part.state}{back}" + (f": {part.reason}" if part.reason else "")


class _Voice:
    """What has been said of one part lately."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: deque[float] = deque()
        self._held = 0

    def changed(self, line: str) -> None:
        at = time.monotonic()
        while self._said and at - self._said[0] > BURST_S:
            self._said.popleft()
        if self._held or len(self._said) >= BURST:
            self._held += 1
            return
        self._said.append(at)
        self._say(line)

    def due(self) -> int:
        """How many changes were held back, where it is time to say so."""
        if not self._held or time.monotonic() - self._said[-1] < FLAPPING_EVERY_S:
            return 0
        held, self._held = self._held, 0
        self._said.append(time.monotonic())
        return held


def _span(lasted: int) -> str:
    seconds = max(0, lasted) / SECOND
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _one_line(text: str) -> str:
    """On one line and without control characters: reasons quote peers, and the journal is read in terminals."""
    text = " ".join(text.split())
    text = "".join(letter if letter.isprintable() else "�" for letter in text)
    return text if len(text) <= REASON_MAX else text[: REASON_MAX - 1] + "…"
