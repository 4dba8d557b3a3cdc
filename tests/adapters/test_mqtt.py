"""The MQTT source without a real broker: its packets, and its behaviour towards a broker that the test plays."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from adapters.mqtt import PLUGIN, MqttAdapter, MqttOptions, codec, payload, session
from adapters.mqtt.codec import V5, V311
from hub.model import FaultKind, Message, Verdict
from hub.moment import from_text
from tests.adapters.intake import FakeIntake

NOW = from_text("2026-11-22T09:00:00Z")
READING = b'{"device":"gauge-7","time":"2026-11-22T08:00:00Z","values":{"water_level":3.41}}'

# ------------------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("connect", "http://x", "should look like mqtt://"),
        ("connect", "mqtt://u:p@x", "password_env"),
        ("topics", [], "1 to 1000"),
        ("topics", ["a/#/b"], "# for all levels at the end"),
        ("topics", ["a+"], "whole level"),
        ("topics", ["$share/g"], "$share/group/filter"),
        ("format", "xml", "one of json"),
        ("version", "4", "5 or 3.1.1"),
        ("receive_max", 0, "1 to 65535"),
    ],
)
def test_wrong_options_are_said_in_words(key: str, value: object, words: str) -> None:
    settings: dict[str, Any] = {"connect": "mqtt://x", "topics": ["a"], key: value}
    with pytest.raises(ValueError, match="^.*" + words.replace("$", r"\$").replace("+", r"\+")):
        MqttOptions(**settings)


def test_a_missing_password_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    with pytest.raises(ValueError, match="NO_SUCH"):
        MqttOptions(connect="mqtt://x", topics=["a"], password_env="NO_SUCH").password()
    with pytest.raises(ValueError, match="/nowhere"):
        MqttOptions(connect="mqtt://x", topics=["a"], password_file="/nowhere").password()


# --------------------------------------------------------------------------------------- behaviour towards a broker


class Broker:
    """One connection as the broker sees it: packets of the client, read one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def packet(self) -> bytes:
        head = await self.reader.readexactly(2)
        return head + await self.reader.readexactly(head[1])

    async def greet(self, version: int = V5, present: bool = False) -> None:
        assert (await self.packet())[0] == 0x10
        self.writer.write(bytes([0x20, 3, present, 0, 0]) if version == V5 else bytes([0x20, 2, present, 0]))
        if not present:
            subscribe = await self.packet()
            assert subscribe[0] == 0x82
            self.writer.write(b"\x90\x04\x00\x01\x00\x01" if version == V5 else b"\x90\x03\x00\x01\x01")

    def publish(self, count: int = 1, first: int = 1, payload: bytes = READING, **more: Any) -> None:
        self.writer.write(b"".join(codec.publish("city/a", payload, 1, n, **more) for n in range(first, first + count)))

    async def acknowledged(self, count: int) -> list[int]:
        return [int.from_bytes((await self.packet())[2:], "big") for _ in range(count)]

    async def quiet(self, seconds: float = 0.1) -> bool:
        try:
            await asyncio.wait_for(self.reader.readexactly(1), seconds)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def playing(
    play: Callable[[Broker], Any], intake: FakeIntake, **options: Any
) -> AsyncIterator[tuple[MqttAdapter, list[BaseException]]]:
    """An adapter against a broker whose every connection is played by `play`."""
    failures: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await play(Broker(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings: dict[str, Any] = {"reconnect_min_s": 0.05, "reconnect_max_s": 0.1, "topics": ["city/#"], **options}
    adapter = MqttAdapter(
        "t", MqttOptions(connect=f"mqtt://127.0.0.1:{port}", **settings), now=lambda: NOW, chance=lambda: 1.0
    )
    running = asyncio.create_task(adapter.run(intake))
    try:
        yield adapter, failures
    finally:
        running.cancel()
        await asyncio.wait([running])
        server.close()
        await server.wait_closed()
    assert failures == []


async def test_no_acknowledgement_before_the_verdict() -> None:
    intake, done = FakeIntake(hold=True), asyncio.Event()

    async def play(broker: Broker) -> None:
        await broker.greet()
        broker.publish(3)
        assert await broker.quiet()
        intake.release()
        assert await broker.acknowledged(3) == [1, 2, 3]
        done.set()
        await broker.reader.read()

    async with playing(play, intake):
        await asyncio.wait_for(done.wait(), 60)
    assert intake.groups == [3]
    assert intake.readings[0].device == "gauge-7"


async def test_undated_messages_of_one_chunk_keep_a_time_each() -> None:
    """Stores key values by device, metric and time: two messages with one time would become one row."""
    intake, done = FakeIntake(), asyncio.Event()

    async def play(broker: Broker) -> None:
        await broker.greet()
        broker.publish(20, payload=b'{"device":"gauge-7","values":{"water_level":1.0}}')
        await broker.acknowledged(20)
        done.set()
        await broker.reader.read()

    async with playing(play, intake):
        await asyncio.wait_for(done.wait(), 60)
    times = [reading.observed_at for reading in intake.readings]
    assert None not in times
    assert len(set(times)) == 20


async def test_large_payloads_are_decoded_off_the_loop_and_every_message_keeps_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fault for each of thousands of values takes long; meanwhile other devices are served."""
    intake, done, threads = FakeIntake(), asyncio.Event(), list[bool]()
    here = threading.get_ident()
    decode = payload._BY_FORMAT["json"]

    def noting(data: bytes, at: int | None) -> Message:
        threads.append(threading.get_ident() == here)
        return decode(data, at)

    monkeypatch.setitem(payload._BY_FORMAT, "json", noting)
    large = msgspec.json.encode([{"device": "a", "values": {f"unheard-{n}": n for n in range(100)}}] * 60)

    async def play(broker: Broker) -> None:
        await broker.greet()
        broker.publish(1, 1, large)
        await broker.writer.drain()
        broker.publish(1, 2)
        await broker.writer.drain()
        broker.publish(1, 3, large)
        broker.publish(1, 4)
        assert await broker.acknowledged(4) == [1, 2, 3, 4]
        broker.publish(1, 5)
        assert await broker.acknowledged(1) == [5]
        done.set()
        await broker.reader.read()

    async with playing(play, intake):
        await asyncio.wait_for(done.wait(), 20)
    assert threads == [False, True, False, True, True]
    assert [len(message.readings) for message in intake.messages] == [0, 1, 0, 1, 1]
    assert len(intake.messages[0].faults) == 6_000


async def test_refused_messages_are_acknowledged_because_they_lie_in_quarantine() -> None:
    intake, done = FakeIntake(verdict=Verdict.REFUSED), asyncio.Event()

    async def play(broker: Broker) -> None:
        await broker.greet()
        broker.publish(1, payload=b"junk")
        assert await broker.acknowledged(1) == [1]
        done.set()
        await broker.reader.read()

    async with playing(play, intake):
        await asyncio.wait_for(done.wait(), 60)
    assert intake.faults[0].detail.startswith("city/a: the payload is not JSON")


async def test_a_busy_hub_acknowledges_nothing_and_comes_back_for_more() -> None:
    intake, connections = FakeIntake(verdict=Verdict.BUSY), 0
    done = asyncio.Event()

    async def play(broker: Broker) -> None:
        nonlocal connections
        connections += 1
        await broker.greet(present=connections > 1)
        broker.publish(2)
        if connections == 1:
            assert await broker.reader.read() == b""
            intake.verdict = Verdict.STORED
        else:
            assert await broker.acknowledged(2) == [1, 2]
            done.set()
            await broker.reader.read()

    async with playing(play, intake):
        await asyncio.wait_for(done.wait(), 60)
    assert any("busy" in detail for _, detail in intake.states)


async def test_acknowledgements_keep_the_order_of_the_messages() -> None:
    intake, done = FakeIntake(hold=True), asyncio.Event()

    async def play(broker: Broker) -> None:
        await broker.greet()
        broker.publish(1, 1)
        await broker.writer.drain()
        await intake.until(lambda: len(intake.held) == 1)
        broker.publish(1, 2)
        await intake.until(lambda: len(intake.held) == 2)
        first, second = intake.held
        second[0].set_result([Verdict.STORED])
        assert await broker.quiet()
        first[0].set_result([Verdict.STORED])
        assert await broker.acknowledged(2) == [1, 2]
        done.set()
        await broker.reader.read()

    async with playing(play, intake):
        await asyncio.wait_for(done.wait(), 60)


async def test_what_is_in_flight_is_bounded_even_if_the_broker_does_not_care() -> None:
    intake, done = FakeIntake(hold=True), asyncio.Event()

    async def play(broker: Broker) -> None:
        await broker.greet(V311)
        for first in range(1, 60_001, 1_000):  # about 6 MB: more than the socket's buffers and one chunk hold
            broker.publish(1_000, first, version=V311)
        await intake.until(lambda: bool(intake.held))
        await asyncio.sleep(0.3)
        taken = len(intake.messages)
        assert taken < 10_000, "100 in flight, and one chunk of at most 256 KiB on top"
        intake.hold = False
        intake.release()
        await intake.until(lambda: len(intake.messages) == 60_000)
        done.set()
        await broker.reader.read()

    async with playing(play, intake, receive_max=100, version="3.1.1"):
        await asyncio.wait_for(done.wait(), 60)


async def test_what_could_not_be_acknowledged_sooner_is_read_together() -> None:
    """A broker that sends each message at once woke the hub for each, though all of them waited for the same commit."""
    intake, done = FakeIntake(), asyncio.Event()
    intake.rest = 0.5

    async def play(broker: Broker) -> None:
        await broker.greet()
        broker.publish(1)
        assert await broker.acknowledged(1) == [1]  # the first waits for nothing
        begun = asyncio.get_running_loop().time()
        for number in range(2, 8):
            broker.publish(1, number)
            await broker.writer.drain()
            await asyncio.sleep(0.01)
        assert await broker.acknowledged(6) == [2, 3, 4, 5, 6, 7]
        assert 0.3 < asyncio.get_running_loop().time() - begun < 30
        intake.rest = 0.0
        done.set()
        await broker.reader.read()

    async with playing(play, intake):
        await asyncio.wait_for(done.wait(), 60)
    assert intake.groups == [1, 6]


async def test_bytes_in_flight_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few large messages, far below `receive_max`: a broker may hand over 2,000 of a mebibyte."""
    monkeypatch.setattr(session, "IN_FLIGHT_BYTES_MAX", 1 << 20)
    intake, done = FakeIntake(hold=True), asyncio.Event()
    large = READING[:-1] + b" " * 20_000 + b"}"

    async def play(broker: Broker) -> None:
        await broker.greet(V311)
        broker.writer.write(b"".join(codec.publish("a", large, 1, 1 + at, V311) for at in range(600)))  # 12 MB
        await intake.until(lambda: len(intake.messages) * len(large) >= 1 << 20)
        await asyncio.sleep(0.3)
        assert len(intake.messages) * len(large) < 2 << 20, "and one chunk of at most 256 KiB on top"
        intake.hold = False
        intake.release()
        await intake.until(lambda: len(intake.messages) == 600)
        done.set()
        await broker.reader.read()

    async with playing(play, intake, version="3.1.1"):
        await asyncio.wait_for(done.wait(), 60)


async def test_a_broker_of_3_1_1_is_met_in_its_own_version() -> None:
    for answer in (b"\x20\x02\x00\x01", b""):
        intake, versions = FakeIntake(), []
        done = asyncio.Event()

        async def play(
            broker: Broker, answer: bytes = answer, versions: list[int] = versions, done: asyncio.Event = done
        ) -> None:
            connect = await broker.packet()
            versions.append(connect[8])
            if connect[8] == V5:
                broker.writer.write(answer)
                return
            broker.writer.write(b"\x20\x02\x00\x00")
            await broker.packet()
            broker.writer.write(b"\x90\x03\x00\x01\x01")
            broker.publish(1, version=V311)
            assert await broker.acknowledged(1) == [1]
            done.set()
            await broker.reader.read()

        async with playing(play, intake):
            await asyncio.wait_for(done.wait(), 60)
        assert versions == [V5, V311]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"\x20\x03\x00\x86\x00", "wrong user name or password"),
        (b"\x20\x0a\x00\x87\x07\x1f\x00\x04nope", "not authorised (nope)"),
        (b"\x20\x03\x00\x00\x00\x90\x04\x00\x01\x00\x87", "refuses every topic (city/#: not authorised)"),
        (b"\x20\x03\x00\x00\x00\xe0\x01\x8e", "another client took over"),
        (b"\x00\x00 this is no MQTT", "broke the rules of MQTT"),
    ],
)
async def test_refusals_are_said_in_words(answer: bytes, words: str) -> None:
    intake = FakeIntake()

    async def play(broker: Broker) -> None:
        await broker.packet()
        broker.writer.write(answer)
        await broker.reader.read()

    async with playing(play, intake):
        await intake.until(lambda: any(state == "down" and words in detail for state, detail in intake.states))


async def test_less_than_asked_for_is_degraded() -> None:
    for codes, words in ((b"\x01\x87", "b: not authorised"), (b"\x01\x00", "only QoS 0 for b")):
        intake = FakeIntake()

        async def play(broker: Broker, codes: bytes = codes) -> None:
            await broker.packet()
            broker.writer.write(b"\x20\x03\x00\x00\x00\x90\x05\x00\x01\x00" + codes)
            await broker.reader.read()

        async with playing(play, intake, topics=["a", "b"]):
            await intake.until(
                lambda words=words, intake=intake: any(s == "degraded" and words in d for s, d in intake.states), 5
            )


async def test_a_silent_broker_is_asked_and_then_given_up() -> None:
    intake, asked = FakeIntake(), asyncio.Event()

    async def play(broker: Broker) -> None:
        await broker.greet()
        assert await broker.packet() == codec.PINGREQ
        asked.set()
        await broker.reader.read()

    async with playing(play, intake, keepalive_s=1):
        await asyncio.wait_for(asked.wait(), 60)
        await intake.until(lambda: any("did not answer" in detail for _, detail in intake.states))


async def test_leaving_waits_for_the_log_and_says_good_bye() -> None:
    intake, last = FakeIntake(hold=True), asyncio.get_running_loop().create_future()

    async def play(broker: Broker) -> None:
        await broker.greet()
        broker.publish(1)
        last.set_result(await broker.reader.read())

    async with playing(play, intake):
        await intake.until(lambda: bool(intake.held))
        asyncio.get_running_loop().call_later(0.1, intake.release)
    assert await asyncio.wait_for(last, 60) == codec.puback(1) + codec.disconnect()


async def test_whoever_leaves_takes_nothing_more_also_when_the_log_has_answered() -> None:
    """Each verdict had the session read on, so that one under load never came to its end and said good-bye late."""
    intake, said = FakeIntake(hold=True), list[int]()

    async def play(broker: Broker) -> None:
        await broker.greet()
        broker.publish(1)
        await intake.until(lambda: len(intake.held) == 1)
        leaving = asyncio.create_task(adapter.session.leave())  # type: ignore[union-attr]
        await asyncio.sleep(0)
        broker.publish(1, first=2)
        await asyncio.sleep(0.05)
        intake.release()
        intake.hold = False
        await leaving
        said.extend([(await broker.packet())[0], (await broker.packet())[0]])

    async with playing(play, intake) as (adapter, _):
        async with asyncio.timeout(60):
            while len(said) < 2:
                await asyncio.sleep(0.01)
    assert said == [0x40, 0xE0]
    assert intake.groups == [1]


async def test_left_over_messages_of_qos_2_are_completed() -> None:
    intake, done = FakeIntake(), asyncio.Event()

    async def play(broker: Broker) -> None:
        await broker.greet()
        broker.writer.write(codec.publish("city/a", READING, 2, 5) + b"\x62\x02\x00\x05")
        assert {await broker.packet(), await broker.packet()} == {codec.pubrec(5), codec.pubcomp(5)}
        done.set()
        await broker.reader.read()

    async with playing(play, intake):
        await asyncio.wait_for(done.wait(), 60)


async def test_payload_formats_content_types_and_retained_messages() -> None:
    intake, done = FakeIntake(), asyncio.Event()
    undated = b'{"device":"gauge-7","values":{"water_level":3.41}}'

    async def play(broker: Broker) -> None:
        await broker.greet()
        broker.publish(1, 1, b'[{"n":"s/ph","v":7}]', content_type="application/senml+json; charset=utf-8")
        broker.publish(1, 2, bytes.fromhex("81a20064732f70680207"), content_type="application/senml+cbor")
        broker.publish(1, 3, undated)
        broker.publish(1, 4, undated, retain=True)
        broker.publish(1, 5, READING, retain=True)
        broker.publish(1, 6, b"x" * 5_000)
        await broker.acknowledged(6)
        done.set()
        await broker.reader.read()

    async with playing(play, intake, packet_bytes_max=4_000):
        await asyncio.wait_for(done.wait(), 60)
    senml, cbor, fresh, old, dated, oversize = intake.messages
    assert senml.readings[0].values == cbor.readings[0].values
    assert (senml.readings[0].device, senml.readings[0].values) == ("s", {"ph": 7})
    assert fresh.readings[0].observed_at == NOW + 2  # the third message of its chunk, each with a time of its own
    assert (old.readings, old.faults[0].kind, old.body) == ([], FaultKind.TIME, {"topic": "city/a", "retained": True})
    assert "nobody knows how old" in old.faults[0].detail
    assert dated.readings[0].observed_at == from_text("2026-11-22T08:00:00Z")
    assert oversize.faults[0].kind == FaultKind.OVERSIZE


async def test_a_map_reads_foreign_payloads(tmp_path: Any) -> None:
    intake, done = FakeIntake(), asyncio.Event()
    (tmp_path / "m.toml").write_text('topic = "city/{device}"\ndevice = "x:{device}"\n[values]\nph = "a.b"\n')

    async def play(broker: Broker) -> None:
        await broker.greet()
        broker.publish(1, 1, b'{"a":{"b":7}}')
        await broker.acknowledged(1)
        done.set()
        await broker.reader.read()

    async with playing(play, intake, map=str(tmp_path / "m.toml")):
        await asyncio.wait_for(done.wait(), 60)
    assert (intake.readings[0].device, intake.readings[0].values) == ("x:a", {"ph": 7})


def test_the_plugin_makes_a_source_from_its_options() -> None:
    assert PLUGIN.options is MqttOptions
    assert PLUGIN.adapter is not None
    assert isinstance(PLUGIN.adapter("t", MqttOptions(connect="mqtt://x", topics=["a"])), MqttAdapter)


async def test_a_subscription_that_is_refused_is_tried_with_another_id_on_the_same_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A broker that has its own message 1 under way refuses SUBSCRIBE 1 (0x91, packet identifier in use)."""
    monkeypatch.setattr("adapters.mqtt.adapter.SUBSCRIBE_PAUSE_S", 0.01)
    intake = FakeIntake()
    ids: list[int] = []

    async def play(broker: Broker) -> None:
        await broker.reader.readexactly(2)
        broker.writer.write(bytes.fromhex("20 03 00 00 00"))
        held = b""
        while chunk := await broker.reader.read(4096):
            held += chunk
            while (at := held.find(b"\x82")) >= 0 and len(held) >= at + 4:
                ids.append(int.from_bytes(held[at + 2 : at + 4], "big"))
                held = held[at + 2 + held[at + 1] :]
                code = 0x91 if len(ids) == 1 else 1
                broker.writer.write(bytes.fromhex("90 04") + ids[-1].to_bytes(2, "big") + bytes((0, code)))

    async with playing(play, intake):
        await intake.until(lambda: any(state == "up" for state, _ in intake.states))
    assert len(ids) == 2
    assert ids[0] != ids[1]
    assert not any(state == "down" for state, _ in intake.states)
