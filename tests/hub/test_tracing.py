"""Traces of single readings: a collector of the test's own takes them over HTTP and decodes them by OpenTelemetry's protocol files."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from hub.client import AsyncClient, calls
from hub.model import AlertChange, Change, Reading
from hub.options import TracingOptions
from hub.pairs import pair_of
from hub.ports import LogPosition
from hub.stages import LOGGED_TO_JUDGED, LOGGED_TO_STORED
from hub.tracing import Traces
from tests.acceptance.ports import free_port
from tests.acceptance.running import write_city
from tests.adapters.http_peer import HttpPeer, http_peer
from tests.hub.running import running


def spans_of(peer: HttpPeer) -> list[Any]:
    """All spans that a collector was sent, in the order in which they ended."""
    found = []
    for heard in peer.heard:
        if heard.path == "/v1/traces":
            for of_resource in ExportTraceServiceRequest.FromString(heard.body).resource_spans:
                named = {item.key: item.value.string_value for item in of_resource.resource.attributes}
                assert (named["service.name"], named["service.namespace"]) == ("cityhub", "test")
                found += [span for scope in of_resource.scope_spans for span in scope.spans]
    return found


def traces_of(spans: list[Any]) -> list[list[Any]]:
    """Each trace's spans, its first span before the others."""
    by_trace: dict[bytes, list[Any]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, []).append(span)
    return [sorted(trace, key=lambda span: (bool(span.parent_span_id), span.name)) for trace in by_trace.values()]


def said(span: Any) -> dict[str, Any]:
    """Its attributes."""
    return {
        item.key.removeprefix("cityhub."): item.value.string_value or item.value.int_value for item in span.attributes
    }


@pytest.mark.acceptance
async def test_a_reading_that_warns_is_followed_from_the_door_to_the_destination(tmp_path: Path) -> None:
    async with http_peer() as peer:
        api = free_port()
        toml = (
            f'[tracing]\notlp = "{peer.url}"\nshare = 0\n'
            f'[[sinks]]\nname = "video"\nprotocol = "webhook"\nurl = "{peer.url}/alerts"\n'
        )
        async with running(write_city(tmp_path, toml, api)), AsyncClient(f"http://127.0.0.1:{api}") as client:
            await client.ask(calls.readings([{"device": "underpass-1", "values": {"water_depth": 0.01}}]))
            await client.ask(calls.readings([{"device": "underpass-1", "values": {"water_depth": 0.5}}]))
            async with asyncio.timeout(120):
                while not any(heard.path == "/alerts" for heard in peer.heard):
                    await asyncio.sleep(0.05)
        [trace] = traces_of(spans_of(peer))
    whole, deliver = trace[:2]
    assert [span.name for span in trace] == ["reading", "deliver", "judge", "log", "store"]
    assert not whole.parent_span_id
    assert {span.parent_span_id for span in trace[1:]} == {whole.span_id}
    assert said(whole) == {"adapter": "api", "readings": 1, "device": "underpass-1"}
    begun = {span.name: span.start_time_unix_nano for span in trace}
    ended = {span.name: span.end_time_unix_nano for span in trace}
    assert begun["reading"] == begun["log"] <= ended["log"] == begun["judge"] == begun["store"]
    assert begun["reading"] <= begun["deliver"] <= ended["judge"]  # the rules may hear of it before the door does
    assert begun["deliver"] <= ended["deliver"]
    assert ended["store"] <= ended["reading"]
    assert {"destination": "video", "change": "raised", "attempts": 1}.items() <= said(deliver).items()
    assert said(deliver)["subject"] == "underpass-1"


@pytest.mark.acceptance
async def test_a_share_of_one_traces_each_message_once_and_a_dead_collector_is_told(tmp_path: Path) -> None:
    api = free_port()
    async with http_peer(lambda heard: (400, b"")) as peer:
        toml = f'[tracing]\notlp = "{peer.url}/v1/traces"\nshare = 1.0\n'
        async with (
            running(write_city(tmp_path, toml, api)) as hub,
            AsyncClient(f"http://127.0.0.1:{api}") as client,
        ):
            for depth in (0.01, 0.02, 0.03):
                await client.ask(calls.readings([{"device": "underpass-1", "values": {"water_depth": depth}}]))
            assert await hub.drain(60)
            await asyncio.to_thread(hub.following.traces._provider.force_flush)  # type: ignore[union-attr]
            async with asyncio.timeout(60):
                while hub.health.part("tracing").state != "degraded":
                    await asyncio.sleep(0.05)
            assert "takes no spans" in hub.health.part("tracing").reason
            assert hub.health.ready
            metrics = (
                (await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{api}/metrics")).read().decode()
            )
        assert 'cityhub_spans_total{outcome="sent"} 0' in metrics
        assert 'cityhub_spans_total{outcome="lost"} ' in metrics
        assert 'cityhub_spans_total{outcome="lost"} 0' not in metrics
        assert [[span.name for span in trace] for trace in traces_of(spans_of(peer))] == [
            ["reading", "judge", "log", "store"]
        ] * 3


def test_without_tracing_nothing_of_it_is_even_imported() -> None:
    code = "import hub.app.hub, sys; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"otlp": "127.0.0.1:4318"}, "address of a collector"),
        ({"otlp": "grpc://127.0.0.1:4317"}, "address of a collector"),
        ({"otlp": "http://"}, "address of a collector"),
        ({"otlp": "http://a:4318?b=c"}, "address of a collector"),
        ({"share": 1.5}, "from 0 to 1"),
        ({"share": float("nan")}, "from 0 to 1"),
    ],
)
def test_what_cannot_be_traced_to_is_a_mistake(given: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        TracingOptions(**given)


def test_the_path_for_traces_is_added_once() -> None:
    for base in ("http://a:4318", "http://a:4318/", "http://a:4318/v1/traces", "http://a:4318/v1/traces/"):
        assert TracingOptions(otlp=base).address == "http://a:4318/v1/traces"
    assert TracingOptions(otlp="https://a/otlp").address == "https://a/otlp/v1/traces"


# ---------------------------------------------------------------------------------------------- which reading a warning came of


class Noted:
    """Traces by a clock of the test's own, whose spans end up in `ended`."""

    def __init__(self, share: float = 0.0) -> None:
        self.at = 0.0
        self.ended: list[Any] = []
        self.traces = Traces(
            "http://127.0.0.1:9/v1/traces",
            share,
            "Testville",
            "node",
            "0",
            clock=lambda: self.at,
            wall=lambda: round((1_000 + self.at) * 1e9),
            chance=random.Random(1),
        )
        self.traces.collector.export = self._export  # type: ignore[method-assign]

    def _export(self, spans: Any) -> Any:
        from opentelemetry.sdk.trace.export import SpanExportResult

        self.ended += spans
        return SpanExportResult.SUCCESS

    def took(self, after: int, *devices: tuple[str, int]) -> None:
        """A group of readings of (device, observed at) is in the log before a place."""
        readings = [Reading(device, observed_at, {"x": 1.0}) for device, observed_at in devices]
        self.traces.logged("door", self.at, readings, LogPosition(after))

    def judged(self, until: int, *changes: AlertChange) -> None:
        for change in changes:
            self.traces.raised(change)
        self.traces.read(LOGGED_TO_JUDGED, LogPosition(until))

    def told(self) -> list[tuple[str, str]]:
        """Of each deliver span: the change's subject, and what its trace begins with (the journey's device or "warning")."""
        self.traces.close()
        first = {span.context.trace_id: span for span in self.ended if span.parent is None}
        return [
            (span.attributes["cityhub.subject"], _begins(first[span.context.trace_id]))
            for span in self.ended
            if span.name == "deliver"
        ]


def _begins(span: Any) -> str:
    return str(span.attributes.get("cityhub.device", span.name))


def raised(subject: str, at: int = 0) -> AlertChange:
    return AlertChange(f"flood/{subject}/{at}", 1, at, "flood", subject, Change.RAISED, "red", pair=pair_of(subject))


@pytest.fixture
def noted() -> Noted:
    return Noted()


def test_a_warning_belongs_to_the_reading_of_its_moment_else_to_the_newest_of_its_subject(noted: Noted) -> None:
    noted.took(1, ("a", 1))
    noted.at = 1.0
    noted.took(2, ("a", 2))
    noted.took(3, ("b", 2))
    noted.at = 2.0
    changes = [raised("a", 1), raised("a", 9), raised("a+c", 5), raised("zone:north", 2)]
    noted.judged(3, *changes)
    noted.traces.read(LOGGED_TO_STORED, LogPosition(3))
    noted.at = 3.0
    for change in changes:
        noted.traces.delivered(change.id, "video", 2)
    assert noted.told() == [("a", "a"), ("a", "a"), ("a+c", "a"), ("zone:north", "warning")]
    begun = [span.start_time for span in noted.ended if span.name == "reading"]
    assert sorted(begun) == [1_000_000_000_000, 1_001_000_000_000], "b was not warned of, so it is not traced"
    stored = [span for span in noted.ended if span.name == "store"]
    assert [(span.start_time, span.end_time) for span in stored] == [
        (1_000_000_000_000, 1_002_000_000_000),
        (1_001_000_000_000, 1_002_000_000_000),
    ]


def test_a_group_that_is_judged_in_parts_is_one_trace(noted: Noted) -> None:
    noted.took(4, ("a", 1), ("b", 1), ("a", 2), ("b", 2))
    noted.judged(2, raised("a", 1))
    noted.judged(4, raised("b", 2))
    noted.traces.delivered(raised("a", 1).id, "video", 1)
    noted.traces.delivered(raised("b", 2).id, "video", 1)
    noted.traces.delivered("of a life before", "video", 1)
    noted.told()
    assert len({span.context.trace_id for span in noted.ended}) == 1
    assert sorted(span.name for span in noted.ended) == ["deliver", "deliver", "judge", "log", "reading"]


def test_rules_and_store_that_hear_of_it_before_the_door_took_no_time() -> None:
    noted = Noted(share=1.0)
    noted.judged(1)
    noted.traces.read(LOGGED_TO_STORED, LogPosition(1))
    noted.at = 5.0
    noted.took(1, ("a", 1))
    noted.traces.close()
    took = {span.name: span.end_time - span.start_time for span in noted.ended}
    assert took == {"reading": 0, "log": 0, "judge": 0, "store": 0}


def test_a_share_is_a_share() -> None:
    noted = Noted(share=0.25)
    for number in range(1, 2001):
        noted.took(number, ("a", number))
    noted.judged(2000)
    noted.traces.close()
    assert 420 < sum(span.name == "reading" for span in noted.ended) < 580
