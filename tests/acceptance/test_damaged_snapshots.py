"""Machines that share the parts of the rules find on the servers that the last snapshot of a part is damaged: what they say is what one engine says
of the log all the same, and they say what they found."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from hub.app.reuniting import has_ended
from hub.log.jetstream import JetStreamFiles
from tests.acceptance.judging_machines import NODES, Machines, judged_alike

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]


def damage(files: JetStreamFiles, name: str) -> bytes:
    """Cut the file short; gives what it was."""
    data = files.read(name)
    assert data is not None
    files.replace(name, data[: len(data) // 2])
    return data


def kill_with_damage(machines: Machines, name: str) -> None:
    """What the machine wrote down last of each of its parts, and of what it brought together, is damaged when others take it."""
    own = [role for role, names in machines.holders().items() if names == [name]]
    assert own
    machines.stop_short(name)
    with machines.files() as files:
        for role in own:
            damage(files, f"{role}.snapshot")
    took = machines.kill(name)
    said = "".join(line for hub in machines.hubs.values() for line in hub.said)
    for role in own:
        assert f"what {role}.snapshot held before is taken up" in said, said
    print(f"{name} killed, {own} damaged: {took:.1f} s", flush=True)


def saved_twice(machines: Machines) -> bool:
    """Whether of each part a snapshot is kept behind which another has been written."""
    with machines.files() as files:
        names = [f"{role}.snapshot" for role in machines.roles()]
        return all(files.read_before(name) is not None for name in names)


@pytest.mark.timeout(1800)
async def test_a_damaged_snapshot_of_a_part_costs_no_warning(tmp_path: Path) -> None:
    async with judged_alike(tmp_path, parts=3) as (machines, traffic):
        for name in NODES[:2]:
            await traffic.some()
            await asyncio.to_thread(machines.wait, lambda: saved_twice(machines))
            await traffic.some()
            await asyncio.to_thread(kill_with_damage, machines, name)
            await traffic.some()
            await asyncio.to_thread(machines.back, name)


class Damager(threading.Thread):
    """Damages what a part writes down where its generation ends, once, as soon as it has."""

    def __init__(self, machines: Machines, part: int, generation: int) -> None:
        super().__init__(daemon=True)
        self._machines, self._name, self._generation = machines, f"rules-{part}.snapshot", generation
        self.over = threading.Event()
        self.done = False

    def run(self) -> None:
        with self._machines.files() as files:
            while not self.over.wait(0.01):
                if has_ended(files.read(self._name), self._generation):
                    damage(files, self._name)
                    self.done = True
                    return


@pytest.mark.timeout(1800)
async def test_a_snapshot_damaged_where_the_number_of_parts_changes_costs_no_warning(tmp_path: Path) -> None:
    """Whoever makes one of all parts may have read it before: so it is tried three times."""
    damaged = 0
    async with judged_alike(tmp_path, parts=3) as (machines, traffic):
        for generation, (part, parts) in enumerate(((2, 4), (3, 2), (1, 3)), 1):
            await traffic.some()
            damager = Damager(machines, part, generation)
            damager.start()
            for name in NODES:
                machines.want(name, parts)
                assert machines.hubs[name].post("/api/v1/reload", {})[0] == 200
            machines.parts = parts
            took = await asyncio.to_thread(machines.settle)
            damager.over.set()
            await asyncio.to_thread(damager.join)
            damaged += damager.done
            await asyncio.to_thread(machines.see_what_is_said)
            said = "".join(line for hub in machines.hubs.values() for line in hub.said)
            print(f"{parts} parts after {took:.1f} s; {said.count('written it again')} found damaged", flush=True)
    assert damaged
