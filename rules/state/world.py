"""The world as the rules know it: subjects, registry, open alerts, and the tables that the rules in use make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from hub.bilingual import Text
from hub.model import Device, Maintenance, Zone
from rules.plan import Orders, Plan
from rules.state.clock import NEVER, Clock
from rules.state.forwarded import Forwarding
from rules.state.groups import Groups
from rules.state.health import Health
from rules.state.neighbourhood import Neighbourhood
from rules.state.subject import OpenAlert, Subject
from rules.state.watchers import Watchers


class Elder(Protocol):
    """What a lane asks of the world of the hub's own rules."""

    @property
    def subjects(self) -> Mapping[str, Subject]: ...

    def touch(self, subject: Subject) -> None: ...


class Writer(Protocol):
    """A snapshot that is being written while events go on (`rules.snapshot`)."""

    def touch(self, subject: Subject) -> None: ...

    def complete(self) -> None: ...


def _nobody_visits(name: str) -> bool:
    return False


class World:
    """Everything that judging reads and changes. `rules.assignment` fills it; a snapshot writes it down."""

    def __init__(self, lag: int = 0) -> None:
        self.clock = Clock(lag)
        self.orders = Orders.none()
        self.subjects: dict[str, Subject] = {}
        self.registry: dict[str, Device] = {}
        self.zones: tuple[Zone, ...] = ()
        self.alerts: dict[str, tuple[OpenAlert, Subject]] = {}
        """Those that are open, by id."""
        self.orphans: list[tuple[OpenAlert, Subject, Text]] = []
        """Alerts that nothing judges any more, and why: they end with the next event."""
        self.groups = Groups()
        self.maintenance: dict[str, Maintenance] = {}
        """Planned work, by id."""
        self.turns_at: int | None = None
        """By the clock, when maintenance next begins or ends somewhere."""
        self.measured = NEVER
        """The end of the minute as of which places were last measured (`rules.judging.measuring`)."""
        self.forwarding = Forwarding()
        self.failures = Health()
        self.elder: Elder | None = None
        """Of a lane: the world of the hub's own rules, which remembers the last alerts, since an edited rule may change lanes."""
        self.visits: Callable[[str], bool] = _nobody_visits
        """Whether a subject of that name is at home in another partition."""
        self.refused = 0
        self.hood = Neighbourhood(self.subjects, (), ())
        self.watchers = Watchers()
        self.plans: dict[object, Plan | None] = {}
        """By the rules, derivations and settings that subjects share."""
        self.suspects: dict[str, set[str]] = {}
        """Per rule that traces what it warns of, who may have emitted it."""
        self.downstream: dict[str, dict[str, tuple[tuple[str, frozenset[str]], ...]]] = {}
        """By gauge, those below it on the river, with the rules that ask the gauge for something, in the book's order, and the series they ask for."""
        self.freezing: Writer | None = None
        """What has to write a subject down before it changes."""

    def freeze(self, writer: Writer | None) -> None:
        """Have a snapshot hear of each subject before it changes, until this is called with None."""
        self.freezing = writer
        self.hood.touch = None if writer is None else writer.touch

    def touch(self, subject: Subject) -> None:
        """The subject is about to change."""
        if self.freezing is not None:
            self.freezing.touch(subject)
