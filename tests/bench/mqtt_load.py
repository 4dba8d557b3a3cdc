"""A QoS 1 publisher that outruns any hub: pre-encoded PUBLISH packets, pumped with a window of unacknowledged ones.

    python -m tests.bench.mqtt_load --port 1883 --seconds 10 [--rate 20000] [--window 1000] [--devices 1000] [--array 1]

A process of its own, so that it does not share the hub's interpreter. Each message is one reading of native JSON with
its own time, or an array of several. Prints one JSON line: messages sent, acknowledged, seconds, and messages a second.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time
from collections.abc import Sequence

from adapters.mqtt import codec

BATCH = 200  # packets in one write


def connect(host: str, port: int, client_id: str) -> socket.socket:
    link = socket.create_connection((host, port), timeout=20)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.sendall(codec.connect(client_id, codec.V311, keepalive_s=0, clean_start=True))
    decoder = codec.Decoder(codec.V311)
    packets: list[codec.Packet] = []
    while not packets:
        packets = decoder.feed(link.recv(1024))
    assert isinstance(packets[0], codec.Connack)
    assert packets[0].code == 0
    return link


def payloads(devices: int, first: int, count: int, base_ms: int) -> list[bytes]:
    """Readings `first` to `first + count` of `devices` gauges in turn, each device's 5 ms apart: of 1,000 devices none is dated ahead
    before 200,000 readings a second, and what is dated ahead takes a road of its own through a hub. Each level moves as water does, a centimetre from one reading
    to the next: a level that leapt would be doubted at every reading, and each doubt is stored and told as well."""
    return [
        b'{"device":"gauge-%d","time":%d,"values":{"water_level":%d.%02d}}'
        % (n % devices, base_ms + n // devices * 5, n % devices % 7, abs(n // devices % 60 - 30))
        for n in range(first, first + count)
    ]


def messages(devices: int, first: int, count: int, base_ms: int, array: int) -> list[bytes]:
    """Messages `first` to `first + count`, of `array` readings each."""
    readings = payloads(devices, first * array, count * array, base_ms)
    if array == 1:
        return readings
    return [b"[" + b",".join(readings[at : at + array]) + b"]" for at in range(0, len(readings), array)]


def pump(
    link: socket.socket, topic: str, seconds: float, rate: float, window: int, devices: int, array: int = 1
) -> tuple[int, int, float]:
    """(sent, acknowledged, seconds taken). At most `window` messages wait for their PUBACK."""
    sent = acknowledged = 0
    pending = b""
    link.settimeout(10)
    start = time.perf_counter()
    deadline = start + seconds
    topic_field = len(topic).to_bytes(2, "big") + topic.encode()
    base_ms = time.time_ns() // 1_000_000
    while (now := time.perf_counter()) < deadline or sent > acknowledged:
        room = window - (sent - acknowledged)
        due = int((now - start) * rate) - sent if rate else BATCH
        count = min(max(1, BATCH // array), room, due) if now < deadline else 0
        if count > 0:
            packets = []
            for n, payload in enumerate(messages(devices, sent, count, base_ms, array), sent):
                body = topic_field + (n % 65_535 + 1).to_bytes(2, "big") + payload
                packets.append(b"\x32" + codec.encode_varint(len(body)) + body)
            link.sendall(b"".join(packets))
            sent += count
        if count <= 0 and sent == acknowledged:
            time.sleep(0.0005)
            continue
        if sent - acknowledged >= window or now >= deadline:
            data = link.recv(65_536)
        else:
            link.setblocking(False)
            try:
                data = link.recv(65_536)
            except BlockingIOError:
                data = None
            link.settimeout(10)
            if data is None:
                if count <= 0:
                    time.sleep(0.0005)
                continue
        if not data:
            break
        pending += data
        acknowledged += len(pending) // 4  # a PUBACK of 3.1.1 has four bytes
        pending = pending[len(pending) // 4 * 4 :]
    return sent, acknowledged, time.perf_counter() - start


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="QoS 1 load for a broker")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--topic", default="city/load/readings")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=0.0, help="messages a second; 0: as many as the broker takes")
    parser.add_argument("--window", type=int, default=1000, help="messages that may wait for their PUBACK")
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--array", type=int, default=1, help="readings in a message")
    options = parser.parse_args(arguments)
    link = connect(options.host, options.port, "cityhub-load")
    sent, acknowledged, seconds = pump(
        link, options.topic, options.seconds, options.rate, options.window, options.devices, options.array
    )
    link.sendall(codec.disconnect(codec.V311))
    link.close()
    figures = {
        "sent": sent,
        "acknowledged": acknowledged,
        "seconds": round(seconds, 2),
        "per_s": round(acknowledged / seconds),
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
