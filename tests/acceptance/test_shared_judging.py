"""Three machines that share the parts of the rules, over real servers of the log: each is killed in turn, and what they say together is what one
engine says of the log. `CITY_SERVERS=3` in the environment runs it over three servers instead of one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.acceptance.judging_machines import NODES, judged_alike

pytestmark = pytest.mark.acceptance

TAKE_OVER_S = 10.0


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
