"""Recordings beside the project, back-tested once a test process, however many tests look at what came of one.

A test of a recording is marked with `together(NAME)`, so that one worker has all of them and plays it once. What a test is given here is
what `cityhub backtest --events` says, by the same calls; the command itself is held to it in tests/hub/test_backtest.py.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from hub.app.city import City, load_city
from hub.app.plugins import Plugins
from hub.backtest.evaluation import Summary
from hub.backtest.events import read_events
from hub.backtest.judgement import judge, observed_for
from hub.backtest.recorded import Recording, open_recording
from hub.backtest.run import Backtest, Tally
from hub.model import AlertChange
from hub.moment import from_text
from hub.wire import change_line
from tests.bench.labels import labelled
from tests.bench.recordings import RUNS, Run, city_of
from tests.shared import shared_path

LABELS_INSIDE = frozenset({"gecco-water", "skab"})
JUDGED = frozenset(
    {"guadalupe-0705", "guadalupe-0707", "camp-fire", "ever-given", "beijing-embassy", "beijing-12-sites"}
    | LABELS_INSIDE
)
"""Those with events that warnings are judged by."""
LONG = frozenset({"camp-fire", "beijing-embassy", "austin-0906", "guadalupe-0705"})
"""Those that take over a quarter of a minute: `make long`. `make test` plays every sort of device, too."""
BY_NAME = {run.name: run for run in RUNS}


class Played(NamedTuple):
    """What came of a recording; `changes` as their lines say them, `summary` for those that are judged."""

    tally: Tally
    changes: Sequence[dict[str, Any]]
    summary: Summary | None


def together(name: str) -> pytest.MarkDecorator:
    return pytest.mark.xdist_group(f"recording {name}")


def marks_of(name: str) -> Sequence[pytest.MarkDecorator]:
    """What a test of this recording is marked with, for `pytest.param`; a test of one of `LONG` alone has both marks written over it."""
    return (together(name), pytest.mark.long) if name in LONG else (together(name),)


def present(run: Run) -> Path:
    """The folder of recordings, which holds this one; else the test is skipped, or fails in CI."""
    data = shared_path("data")
    if not list(data.glob(run.files)):
        shared_path(f"data/{run.files}")
    return data


def recording_of(run: Run, folder: Path) -> Recording:
    """The recording, to be read once; `folder` holds its map."""
    protocol = "ais" if "ais" in run.options else None
    received = from_text(run.options[-1]) if "--received" in run.options else None
    return open_recording(
        sorted(present(run).glob(run.files)), protocol, folder / run.map if run.map else None, received
    )


def city_in(folder: Path) -> City:
    city, mistakes = load_city(folder, Plugins())
    assert city is not None, mistakes
    return city


@cache
def played(name: str) -> Played:
    """The recording to its end by its own city's rules."""
    run = BY_NAME[name]
    data = present(run)
    with city_of(run) as folder:
        city = city_in(folder)
        observed = observed_for(city.book) if name in JUDGED else None

        def play(without: Collection[tuple[str, str, int]] = ()) -> tuple[Backtest, list[AlertChange]]:
            read = recording_of(run, folder)
            test = Backtest(city, read.messages, read.kind, read.rows, None if without else observed, without)
            return test, list(test.changes())

        test, changes = play()
        summary = None
        if observed is not None:
            text = labelled(run) if name in LABELS_INSIDE else (data / "events.csv").read_text("utf-8-sig")
            summary = judge(city, changes, read_events(text), observed, lambda without: play(without)[1])
    return Played(test.tally, [msgspec.json.decode(change_line(change)) for change in changes], summary)


def summary_of(name: str) -> Summary:
    summary = played(name).summary
    assert summary is not None
    return summary
