"""Chosen readings on their way to a destination: what is wanted, how it is thinned, and that none is lost or doubled on the way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.delivery import Journal, Pace, ReadingCourier
from hub.delivery import readings as readings_module
from hub.delivery.thinning import Chooser, Thinner
from hub.log import Cursors, Log
from hub.model import Position, Reading, Tick
from hub.ports import Chosen, Delivery
from tests.hub.couriers import running, until

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
T = 1_795_334_400 * SECOND
TAKEN, DOWN = Delivery(True), Delivery(False, detail="HTTP 503")


def reading(device: str = "g", at_s: float = 0, received_s: float | None = None, kind: str = "river-gauge", **values: Any) -> Reading:  # fmt: skip
    at = T + round(at_s * SECOND)
    received = at if received_s is None else T + round(received_s * SECOND)
    return Reading(device, at, values or {"water_level": 1.0}, received_at=received, kind=kind)


# ------------------------------------------------------------------------------------------------- chosen


@pytest.mark.parametrize(
    ("chosen", "values"),
    [
        (Chosen(), {"water_level": 1.0, "battery": 80}),
        (Chosen(kinds=("river-gauge",)), {"water_level": 1.0, "battery": 80}),
        (Chosen(kinds=("rain-gauge",)), None),
        (Chosen(metrics=("water_level",)), {"water_level": 1.0}),
        (Chosen(metrics=("rainfall",)), None),
        (Chosen(areas=("north",)), {"water_level": 1.0, "battery": 80}),
        (Chosen(areas=("south",)), None),
        (Chosen(("river-gauge",), ("battery",), ("north", "south")), {"battery": 80}),
    ],
)
def test_what_is_wanted(chosen: Chosen, values: dict[str, Any] | None) -> None:
    whole = reading(water_level=1.0, battery=80)
    whole.marks = {"battery": "manual", "water_level": "fault"}
    part = Chooser(chosen, {"g": "north"}).part(whole)
    assert (part.values if part else None) == values
    assert part is None or set(part.marks or ()) == set(values or ())
    assert whole.values == {"water_level": 1.0, "battery": 80}


def test_a_fix_without_values_goes_where_no_metrics_are_named() -> None:
    fix = Reading("bus", T, {}, Position(121.4, 31.2), kind="bus")
    assert Chooser(Chosen(), {}).part(fix) is fix
    assert Chooser(Chosen(metrics=("speed",)), {}).part(fix) is None


# ------------------------------------------------------------------------------------------------- thinned


def test_the_newest_value_of_each_device_and_metric_by_the_minute() -> None:
    thinner = Thinner(MINUTE)
    for item in [
        reading(at_s=1, water_level=1.0, battery=80), reading(at_s=30, water_level=1.2), reading(at_s=20, water_level=9.0),
        reading("h", 5), reading(at_s=-65, received_s=31, water_level=0.5),
    ]:  # fmt: skip
        assert not thinner.due(item.received_at)
        thinner.take(item)
    assert not thinner.due(T + 59 * SECOND)
    assert thinner.due(T + 60 * SECOND)
    out = {(item.device, (item.observed_at or 0) - T): item.values for item in thinner.hand_out()}
    assert out == {
        ("g", 1 * SECOND): {"battery": 80},
        ("g", 30 * SECOND): {"water_level": 1.2},
        ("h", 5 * SECOND): {"water_level": 1.0},
        ("g", -65 * SECOND): {"water_level": 0.5},  # late: a value of its own minute
    }
    assert thinner.hand_out() == []


def test_a_place_is_thinned_like_a_value() -> None:
    thinner = Thinner(MINUTE)
    for n in range(5):
        thinner.take(Reading("bus", T + n * SECOND, {"speed": n}, Position(121.0, 31.0 + n), received_at=T))
    (last,) = thinner.hand_out()
    assert (last.values, last.position) == ({"speed": 4}, Position(121.0, 35.0))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 300), st.integers(0, 9)), max_size=60), st.data())
def test_cut_anywhere_and_taken_up_where_the_last_hand_out_ended_it_hands_out_the_same(
    said: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    entries = [reading(device, at, n * 5, water_level=float(n)) for n, (device, at, _) in enumerate(said)]

    def run(start: int, until: int) -> tuple[list[list[Reading]], int]:
        thinner, handed, settled = Thinner(MINUTE), [], start
        for offset in range(start, until):
            if thinner.due(entries[offset].received_at):
                handed.append(thinner.hand_out())
                settled = offset
            thinner.take(entries[offset])
        return handed, settled

    whole, _ = run(0, len(entries))
    cut = data.draw(st.integers(0, len(entries)))
    first, settled = run(0, cut)
    second, _ = run(settled, len(entries))
    assert first + second == whole


# ------------------------------------------------------------------------------------------------- the courier


class Sink:
    """Answers from a script; takes everything once it is played."""

    def __init__(self, *script: Delivery, chosen: Chosen | None = None) -> None:
        self.chosen: Chosen | None = chosen or Chosen()
        self.script = list(script)
        self.batches: list[list[Reading]] = []

    @property
    def taken(self) -> list[tuple[str, Any]]:
        return [(item.device, item.values.get("water_level")) for batch in self.batches for item in batch]

    async def deliver_readings(self, readings: Sequence[Reading], key: str, now: int) -> Delivery:
        answer = self.script.pop(0) if self.script else TAKEN
        if answer.taken:
            self.batches.append(list(readings))
        return answer


class Hub:
    """A real log, real cursors and a real journal in one folder."""

    def __init__(self, folder: Path) -> None:
        self.log = Log(folder / "log")
        self.cursors = Cursors(folder / "cursors")
        self.journal = Journal(folder / "delivery.sqlite")
        self.cursors.set("forward.up", 0)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    def courier(self, sink: Sink, areas: dict[str, str] | None = None) -> ReadingCourier:
        return ReadingCourier(
            "up", sink, self.log.events, self.cursors, self.journal, areas or {}, Pace(per_second_max=1e6),
            now=lambda: T, sleep=self.sleep, chance=random.Random(1),
        )  # fmt: skip

    def at(self) -> int | None:
        return self.cursors.get("forward.up")


@pytest.fixture
async def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    monkeypatch.setattr(readings_module, "LINGER_S", 0.01)
    hub = Hub(tmp_path)
    yield hub
    hub.journal.close()
    await hub.log.close()


async def test_chosen_readings_go_out_in_order_through_failures_and_a_restart_repeats_none(hub: Hub) -> None:
    await hub.log.events.append([reading(at_s=n, water_level=float(n)) for n in range(5)])
    first = Sink(DOWN, DOWN, chosen=Chosen(metrics=("water_level",)))
    async with running(courier := hub.courier(first)):  # type: ignore[arg-type]
        await until(lambda: hub.at() == 5 and courier.status.state == "idle")
    assert courier.status.failed == 2
    await hub.log.events.append([Tick(T), reading(at_s=9, water_level=9.0), reading(at_s=9, rainfall=1.0)])
    second = Sink(chosen=Chosen(metrics=("water_level",)))
    async with running(hub.courier(second)):  # type: ignore[arg-type]
        await until(lambda: hub.at() == 8)
    assert first.taken + second.taken == [("g", float(n)) for n in (0, 1, 2, 3, 4, 9)]
    told = [(attempt.destination, attempt.outcome) for attempt in hub.journal.attempts()]
    assert told[::-1] == [("up/readings", "failed")] * 2 + [("up/readings", "taken")] * 2


async def test_a_batch_refused_for_good_is_counted_and_the_next_goes_out(hub: Hub) -> None:
    sink = Sink(Delivery(False, final=True, detail="HTTP 409: was here before"))
    await hub.log.events.append([reading()])
    async with running(courier := hub.courier(sink)):  # type: ignore[arg-type]
        await until(lambda: hub.at() == 1)
        await hub.log.events.append([reading(at_s=1)])
        await until(lambda: len(sink.batches) == 1)
    assert courier.status.refused == 1
    assert hub.journal.attempts()[-1].detail == "HTTP 409: was here before"


@pytest.mark.parametrize(
    "said",
    [Delivery(False, final=True, detail="HTTP 400: no"), Delivery(True, partly=True, detail="3 refused: no unit")],
)
async def test_a_restart_makes_a_destination_of_readings_no_better(hub: Hub, said: Delivery) -> None:
    await hub.log.events.append([reading()])
    async with running(hub.courier(Sink(said))):  # type: ignore[arg-type]
        await until(lambda: hub.at() == 1)
    courier = hub.courier(Sink())  # type: ignore[arg-type]
    await courier.begin()
    assert (courier.status.refused_in_a_row > 0 or courier.status.partly, courier.status.detail) == (True, said.detail)


async def test_thinned_ones_wait_for_the_logs_own_time_and_the_cursor_with_them(hub: Hub) -> None:
    sink = Sink(chosen=Chosen(every_ns=MINUTE))
    await hub.log.events.append([reading(at_s=n, water_level=float(n)) for n in range(0, 60, 2)])
    async with running(courier := hub.courier(sink)):  # type: ignore[arg-type]
        await until(lambda: courier.status.cursor == 30)
        assert (hub.at(), sink.batches) == (0, [])
    async with running(hub.courier(sink)):  # type: ignore[arg-type]
        await hub.log.events.append([Tick(T + MINUTE)])
        await until(lambda: hub.at() == 30)
    assert sink.taken == [("g", 58.0)]


async def test_large_batches_go_in_parts(hub: Hub) -> None:
    await hub.log.events.append([reading(f"g{n}") for n in range(1_200)])
    sink = Sink()
    async with running(hub.courier(sink)):  # type: ignore[arg-type]
        await until(lambda: hub.at() == 1_200)
    assert [len(batch) for batch in sink.batches] == [500, 500, 200]


async def test_what_the_log_dropped_is_a_counted_gap(hub: Hub) -> None:
    hub.log.events.begin_at(40)
    await hub.log.events.append([reading()])
    sink = Sink()
    async with running(courier := hub.courier(sink)):  # type: ignore[arg-type]
        await until(lambda: hub.at() == 41)
    assert (courier.status.skipped, sink.taken) == (40, [("g", 1.0)])


async def test_a_new_destination_hears_what_came_before_its_courier_came_to_its_turn(hub: Hub) -> None:
    hub.cursors.forget("forward.up")
    await hub.log.events.append([reading()])
    sink = Sink()
    courier = hub.courier(sink)  # type: ignore[arg-type]
    await hub.log.events.append([reading("meanwhile")])
    async with running(courier):
        await until(lambda: hub.at() == 2)
    assert sink.taken == [("meanwhile", 1.0)]


async def test_a_new_destination_starts_at_the_end(hub: Hub) -> None:
    hub.cursors.forget("forward.up")
    await hub.log.events.append([reading()])
    sink = Sink()
    async with running(hub.courier(sink)):  # type: ignore[arg-type]
        await until(lambda: hub.at() == 1)
        await hub.log.events.append([reading("new")])
        await until(lambda: hub.at() == 2)
    assert sink.taken == [("new", 1.0)]
