"""A rule fails alone: what went wrong with which rule, and which rules are therefore left out.

`Health.alone` is the one place where an error in a rule is caught. A failure is a pure function of the log: a replay meets the
same one at the same event, and a snapshot holds it. Whatever else the event brought is judged as if the rule were not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from hub.defects import told
from hub.moment import to_text

T = TypeVar("T")

PER_SUBJECT_MAX = 3
"""So often a rule may fail for one subject; then it is left out there until it is edited."""
PER_RULE_MAX = 100
"""So often a rule may fail in all; then it is left out everywhere until it is edited, since each failure costs time."""
TROUBLED_MAX = 10_000
"""Subjects remembered with the failures of a rule."""
ENGINE = "engine"
"""The name under which events stand that failed outside any rule."""
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


class Illness(msgspec.Struct):
    """What is wrong with one rule."""

    rule: str
    digest: str
    """Of the rule as it was: an edited one is well again."""
    error: str
    """Of the newest failure."""
    subject: str
    event: int
    """The number in the log of the newest event at which it failed."""
    since: int
    """The rules' clock at its first failure, ns."""
    first_event: int
    count: int = 0
    by_subject: dict[str, int] = msgspec.field(default_factory=dict)
    """Failures to judge, by subject; those to word a warning do not count, since the warning went out."""

    def left_out(self, subject: str) -> bool:
        return self.everywhere or self.by_subject.get(subject, 0) >= PER_SUBJECT_MAX

    @property
    def everywhere(self) -> bool:
        return sum(self.by_subject.values()) >= PER_RULE_MAX

    def with_(self, other: Illness) -> Illness:
        """Of the same rule in another part too."""
        newest = max(self, other, key=lambda one: one.event)
        return msgspec.structs.replace(
            newest,
            since=min(self.since, other.since),
            first_event=min(self.first_event, other.first_event),
            count=max(self.count, other.count),
            by_subject={
                name: max(self.by_subject.get(name, 0), other.by_subject.get(name, 0))
                for name in self.by_subject | other.by_subject
            },
        )

    @property
    def left_out_for(self) -> int:
        """How many subjects it is not judged for."""
        return sum(count >= PER_SUBJECT_MAX for count in self.by_subject.values())


class Health:
    """How the rules of one world, its lanes included, are."""

    def __init__(self) -> None:
        self.ill: dict[str, Illness] = {}
        self.event = -1
        """The number in the log of the event that is being taken."""
        self.skipped = 0
        """Events skipped because something outside any rule failed at them."""
        self.digests: dict[str, str] = {}
        """Of the rules and derivations in use, by name."""

    def alone(
        self, rule: str, subject: str, clock: int, work: Callable[[], T], instead: T, *, judging: bool = True
    ) -> T:
        """What `work` gives, done for this rule; `instead` where it fails. `judging` False: it only words a warning."""
        try:
            return work()
        except MemoryError:  # no matter of the rule, nor of the log
            raise
        except Exception as error:
            self._note(rule, subject, clock, error, judging)
            return instead

    def left_out(self, rule: str, subject: str) -> bool:
        """Whether the rule has failed too often to be judged for this subject."""
        illness = self.ill.get(rule)
        return illness is not None and illness.left_out(subject)

    def _note(self, rule: str, subject: str, clock: int, error: Exception, judging: bool) -> None:
        illness = self.ill.get(rule)
        if illness is None:
            illness = self.ill[rule] = Illness(
                rule, self.digests.get(rule, ""), "", subject, self.event, clock, self.event
            )
        illness.error = _ADDRESS.sub("…", told(error).en)[:300]
        illness.subject, illness.event = subject, self.event
        illness.count += 1
        if judging and (subject in illness.by_subject or len(illness.by_subject) < TROUBLED_MAX):
            illness.by_subject[subject] = illness.by_subject.get(subject, 0) + 1

    def skip(self, event: object, clock: int, error: Exception) -> None:
        """Note an event that was skipped because something outside any rule failed at it. Raises what is the machine's."""
        if isinstance(error, MemoryError):
            raise error
        self.skipped += 1
        self._note(ENGINE, str(getattr(event, "device", "")), clock, error, judging=False)

    def renew(self, digests: Mapping[str, str]) -> None:
        """Another edition of the rules: those that are gone or were edited are well again."""
        self.digests = dict(digests)
        self.ill = {
            name: illness
            for name, illness in self.ill.items()
            if name == ENGINE or self.digests.get(name) == illness.digest
        }

    def told(self) -> list[dict[str, Any]]:
        """The rules that are ill, for people, those that failed last first."""
        return [
            {
                "rule": illness.rule,
                "error": illness.error,
                "subject": illness.subject,
                "event": illness.event,
                "since": to_text(illness.since) if illness.since > 0 else None,
                "first_event": illness.first_event,
                "count": illness.count,
                "left_out": "everywhere" if illness.everywhere else illness.left_out_for,
            }
            for illness in sorted(self.ill.values(), key=lambda illness: (-illness.event, illness.rule))
        ]

    @classmethod
    def of_all(cls, parts: Sequence[Health]) -> Health:
        """Of one engine in the place of these parts. What they began with they have all counted, so the most that any has counted is taken."""
        made = cls()
        made.event, made.digests = max(part.event for part in parts), parts[0].digests
        made.skipped = max(part.skipped for part in parts)
        for part in parts:
            for name, illness in part.ill.items():
                known = made.ill.get(name)
                made.ill[name] = illness if known is None else known.with_(illness)
        return made

    def freeze(self) -> list[Any]:
        return [self.event, self.skipped, [msgspec.to_builtins(self.ill[name]) for name in sorted(self.ill)]]

    def thaw(self, frozen: list[Any]) -> None:
        """Take up what a snapshot holds; rules edited since then are well."""
        self.event, self.skipped, ill = frozen
        self.ill |= {illness.rule: illness for illness in msgspec.convert(ill, list[Illness])}
        self.renew(self.digests)
