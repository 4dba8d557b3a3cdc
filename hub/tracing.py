"""Traces of single readings' journeys, for an OpenTelemetry collector: only where `[tracing] otlp` names one.

| span | from | until | under |
|---|---|---|---|
| `reading` | a door is given the messages | rules and store are done with them | (begins a trace) |
| `log` | there | they are durably in the log | `reading` |
| `judge` | there | the rules have judged them, and what they raised is durably in the log | `reading` |
| `store` | in the log | the store has answered for them | `reading` |
| `warning` | a rule makes a change of a warning that no reading of its subject brought about (silence, places, other hubs) | it is durably in the log | (begins a trace) |
| `deliver` | the change is made | one destination has taken it | `reading` or `warning` |

Messages that a door hands over together travel together, so they are one journey. A share of the journeys is traced, by chance, and every
one that a warning came of. Spans hold names (adapter, device, rule, destination) and numbers, and nothing that a device said.
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

from hub.bilingual import NOTHING, Text
from hub.model import AlertChange, Forwarded, Reading
from hub.ports import LogPosition
from hub.stages import LOGGED_TO_JUDGED, LOGGED_TO_STORED, MARKS_MAX

EXPORT_S = 5.0
"""How long the collector may take for one batch of spans."""
QUEUE_SPANS = 20_000
"""Spans that wait for the collector; more are dropped."""
JOURNEYS_MAX = 5_000
"""Journeys that wait for the rules or the store; of more the oldest are not traced to their end."""
STEP_NS = 100_000_000
"""A wall clock that is so far from where it was has been set."""
NS = 1_000_000_000


class Collector:
    """What takes spans, at an address, and what became of those it was given: an exporter as OpenTelemetry wants one. It is called in a thread
    of OpenTelemetry's own."""

    def __init__(self, address: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        logging.getLogger("opentelemetry").setLevel(
            logging.CRITICAL
        )  # the part `tracing` says it once, not every batch
        self._address = address
        self._exporter: Any = OTLPSpanExporter(endpoint=address, timeout=EXPORT_S)
        self.sent = self.lost = 0
        """Spans that the collector has taken, and that it has not."""
        self.trouble = NOTHING
        """Why the last batch was not taken; empty where it was."""

    def export(self, spans: Sequence[Any]) -> Any:
        result = self._exporter.export(spans)
        if result.name == "SUCCESS":
            self.sent += len(spans)
            self.trouble = NOTHING
        else:
            self.lost += len(spans)
            self.trouble = Text(
                f"the collector at {self._address} takes no spans; {self.lost} are lost so far",
                f"{self._address} 的追踪收集器不接收数据；至今丢失 {self.lost} 条",
            )
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """It keeps nothing back."""
        return True


class _Journey:
    """Messages that were handed over together, on their way. Times are of the clock that nobody sets, in seconds."""

    __slots__ = ("after", "door", "entries", "logged_at", "received_at", "sampled", "span")

    def __init__(
        self,
        door: str,
        received_at: float,
        logged_at: float,
        entries: Sequence[Reading | Forwarded],
        after: LogPosition,
    ) -> None:
        self.door, self.entries, self.after = door, entries, after
        self.received_at, self.logged_at = received_at, logged_at
        self.sampled = False
        self.span: Any = None
        """The span `reading`, once it is known that the journey is traced."""


class Traces:
    """A `hub.stages.Journey` that makes spans. Used from one event loop; sending happens in a thread of OpenTelemetry's own."""

    def __init__(
        self,
        address: str,
        share: float,
        hub: str,
        node: str,
        version: str,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = time.time_ns,
        chance: random.Random | None = None,
    ) -> None:
        """`address`: where the collector takes OTLP over HTTP; `share`: of the journeys, 0 to 1; `wall` (ns) dates spans."""
        from opentelemetry.context import Context
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
        from opentelemetry.trace import set_span_in_context

        self.clock, self._wall = clock, wall
        self._offset = 0
        """Wall time less that clock's, ns: kept until somebody sets the wall clock, so that spans that touch have the same time there."""
        self._share, self._chance = share, chance or random.Random()
        self.collector = Collector(address)
        self._to_judge: deque[_Journey] = deque(maxlen=JOURNEYS_MAX)
        self._to_store: deque[_Journey] = deque()
        self._made: list[tuple[AlertChange, float]] = []
        """Changes that are not in the log yet, and when they were made."""
        self._changes: dict[str, tuple[Any, float, AlertChange]] = {}
        """By id: the span under which its deliveries stand, and when it was made."""
        self._judged = self._stored = LogPosition(-1)
        resource = {
            "service.name": "cityhub",
            "service.namespace": hub,
            "service.instance.id": node,
            "service.version": version,
        }
        self._provider: Any = TracerProvider(
            sampler=ALWAYS_ON, resource=Resource.create(resource), shutdown_on_exit=False
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(cast(SpanExporter, self.collector), max_queue_size=QUEUE_SPANS)
        )
        self._tracer = self._provider.get_tracer("cityhub", version)
        self._under: Callable[[Any], Any] = lambda span: set_span_in_context(span, Context()) if span else Context()

    # ---------------------------------------------------------------------------------------------- what the hub tells

    def logged(self, door: str, received_at: float, entries: Sequence[Reading | Forwarded], after: LogPosition) -> None:
        """See `hub.stages.Journey`."""
        journey = _Journey(door, received_at, self.clock(), entries, after)
        journey.sampled = self._chance.random() < self._share
        if after > self._judged:
            self._to_judge.append(journey)
        elif journey.sampled:
            self._is_judged(journey, journey.logged_at)

    def raised(self, change: AlertChange) -> None:
        """See `hub.stages.Journey`. Its span is made once it is in the log: by then the door has told of what brought it about."""
        self._made.append((change, self.clock()))

    def read(self, stage: str, until: LogPosition) -> None:
        """See `hub.stages.Journey`."""
        if stage == LOGGED_TO_JUDGED:
            self._judge(until)
        elif stage == LOGGED_TO_STORED:
            self._stored, at = until, self.clock()
            while self._to_store and self._to_store[0].after <= until:
                self._is_stored(self._to_store.popleft(), at)

    def delivered(self, change: str, destination: str, attempts: int) -> None:
        """See `hub.stages.Journey`."""
        if (made := self._changes.get(change)) is None:
            return
        span, at, what = made
        attributes = {**_of(what), "cityhub.destination": destination, "cityhub.attempts": attempts}
        self._span("deliver", at, self.clock(), span, attributes)

    def close(self) -> None:
        """Send what there is. Blocks, for a few seconds where the collector does not answer."""
        at = self.clock()
        for journey in self._to_store:
            journey.span.end(self._when(at))
        self._to_store.clear()
        self._provider.shutdown()

    # ---------------------------------------------------------------------------------------------- spans

    def _judge(self, until: LogPosition) -> None:
        self._judged, at = until, self.clock()
        made, self._made = self._made, []
        judged = []
        while self._to_judge and self._to_judge[0].after <= until:
            judged.append(self._to_judge.popleft())
        partly = [self._to_judge[0]] if self._to_judge and made else []
        for change, made_at in made:
            journey = _brought_about(change, (*judged, *partly))
            if journey is not None:
                span = self._opened(journey)
            else:
                span = self._span("warning", made_at, at, None, _of(change))
            if len(self._changes) >= MARKS_MAX:
                del self._changes[next(iter(self._changes))]
            self._changes[change.id] = span, made_at, change
        for journey in judged:
            if journey.sampled or journey.span is not None:
                self._is_judged(journey, at)

    def _is_judged(self, journey: _Journey, at: float) -> None:
        self._span("judge", journey.logged_at, at, self._opened(journey))
        journey.entries = ()
        if journey.after <= self._stored:
            self._is_stored(journey, journey.logged_at)
            return
        if len(self._to_store) >= JOURNEYS_MAX:
            self._to_store.popleft().span.end(self._when(at))
        self._to_store.append(journey)

    def _is_stored(self, journey: _Journey, at: float) -> None:
        self._span("store", journey.logged_at, at, journey.span)
        journey.span.end(self._when(self.clock()))

    def _opened(self, journey: _Journey) -> Any:
        """The journey's first span, which its others stand under."""
        if journey.span is None:
            devices = {entry.device for entry in journey.entries if type(entry) is Reading}
            attributes: dict[str, Any] = {"cityhub.adapter": journey.door, "cityhub.readings": len(journey.entries)}
            if len(devices) == 1:
                attributes["cityhub.device"] = devices.pop()
            journey.span = self._tracer.start_span(
                "reading", self._under(None), start_time=self._when(journey.received_at), attributes=attributes
            )
            self._span("log", journey.received_at, journey.logged_at, journey.span)
        return journey.span

    def _span(self, name: str, since: float, until: float, under: Any, attributes: dict[str, Any] | None = None) -> Any:
        span = self._tracer.start_span(
            name, self._under(under), start_time=self._when(since), attributes=attributes or {}
        )
        span.end(self._when(until))
        return span

    def _when(self, at: float) -> int:
        """Wall time (ns) of a moment of the clock that nobody sets."""
        offset = self._wall() - round(self.clock() * NS)
        if abs(offset - self._offset) > STEP_NS:
            self._offset = offset
        return self._offset + round(at * NS)


def _brought_about(change: AlertChange, journeys: Sequence[_Journey]) -> _Journey | None:
    """Which of them a change came of: the one that has the reading of its subject of that moment, else the newest with its subject."""
    subjects = {change.subject, *change.about}
    newest = None
    for journey in reversed(journeys):
        for entry in journey.entries:
            if type(entry) is Reading and entry.device in subjects:
                if entry.observed_at == change.at:
                    return journey
                newest = newest or journey
    return newest


def _of(change: AlertChange) -> dict[str, Any]:
    return {
        "cityhub.alert": change.alert,
        "cityhub.rule": change.rule,
        "cityhub.subject": change.subject,
        "cityhub.change": str(change.change),
        "cityhub.level": change.level,
    }
