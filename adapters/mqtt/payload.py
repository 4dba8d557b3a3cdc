"""From an MQTT message to the hub's message: the content type decides, else the adapter's format or map."""

from __future__ import annotations

from collections.abc import Callable

from adapters.json import decode_native, read_map
from adapters.mqtt import codec
from adapters.mqtt.codec import Publish
from adapters.mqtt.options import MqttOptions
from adapters.mqtt.session import FollowUp, nothing
from adapters.senml import decode_cbor, decode_json
from adapters.sparkplug.host import Host, View
from adapters.sparkplug.metrics import read_metrics
from adapters.sparkplug.payload import rebirth_command
from hub.identity import belongs, only, topic_level
from hub.model import Fault, FaultKind, Message

Read = Callable[[Publish, int | None], Message]

_BY_CONTENT_TYPE = {
    "application/senml+json": decode_json,
    "application/sensml+json": decode_json,
    "application/senml+cbor": decode_cbor,
    "application/sensml+cbor": decode_cbor,
}
_BY_FORMAT = {"json": decode_native, "senml-json": decode_json, "senml-cbor": decode_cbor}


def reader(options: MqttOptions) -> Read:
    """The function that reads this adapter's messages. Raises `MapError` or OSError for a map that cannot be used."""
    read = _reader(options)
    return bound(read, topic_level(options.identity)) if options.identity else read


def bound(read: Read, level: int) -> Read:
    """A reader whose messages speak only for the device that this level of their topic names."""

    def bounded(message: Publish, received_at: int | None) -> Message:
        levels = message.topic.split("/")
        name = levels[level - 1] if level <= len(levels) else ""
        return only(read(message, received_at), lambda device: belongs(device, name), f"topic {message.topic}")

    return bounded


def _reader(options: MqttOptions) -> Read:
    if options.format == "sparkplug":
        host = Host(read_metrics(options.map) if options.map is not None else None)
        return lambda message, received_at: _read(
            message, received_at, lambda payload, at: host.read(message.topic, payload, at)
        )
    if options.map is not None:
        maps = read_map(options.map)
        return lambda message, received_at: _read(
            message, received_at, lambda payload, at: maps.decode(payload, at, message.topic)
        )
    decode = _BY_FORMAT[options.format]
    return lambda message, received_at: _read(message, received_at, decode)


def follow_up(options: MqttOptions, now: Callable[[], int]) -> FollowUp:
    """Sparkplug nodes whose state cannot be trusted are asked for their births (NCMD, QoS 0)."""
    if options.format != "sparkplug":
        return nothing

    def ask(message: Message, version: int) -> bytes:
        if isinstance(message.body, View) and message.body.rebirth:
            return codec.publish(message.body.rebirth, rebirth_command(now() // 1_000_000), version=version)
        return b""

    return ask


def _read(message: Publish, received_at: int | None, decode: Callable[[bytes, int | None], Message]) -> Message:
    if message.size > len(message.payload):
        detail = f"{message.topic}: the message has {message.size} bytes, more than packet_bytes_max allows"
        return Message([], [Fault(FaultKind.OVERSIZE, detail, message.payload[:1024], readings=1)])
    if message.properties:
        content_type = str(message.properties.get("content_type", "")).partition(";")[0].strip().lower()
        decode = _BY_CONTENT_TYPE.get(content_type, decode)
    read = decode(message.payload, received_at)
    if message.retain:
        read = _retained(read, message.topic)
    for fault in read.faults:
        fault.detail = f"{message.topic}: {fault.detail}"
    return read


def _retained(read: Message, topic: str) -> Message:
    """A retained message is news of unknown age. With its own time it is known already or back-fill; without one it
    must not be taken for the present."""
    dated = [reading for reading in read.readings if reading.observed_at is not None]
    undated = len(read.readings) - len(dated)
    if undated:
        detail = "a retained message without a time of its own: nobody knows how old it is"
        read.faults.append(Fault(FaultKind.TIME, detail, read.raw, read.device, readings=undated))
    read.readings, read.faults = dated, read.without_held()
    read.body = {"topic": topic, "retained": True}
    return read
