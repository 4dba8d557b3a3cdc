"""The number of parts of the rules changes while readings come, over real servers of the log: machines are restarted one after another with another
number in their city folders, or told to reload, and what they say together is what one engine says of the log."""

from __future__ import annotations

import asyncio
import random
import time
from http.client import HTTPException
from pathlib import Path

import pytest

from hub.app.renumbering import AGREED_S
from tests.acceptance.judging_machines import NODES, Machines, Service, judged_alike
from tests.acceptance.nats_server import NatsServer
from tests.acceptance.running import RunningHub
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.acceptance


def restarted(machines: Machines, name: str, parts: int) -> None:
    machines.hubs[name].stop()
    machines.want(name, parts)
    machines.back(name)


def reload(machines: Machines, name: str, parts: int) -> None:
    machines.want(name, parts)
    status, answer = machines.hubs[name].post("/api/v1/reload", {})
    assert (status, answer["applied"]) == (
        200,
        [f"[rules] partitions: {parts} holds once all machines that judge say the same"],
    )


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_another_number_of_parts_holds_once_all_machines_say_so(tmp_path: Path) -> None:
    """From two parts to four, to one engine, and to three parts; the last change meets a kill of the machine that brings together."""
    async with judged_alike(tmp_path, parts=2) as (machines, traffic):
        for name in NODES:
            await traffic.some()
            await asyncio.to_thread(restarted, machines, name, 4)
            if name == NODES[1]:  # they differ
                await asyncio.to_thread(machines.settle)
                await asyncio.to_thread(
                    machines.wait, lambda: "differs" in machines.said(machines.hubs["n1"])["machines"]
                )
        for parts in (4, 1, 3):
            for name in NODES if parts != 4 else ():
                await asyncio.to_thread(reload, machines, name, parts)
            machines.parts = parts
            if parts == 3:
                await asyncio.to_thread(machines.wait, lambda: len(machines.holders()) > 1)
                (judge,) = machines.holders()["rules"]
                await asyncio.to_thread(machines.kill, judge)
                await asyncio.to_thread(machines.back, judge)
            took = await asyncio.to_thread(machines.settle)
            await asyncio.to_thread(machines.see_what_is_said)
            print(f"{parts} parts after {took:.1f} s: {machines.holders()}", flush=True)
            await traffic.some()


@pytest.mark.timeout(900)
async def test_a_machine_that_was_away_during_a_change_does_not_take_the_city_back(tmp_path: Path) -> None:
    """It says so, alone with the rules as beside others; who writes the number that holds there, and then another, is heard."""
    async with judged_alike(tmp_path, parts=2) as (machines, traffic):
        await traffic.some()
        away, others = NODES[0], NODES[1:]
        await asyncio.to_thread(machines.wait, machines.all_count)
        machines.hubs[away].stop()
        for name in others:
            await asyncio.to_thread(reload, machines, name, 4)
        machines.parts = 4
        await asyncio.to_thread(machines.settle)
        for name in others:
            machines.hubs[name].stop()
        await asyncio.to_thread(machines.back, away)
        hub = machines.hubs[away]
        await asyncio.to_thread(machines.settle)
        await traffic.some()
        await asyncio.sleep(2 * AGREED_S)
        assert machines.holders() == {role: [away] for role in ("rules", "rules-0", "rules-1", "rules-2", "rules-3")}
        assert "partitions = 2 does not count" in machines.said(hub)["machines"]
        for parts in (4, 2):
            await asyncio.to_thread(reload, machines, away, parts)
            await asyncio.to_thread(machines.wait, machines.all_count)
        machines.parts = 2
        await asyncio.to_thread(machines.settle)
        for name in others:
            machines.want(name, 2)
        await asyncio.to_thread(machines.back, *others)
        await asyncio.to_thread(machines.settle)
        await asyncio.to_thread(machines.see_what_is_said)


LOSSES = 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("lost", ["one", "all"])
async def test_servers_that_are_lost_while_the_number_of_parts_changes_cost_no_warning(
    tmp_path: Path, lost: str
) -> None:
    """Killed again and again, from before the change is agreed upon: machines lose their leases, end, and are started again."""
    async with judged_alike(tmp_path, parts=2, count=3) as (machines, traffic):
        service, chance = Service(machines), random.Random(5)
        service.start()
        for parts in (4, 1, 3):
            await traffic.some()
            kills = asyncio.create_task(asyncio.to_thread(lose, machines.servers, lost, chance))
            for name in NODES:
                machines.want(name, parts)
                await asyncio.to_thread(machines.wait, lambda name=name: reloaded(machines.hubs[name]))  # type: ignore[misc]
            machines.parts = parts
            await kills
            took = await asyncio.to_thread(machines.settle)
            print(f"{parts} parts {took:.1f} s after the last loss: {machines.holders()}", flush=True)
            await asyncio.to_thread(machines.see_what_is_said)
            await traffic.some()
        service.over.set()
        await asyncio.to_thread(service.join)
        print(f"machines were started again {service.starts} times", flush=True)


def reloaded(hub: RunningHub) -> bool:
    """Whether it was reloaded, or has ended: then it reads the folder as it starts again."""
    try:
        return hub.post("/api/v1/reload", {})[0] == 200
    except (OSError, HTTPException):
        return hub.process.poll() is not None


def lose(servers: list[NatsServer], lost: str, chance: random.Random) -> None:
    """Kill servers some times, and have them back before the next are killed."""
    for _ in range(LOSSES):
        time.sleep(chance.uniform(2, 12))
        few = servers if lost == "all" else [chance.choice(servers)]
        for server in few:
            server.kill()
        time.sleep(1.0)
        for server in few:
            server.start()
        until = time.monotonic() + PATIENCE_S
        while not all(server.current for server in servers):
            assert time.monotonic() < until, "the servers do not become well again"
            time.sleep(0.1)
