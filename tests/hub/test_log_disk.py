"""The log on disks that are full, fail, or hold more than they may."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hub.log import Limits, Log, LogFull, segment
from hub.log.pending import Group
from hub.model import Fault, FaultKind, Reading
from hub.ports import LogPosition
from tests.hub.logs import everything, reading, readings


async def test_a_full_disk_refuses_and_recovers_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.log.log.RETRY_AFTER_S", 600.0)
    log = Log(tmp_path)
    await log.events.append(readings(5))
    real = os.pwrite
    room = 40
    tries = 0

    def full(fd: int, data: bytes, position: int) -> int:
        nonlocal room, tries
        tries += 1
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
    so_far = tries
    with pytest.raises(LogFull):
        await log.events.append(readings(5, 5))
    assert tries == so_far, "a disk that has just been full is left alone for a while"
    monkeypatch.setattr(os, "pwrite", real)
    monkeypatch.setattr("hub.log.log.RETRY_AFTER_S", 0.0)
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
    log.events.trim()
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
    log.events.trim()
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
    log.events.trim()
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


async def test_a_log_that_gets_no_thread_says_busy_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no fault of the entries: as one, readings went to quarantine and were answered "refused", so that no device sent them again."""
    monkeypatch.setattr("hub.log.log.RETRY_AFTER_S", 0.0)
    log = Log(tmp_path)

    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        with pytest.raises(LogFull, match="the system has no thread or no memory to write to"):
            await log.events.append(readings(1))
    assert await log.events.append(readings(1)) == 0
    await log.close()


def test_a_process_whose_log_was_never_closed_ends(tmp_path: Path) -> None:
    """The thread that writes must not keep it, as none of a pool does."""
    use = (
        "import asyncio, sys; from pathlib import Path; from hub.log import Log; from tests.hub.logs import readings\n"
        "async def main():\n    print(await Log(Path(sys.argv[1])).events.append(readings(3)))\n"
        "asyncio.run(main())"
    )
    run = subprocess.run(
        [sys.executable, "-c", use, str(tmp_path)], timeout=60, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "0\n", "")


async def test_entries_that_are_on_disk_are_not_kept_by_the_thread_that_wrote_them(tmp_path: Path) -> None:
    """It waits for hours for the next in a stream that is seldom written."""
    log = Log(tmp_path)
    kept: list[weakref.ref[Any]] = []
    written = log.quarantine._write_and_tell

    def watched(loop: asyncio.AbstractEventLoop, first: LogPosition, group: Group) -> None:
        kept.append(weakref.ref(group))
        written(loop, first, group)

    log.quarantine._write_and_tell = watched  # type: ignore[method-assign]
    await log.quarantine.append([Fault(FaultKind.SYNTAX, "no JSON")])
    async with asyncio.timeout(30):
        while kept[0]() is not None:
            await asyncio.sleep(0.01)
    await log.close()
