"""The labels inside recordings as events: `python -m tests.bench.labels RECORDING >events.csv`.

A label says that something is wrong, not when it is worst: the peak is its end, so that a warning at any time of it is a hit.
"""

from __future__ import annotations

import sys

from hub.backtest.recorded import open_recording
from hub.moment import SECOND, to_text
from tests.bench.recordings import CITIES, DATA, RUNS, Run

APART = 120 * SECOND
"""Labels this near to one another are one event."""


def labelled(run: Run) -> str:
    """CSV of events from the flag `anomaly` of a recording."""
    files = sorted(DATA.glob(run.files))
    spans: list[list[int]] = []
    device = ""
    recording = open_recording(files, None, CITIES / run.city / run.map if run.map else None, None)
    for _, message in recording.messages:
        for reading in message.readings:
            if reading.values.get("anomaly") is not True or reading.observed_at is None:
                continue
            device = reading.device
            if spans and reading.observed_at - spans[-1][1] <= APART:
                spans[-1][1] = max(spans[-1][1], reading.observed_at)
            else:
                spans.append([reading.observed_at, reading.observed_at])
    rows = [
        f"{run.name}-{n},anomaly,{device},{to_text(since)},{to_text(until)},{to_text(until)}\n"
        for n, (since, until) in enumerate(spans, 1)
    ]
    return "event,kind,device,start,peak,end\n" + "".join(rows)


if __name__ == "__main__":
    print(labelled(next(run for run in RUNS if run.name == sys.argv[1])), end="")
