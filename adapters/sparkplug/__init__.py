"""Sparkplug B over MQTT, as a host application."""

from __future__ import annotations

from adapters.sparkplug.codec import SparkplugCodec, SparkplugCodecOptions
from hub.ports import Plugin

PLUGIN = Plugin(
    protocol="sparkplug",
    summary='Sparkplug B payloads; over a broker: protocol "mqtt" with format = "sparkplug"',
    codec_options=SparkplugCodecOptions,
    codec=SparkplugCodec,
)

__all__ = ["PLUGIN", "SparkplugCodec"]
