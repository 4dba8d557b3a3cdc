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
        self._less = ""
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
                    why += f" (soon after connecting, {short_lives} times now: is client_id {self._client_id!r} used twice?)"
                intake.report("down", f"{why}; connecting again in {wait_s:.1f} s")
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
                session.give_up("gave up while connecting")
            raise
        session.keep_alive(float(connack.properties.get("server_keep_alive_s") or options.keepalive_s))
        intake.report("degraded" if degraded else "up", degraded or f"connected to {options.connect}")
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
            raise Lost("the broker does not know MQTT 5, so 3.1.1 is next")
        if connack.code:
            raise Lost(
                f"the broker refuses the connection: {codec.reason(connack.code, connack.properties)}", connack.code
            )
        return connack

    def _try_other_version(self, session: Session) -> None:
        """Brokers that know only 3.1.1 may hang up on a CONNECT of version 5, or never answer it: 3.1.1 is next, in turns."""
        if VERSIONS[self._options.version] == codec.V5:
            self._version = codec.V311 if session.version == codec.V5 else codec.V5

    async def _subscribe(self, session: Session, connack: Connack) -> str:
        """Subscribe, unless the broker still knows our subscriptions. What is less than asked for, in words."""
        if connack.session_present and self._subscribed:
            return self._less
        topics = self._options.topics
        codes = await self._granted(session, topics)
        refused = [f"{topic}: {codec.reason(code)}" for topic, code in zip(topics, codes, strict=False) if code >= 0x80]
        if len(refused) == len(topics):
            raise Lost(f"the broker refuses every topic ({'; '.join(refused[:5])})")
        if refused:
            return f"the broker refuses some topics ({'; '.join(refused[:5])})"
        self._subscribed, self._less = True, ""
        lowered = [topic for topic, code in zip(topics, codes, strict=False) if code == 0]
        if lowered:
            self._less = (
                f"the broker grants only QoS 0 for {', '.join(lowered[:5])}: what a restart misses there is lost"
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


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "the broker did not answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is not trusted: {error.verify_message}"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens at the broker's address"
    return str(error) or type(error).__name__
