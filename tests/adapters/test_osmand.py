"""OsmAnd and Traccar Client: requests, their meaning, answers, and the laws of codecs."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http_requests import HEAD_BYTES_MAX
from adapters.osmand import PLUGIN, OsmandOptions
from adapters.osmand.codec import LOCATIONS_MAX, OsmandCodec, OsmandCodecOptions
from hub.metrics import vocabulary
from hub.model import FaultKind, Message, Verdict
from hub.moment import from_text, to_text
from tests.adapters import messages as read
from tests.adapters.intake import FakeIntake
from tests.shared import shared_path

NOW = from_text("2026-11-22T08:00:00Z")
QUERY = "id=7&timestamp=1377177267&lat=60.0&lon=30.0&speed=10&bearing=90&batt=87"
LOCATION = {
    "timestamp": "2021-07-21T08:06:34.444Z",
    "coords": {"latitude": -6.1, "longitude": 106.6, "accuracy": 3.8, "speed": 10, "heading": 63, "altitude": 35.7},
    "battery": {"level": 0.79, "is_charging": True},
    "is_moving": True,
    "odometer": 1500,
}


def get(query: str = QUERY, headers: str = "") -> bytes:
    return f"GET /?{query} HTTP/1.1\r\nHost: hub\r\n{headers}\r\n".encode()


def post(body: bytes | str, kind: str = "application/x-www-form-urlencoded", path: str = "/") -> bytes:
    data = body.encode() if isinstance(body, str) else body
    return f"POST {path} HTTP/1.1\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def document(**location: Any) -> str:
    return json.dumps({"location": LOCATION | location, "device_id": "8737"})


def decode(data: bytes, **options: Any) -> list[Message]:
    return read.decoded(OsmandCodec(OsmandCodecOptions(**options)), [data])


def one(data: bytes, **options: Any) -> Message:
    (message,) = decode(data, **options)
    return message


def answer(message: Message, verdict: Verdict = Verdict.STORED) -> str:
    reply = OsmandCodec(OsmandCodecOptions()).reply(message, verdict, NOW)
    assert reply is not None
    return reply.decode()


def test_vectors_hold_what_they_say() -> None:
    for line in shared_path("vectors/osmand.jsonl").read_text("utf-8").splitlines():
        vector = json.loads(line)
        expected = vector["expected"]
        message = one(vector["raw_text"].encode())
        if expected["device_id"] is None:
            assert message.device is None
            assert message.faults
            assert answer(message).startswith("HTTP/1.1 400 ")
            continue
        assert message.device == f"osmand:{expected['device_id']}"
        assert not message.faults
        assert answer(message).startswith("HTTP/1.1 200 OK\r\n")
        if "params" in expected:
            assert read.detail(message)["params"] == expected["params"]
        if "lat" not in expected:
            assert not message.readings
            continue
        (reading,) = message.readings
        assert reading.position is not None
        assert (reading.position.lat, reading.position.lon) == (expected["lat"], expected["lon"])
        wanted = from_text(expected["time"]) if "time" in expected else None
        assert reading.observed_at == wanted
        assert set(reading.values) <= set(vocabulary())
        for key, metric, factor in (
            ("speed_kmh", "speed", 1),
            ("speed_mps", "speed", 3.6),
            ("battery_pct", "battery", 1),
            ("heading", "course", 1),
        ):
            if key in expected:
                value = expected[key]
                assert reading.values.get(metric) == (None if value is None else pytest.approx(value * factor))


def test_query_and_form_say_the_same() -> None:
    for data in (get(), post(QUERY), post("", path="/?" + QUERY), f"GET /?{QUERY} HTTP/1.1".encode()):
        message = one(data)
        (reading,) = message.readings
        assert reading.device == "osmand:7"
        assert reading.observed_at is not None
        assert to_text(reading.observed_at) == "2013-08-22T13:14:27Z"
        assert reading.values == {"speed": 18.52, "course": 90.0, "battery": 87.0}
        assert reading.position is not None
        assert (reading.position.lon, reading.position.lat) == (30.0, 60.0)


def test_json_is_metric_and_minus_one_is_unknown() -> None:
    (reading,) = one(post(document(), "application/json; charset=utf-8")).readings
    assert reading.values == {
        "speed": 36.0,
        "course": 63,
        "accuracy": 3.8,
        "battery": 79.0,
        "odometer": 1.5,
        "charging": True,
        "moving": True,
    }
    unknown = {"latitude": 1, "longitude": 2, "speed": -1, "heading": -1, "accuracy": -1}
    (reading,) = one(post(document(coords=unknown, battery={"level": -1}, odometer=-1), "application/json")).readings
    assert reading.values == {"moving": True}
    several = json.dumps({"location": [LOCATION, LOCATION], "device_id": 8737})
    assert len(one(post(several, "application/json")).readings) == 2


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        ("1377177267", "2013-08-22T13:14:27Z"),
        ("1442068686579", "2015-09-12T14:38:06.579Z"),
        ("2016-01-27T18:55:47Z", "2016-01-27T18:55:47Z"),
        ("2016-01-27T18:55:47+01:00", "2016-01-27T17:55:47Z"),  # a plus that nobody escaped
        ("2016-01-27T18%3A55%3A47%2B0100", "2016-01-27T17:55:47Z"),
        ("2016-01-27 18:55:47", "2016-01-27T18:55:47Z"),
        ("2016-01-27%2018:55:47", "2016-01-27T18:55:47Z"),
    ],
)
def test_times(stamp: str, time: str) -> None:
    at = one(get(f"id=7&lat=1&lon=2&timestamp={stamp}")).readings[0].observed_at
    assert at is not None
    assert to_text(at) == time


@pytest.mark.parametrize(
    "stamp",
    ["9223372036855", "-9223372036855", "99999999999999", "9223372037", "-9223372037", "41377177268", "99999999999"],
)
def test_times_beyond_the_year_2262_are_a_fault(stamp: str) -> None:
    """64 bits of nanoseconds end on 2262-04-11T23:47:16.854Z; the request behind it is read as ever."""
    beyond, good = decode(get(f"id=7&lat=1&lon=2&timestamp={stamp}") + get())
    assert [fault.kind for fault in beyond.faults] == [FaultKind.TIME]
    assert stamp in beyond.faults[0].detail
    assert beyond.readings == []
    assert answer(beyond).startswith("HTTP/1.1 400 ")
    assert len(good.readings) == 1
    in_json = one(post(document(timestamp=int(stamp)), "application/json"))
    assert [fault.kind for fault in in_json.faults] == [FaultKind.TIME]
    (last,) = one(get("id=7&lat=1&lon=2&timestamp=9223372036854")).readings
    assert last.observed_at == 9_223_372_036_854_000_000


def test_places() -> None:
    (reading,) = one(get("deviceid=7&location=42.5,-1.25&altitude=9")).readings
    assert reading.position is not None
    assert (reading.position.lat, reading.position.lon, reading.position.alt) == (42.5, -1.25, 9.0)
    assert reading.observed_at is None
    assert one(get("id=7&lat=1&lon=2&valid=false&batt=5")).readings[0].position is None
    beyond = one(get("id=7&lat=91&lon=2&batt=5"))
    assert [fault.kind for fault in beyond.faults] == [FaultKind.POSITION]
    assert beyond.readings[0].values == {"battery": 5.0}


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (get("lat=1&lon=2"), FaultKind.SYNTAX, 400),
        (get("id=7&lat=1&lon=2&timestamp=yesterday"), FaultKind.TIME, 400),
        (get("id=" + "7" * 65), FaultKind.SYNTAX, 400),
        (get("id=7&" + "a=1&" * 300), FaultKind.SYNTAX, 400),
        (post("{not json", "application/json"), FaultKind.SYNTAX, 400),
        (post("[1]", "application/json"), FaultKind.SYNTAX, 400),
        (post('{"device_id":"7","location":5}', "application/json"), FaultKind.SYNTAX, 400),
        (post("[" * 60000, "application/json"), FaultKind.SYNTAX, 400),
        (
            post(json.dumps({"device_id": "7", "location": [{}] * (LOCATIONS_MAX + 1)}), "text/json"),
            FaultKind.OVERSIZE,
            400,
        ),
        (b"DELETE /?id=7 HTTP/1.1\r\n\r\n", FaultKind.UNSUPPORTED, 405),
        (b"GET /?id=7 SPDY\r\n\r\n", FaultKind.SYNTAX, 400),
        (b"GET /?id=7 HTTP/1.1\r\nno colon\r\n\r\n", FaultKind.SYNTAX, 400),
        (b"GET /?id=7", FaultKind.TRUNCATED, 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nid=7", FaultKind.TRUNCATED, 400),
        (b"POST / HTTP/1.1\r\nContent-Length: nine\r\n\r\n", FaultKind.SYNTAX, 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nid=", FaultKind.TRUNCATED, 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n", FaultKind.SYNTAX, 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", FaultKind.SYNTAX, 400),
        (b"GET /?" + b"a" * HEAD_BYTES_MAX, FaultKind.OVERSIZE, 431),
        (b"POST / HTTP/1.1\r\nContent-Length: 70000\r\n\r\n" + b"a" * 70000, FaultKind.OVERSIZE, 413),
    ],
)
def test_what_is_refused(data: bytes, kind: FaultKind, status: int) -> None:
    message = decode(data)[0]
    assert [fault.kind for fault in message.faults] == [kind]
    assert not message.readings
    assert answer(message).startswith(f"HTTP/1.1 {status} ")
    json.dumps(read.detail(message))


@pytest.mark.parametrize(
    "ends",
    [
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 60\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
    ],
)
def test_behind_a_body_that_ends_twice_nothing_more_is_read(ends: bytes) -> None:
    """Somebody in front may have read the other end, and sent what follows for somebody else (RFC 9112, 6.1)."""
    data = b"POST / HTTP/1.1\r\n" + ends + b"\r\n0\r\n\r\n" + get()
    for step in (1, 7, len(data)):
        codec = OsmandCodec(OsmandCodecOptions())
        found = [message for at in range(0, len(data), step) for message in codec.feed(data[at : at + step], NOW)]
        assert [fault.kind for message in found for fault in message.faults] == [FaultKind.SYNTAX]
        assert not any(message.readings for message in found)
        assert "Connection: close" in answer(found[0])


def test_answers_follow_the_verdict() -> None:
    message = one(get())
    assert answer(message) == "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert answer(message, Verdict.REFUSED).startswith("HTTP/1.1 400 Bad Request\r\n")
    assert answer(message, Verdict.BUSY).startswith("HTTP/1.1 503 Service Unavailable\r\n")
    assert "Connection: close" in answer(one(get(headers="Connection: close\r\n")))
    assert "Connection: close" in answer(one(get().replace(b"HTTP/1.1", b"HTTP/1.0")))
    assert OsmandCodec(OsmandCodecOptions()).reply(one(b"\x16\x03\x01hello"), Verdict.REFUSED, NOW) is None


def test_requests_follow_each_other_on_one_connection() -> None:
    chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nid=7\r\nA\r\n&lat=1&lon\r\n2\r\n=2\r\n0\r\nTrailer: x\r\n\r\n"
    big = b"POST / HTTP/1.1\r\nContent-Length: 70000\r\n\r\n" + b"GET /?id=8 HTTP/1.1\r\n\r\n" * 3500
    found = decode(
        get() + b"\r\n" + chunked + post(document(), "application/json") + big[: 41 + 70002 - 2] + b"\0junk" + get()
    )
    assert [len(message.readings) for message in found if not message.faults] == [1, 1, 1, 1]
    assert {fault.kind for message in found for fault in message.faults} <= {FaultKind.OVERSIZE, FaultKind.FRAME}


def test_a_body_without_a_length_ends_with_the_stream() -> None:
    data = b"POST / HTTP/1.1\r\nContent-Type: application/json\r\n\r\n" + document().encode()
    codec = OsmandCodec(OsmandCodecOptions())
    assert codec.feed(data) == []
    assert len(codec.end()[0].readings) == 1


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "location",
                        "device_id",
                        "coords",
                        "latitude",
                        "longitude",
                        "speed",
                        "timestamp",
                        "battery",
                        "level",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_survived(value: Any) -> None:
    for body in (
        value,
        {"device_id": "7", "location": value},
        {"device_id": "7", "location": {"coords": value, "timestamp": value}},
    ):
        for message in decode(post(json.dumps(body), "application/json")):
            json.dumps(read.detail(message))
            answer(message)


@given(
    st.dictionaries(
        st.sampled_from(["id", "lat", "lon", "timestamp", "speed", "location", "batt", "valid"]), st.text(max_size=12)
    )
)
def test_any_parameters_are_survived(parameters: dict[str, str]) -> None:
    from urllib.parse import urlencode

    for message in decode(get(urlencode(parameters))):
        json.dumps(read.detail(message))
        answer(message)


async def test_a_real_client_over_a_real_socket() -> None:
    intake = FakeIntake()
    adapter = PLUGIN.source("phones", OsmandOptions(listen="tcp://127.0.0.1:0"))
    running = asyncio.create_task(adapter.run(intake))
    await intake.until(lambda: bool(adapter.bound))

    async def chunks() -> AsyncIterator[bytes]:
        yield b"id=7&lat=1"
        yield b"&lon=2"

    try:
        async with httpx.AsyncClient(base_url=adapter.bound.replace("tcp:", "http:"), trust_env=False) as phone:
            statuses = [
                (await phone.get("/", params={"id": "7", "lat": "1", "lon": "2"})).status_code,
                (await phone.post("/", json={"location": LOCATION, "device_id": "8"})).status_code,
                (await phone.post("/", data={"id": "9", "lat": "1", "lon": "2"})).status_code,
                (await phone.post("/", content=chunks())).status_code,
                (await phone.get("/", params={"lat": "1"})).status_code,
            ]
            intake.verdict = Verdict.BUSY
            statuses.append((await phone.get("/", params={"id": "7", "lat": "1", "lon": "2"})).status_code)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert statuses == [200, 200, 200, 200, 400, 503]
    assert len(intake.readings) == 5


def test_the_plugin_says_what_it_is() -> None:
    assert (PLUGIN.protocol, PLUGIN.binary, PLUGIN.kind) == ("osmand", False, "phone")


@pytest.mark.parametrize("chunk", [1, 64, 100_000])
@pytest.mark.parametrize("following", [get("id=3&lat=60.0&lon=30.0"), post(document(), "application/json")])
@pytest.mark.parametrize("lie", [-30, -1, 1, 3, 5, 6, 20, 60, 700])
def test_a_length_that_lies_costs_its_own_request_only(lie: int, following: bytes, chunk: int) -> None:
    good = post(document(), "application/json")
    size = len(document())
    lying = good.replace(f"Length: {size}\r".encode(), f"Length: {size + lie}\r".encode())
    stream = good + lying + following + good
    found = read.decoded(
        OsmandCodec(OsmandCodecOptions()), [stream[at : at + chunk] for at in range(0, len(stream), chunk)]
    )
    assert [message.device for message in found if message.readings] == [
        "osmand:8737",
        "osmand:3" if following.startswith(b"GET") else "osmand:8737",
        "osmand:8737",
    ]
    assert [fault.kind for message in found for fault in message.faults]


def test_a_body_whose_length_is_right_may_hold_what_looks_like_a_request() -> None:
    """Who shares a connection, as behind a proxy, is never taken at another's word."""
    inner = document(note="x") + "\r\n" + get("id=9").decode()
    found = decode(post(inner, "application/json") + get())
    assert [message.device for message in found if message.readings] == ["osmand:7"]
    assert len(found) == 2


@pytest.mark.parametrize(
    "headers", ["Content-Encoding: gzip\r\n", "Content-Encoding: identity\r\nContent-Encoding: gzip, br\r\n"]
)
def test_a_packed_body_hears_that_it_is_packed(headers: str) -> None:
    body = gzip.compress(b'{"device_id":"7","location":{"battery":{"level":0.5}}}')
    head = f"POST / HTTP/1.1\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode()
    codec = OsmandCodec(OsmandCodecOptions())
    packed, plain = codec.feed(head + body + b"GET /?id=7&batt=50 HTTP/1.1\r\n\r\n")
    assert [fault.kind for fault in packed.faults] == [FaultKind.UNSUPPORTED]
    answer = (codec.reply(packed, Verdict.REFUSED, 0) or b"").decode()
    assert answer.startswith("HTTP/1.1 415 ")
    assert "is not unpacked here; send the body as it is" in answer
    assert len(plain.readings) == 1, "where it ends is known, so the next request counts"


def test_bytes_that_are_no_text_are_named_without_codecs() -> None:
    for body, said in (
        (b"\x1f\x8b\x08\0", "it is packed by gzip"),
        (b'{"a":"\xb0"}', "it is no UTF-8 text (byte 0xB0 at 6)"),
    ):
        head = b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        (message,) = OsmandCodec(OsmandCodecOptions()).feed(head + body)
        assert message.faults[0].detail == f"the body is not JSON: {said}"
