"""The engine's whole state as bytes, and back. Canonical: equal states give equal bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from hub.model import Device, Maintenance, Motion, Position
from rules import calling, edition, lateness, life, places
from rules.alone import Leap
from rules.forwarding import Forwarding
from rules.health import Health
from rules.quality import Jump
from rules.subject import NEVER, OpenAlert, Standing, Subject
from rules.windows import Samples, WindowKey

if TYPE_CHECKING:
    from rules.engine import Engine

VERSION = 6
_encoder = msgspec.msgpack.Encoder(order="deterministic")


def freeze(engine: Engine) -> bytes:
    """The state of an engine. Subjects are written down one by one: as Python objects all together, a city's would take
    several times the room of its bytes."""
    return _encoder.encode(
        {
            "version": VERSION,
            "rules": {rule.name: rule.digest for rule in engine.at_once.rules},
            "clock": engine.clock,
            "deaf": engine.deaf,
            "deaf_until": engine.deaf_until,
            "started": engine.started,
            "refused": engine.refused,
            "groups": engine.groups,
            "windows": list(engine.windows.values()),
            "turns_at": engine.turns_at,
            "lanes": [lane.freeze() for lane in engine.lanes.values()],
            "forwarded": engine.forwarding.freeze(),
            "health": engine.failures.freeze(),
            "orphans": [[alert.freeze(), subject.id, reason] for alert, subject, reason in engine.orphans],
            "subjects": [
                msgspec.Raw(_encoder.encode(_freeze_subject(engine.subjects[name]))) for name in sorted(engine.subjects)
            ],
        }
    )


def _freeze_subject(s: Subject) -> dict[str, Any]:
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
        "recent": s.recent,
        "watching": s.watching,
        "marks": sorted(s.marks) if s.marks else None,
        "resting": s.resting,
        "joined": sorted(s.hood.joined.get(s.id, ())),
    }


def thaw(engine: Engine, data: bytes) -> None:
    """Fill a fresh engine. Raises ValueError with a sentence where the bytes are no snapshot of this version."""
    try:
        parts = msgspec.msgpack.decode(data, type=dict[str, msgspec.Raw])
        state = {name: msgspec.msgpack.decode(part) for name, part in parts.items() if name != "subjects"}
        version = state["version"]
    except (msgspec.DecodeError, TypeError, KeyError):
        raise ValueError("these bytes are no snapshot of the rules engine") from None
    if version != VERSION:
        raise ValueError(f"the snapshot is of version {version}, this engine reads version {VERSION}")
    engine.clock, engine.deaf, engine.deaf_until = state["clock"], state["deaf"], state["deaf_until"]
    engine.started, engine.refused = state["started"], state["refused"]
    engine.groups = {place: (group, at) for place, (group, at) in state["groups"].items()}
    engine.windows = {window.id: window for window in msgspec.convert(state["windows"], list[Maintenance])}
    engine.turns_at = state["turns_at"]
    engine.forwarding = Forwarding.thaw(state.get("forwarded"))
    if engine.outer is None:
        engine.failures.thaw(state["health"])
    digests = {rule.name: rule.digest for rule in engine.at_once.rules}
    kept = {name for name, digest in state["rules"].items() if digests.get(name) == digest}
    joined: dict[str, list[str]] = {}
    for part in msgspec.msgpack.decode(parts["subjects"], type=list[msgspec.Raw]):
        frozen = msgspec.msgpack.decode(part)
        joined[frozen["id"]] = frozen["joined"]
        _thaw_subject(engine, frozen, kept)
    for alert, name, reason in state["orphans"]:
        engine.orphans.append((OpenAlert.thaw(alert), engine.subjects[name], reason))
    engine._renew_hood()
    for name, reported in joined.items():
        for series in reported:
            engine.hood.join(engine.subjects[name], series)
    for subject in engine.subjects.values():
        engine._plan(subject)
    if kept != set(state["rules"]) or kept != set(digests):
        edition.keep_only(engine, kept)
    for subject in engine.subjects.values():
        _arm(engine, subject)
    if engine.started != NEVER:
        for name in sorted(engine.registry):
            life.listen(engine, engine.subjects[name])
    lateness.thaw(engine, state["lanes"])


def health_of(data: bytes) -> list[dict[str, Any]]:
    """The rules that are ill by a snapshot. Raises ValueError where the bytes are none of this version."""
    try:
        state = msgspec.msgpack.decode(data, type=dict[str, msgspec.Raw])
        if msgspec.msgpack.decode(state["version"]) != VERSION:
            raise ValueError("the snapshot is of another version")
        health = Health()
        frozen = msgspec.msgpack.decode(state["health"])
        health.digests = {item["rule"]: item["digest"] for item in frozen[2]}
        health.thaw(frozen)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise ValueError(f"these bytes are no snapshot of the rules engine: {error!r}") from None
    return health.told()


def _thaw_subject(engine: Engine, frozen: dict[str, Any], kept: set[str]) -> None:
    subject = engine.subjects.get(frozen["id"])
    if subject is None:
        subject = engine.subjects[frozen["id"]] = Subject(Device(frozen["id"]), engine.hood)
        subject.every = places.GONE if frozen["place"] else ""
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
            standing = life.new_standing(engine.compiled[name].rule)
            standing.thaw(state)
        else:
            standing = Standing([])
            standing.thaw(state, keep_memories=False)
        subject.standing[name] = standing
        if standing.alert is not None:
            engine.alerts[standing.alert.alert] = (standing.alert, subject)
    for name, state in frozen["silent"].items():
        alert = subject.silent[name] = OpenAlert.thaw(state)
        engine.alerts[alert.alert] = (alert, subject)
    subject.heard, subject.usual = frozen["heard"], frozen["usual"]
    subject.past = {name: (alert, ordinal) for name, (alert, ordinal) in frozen["past"].items()}
    subject.marks = frozenset(frozen["marks"]) if frozen["marks"] else None
    subject.resting = frozen["resting"]
    subject.raises = {name: list(times) for name, times in frozen["raises"].items()}
    subject.jumps = {metric: Jump(*jump) for metric, jump in frozen["jumps"].items()}
    subject.leaps = {
        metric: Leap(at, told, before, tuple(base) if base else None)
        for metric, (at, told, before, base) in frozen["leaps"].items()
    }
    subject.flat = {metric: tuple(known) for metric, known in frozen["flat"].items()}
    subject.gaps = {metric: (heard, missing) for metric, (heard, missing) in frozen["gaps"].items()}
    subject.recent = {name: (list(times), list(values)) for name, (times, values) in frozen["recent"].items()}
    subject.watching = frozen["watching"]


def _arm(engine: Engine, subject: Subject) -> None:
    """Schedule everything that time could complete for this subject."""
    plan = subject.plan
    if plan is None:
        return
    for name, standing in subject.standing.items():
        rule = engine.compiled[name].rule
        waiting = [
            pair[1] + (level.when.for_ns if pairs is standing.since else level.clear.for_ns if level.clear else 0)
            for level in rule.levels
            for pairs in (standing.since, standing.quiet)
            if (pair := pairs[level.level]) is not None
            and (pairs is standing.since) != bool(standing.latched >> level.level & 1)
        ]
        standing.timer = min(waiting) if waiting else None
        if standing.timer is not None:
            engine.schedule(standing.timer, subject, name)
        if standing.calm is not None:
            engine.schedule(standing.calm + life.FLAP_HOLD_NS, subject, name)
        if standing.alert is not None:
            engine.schedule(standing.heard + rule.expire_ns, subject, name)
            if standing.alert.shelved_until is not None:
                life.end_shelf(engine, subject, standing.alert)
            calling.arm(engine, subject, standing.alert)
    for name in plan.silent:
        alert = subject.silent.get(name)
        if alert is None and name in subject.heard:
            engine.schedule(subject.heard[name] + (engine.compiled[name].rule.silent_ns or 0), subject, name)
        elif alert is not None and alert.shelved_until is not None:
            life.end_shelf(engine, subject, alert)
        if alert is not None:
            calling.arm(engine, subject, alert)
