"""Makes one of parts: the snapshot that one engine would have, from those of all parts between the same two events.

So another number of parts, or one engine, can go on from there. While it is made nobody judges: so subjects stay the bytes that they are, each from
the part where it is at home, and only what parts do not know alone is written anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from rules.part import FrozenPart
from rules.snapshot import ALERT, ARRAY, MAP, SUBJECTS, encode
from rules.state.health import Health
from rules.state.subject import OpenAlert
from rules.together import Together

Past: TypeAlias = dict[str, tuple[str, int]]
"""By rule: its last alert, and how many changes that had."""
NAME, GROUP = OpenAlert.FROZEN.index("alert"), OpenAlert.FROZEN.index("group")
_Lane: TypeAlias = tuple[int, bytes, msgspec.Raw, int]


class _Standing(msgspec.Struct, array_like=True):
    """How a rule stands, as far as it is looked at here."""

    latched: msgspec.Raw
    since: msgspec.Raw
    quiet: msgspec.Raw
    memories: msgspec.Raw
    alert: msgspec.Raw


class _Looked(msgspec.Struct):
    """Of a frozen subject, what may have to be written anew."""

    id: str
    standing: dict[str, _Standing]
    silent: dict[str, msgspec.Raw]
    past: Past


_look = msgspec.msgpack.Decoder(_Looked).decode
_NONE = msgspec.msgpack.encode(None)


class _World:
    """All subjects of what is judged at once, or of one lane, each as it is where it is at home."""

    def __init__(self, frozen: Sequence[bytes], guests: Sequence[Collection[str]]) -> None:
        """`frozen`: by part, the snapshot of its world; `guests`: who is not at home there."""
        self.rests = [msgspec.msgpack.decode(one, type=dict[str, msgspec.Raw]) for one in frozen]
        self.subjects: dict[str, tuple[_Looked, msgspec.Raw]] = {}
        for rest, strangers in zip(self.rests, guests, strict=True):
            for subject in msgspec.msgpack.decode(rest.pop(SUBJECTS), type=list[msgspec.Raw]):
                looked = _look(subject)
                if looked.id not in strangers:
                    self.subjects[looked.id] = looked, subject

    def first(self, name: str) -> Any:
        """What the first part has under that name."""
        return msgspec.msgpack.decode(self.rests[0][name])

    def all(self, name: str) -> Iterator[Any]:
        """What each part has."""
        return (msgspec.msgpack.decode(rest[name]) for rest in self.rests)

    def frozen(self, together: Together, lane: int, pasts: Mapping[str, Past], **more: Any) -> bytes:
        """The snapshot. What is of no subject is the same everywhere, or the first one's. `pasts`: by subject, what is remembered of it instead;
        `more`: what is otherwise than with the first one."""
        more |= {
            "groups": together.groups_of(lane).freeze(),
            "refused": sum(self.all("refused")),
            "orphans": [orphan for orphans in self.all("orphans") for orphan in orphans],
        }
        rest: dict[str, bytes | msgspec.Raw] = {
            **self.rests[0],
            **{name: encode(value) for name, value in more.items()},
        }
        subjects = [_anew(*self.subjects[name], together, pasts.get(name)) for name in sorted(self.subjects)]
        rest[SUBJECTS] = ARRAY + len(subjects).to_bytes(4, "big") + b"".join(subjects)
        entries = (encode(name) + bytes(rest[name]) for name in sorted(rest))
        return MAP + len(rest).to_bytes(2, "big") + b"".join(entries)


def reunited(saved: Sequence[bytes], together: Together) -> bytes:
    """The snapshot of one engine that had come as far as these, which are those of all parts, in their order (`PartEngine.saved`). `together`: what
    brought together all that they said. Raises ValueError where they are damaged."""
    try:
        return _reunited([msgspec.msgpack.decode(one, type=FrozenPart) for one in saved], together)
    except (msgspec.MsgspecError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"the snapshots of the parts make no whole: {error!r}") from None


def _reunited(parts: Sequence[FrozenPart], together: Together) -> bytes:
    world = _World([part.engine for part in parts], [set(part.guests[0]) for part in parts])
    lanes = [msgspec.msgpack.decode(rest["lanes"], type=list[_Lane]) for rest in world.rests]
    pasts: dict[str, Past] = {}
    made: list[list[Any]] = []
    for of_all in zip(*lanes, strict=True):
        wait_ns, _, held, overflowed = of_all[0]
        lane = _World([data for _, data, _, _ in of_all], [set(part.guests[wait_ns]) for part in parts])
        own = _remembered(world, lane, pasts)
        made.append([wait_ns, lane.frozen(together, wait_ns, own), held, overflowed])
    health = Health.of_all([_health(told) for told in world.all("health")])
    return world.frozen(together, 0, pasts, lanes=made, health=health.freeze())


def _remembered(elder: _World, lane: _World, pasts: dict[str, Past]) -> dict[str, Past]:
    """A part has the last alerts of a lane's rules in the lane; one engine has them with its other subjects: they go to `pasts`. Gives what stays in
    the lane."""
    rules, stays = lane.first("rules").keys(), {}
    for name, (subject, _) in lane.subjects.items():
        if name in elder.subjects and subject.past:
            past = pasts.setdefault(name, dict(elder.subjects[name][0].past))
            past.update({rule: last for rule, last in subject.past.items() if rule in rules})
            stays[name] = {rule: last for rule, last in subject.past.items() if rule not in rules}
    return stays


def _anew(looked: _Looked, subject: msgspec.Raw, together: Together, past: Past | None) -> bytes:
    """The frozen subject, its alerts in the groups that they were brought into."""
    open_rules = [rule for rule, standing in looked.standing.items() if bytes(standing.alert) != _NONE]
    if past is None and not open_rules and not looked.silent:
        return bytes(subject)
    state = msgspec.msgpack.decode(subject)
    alerts = [*(state["standing"][rule][ALERT] for rule in open_rules), *state["silent"].values()]
    for alert in alerts:
        alert[GROUP] = together.group_of(alert[NAME], alert[GROUP])
    if past is not None:
        state["past"] = past
    return encode(state)


def _health(frozen: list[Any]) -> Health:
    made = Health()
    made.digests = {item["rule"]: item["digest"] for item in frozen[2]}
    made.thaw(frozen)
    return made
