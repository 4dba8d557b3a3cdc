"""The log: what is acknowledged is on disk, in order, and survives what disks and kill -9 do."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.log import Cursors, Limits, Log, segment
from hub.log.numbered import numbered
from hub.log.pending import Append, Pending
from hub.log.tail import TAIL_BYTES, TAIL_S, Tail
from hub.model import AlertChange, Change, Deaf, Edition, Fault, FaultKind, OperatorAction, Position, Tick
from hub.ports import FRAME_ENTRIES_MAX, LogPosition
from tests.hub.logs import everything, reading, readings

ROOT = Path(__file__).resolve().parents[2]


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


async def test_what_stands_behind_damage_keeps_its_own_places(tmp_path: Path) -> None:
    """A read ends before a gap: entries behind it are not counted on from those before."""
    log = Log(tmp_path)
    for number in range(4):
        await log.events.append(readings(2, 2 * number))
    await log.close()
    (path,) = (tmp_path / "events").glob("*.log")
    frames = [found[0] for found in segment.walk(path) if isinstance(found, tuple)]
    data = bytearray(path.read_bytes())
    data[frames[1].position + frames[1].size - 1] ^= 1
    path.write_bytes(data)
    again = Log(tmp_path)
    before, behind = again.events.read_now(LogPosition(0)), again.events.read_now(LogPosition(2))
    assert (list(before.entries), list(before.positions)) == (readings(2), [0, 1, 2])
    assert (list(behind.entries), list(behind.positions)) == (readings(4, 4), [4, 5, 6, 7, 8])
    await again.close()


def test_a_segment_whose_first_bytes_are_spoilt_is_damaged_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    os.close(segment.create(path, 0))
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    assert list(segment.walk(path)) == [segment.Damage(path.name, 0, len(data))]


async def test_any_number_of_readers_may_stand_anywhere(tmp_path: Path) -> None:
    """Where each goes on is remembered for some of them, and found again for the others."""
    log = Log(tmp_path)
    for number in range(60):
        await log.events.append(readings(1, number))
    await log.close()
    again = Log(tmp_path)
    places = [LogPosition(number) for number in range(0, 60, 2)]
    for _ in range(2):
        places = [again.events.read_now(place, 1).next for place in places]
    assert places == [number + 2 for number in range(0, 60, 2)]
    await again.close()


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


def test_a_reader_that_was_forgotten_may_come_back_to_the_same_place(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path)
    cursors.set("store", LogPosition(10))
    cursors.set("rules", LogPosition(20))
    cursors.forget("store")
    cursors.forget("nobody")
    assert (cursors.get("store"), cursors.all()) == (None, {"rules": 20})
    assert Cursors(tmp_path).all() == {"rules": 20}
    cursors.set("store", LogPosition(10))
    assert Cursors(tmp_path).all() == {"rules": 20, "store": 10}
    cursors.set("store", LogPosition(11))
    assert Cursors(tmp_path).get("store") == 11


def test_the_tail_gives_at_most_what_is_asked_for_and_all_of_it() -> None:
    tail = Tail()
    assert tail.read_oldest(5) is None
    for first, count in ((10, 4), (14, 3), (17, 5)):
        tail.add(numbered(first, readings(count, first)), 100)
    for offset in range(10, 22):
        for entries_max in (1, 3, 4, 5, 30):
            found = tail.read(LogPosition(offset), entries_max)
            assert list(found.entries) == readings(22, 0)[offset : offset + entries_max]
            assert (found.first, found.next) == (offset, min(22, offset + entries_max))
    oldest = tail.read_oldest(30)
    assert oldest is not None
    assert (oldest.first, len(oldest.entries)) == (10, 12)
    assert tail.read(LogPosition(17), 5) is tail.batches[-1], "who is caught up gets the very objects"
    assert (tail.holds(9), tail.holds(10)) == (False, True)


@pytest.mark.parametrize(("entries_max", "bytes_max", "groups"), [(4, 100, [2, 1]), (3, 100, [1, 1, 1]), (9, 20, [2, 1]), (9, 19, [1, 1, 1]), (1, 1, [1, 1, 1])])  # fmt: skip
async def test_what_waits_goes_together_up_to_the_limits_and_is_counted_out(
    entries_max: int, bytes_max: int, groups: list[int]
) -> None:
    pending = Pending(entries_max, bytes_max)
    for number in range(3):
        pending.add(Append(readings(2, number), bytes(10), asyncio.get_running_loop().create_future()))
    assert (pending.entries, pending.bytes) == (6, 30)
    left = 3
    for size in groups:
        assert len(pending.take().appends) == size
        left -= size
        assert (pending.entries, pending.bytes) == (2 * left, 10 * left)
    assert not pending


def test_the_newest_batch_stays_in_memory_whatever_its_size() -> None:
    tail = Tail()
    tail.add(numbered(0, readings(1)), TAIL_BYTES + 1)
    assert tail.holds(0)
    tail.add(numbered(1, readings(1)), TAIL_BYTES + 1)
    assert (tail.holds(0), tail.holds(1)) == (False, True)


def test_a_position_that_stands_already_costs_no_write(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path)
    cursors.set("store", LogPosition(3))
    path = tmp_path / "store.cursor"
    before = path.read_bytes()
    cursors.set("store", LogPosition(3))
    assert path.read_bytes() == before
    cursors.set("store", LogPosition(4))
    assert path.read_bytes() != before


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


def test_segments_hold_what_the_city_says_and_are_not_for_everybody_on_the_machine(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        os.close(segment.create(tmp_path / "00", 0))
    finally:
        os.umask(before)
    assert (tmp_path / "00").stat().st_mode & 0o777 == 0o640
