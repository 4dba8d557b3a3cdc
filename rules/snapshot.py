"""The engine's whole state as bytes, and back. Canonical: equal states give equal bytes.

A city's state takes a second to write down, and a warning is not to wait for it. So it is written in pieces, between which events go
on, and still is that of one moment: whatever is about to change is written down first (`Freezing.touch`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from hub.bilingual import Text
from hub.model import Device, Maintenance, Motion, Position
from rules import assignment, edition
from rules.judging import elapsing
from rules.language.ir import WindowKey
from rules.plan import is_number
from rules.state.forwarded import Forwarding
from rules.state.groups import Groups
from rules.state.health import Health
from rules.state.passing import Passing
from rules.state.samples import Samples
from rules.state.subject import GONE, NEVER, NOTHING_YET, OpenAlert, Standing, Subject, new_standing
from rules.state.track import Jump, Leap, Recent
from rules.state.world import World

VERSION = 7
READS = (6, 7)
"""6 has no Chinese words: what was open then says them in English."""
encode = msgspec.msgpack.Encoder(order="deterministic").encode
SUBJECTS = "subjects"
ALERT = 4
"""Where the open alert stands in how a rule stands (`Standing.freeze`)."""
MAP, ARRAY = b"\xde", b"\xdd"
"""MessagePack's heads of a map of up to 65,535 entries and of an array of up to 4 billion; two and four bytes of their number follow."""


class Freezing:
    """A world as it was when this was made. The next one completes the one before."""

    def __init__(self, world: World, keeps: Callable[[str], bool] = lambda name: True) -> None:
        """`keeps`: whether a subject of that name is written down."""
        if world.freezing is not None:
            world.freezing.complete()
        self._world = world
        self._rest = {name: encode(value) for name, value in _rest(world).items()}
        """All but the subjects, which is little."""
        orphaned = {subject.id for _, subject, _ in world.orphans}
        self._waiting = {name: subject for name, subject in world.subjects.items() if keeps(name) or name in orphaned}
        self._names = sorted(self._waiting)
        """Subjects that stand as they stood."""
        self._early: dict[str, bytes] = {}
        """What had to be written down before its turn."""
        world.freeze(self)

    def touch(self, subject: Subject) -> None:
        """The subject is about to change."""
        if self._waiting.get(subject.id) is subject:
            del self._waiting[subject.id]
            self._early[subject.id] = encode(freeze_subject(subject))

    def complete(self) -> None:
        """Everything may change from now on."""
        for subject in list(self._waiting.values()):
            self.touch(subject)
        self.end()

    def end(self) -> None:
        """Nobody waits for what is not written yet."""
        if self._world.freezing is self:
            self._world.freeze(None)

    def pieces(self, lanes: list[Any]) -> Iterator[bytes]:
        """One MessagePack map, with the lanes beside it, frozen already. Subjects are written down one by one: all together, a city's
        would take as much room again as its state."""
        rest = self._rest | {"lanes": encode(lanes), SUBJECTS: b""}
        yield MAP + len(rest).to_bytes(2, "big")
        for name in sorted(rest):
            yield encode(name)
            yield rest[name] or ARRAY + len(self._names).to_bytes(4, "big")
            for subject in self._names if name == SUBJECTS else ():
                yield self._early.pop(subject, b"") or encode(freeze_subject(self._waiting.pop(subject)))
        self.end()


def _rest(world: World) -> dict[str, Any]:
    return {
        "version": VERSION,
        "rules": {rule.name: rule.digest for rule in world.orders.book.rules},
        "clock": world.clock.now,
        "deaf": world.clock.deaf,
        "deaf_until": world.clock.deaf_until,
        "started": world.clock.started,
        "refused": world.refused,
        "groups": world.groups.freeze(),
        "windows": list(world.maintenance.values()),
        "turns_at": world.turns_at,
        "measured": world.measured,
        "forwarded": world.forwarding.freeze(),
        "health": world.failures.freeze() if world.elder is None else None,
        "orphans": [[alert.freeze(), subject.id, reason.freeze()] for alert, subject, reason in world.orphans],
    }


def freeze_subject(s: Subject) -> dict[str, Any]:
    """What is remembered of one subject."""
    seldom: dict[str, Any] = {}
    if s.passing:
        seldom["passing"] = [[*key, s.passing[key].freeze()] for key in sorted(s.passing)]
    if s.stays:
        seldom["stays"] = sorted(s.stays.items())
    if any(s.denied.values()):
        seldom["denied"] = {metric: moments for metric, moments in sorted(s.denied.items()) if moments}
    position = [s.position.lon, s.position.lat, s.position.alt] if s.position else None
    return {
        "id": s.id,
        "kind": s.kind,
        "place": bool(s.every),
        "position": position,
        "position_t": s.position_t,
        "motion": [s.motion.course_deg, s.motion.speed_ms] if s.motion else None,
        "newest": s.newest,
        "last": s.last,
        "last_t": s.last_t,
        "samples": {name: samples.freeze() for name, samples in s.samples.items()},
        "standing": {name: standing.freeze() for name, standing in s.standing.items()},
        "silent": {name: alert.freeze() for name, alert in s.silent.items()},
        "heard": s.heard,
        "usual": s.usual,
        "past": s.past,
        "raises": s.raises,
        "jumps": s.jumps,
        "leaps": s.leaps,
        "flat": s.flat,
        "gaps": s.gaps,
        "recent": {name: recent.freeze() for name, recent in s.recent.items()},
        "watching": s.watching,
        "marks": sorted(s.marks) if s.marks else None,
        "resting": s.resting,
        "joined": sorted(s.hood.joined.get(s.id, ())),
        **seldom,
    }


class Seen(msgspec.Struct):
    """Of a frozen subject, what tells where it is."""

    id: str
    place: bool
    kind: str
    position: list[float | None] | None
    position_t: int
    newest: int
    past: dict[str, tuple[str, int]] | None = None
    """By rule, its last alert and how many changes that had."""


class _Subjects(msgspec.Struct):
    subjects: list[Seen]


def seen(data: bytes) -> list[Seen]:
    """The subjects of a snapshot. Raises msgspec.MsgspecError."""
    return msgspec.msgpack.decode(data, type=_Subjects).subjects


def thaw(world: World, data: bytes, wanted: Callable[[str], bool] = lambda name: True) -> list[list[Any]]:
    """Fill a fresh world, which has its rules and registry; the frozen lanes beside it. `wanted`: whether anything is to be known of a subject of that
    name. Raises ValueError with a sentence where the bytes are no snapshot of this version."""
    try:
        parts = msgspec.msgpack.decode(data, type=dict[str, msgspec.Raw])
        state = {name: msgspec.msgpack.decode(part) for name, part in parts.items() if name != SUBJECTS}
        version = state["version"]
    except (msgspec.DecodeError, TypeError, KeyError):
        raise ValueError("these bytes are no snapshot of the rules engine") from None
    if version not in READS:
        raise ValueError(f"the snapshot is of version {version}, this engine reads version {VERSION}")
    clock = world.clock
    clock.now, clock.deaf, clock.deaf_until = state["clock"], state["deaf"], state["deaf_until"]
    clock.started, world.refused = state["started"], state["refused"]
    world.groups = Groups(state["groups"])
    world.maintenance = {window.id: window for window in msgspec.convert(state["windows"], list[Maintenance])}
    world.turns_at = state["turns_at"]
    world.measured = state.get("measured", NEVER)
    world.forwarding = Forwarding.thaw(state.get("forwarded"))
    if world.elder is None:
        world.failures.thaw(state["health"])
    digests = {rule.name: rule.digest for rule in world.orders.book.rules}
    kept = {name for name, digest in state["rules"].items() if digests.get(name) == digest}
    joined: dict[str, list[str]] = {}
    for part in msgspec.msgpack.decode(parts[SUBJECTS], type=list[msgspec.Raw]):
        if not wanted(_name_of(part)):
            continue
        frozen = msgspec.msgpack.decode(part)
        joined[frozen["id"]] = frozen["joined"]
        thaw_subject(world, frozen, kept)
    for alert, name, reason in state["orphans"]:
        if not wanted(name):
            continue
        world.orphans.append((OpenAlert.thaw(alert), world.subjects[name], Text.thaw(reason)))
    assignment.renew_hood(world)
    for name, reported in joined.items():
        for series in reported:
            world.hood.join(world.subjects[name], series)
    for name in world.subjects if world.maintenance else joined:  # the others were assigned with the rules
        assignment.assign(world, world.subjects[name])
    if kept != set(state["rules"]) or kept != set(digests):
        edition.keep_only(world, kept)
    for subject in world.subjects.values():
        elapsing.arm(world, subject)
    if world.clock.started != NEVER:
        for name in sorted(world.registry):
            elapsing.listen(world, world.subjects[name])
    lanes: list[list[Any]] = state["lanes"]
    return lanes


class _Named(msgspec.Struct):
    id: str


def _name_of(frozen: msgspec.Raw) -> str:
    return _decode_name(frozen).id


_decode_name = msgspec.msgpack.Decoder(_Named).decode


class _Alerts(msgspec.Struct):
    standing: dict[str, list[Any]]
    silent: dict[str, list[Any]]


class _Grouped(msgspec.Struct):
    groups: dict[str, tuple[str, int]]
    subjects: list[_Alerts]


class _Whole(_Grouped):
    windows: list[Maintenance]
    lanes: list[tuple[int, bytes, msgspec.Raw, int]]


class Grouped(NamedTuple):
    """Of a snapshot, what is above its subjects."""

    groups: dict[int, dict[str, tuple[str, int]]]
    """By lane (its wait, ns; 0 for what is judged at once): `Groups.freeze`."""
    group_of: dict[str, str]
    """By open alert."""
    windows: list[Maintenance]
    """Planned work."""


def grouped(data: bytes) -> Grouped:
    """Raises ValueError where the bytes are no snapshot."""
    try:
        whole = msgspec.msgpack.decode(data, type=_Whole)
        worlds = {0: whole} | {
            wait_ns: msgspec.msgpack.decode(lane, type=_Grouped) for wait_ns, lane, _, _ in whole.lanes
        }
    except msgspec.MsgspecError as error:
        raise ValueError(f"these bytes are no snapshot of the rules engine: {error}") from None
    open_alerts = [
        OpenAlert.thaw(frozen)
        for world in worlds.values()
        for subject in world.subjects
        for frozen in (*(standing[ALERT] for standing in subject.standing.values()), *subject.silent.values())
        if frozen is not None
    ]
    groups = {wait_ns: world.groups for wait_ns, world in worlds.items()}
    return Grouped(groups, {alert.alert: alert.group for alert in open_alerts}, whole.windows)


def health_of(data: bytes) -> list[dict[str, Any]]:
    """The rules that are ill by a snapshot. Raises ValueError where the bytes are none of this version."""
    try:
        state = msgspec.msgpack.decode(data, type=dict[str, msgspec.Raw])
        if msgspec.msgpack.decode(state["version"]) not in READS:
            raise ValueError("the snapshot is of another version")
        health = Health()
        frozen = msgspec.msgpack.decode(state["health"])
        health.digests = {item["rule"]: item["digest"] for item in frozen[2]}
        health.thaw(frozen)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise ValueError(f"these bytes are no snapshot of the rules engine: {error!r}") from None
    return health.told()


def thaw_subject(world: World, frozen: dict[str, Any], kept: set[str]) -> None:
    """Fill one subject; rules that are not among those kept start anew."""
    subject = world.subjects.get(frozen["id"])
    if subject is None:
        subject = world.subjects[frozen["id"]] = Subject(Device(frozen["id"]), world.hood)
        subject.every = GONE if frozen["place"] else ""
    subject.kind = subject.device.kind or frozen["kind"]
    subject.position_t = frozen["position_t"]
    subject.motion = Motion(*frozen["motion"]) if frozen["motion"] else None
    if frozen["position"] and subject.position_t != NEVER:
        subject.position = Position(*frozen["position"])
    subject.newest = frozen["newest"]
    subject.last, subject.last_t = frozen["last"], frozen["last_t"]
    for series, content in frozen["samples"].items():
        samples = subject.samples[series] = Samples.thaw(content)
        for window in samples.windows:
            subject.windows[WindowKey(series, window.size, window.closed)] = window
    for name, state in frozen["standing"].items():
        if name in kept:
            standing = new_standing(world.orders.compiled[name].rule)
            standing.thaw(state)
        else:
            standing = Standing([])
            standing.thaw(state, keep_memories=False)
        subject.standing[name] = standing
        if standing.alert is not None:
            world.alerts[standing.alert.alert] = (standing.alert, subject)
    for name, state in frozen["silent"].items():
        alert = subject.own("silent")[name] = OpenAlert.thaw(state)
        world.alerts[alert.alert] = (alert, subject)
    subject.heard = frozen["heard"] or NOTHING_YET
    subject.usual = {name: tuple(two) for name, two in frozen["usual"].items()} or NOTHING_YET
    subject.past = {name: (alert, ordinal) for name, (alert, ordinal) in frozen["past"].items()} or NOTHING_YET
    subject.marks = frozenset(frozen["marks"]) if frozen["marks"] else None
    subject.resting = frozen["resting"]
    subject.raises = {name: list(times) for name, times in frozen["raises"].items()} or NOTHING_YET
    subject.jumps = {metric: Jump(*jump) for metric, jump in frozen["jumps"].items()} or NOTHING_YET
    subject.leaps = {
        metric: Leap(at, told, before, tuple(base) if base else None)
        for metric, (at, told, before, base) in frozen["leaps"].items()
    } or NOTHING_YET
    subject.flat = {metric: tuple(known) for metric, known in frozen["flat"].items()} or NOTHING_YET
    subject.gaps = {metric: (heard, missing) for metric, (heard, missing) in frozen["gaps"].items()} or NOTHING_YET
    for name, (times, values) in frozen["recent"].items():
        if not is_number(name):
            subject.own("recent")[name] = Recent.thaw((times, values))
        elif all(isinstance(value, int | float) for value in values):  # snapshots from before these were samples
            (subject.samples.get(name) or subject.sampled(name, 0)).recall(times, values)
    subject.watching = frozen["watching"] or NOTHING_YET
    if "passing" in frozen:
        subject.passing = {(series, tuple(kinds)): Passing.thaw(told) for series, kinds, told in frozen["passing"]}
    subject.denied = frozen.get("denied", subject.denied)
    if "stays" in frozen:
        subject.stays = {metres: (lon, lat, reports) for metres, (lon, lat, reports) in frozen["stays"]}
