"""The log's commits: which of them wait for more, and readers that take whole frames."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from hub.app.readers import FOLD_ENTRIES, Follower
from hub.log import Log, linger, numbered
from hub.ports import FRAME_ENTRIES_MAX
from tests.hub.logs import everything, reading, readings


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


def keep_apart(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have commits that wait begin so far from one another, whatever the rate is."""
    monkeypatch.setattr(linger, "NEAR_S", seconds)
    monkeypatch.setattr(linger, "FAR_S", seconds)


async def on_slow_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Log, SlowDisk]:
    """A log that holds `reading(0)`."""
    log = Log(folder)
    await log.events.append([reading(0)])
    return log, SlowDisk(monkeypatch)


async def test_what_comes_in_during_a_commit_waits_for_more_and_is_committed_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_apart(monkeypatch, 3600.0)
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
    whole = numbered(7, readings(10))
    assert [(part.first, part.next) for part in whole.parts(4)] == [(7, 11), (11, 15), (15, 17)]
    assert [entry for part in whole.parts(4) for entry in part.entries] == readings(10)
    assert list(whole.parts(10)) == [whole]
    assert list(numbered(7, []).parts(4)) == [numbered(7, [])]


async def test_an_append_without_company_never_waits_for_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_apart(monkeypatch, 3600.0)
    log = Log(tmp_path)
    for number in range(linger.ALONE):  # a device that waits for each answer
        assert await asyncio.wait_for(log.events.append([reading(number)]), 60) == number
    await log.close()


async def test_after_a_wait_in_vain_commits_go_at_once_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_apart(monkeypatch, 0.01)
    log = Log(tmp_path)
    await asyncio.gather(*(log.events.append([reading(number)]) for number in range(3)))  # company: so the next waits
    log.events._linger._began_at = asyncio.get_running_loop().time()  # however long that took
    await log.events.append([reading(3)])  # and nobody comes
    keep_apart(monkeypatch, 3600.0)
    for number in range(linger.ALONE):
        await asyncio.wait_for(log.events.append([reading(number)]), 60)
    await log.close()


@pytest.mark.parametrize(
    ("each", "every_s", "distance_s"),
    [
        (1, 0.02, linger.FAR_S),  # 50/s
        (5, 0.01, 0.016),  # 500/s: eight entries
        (10, 0.01, 0.008),  # 1,000/s
        (20, 0.01, linger.NEAR_S),  # 2,000/s
        (100, 0.01, linger.NEAR_S),
    ],
)
async def test_commits_are_as_far_apart_as_eight_entries_within_bounds(
    each: int, every_s: float, distance_s: float
) -> None:
    loop = asyncio.get_running_loop()
    commits = linger.Linger(lambda: None)
    for _ in range(40):
        commits.begin(each)
        await asyncio.sleep(0)
        commits._spacing_s = every_s
        commits.committed(each, more=True)
        commits._began_at = 0.0  # the next one is long due
    begun = commits._began_at = loop.time()
    commits.begin(each)
    if each < linger.LINGER_ENTRIES:
        assert commits._timer is not None
        assert commits._timer.when() - begun == pytest.approx(distance_s, rel=0.01)  # type: ignore[attr-defined]
    commits.close()


async def test_what_comes_next_may_rest_until_shortly_before_the_commit_that_it_goes_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep_apart(monkeypatch, 10.0)
    loop = asyncio.get_running_loop()
    begun: list[float] = []
    commits = linger.Linger(lambda: begun.append(loop.time()))
    commits.begin(5)
    assert commits.rest_s(5) == 0.0, "nobody knows yet that company comes"
    await asyncio.sleep(0)
    commits.committed(5, more=False)
    commits.begin(2)
    assert commits.rest_s(2) == pytest.approx(10.0 - linger.EARLY_S, abs=1.0), "until the commit that waits"
    assert commits.rest_s(linger.LINGER_ENTRIES) == 0.0, "so many wait for nobody"
    commits._began_at = loop.time() - 10.0 + linger.REST_LEAST_S
    assert commits.rest_s(2) == 0.0, "not for so short a while"
    commits.grown(linger.LINGER_ENTRIES)
    commits.committed(linger.LINGER_ENTRIES, more=False)
    commits._began_at = loop.time() - 10.0 + linger.EARLY_S / 2
    commits.begin(3)
    assert commits.rest_s(3) == pytest.approx(10.0 - linger.EARLY_S, abs=1.0), (
        "until the commit behind the one that begins now"
    )
    await asyncio.sleep(0)
    assert len(begun) == 3, "a wait of less than a millisecond is none"
    commits.close()
    assert commits.rest_s(3) == 0.0


async def test_after_a_rest_in_vain_nobody_rests_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that reports alone has its commits at once, and so have the next."""
    keep_apart(monkeypatch, 0.1)
    commits = linger.Linger(lambda: None)
    commits.begin(5)
    await asyncio.sleep(0)
    commits.committed(5, more=False)
    assert commits.rest_s(1) > 0
    commits._began_at -= 3600.0
    commits.begin(1)
    await asyncio.sleep(0)
    commits.committed(1, more=False)
    for _ in range(linger.ALONE):
        assert commits.rest_s(1) == 0.0
        commits.begin(1)
        await asyncio.sleep(0)
        commits.committed(1, more=False)
    assert commits.rest_s(1) > 0
    commits.close()


async def test_closing_commits_at_once_what_lingers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_apart(monkeypatch, 3600.0)
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


async def test_a_commit_waits_no_longer_than_to_the_end_of_the_distance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes when the last commit began long ago waits for nobody, though company came then."""
    keep_apart(monkeypatch, 3600.0)
    log = Log(tmp_path)
    await asyncio.gather(*(log.events.append([reading(number)]) for number in range(3)))
    log.events._linger._began_at -= 3600.0
    assert await asyncio.wait_for(log.events.append([reading(3)]), 60) == 3
    await log.close()


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
