"""Law: over a recording, N partitions say what one engine says, byte for byte per subject. Quick recordings always, all others `slow`."""

from __future__ import annotations

import msgspec
import pytest

from hub.app.backtest import Backtest
from hub.app.city import load_city
from hub.app.plugins import Plugins
from hub.app.recorded import open_recording
from hub.moment import from_text
from tests.bench.recordings import RUNS, Run, city_of
from tests.laws.test_partitions import per_subject
from tests.shared import shared_path

QUICK = {"ais-norway", "ais-bare"}
RECORDINGS = [
    pytest.param(run, id=run.name, marks=() if run.name in QUICK else pytest.mark.slow)
    for run in RUNS
    if run.name != "beijing-12-sites"
]
pytestmark = [pytest.mark.recordings, pytest.mark.timeout(3600)]


def said(run: Run, partitions: int) -> dict[str, list[str]]:
    """Every change of a warning, by subject."""
    data = shared_path("data")
    with city_of(run) as folder:
        city, mistakes = load_city(folder, Plugins())
        assert city is not None, mistakes
        rules = msgspec.structs.replace(city.config.rules, partitions=partitions)
        city = msgspec.structs.replace(city, config=msgspec.structs.replace(city.config, rules=rules))
        protocol = "ais" if "ais" in run.options else None
        received = from_text(run.options[-1]) if "--received" in run.options else None
        layout = folder / run.map if run.map else None
        recording = open_recording(sorted(data.glob(run.files)), protocol, layout, received)
        return per_subject(Backtest(city, recording.messages, recording.kind, recording.rows).changes())


@pytest.mark.parametrize("run", RECORDINGS)
def test_partitions_say_of_a_recording_what_one_engine_says(run: Run) -> None:
    shared_path("data")
    expected = said(run, 1)
    for partitions in (2, 3, 5):
        assert said(run, partitions) == expected, partitions
