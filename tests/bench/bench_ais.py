"""AIS: single-sentence reports one core decodes a second, checksum checked and copies of other receivers looked for.

python -m tests.bench.bench_ais
"""

from __future__ import annotations

import time

from pyais.encode import encode_dict

from adapters.ais.codec import AisCodec

SHIPS = 20_000
CHUNK_BYTES = 65_536
NOON = 1_780_000_000_000_000_000


def stream() -> bytes:
    """One report of each ship: nine in ten of class A, one of class B."""
    lines = []
    for ship in range(SHIPS):
        fields = {
            "msg_type": 18 if ship % 10 == 0 else 1,
            "mmsi": 413_000_000 + ship,
            "lon": 121 + ship / SHIPS,
            "lat": 31 + ship / SHIPS,
            "speed": ship % 200 / 10,
            "course": ship % 360,
            "heading": ship % 360,
            "second": ship % 60,
        }
        lines += encode_dict(fields, talker_id="AI")
    return "\r\n".join(lines).encode() + b"\r\n"


def measure(data: bytes) -> float:
    codec = AisCodec()
    messages = 0
    began = time.process_time()
    for start in range(0, len(data), CHUNK_BYTES):
        messages += len(codec.feed(data[start : start + CHUNK_BYTES], NOON))
    spent = time.process_time() - began
    assert messages == SHIPS, messages
    return messages / spent


def main() -> None:
    data = stream()
    best = max(measure(data) for _ in range(5))
    print(f"AIS, single sentences: {best:,.0f} reports/s on one core (goal 60,000)")


if __name__ == "__main__":
    main()
