"""New editions of the rules or the registry, taking effect inside the stream of events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from hub.bilingual import Text
from hub.model import Change, Device, Zone
from rules import assignment
from rules.book import RuleBook
from rules.judge import Judge
from rules.judging import alerts, elapsing
from rules.language import ir
from rules.language.ir import walk
from rules.state.outcome import Outcome
from rules.state.subject import GONE, Subject, new_standing
from rules.state.world import World


class _Registry(msgspec.Struct):
    devices: list[Device]
    zones: list[Zone]


def registry_text(devices: Iterable[Device], zones: Iterable[Zone]) -> str:
    """Devices and zones as text, for `Edition("registry")`."""
    return msgspec.json.encode(_Registry(list(devices), list(zones))).decode()


def registry_from_text(text: str, known: Mapping[str, Device]) -> tuple[list[Device], list[Zone]] | None:
    """What `registry_text` wrote; None where the text is something else. A row that equals the one of its name in `known` is that
    one, so that a registry is in memory once however often it is told."""
    try:
        registry = msgspec.json.decode(text.encode(), type=_Registry)
    except msgspec.DecodeError:
        return None
    rows = ((known.get(device.device), device) for device in registry.devices)
    return [before if before == device else device for before, device in rows], registry.zones


def change_book(judge: Judge, book: RuleBook, outcome: Outcome) -> None:
    """Go on with another book: unchanged rules keep all they know, edited ones start anew, alerts of gone ones clear."""
    world = judge.world
    old = {rule.name: rule.digest for rule in world.orders.book.rules}
    assignment.use_book(world, book)
    assignment.renew_hood(world)
    for subject in world.subjects.values():
        assignment.assign(world, subject)
    keep_only(world, {rule.name for rule in book.rules if old.get(rule.name) == rule.digest})
    judge.start(world.clock.now, outcome)
    for subject in world.subjects.values():
        elapsing.listen(world, subject)
    for alert, subject in world.alerts.values():
        alerts.arm(world, subject, alert)


def keep_only(world: World, kept: set[str]) -> None:
    """Restart every rule not in `kept`: its windows, memories and pending levels; its alerts stay only as long as
    the edited rule still has their level. Alerts to be cleared wait in `world.orphans` for the next event."""
    needed = {
        key
        for name in kept
        for keys in ir.window_keys(world.orders.compiled[name].rule.nodes(), own=True).values()
        for key in keys
    }
    derived = [node for spec in world.orders.book.derivations for node in walk(spec.node)]
    needed |= {key for keys in ir.window_keys(derived, own=True).values() for key in keys}
    needed |= {key for keys in world.orders.asked.values() for key in keys}
    sampled = {key.series for key in needed}.union(*(spec.own_series() for spec in world.orders.book.derivations))
    for name in sorted(world.subjects):
        subject = world.subjects[name]
        subject.keep_windows(needed.__contains__)
        for series in [series for series in subject.samples if series not in sampled]:
            del subject.samples[series]
        for rule in sorted(set(subject.standing) - kept):
            _restart(world, subject, rule)
        for rule in sorted(set(subject.silent) - kept):
            alert = subject.silent.pop(rule)
            world.orphans.append((alert, subject, _gone(world, rule)))
        for rule in [rule for rule in subject.heard if rule not in kept]:
            del subject.heard[rule]
            subject.usual.pop(rule, None)
    for subject in world.subjects.values():
        assignment.assign(world, subject)


def _restart(world: World, subject: Subject, rule: str) -> None:
    before = subject.standing.pop(rule)
    compiled = world.orders.compiled.get(rule)
    alert = before.alert
    if alert is None:
        return
    levels = {level.level for level in compiled.rule.levels} if compiled else set()
    if compiled is None or alert.level not in levels or subject.plan is None or rule not in subject.plan.positions:
        world.orphans.append((alert, subject, _gone(world, rule)))
        return
    after = subject.standing[rule] = new_standing(compiled.rule)
    after.alert = alert
    after.latched = before.latched & sum(1 << level for level in levels)
    after.judged, after.heard = before.judged, before.heard
    world.clock.schedule(after.heard + compiled.rule.expire_ns, subject.id, rule)


UNWATCHED = Text("the registry no longer has this rule watch the device", "登记表中该规则不再监视此设备")


def _gone(world: World, rule: str) -> Text:
    if rule in world.orders.compiled:
        return Text("the rule was edited and no longer knows this warning", "规则已修改，不再包含此预警")
    return Text("the rule is gone", "规则已移除")


def drop_strays(world: World, outcome: Outcome) -> None:
    """After a new registry: clear alerts of subjects that a rule no longer selects."""
    for name in sorted(world.subjects):
        subject = world.subjects[name]
        positions = subject.plan.positions if subject.plan else {}
        for rule in sorted(set(subject.standing) - set(positions)):
            alert = subject.standing.pop(rule).alert
            if alert is not None:
                alerts.close(
                    world,
                    subject,
                    alert,
                    Change.CLEARED,
                    world.clock.now,
                    UNWATCHED,
                    outcome,
                )
        for rule in sorted(set(subject.silent) - set(positions)):
            alerts.close(
                world,
                subject,
                subject.silent.pop(rule),
                Change.CLEARED,
                world.clock.now,
                UNWATCHED,
                outcome,
            )
        for rule in sorted(set(subject.heard) - set(positions)):
            del subject.heard[rule]
            subject.usual.pop(rule, None)
        if subject.every == GONE:
            del world.subjects[name]
