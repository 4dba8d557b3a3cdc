"""A pack that a plain threshold dominates on a recording (later or missed, and no fewer raises that nothing bears out) is a
defect. Small recordings in `make test`, long ones in `make soak`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import msgspec
import pytest

from hub.app.evaluation import Summary, dominated, unborne
from tests.bench.labels import labelled
from tests.bench.recordings import RUNS, city_of, cityhub
from tests.shared import shared_path

pytestmark = [pytest.mark.recordings, pytest.mark.timeout(900)]
BY_NAME = {run.name: run for run in RUNS}
LABELS_INSIDE = frozenset({"gecco-water", "skab"})
SMALL = ("guadalupe-0705", "camp-fire", "ever-given", "skab")
LONG = ("guadalupe-0707", "beijing-embassy", "gecco-water", "beijing-12-sites")


@cache
def judged(name: str, folder: Path) -> Summary:
    run = BY_NAME[name]
    data = shared_path("data")
    if not list(data.glob(run.files)):
        shared_path(f"data/{run.files}")
    events = data / "events.csv"
    if name in LABELS_INSIDE:
        events = folder / f"{name}.csv"
        events.write_text(labelled(run))
    with city_of(run) as city:
        out, _, _ = cityhub(
            "backtest", str(city), "--json", "--quiet", "--events", str(events), "--readings", *run.arguments(city)
        )
    return msgspec.convert(json.loads(out.splitlines()[-1])["summary"], Summary)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("events")


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LONG)])
def test_no_pack_is_dominated_by_a_plain_threshold(name: str, folder: Path) -> None:
    summary = judged(name, folder)
    assert summary.events
    assert summary.baseline is not None
    assert dominated(summary) is None


def test_rivers_are_told_before_a_plain_threshold(folder: Path) -> None:
    summary = judged("guadalupe-0705", folder)
    assert summary.baseline is not None
    assert summary.pod == 1.0
    assert summary.false == 0
    assert (summary.median_lead_min or 0) >= 60 + (summary.baseline.median_lead_min or 0)
    assert (summary.outside.borne_out or 0) >= 0.8


def test_smoke_is_told_within_an_hour_of_a_plain_threshold_with_a_third_of_its_raises(folder: Path) -> None:
    summary = judged("camp-fire", folder)
    plain = summary.baseline
    assert plain is not None
    ours, theirs = (one.outside.orange + one.outside.red for one in (summary, plain))
    assert ours * 2 <= theirs
    assert unborne(summary) * 5 <= unborne(plain)
    assert (summary.events[0].lead_s or 0) >= (plain.events[0].lead_s or 0) - 3600


def test_valve_faults_are_told_and_hardly_anything_else(folder: Path) -> None:
    """The figures were chosen on these runs: this keeps them, it proves nothing of other pumps."""
    summary = judged("skab", folder)
    assert (summary.pod or 0) >= 0.6
    assert summary.outside.orange + summary.outside.red <= 1


@pytest.mark.slow
def test_drinking_water_events_are_told_at_half_a_false_one_a_week(folder: Path) -> None:
    summary = judged("gecco-water", folder)
    assert (summary.pod or 0) >= 0.6
    weeks = summary.outside.site_months * 30 / 7
    assert (summary.outside.orange + summary.outside.red) / weeks <= 0.5
