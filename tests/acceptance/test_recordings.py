"""The recordings beside the project through the commands: every row accounted for, replay and back-test agree, the
events that the packs cover are warned of. Each test skips, loudly, where its recording is absent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.bench.recordings import CITIES, RUNS, city_of, cityhub
from tests.played import BY_NAME, marks_of, played, summary_of, together
from tests.shared import shared_path

pytestmark = pytest.mark.recordings
HEAVY = ("beijing-12-sites", "gecco-water", "mukilteo-rain", "guadalupe-0707", "skab")
"""Those that take long, or tell what another of the same instruments tells; `python -m tests.bench.recordings` plays them all."""
LIGHT = [run.name for run in RUNS if run.name not in HEAVY]


def each(*names: str, long: Sequence[str] = (), slow: Sequence[str] = ()) -> pytest.MarkDecorator:
    """The test for each of these recordings; of `long` by `make long`, of those that tell little over them by `make slow`."""
    return pytest.mark.parametrize(
        "name",
        [
            *(pytest.param(name, marks=marks_of(name)) for name in names),
            *(pytest.param(name, marks=(together(name), pytest.mark.long)) for name in long),
            *(pytest.param(name, marks=(together(name), pytest.mark.slow)) for name in slow),
        ],
    )


@each(*LIGHT)
def test_every_row_is_accounted_for(name: str) -> None:
    run, tally = BY_NAME[name], played(name).tally
    assert tally.used
    assert tally.readings == tally.used + tally.duplicates + tally.quarantined
    assert bool(tally.quarantined) <= bool(tally.faults)
    if run.map and run.city != "epa-station-b":  # two devices in one row
        assert tally.rows.rows == tally.readings + tally.rows.empty + tally.rows.left_out


@each(
    "ais-bare", long=("england-hydro", "liverpool-bus"), slow=("ever-given", "ais-dma", "camp-fire", "guadalupe-0705")
)
def test_a_replay_stores_what_a_backtest_uses(name: str, tmp_path: Path) -> None:
    run, tally = BY_NAME[name], played(name).tally
    with city_of(run) as folder:
        stored = json.loads(
            cityhub("replay", str(folder), "--json", "--data", str(tmp_path / "play"), *run.arguments(folder))[0]
        )
    assert stored["balances"]
    assert (
        stored["stored"] + stored["replaced"] == tally.used
    )  # replaced: another reading with the same key came after it
    assert (stored["readings"], stored["duplicates"], stored["quarantined"]) == (
        tally.readings,
        tally.duplicates,
        tally.quarantined,
    )
    raised = {level: count for level, count in tally.levels.items() if count}
    assert sum(stored["alerts"].values()) == sum(raised.values())


@pytest.mark.parametrize(
    ("name", "rows", "devices", "duplicates"),
    [
        pytest.param("ever-given", None, None, 213, marks=together("ever-given")),
        pytest.param("england-hydro", None, None, 240, marks=together("england-hydro")),
        pytest.param("guadalupe-0705", 12_471, 22, None, marks=marks_of("guadalupe-0705")),
        pytest.param("camp-fire", None, 134, None, marks=marks_of("camp-fire")),
    ],
)
def test_what_the_index_says_of_the_recordings_is_what_is_read(
    name: str, rows: int | None, devices: int | None, duplicates: int | None
) -> None:
    tally = played(name).tally
    for said, read in ((rows, tally.rows.rows), (devices, tally.devices), (duplicates, tally.duplicates)):
        assert said in (None, read)


@each("guadalupe-0705", "camp-fire", "beijing-embassy")
def test_the_disaster_is_warned_of_at_orange_before_its_peak(name: str) -> None:
    summary = summary_of(name)
    assert summary.events
    assert summary.misses == 0
    assert all(event.lead_min is not None and event.lead_min > 0 for event in summary.per_event if event.covered)


@pytest.mark.long
@together("camp-fire")
def test_cameras_near_the_fire_are_named() -> None:
    shared_path("data/cameras_usa/cameras_usa_flat.csv.gz")
    changes = played("camp-fire").changes
    near = [view for change in changes if change["subject"].startswith("Chico") for view in change["cameras"]]
    assert near
    assert all(view["reason"] for view in near)
    assert any(view["camera"].startswith("butte-") for view in near)


def test_no_recording_lies_in_the_repository() -> None:
    files = [path for path in CITIES.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".toml", ".csv", ".md", ".yaml", ".geojson"}
    assert all(path.stat().st_size < 50_000 for path in files)
