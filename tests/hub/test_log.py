"""The log: what is acknowledged is on disk, in order, and survives what disks and kill -9 do."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.app.readers import FOLD_ENTRIES, Follower
from hub.log import Cursors, Limits, Log, LogFull, linger, segment
from hub.log.tail import TAIL_S
from hub.model import AlertChange, Change, Deaf, Edition, Fault, FaultKind, OperatorAction, Position, Reading, Tick
from hub.ports import FRAME_ENTRIES_MAX, Batch

ROOT = Path(__file__).resolve().parents[2]


def reading(number: int) -> Reading:
    return Reading(
        f"gauge-{number}",
        number,
        {"water_level": float(number)},
        Position(121.5, 31.2),
        received_at=number,
        adapter="test",
    )


def readings(count: int, start: int = 0) -> list[Reading]:
    return [reading(number) for number in range(start, start + count)]


def everything(log: Log, stream: str = "events") -> list[object]:
    source, found, offset = log.streams[stream], [], log.streams[stream].first
    while offset < source.next:
        batch = source.read_now(offset, 7)
        found.extend(batch.entries)
        offset = batch.next
    return found


async def test_entries_of_every_type_come_back_as_they_were(tmp_path: Path) -> None:
    events = [
        reading(1),
        Tick(5),
        Deaf(1, 2),
        Edition(3, "rules", "1", "text"),
        OperatorAction(4, "li", "acknowledge", "a"),
    ]
    change = AlertChange(
        "a", 0, 1, "flood/rise", "gauge-1", Change.RAISED, "red", values={"water_level": 3.4}, position=Position(1, 2)
    )
    fault = Fault(FaultKind.CHECKSUM, "does not fit", b"\x7e\x00")
    log = Log(tmp_path)
    await asyncio.gather(log.events.append(events), log.alerts.append([change]), log.quarantine.append([fault]))
    await log.close()
    again = Log(tmp_path)
    assert everything(again) == events
    assert everything(again, "alerts") == [change]
    assert everything(again, "quarantine") == [fault]
    await again.close()


async def test_what_nobody_is_behind_by_is_not_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that was away for longer finds the same on disk."""
    clock = [100.0]
    monkeypatch.setattr("hub.log.tail.time", SimpleNamespace(monotonic=lambda: clock[0]))
    log = Log(tmp_path)
    await log.events.append(readings(3))
    clock[0] += TAIL_S + 1
    await log.events.append(readings(2, 3))
    assert [batch.first for batch in log.events._tail.batches] == [3]
    assert everything(log) == readings(5)
    await log.close()


async def test_a_reader_of_full_frames_is_not_outrun_by_the_next_ones(tmp_path: Path) -> None:
    """Whoever is three frames behind gets the very objects: nothing is read from disk and decoded again."""
    log = Log(tmp_path)
    frames = [readings(FRAME_ENTRIES_MAX, number * FRAME_ENTRIES_MAX) for number in range(3)]
    for frame in frames:
        await log.events.append(frame)
    offset = 0
    for frame in frames:
        batch = log.events.read_now(offset, FRAME_ENTRIES_MAX)
        assert batch.first == offset
        assert len(batch.entries) == len(frame)
        assert batch.entries[0] is frame[0]
        offset = batch.next
    await log.close()


async def test_the_tail_is_bounded_by_the_bytes_of_its_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.log.tail.TAIL_BYTES", 150_000)
    log = Log(tmp_path)
    for _ in range(4):
        await log.quarantine.append([Fault(FaultKind.SYNTAX, "large", bytes(60_000))])
    assert [batch.first for batch in log.quarantine._tail.batches] == [2, 3]
    assert len(everything(log, "quarantine")) == 4
    await log.close()


@pytest.mark.parametrize("sync", [True, False])
async def test_only_the_log_of_a_replay_does_not_wait_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("hub.log.log.os.fdatasync", synced.append)
    log = Log(tmp_path, sync=sync)
    await log.events.append(readings(2))  # makes the file, which is synced once in any case
    synced.clear()
    await log.events.append(readings(3, 2))
    assert bool(synced) is sync
    await log.close()
    again = Log(tmp_path)
    assert everything(again) == readings(5)
    await again.close()


async def test_offsets_follow_the_order_of_appends_however_they_are_grouped(tmp_path: Path) -> None:
    log = Log(tmp_path)
    first = await asyncio.gather(*(log.events.append(readings(3, 3 * number)) for number in range(50)))
    assert first == [3 * number for number in range(50)]
    assert everything(log) == readings(150)
    await log.close()


async def test_a_reader_waits_for_the_first_entry_and_gets_the_very_objects(tmp_path: Path) -> None:
    log = Log(tmp_path)
    waiting = asyncio.create_task(log.events.read(0))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    entries = readings(2)
    await log.events.append(entries)
    batch = await waiting
    assert batch.first == 0
    assert batch.entries[0] is entries[0]
    assert (await log.events.read(2, wait_s=0.01)).entries == []
    await log.close()


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=30),
    offset=st.integers(0, 600),
    entries_max=st.integers(1, 50),
    reopened=st.booleans(),
)
def test_any_offset_reads_the_same_entries_from_memory_and_from_disk(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], offset: int, entries_max: int, reopened: bool
) -> None:
    async def run() -> None:
        folder = tmp_path_factory.mktemp("log")
        limits = {"events": Limits(segment_bytes=2000)}
        log = Log(folder, limits)
        total = 0
        for size in sizes:
            await log.events.append(readings(size, total))
            total += size
        if reopened:
            await log.close()
            log = Log(folder, limits)
        start = min(offset, total)
        found: list[object] = []
        at = start
        while at < total:
            batch = log.events.read_now(at, entries_max)
            assert batch.first == at
            assert 0 < len(batch.entries) <= entries_max
            found.extend(batch.entries)
            at = batch.next
        assert found == readings(total - start, start)
        await log.close()

    asyncio.run(run())


# ------------------------------------------------------------------------------------------------- damage


async def grown(tmp_path: Path, batches: int = 5) -> Path:
    log = Log(tmp_path)
    for number in range(batches):
        await log.events.append(readings(10, 10 * number))
    await log.close()
    return max((tmp_path / "events").glob("*.log"))


async def test_a_torn_tail_is_said_and_the_rest_is_used(tmp_path: Path) -> None:
    path = await grown(tmp_path)
    os.truncate(path, path.stat().st_size - 5)
    log = Log(tmp_path)
    assert everything(log) == readings(40)
    assert [found.segment for found in log.damage()] == [path.name]
    await log.events.append(readings(1, 100))
    assert everything(log) == [*readings(40), reading(100)]
    await log.close()


async def test_a_flipped_bit_costs_its_batch_and_shows_as_a_gap(tmp_path: Path) -> None:
    path = await grown(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    log = Log(tmp_path)
    found = everything(log)
    assert len(found) == 40
    assert found == [*readings(20), *readings(20, 30)]
    assert log.events.next == 50
    assert len(log.damage()) == 1
    await log.close()


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 3000), flips=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 7)), max_size=4))
def test_no_damage_gives_wrong_entries_or_an_exception(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flips: list[tuple[int, int]]
) -> None:
    async def run() -> None:
        folder = tmp_path_factory.mktemp("log")
        path = await grown(folder)
        data = bytearray(path.read_bytes())
        for position, bit in flips:
            data[position % len(data)] ^= 1 << bit
        path.write_bytes(data[: max(0, len(data) - cut)])
        log = Log(folder)
        log.events.begin_at(50)
        whole = readings(50)
        assert all(entry in whole for entry in everything(log))
        await log.events.append(readings(1, 50))
        assert everything(log)[-1] == reading(50)
        await log.close()

    asyncio.run(run())


async def test_offsets_that_readers_have_seen_are_never_given_again(tmp_path: Path) -> None:
    path = await grown(tmp_path)
    path.unlink()
    log = Log(tmp_path)
    log.events.begin_at(50)
    assert await log.events.append(readings(1)) == 50
    await log.close()


async def test_damage_in_an_old_segment_is_found_when_it_is_read(tmp_path: Path) -> None:
    limits = {"events": Limits(segment_bytes=500)}
    log = Log(tmp_path, limits)
    for number in range(20):
        await log.events.append(readings(10, 10 * number))
    await log.close()
    oldest = min((tmp_path / "events").glob("*.log"))
    data = bytearray(oldest.read_bytes())
    data[-3] ^= 0x10
    oldest.write_bytes(data)
    log = Log(tmp_path, limits)
    assert log.damage() == []
    assert len(everything(log)) == 190
    assert len(log.damage()) == 1
    await log.close()


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path; from hub.log import Log; from hub.model import Tick\n"
        "async def main():\n"
        "    log, at = Log(Path(sys.argv[1])), 0\n"
        "    while True:\n"
        "        await asyncio.gather(*(log.events.append([Tick(at + n)]) for n in range(50)))\n"
        "        at += 50; print(at, flush=True)\n"
        "asyncio.run(main())\n"
    )
    acknowledged = 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(40)]
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=20)
        printed = [line for line in (*lines, *rest.splitlines(True)) if line.endswith("\n") and line.strip()]
        acknowledged += int(printed[-1])

    async def count() -> int:
        log = Log(tmp_path)
        found = len(everything(log))
        await log.close()
        return found

    assert asyncio.run(count()) >= acknowledged


# ------------------------------------------------------------------------------------------------- disks at their limit


async def test_a_full_disk_refuses_and_recovers_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.log.log.RETRY_AFTER_S", 0.05)
    log = Log(tmp_path)
    await log.events.append(readings(5))
    real = os.pwrite
    room = 40

    def full(fd: int, data: bytes, position: int) -> int:
        nonlocal room
        if len(data) > room:
            written = real(fd, bytes(data)[:room], position)
            room = 0
            if written:
                return written
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data, position)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(LogFull, match="is full; input is refused until there is room"):
        await log.events.append(readings(5, 5))
    assert log.events.refusing
    with pytest.raises(LogFull):
        await log.events.append(readings(5, 5))
    monkeypatch.setattr(os, "pwrite", real)
    await asyncio.sleep(0.1)
    assert await log.events.append(readings(5, 5)) == 5
    assert log.events.refusing is None
    await log.close()
    again = Log(tmp_path)
    assert everything(again) == readings(10)
    await again.close()


async def test_a_failed_sync_is_not_an_acknowledgement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(tmp_path)
    await log.events.append(readings(1))

    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(LogFull, match="fails"):
        await log.events.append(readings(1, 1))
    monkeypatch.undo()
    monkeypatch.setattr("hub.log.log.RETRY_AFTER_S", 0.0)
    await log.events.append(readings(1, 2))
    assert everything(log) == [reading(0), reading(2)]
    await log.close()


async def test_the_log_keeps_what_a_required_reader_still_needs_and_refuses_more(tmp_path: Path) -> None:
    cursor = 0
    log = Log(tmp_path, {"events": Limits(bytes_max=4000, segment_bytes=1000)})
    log.events.require("store", lambda: cursor)
    at = 0
    reason = ""
    while not reason and at < 1000:
        try:
            await log.events.append(readings(5, at))
            at += 5
        except LogFull as error:
            reason = str(error)
    assert "store has not taken yet" in reason
    assert everything(log) == readings(at)
    cursor = at
    log.events._refused_at = 0
    await log.events.append(readings(5, at))
    assert log.events.first > 0
    await log.close()


async def test_old_segments_go_by_age_and_size_when_nobody_needs_them(tmp_path: Path) -> None:
    log = Log(tmp_path, {"events": Limits(bytes_max=5000, segment_bytes=1000)})
    for number in range(100):
        await log.events.append(readings(5, 5 * number))
    log.events.trim(log.events.next)
    assert log.events.size() <= 6000
    batch = log.events.read_now(0)
    if not log.events._tail.batches:
        assert batch.first == log.events.first
    await log.close()


async def test_appends_beyond_the_queue_are_refused_at_once(tmp_path: Path) -> None:
    log = Log(tmp_path, {"events": Limits(pending_max=10)})
    taken = [log.events.append(readings(5, 5 * number)) for number in range(4)]
    results = await asyncio.gather(*taken, return_exceptions=True)
    assert [isinstance(result, LogFull) for result in results] == [False, False, True, True]
    await log.close()


async def test_an_append_larger_than_the_queue_finds_its_way_while_others_come(tmp_path: Path) -> None:
    log = Log(tmp_path, {"events": Limits(pending_max=10)})
    small, large = log.events.append(readings(5)), log.events.append(readings(50, 5))
    late = log.events.append(readings(1, 55))
    assert (await small, await large) == (0, 5)
    with pytest.raises(LogFull, match="55 entries"):
        await late
    await log.close()


async def test_entries_waiting_for_the_disk_are_bounded_by_their_bytes(tmp_path: Path) -> None:
    log = Log(tmp_path, {"quarantine": Limits(pending_bytes_max=100_000)})
    large = [Fault(FaultKind.SYNTAX, "large", bytes(60_000))]
    results = await asyncio.gather(*(log.quarantine.append(large) for _ in range(5)), return_exceptions=True)
    assert [isinstance(result, LogFull) for result in results] == [False, False, True, True, True]
    await log.close()


async def test_a_group_commit_is_bounded_by_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.log.log.GROUP_BYTES_MAX", 150_000)
    log = Log(tmp_path)
    large = [Fault(FaultKind.SYNTAX, "large", bytes(60_000))]
    await asyncio.gather(*(log.quarantine.append(large) for _ in range(6)))
    assert [len(batch.entries) for batch in log.quarantine._tail.batches] == [2, 2, 2]
    await log.close()


@pytest.mark.parametrize("reopened", [False, True])
async def test_a_commit_larger_than_segment_and_quota_locks_nothing(tmp_path: Path, reopened: bool) -> None:
    limits = {"quarantine": Limits(bytes_max=50_000, segment_bytes=20_000)}
    log = Log(tmp_path, limits)
    small, large = [Fault(FaultKind.SYNTAX, "small")], [Fault(FaultKind.SYNTAX, "large", bytes(60_000))] * 3
    await log.quarantine.append(small)
    assert await log.quarantine.append(large) == 1
    if reopened:
        await log.close()
        log = Log(tmp_path, limits)
    assert log.quarantine.size() > limits["quarantine"].bytes_max
    for offset in range(4, 10):
        assert await log.quarantine.append(small) == offset
    assert log.quarantine.refusing is None
    assert log.quarantine.size() < 2_000
    assert log.quarantine.first == 4
    await log.close()


async def test_a_stream_never_outgrows_its_quota_by_more_than_one_commit(tmp_path: Path) -> None:
    log = Log(tmp_path, {"quarantine": Limits(bytes_max=100_000)})
    for number in range(200):
        await log.quarantine.append([Fault(FaultKind.SYNTAX, f"{number}", bytes(7_000))])
        assert log.quarantine.size() <= 110_000
    assert sum(path.stat().st_size for path in (tmp_path / "quarantine").iterdir()) <= 110_000
    await log.close()


async def test_a_large_commit_waits_for_a_required_reader_that_is_behind(tmp_path: Path) -> None:
    """Room is made of what everybody has read, never of what the store still needs."""
    cursor = 0
    log = Log(tmp_path, {"events": Limits(bytes_max=4000, segment_bytes=1000)})
    log.events.require("store", lambda: cursor)
    await log.events.append(readings(20))
    with pytest.raises(LogFull, match="store has not taken yet"):
        await log.events.append(readings(100, 20))
    cursor, log.events._refused_at = 20, -100.0
    assert await log.events.append(readings(100, 20)) == 20
    cursor = 120
    assert await log.events.append(readings(1, 120)) == 120
    assert everything(log)[-1] == reading(120)
    assert log.events.size() < 4000
    await log.close()


@pytest.mark.parametrize("cut", ["at once", "later", "by a restart"])
async def test_what_a_failed_write_left_behind_never_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """It was refused. Its numbers go to what is written next, so with it in the file two entries would have one number."""
    monkeypatch.setattr("hub.log.log.RETRY_AFTER_S", 0.0)

    def broken(*_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    log = Log(tmp_path)
    await log.events.append(readings(3))
    with monkeypatch.context() as failing:
        failing.setattr("hub.log.log.os.fdatasync", broken)
        if cut == "later":  # the disk does not even take the truncation
            failing.setattr("hub.log.log.os.ftruncate", broken)
        with pytest.raises(LogFull):
            await log.events.append(readings(2, 100))
        if cut == "later":
            with pytest.raises(LogFull):
                await log.events.append(readings(2, 200))
    if cut != "by a restart":
        assert await log.events.append(readings(4, 3)) == 3
    await log.close()
    again = Log(tmp_path)
    expected = readings(3) if cut == "by a restart" else readings(7)
    assert everything(again) == expected
    assert again.events.next == len(expected)
    assert await again.events.append(readings(1, 7)) == len(expected)
    found = [entry for path in sorted((tmp_path / "events").glob("*.log")) for entry in numbers_in(path)]
    assert found == list(range(len(expected) + 1))
    await again.close()


def numbers_in(path: Path) -> list[int]:
    """The offsets that the whole frames of a segment hold."""
    frames = [found[0] for found in segment.walk(path) if not isinstance(found, segment.Damage)]
    return [number for frame in frames for number in range(frame.first, frame.next)]


@pytest.mark.parametrize("harm", ["emptied", "header only", "overwritten"])
async def test_a_spoilt_newest_segment_gives_no_number_twice(tmp_path: Path, harm: str) -> None:
    limits = {"events": Limits(segment_bytes=500)}
    log = Log(tmp_path, limits)
    for number in range(4):
        await log.events.append(readings(10, 10 * number))
    await log.close()
    path = max((tmp_path / "events").glob("*.log"))
    path.write_bytes({"emptied": b"", "header only": segment.header(30), "overwritten": bytes(900)}[harm])
    for _ in range(2):  # the second start must remember as well
        log = Log(tmp_path, limits)
        assert log.events.next == 30
        await log.close()
    log = Log(tmp_path, limits)
    assert await log.events.append(readings(1, 30)) == 30
    assert everything(log) == readings(31)
    await log.close()


async def test_age_is_told_from_the_order_of_segments_where_the_clock_stepped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment written while the clock was a year ahead is no younger than those behind it."""
    at, year = 10**18, 365 * 86400 * 10**9
    monkeypatch.setattr("hub.log.log.now", lambda: at)
    log = Log(tmp_path, {"events": Limits(segment_bytes=500, age_max_s=3600.0)})
    at += year
    await log.events.append(readings(10))
    at -= year
    for number in range(1, 4):
        await log.events.append(readings(10, 10 * number))
    at += 2 * 3600 * 10**9
    log.events.trim(log.events.next)
    assert log.events.first == 30
    await log.close()


async def test_an_old_segment_that_cannot_be_removed_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on the disk is acknowledged; the old goes once it can."""
    log = Log(tmp_path, {"events": Limits(bytes_max=8_000)})
    unlink = Path.unlink

    def fails(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EIO, "Input/output error")

    offset = 0
    while log.events.size() < 7_900:
        offset = await asyncio.wait_for(log.events.append(readings(1, offset)), 60) + 1
    monkeypatch.setattr(Path, "unlink", fails)
    with suppress(LogFull):
        await asyncio.wait_for(log.events.append(readings(2, offset)), 60)
    log.events.limits = Limits(bytes_max=4_000)
    log.events.trim(log.events.next)
    log.events.limits = Limits(bytes_max=8_000)
    monkeypatch.setattr(Path, "unlink", unlink)
    monkeypatch.setattr("hub.log.log.RETRY_AFTER_S", 0.0)
    for number in range(40):
        await asyncio.wait_for(log.events.append(readings(1, number)), 60)
    assert log.events.size() <= 8_000
    assert sum(path.stat().st_size for path in (tmp_path / "events").glob("*.log")) == log.events.size()
    await log.close()


async def test_a_log_that_cannot_be_synced_is_not_gone_on_with_but_can_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed process left unsynced would be gone with the next power cut, and its repetition be called a duplicate."""
    log = Log(tmp_path)
    await log.events.append(readings(3))
    await log.close()

    def fails(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(OSError, match="nothing in it may be relied upon"):
        Log(tmp_path)
    looked_at = Log(tmp_path, sync=False)
    assert everything(looked_at) == readings(3)
    await looked_at.close()


async def test_an_entry_that_cannot_be_written_costs_nobody_else_theirs(tmp_path: Path) -> None:
    log = Log(tmp_path)
    poison = Reading("gauge-1", 2**70, {})
    results = await asyncio.gather(
        log.events.append(readings(2)),
        log.events.append([poison]),
        log.events.append(readings(2, 2)),
        return_exceptions=True,
    )
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    assert everything(log) == readings(4)
    await log.close()


# ------------------------------------------------------------------------------------------------- cursors


async def test_what_a_killed_process_left_unsynced_is_synced_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between a write and its sync: the next life reads the frame, and calls what comes again a duplicate of it."""
    await grown(tmp_path)
    synced: list[str] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd))[1])
    walk = segment.walk

    def read(path: Path, *position: int) -> object:
        assert str(path) in synced or path.parent.name != "events", "it was read before it was synced"
        return walk(path, *position)

    monkeypatch.setattr(segment, "walk", read)
    again = Log(tmp_path)
    assert synced
    assert len(everything(again)) == 50
    await again.close()


def test_cursors_survive_a_torn_slot(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path)
    assert cursors.get("store/events") is None
    cursors.set("store/events", 10)
    cursors.set("store/events", 20)
    path = next(tmp_path.glob("*.cursor"))
    data = bytearray(path.read_bytes())
    newest = 2 % 2 * 512
    data[newest + 8] ^= 0xFF
    path.write_bytes(data)
    assert Cursors(tmp_path).get("store/events") == 10
    again = Cursors(tmp_path)
    again.set("store/events", 30)
    assert Cursors(tmp_path).get("store/events") == 30


def test_a_frame_is_whole_or_it_is_none() -> None:
    blob = segment.frame(7, 3, 9, b"payload")
    frame, payload = segment.whole_frame(memoryview(blob), 0) or (None, b"")
    assert frame is not None
    assert (frame.first, frame.entries, frame.at, payload) == (7, 3, 9, b"payload")
    for position in range(len(blob)):
        for bit in range(8):
            flipped = bytearray(blob)
            flipped[position] ^= 1 << bit
            assert segment.whole_frame(memoryview(flipped), 0) is None


class SlowDisk:
    """A disk under which each sync ends when the test says so; counts syncs begun and ended. The log has its file already, whose
    making syncs too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = self.ended = 0
        self.free = threading.Semaphore(0)
        real = os.fdatasync

        def sync(fd: int) -> None:
            self.begun += 1
            assert self.free.acquire(timeout=60)
            real(fd)
            self.ended += 1

        monkeypatch.setattr(os, "fdatasync", sync)

    async def begins(self, number: int) -> None:
        while self.begun < number:
            await asyncio.sleep(0.001)


async def on_slow_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Log, SlowDisk]:
    """A log that holds `reading(0)`."""
    log = Log(folder)
    await log.events.append([reading(0)])
    return log, SlowDisk(monkeypatch)


async def test_what_comes_in_during_a_commit_waits_for_more_and_is_committed_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linger, "LINGER_S", 3600.0)
    monkeypatch.setattr(linger, "LINGER_ENTRIES", 5)
    log, disk = await on_slow_disk(tmp_path, monkeypatch)
    appended = [log.events.append([reading(1)])]
    await disk.begins(1)  # alone it went at once
    appended.append(log.events.append([reading(2)]))
    disk.free.release()
    assert await appended[0] == 1
    for number in (3, 4, 5):
        appended.append(log.events.append([reading(number)]))
        await asyncio.sleep(0)
    assert disk.begun == 1
    appended.append(log.events.append([reading(6)]))  # enough
    await disk.begins(2)
    assert not any(future.done() for future in appended[1:])  # nothing is acknowledged before its sync
    disk.free.release(2)
    assert await asyncio.gather(*appended[1:]) == [2, 3, 4, 5, 6]
    assert disk.ended == 2
    await log.close()


def test_a_batch_in_parts_is_the_same_entries_at_the_same_offsets() -> None:
    whole = Batch(7, readings(10))
    assert [(part.first, part.next) for part in whole.parts(4)] == [(7, 11), (11, 15), (15, 17)]
    assert [entry for part in whole.parts(4) for entry in part.entries] == readings(10)
    assert list(whole.parts(10)) == [whole]
    assert list(Batch(7, []).parts(4)) == [Batch(7, [])]


async def test_an_append_without_company_never_waits_for_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linger, "LINGER_S", 3600.0)
    log = Log(tmp_path)
    for number in range(5):  # a device that waits for each answer
        assert await asyncio.wait_for(log.events.append([reading(number)]), 60) == number
    await log.close()


async def test_closing_commits_at_once_what_lingers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linger, "LINGER_S", 3600.0)
    log, disk = await on_slow_disk(tmp_path, monkeypatch)
    appended = [log.events.append([reading(1)])]
    await disk.begins(1)
    appended.append(log.events.append([reading(2)]))
    disk.free.release(2)
    assert await appended[0] == 1
    await log.close()
    assert await appended[1] == 2
    assert disk.ended == 2
    monkeypatch.undo()  # opening syncs too
    assert everything(Log(tmp_path)) == readings(3)


async def test_a_wait_for_more_ends_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, disk = await on_slow_disk(tmp_path, monkeypatch)
    first = log.events.append([reading(1)])
    await disk.begins(1)
    second = log.events.append([reading(2)])
    disk.free.release(2)
    assert await asyncio.wait_for(asyncio.gather(first, second), 60) == [1, 2]
    await log.close()


class CountingDecoder:
    def __init__(self, decoder: Any) -> None:
        self._decoder, self.decoded = decoder, 0

    def decode(self, data: bytes) -> Any:
        self.decoded += 1
        return self._decoder.decode(data)


async def test_a_follower_on_its_way_through_history_has_each_frame_decoded_once(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for number in range(2):
        await log.events.append(readings(FRAME_ENTRIES_MAX, number * FRAME_ENTRIES_MAX))
    await log.close()
    log = Log(tmp_path)
    decoder = log.events._decoder = CountingDecoder(log.events._decoder)  # type: ignore[assignment]
    taken: list[int] = []
    follower = Follower("test", log.events, lambda entries: taken.append(len(entries)), 0)
    following = asyncio.create_task(follower.run())
    while follower.state.cursor < log.events.next:
        await asyncio.sleep(0.01)
    following.cancel()
    assert decoder.decoded == 2
    assert max(taken) <= FOLD_ENTRIES  # others get their turn in between
    await log.close()
