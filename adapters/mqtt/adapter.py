"""The MQTT source: connect, subscribe, stay connected. The connection itself is `adapters.mqtt.session`."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Sequence

from adapters.mqtt import codec
from adapters.mqtt.codec import VERSION_REFUSED, Connack
from adapters.mqtt.options import VERSIONS, MqttOptions
from adapters.mqtt.payload import follow_up, reader
from adapters.mqtt.session import Lost, Read, Session
from hub.bilingual import NOTHING, Text, joined, quoted
from hub.error_words import words_of
from hub.ports import Intake

SUBSCRIBE_PAUSE_S = 0.5
PACKET_IDS = (1, 0x7001, 0xE001)
"""Of SUBSCRIBE, one after the other while the broker refuses; the later ones are far from the low numbers of its own messages."""
TRY_ANOTHER_ID = {0x80, 0x91}
"""Unspecified error (all that 3.1.1 can say), and "packet identifier in use" (§3.9.3)."""


class MqttAdapter:
    """Takes messages from one broker. Acknowledges each only after the hub's verdict (law 1)."""

    def __init__(
        self,
        name: str,
        options: MqttOptions,
        now: Callable[[], int] = time.time_ns,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.session: Session | None = None
        self._options = options
        options.tls()
        self._read: Read = reader(options)
        self._follow_up = follow_up(options, now)
        self._now = now
        self._chance = chance
        self._client_id = options.client_id or f"cityhub-{name}"
        self._version = VERSIONS[options.version]
        self._subscribed = False
        self._less = NOTHING
        """What the broker grants less than asked for, in words."""

    async def run(self, intake: Intake) -> None:
        """Until cancelled. Reports how the connection is; never raises for what a broker does."""
        pause_s, short_lives = self._options.reconnect_min_s, 0
        loop = asyncio.get_running_loop()
        while True:
            up_at: float | None = None
            try:
                session = await self._open(intake)
                up_at = loop.time()
                try:
                    await asyncio.shield(session.closed)
                except asyncio.CancelledError:
                    await session.leave()
                    raise
            except (Lost, OSError, ssl.SSLError, TimeoutError, ValueError) as error:
                lived = up_at is not None and loop.time() - up_at > self._options.reconnect_max_s
                if lived:
                    pause_s, short_lives = self._options.reconnect_min_s, 0
                short_lives += up_at is not None
                wait_s = self._chance() * pause_s
                pause_s = min(pause_s * 2, self._options.reconnect_max_s)
                why = _words(error)
                if short_lives >= 3:
                    why += Text(
                        f" (soon after connecting, {short_lives} times now: is client_id {self._client_id!r} used twice?)",
                        f"（连接后不久即断开，已 {short_lives} 次：client_id {self._client_id!r} 是否被重复使用？）",
                    )
                again = Text(f"; connecting again in {wait_s:.1f} s", f"；{wait_s:.1f} 秒后重新连接")
                intake.report("down", why + again)
                await asyncio.sleep(wait_s)

    async def _open(self, intake: Intake) -> Session:
        """A connection that is subscribed. Raises `Lost`, OSError, TimeoutError or ValueError."""
        options = self._options
        version = self._version
        password, tls = options.password(), options.tls()
        if self.session is not None:
            await self.session.read()
        session: Session | None = None
        try:
            async with asyncio.timeout(options.connect_timeout_s):
                _, session = await asyncio.get_running_loop().create_connection(
                    lambda: Session(
                        intake,
                        self._read,
                        self._now,
                        version,
                        options.receive_max,
                        options.packet_bytes_max,
                        self._follow_up,
                    ),
                    options.host,
                    options.port,
                    ssl=tls,
                )
                self.session = session
                session.send(
                    codec.connect(
                        self._client_id,
                        version,
                        options.keepalive_s,
                        clean_start=False,
                        session_expiry_s=options.session_expiry_s,
                        receive_max=options.receive_max,
                        username=options.username,
                        password=password,
                    )
                )
                connack = await self._accepted(session)
                degraded = await self._subscribe(session, connack)
        except BaseException as error:
            if session is not None:
                if isinstance(error, TimeoutError) and not session.connack.done():
                    self._try_other_version(session)
                session.give_up(Text("gave up while connecting", "连接过程中放弃"))
            raise
        session.keep_alive(float(connack.properties.get("server_keep_alive_s") or options.keepalive_s))
        connected = Text(f"connected to {options.connect}", f"已连接 {options.connect}")
        intake.report("degraded" if degraded else "up", degraded or connected)
        return session

    async def _accepted(self, session: Session) -> Connack:
        try:
            connack = await session.connack
        except Lost as lost:
            if not lost.code:
                self._try_other_version(session)
            raise
        if connack.code in VERSION_REFUSED and session.version == codec.V5:
            self._version = codec.V311
            raise Lost(Text("the broker does not know MQTT 5, so 3.1.1 is next", "消息代理不支持 MQTT 5，改用 3.1.1"))
        if connack.code:
            raise Lost(
                Text("the broker refuses the connection: ", "消息代理拒绝连接：")
                + codec.reason(connack.code, connack.properties),
                connack.code,
            )
        return connack

    def _try_other_version(self, session: Session) -> None:
        """Brokers that know only 3.1.1 may hang up on a CONNECT of version 5, or never answer it: 3.1.1 is next, in turns."""
        if VERSIONS[self._options.version] == codec.V5:
            self._version = codec.V311 if session.version == codec.V5 else codec.V5

    async def _subscribe(self, session: Session, connack: Connack) -> Text:
        """Subscribe, unless the broker still knows our subscriptions. What is less than asked for, in words."""
        if connack.session_present and self._subscribed:
            return self._less
        topics = self._options.topics
        codes = await self._granted(session, topics)
        refused = [
            Text(f"{topic}: ", f"{topic}：") + codec.reason(code)
            for topic, code in zip(topics, codes, strict=False)
            if code >= 0x80
        ]
        said = joined(refused[:5])
        if len(refused) == len(topics):
            raise Lost(Text(f"the broker refuses every topic ({said.en})", f"消息代理拒绝全部主题（{said.zh}）"))
        if refused:
            return Text(f"the broker refuses some topics ({said.en})", f"消息代理拒绝部分主题（{said.zh}）")
        self._subscribed, self._less = True, NOTHING
        lowered = [topic for topic, code in zip(topics, codes, strict=False) if code == 0]
        if lowered:
            named = ", ".join(lowered[:5])
            self._less = Text(
                f"the broker grants only QoS 0 for {named}: what a restart misses there is lost",
                f"消息代理对 {named} 只给予 QoS 0：重启期间的消息会丢失",
            )
        return self._less

    async def _granted(self, session: Session, topics: Sequence[str]) -> Sequence[int]:
        """The broker's codes. Where it refuses everything, again with another packet id on the same connection: one that gives its
        own messages the same ids may refuse ours while it waits for an acknowledgement."""
        codes: Sequence[int] = ()
        for attempt in range(len(PACKET_IDS)):
            if attempt:
                await asyncio.sleep(SUBSCRIBE_PAUSE_S)
            codes = (await session.subscribe(PACKET_IDS[attempt], topics)).codes
            if not codes or any(code < 0x80 for code in codes):
                break
            if not set(codes) & TRY_ANOTHER_ID:
                break
        return codes


def _words(error: BaseException) -> Text:
    if isinstance(error, TimeoutError):
        return Text("the broker did not answer in time", "消息代理未在限定时间内应答")
    if isinstance(error, ssl.SSLCertVerificationError):
        said = quoted(str(error.verify_message))
        return Text("the broker's certificate is not trusted: ", "消息代理的证书不受信任：") + said
    if isinstance(error, ConnectionRefusedError):
        return Text("nobody listens at the broker's address", "消息代理的地址无人监听")
    return words_of(error)
