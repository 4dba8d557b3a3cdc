"""What writing the rules' snapshot costs while readings are judged: the longest time that it holds the judging up, and the memory that it takes on
top of the state.

    python -m tests.bench.bench_snapshot [DEVICES]

The engine alone, in one process: pack `air-cn`, six readings of seven values from each device. Then the snapshot is taken in slices of 10 ms, as the hub takes
it, and written to a file; between the slices readings are judged for as long as a slice lasts, so that devices report that are not written down yet.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from hub.model import Device, Event, Position, Reading
from rules.book import RuleBook, load
from rules.engine import Engine

DEVICES = 50_000
ROUNDS = 6
SLICE_S = 0.01
MOST = 0.05
"""Memory that a snapshot may take, as a part of the state."""
VALUES = {"pm25": 30.0, "pm10": 50.0, "no2": 40.0, "so2": 8.0, "o3": 90.0, "co": 0.6, "air_temperature": 21.5}
START = 1_780_000_000_000_000_000
SECOND = 1_000_000_000


def memory(what: str) -> float:
    """MB that are resident now (VmRSS), or were at most since `forget_peak` (VmHWM)."""
    return int(Path("/proc/self/status").read_text().split(what + ":")[1].split()[0]) / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def reading(number: int, turn: int) -> Event:
    at = START + turn * 60 * SECOND
    values = {name: value + (number + turn) % 9 / 10 for name, value in VALUES.items()}
    return Reading(f"air-{number}", at, values, received_at=at)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else DEVICES
    found = load([], ["air-cn"])
    assert isinstance(found, RuleBook), found
    bare = memory("VmRSS")
    devices = [Device(f"air-{n}", kind="air-station", position=Position(121 + n / 1e5, 31.2)) for n in range(count)]
    engine = Engine(found, devices)
    for turn in range(ROUNDS):
        for first in range(0, count, 500):
            engine.feed([reading(number, turn) for number in range(first, min(first + 500, count))])
    state = memory("VmRSS") - bare
    forget_peak()
    began = time.process_time()
    pieces = engine.frozen()
    stalls = [time.process_time() - began]
    judged = size = 0
    with tempfile.TemporaryFile() as file:
        ended = False
        while not ended:
            began = time.process_time()
            while time.process_time() - began < SLICE_S and not (ended := (piece := next(pieces, None)) is None):
                size += file.write(piece or b"")
            stalls.append(time.process_time() - began)
            began = time.process_time()
            while not ended and time.process_time() - began < SLICE_S:
                number = count - 1 - judged % count  # from the end, where nothing is written down yet
                engine.feed([reading(number, ROUNDS + judged // count)])
                judged += 1
    peak = memory("VmHWM") - bare
    print(
        f"{count:,} devices: state {state:.0f} MB, snapshot {size / 1e6:.0f} MB, {judged:,} readings judged meanwhile"
    )
    print(
        f"beginning it {stalls[0] * 1e3:.1f} ms, longest slice {max(stalls[1:]) * 1e3:.1f} ms, {sum(stalls):.1f} s in all"
    )
    over = peak / state - 1
    print(f"peak {peak:.0f} MB, {over:.1%} above the state; wanted {MOST:.0%}: {'met' if over <= MOST else 'NOT met'}")


if __name__ == "__main__":
    main()
