"""Tracker codecs: frames a second that one core decodes (`feed`), one short location frame a call and 30 a call.

python -m tests.bench.bench_trackers
"""

from __future__ import annotations

import time
from collections.abc import Callable

from adapters import jt808, teltonika
from hub.ports import Codec

FRAMES = 60_000
ROUNDS = 3

SHORT = {
    "jt808, one item": "7e020000220014012499170007000000000000400e012af16f02cbd2ba000000000000150101194257010400000077a97e",
    "jt808, six items": "7e02000036019111110000007b000000000001004202b71a72008dbba0000000000000250702080829"
    "01040000000030011731010e57080000000000000000820200829e7e",
    "teltonika, 8, five elements": "000000000000003608010000016b40d8ea30010000000000000000000000000000000105021503010101425e"
    "0f01f10000601a014e0000000000000000010000c7cf",
    "teltonika, 8, 15 elements": "000000000000004a08010000015ebc1da508002411926621f15246010b00b913005e000f06ef01f00150011505"
    "c800450108b5000bb6000642381b18005ecd0318ce19cd430f5844000001f1000061a900010000c8e1",
}


def per_second(make: Callable[[], Codec], frame: bytes, at_once: int) -> float:
    """The best of some rounds, in processor time."""
    chunk = frame * at_once
    best = float("inf")
    for _ in range(ROUNDS):
        codec = make()
        begun = time.process_time()
        for _ in range(FRAMES // at_once):
            codec.feed(chunk, 1)
        best = min(best, time.process_time() - begun)
    return FRAMES / best


def main() -> None:
    makers: dict[str, Callable[[], Codec]] = {
        "jt808": lambda: jt808.codec({}),
        "teltonika": lambda: teltonika.codec({}),
    }
    for name, text in SHORT.items():
        make, frame = makers[name.split(",")[0]], bytes.fromhex(text)
        assert sum(len(message.readings) for message in make().feed(frame, 1)) == 1
        one, many = per_second(make, frame, 1), per_second(make, frame, 30)
        print(f"{name:<30}{len(frame):>5} bytes {one:>10,.0f} frames/s one by one {many:>10,.0f} frames/s 30 a call")


if __name__ == "__main__":
    main()
