"""Law: over a recording, N partitions say what one engine says, byte for byte per subject. Quick recordings always, all others `slow`."""

from __future__ import annotations

import msgspec
import pytest

from hub.backtest.run import Backtest
from tests.bench.recordings import RUNS, Run, city_of
from tests.laws.test_partitions import per_subject
from tests.played import city_in, recording_of

QUICK = {"ais-norway", "ais-bare"}
RECORDINGS = [
    pytest.param(run, id=run.name, marks=() if run.name in QUICK else pytest.mark.slow)
    for run in RUNS
    if run.name != "beijing-12-sites"
]
pytestmark = [pytest.mark.recordings, pytest.mark.timeout(3600)]


def said(run: Run, partitions: int) -> dict[str, list[str]]:
    """Every change of a warning, by subject."""
    with city_of(run) as folder:
        city = city_in(folder)
        rules = msgspec.structs.replace(city.config.rules, partitions=partitions)
        city = msgspec.structs.replace(city, config=msgspec.structs.replace(city.config, rules=rules))
        recording = recording_of(run, folder)
        return per_subject(Backtest(city, recording.messages, recording.kind, recording.rows).changes())


@pytest.mark.parametrize("run", RECORDINGS)
def test_partitions_say_of_a_recording_what_one_engine_says(run: Run) -> None:
    expected = said(run, 1)
    for partitions in (2, 3, 5):
        assert said(run, partitions) == expected, partitions
