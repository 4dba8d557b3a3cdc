"""What a failing disk leaves behind when a new segment begins, and files of the log that are taken away while it runs."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.log import Limits, Log, LogFull, segment
from tests.hub.logs import everything, readings


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.log.log.RETRY_AFTER_S", 0.0)


def _fails(error: Exception) -> Callable[..., Any]:
    def fails(*_: Any, **__: Any) -> Any:
        raise error

    return fails


@pytest.mark.parametrize("kept", [True, False], ids=["which cannot be removed", "which can"])
@pytest.mark.parametrize("failed", [OSError(errno.EIO, "I/O error"), MemoryError()], ids=["disk", "memory"])
async def test_a_segment_that_could_not_be_begun_is_no_bar_to_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failed: Exception, kept: bool
) -> None:
    log = Log(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(segment, "write_all", _fails(failed))
        if kept:
            patched.setattr(Path, "unlink", _fails(OSError(errno.EIO, "I/O error")))
        with pytest.raises(LogFull):
            await log.events.append(readings(1))
    descriptors = len(os.listdir("/proc/self/fd"))
    assert await log.events.append(readings(2)) == 0
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 1, "the one of the first try is open still"
    await _closed_it_has(log, tmp_path, 2)


async def _closed_it_has(log: Log, folder: Path, count: int) -> None:
    """So many readings, and the next hub reads them."""
    await log.close()
    again = Log(folder)
    assert everything(again) == readings(count)
    await again.close()


async def test_a_segment_without_a_batch_that_cannot_be_removed_is_no_bar_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path)
    synced, tries = os.fdatasync, 0

    def second_fails(fd: int) -> None:
        nonlocal tries
        tries += 1
        if tries == 2:  # the first is the segment's own beginning
            raise OSError(errno.EIO, "I/O error")
        synced(fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", second_fails)
        patched.setattr(Path, "unlink", _fails(OSError(errno.EIO, "I/O error")))
        for _ in range(2):
            with pytest.raises(LogFull):
                await log.events.append(readings(1))
    assert await log.events.append(readings(3)) == 0
    await _closed_it_has(log, tmp_path, 3)


async def test_a_descriptor_that_fails_as_it_is_closed_is_never_written_to_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may be another file's by then."""
    log = Log(tmp_path, {"events": Limits(segment_bytes=200)})
    await log.events.append(readings(2))
    close = os.close

    def closes_and_says_no(fd: int) -> None:
        close(fd)
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "close", closes_and_says_no)
        for start in (2, 4):  # each needs a new segment
            try:
                await log.events.append(readings(2, start))
            except LogFull:
                continue
    other = tmp_path / "other"
    fds = [os.open(other, os.O_CREAT | os.O_RDWR) for _ in range(4)]
    await log.events.append(readings(1, 100))
    assert other.read_bytes() == b""
    assert everything(log)[-1:] == readings(1, 100)
    for fd in fds:
        close(fd)
    await log.close()


async def test_an_old_segment_that_somebody_removed_holds_no_reader_up(tmp_path: Path) -> None:
    """On a disk that is full people remove files. Readers find a gap, as they do behind retention, and it is said as damage."""
    log = Log(tmp_path, {"events": Limits(segment_bytes=200)})
    for start in range(0, 40, 2):
        await log.events.append(readings(2, start))
    paths = sorted((tmp_path / "events").iterdir())
    assert len(paths) > 3
    paths[0].unlink()
    log.events._tail.batches.clear()  # a reader that is far behind finds nothing in memory
    log.events._tail._kept.clear()
    batch = await log.events.read(log.events.first, 100)
    assert batch.entries
    assert batch.first == int(paths[1].stem)
    assert any(found.segment == paths[0].name for found in log.events.damage)
    await log.close()


@pytest.mark.parametrize("what", ["segment", "folder"])
async def test_nothing_is_acknowledged_that_went_into_a_file_without_a_name(tmp_path: Path, what: str) -> None:
    log = Log(tmp_path)
    await log.events.append(readings(2))
    [path] = (tmp_path / "events").iterdir()
    path.unlink()
    if what == "folder":
        path.parent.rmdir()
    with pytest.raises(LogFull):
        await log.events.append(readings(1, 2))
    if what == "folder":
        with pytest.raises(LogFull, match="No such file"):
            await log.events.append(readings(1, 2))
        path.parent.mkdir()
    assert await log.events.append(readings(1, 2)) == 2
    await log.close()
    again = Log(tmp_path)
    assert everything(again) == readings(1, 2)
    await again.close()
