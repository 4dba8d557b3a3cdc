"""Who sees this point, among 100,000 cameras of a city of 50 by 50 km.

    python -m tests.bench.bench_cameras [--cameras 100000] [--questions 20000]

Nine in ten are fixed (random direction, 40° to 90°, 80 to 250 m), one in ten PTZ (300 m).
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from collections.abc import Callable, Sequence

from hub.cameras import Cameras
from hub.model import Camera, Position

WEST, SOUTH, EAST, NORTH = 121.2, 31.0, 121.72, 31.45


def city(count: int, chance: random.Random) -> list[Camera]:
    return [
        Camera(
            f"c{number}",
            Position(chance.uniform(WEST, EAST), chance.uniform(SOUTH, NORTH)),
            height_m=6.0,
            azimuth_deg=chance.uniform(0, 360),
            hfov_deg=chance.uniform(40, 90),
            range_m=chance.uniform(80, 250),
        )
        if number % 10
        else Camera(
            f"p{number}", Position(chance.uniform(WEST, EAST), chance.uniform(SOUTH, NORTH)), ptz=True, range_m=300.0
        )
        for number in range(count)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=20_000)
    options = parser.parse_args()
    chance = random.Random(1)
    registry = city(options.cameras, chance)
    begun = time.perf_counter()
    cameras = Cameras(registry)
    print(f"{len(cameras):,} cameras indexed in {time.perf_counter() - begun:.2f} s")
    gc.freeze()
    places = [(chance.uniform(WEST, EAST), chance.uniform(SOUTH, NORTH)) for _ in range(options.questions)]
    measure("who sees this point, ranked", cameras.sights, places)
    measure("the same with reasons and poses", cameras.seeing, places)
    measure("three best, else nearest (rank)", lambda lon, lat: cameras.rank(Position(lon, lat)), places)


def measure(what: str, ask: Callable[[float, float], Sequence[object]], places: list[tuple[float, float]]) -> None:
    took, seen = [], 0
    for lon, lat in places:
        at = time.perf_counter_ns()
        found = ask(lon, lat)
        took.append(time.perf_counter_ns() - at)
        seen += len(found)
    took.sort()
    p50, p99 = (took[int(len(took) * share)] / 1000 for share in (0.5, 0.99))
    print(f"{what}: p50 {p50:.1f} µs, p99 {p99:.1f} µs; {seen / len(took):.1f} cameras a point")


if __name__ == "__main__":
    main()
