"""What a Sparkplug B host application keeps in mind: births, aliases, sequence numbers, and who is alive.

Pure: topic, payload and receive time in; a message out. A node whose state cannot be trusted (a gap, an alias nobody
explained) is asked for its births again: `Message.body.rebirth` names the topic to publish `rebirth_command` to.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from adapters.sparkplug.metrics import MetricMap, Target
from adapters.sparkplug.payload import DATE_TIME, TYPES, Malformed, Metric, Payload, decode
from adapters.values import PLACES, Unusable, accept, device_name, place, shown
from hub.model import Fault, FaultKind, Mark, Message, Reading, Value
from hub.moment import SECOND

NAMESPACE = "spBv1.0"
NODES_LIMIT = (
    10_000  # edge nodes remembered; the one that was silent longest is forgotten, and asked again if it speaks
)
ALIASES_LIMIT = 50_000  # of one edge node
PAYLOAD_LIMIT = 1_048_576  # bytes
REBIRTH_PAUSES_NS = (2 * SECOND, 30 * SECOND)
"""A node is not asked again sooner, for its births are the largest messages it has: the pause doubles from the first to the second
while no NBIRTH comes. The first is short, as a request or a birth may be lost (QoS 0), and until then every value of the node is."""

_KINDS = ("NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA")
_COMMANDS = ("NCMD", "DCMD", "STATE")
_QUALITY = {0: Mark.INVALID, 500: Mark.COMMS}  # Sparkplug 3.0.0 §6.4.6: 0 bad, 192 good, 500 stale
_OWN = ("bdSeq", "Node Control/", "Device Control/", "Node Info/", "Properties/")
"""Names by which nodes speak of themselves, not of what they measure."""


class View(msgspec.Struct):
    """Sparkplug's own view of one message."""

    topic: str
    kind: str = ""
    payload: Payload | None = None
    rebirth: str = ""
    """The topic of the NCMD by which this node is to be asked for its births; empty where it need not."""

    def detail(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"topic": self.topic, "type": self.kind}
        if self.payload is not None:
            shown |= {"timestamp": self.payload.timestamp, "seq": self.payload.seq}
            shown["metrics"] = [_metric_detail(metric) for metric in self.payload.metrics]
        return shown | {"rebirth": self.rebirth} if self.rebirth else shown


def _metric_detail(metric: Metric) -> dict[str, Any]:
    detail: dict[str, Any] = {"name": metric.name} if metric.name else {}
    if metric.alias is not None:
        detail["alias"] = metric.alias
    detail["type"] = TYPES[metric.datatype] if metric.datatype < len(TYPES) else str(metric.datatype)
    value = metric.value(metric.datatype) if metric.datatype else metric.raw
    # JSON has no NaN.
    detail["value"] = repr(value) if isinstance(value, float) and not -1e308 <= value <= 1e308 else value
    if metric.timestamp is not None:
        detail["timestamp"] = metric.timestamp
    return detail


class _Known(msgspec.Struct, gc=False):
    """What a birth said of one metric."""

    name: str
    datatype: int
    unit: str
    target: Target | None


class _Node(msgspec.Struct):
    """One edge node."""

    seq: int | None = None
    birth: int | None = None
    """bdSeq of the NBIRTH that counts."""
    aliases: dict[int, _Known] = {}
    names: dict[tuple[str, str], _Known] = {}
    """(device, metric name) → what its birth said."""
    devices: set[str] = set()
    asked_at: int | None = None
    pause_ns: int = REBIRTH_PAUSES_NS[0]
    """From one request for births to the next."""


class Host:
    """All edge nodes of one connection."""

    def __init__(self, metrics: MetricMap | None = None) -> None:
        self._metrics = metrics or MetricMap({})
        self._nodes: OrderedDict[str, _Node] = OrderedDict()

    def read(self, topic: str, data: bytes, received_at: int | None = None) -> Message:
        """One Sparkplug message. Never raises."""
        view = View(topic)
        try:
            return self._read(view, topic, data, received_at)
        except (Unusable, Malformed) as error:
            kind = error.kind if isinstance(error, Unusable) else FaultKind.SYNTAX
            sentence = error.detail if isinstance(error, Unusable) else f"not a Sparkplug B payload: {error}"
            kept = data if len(data) <= PAYLOAD_LIMIT else data[:1024]
            return Message([], [Fault(kind, sentence, kept, readings=1)], None, view, kept)

    def _read(self, view: View, topic: str, data: bytes, received_at: int | None) -> Message:
        levels = topic.split("/")
        if len(data) > PAYLOAD_LIMIT:
            raise Unusable(FaultKind.OVERSIZE, f"the payload has {len(data)} bytes; at most {PAYLOAD_LIMIT} are read")
        if levels[0] != NAMESPACE or len(levels) < 3:
            raise Unusable(
                FaultKind.FRAME, f"{shown(topic)} is no Sparkplug B topic: spBv1.0/group/type/node[/device] is expected"
            )
        view.kind = "STATE" if levels[1] == "STATE" else levels[2]
        if view.kind in _COMMANDS:
            return Message([], [], None, view, data)
        of_device = view.kind.startswith("D")
        if view.kind not in _KINDS or len(levels) != (5 if of_device else 4):
            raise Unusable(
                FaultKind.UNSUPPORTED, f"{shown(topic)}: {shown(view.kind)} is no Sparkplug B message type here"
            )
        node_name, device = f"{levels[1]}/{levels[3]}", levels[4] if of_device else ""
        name = device_name(f"sparkplug:{node_name}/{device}" if device else f"sparkplug:{node_name}")
        view.payload = decode(data)
        node = self._node(node_name)
        turn = _Turn(view, node, name, device, data, received_at)
        if view.kind == "NDEATH":
            turn.death_of_node(node_name)
        else:
            turn.check_sequence()
            if view.kind == "DDEATH":
                node.devices.discard(device)
                turn.alive(name, False, turn.at(view.payload.timestamp))
            else:
                if view.kind.endswith("BIRTH"):
                    turn.birth(self._metrics)
                turn.take_values(self._metrics)
        if turn.doubt:
            view.rebirth = self._ask(node, levels, received_at)
        return Message(turn.readings, turn.faults, name, view, data)

    def _node(self, name: str) -> _Node:
        node = self._nodes.pop(name, None) or _Node(aliases={}, names={}, devices=set())
        self._nodes[name] = node
        if len(self._nodes) > NODES_LIMIT:
            self._nodes.popitem(last=False)
        return node

    def _ask(self, node: _Node, levels: list[str], received_at: int | None) -> str:
        if node.asked_at is not None:
            if received_at is None or received_at - node.asked_at < node.pause_ns:
                return ""
            node.pause_ns = min(2 * node.pause_ns, REBIRTH_PAUSES_NS[1])
        node.asked_at = received_at or 0
        return f"{NAMESPACE}/{levels[1]}/NCMD/{levels[3]}"


class _Turn:
    """The handling of one message."""

    def __init__(self, view: View, node: _Node, name: str, device: str, data: bytes, received_at: int | None) -> None:
        assert view.payload is not None
        self.payload = view.payload
        self.kind = view.kind
        self.node = node
        self.name = name
        self.device = device
        self.data = data
        self.received_at = received_at
        self.readings: list[Reading] = []
        self.faults: list[Fault] = []
        self.doubt = False

    def note(self, kind: FaultKind, detail: str) -> None:
        self.faults.append(Fault(kind, f"{self.kind}: {detail}", b"" if self.faults else self.data, self.name))

    def at(self, timestamp_ms: int | None) -> int | None:
        """ns of a Sparkplug time; the receive time where there is none or it is no moment."""
        if timestamp_ms is None:
            return self.received_at
        at = timestamp_ms * 1_000_000
        if at >= 2**63:
            self.note(FaultKind.TIME, f"timestamp {timestamp_ms} ms lies beyond the year 2262")
            return None
        return at

    def alive(self, device: str, alive: bool, at: int | None) -> None:
        self.readings.append(Reading(device, at, {"online": alive}))

    # ------------------------------------------------------------------------------------------ births and deaths

    def check_sequence(self) -> None:
        """seq counts 0 to 255 over all messages of a node; NBIRTH starts it anew (§6.4.4)."""
        node, seq = self.node, self.payload.seq
        if self.kind == "NBIRTH":
            node.seq = seq
            return
        last, node.seq = node.seq, seq
        if last is None or seq is None:
            self.doubt = self.doubt or node.birth is None
        elif seq != (last + 1) % 256 and seq != last:
            self.doubt = True
            self.note(FaultKind.INCOMPLETE, f"seq {seq} came after {last}: messages between them are lost")

    def birth(self, metrics: MetricMap) -> None:
        node = self.node
        if self.kind == "NBIRTH":
            node.aliases.clear()
            node.names.clear()
            node.devices.clear()
            node.asked_at, node.pause_ns = None, REBIRTH_PAUSES_NS[0]
            node.birth = next((m.raw for m in self.payload.metrics if m.name == "bdSeq" and isinstance(m.raw, int)), -1)
        else:
            node.devices.add(self.device)
        unknown: list[str] = []
        for metric in self.payload.metrics:
            if not metric.name:
                self.note(FaultKind.SYNTAX, f"alias {metric.alias} has no name")
                continue
            target = metrics.target(metric.name)
            known = _Known(metric.name, metric.datatype, metric.unit, target)
            if len(node.names) >= ALIASES_LIMIT:
                self.note(FaultKind.OVERSIZE, f"more than {ALIASES_LIMIT} metrics of one node")
                break
            node.names[self.device, metric.name] = known
            if metric.alias is not None:
                node.aliases[metric.alias] = known
            if target is None and not metric.name.startswith(_OWN) and _place_of(metric.name) is None:
                unknown.append(metric.name)
        if unknown:
            listed = ", ".join(shown(name) for name in unknown[:20]) + (" …" if len(unknown) > 20 else "")
            self.note(
                FaultKind.UNKNOWN_METRIC,
                f"{len(unknown)} metrics have no place in the vocabulary; map them or let them be: {listed}",
            )
        self.alive(self.name, True, self.at(self.payload.timestamp))

    def death_of_node(self, node_name: str) -> None:
        """NDEATH is the node's will: it counts if it belongs to the birth that counts (§6.4.3), and its time is now."""
        node = self.node
        number = next((metric.raw for metric in self.payload.metrics if metric.name == "bdSeq"), None)
        if node.birth not in (None, -1) and number is not None and number != node.birth:
            return
        self.alive(self.name, False, self.received_at)
        for device in sorted(node.devices):
            self.alive(f"sparkplug:{node_name}/{device}", False, self.received_at)
        node.devices.clear()
        node.seq = None

    # ----------------------------------------------------------------------------------------------------- values

    def take_values(self, metrics: MetricMap) -> None:
        """Values of one time become one reading."""
        drafts: dict[int | None, Reading] = {reading.observed_at: reading for reading in self.readings}
        places: dict[int | None, dict[str, Any]] = {}
        for metric in self.payload.metrics:
            known = self._known(metric, metrics)
            if known is None or metric.null:
                continue
            where = _place_of(known.name) if known.target is None else None
            if known.target is None and where is None:
                continue  # its birth said so
            at = self.at(metric.timestamp if metric.timestamp is not None else self.payload.timestamp)
            value = metric.value(metric.datatype or known.datatype)
            if where is not None:
                places.setdefault(at, {})[where] = value
                continue
            assert known.target is not None
            try:
                accepted = _accepted(known, metric, value)
            except Unusable as unusable:
                self.note(unusable.kind, f"{shown(known.name)}: {unusable.detail}")
                continue
            reading = drafts.get(at)
            if reading is None:
                reading = drafts[at] = Reading(self.name, at, {})
                self.readings.append(reading)
            reading.values[known.target.metric] = accepted
            mark = _QUALITY.get(metric.quality) if metric.quality is not None else None
            if mark is not None:
                reading.marks = {**(reading.marks or {}), known.target.metric: mark}
        for at, found in places.items():
            try:
                position = place(found.get("lon"), found.get("lat"), found.get("alt"))
            except Unusable as unusable:
                self.note(unusable.kind, unusable.detail)
                continue
            if at in drafts:
                drafts[at].position = position
            else:
                self.readings.append(Reading(self.name, at, {}, position))

    def _known(self, metric: Metric, metrics: MetricMap) -> _Known | None:
        if metric.name:
            found = self.node.names.get((self.device, metric.name))
            return found or _Known(metric.name, metric.datatype, metric.unit, metrics.target(metric.name))
        known = self.node.aliases.get(metric.alias) if metric.alias is not None else None
        if known is None:
            self.doubt = True
            self.note(FaultKind.INCOMPLETE, f"alias {metric.alias} has no name yet: no birth told it")
        return known


def _accepted(known: _Known, metric: Metric, value: Any) -> Value:
    assert known.target is not None
    if value is None:
        kind = metric.datatype or known.datatype
        name = TYPES[kind] if kind < len(TYPES) else str(kind)
        what = "a time" if kind == DATE_TIME else f"a {name}"
        raise Unusable(FaultKind.UNSUPPORTED, f"{what} is no single value that a metric could take")
    return known.target.convert(value, known.unit, accept)


def _place_of(name: str) -> str | None:
    return PLACES.get(name.rpartition("/")[2].lower())
