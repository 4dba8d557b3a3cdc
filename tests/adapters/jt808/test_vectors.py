"""JT/T 808: the vectors."""

from __future__ import annotations

import json
from typing import Any

from adapters.jt808 import Jt808CodecOptions, codec
from hub.metrics import vocabulary
from hub.moment import from_text
from tests.adapters.jt808.frames import (
    UNESCAPED_MARK_INSIDE,
    kinds,
    one,
)
from tests.adapters.messages import decoded
from tests.shared import shared_path


def vectors() -> list[tuple[int, dict[str, Any]]]:
    lines = shared_path("vectors/jt808.jsonl").read_text("utf-8").splitlines()
    return [(n, json.loads(line)) for n, line in enumerate(lines, 1)]


def differences(expected: dict[str, Any], got: dict[str, Any], path: str = "") -> list[str]:
    skip = {"note", "negative", "asserted_by_source", "terminal_id_note"}
    found = []
    for key, value in expected.items():
        if key in skip or (isinstance(value, str) and value.endswith("...")):
            continue
        if isinstance(value, dict) and key == "location":
            found += differences(value, got.get(key) or {}, f"{path}{key}.")
        elif key == "locations":
            assert len(got[key]) == len(value)
            for a, b in zip(value, got[key], strict=True):
                found += differences(a, b, f"{path}{key}.")
        elif got.get(key) != value:
            found.append(f"{path}{key}: {value!r} expected, {got.get(key)!r} decoded")
    return found


def test_every_vector_is_decoded_to_what_it_holds() -> None:
    wrong = {}
    checked = 0
    for n, vector in vectors():
        expected = vector["expected"]
        if n in UNESCAPED_MARK_INSIDE or "msg_id" not in expected or "negative" in expected:
            continue
        message = one(bytes.fromhex(vector["raw_hex"]))
        checked += 1
        if found := differences(expected, message.body.detail()):
            wrong[n] = found
    assert not wrong
    assert checked > 120


def test_locations_of_the_vectors_become_readings_in_vocabulary_units() -> None:
    checked = 0
    for n, vector in vectors():
        expected = vector["expected"]
        if n in UNESCAPED_MARK_INSIDE or "negative" in expected:
            continue
        places = [expected["location"]] if "location" in expected else expected.get("locations", [])
        if not places:
            continue
        readings = one(bytes.fromhex(vector["raw_hex"])).readings
        assert len(readings) == len(places)
        for place, reading in zip(places, readings, strict=True):
            assert reading.observed_at == from_text(place["time"]), n
            assert reading.values["speed"] == place["speed_kmh"]
            assert reading.values["ignition"] == place["acc"]
            if "mileage_km" in place:
                assert reading.values["odometer"] == place["mileage_km"]
            if "satellites" in place:
                assert reading.values["satellites"] == place["satellites"]
            real = place["fixed"] and (place["lat"] or place["lon"])
            assert (reading.position is not None) == bool(real and abs(place["lat"]) <= 90), n
            if reading.position:
                assert (reading.position.lon, reading.position.lat) == (place["lon"], place["lat"])
            checked += 1
    assert checked > 40


def test_vectors_with_a_wrong_checksum_are_refused_with_both_values() -> None:
    seen = 0
    for _, vector in vectors():
        if "negative" not in vector["expected"]:
            continue
        messages = decoded(codec(Jt808CodecOptions()), [bytes.fromhex(vector["raw_hex"])])
        assert not [reading for message in messages for reading in message.readings]
        assert set(kinds(messages)) == {"checksum"}
        seen += 1
    assert seen == 6


def test_metrics_are_in_the_vocabulary() -> None:
    names = {
        name
        for _, vector in vectors()
        for message in decoded(codec(Jt808CodecOptions()), [bytes.fromhex(vector["raw_hex"])])
        for reading in message.readings
        for name in reading.values
    }
    assert names <= set(vocabulary())
    assert {"speed", "course", "odometer", "alarms", "ignition", "fuel_volume", "recorder_speed", "rssi"} <= names
