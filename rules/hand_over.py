"""A subject goes from one part of the rules to another: to be at home there, or as a guest, which is known and not judged."""

from __future__ import annotations

from typing import Any

import msgspec

from hub.model import Device
from hub.pairs import PAIR, begins_with
from rules import assignment, snapshot
from rules.judge import Judge
from rules.judging import elapsing
from rules.plan import PAIR_MEMBERS
from rules.state.subject import NOTHING_YET, Subject
from rules.state.world import World


class HandOver(msgspec.Struct, array_like=True, tag="hand-over", frozen=True):
    """A subject as it was just before an event, for the part that takes it."""

    device: str
    to: int
    guest: bool
    states: list[bytes]
    """`snapshot.freeze_subject`, as MessagePack: the subject, and where it gets a new home the pairs of vessels that go with it. Empty where the
    part that gives does not know it."""


def give(judge: Judge, name: str, to: int, guest: bool) -> HandOver:
    """The subject for another part. Where that becomes its home it stays here as a guest."""
    world = judge.world
    subject = world.subjects.get(name)
    if subject is None:
        return HandOver(name, to, guest, [])
    going = [subject] if guest else [subject, *_pairs(judge, name)]
    states = [snapshot.encode(snapshot.freeze_subject(one)) for one in going]
    if not guest:
        for state in states:
            _thaw(judge, state, guest=True)
    return HandOver(name, to, guest, states)


def take(judge: Judge, given: HandOver) -> None:
    """Have the subject as it was elsewhere."""
    if not given.guest:
        for pair in _pairs(judge, given.device):
            forget(judge, pair.id)
    for state in given.states:
        _thaw(judge, state, given.guest)
    known = judge.world.subjects.get(given.device)
    if (
        not given.states and not given.guest and known is not None
    ):  # it is judged here all the same, by what is known here
        known.guest = False
        elapsing.arm(judge.world, known)


def forget(judge: Judge, name: str) -> None:
    """Know nothing of a subject any more, except what the registry says."""
    world = judge.world
    if not _drop(judge, name):
        return
    if name in world.registry:
        again = world.subjects[name] = Subject(world.registry[name], world.hood)
        again.guest = True
        assignment.assign(world, again)


def leave_to_their_homes(world: World) -> None:
    """After a snapshot of one engine was taken up: what is for the homes of guests alone to judge goes."""
    world.alerts = {alert: (told, whose) for alert, (told, whose) in world.alerts.items() if not whose.guest}
    for subject in world.subjects.values():
        if subject.guest:
            for rule in list(subject.watching):
                world.watchers.discard(subject.id, rule)
            subject.standing, subject.busy = {}, 0
            subject.silent = subject.watching = subject.passing = NOTHING_YET


def _pairs(judge: Judge, name: str) -> list[Subject]:
    """The pairs that this vessel is the first of: they are where it is."""
    world = judge.world
    vessel = world.subjects.get(name)
    if not world.orders.pairing or vessel is None or vessel.kind != PAIR_MEMBERS:
        return []
    first = begins_with(name)
    found = [one for one in world.subjects if one.startswith(first)]
    return [world.subjects[one] for one in sorted(found) if world.subjects[one].kind == PAIR]


def _thaw(judge: Judge, state: bytes, guest: bool) -> None:
    world = judge.world
    frozen: dict[str, Any] = msgspec.msgpack.decode(state)
    name = frozen["id"]
    place = world.subjects[name].every if name in world.subjects else ""
    _drop(judge, name)
    if guest:
        frozen |= {"standing": {}, "silent": {}, "watching": {}}
    subject = world.subjects[name] = Subject(world.registry.get(name) or Device(name), world.hood)
    subject.every = place
    snapshot.thaw_subject(world, frozen, set(world.orders.compiled))
    subject.guest = guest
    assignment.assign(world, subject)
    for series in frozen["joined"]:
        world.hood.join(subject, series)
    if not guest:
        elapsing.arm(world, subject)


def _drop(judge: Judge, name: str) -> bool:
    """Whether it was known."""
    world = judge.world
    subject = world.subjects.pop(name, None)
    if subject is None:
        return False
    world.hood.forget(name)
    for rule in list(subject.watching):
        world.watchers.discard(name, rule)
    if subject.busy or subject.silent:
        for alert in [alert for alert, (_, whose) in world.alerts.items() if whose is subject]:
            del world.alerts[alert]
    for suspects in world.suspects.values():
        suspects.discard(name)
    return True
