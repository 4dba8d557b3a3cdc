"""Where the state of the hub's parts is kept: since when, why, said once, and what makes the hub not ready."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hub.api.state import ReaderState
from hub.app import readers
from hub.app.watching import BEHIND_DEGRADED_S, BEHIND_DOWN_S, RuleParts, Watch
from hub.delivery.line import Status
from hub.health import BURST, FLAPPING_EVERY_S, Health, Part
from hub.ledger import Ledger
from hub.log import Log
from hub.model import Event, Reading, Tick
from hub.moment import SECOND
from hub.ports import StoreUnavailable
from rules.engine import Engine
from tests.acceptance.running import write_city
from tests.hub.running import running

NOW = 1_780_000_000 * SECOND


class Bench:
    def __init__(self) -> None:
        self.at = NOW
        self.said: list[str] = []
        self.health = Health(lambda: self.at, self.said.append, lambda at: "T")


def test_each_change_of_state_is_said_once_with_its_reason() -> None:
    bench = Bench()
    broker = bench.health.part("adapter/broker")
    broker.report("up", "listening")
    broker.report("up", "still listening")
    bench.at += 5 * SECOND
    broker.report("down", "connection refused; next attempt in 1.0 s")
    broker.report("down", "connection refused; next attempt in 2.0 s")
    bench.at += 90 * SECOND
    broker.report("up")
    assert bench.said == [
        "T adapter/broker: up: listening",
        "T adapter/broker: down: connection refused; next attempt in 1.0 s",
        "T adapter/broker: up again, after 90 s",
    ]
    assert (broker.since, broker.reason) == (NOW + 95 * SECOND, "")


def test_since_is_when_the_state_began_and_the_reason_is_the_newest() -> None:
    bench = Bench()
    part = bench.health.part("store")
    part.report("down", "refused")
    bench.at += SECOND
    part.report("down", "timed out")
    assert (part.since, part.reason) == (NOW, "timed out")


class Server:
    """A store that writes only what there is to write, and may be away."""

    def __init__(self) -> None:
        self.away = False
        self.asked = 0

    def reach(self) -> None:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("nobody listens")

    def write(self, stream: str, events: Sequence[Any], first: int, next: int) -> list[Any]:
        if self.away and any(isinstance(event, Reading) for event in events):
            raise StoreUnavailable("nobody listens")
        return []

    def cursor(self, stream: str) -> int | None:
        return None


async def test_a_store_that_dies_while_only_ticks_flow_is_down_and_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of ticks is nothing to write: that it goes through must not say that the store is there."""
    monkeypatch.setattr(readers, "ASK_EVERY_S", 0.05)
    monkeypatch.setattr(readers, "STORE_LINGER_S", 0.0)
    monkeypatch.setattr(readers, "BACKOFF_S", (0.01, 0.02))
    log, server = Log(tmp_path / "log"), Server()
    reader = readers.StoreReader(server, log.events, log.quarantine, Ledger(), lambda: NOW)  # type: ignore[arg-type]
    await reader.open(None)
    running = asyncio.create_task(reader.run())

    async def tick_until(state: str) -> None:
        async with asyncio.timeout(30):
            while reader.state.state != state:
                await log.events.append([Tick(NOW)])
                await asyncio.sleep(0.01)

    server.away = True
    await tick_until("down")
    states = set()
    for _ in range(20):
        await log.events.append([Tick(NOW)])
        await asyncio.sleep(0.01)
        states.add(reader.state.state)
    assert states == {"down"}
    server.away = False
    await tick_until("up")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await log.close()


async def test_writes_to_the_store_begin_a_second_apart_and_the_first_after_a_pause_comes_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few readings come: at fifty a second the store was written to four times a second. Ticks delay nothing."""
    log, loop = Log(tmp_path / "log"), asyncio.get_running_loop()
    reader = readers.StoreReader(Server(), log.events, log.quarantine, Ledger(), lambda: NOW)  # type: ignore[arg-type]
    await reader.open(None)
    clock, lingered = 1000.0, list[float]()

    async def linger(seconds: float) -> None:
        nonlocal clock
        clock += seconds
        lingered.append(round(seconds, 3))

    monkeypatch.setattr("hub.app.readers.asyncio.sleep", linger)
    monkeypatch.setattr(loop, "time", lambda: clock)
    one: Event = Reading("a", NOW, {"flow": 1.0}, received_at=NOW)
    for pause_s, entry in ((0, one), (0.1, one), (0, one), (0.9, one), (2, one), (2, Tick(NOW)), (0, one)):
        clock += pause_s
        await log.events.append([entry])
        await reader._step()
    assert lingered == [0.25, 0.9, 1.0, 0.25, 0.25, 0.25, 0.25]
    assert reader.state.cursor == log.events.next
    monkeypatch.undo()
    await log.close()


async def test_a_store_that_hangs_is_down_and_what_it_hung_on_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes the connection and answers a byte now and then was "up" for hours, while nothing was stored."""
    monkeypatch.setattr(readers, "SILENT_S", 0.05)
    monkeypatch.setattr(readers, "STORE_LINGER_S", 0.0)
    answers = threading.Event()

    class Hanging(Server):
        written = 0

        def write(self, stream: str, events: Sequence[Any], first: int, next: int) -> list[Any]:
            answers.wait(60)
            self.written += len(events)
            return []

    log, server = Log(tmp_path / "log"), Hanging()
    reader = readers.StoreReader(server, log.events, log.quarantine, Ledger(), lambda: NOW)  # type: ignore[arg-type]
    await reader.open(None)
    running = asyncio.create_task(reader.run())
    await log.events.append([Tick(NOW)])
    async with asyncio.timeout(60):
        while reader.state.state != "down":
            await asyncio.sleep(0.01)
        assert "no answer for" in reader.state.part.reason
        answers.set()
        while reader.state.state != "up":
            await asyncio.sleep(0.01)
    assert (server.written, reader.state.cursor) == (1, log.events.next)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await log.close()


def test_a_part_that_flaps_is_said_a_few_times_and_then_how_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr("hub.health.time.monotonic", lambda: seconds[0])
    bench = Bench()
    part = bench.health.part("adapter/x")
    for _ in range(100):
        part.report("down", "gone")
        part.report("up")
    assert len(bench.said) == BURST
    bench.health.settle()
    assert len(bench.said) == BURST
    seconds[0] += FLAPPING_EVERY_S
    bench.health.settle()
    bench.health.settle()
    assert bench.said[BURST:] == [f"T adapter/x: up ({200 - BURST} changes since were not said one by one)"]


def test_reasons_stay_on_one_line_and_bring_no_control_characters() -> None:
    bench = Bench()
    bench.health.part("adapter/x").report("down", "no\nroute\x1b[2J" + "x" * 1000)
    assert len(bench.said) == 1
    assert "\n" not in bench.said[0]
    assert "\x1b" not in bench.said[0]
    assert len(bench.said[0]) < 500


def test_a_whole_is_as_ill_as_its_worst_member_and_speaks_for_it() -> None:
    bench = Bench()
    members = [Part(f"store/{name}") for name in ("events", "alerts")]
    bench.health.whole("store", members, required=True)
    for member in members:
        member.report("up")
    for member in members:
        member.report("down", "connection refused")
    assert bench.said == ["T store: up", "T store: down: connection refused"]
    members[0].report("up")
    assert not bench.health.ready
    members[1].report("up")
    assert bench.health.ready
    assert bench.said[-1].startswith("T store: up again")


def test_only_what_the_hub_cannot_do_without_makes_it_not_ready() -> None:
    bench = Bench()
    bench.health.part("rules", required=True)
    adapter = bench.health.part("adapter/pumps")
    assert not bench.health.ready, "rules are still starting"
    bench.health.part("rules").report("degraded", "behind")
    adapter.report("down", "no route")
    assert bench.health.ready
    bench.health.part("rules").report("failed", "ZeroDivisionError")
    assert not bench.health.ready
    assert {part.name for part in bench.health.ill()} == {"rules", "adapter/pumps"}


async def test_a_reader_that_takes_nothing_is_seen_to_be_behind(tmp_path: Path) -> None:
    log = Log(tmp_path)
    bench = Bench()
    for name in log.streams:
        bench.health.part(f"log/{name}")
    rules = ReaderState("rules", "events", True)
    bench.health.add(rules.part, required=True)
    rules.report("up")
    watch = Watch(bench.health, log, [rules])
    watch.step(0.0)
    await log.events.append([Tick(NOW)])
    watch.step(1.0)
    assert rules.state == "up"
    watch.step(1.0 + BEHIND_DEGRADED_S + 1)
    assert (rules.state, bench.health.ready) == ("degraded", True)
    assert "1 entries wait" in rules.detail
    watch.step(1.0 + BEHIND_DOWN_S + 1)
    assert (rules.state, bench.health.ready) == ("down", False)
    rules.cursor = log.events.next
    watch.step(2.0 + BEHIND_DOWN_S)
    assert (rules.state, bench.health.ready) == ("up", True)
    await log.close()


async def test_a_stream_that_refuses_is_down_until_it_takes_input_again(tmp_path: Path) -> None:
    log = Log(tmp_path)
    bench = Bench()
    bench.health.whole("log", [Part(f"log/{name}", "up") for name in log.streams])
    watch = Watch(bench.health, log, [])
    for name in log.streams:
        log.streams[name].refusing = "the disk under var/log is full; input is refused until there is room"
    watch.step(0.0)
    assert bench.said == [
        "T log: up",
        "T log: down: the disk under var/log is full; input is refused until there is room",
    ]
    log.events.refusing = None  # the next tick was written; the other streams have nothing to write
    watch.step(1.0)
    assert bench.said[-1].startswith("T log: up again")
    await log.close()


def test_a_rule_that_is_ill_is_a_part_for_as_long_as_it_is() -> None:
    bench = Bench()
    ill: list[dict[str, str]] = []
    rules = RuleParts(bench.health, lambda: ill)
    rules.look()
    assert bench.health.parts() == []
    ill.append({"rule": "city/cornering", "error": "ZeroDivisionError: float division by zero"})
    rules.look()
    rules.look()
    assert [(part.name, part.state) for part in bench.health.ill()] == [("rule/city/cornering", "failed")]
    ill.clear()
    rules.look()
    assert bench.health.parts() == []
    assert bench.said == [
        "T rule/city/cornering: failed: left out where it fails, all others go on: ZeroDivisionError: float division by zero",
        "T rule/city/cornering: up again, after 0.0 s",
    ]


async def test_the_look_of_every_second_goes_through_no_subjects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To count what the rules hold takes milliseconds for a thousand devices: that is for whoever asks."""
    counted: list[Engine] = []
    count = Engine.stats

    def stats(engine: Engine) -> dict[str, int]:
        counted.append(engine)
        return count(engine)

    monkeypatch.setattr(Engine, "stats", stats)
    async with running(write_city(tmp_path)) as hub:
        before = len(counted)
        hub.judging.look()
        assert len(counted) == before
        assert hub.judging.figures()["rules"] > 0
        assert len(counted) > before


async def test_a_loop_that_raises_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from hub.app import tasks as module

    monkeypatch.setattr(module, "AGAIN_S", (0.01, 0.02))
    bench = Bench()
    runs: list[int] = []

    async def loop() -> None:
        runs.append(len(runs))
        if len(runs) < 3:
            raise ValueError("a defect")
        await asyncio.sleep(60)

    task = asyncio.create_task(module.kept(loop, bench.health.part("ticker", True, "up")))
    async with asyncio.timeout(60):
        while len(runs) < 3:
            await asyncio.sleep(0.01)
        while bench.health.part("ticker").state != "up":  # it has worked for a while
            await asyncio.sleep(0.01)
    assert any("ticker: down: ValueError at tests.hub.test_health:" in line for line in bench.said)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_every_state_of_a_destination_is_one_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    from hub.app.destinations import _state

    def of(state: str, **more: Any) -> str:
        return _state(Status("duty", state, **more))

    assert {name: of(name) for name in ("idle", "delivering", "retrying", "open", "disabled")} == {
        "idle": "up", "delivering": "up", "retrying": "degraded", "open": "down", "disabled": "down",
    }  # fmt: skip
    assert (of("idle", partly=True), of("idle", refused_in_a_row=1), of("idle", refused_in_a_row=99)) == (
        "degraded",
        "degraded",
        "down",
    )
