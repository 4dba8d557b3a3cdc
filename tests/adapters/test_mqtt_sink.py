"""The MQTT sink through the embedded broker."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
from pathlib import Path

import aiomqtt
import pytest

from adapters.mqtt import MqttSink, MqttSinkOptions
from adapters.mqtt.broker import start
from adapters.mqtt.sink import body, topic_of
from hub.model import AlertChange, Change, Position
from hub.moment import from_text
from tests.acceptance.mosquitto import Mosquitto

AT = from_text("2026-11-22T08:00:00Z")


def change(what: Change = Change.RAISED, ordinal: int = 0) -> AlertChange:
    return AlertChange(
        "flood/level:a+b/c:1",
        ordinal,
        AT,
        "flood/level",
        "a+b",
        what,
        "red",
        values={"water_level": 5},
        position=Position(8.5, 47.3),
    )


def test_topics_hold_no_wildcards() -> None:
    template = MqttSinkOptions(connect="mqtt://x").topic
    assert topic_of(template, change()) == "cityhub/alerts/flood%2Flevel/a%2Bb/flood%2Flevel:a%2Bb%2Fc:1"
    assert topic_of("c/{pack}/{level}/{change}/{area}", change()) == "c/flood/red/raised/-"


def test_the_body_is_the_change_with_times_for_people() -> None:
    plain = json.loads(body(change(), "k"))
    assert (plain["at"], plain["position"], plain["key"], plain["change"]) == (
        "2026-11-22T08:00:00Z",
        [8.5, 47.3],
        "k",
        "raised",
    )
    assert "type" not in plain


@pytest.mark.parametrize(
    ("topic", "words"), [("a/{x}", "it may hold"), ("a/#", "no topic"), ("{", "it may hold"), ("$SYS/a", "no topic")]
)
def test_wrong_topics_are_said_in_words(topic: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MqttSinkOptions(connect="mqtt://x", topic=topic)


async def next_message(client: aiomqtt.Client) -> tuple[bytes, bool]:
    async with asyncio.timeout(60):
        message = await anext(client.messages)
    assert isinstance(message.payload, bytes)
    return message.payload, message.retain


async def test_open_alerts_are_retained_and_cleared_ones_taken_away() -> None:
    broker = await start()
    sink = MqttSink("duty", MqttSinkOptions(connect=broker.url))
    assert (await sink.deliver(change(), "k0", AT)).taken
    async with aiomqtt.Client(broker.host, broker.port) as late:
        await late.subscribe("cityhub/alerts/#", qos=1)
        payload, retained = await next_message(late)
        assert (json.loads(payload)["change"], retained) == ("raised", True)
        assert (await sink.deliver(change(Change.CLEARED, 1), "k1", AT)).taken
        assert json.loads((await next_message(late))[0])["change"] == "cleared"
        assert (await next_message(late))[0] == b""
    async with aiomqtt.Client(broker.host, broker.port) as later:
        await later.subscribe("cityhub/alerts/#", qos=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(later.messages)
    await sink.close()
    await broker.stop()


async def test_a_broker_that_is_away_is_tried_again() -> None:
    broker = await start()
    port = broker.port
    sink = MqttSink("duty", MqttSinkOptions(connect=broker.url, timeout_s=2.0))
    assert (await sink.deliver(change(), "k0", AT)).taken
    await broker.stop()
    outcome = await sink.deliver(change(), "k1", AT)
    assert (outcome.taken, outcome.final) == (False, False)
    assert str(port) in outcome.detail
    again = await start(port=port)
    for _ in range(20):
        if (await sink.deliver(change(), "k1", AT)).taken:
            break
    else:
        pytest.fail("the sink did not come back")
    await sink.close()
    await again.stop()


async def test_a_broker_that_acknowledges_and_does_not_take_is_no_delivery(tmp_path: Path) -> None:
    """An ACL without the topic: with MQTT 3.1.1 the broker acknowledges all the same and tells nobody."""
    rights = tmp_path / "acl"
    rights.write_text("topic read cityhub/#\n")
    broker = Mosquitto(tmp_path, f"allow_anonymous true\nacl_file {rights}").start()
    try:
        sink = MqttSink("duty", MqttSinkOptions(connect=f"mqtt://127.0.0.1:{broker.port}"))
        outcome = await sink.deliver(change(), "k0", AT)
        assert (outcome.taken, outcome.final, outcome.detail.rpartition(": ")[2]) == (False, False, "not authorised")
        assert outcome.detail_zh.endswith("未授权")
        rights.write_text("topic readwrite cityhub/#\n")
        os.kill(broker.pid, signal.SIGHUP)
        async with asyncio.timeout(30):
            while not (await sink.deliver(change(), "k0", AT)).taken:
                await asyncio.sleep(0.1)
        await sink.close()
    finally:
        broker.stop()


async def test_a_stop_after_the_broker_has_gone_prints_no_traceback() -> None:
    said: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: said.append(context["message"]))
    broker = await start()
    sink = MqttSink("duty", MqttSinkOptions(connect=broker.url, timeout_s=2.0))
    assert (await sink.deliver(change(), "k0", AT)).taken
    assert sink._client is not None
    gone = sink._client._disconnected
    await broker.stop()
    async with asyncio.timeout(30):
        await asyncio.wait([gone])
    del gone
    await sink.close()
    gc.collect()
    await asyncio.sleep(0)
    assert said == []


async def test_a_missing_password_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    outcome = await MqttSink("duty", MqttSinkOptions(connect="mqtt://127.0.0.1", password_env="NO_SUCH")).deliver(
        change(), "k", AT
    )
    assert (outcome.taken, "NO_SUCH" in outcome.detail) == (False, True)
