"""Alert changes to a broker: each change to its alert's topic, and the newest state of every open alert retained there."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any
from urllib.parse import quote, urlsplit

import aiomqtt
import msgspec

from adapters.mqtt.options import client_tls
from hub.error_words import words_of
from hub.model import AlertChange, Change
from hub.moment import to_text
from hub.ports import Delivery
from hub.secret_files import secret

_CLOSED = frozenset((Change.CLEARED, Change.EXPIRED))
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


class MqttSink:
    """`hub.ports.Sink`. One connection, opened when the first change comes and again whenever it broke."""

    def __init__(self, name: str, options: MqttSinkOptions) -> None:
        self._name = name
        self._options = options
        self._client: aiomqtt.Client | None = None

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        """Taken when the broker has acknowledged (QoS 1); whatever else happens may pass, so it is tried again."""
        topic = topic_of(self._options.topic, change)
        closed = change.change in _CLOSED
        try:
            client = await self._connected()
            retain = self._options.retain and not closed
            await client.publish(topic, body(change, key), qos=1, retain=retain, timeout=self._options.timeout_s)
            if self._options.retain and closed:
                await client.publish(topic, b"", qos=1, retain=True, timeout=self._options.timeout_s)
        except (aiomqtt.MqttError, OSError, ssl.SSLError, TimeoutError, ValueError) as error:
            await self.close()
            return Delivery(
                taken=False,
                detail=f"{self._options.connect}: {error}",
                detail_zh=f"{self._options.connect}：{words_of(error).zh}",
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

    async def _connected(self) -> aiomqtt.Client:
        if self._client is None:
            options = self._options
            url = urlsplit(options.connect)
            client = aiomqtt.Client(
                url.hostname or "",
                url.port or (8883 if url.scheme == "mqtts" else 1883),
                identifier=options.client_id or f"cityhub-sink-{self._name}",
                username=options.username,
                password=secret("password", options.password_env, options.password_file) or None,
                tls_context=client_tls(
                    options.connect,
                    options.tls_ca_file,
                    options.tls_cert_file,
                    options.tls_key_file,
                    options.tls_crl_file,
                ),
                timeout=options.timeout_s,
                clean_session=True,
            )
            await client.__aenter__()
            self._client = client
        return self._client


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
