"""The embedded broker of the demo: our source and an aiomqtt publisher meet in it."""

from __future__ import annotations

import asyncio

import aiomqtt
import pytest

from adapters.mqtt import MqttAdapter, MqttOptions
from adapters.mqtt.broker import start
from tests.adapters.intake import FakeIntake

READING = b'{"device":"gauge-7","time":"2026-11-22T08:00:00Z","values":{"water_level":3.41}}'


async def test_a_publisher_and_our_source_meet_in_it() -> None:
    broker = await start()
    intake = FakeIntake(hold=True)
    options = MqttOptions(connect=broker.url, topics=["city/#"], version="3.1.1")
    running = asyncio.create_task(MqttAdapter("demo", options).run(intake))
    await intake.until(lambda: bool(intake.states) and intake.states[-1][0] == "up")
    async with aiomqtt.Client(broker.host, broker.port) as client:
        for _ in range(20):
            await client.publish("city/a", READING, qos=1)
        await intake.until(lambda: bool(intake.held))
        intake.hold = False
        intake.release()
        await intake.until(lambda: len(intake.messages) == 20)
    running.cancel()
    await asyncio.wait([running])
    await broker.stop()


async def test_a_port_that_is_taken_is_said_in_words_and_stopping_with_clients_is_clean() -> None:
    broker = await start()
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{broker.port}: .*already in use"):
        await start(port=broker.port)
    intake = FakeIntake()
    options = MqttOptions(connect=broker.url, topics=["city/#"], version="3.1.1", reconnect_min_s=0.05)
    running = asyncio.create_task(MqttAdapter("demo", options).run(intake))
    await intake.until(lambda: bool(intake.states) and intake.states[-1][0] == "up")
    await broker.stop()
    await intake.until(lambda: intake.states[-1][0] == "down")
    running.cancel()
    await asyncio.wait([running])
