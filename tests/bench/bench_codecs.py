"""Codecs: frames a second that one core decodes (`feed`), one frame a call and 30 a call, for every protocol.

python -m tests.bench.bench_codecs [protocol …]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from pyais.encode import encode_dict

from hub.ports import Codec
from tests.laws.seeds import SEEDS, make

ROUND_S = 0.25
ROUNDS = 4
NOON = 1_780_000_000_000_000_000

GOALS = {"jt808": 100_000, "gb32960": 100_000, "teltonika": 100_000, "gt06": 100_000, "ais": 60_000}
"""Of issue 3: short binary tracker frames, and single AIS sentences with their checksum checked."""
AT_ONCE = 30


def frames_of(protocol: str) -> Sequence[bytes]:
    """The frame that is measured, again and again; AIS tells a report heard twice only once, so many ships."""
    if protocol != "ais":
        return [SEEDS[protocol].reports[0]]
    ships = ({"msg_type": 18 if n % 10 == 0 else 1, "mmsi": 413_000_000 + n, "lon": 121 + n / 5000, "lat": 31,
              "speed": n % 200 / 10, "course": n % 360, "heading": n % 360, "second": n % 60} for n in range(5000))  # fmt: skip
    return [line.encode() + b"\r\n" for ship in ships for line in encode_dict(ship, talker_id="AI")]


def opened(protocol: str) -> Codec:
    codec = make(protocol)
    codec.feed(SEEDS[protocol].before, NOON)
    return codec


def per_second(protocol: str, frames: Sequence[bytes], at_once: int) -> float:
    """The best of some rounds, in processor time."""
    chunks = [b"".join(frames[i : i + at_once]) for i in range(0, len(frames), at_once)]
    if len(frames) == 1:
        chunks = [frames[0] * at_once]
    whole = SEEDS[protocol].junk is None  # one payload a call, ended each time
    best = 0.0
    for _ in range(ROUNDS):
        codec, fed = opened(protocol), 0
        began = time.process_time()
        while (spent := time.process_time() - began) < ROUND_S:
            for turn, chunk in enumerate(chunks * max(1, 200 // len(chunks))):
                codec.feed(chunk, NOON + (fed + turn) * 1_000_000_000)
                if whole:
                    codec.end(NOON)
            fed += turn + 1
        best = max(best, fed * at_once / spent)
    return best


def main() -> None:
    wanted = sys.argv[1:] or sorted(SEEDS)
    print(f"{'protocol':<14}{'bytes':>6}{'one by one':>14}{f'{AT_ONCE} a call':>14}{'goal':>12}   frames/s, one core")
    for protocol in wanted:
        frames = frames_of(protocol)
        one = per_second(protocol, frames, 1)
        many = f"{per_second(protocol, frames, AT_ONCE):,.0f}" if SEEDS[protocol].junk is not None else "-"
        goal = f"{GOALS[protocol]:,}" if protocol in GOALS else ""
        print(f"{protocol:<14}{len(frames[0]):>6}{one:>14,.0f}{many:>14}{goal:>12}", flush=True)


if __name__ == "__main__":
    main()
