"""An MQTT source that brings its own broker: for a laptop or a demo, where the city names none."""

from __future__ import annotations

import msgspec

from adapters.mqtt import broker
from adapters.mqtt.adapter import MqttAdapter
from adapters.mqtt.options import MqttOptions
from adapters.mqtt.payload import reader
from hub.ports import Adapter, Intake


class EmbeddedMqtt:
    """A broker on the options' `listen`, and an `MqttAdapter` that reads from it."""

    def __init__(self, name: str, options: MqttOptions) -> None:
        self._name = name
        self._options = options
        reader(options)

    async def run(self, intake: Intake) -> None:
        running = await broker.start(*self._options.bind())
        try:
            options = msgspec.structs.replace(self._options, connect=running.url, version="3.1.1")
            await MqttAdapter(self._name, options).run(intake)
        finally:
            await running.stop()


def mqtt_source(name: str, options: MqttOptions) -> Adapter:
    """The adapter for these options: to the broker they name, or to one of its own."""
    return EmbeddedMqtt(name, options) if options.connect is None else MqttAdapter(name, options)
