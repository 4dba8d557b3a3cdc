"""Alert changes to a broker: each change to its alert's topic, and the newest state of every open alert retained there."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any
from urllib.parse import quote, urlsplit

import aiomqtt
import msgspec
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.reasoncodes import ReasonCode

from adapters.mqtt.codec import VERSION_REFUSED, reason
from adapters.mqtt.options import client_tls
from hub.error_words import words_of
from hub.model import AlertChange, Change
from hub.moment import to_text
from hub.ports import Delivery
from hub.secret_files import secret

_CLOSED = frozenset((Change.CLEARED, Change.EXPIRED))
_OTHER = {
    aiomqtt.ProtocolVersion.V5: aiomqtt.ProtocolVersion.V311,
    aiomqtt.ProtocolVersion.V311: aiomqtt.ProtocolVersion.V5,
}
_FIELDS = ("alert", "rule", "subject", "level", "change", "area", "pack")


class MqttSinkOptions(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of a `[[sinks]]` block with protocol = "mqtt"."""

    connect: str
    """ "mqtt://host:1883" or "mqtts://host:8883"."""
    topic: str = "cityhub/alerts/{rule}/{subject}/{alert}"
    """Where a change goes: `{alert}`, `{rule}`, `{subject}`, `{level}`, `{change}`, `{area}`, `{pack}`; what is no part of a topic level
    (/ + # %) is percent-encoded, so that each is one level: rule `flood/fast-rise` is `flood%2Ffast-rise`, and a client subscribes to
    `cityhub/alerts/+/+/+`. With `retain` it should name the alert."""
    retain: bool = True
    """Keep the newest state of every open alert at the broker; a cleared one is taken away."""
    client_id: str = ""
    username: str | None = None
    password_env: str | None = None
    password_file: str | None = None
    timeout_s: float = 10.0
    """For connecting and for each PUBACK."""
    tls_ca_file: str | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    tls_crl_file: str | None = None
    """What the authorities of `tls_ca_file` took back (PEM)."""

    def __post_init__(self) -> None:
        url = urlsplit(self.connect)
        if url.scheme not in ("mqtt", "mqtts") or not url.hostname:
            raise ValueError(f"connect = {self.connect!r}: it should look like mqtt://host:1883 or mqtts://host:8883")
        try:
            plain = self.topic.format(**dict.fromkeys(_FIELDS, "x"))
        except (KeyError, ValueError, IndexError, AttributeError):
            raise ValueError(
                f"topic = {self.topic!r}: it may hold {', '.join('{' + name + '}' for name in _FIELDS)}"
            ) from None
        if not plain or "+" in plain or "#" in plain or plain.startswith("$"):
            raise ValueError(f"topic = {self.topic!r} is no topic to publish to")


class _Client(aiomqtt.Client):
    """One that keeps what the broker says to a message: with MQTT 5 a PUBACK may be a refusal."""

    refusal: int = 0
    """Reason code of the last PUBACK, from 0x80 on; 0 where it was none."""

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        self.refusal = reason_code.value if reason_code.is_failure else 0
        super()._on_publish(client, userdata, mid, reason_code, properties)

    async def say(self, topic: str, payload: bytes, retain: bool, timeout_s: float) -> None:
        """Publish at QoS 1. Raises `_Refused` where the broker does not take it."""
        self.refusal = 0
        await self.publish(topic, payload, qos=1, retain=retain, timeout=timeout_s)
        if self.refusal:
            raise _Refused(self.refusal)


class _Refused(Exception):
    """The broker acknowledged a message and said that it did not take it."""

    def __init__(self, code: int) -> None:
        super().__init__(f"0x{code:02X}")
        self.code = code


class MqttSink:
    """`hub.ports.Sink`. One connection, opened when the first change comes and again whenever it broke. MQTT 5, since only there a broker
    can say that it did not take a message; 3.1.1 with one that does not speak it."""

    def __init__(self, name: str, options: MqttSinkOptions) -> None:
        self._name = name
        self._options = options
        self._client: _Client | None = None
        self._version = aiomqtt.ProtocolVersion.V5

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        """Taken when the broker has acknowledged (QoS 1) without a refusal; whatever else happens may pass or be mended, so it is tried again."""
        topic = topic_of(self._options.topic, change)
        closed = change.change in _CLOSED
        try:
            client = await self._connected()
            retain = self._options.retain and not closed
            await client.say(topic, body(change, key), retain, self._options.timeout_s)
            if self._options.retain and closed:
                await client.say(topic, b"", True, self._options.timeout_s)
        except _Refused as refused:
            why = reason(refused.code)
            return Delivery(False, detail=f"{topic}: {why.en}", detail_zh=f"{topic}：{why.zh}")
        except (aiomqtt.MqttError, OSError, ssl.SSLError, TimeoutError, ValueError) as error:
            await self.close()
            said = words_of(error)
            return Delivery(
                taken=False,
                detail=f"{self._options.connect}: {said.en}",
                detail_zh=f"{self._options.connect}：{said.zh}",
            )
        return Delivery(taken=True, detail=topic)

    async def close(self) -> None:
        """Say good-bye, if there is anybody to say it to."""
        client, self._client = self._client, None
        if client is not None:
            try:
                async with asyncio.timeout(self._options.timeout_s):
                    await client.__aexit__(None, None, None)
            except (aiomqtt.MqttError, OSError, TimeoutError):
                pass
            if (
                client._disconnected.done()
            ):  # seen: nobody waits for messages here, and asyncio would print a traceback later
                client._disconnected.exception()

    async def _connected(self) -> _Client:
        if self._client is None:
            try:
                self._client = await self._connect(self._version)
            except aiomqtt.MqttError as error:  # one that knows only 3.1.1 may hang up on version 5, or never answer it
                if isinstance(error, aiomqtt.MqttCodeError) and _code(error) not in VERSION_REFUSED:
                    raise
                self._client = await self._connect_other()
        return self._client

    async def _connect_other(self) -> _Client:
        """With the other version, which is the one to begin with from then on."""
        other = _OTHER[self._version]
        client = await self._connect(other)
        self._version = other
        return client

    async def _connect(self, version: aiomqtt.ProtocolVersion) -> _Client:
        options = self._options
        url = urlsplit(options.connect)
        client = _Client(
            url.hostname or "",
            url.port or (8883 if url.scheme == "mqtts" else 1883),
            identifier=options.client_id or f"cityhub-sink-{self._name}",
            username=options.username,
            password=secret("password", options.password_env, options.password_file) or None,
            tls_context=client_tls(
                options.connect, options.tls_ca_file, options.tls_cert_file, options.tls_key_file, options.tls_crl_file
            ),
            timeout=options.timeout_s,
            protocol=version,
            clean_session=True if version is aiomqtt.ProtocolVersion.V311 else None,
            clean_start=True if version is aiomqtt.ProtocolVersion.V5 else MQTT_CLEAN_START_FIRST_ONLY,
        )
        await client.__aenter__()
        return client


def _code(error: aiomqtt.MqttCodeError) -> int:
    """What the broker answered to CONNECT."""
    return error.rc.value if isinstance(error.rc, ReasonCode) else error.rc or 0


def topic_of(template: str, change: AlertChange) -> str:
    """The topic of a change; a field adds neither wildcards nor levels."""
    pack, _, _ = change.rule.partition("/")
    words = {
        "alert": quote(change.alert, safe=":@ ,;=!'()*~$&"),
        "rule": quote(change.rule, safe=""),
        "subject": quote(change.subject, safe=":@ ,;=!'()*~$&"),
        "level": change.level,
        "change": str(change.change),
        "area": quote(change.area, safe=" ") or "-",
        "pack": quote(pack, safe=""),
    }
    return template.format(**words)


def body(change: AlertChange, key: str) -> bytes:
    """The change as JSON: its own fields, times as text, the position as [lon, lat], and the idempotency key."""
    plain: dict[str, Any] = msgspec.to_builtins(change)
    plain.pop("type", None)
    plain["at"] = to_text(change.at)
    plain["key"] = key
    if change.position is not None:
        plain["position"] = [change.position.lon, change.position.lat]
    return msgspec.json.encode(plain)
