"""The recordings beside the project through the commands: every row accounted for, replay and back-test agree, the
events that the packs cover are warned of. Each test skips, loudly, where its recording is absent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from hub.app.backtest import Backtest
from hub.app.city import load_city
from hub.app.plugins import Plugins
from hub.app.recorded import open_recording
from hub.moment import from_text
from tests.bench.recordings import CITIES, RUNS, Run, city_of, cityhub
from tests.shared import shared_path

pytestmark = [pytest.mark.recordings, pytest.mark.timeout(600)]
BY_NAME = {run.name: run for run in RUNS}
LIGHT = [run for run in RUNS if not run.name.startswith(("beijing-12", "gecco", "mukilteo-rain"))]
"""Those that take seconds; `python -m tests.bench.recordings` plays them all."""


def present(run: Run) -> Run:
    data = shared_path("data")
    if not list(data.glob(run.files)):
        shared_path(f"data/{run.files}")
    return run


def backtest(run: Run) -> Backtest:
    """Run to its end; the tally is complete."""
    present(run)
    data = shared_path("data")
    with city_of(run) as folder:
        city, mistakes = load_city(folder, Plugins())
        assert city is not None, mistakes
        protocol = "ais" if "ais" in run.options else None
        received = from_text(run.options[-1]) if "--received" in run.options else None
        files = sorted(data.glob(run.files))
        recording = open_recording(files, protocol, folder / run.map if run.map else None, received)
        test = Backtest(city, recording.messages, recording.kind, recording.rows)
        for _ in test.changes():
            pass
    return test


@pytest.mark.parametrize("run", LIGHT, ids=lambda run: run.name)
def test_every_row_is_accounted_for(run: Run) -> None:
    tally = backtest(run).tally
    assert tally.used
    assert tally.readings == tally.used + tally.duplicates + tally.quarantined
    assert bool(tally.quarantined) <= bool(tally.faults)
    if run.map and run.city != "epa-station-b":  # two devices in one row
        assert tally.rows.rows == tally.readings + tally.rows.empty + tally.rows.left_out


@pytest.mark.parametrize(
    "name", ["camp-fire", "guadalupe-0705", "ever-given", "england-hydro", "ais-dma", "ais-bare", "liverpool-bus"]
)
def test_a_replay_stores_what_a_backtest_uses(name: str, tmp_path: Any) -> None:
    run = present(BY_NAME[name])
    tally = backtest(run).tally
    with city_of(run) as folder:
        played = json.loads(
            cityhub("replay", str(folder), "--json", "--data", str(tmp_path / "play"), *run.arguments(folder))[0]
        )
    assert played["balances"]
    assert (
        played["stored"] + played["replaced"] == tally.used
    )  # replaced: another reading with the same key came after it
    assert (played["readings"], played["duplicates"], played["quarantined"]) == (
        tally.readings,
        tally.duplicates,
        tally.quarantined,
    )
    raised = {level: count for level, count in tally.levels.items() if count}
    assert sum(played["alerts"].values()) == sum(raised.values())


def test_what_the_index_says_of_the_recordings_is_what_is_read() -> None:
    assert backtest(BY_NAME["ever-given"]).tally.duplicates == 213
    assert backtest(BY_NAME["england-hydro"]).tally.duplicates == 240
    guadalupe = backtest(BY_NAME["guadalupe-0705"]).tally
    assert (guadalupe.rows.rows, guadalupe.devices) == (12_471, 22)
    assert backtest(BY_NAME["camp-fire"]).tally.devices == 134


def judged(run: Run) -> tuple[Sequence[dict[str, Any]], dict[str, Any]]:
    present(run)
    events = shared_path("data/events.csv")
    with city_of(run) as folder:
        out, _, _ = cityhub(
            "backtest", str(folder), "--json", "--quiet", "--events", str(events), "--readings", *run.arguments(folder)
        )
    lines = [json.loads(line) for line in out.splitlines()]
    return lines[:-1], lines[-1]["summary"]


@pytest.mark.parametrize("name", ["guadalupe-0705", "camp-fire", "beijing-embassy"])
def test_the_disaster_is_warned_of_at_orange_before_its_peak(name: str) -> None:
    _, summary = judged(BY_NAME[name])
    assert summary["events"]
    assert summary["misses"] == 0
    assert all(event["lead_min"] > 0 for event in summary["per_event"] if event["covered"])


def test_cameras_near_the_fire_are_named() -> None:
    shared_path("data/cameras_usa/cameras_usa_flat.csv.gz")
    changes, _ = judged(BY_NAME["camp-fire"])
    near = [view for change in changes if change["subject"].startswith("Chico") for view in change["cameras"]]
    assert near
    assert all(view["reason"] for view in near)
    assert any(view["camera"].startswith("butte-") for view in near)


def test_no_recording_lies_in_the_repository() -> None:
    files = [path for path in CITIES.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".toml", ".csv", ".md", ".yaml", ".geojson"}
    assert all(path.stat().st_size < 50_000 for path in files)
