"""A pack that a plain threshold dominates on a recording (later or missed, and no fewer raises that nothing bears out) is a
defect. Small recordings in `make test` and `make long`, long ones in `make slow`."""

from __future__ import annotations

import pytest

from hub.backtest.evaluation import dominated, unborne
from tests.played import marks_of, summary_of, together

pytestmark = [pytest.mark.recordings, pytest.mark.timeout(900)]
SMALL = ("guadalupe-0705", "camp-fire", "ever-given")
LONG = ("skab", "guadalupe-0707", "beijing-embassy", "gecco-water", "beijing-12-sites")


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=marks_of(name)) for name in SMALL),
        *(pytest.param(name, marks=(together(name), pytest.mark.slow)) for name in LONG),
    ],
)
def test_no_pack_is_dominated_by_a_plain_threshold(name: str) -> None:
    summary = summary_of(name)
    assert summary.events
    assert summary.baseline is not None
    assert dominated(summary) is None


@pytest.mark.long
@together("guadalupe-0705")
def test_rivers_are_told_before_a_plain_threshold() -> None:
    summary = summary_of("guadalupe-0705")
    assert summary.baseline is not None
    assert summary.pod == 1.0
    assert summary.false == 0
    assert (summary.median_lead_min or 0) >= 60 + (summary.baseline.median_lead_min or 0)
    assert (summary.outside.borne_out or 0) >= 0.8


@pytest.mark.long
@together("camp-fire")
def test_smoke_is_told_within_an_hour_of_a_plain_threshold_with_a_third_of_its_raises() -> None:
    summary = summary_of("camp-fire")
    plain = summary.baseline
    assert plain is not None
    ours, theirs = (one.outside.orange + one.outside.red for one in (summary, plain))
    assert ours * 2 <= theirs
    assert unborne(summary) * 5 <= unborne(plain)
    assert (summary.events[0].lead_s or 0) >= (plain.events[0].lead_s or 0) - 3600


@together("skab")
@pytest.mark.slow
def test_valve_faults_are_told_and_hardly_anything_else() -> None:
    """The figures were chosen on these runs: this keeps them, it proves nothing of other pumps."""
    summary = summary_of("skab")
    assert (summary.pod or 0) >= 0.6
    assert summary.outside.orange + summary.outside.red <= 1


@together("gecco-water")
@pytest.mark.slow
def test_drinking_water_events_are_told_at_half_a_false_one_a_week() -> None:
    summary = summary_of("gecco-water")
    assert (summary.pod or 0) >= 0.6
    weeks = summary.outside.site_months * 30 / 7
    assert (summary.outside.orange + summary.outside.red) / weeks <= 0.5
