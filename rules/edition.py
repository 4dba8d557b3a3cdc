"""New editions of the rules or the registry, taking effect inside the stream of events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from hub.model import Change, Device, Zone
from rules import calling, lateness, life, places
from rules.book import RuleBook
from rules.language import codegen
from rules.language.ir import walk
from rules.subject import Subject

if TYPE_CHECKING:
    from rules.engine import Engine, Outcome


class _Registry(msgspec.Struct):
    devices: list[Device]
    zones: list[Zone]


def registry_text(devices: Iterable[Device], zones: Iterable[Zone]) -> str:
    """Devices and zones as text, for `Edition("registry")`."""
    return msgspec.json.encode(_Registry(list(devices), list(zones))).decode()


def registry_from_text(text: str) -> tuple[list[Device], list[Zone]] | None:
    """What `registry_text` wrote; None where the text is something else."""
    try:
        registry = msgspec.json.decode(text.encode(), type=_Registry)
    except msgspec.DecodeError:
        return None
    return registry.devices, registry.zones


def change_book(engine: Engine, book: RuleBook, outcome: Outcome) -> None:
    """Go on with another book: unchanged rules keep all they know, edited ones start anew, alerts of gone ones clear."""
    old = {rule.name: rule.digest for rule in engine.at_once.rules}
    engine._use_book(book)
    engine._renew_hood()
    for subject in engine.subjects.values():
        engine._plan(subject)
    keep_only(engine, {rule.name for rule in engine.at_once.rules if old.get(rule.name) == rule.digest})
    engine._start(engine.clock, outcome)
    for subject in engine.subjects.values():
        life.listen(engine, subject)
    for alert, subject in engine.alerts.values():
        calling.arm(engine, subject, alert)
    lateness.renew(engine, outcome)


def keep_only(engine: Engine, kept: set[str]) -> None:
    """Restart every rule not in `kept`: its windows, memories and pending levels; its alerts stay only as long as
    the edited rule still has their level. Alerts to be cleared wait in `engine.orphans` for the next event."""
    needed = {
        key
        for name in kept
        for keys in codegen.window_keys(engine.compiled[name].rule.nodes(), own=True).values()
        for key in keys
    }
    derived = [node for spec in engine.at_once.derivations for node in walk(spec.node)]
    needed |= {key for keys in codegen.window_keys(derived, own=True).values() for key in keys}
    needed |= {key for keys in engine.asked.values() for key in keys}
    sampled = {key.series for key in needed}
    for name in sorted(engine.subjects):
        subject = engine.subjects[name]
        for key in [key for key in subject.windows if key not in needed]:
            subject.samples[key.series].windows.remove(subject.windows.pop(key))
        for series in [series for series in subject.samples if series not in sampled]:
            del subject.samples[series]
        for rule in sorted(set(subject.standing) - kept):
            _restart(engine, subject, rule)
        for rule in sorted(set(subject.silent) - kept):
            alert = subject.silent.pop(rule)
            engine.orphans.append((alert, subject, _gone(engine, rule)))
        for rule in [rule for rule in subject.heard if rule not in kept]:
            del subject.heard[rule]
            subject.usual.pop(rule, None)
    for subject in engine.subjects.values():
        engine._plan(subject)


def _restart(engine: Engine, subject: Subject, rule: str) -> None:
    before = subject.standing.pop(rule)
    compiled = engine.compiled.get(rule)
    alert = before.alert
    if alert is None:
        return
    levels = {level.level for level in compiled.rule.levels} if compiled else set()
    if compiled is None or alert.level not in levels or subject.plan is None or rule not in subject.plan.positions:
        engine.orphans.append((alert, subject, _gone(engine, rule)))
        return
    after = subject.standing[rule] = life.new_standing(compiled.rule)
    after.alert = alert
    after.latched = before.latched & sum(1 << level for level in levels)
    after.judged, after.heard = before.judged, before.heard
    engine.schedule(after.heard + compiled.rule.expire_ns, subject, rule)


def _gone(engine: Engine, rule: str) -> str:
    return "the rule was edited and no longer knows this warning" if rule in engine.compiled else "the rule is gone"


def drop_strays(engine: Engine, outcome: Outcome) -> None:
    """After a new registry: clear alerts of subjects that a rule no longer selects."""
    for name in sorted(engine.subjects):
        subject = engine.subjects[name]
        positions = subject.plan.positions if subject.plan else {}
        for rule in sorted(set(subject.standing) - set(positions)):
            alert = subject.standing.pop(rule).alert
            if alert is not None:
                life.close(
                    engine,
                    subject,
                    alert,
                    Change.CLEARED,
                    engine.clock,
                    "the registry no longer has this rule watch the device",
                    outcome,
                )
        for rule in sorted(set(subject.silent) - set(positions)):
            life.close(
                engine,
                subject,
                subject.silent.pop(rule),
                Change.CLEARED,
                engine.clock,
                "the registry no longer has this rule watch the device",
                outcome,
            )
        for rule in sorted(set(subject.heard) - set(positions)):
            del subject.heard[rule]
            subject.usual.pop(rule, None)
        if subject.every == places.GONE:
            del engine.subjects[name]
