"""Thirty cheap ends of a hub, and the proof that the oracle can fail. `make oracle` does thousands."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.acceptance.influx_server import influxd_or_skip
from tests.acceptance.mosquitto import require_mosquitto
from tests.oracle.canaries import CANARIES
from tests.oracle.disk import Disk
from tests.oracle.lives import Nursery
from tests.oracle.run import Outcome, Plan, Run
from tests.oracle.shim import Orders, built, steps

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("oracle")]
one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nursery(need_program: Callable[[str], str]) -> AsyncIterator[Nursery]:
    need_program("cc")
    made = Nursery()
    await made.open()
    yield made
    await made.close()


async def ended(folder: Path, plan: Plan, nursery: Nursery) -> Outcome:
    return await Run(folder, plan, nursery).go()


@pytest.mark.long
@one_loop
@pytest.mark.timeout(900)
async def test_thirty_ends_lose_nothing_and_double_nothing(nursery: Nursery, tmp_path: Path) -> None:
    for seed, disk in ((1, False), (2, True)):
        outcome = await ended(tmp_path / str(seed), Plan(seed, lives=15, disk=disk, brief=True), nursery)
        assert outcome.wrong == [], f"seed {seed}: {outcome}"
        assert outcome.owed > 50
        assert sum(count for what, count in outcome.ends.items() if what.startswith("killed")) >= 8


@pytest.mark.long
@one_loop
async def test_a_hub_out_of_memory_between_real_peers_keeps_its_promises(nursery: Nursery, tmp_path: Path) -> None:
    influxd_or_skip()
    require_mosquitto()
    plan = Plan(4, lives=5, memory=True, influxdb=True, mosquitto=True, brief=True)
    outcome = await ended(tmp_path / "real", plan, nursery)
    assert outcome.wrong == [], outcome
    assert outcome.owed > 50
    assert outcome.ends.get("no more memory"), outcome


@one_loop
@pytest.mark.parametrize("canary", CANARIES)
async def test_a_fault_that_is_let_in_is_caught(nursery: Nursery, tmp_path: Path, canary: str) -> None:
    """By its own sentence. A cursor too far may also leave a gap in the log, which begins behind what its readers say they have."""
    cuts = 1.0 if canary == "acknowledges before the disk" else 0.0
    caught = {
        "acknowledges before the disk": "acknowledged and not in the log",
        "moves a cursor too far": "warnings that were not delivered",
        "says a warning again": "or more often",
        "stores twice": "in the store and not in the log, or more often",
    }[canary]
    found: list[str] = []
    for seed in range(1, 16):  # one seed may be kind to it
        outcome = await ended(tmp_path / str(seed), Plan(seed, 3, cuts, canary=canary, brief=True), nursery)
        found += outcome.wrong
        if any(caught in sentence for sentence in outcome.wrong):
            return
    pytest.fail(f"{canary!r} was not caught in fifteen runs, which said {found}")


# ------------------------------------------------------------------------------------------------- the instrument itself

WRITER = """
import ctypes, os, sys
folder, record, orders = map(os.fsencode, sys.argv[1:4])
assert ctypes.CDLL(None).oracle_begin(folder, record, orders) == 0
os.chdir(folder)
def put(name, data, sync=True, folder_too=True):
    with open(os.path.join(folder.decode(), name), "wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fdatasync(file.fileno())
    if folder_too:
        fd = os.open(folder.decode(), os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
put("kept", b"x" * 2000)
put("content lost", b"x" * 2000, sync=False)
put("old", b"new", folder_too=False)
os.rename(os.path.join(folder.decode(), "old"), os.path.join(folder.decode(), "renamed"))
with open(os.path.join(folder.decode(), "kept"), "r+b") as file:
    file.seek(1500)
    file.write(b"y" * 1000)
"""


def recorded(tmp_path: Path, end_at: int = 0) -> tuple[Path, Disk]:
    folder = tmp_path / "data"
    folder.mkdir()
    orders, disk = Orders(tmp_path / "orders"), Disk(folder)
    orders.begin(end_at)
    subprocess.run(
        [sys.executable, "-c", WRITER, folder, tmp_path / "record", orders.path],
        env={**os.environ, "LD_PRELOAD": str(built())},
        check=not end_at,
    )
    disk.take(step for step, _ in steps(tmp_path / "record", 0))
    orders.close()
    return folder, disk


def test_the_record_has_what_the_folder_has(tmp_path: Path, need_program: Callable[[str], str]) -> None:
    need_program("cc")
    folder, disk = recorded(tmp_path)
    disk.check()
    (folder / "kept").write_bytes(b"behind the shim's back")
    with pytest.raises(AssertionError, match="the record and the folder differ"):
        disk.check()


def test_half_a_note_is_cut_off_and_the_next_process_writes_behind_whole_ones(
    tmp_path: Path, need_program: Callable[[str], str]
) -> None:
    need_program("cc")
    recorded(tmp_path)
    record = tmp_path / "record"
    notes = record.read_bytes()
    whole = list(steps(record, 0))
    record.write_bytes(notes[:-20])
    assert list(steps(record, 0)) == whole[:-1]
    assert record.stat().st_size == whole[-2][1]
    with record.open("ab") as next_process:
        next_process.write(notes)
    assert len(list(steps(record, 0))) == 2 * len(whole) - 1


def test_a_step_that_was_done_and_not_recorded_is_not_on_disk_for_sure(
    tmp_path: Path, need_program: Callable[[str], str]
) -> None:
    need_program("cc")
    folder, disk = recorded(tmp_path)
    (folder / "kept").write_bytes(b"z" * 10)
    disk.take_the_last_step()
    disk.check()
    (folder / "renamed").rename(folder / "again")
    disk.take_the_last_step()
    disk.check()
    disk.cut_power(random.Random(0), strict=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"kept": b"x" * 2000, "content lost": b""}


def test_a_power_cut_leaves_what_was_synced_and_may_leave_more(
    tmp_path: Path, need_program: Callable[[str], str]
) -> None:
    need_program("cc")
    folder, disk = recorded(tmp_path)
    disk.cut_power(random.Random(0), strict=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"kept": b"x" * 2000, "content lost": b""}
    seen = set()
    for seed in range(8):
        again = tmp_path / str(seed)
        again.mkdir()
        folder, disk = recorded(again)
        disk.cut_power(random.Random(seed), strict=False)
        assert (folder / "kept").read_bytes()[:1500] == b"x" * 1500
        seen.add(((folder / "renamed").exists(), (folder / "old").exists(), (folder / "kept").stat().st_size))
    assert len(seen) > 3


def test_a_process_ends_at_the_step_that_was_ordered(tmp_path: Path, need_program: Callable[[str], str]) -> None:
    need_program("cc")
    folder, _ = recorded(tmp_path, end_at=2)
    assert [path.name for path in folder.iterdir()] == ["kept"]
    assert (folder / "kept").read_bytes() == b""
