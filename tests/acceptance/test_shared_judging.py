"""Three machines that share the parts of the rules, over real servers of the log: each is killed in turn, and what they say together is what one
engine says of the log. `CITY_SERVERS=3` in the environment runs it over three servers instead of one."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from hub.app.shares import STEADY_S
from tests.acceptance.judging_machines import NODES, judged_alike

pytestmark = pytest.mark.acceptance

TAKE_OVER_S = 10.0
GIVING_S = STEADY_S + 30.0
"""For one part to be given back and taken."""


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_whichever_machine_is_killed_they_say_what_one_engine_says(tmp_path: Path) -> None:
    took = []
    async with judged_alike(tmp_path, parts=3) as (machines, traffic):
        for name in (*NODES, NODES[0]):
            await traffic.some()
            took.append(await asyncio.to_thread(machines.kill, name))
            print(f"{name} killed: {took[-1]:.1f} s; {machines.holders()}", flush=True)
            await asyncio.to_thread(machines.back, name)
    assert max(took) <= TAKE_OVER_S


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_machines_that_come_back_have_their_share_again(tmp_path: Path) -> None:
    """Whoever was alone kept all parts, and the others idled beside it."""
    async with judged_alike(tmp_path, parts=3) as (machines, traffic):
        await traffic.some()
        await asyncio.to_thread(machines.kill, *NODES[:2])
        assert machines.shares() == [3]
        await asyncio.to_thread(machines.back, *NODES[:2])
        began = time.monotonic()
        await asyncio.to_thread(machines.wait, lambda: machines.shares() == [1, 1, 1])
        took = time.monotonic() - began
        await asyncio.to_thread(machines.settle)
        await asyncio.to_thread(machines.see_what_is_said)
        print(f"each has its share again after {took:.0f} s", flush=True)
    assert took <= 2 * GIVING_S
