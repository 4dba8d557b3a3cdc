"""When couriers try again, and how long they wait: back-off, the breaker, what a destination asks for, rates."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from hub.delivery import Courier, Pace, line
from hub.model import AlertChange
from hub.ports import Delivery
from tests.hub.couriers import DOWN, REFUSED, Hub, Sink, change, hub_in, running, until


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with hub_in(tmp_path) as made:
        yield made


async def test_retry_wakes_a_destination_that_waits(hub: Hub) -> None:
    async def forever(seconds: float) -> None:
        await asyncio.Event().wait()

    sink = Sink(DOWN)
    await hub.say(change())
    courier = Courier("video", sink, hub.log.alerts, hub.cursors, hub.journal, sleep=forever)
    async with running(courier):
        await until(lambda: courier.status.state == "retrying")
        assert courier.status.detail == DOWN.detail
        await courier.retry()
        await until(lambda: sink.taken == ["a#0"])


async def test_a_slow_destination_never_delays_another(hub: Hub) -> None:
    hub.cursors.set("delivery.duty", 0)
    await hub.say(*[change("a", n) for n in range(50)])
    slow, quick = Sink(took_s=60.0), Sink()
    async with running(hub.courier("video", slow), hub.courier("duty", quick)):
        await until(lambda: hub.at("duty") == 50)
    assert len(slow.heard) == 1


async def test_waits_grow_with_full_jitter_and_the_breaker_sets_a_floor(hub: Hub) -> None:
    pace = Pace(first_s=1.0, longest_s=30.0, breaker_after=6, breaker_s=10.0, per_second_max=1e6)
    sink = Sink(*[DOWN] * 40)
    await hub.say(change())
    async with running(courier := hub.courier("video", sink, pace=pace)):
        await until(lambda: hub.at("video") == 1)
    waits = hub.slept
    assert len(waits) == 40
    assert all(0.0 <= wait <= min(30.0, 2.0**n) for n, wait in enumerate(waits[:5], 1))
    assert all(10.0 <= wait <= 30.0 for wait in waits[5:])
    assert len({round(wait, 6) for wait in waits[:5]}) == 5
    assert courier.status.failed == 40
    assert courier.status.failures_in_a_row == 0


class Always(random.Random):
    """Draws the least, or the most."""

    def __init__(self, most: bool) -> None:
        super().__init__()
        self._most = most

    def uniform(self, a: float, b: float) -> float:
        return b if self._most else a


@pytest.mark.parametrize(
    ("failures", "asked_s", "least", "most"),
    [
        (1, None, 0.0, 1.0),
        (2, None, 0.0, 2.0),
        (4, None, 0.0, 8.0),
        (5, None, 10.0, 16.0),
        (6, None, 10.0, 30.0),
        (40, None, 10.0, 30.0),
        (1, 0.5, 0.5, 1.0),
        (1, 3.0, 3.0, 3.0),
        (5, 3.0, 10.0, 16.0),
        (1, 600.0, 600.0, 600.0),
        (1, 601.0, 600.0, 600.0),
    ],
)
def test_the_wait_after_each_failure(failures: int, asked_s: float | None, least: float, most: float) -> None:
    drawn = [Pace().wait_s(failures, asked_s, Always(which)) for which in (False, True)]
    assert drawn == [least, most]


class Watching(Sink):
    """Notes how its destination is shown at each attempt."""

    def __init__(self, *script: Delivery | Exception) -> None:
        super().__init__(*script)
        self.status = line.Status("")
        self.shown: list[tuple[str, int]] = []

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        self.shown.append((self.status.state, self.status.failures_in_a_row))
        return await super().deliver(change, key, now)


async def test_a_destination_is_shown_as_open_from_the_failure_on_that_opens_the_breaker(hub: Hub) -> None:
    courier = hub.courier("video", sink := Watching(*[DOWN] * 4), pace=Pace(breaker_after=3, per_second_max=1e6))
    sink.status = courier.status
    await hub.say(change())
    async with running(courier):
        await until(lambda: hub.at("video") == 1)
    assert sink.shown[1:] == [("retrying", 1), ("retrying", 2), ("open", 3), ("open", 4)]
    assert (courier.status.state, courier.status.failures_in_a_row, courier.status.taken) == ("idle", 0, 1)


async def test_a_refusal_ends_a_row_of_failures(hub: Hub) -> None:
    courier = hub.courier("video", sink := Watching(DOWN, DOWN, REFUSED, DOWN))
    sink.status = courier.status
    await hub.say(change("a"), change("b"))
    async with running(courier):
        await until(lambda: hub.at("video") == 2)
    assert [failures for _, failures in sink.shown] == [0, 1, 2, 0, 1]
    assert (courier.status.failed, courier.status.refused, courier.status.taken) == (3, 1, 1)


def test_retry_after_is_honoured_up_to_a_limit() -> None:
    pace, chance = Pace(first_s=0.001, retry_after_max_s=600.0), random.Random(1)
    assert pace.wait_s(1, 42.0, chance) == 42.0
    assert pace.wait_s(1, 1e9, chance) == 600.0
    assert pace.wait_s(10_000, None, chance) <= pace.longest_s
    assert pace.wait_s(1, 0.0, chance) <= 0.002


async def test_the_rate_is_limited_after_a_burst_of_one_second(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "time", SimpleNamespace(monotonic=lambda: 1_000.0))  # a slow machine would need no wait
    await hub.say(*[change("a", n) for n in range(30)])
    sink = Sink()
    async with running(hub.courier("video", sink, pace=Pace(per_second_max=10.0))):
        await until(lambda: len(sink.taken) == 30)
    waited = [wait for wait in hub.slept if wait > 0.01]
    assert waited == pytest.approx([n / 10 for n in range(1, len(waited) + 1)]), (
        "sleeping is only pretended, so the debt adds up"
    )
    assert len(waited) == 19, "of 30, the burst of one second and the one that is due go at once"


async def test_a_sink_without_an_outcome_is_given_up_on_and_asked_again(hub: Hub) -> None:
    await hub.say(change())
    sink = Sink(took_s=0.2)
    async with running(courier := hub.courier("video", sink, pace=Pace(attempt_max_s=0.02, per_second_max=1e6))):
        await until(lambda: courier.status.failed >= 2)
        assert "no outcome within 0.02 s" in courier.status.detail
        sink.took_s = 0.0
        await until(lambda: sink.taken)
