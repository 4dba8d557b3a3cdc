"""Whatever stands in hub.toml and the tokens file: `cityhub check` says sentences, it never raises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.app.city import load_city
from hub.app.plugins import Plugins
from tests.acceptance.running import write_city

BASE = {
    "hub": {"name": "harbour", "timezone": "Asia/Shanghai", "data": "var"},
    "api": {
        "listen": "127.0.0.1:8080", "tokens_file": "tokens.toml", "hosts": ["x"], "origins": ["https://x"], "body_bytes_max": 100000,
        "unknown_devices": "admit",
    },
    "store": {"kind": "influxdb", "url": "http://127.0.0.1:8086", "version": 2, "keep_raw_days": 3, "timeout_s": 5.0, "token_file": "tokens.toml"},
    "rules": {"packs": ["flood"]},
    "ingest": {"future_max_s": 5.0, "device_secrets_file": "tokens.toml"},
    "log": {"events_gb": 1.0},
    "cameras": {"tasks": {"detect": 20.0}},
    "adapters": [
        {"name": "a", "protocol": "mqtt", "connect": "mqtt://127.0.0.1:1883", "topics": ["a/+/b"]},
        {"name": "b", "protocol": "jt808", "listen": "tcp://127.0.0.1:8808", "unknown_devices": "admit", "connections_max": 5},
        {"name": "c", "protocol": "ais", "listen": "udp://0.0.0.0:10110"},
        {"name": "d", "protocol": "modbus", "connect": "tcp://10.0.0.5:502", "map": "pumps.toml"},
        {"name": "e", "protocol": "coap", "listen": "coap://127.0.0.1:5683"},
        {"name": "f", "protocol": "osmand", "listen": "tcp://127.0.0.1:5055"},
        {"name": "g", "protocol": "hub", "listen": "tls://0.0.0.0:8443", "tls_cert_file": "tokens.toml", "peers_file": "tokens.toml"},
    ],
    "sinks": [
        {"name": "v", "protocol": "webhook", "url": "https://video.example/alerts", "levels": ["red"], "contact": 2},
        {"name": "w", "protocol": "cap", "sender": "a@b.example", "folder": "cap", "approvers": ["duty"]},
        {"name": "x", "protocol": "mqtt", "url": "mqtt://127.0.0.1:1883"},
        {"name": "y", "protocol": "email", "host": "mail.example", "sender": "a@b.example", "recipients": ["c@d.example"]},
        {"name": "z", "protocol": "onvif", "username": "hub", "cameras": {"bridge": {"url": "http://10.0.0.7/onvif/ptz_service"}}},
        {"name": "p", "protocol": "hub", "hub": "d", "url": "https://p.example", "readings": {"kinds": ["bus"], "every": "1 min"}},
    ],
}  # fmt: skip
ODD: list[Any] = [
    "", " ", "1[[27.0.0.1:1", "[", "]", "http://[", "tcp://[::1", "tcp://*:1", "*", "\u0000", "é\u202e", "x" * 5_000, "../../etc/passwd", "tcp://127.0.0.1:99999",
    "tcp://127.0.0.1:٣", "://", "a:b:c", "{}", "%", "$", "~", "\\", "/", ".", "-1", 0, -1, 1, 2**63 - 1, -(2**63), 0.0, -0.0, 1e308, float("inf"), float("nan"), True,
    False, [], [[]], ["a"], [1], [{}], {}, {"a": 1}, {"": ""}, {"a": {"b": []}},
]  # fmt: skip


def toml(value: Any) -> str:
    """A value as TOML, in one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if value == value and abs(value) != float("inf") else str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"


def places(table: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    if isinstance(table, dict):
        for key, value in table.items():
            found += places(value, (*at, key))
    elif isinstance(table, list):
        for number, value in enumerate(table):
            found += places(value, (*at, number))
    return found


def changed(at: tuple[Any, ...], value: Any) -> str:
    table = json.loads(json.dumps(BASE))
    here = table
    for step in at[:-1]:
        here = here[step]
    here[at[-1]] = value
    return "\n".join(f"{key} = {toml(item)}" for key, item in table.items()) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    city = write_city(tmp_path / "city")
    (city / "tokens.toml").write_text('[tokens.duty]\ntoken = "x"\nroles = ["operate"]\n')
    (city / "pumps.toml").write_text("")
    return city


def told(city: Path, text: str) -> list[str]:
    (city / "hub.toml").write_text(text, "utf-8")
    loaded, mistakes = load_city(city, Plugins())
    assert (loaded is None) == bool(mistakes)
    lines = [str(mistake) for mistake in mistakes]
    assert all("\n" not in line or mistake.message for line, mistake in zip(lines, mistakes, strict=True))
    return lines


def test_every_key_with_odd_values_is_a_sentence(folder: Path) -> None:
    raised: list[str] = []
    for number, at in enumerate(places(BASE)):
        for value in ODD[number % 6 :: 6]:  # each value in a sixth of all places
            try:
                told(folder, changed(at, value))
            except Exception as error:
                raised.append(f"{at} = {str(value)[:40]!r}: {type(error).__name__}: {str(error)[:100]}")
    assert raised == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_bytes_changed_is_a_sentence(folder: Path, data: st.DataObject) -> None:
    text = bytearray("\n".join(f"{key} = {toml(item)}" for key, item in BASE.items()).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text) - 1))
        match data.draw(st.sampled_from(["set", "cut", "insert"])):
            case "set":
                text[at] = data.draw(st.integers(0, 255))
            case "cut":
                del text[at : at + data.draw(st.integers(1, 30))]
            case _:
                text[at:at] = data.draw(st.binary(min_size=1, max_size=5))
    for name in ("hub.toml", "tokens.toml"):
        before = (folder / name).read_bytes() if (folder / name).exists() else b""
        (folder / name).write_bytes(bytes(text))
        load_city(folder, Plugins())
        (folder / name).write_bytes(before)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[hub]\nname = ["a"]\n', 'hub.toml:2: name = ["a"]: expected `str`, got `array`'.replace('"', "'")),
        ('[hub]\nname = "x"\n[api]\nlisten = "1[[27.0.0.1:1"\n', "hub.toml:4: '1[[27.0.0.1:1' is not an address and port"),
        ('[hub]\nname = "x"\n[[adapters]]\nname = ["a"]\nprotocol = "ais"\nlisten = "udp://0.0.0.0:1"\n', "hub.toml:4: name = ['a']: a short text was meant"),
        ('[hub]\nname = "x"\n[[sinks]]\nname = 5\nprotocol = "webhook"\nurl = "https://x.example"\n', "hub.toml:4: name = 5: a short text was meant"),
        ('[hub]\nname = "x"\n[[adapters]]\nprotocol = ["ais"]\n', "hub.toml:4: unknown protocol ['ais']"),
        ('[hub]\nname = "x"\n[[adapters]]\nprotocol = "ais"\nlisten = "tcp://[::1"\n', "hub.toml:"),
    ],
)  # fmt: skip
def test_the_mistakes_seen_in_the_field_have_their_lines(folder: Path, text: str, sentence: str) -> None:
    assert any(sentence in line for line in told(folder, text)), told(folder, text)
