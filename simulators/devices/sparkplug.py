"""A Sparkplug B edge node with one device (Eclipse Sparkplug 3.0.0): births that explain aliases, data by alias, a death as the
broker's last will, births again when the host asks. Data goes out at QoS 0, as the specification wants it: not kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from struct import pack
from urllib.parse import urlsplit

import aiomqtt

from simulators.devices.faults import Faults
from simulators.devices.report import Outbox, Report
from simulators.world.observing import Values

INT64, DOUBLE, BOOLEAN, STRING = 4, 10, 11, 12
VARINT, FIXED64, BYTES = 0, 1, 2


def varint(value: int) -> bytes:
    """Protobuf's base-128 number, least significant group first."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def field(number: int, value: int | float | bytes) -> bytes:
    """One protobuf field: an int as a varint, a float as a fixed 64-bit double, bytes with their length."""
    if isinstance(value, float):
        return varint(number << 3 | FIXED64) + pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    return varint(number << 3 | BYTES) + varint(len(value)) + value


def metric(value: float | bool | str, at_ms: int, alias: int | None = None, name: str = "") -> bytes:
    """A Metric: name 1, alias 2, timestamp 3, datatype 4, double 13, boolean 14, string 15."""
    made = field(1, name.encode()) if name else b""
    if alias is not None:
        made += field(2, alias)
    made += field(3, at_ms)
    if isinstance(value, bool):
        return made + field(4, BOOLEAN) + field(14, int(value))
    if isinstance(value, str):
        return made + field(4, STRING) + field(15, value.encode())
    return made + field(4, DOUBLE) + field(13, float(value))


def payload(at_ms: int, metrics: list[bytes], seq: int | None = None) -> bytes:
    """A Payload: timestamp 1, metrics 2, seq 3."""
    made = field(1, at_ms) + b"".join(field(2, item) for item in metrics)
    return made + field(3, seq) if seq is not None else made


class Births:
    """What the node has told: its session number, its sequence, the aliases of its device's metrics. Pure."""

    def __init__(self) -> None:
        self.session = -1
        self._seq = 0
        self.aliases: dict[str, int] = {}

    def session_metric(self) -> bytes:
        """bdSeq, which ties a death to its birth (Int64, long_value 11)."""
        return field(1, b"bdSeq") + field(4, INT64) + field(11, self.session)

    def node(self, at_ms: int) -> bytes:
        """NBIRTH: sequence 0, bdSeq and the command by which a host asks for births."""
        self._seq = 0
        self.aliases.clear()
        rebirth = field(1, b"Node Control/Rebirth") + field(4, BOOLEAN) + field(14, 0)
        return payload(at_ms, [self.session_metric(), rebirth], self._seq)

    def device(self, at_ms: int, values: Mapping[str, float | bool | str]) -> bytes:
        """DBIRTH: names, aliases and values of everything the device has."""
        self.aliases = {name: alias for alias, name in enumerate(values, 1)}
        return payload(
            at_ms, [metric(value, at_ms, self.aliases[name], name) for name, value in values.items()], self._next()
        )

    def data(self, at_ms: int, values: Mapping[str, float | bool | str]) -> bytes:
        """DDATA: values by alias only."""
        known = {name: value for name, value in values.items() if name in self.aliases}
        return payload(at_ms, [metric(value, at_ms, self.aliases[name]) for name, value in known.items()], self._next())

    def death(self) -> bytes:
        return payload(0, [self.session_metric()])

    def _next(self) -> int:
        self._seq = (self._seq + 1) % 256
        return self._seq


class EdgeNode:
    """`group/node/device` behind one MQTT connection."""

    def __init__(self, path: str, faults: Faults | None = None) -> None:
        self.group, self.node, self.device = path.split("/")
        self.faults = faults or Faults()
        self._line = self.faults.line()
        self.outbox = Outbox(100)
        self.births = Births()
        self._news = asyncio.Event()
        self._born = False

    def send(self, report: Report) -> None:
        self.outbox.put(report)
        self._news.set()

    def topic(self, kind: str) -> str:
        device = f"/{self.device}" if kind.startswith("D") else ""
        return f"spBv1.0/{self.group}/{kind}/{self.node}{device}"

    async def run(self, address: str) -> None:
        """Until cancelled."""
        parts = urlsplit(address if "://" in address else f"mqtt://{address}")
        quiet = logging.getLogger(f"simulators.sparkplug.{self.node}")
        quiet.setLevel(logging.CRITICAL)
        while True:
            self.births.session = (self.births.session + 1) % 256
            self._born = False
            will = aiomqtt.Will(self.topic("NDEATH"), self.births.death(), qos=1)
            try:
                async with aiomqtt.Client(
                    parts.hostname or "127.0.0.1", parts.port or 1883, identifier=f"simulator-{self.group}-{self.node}",
                    protocol=aiomqtt.ProtocolVersion.V311, will=will, logger=quiet, timeout=8,
                ) as client:  # fmt: skip
                    await client.subscribe(self.topic("NCMD"), qos=1)
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._listen(client))
                        tasks.create_task(self._speak(client))
            except* (aiomqtt.MqttError, OSError, TimeoutError):
                pass
            await asyncio.sleep(1.0)

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Any command to the node asks for its births: it offers no other."""
        async for _ in client.messages:
            self._born = False
            self._news.set()

    async def _speak(self, client: aiomqtt.Client) -> None:
        while True:
            report = next(iter(self.outbox), None)
            if report is None:
                self._news.clear()
                await self._news.wait()
                continue
            self.outbox.take_back(report)
            values, at_ms = flat(report.values), report.at // 1_000_000
            if self._born:
                frames = [(self.topic("DDATA"), self.births.data(at_ms, values))]
            else:
                frames = [
                    (self.topic("NBIRTH"), self.births.node(at_ms)),
                    (self.topic("DBIRTH"), self.births.device(at_ms, values)),
                ]
                self._born = True
            for topic, frame in frames:
                for sent in self._line.carry([frame]):
                    await client.publish(topic, sent, qos=0)


def flat(values: Values) -> dict[str, float | bool | str]:
    """Without the lists, which are no Sparkplug type that devices of this kind use."""
    return {name: value for name, value in values.items() if not isinstance(value, list)}
