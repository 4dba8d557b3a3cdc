"""What the engine remembers of one subject: newest values, windows, and how it stands with each of its rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from typing import Any

from hub.bilingual import NOTHING, Text
from hub.model import Device, Maintenance, Motion, Position, Value, Zone
from hub.pairs import PAIR, pair_of
from rules.language.ir import WindowKey
from rules.language.rule import Rule
from rules.language.types import attribute_unit
from rules.plan import Plan
from rules.state.geometry import distance_m
from rules.state.memories import KINDS, Memory
from rules.state.passing import Passing
from rules.state.samples import Samples
from rules.state.track import Jump, Leap, Recent
from rules.state.windows import Window

NEVER = -(1 << 62)
DENIED_MAX = 300
"""Of one metric: a day and more of values by five minutes."""


class _Nothing(dict[Any, Any]):
    """An empty dict that all subjects share, so that nothing is ever written into it (`Subject.own`)."""

    def _refuse(self, *told: object, **named: object) -> Any:
        raise TypeError("this dict is shared: write into Subject.own(name)")

    __setitem__ = update = setdefault = __ior__ = _refuse


NOTHING_YET: Any = _Nothing()
"""What most subjects remember of what few rules ask. An empty dict takes 64 bytes, and a subject would have a dozen."""

ZONE, AREA = "zone", "area"


GONE = "gone"
"""What `Subject.every` says of a place that the registry no longer has: no rule takes it."""


def new_standing(rule: Rule) -> Standing:
    return Standing([KINDS[memory.kind](*memory.numbers) for memory in rule.memories])


class OpenAlert:
    """An alert that is not cleared yet."""

    __slots__ = (
        "acknowledged_by",
        "alert",
        "answered",
        "changed_at",
        "contact",
        "group",
        "level",
        "ordinal",
        "raised_at",
        "rule",
        "shelved_level",
        "shelved_until",
        "subject",
        "title",
        "title_zh",
        "waiting",
        "worst",
    )
    FROZEN = (*(name for name in __slots__ if name not in ("title_zh", "shelved_level")), "title_zh", "shelved_level")
    """In the order of snapshots: what is new stands last."""

    def __init__(self, alert: str, rule: str, subject: str, level: int, raised_at: int, ordinal: int = 0) -> None:
        self.alert = alert
        self.rule = rule
        self.subject = subject
        self.level = level
        self.raised_at = raised_at
        self.changed_at = raised_at
        self.ordinal = ordinal
        self.group = ""
        """The first of the alerts that belong together."""
        self.acknowledged_by: str | None = None
        self.shelved_until: int | None = None
        self.shelved_level = -1
        """The level at which somebody shelved it: who did knew nothing of a higher one."""
        self.contact = 1
        """Who has been told of it; higher ones are called when nobody answers."""
        self.answered = -1
        """The level at which somebody acknowledged it."""
        self.title = ""
        """Of its worst moment: when it first reached its highest level."""
        self.title_zh = ""
        """That title in Chinese; empty where the rule has none."""
        self.worst = -1
        """That level."""
        self.waiting: int | None = None
        """Listening time since which an answer is waited for."""

    def freeze(self) -> list[Any]:
        return [getattr(self, name) for name in self.FROZEN]

    @classmethod
    def thaw(cls, frozen: list[Any]) -> OpenAlert:
        alert = cls.__new__(cls)
        alert.title_zh, alert.shelved_level = "", -1  # older snapshots lack them
        for name, value in zip(cls.FROZEN, frozen, strict=False):
            setattr(alert, name, value)
        return alert


class Standing:
    """How one subject stands with one rule, while there is anything to remember.

    `since[k]` is when level k's condition became true, `quiet[k]` when its clear condition did, each as
    (observed time, listening time); None while it is not. `latched` has bit k while level k is in effect.
    """

    __slots__ = (
        "alert",
        "before",
        "calm",
        "heard",
        "judged",
        "latched",
        "memories",
        "quiet",
        "since",
        "timer",
        "withheld",
    )

    def __init__(self, memories: list[Memory]) -> None:
        self.latched = 0
        self.since: list[tuple[int, int] | None] = [None, None, None, None]
        self.quiet: list[tuple[int, int] | None] = [None, None, None, None]
        self.memories = memories
        self.before: tuple[int, list[Any]] | None = None
        """The memories as they were before a value that nothing bears out yet, and when that was observed."""
        self.alert: OpenAlert | None = None
        self.judged = NEVER
        self.heard = 0
        self.timer: int | None = None
        self.calm: int | None = None
        """Listening time since which a flapping alert would be clear; it stays open until that has lasted."""
        self.withheld = NOTHING
        """Why orange and red are held back although their condition holds; empty where they are not."""

    def look_out(self, at: int) -> None:
        """A value comes that nothing bears out yet: keep the memories as they are, for `go_back`."""
        if self.before is None or self.before[0] < at:
            self.before = (at, [memory.freeze() for memory in self.memories])

    def go_back(self, at: int) -> None:
        """The value of that moment is denied: the memories are as they were before it."""
        if self.before is not None and self.before[0] == at:
            for memory, state in zip(self.memories, self.before[1], strict=True):
                memory.thaw(state)
            self.before = None

    def busy(self) -> bool:
        """Whether a level is pending or in effect, or an alert open."""
        return bool(self.latched or self.alert is not None or any(self.since))

    def idle(self) -> bool:
        """Nothing here that a fresh standing would not have."""
        return not self.memories and not self.busy()

    def freeze(self) -> list[Any]:
        alert = self.alert.freeze() if self.alert else None
        return [
            self.latched,
            self.since,
            self.quiet,
            [m.freeze() for m in self.memories],
            alert,
            self.judged,
            self.heard,
            self.withheld.freeze(),
            self.calm,
            self.before,
        ]

    def thaw(self, frozen: list[Any], keep_memories: bool = True) -> None:
        self.latched, since, quiet, memories, alert, self.judged, self.heard, withheld, self.calm, before = frozen
        self.withheld = Text.thaw(withheld)
        self.since = [tuple(pair) if pair else None for pair in since]
        self.quiet = [tuple(pair) if pair else None for pair in quiet]
        if keep_memories:
            for memory, state in zip(self.memories, memories, strict=True):
                memory.thaw(state)
            self.before = (before[0], before[1]) if before else None
        self.alert = OpenAlert.thaw(alert) if alert else None


class Subject:
    """One device as the rules know it, or one place (`rules.judging.inside`)."""

    __slots__ = (
        "attributes", "busy", "denied", "device", "every", "flat", "gaps", "guest", "heard", "hood", "id", "jumps", "kind", "last", "last_t", "leaps",
        "maintenance", "marks", "motion", "newest", "passing", "past", "plan", "position", "position_t", "raises", "recent", "resting", "samples", "silent", "standing", "stays",
        "usual", "watching", "windows",
        "zones",
    )  # fmt: skip

    def __init__(self, device: Device, hood: Any) -> None:
        """`hood`: the neighbourhood (`rules.state.neighbourhood`), which knows subjects, so that it is not known here."""
        self.id = device.device
        self.every = ""
        """"zone" or "area" where the subject is a place, not a device."""
        self.hood = hood
        self.guest = False
        """Whether it is at home in another partition: known here, and not judged (`rules.partition`)."""
        self.last: dict[str, Value] = {}
        self.last_t: dict[str, int] = {}
        self.windows: dict[WindowKey, Window] = {}
        self.samples: dict[str, Samples] = {}
        """By series, what its windows look at, and what is derived of it."""
        self.standing: dict[str, Standing] = {}
        self.silent: dict[str, OpenAlert] = NOTHING_YET
        self.heard: dict[str, int] = NOTHING_YET
        self.usual: dict[str, tuple[int, int]] = NOTHING_YET
        """Per rule about silence, its longest and second longest pause of late, ns of listening time (`elapsing.word`)."""
        self.past: dict[str, tuple[str, int]] = NOTHING_YET
        """Per rule, the last alert's id and ordinal, so that no id is ever used for two changes."""
        self.jumps: dict[str, Jump] = NOTHING_YET
        """Per metric, the newest value that left the one before it; a reading after it has settled the matter."""
        self.leaps: dict[str, Leap] = NOTHING_YET
        """Per metric, the newest value while nothing bears it out (`rules.state.alone`)."""
        self.flat: dict[str, tuple[float, int, int, int]] = NOTHING_YET
        """Per metric that stands still: the value, since when, in how many readings, the newest of them."""
        self.gaps: dict[str, tuple[int, bool]] = NOTHING_YET
        """Per metric that may go missing: when its last value came, in listening time, and whether it is missing."""
        self.recent: dict[str, Recent] = NOTHING_YET
        """The latest texts and flags that something is derived of; numbers are among the samples."""
        self.raises: dict[str, list[int]] = NOTHING_YET
        """Per rule, when its last alerts were raised: as many as tell that it flaps."""
        self.passing: dict[tuple[str, tuple[str, ...]], Passing] = NOTHING_YET
        """Of a place: by series and kinds, what was told in it."""
        self.stays: dict[float, tuple[float, float, int]] = NOTHING_YET
        """By a distance in metres: where it was (lon, lat) in the first of the reports since which it has kept within that, and their number."""
        self.watching: dict[str, int] = NOTHING_YET
        """Rules that neighbours' readings are to have judged again, and why (see `rules.state.watchers`)."""
        self.marks: frozenset[str] | None = None
        self.denied: dict[str, list[int]] = NOTHING_YET
        """Per metric, moments of which its value was denied by a mark, the last `DENIED_MAX`: a value of such a moment that comes later without a
        mark is as little usable."""
        self.maintenance: tuple[Maintenance, ...] | None = None
        """Windows that may concern it."""
        self.resting = False
        """Whether it was in maintenance when a window last began or ended."""
        self.newest = NEVER
        self.position_t = NEVER
        self.motion: Motion | None = None
        """As its newest fix states it."""
        self.position: Position | None = None
        self.zones: tuple[Zone, ...] | None = None
        self.busy = 0
        self.kind = ""
        self.plan: Plan | None = None
        self.adopt(device)

    def adopt(self, device: Device) -> None:
        """Take over the registry's row."""
        self.device = device
        self.kind = device.kind or self.kind
        if self.position_t == NEVER:
            self.position = device.position
            self.zones = None
        self.attributes = {
            name: _as_needed(name, value) for name, value in device.attributes.items() if _fits(name, value)
        } or NOTHING_YET  # fmt: skip

    def own(self, name: str) -> dict[Any, Any]:
        """The dict of that name, to be written into: until the first entry the subject shares an empty one with all others."""
        kept: dict[Any, Any] = getattr(self, name)
        if kept is NOTHING_YET:
            kept = {}
            setattr(self, name, kept)
        return kept

    def deny(self, metric: str, at: int) -> None:
        """A value that had been used stands alone: windows, memories and what is derived go on as if it had never come."""
        if (samples := self.samples.get(metric)) is not None:
            samples.remove(at)
        if (recent := self.recent.get(metric)) is not None:
            recent.remove(at)
        for standing in self.standing.values():
            standing.go_back(at)

    def denied_of(self, values: Iterable[str], marks: Iterable[str], bad: Set[str], at: int) -> set[str]:
        """Which of a reading's metrics no rule is to use: `bad` by its own marks, and what was denied of its moment before. A mark outlasts values
        that come without one (docs/decisions/readings-with-one-key.md)."""
        for metric in marks:
            moments = self.own("denied").setdefault(metric, [])
            if metric not in bad and at in moments:
                moments.remove(at)
            elif metric in bad and at not in moments:
                moments.append(at)
                del moments[:-DENIED_MAX]
        return {*bad, *(metric for metric in values if at in self.denied.get(metric, ()))}

    def take_back(self, metric: str, at: int) -> bool:
        """A mark denies a value of that moment that had been used; where it was the newest, the one before it in the windows is again.
        Whether there was such a value in a window."""
        samples = self.samples.get(metric)
        held = samples is not None and at in samples
        for doubts in (self.jumps, self.leaps):
            if (doubt := doubts.get(metric)) is not None and doubt.at == at:
                del doubts[metric]
        self.deny(metric, at)
        if held and samples is not None and samples.times and self.last_t.get(metric) == at:
            self.last[metric], self.last_t[metric] = samples.values[-1], samples.times[-1]
        return held

    def stay(self, position: Position, distances: Iterable[float]) -> None:
        """A report says that it is there now, newer than all others."""
        stays = self.own("stays")
        for metres in distances:
            lon, lat, reports = stays.get(metres, (position.lon, position.lat, 0))
            if distance_m(Position(lon, lat), position) > metres:
                lon, lat, reports = position.lon, position.lat, 0
            stays[metres] = (lon, lat, reports + 1)

    def stayed(self, metres: float) -> float | None:
        """In how many reports it has kept within that distance of one place; None while it has told no position."""
        known = self.stays.get(metres)
        return float(known[2]) if known else None

    def passed(self, key: tuple[str, tuple[str, ...]], size_ns: int) -> Passing:
        """Of a place: what is kept of what is told in it."""
        passing: dict[tuple[str, tuple[str, ...]], Passing] = self.own("passing")
        known = passing.get(key) or passing.setdefault(key, Passing(size_ns))
        known.size = size_ns
        return known

    def sampled(self, series: str, size_ns: int, least: int = 0) -> Samples:
        """A store for a series that windows look at, or that something is derived of (`rules.taking.Span`)."""
        samples = self.samples[series] = Samples(size_ns, least)
        return samples

    def keep_windows(self, kept: Callable[[WindowKey], bool]) -> None:
        """Let go of every window but these."""
        for key in [key for key in self.windows if not kept(key)]:
            self.samples[key.series].let_go(self.windows.pop(key))

    def window(self, key: WindowKey) -> Window | None:
        """The window, from its first demand on; None while its series was never told."""
        window = self.windows.get(key)
        if window is None and (samples := self.samples.get(key.series)) is not None:
            window = self.windows[key] = samples.window(key.size_ns, key.closed)
        return window

    @property
    def pair(self) -> tuple[str, str] | None:
        """The two that it joins; None where it is one, also where that is called as a pair would be."""
        return pair_of(self.id) if self.kind == PAIR else None

    @property
    def area(self) -> str:
        return self.device.area

    @property
    def name(self) -> str:
        return self.device.name or self.id


def _fits(name: str, value: object) -> bool:
    return isinstance(value, int | float) if attribute_unit(name) else value not in (None, "")


def _as_needed(name: str, value: float | str) -> float | str:
    if attribute_unit(name):
        return value
    return f"{value:g}" if isinstance(value, int | float) else value
