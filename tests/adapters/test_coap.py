"""CoAP: block-wise uploads, rates and freshness without sockets; then server and client over loopback."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiocoap
import msgspec
import pytest
from aiocoap import Code, resource
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.coap import CoapAdapter, CoapOptions, CoapResource, server
from adapters.coap.datagram import flaw
from adapters.coap.exchange import FORMATS, Incomplete, Rates, TooLarge, TooMany, Uploads, decoder, is_newer
from adapters.json import decode_native
from adapters.senml import decode_any_json, decode_cbor
from adapters.transport import tally
from hub.model import FaultKind, Message, Verdict
from hub.moment import from_text
from tests.adapters.intake import FakeIntake

NOW = from_text("2026-11-22T09:00:00Z")
SENML = b'[{"bn":"gauge-7/","n":"water_level","v":3.41}]'


@given(st.binary(min_size=1, max_size=500), st.integers(1, 64))
def test_blocks_make_a_payload(payload: bytes, size: int) -> None:
    uploads = Uploads(1_000, 2, 60.0)
    got = None
    for start in range(0, len(payload), size):
        got = uploads.add("a", start, payload[start : start + size], start + size < len(payload), 0.0)
    assert got == payload


def test_uploads_are_bounded() -> None:
    uploads = Uploads(100, 2, 60.0)
    with pytest.raises(TooLarge):
        uploads.add("a", 0, b"x" * 101, True, 0.0)
    with pytest.raises(Incomplete):
        uploads.add("a", 16, b"x", False, 0.0)
    uploads.add("a", 0, b"x" * 16, True, 0.0)
    with pytest.raises(Incomplete):
        uploads.add("a", 32, b"x", False, 0.0)
    uploads.add("a", 0, b"x", True, 0.0)
    uploads.add("b", 0, b"x", True, 1.0)
    with pytest.raises(TooMany):
        uploads.add("c", 0, b"x", True, 2.0)
    assert uploads.add("c", 0, b"x", True, 61.0) is None
    with pytest.raises(Incomplete):
        uploads.add("a", 1, b"x", False, 61.0)


def test_rates() -> None:
    rates = Rates(2.0, 2)
    assert [rates.allows("a", 0.0) for _ in range(3)] == [True, True, False]
    assert rates.allows("b", 0.0)
    assert rates.allows("a", 0.5)
    assert not rates.allows("a", 0.5)
    rates.allows("c", 0.5)
    assert len(rates._buckets) == 2


@pytest.mark.parametrize(
    ("number", "at", "last", "last_at", "newer"),
    [
        (2, 1, 1, 0, True),
        (1, 1, 2, 0, False),
        (0, 1, 2**24 - 1, 0, True),
        (2**24 - 1, 1, 0, 0, False),
        (1, 200, 2, 0, True),
        (1, 1, 1, 0, False),
    ],
)
def test_notifications_may_overtake_each_other(number: int, at: float, last: int, last_at: float, newer: bool) -> None:
    assert is_newer(number, at, last, last_at) is newer


def test_payloads_without_a_content_format_are_told_by_their_first_byte() -> None:
    assert decoder(None, b' {"a":1}') is decode_any_json
    assert decoder(None, bytes.fromhex("81a0")) is decode_cbor
    assert decoder(None, b"hello") is None
    assert decoder(0, b"{}") is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "listen"),
        ({"listen": "coaps://0.0.0.0"}, "DTLS is not offered"),
        ({"listen": "http://x"}, "coap://host:5683"),
        ({"listen": "coap://0.0.0.0", "payload_bytes_max": 1}, "1024"),
        ({"listen": "coap://0.0.0.0", "in_flight_max": 0}, "in_flight_max"),
    ],
)
def test_wrong_options_are_said_in_words(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CoapOptions(**settings)


# ------------------------------------------------------------------------------------------------------ over loopback


@asynccontextmanager
async def serving(intake: FakeIntake, **options: Any) -> AsyncIterator[str]:
    adapter = CoapAdapter("t", CoapOptions(listen="coap://127.0.0.1:0", **options), now=lambda: NOW)
    running = asyncio.create_task(adapter.run(intake))
    await intake.until(lambda: bool(intake.states))
    try:
        yield f"coap://127.0.0.1:{adapter.port}"
    finally:
        running.cancel()
        await asyncio.wait([running])


@asynccontextmanager
async def client() -> AsyncIterator[Any]:
    context = await aiocoap.Context.create_client_context(transports=["udp6"])
    try:
        yield context
    finally:
        await context.shutdown()


async def post(context: Any, url: str, payload: bytes, **more: Any) -> Any:
    return await context.request(
        aiocoap.Message(code=more.pop("code", Code.POST), uri=url, payload=payload, **more)
    ).response


async def test_2_04_comes_after_the_verdict() -> None:
    intake = FakeIntake(hold=True)
    async with serving(intake) as url, client() as context:
        asked = asyncio.create_task(post(context, url + "/readings", SENML, content_format=110))
        await intake.until(lambda: bool(intake.held))
        await asyncio.sleep(0.2)
        assert not asked.done()
        intake.release()
        assert (await asked).code is Code.CHANGED
    assert intake.readings[0].device == "gauge-7"
    assert intake.readings[0].observed_at == NOW


async def test_a_large_payload_is_decoded_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    intake, threads = FakeIntake(verdict=Verdict.REFUSED), list[bool]()
    here = threading.get_ident()

    def noting(data: bytes, at: int | None) -> Message:
        threads.append(threading.get_ident() == here)
        return decode_native(data, at)

    monkeypatch.setitem(FORMATS, 50, noting)
    large = msgspec.json.encode([{"device": "a", "values": {f"unheard-{n}": n for n in range(50)}}] * 60)
    async with serving(intake) as url, client() as context:
        answers = [await post(context, url + "/readings", data, content_format=50) for data in (large, large[:900])]
    assert [answer.code for answer in answers] == [Code.BAD_REQUEST] * 2
    assert threads == [False, True]


async def test_formats_methods_and_the_tree() -> None:
    intake = FakeIntake()
    cbor = bytes.fromhex("81a20064732f70680207")
    async with serving(intake) as url, client() as context:
        readings = url + "/readings"
        assert (await post(context, readings, cbor, content_format=112, code=Code.PUT)).code is Code.CHANGED
        assert (
            await post(context, readings, b'{"device":"a","values":{"ph":7}}', content_format=50)
        ).code is Code.CHANGED
        assert (await post(context, readings, cbor)).code is Code.CHANGED
        non = aiocoap.Message(
            code=Code.POST, uri=readings, payload=SENML, content_format=110, transport_tuning=aiocoap.Unreliable
        )
        assert (await context.request(non).response).code is Code.CHANGED
        answer = await post(context, readings, b"<a/>", content_format=41)
        assert (answer.code, b"Content-Format 41" in answer.payload) == (Code.UNSUPPORTED_CONTENT_FORMAT, True)
        assert (await post(context, readings, b"", content_format=50)).code is Code.BAD_REQUEST
        assert (await post(context, url + "/nowhere", b"")).code is Code.NOT_FOUND
        assert (await post(context, readings, b"", code=Code.GET)).code is Code.METHOD_NOT_ALLOWED
        core = (await post(context, url + "/.well-known/core", b"", code=Code.GET)).payload.decode()
        assert "</readings>" in core
        assert 'ct="50 110 112"' in core
    assert [reading.device for reading in intake.readings] == ["s", "a", "s", "gauge-7"]


async def test_refusals_are_told() -> None:
    intake = FakeIntake(verdict=Verdict.REFUSED)
    async with serving(intake) as url, client() as context:
        answer = await post(context, url + "/readings", b'[{"n":"a/ph","v":"7"}]', content_format=110)
        assert answer.code is Code.BAD_REQUEST
        assert b"v must be a number, not '7'" in answer.payload
        intake.verdict = Verdict.BUSY
        answer = await post(context, url + "/readings", SENML, content_format=110)
        assert (answer.code, answer.opt.max_age) == (Code.SERVICE_UNAVAILABLE, 10)


async def test_bytes_that_wait_for_the_log_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IN_FLIGHT_BYTES_MAX", 1_000)
    intake = FakeIntake(hold=True)
    pack = b"[" + b",".join(b'{"n":"gauge-%d/water_level","v":1}' % n for n in range(30)) + b"]"
    async with serving(intake) as url, client() as context, client() as other:
        waits = asyncio.create_task(post(context, url + "/readings", pack, content_format=110))
        await intake.until(lambda: bool(intake.held))
        answer = await post(other, url + "/readings", SENML, content_format=110)
        assert (answer.code, answer.opt.max_age) == (Code.SERVICE_UNAVAILABLE, 10)
        intake.hold = False
        intake.release()
        assert (await waits).code is Code.CHANGED
        assert (await post(other, url + "/readings", SENML, content_format=110)).code is Code.CHANGED


async def test_blockwise() -> None:
    intake = FakeIntake()
    pack = b"[" + b",".join(b'{"n":"gauge-%d/water_level","v":1}' % n for n in range(300)) + b"]"
    async with serving(intake, payload_bytes_max=20_000) as url, client() as context:
        assert (await post(context, url + "/readings", pack, content_format=110)).code is Code.CHANGED
        assert len(intake.readings) == 300
        answer = await post(context, url + "/readings", pack * 3, content_format=110)
        assert (answer.code, answer.opt.size1) == (Code.REQUEST_ENTITY_TOO_LARGE, 20_000)
    assert intake.groups == [1]


async def test_one_flooding_endpoint_is_limited_and_its_neighbour_is_not() -> None:
    intake = FakeIntake()
    async with serving(intake, requests_per_s_max=5) as url, client() as flooding, client() as neighbour:
        codes = [(await post(flooding, url + "/readings", SENML, content_format=110)).code for _ in range(10)]
        assert codes.count(Code.TOO_MANY_REQUESTS) >= 3
        assert (await post(neighbour, url + "/readings", SENML, content_format=110)).code is Code.CHANGED


async def test_a_flood_of_datagrams_does_not_reach_the_library() -> None:
    intake = FakeIntake()
    async with serving(intake, requests_per_s_max=1_000) as url, client() as neighbour:
        port = int(url.rpartition(":")[2])
        flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for mid in range(2_000):
            # NON POST /readings, Content-Format 110
            flood.sendto(
                b"\x50\x02" + mid.to_bytes(2, "big") + b"\xb8readings\x11\x6e\xff" + SENML, ("127.0.0.1", port)
            )
            if mid % 50 == 0:
                await asyncio.sleep(0)
        assert (await post(neighbour, url + "/readings", SENML, content_format=110)).code is Code.CHANGED
        flood.close()
    assert 100 <= len(intake.messages) <= 600, "200 at once, and 200 a second"


NO_MESSAGES = {
    b"": "header of version 1",
    b"\x40": "header of version 1",
    b"\x90\x02\0\1": "header of version 1",
    b"\x59\x02\0\1123456789": "token is longer",
    b"\x54\x02\0\1ab": "inside its token",
    b"\x40\x21\0\1": "class that is reserved",
    b"\x40\xe1\0\1": "class that is reserved",
    b"\x41\x00\0\1a": "empty by its code",
    b"\x50\x00\0\1": "empty and non-confirmable",
    b"\x60\x02\0\1": "does not go with its type",
    b"\x70\x45\0\1": "does not go with its type",
    b"\x50\x02\0\1\xb5in": "inside an option",
    b"\x50\x02\0\1\xbd": "inside an option",
    b"\x50\x02\0\1\xbe\0": "inside an option",
    b"\x50\x02\0\1\xf0": "reserved length or number",
    b"\x50\x02\0\1\x0f": "reserved length or number",
    b"\x50\x02\0\1\xb8readings\xff": "announced and absent",
    b"\x50\x02\0\1\xb4in\xff\xfe": "an option is no text",
    b"\x40\x02\0\2\xb1\x80\xff{}": "an option is no text",
}


@pytest.mark.parametrize("data", [b"\x70\0\0\1", b"\x60\0\0\1", b"\x40\0\0\1", b"\x58\x02\0\1" + b"t" * 8, b"\x50\x02\0\1\xb0\xff\0", b"\x50\x02\0\1\xbd\x02" + b"p" * 15, b"\x50\x02\0\1\xed\0\0\0" + b"v" * 13, b"\x50\x02\0\1\xbe\0\0" + b"p" * 269])  # fmt: skip
def test_what_is_a_message_is_taken_for_one(data: bytes) -> None:
    assert flaw(data) == ""
    aiocoap.Message.decode(data)


@settings(max_examples=500)
@given(st.binary(max_size=40))
def test_what_the_library_cannot_read_is_no_message(rest: bytes) -> None:
    """It passes over such datagrams and tells nobody."""
    data = bytes([0x40 | (rest[:1] or b"\0")[0] & 0x3F]) + rest
    try:
        aiocoap.Message.decode(data)
    except aiocoap.error.UnparsableMessage:
        assert flaw(data)
    except UnicodeDecodeError:
        return


async def test_datagrams_that_are_no_message_are_counted_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library passed over most of them, and an option that is no text raised in its reader: counted nowhere."""
    monkeypatch.setattr(tally, "INTERVAL_S", 0.05)
    raised: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    intake = FakeIntake()
    async with serving(intake) as url, client() as neighbour:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for data in NO_MESSAGES:
                stranger.sendto(data, ("127.0.0.1", int(url.rpartition(":")[2])))
        assert (await post(neighbour, url + "/readings", SENML, content_format=110)).code is Code.CHANGED
        async with asyncio.timeout(60):
            while sum(fault.count for fault in intake.faults) < len(NO_MESSAGES):
                await asyncio.sleep(0.01)
    assert {fault.kind for fault in intake.faults} == {FaultKind.FRAME}
    for fault in intake.faults:
        assert fault.detail.startswith(f"this is no CoAP message: {flaw(fault.raw) or 'an option is no text'} (x")
        assert NO_MESSAGES[fault.raw] in fault.detail
    assert raised == []


async def test_a_flood_is_counted_and_so_are_answers_that_nobody_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "INTERVAL_S", 0.05)
    monkeypatch.setattr("adapters.coap.adapter.DATAGRAMS_PER_S_MAX", 0.01)  # one at once, hardly another
    intake = FakeIntake()
    answer = b"\x50\x45\0\1\xff[]"
    async with serving(intake) as url:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(5):
                stranger.sendto(answer, ("127.0.0.1", int(url.rpartition(":")[2])))
            async with asyncio.timeout(60):
                while sum(fault.count for fault in intake.faults) < 5:
                    await asyncio.sleep(0.01)
    told = {
        fault.kind: (sum(one.count for one in intake.faults if one.kind is fault.kind), fault.raw)
        for fault in intake.faults
    }
    assert told == {FaultKind.UNSUPPORTED: (1, answer), FaultKind.RATE: (4, answer)}


async def test_a_device_that_begins_at_the_same_message_id_after_each_sleep_loses_nothing() -> None:
    """Its second report was answered 2.04, as the first had been, and was nowhere. The same bytes again are still one message."""
    intake = FakeIntake()
    async with serving(intake) as url:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
            device.setblocking(False)
            await loop.sock_connect(device, ("127.0.0.1", int(url.rpartition(":")[2])))
            for token, level in ((b"a", 1), (b"b", 2), (b"b", 2), (b"c", 3)):
                said = b'[{"n":"gauge-7/water_level","v":%d}]' % level
                device.send(b"\x41\x02\x00\x01" + token + b"\xb8readings\x11\x6e\xff" + said)
                answer = await asyncio.wait_for(loop.sock_recv(device, 2_000), 60)
                assert answer == b"\x61\x44\x00\x01" + token
    assert [reading.values["water_level"] for reading in intake.readings] == [1, 2, 3]


class Gauge(resource.ObservableResource):  # type: ignore[misc]
    """A device that can be asked and observed."""

    def __init__(self, max_age: int = 60) -> None:
        super().__init__()
        self.level = 0
        self.asked = 0
        self.max_age = max_age
        self.code = Code.CONTENT

    async def render_get(self, request: Any) -> Any:
        self.asked += 1
        payload = b'[{"n":"gauge-7/water_level","v":%d}]' % self.level
        return aiocoap.Message(code=self.code, payload=payload, content_format=110, max_age=self.max_age)


@asynccontextmanager
async def device(gauge: Gauge) -> AsyncIterator[str]:
    site = resource.Site()
    site.add_resource(["level"], gauge)
    context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", 0), transports=["udp6"])
    udp = context.request_interfaces[0].token_interface.message_interface
    try:
        yield f"coap://127.0.0.1:{udp.transport.get_extra_info('socket').getsockname()[1]}/level"
    finally:
        await context.shutdown()


@asynccontextmanager
async def asking(intake: FakeIntake, **settings: Any) -> AsyncIterator[None]:
    options = CoapOptions(resources=[CoapResource(**settings)], response_timeout_s=2.0)
    running = asyncio.create_task(CoapAdapter("t", options, now=lambda: NOW).run(intake))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_get_by_schedule() -> None:
    intake, gauge = FakeIntake(), Gauge()
    async with device(gauge) as url, asking(intake, url=url, every_s=1):
        await intake.until(lambda: len(intake.readings) >= 2)
    assert intake.readings[0].values == {"water_level": 0}


async def test_observe_takes_every_change_and_registers_again_when_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.coap.client.OBSERVE_MARGIN_S", 0.2)
    intake, gauge = FakeIntake(), Gauge(max_age=1)
    async with device(gauge) as url, asking(intake, url=url, observe=True):
        await intake.until(lambda: len(intake.readings) == 1)
        for gauge.level in (1, 2, 3):
            gauge.updated_state()
            await intake.until(
                lambda: bool(intake.readings) and intake.readings[-1].values["water_level"] == gauge.level
            )
        before = len(intake.readings)
        await intake.until(lambda: len(intake.readings) > before)


async def test_trouble_with_a_device_is_said_in_words() -> None:
    intake, gauge = FakeIntake(), Gauge()
    gauge.code = Code.FORBIDDEN
    async with device(gauge) as url, asking(intake, url=url, every_s=1):
        await intake.until(
            lambda: any(state == "degraded" and "answered 4.03" in detail for state, detail in intake.states)
        )
        gauge.code = Code.CONTENT
        await intake.until(lambda: intake.states[-1][0] == "up" and bool(intake.readings))


async def test_an_answer_in_an_unknown_format_is_kept() -> None:
    class Text(Gauge):
        async def render_get(self, request: Any) -> Any:
            return aiocoap.Message(code=Code.CONTENT, payload=b"3.41", content_format=0)

    intake = FakeIntake()
    async with device(Text()) as url, asking(intake, url=url, every_s=1):
        await intake.until(lambda: bool(intake.faults))
    assert (intake.faults[0].kind, intake.faults[0].raw) == (FaultKind.UNSUPPORTED, b"3.41")
