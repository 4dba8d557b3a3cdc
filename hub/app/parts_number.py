"""Among how many parts the rules are judged, where machines share them: noted in the log, and from there on another number holds.

Every part comes to that event, writes its state down as it is just behind it, and ends there. Whoever brings together makes one snapshot of those,
with which as many parts as the event says begin, or one engine: the next generation. So a number never holds on one machine and not on another,
whatever their city folders say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from hub.model import Edition, Event
from hub.options import PARTITIONS_MAX

PARTS = "parts"
"""`Edition.what`; its text is the number."""


def number_in(event: Event) -> int:
    """The number of parts that this event says; 0 where it says none."""
    if type(event) is not Edition or event.what != PARTS or not event.text.isdecimal():
        return 0
    number = int(event.text)
    return number if number <= PARTITIONS_MAX else 0


def ends(events: Sequence[Event], parts: int) -> tuple[int, int]:
    """Of events that so many parts judge: how many of them are theirs, and the number that holds behind them; 0 where it stays."""
    for count, event in enumerate(events, 1):
        number = number_in(event)
        if number and number != parts:
            return count, number
    return len(events), 0


class Machine(Protocol):
    """What is asked of a node (`hub.app.roles.Node`)."""

    node: str
    roles: list[str]
    stands_by: list[str]
    partitions: int
    counts: bool


def judges(machine: Machine) -> bool:
    """Whether it has the role `rules`, so that it takes parts."""
    return "rules" in machine.roles or "rules" in machine.stands_by


def told(machines: Iterable[Machine]) -> dict[int, list[str]]:
    """By number that a city folder says: the machines with the role `rules` whose it is, where it counts."""
    return _by_number(machine for machine in machines if machine.counts)


def outdated(machines: Iterable[Machine]) -> dict[int, list[str]]:
    """As `told`, of the machines whose number does not count: nobody has changed it there since another came to hold."""
    return _by_number(machine for machine in machines if not machine.counts)


def _by_number(machines: Iterable[Machine]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for machine in machines:
        if judges(machine):
            found.setdefault(machine.partitions, []).append(machine.node)
    return found


def agreed(machines: Iterable[Machine]) -> int:
    """The number that the city folders of all machines with the role `rules` say whose number counts; 0 where they differ, or there is none."""
    numbers = list(told(machines))
    return numbers[0] if len(numbers) == 1 else 0
