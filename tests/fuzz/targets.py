"""What is fuzzed: each target takes bytes and may answer with a sentence, never with an exception.

A target is a context (a folder, a running hub) that gives a function of bytes, and seeds: inputs of which most of it is right.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote_from_bytes

import httpx
import msgspec

from hub.app.city import load_city
from hub.app.hub import Hub
from hub.app.plugins import Plugins
from hub.model import Reading, Verdict
from hub.registry import load_registry
from hub.wire import detail_to_json
from rules.book import RuleBook, read_book
from rules.engine import Engine
from tests.acceptance.running import CAMERAS, DEVICES, RULES, write_city
from tests.hub.test_config_mutated import BASE, toml
from tests.laws.seeds import make
from tests.laws.test_codec_fuzz import frames
from tests.laws.test_codecs import NOW, PROTOCOLS

ROOT = Path(__file__).resolve().parents[2]
Try = Callable[[bytes], None]
"""One input. Raises where it found something."""
SECOND = 10**9
RULE_SEEDS_MAX = 60


@dataclass(frozen=True)
class Target:
    name: str
    seeds: Sequence[bytes]
    open: Callable[[], AbstractContextManager[Try]]
    sealed: bool = False
    """Whether mutants are given a right NMEA checksum, most of the time."""


def _codec(protocol: str) -> Target:
    @contextmanager
    def opened() -> Iterator[Try]:
        codec, count = make(protocol), 0

        def attempt(data: bytes) -> None:
            nonlocal codec, count
            count += 1
            if count % 50 == 0:
                codec = make(protocol)
            for message in [*codec.feed(data, NOW if count % 2 else None), *(codec.end() if count % 3 else [])]:
                for verdict in Verdict:
                    assert isinstance(codec.reply(message, verdict, NOW), bytes | None)
                json.dumps(detail_to_json(message), allow_nan=False)
                msgspec.msgpack.encode(message.readings)
                msgspec.msgpack.encode(message.faults)

        yield attempt

    return Target(f"decoder {protocol}", frames(protocol), opened, protocol in ("ais", "nmea0183"))


@contextmanager
def _rules() -> Iterator[Try]:
    """Read; and where that gave rules, judge with them: a rule that is accepted may be ill, an engine may not fail."""

    def attempt(data: bytes) -> None:
        found = read_book([("city", "fuzz.yaml", data.decode("utf-8", "replace"))])
        if not isinstance(found, RuleBook):
            assert found, "neither rules nor mistakes"
            assert all(str(mistake) for mistake in found)
            return
        engine = Engine(found, (), ())
        for number, value in enumerate((0.0, 1e9, -1e9, 0.0)):
            at = NOW + number * 60 * SECOND
            values = {"water_level": value, "water_depth": value, "pm25": value, "speed": value}
            outcome = engine.feed([Reading("d", at, dict(values), received_at=at, kind="river-gauge")])
            assert not outcome.failed, outcome.failed
            engine.snapshot()

    yield attempt


def _rule_seeds() -> list[bytes]:
    """The rules of the shipped packs, one by one, and those of the tests' city."""
    found = [RULES.encode()]
    for path in sorted((ROOT / "rules").rglob("rules.yaml")):
        entries = re.split(r"(?m)^(?=- )", path.read_text("utf-8"))
        found += [entry.encode() for entry in entries if entry.startswith("- ")]
    return found[:: max(1, len(found) // RULE_SEEDS_MAX)]


def _city(name: str, seeds: Sequence[bytes]) -> Target:
    """One file of a city folder, the others being right."""

    @contextmanager
    def opened() -> Iterator[Try]:
        with TemporaryDirectory() as folder:
            city, plugins = write_city(Path(folder)), Plugins()
            for extra in ("tokens.toml", "pumps.toml"):
                (city / extra).write_text("")

            def attempt(data: bytes) -> None:
                (city / name).write_bytes(data)
                if name == "hub.toml":
                    loaded, mistakes = load_city(city, plugins)
                    assert (loaded is None) == bool(mistakes)
                else:
                    _, mistakes = load_registry(city)
                assert all(str(mistake) for mistake in mistakes)

            yield attempt

    return Target(f"file {name}", seeds, opened)


@contextmanager
def _api(method: str, path: str) -> Iterator[Try]:
    """A running hub in a thread of its own; no answer of it may be a defect (500)."""
    with TemporaryDirectory() as folder:
        city, mistakes = load_city(write_city(Path(folder), '[api]\nlisten = "127.0.0.1:0"\n'), Plugins())
        assert city is not None, mistakes
        loop, hub = asyncio.new_event_loop(), Hub(city)
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        asyncio.run_coroutine_threadsafe(hub.start(), loop).result(60)
        try:
            with httpx.Client(base_url=hub.address, timeout=60) as client:

                def attempt(data: bytes) -> None:
                    if method == "GET":
                        answer = client.get(f"{path}?{quote_from_bytes(data, '=&')}")
                    else:
                        answer = client.post(path, content=data, headers={"content-type": "application/json"})
                    assert answer.status_code in range(200, 500) or answer.status_code == 503, answer.text

                yield attempt
        finally:
            asyncio.run_coroutine_threadsafe(hub.stop(), loop).result(60)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


READINGS = (
    b'{"device":"gauge-7","time":"2026-11-22T08:00:00Z","values":{"water_level":3.41},"lon":121.4,"lat":31.2}',
    b'[{"device":"gauge-7","values":{"water_level":1,"state":"ok"}},{"device":"underpass-1","values":{"water_depth":0.5},"marks":{"water_depth":"fault"}}]',
    b'[{"bn":"gauge-7","bt":1795334400,"n":"water_level","u":"m","v":2.5},{"n":"battery","v":80}]',
)
QUERIES = (
    b"device=gauge-7&metric=water_level&from=2026-11-22T08:00:00Z&to=2026-11-23T08:00:00Z&limit=10",
    b"device=gauge-7&metric=water_level&every=60&from=2026-11-22&newest=true&format=csv",
)
ZONES = b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"zone":"z","kind":"harbour","name":"Z"},"geometry":{"type":"Polygon","coordinates":[[[121.4,31.2],[121.5,31.2],[121.5,31.3],[121.4,31.2]]]}}]}'

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        *(_codec(protocol) for protocol in PROTOCOLS),
        Target("rules", _rule_seeds(), _rules),
        _city("hub.toml", ["\n".join(f"{key} = {toml(item)}" for key, item in BASE.items()).encode()]),
        _city("devices.csv", [DEVICES.encode()]),
        _city("cameras.csv", [CAMERAS.encode()]),
        _city("zones.geojson", [ZONES]),
        Target("api readings", READINGS, lambda: _api("POST", "/api/v1/readings")),
        Target("api series", QUERIES, lambda: _api("GET", "/api/v1/series")),
    )
}
