"""How far what `expects` says can be trusted, over the river recordings: `python -m tests.bench.reliability`.

For each reading of a gauge at which the water is on the move (a change of 5 cm or more is expected within the horizon): how often the
water was below the 10th, 20th, 30th, 50th, 80th and 90th percentile of what was expected. And how a forecast "it is higher by 20 cm within the
horizon" fares as a probability: its Brier score beside that of always saying how often that happens (lower is better).
"""

from __future__ import annotations

from bisect import bisect_left
from statistics import NormalDist

from hub.backtest.recorded import open_recording
from rules.state.learning import Expectation
from tests.bench.recordings import CITIES, DATA, RUNS

MINUTE = 60_000_000_000
HORIZON = 60 * MINUTE
SHARES = (10, 20, 30, 50, 80, 90)
MOVES_M = 0.05
HIGHER_M = 0.2
NAMES = ("guadalupe-0705", "guadalupe-0707", "england-hydro")


def series_of(name: str) -> dict[str, list[tuple[int, float]]]:
    """By gauge: (time, level), in order, without what the recording marks."""
    run = next(run for run in RUNS if run.name == name)
    found: dict[str, dict[int, float]] = {}
    recording = open_recording(sorted(DATA.glob(run.files)), None, CITIES / run.city / (run.map or ""), None)
    for _, message in recording.messages:
        for reading in message.readings:
            level = reading.values.get("water_level")
            marked = (reading.marks or {}).get("water_level", "")
            if isinstance(level, float) and reading.observed_at is not None and marked in ("", "estimated"):
                found.setdefault(reading.device, {})[reading.observed_at] = level
    return {device: sorted(levels.items()) for device, levels in found.items()}


def main() -> None:
    print(
        "| recording | forecasts on the move | "
        + " | ".join(f"below the {share}th" for share in SHARES)
        + " | Brier score | of the base rate |"
    )
    print("|---|---|" + "---|" * len(SHARES) + "---|---|")
    for name in NAMES:
        below = dict.fromkeys(SHARES, 0)
        count = 0
        told: list[tuple[float, bool]] = []
        for rows in series_of(name).values():
            memory, times = Expectation(HORIZON, 50.0), [at for at, _ in rows]
            for at, level in rows:
                memory.push(at, level)
                later = bisect_left(times, at + HORIZON)
                if memory.value is None or later == len(rows) or times[later] - at > 1.5 * HORIZON:
                    continue
                came, change, spread = rows[later][1], memory.value - level, max(memory.spread, 1e-6)
                told.append((1 - NormalDist(memory.value, spread).cdf(level + HIGHER_M), came >= level + HIGHER_M))
                if abs(change) >= MOVES_M:
                    count += 1
                    for share in SHARES:
                        below[share] += came <= memory.value + NormalDist().inv_cdf(share / 100) * spread
        if not told:
            continue
        rate = sum(came for _, came in told) / len(told)
        brier = sum((said - came) ** 2 for said, came in told) / len(told)
        shown = " | ".join(f"{100 * below[share] / count:.0f} %" if count else "" for share in SHARES)
        print(f"| {name} | {count} | {shown} | {brier:.5f} | {rate * (1 - rate):.5f} |")


if __name__ == "__main__":
    main()
