"""What the city's own rules make of every scenario, without a socket: world, instruments, validation, engine, cameras."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters.ais.codec import AisCodec
from hub.app.eyes import look
from hub.cameras import Cameras
from hub.clock import ToldClock
from hub.model import Position, Reading, Tick
from hub.options import IngestOptions
from hub.registry import load_registry
from hub.validation import Validator
from hub.wire import change_to_json
from rules.book import RuleBook, load
from rules.engine import Engine
from simulators import CITY, Player, check, find, shipped
from simulators.devices.report import Report
from simulators.world.places import Site

START = 1_800_000_000_000_000_000


@dataclass
class Air:
    """Stands where the sockets are: what devices send arrives at once, vessels by their real sentences."""

    readings: list[Reading] = field(default_factory=list)
    now: int = START
    silent: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.station = self
        self.codec = AisCodec()

    def send(self, site: Site, report: Report) -> None:
        place = Position(report.lon, report.lat) if report.lon is not None and report.lat is not None else None
        self.readings.append(Reading(site.device, report.at, dict(report.values), place, kind=site.kind))

    def say(self, lines: list[str]) -> None:
        for message in self.codec.feed("".join(f"{line}\r\n" for line in lines).encode(), self.now):
            assert not message.faults
            self.readings += message.readings


def play(name: str) -> list[Any]:
    registry, _ = load_registry(CITY)
    book = load([CITY / "rules"], ["maritime"])
    assert isinstance(book, RuleBook)
    engine = Engine(book, registry.devices.values(), registry.zones.values())
    cameras, validator = Cameras(registry.cameras.values()), Validator(IngestOptions())
    player = Player(Path(CITY), {}, lambda _: None, find([name]), repeat=False, clock=ToldClock(START))
    air = Air()
    player.fleet = air  # type: ignore[assignment]
    changes: list[dict[str, Any]] = []
    for step in range(2000):
        player.tick()
        air.now = player.world.now
        for reading in air.readings:
            reading.received_at = air.now
            reading.kind = reading.kind or "vessel"
            assert not list(validator.check(reading, air.now) or ()), reading
        events = [*air.readings, *([Tick(air.now)] if step % 2 else [])]
        air.readings.clear()
        for change in engine.feed(events).changes:
            look(change, cameras, book)
            changes.append(change_to_json(change))
        if player.director.done:
            return check(player.director.played, changes)
    raise AssertionError("the scenario does not end")


def test_the_plumes_warning_names_the_works_upwind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "check", lambda played, changes: changes)
    raised = next(c for c in play("chemical-plume") if c["rule"] == "city/chemical-plume" and c["change"] == "raised")
    (found,) = [item["attribution"] for item in raised["evidence"] if "attribution" in item]
    assert "zone:works" in [candidate["source"] for candidate in found["candidates"]]
    assert "Haiyu Chemical works" in raised["reason"]


@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_citys_rules_warn_as_the_scenario_says(name: str) -> None:
    findings = play(name)
    assert findings
    assert all(finding.met for finding in findings), "\n".join(finding.sentence for finding in findings)
