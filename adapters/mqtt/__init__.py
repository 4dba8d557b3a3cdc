"""MQTT: readings from a broker, and alert changes to one."""

from __future__ import annotations

from adapters.mqtt.adapter import MqttAdapter
from adapters.mqtt.embedded import mqtt_source
from adapters.mqtt.options import MqttOptions
from adapters.mqtt.sink import MqttSink, MqttSinkOptions
from hub.ports import Plugin

PLUGIN = Plugin(
    protocol="mqtt",
    summary="MQTT 5 and 3.1.1: native JSON, SenML, Sparkplug B, and foreign JSON through a map",
    options=MqttOptions,
    adapter=mqtt_source,
    sink_options=MqttSinkOptions,
    sink=MqttSink,
)

__all__ = ["PLUGIN", "MqttAdapter", "MqttOptions", "MqttSink", "MqttSinkOptions"]
