"""The books across restarts: saved counts, what the log has behind them, stores that lost something, refusals taken after all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.ledger import Ledger
from hub.log import Log
from hub.log.numbered import numbered
from hub.model import Fault, FaultKind, Reading, Tick
from hub.ports import LogPosition, Refusal

T = 1_780_000_000_000_000_000


def reading(n: int, adapter: str = "a") -> Reading:
    return Reading(f"d{n}", T + n, {"pm25": 1.0}, None, None, T + n, adapter)


def fault(adapter: str, readings: int = 1, count: int = 1, **more: str) -> Fault:
    made = Fault(FaultKind.VALUE, "x", b"", None, T, adapter, readings)
    made.count = count
    made.by = more.get("by", "")
    return made


def test_what_is_saved_leaves_out_only_the_faults_that_are_on_their_way(tmp_path: Path) -> None:
    """Of another kind, and of another door, all are there."""
    ledger = Ledger()
    for adapter, kind in (("a", FaultKind.VALUE), ("a", FaultKind.TIME), ("b", FaultKind.VALUE)):
        counts = ledger.of(adapter)
        counts.received += 1
        counts.quarantined += 1
        counts.count_fault(kind)
    ledger.faults_on_their_way("a", [fault("a")])
    (tmp_path / "ledger.json").write_bytes(ledger.encoded())
    again = Ledger()
    again.take_up(tmp_path / "ledger.json")
    assert {name: (counts.received, counts.quarantined, {kind: count for kind, count in counts.faults.items() if count}) for name, counts in again.adapters.items()} == {
        "a": (1, 1, {"time": 1}),
        "b": (1, 1, {"value": 1}),
    }  # fmt: skip


def test_what_other_nodes_put_into_quarantine_counts_at_its_own_door() -> None:
    ledger = Ledger()
    for _ in range(2):  # what was counted is not counted again
        ledger.read_in_quarantine(numbered(0, [fault("a", 2), fault("b", 3)]))
    assert [(ledger.of(name).quarantined, ledger.of(name).received) for name in ("a", "b")] == [(2, 2), (3, 3)]
    assert ledger.counted[1] == 2


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    log = Log(tmp_path / "log")
    yield log
    await log.close()


def told(ledger: Ledger, adapter: str = "a") -> tuple[int, int, int, int]:
    """(stored, refused, replaced, waiting)."""
    counts = (ledger.stored, ledger.refused, ledger.replaced)
    stored, refused, replaced = (kind.get("store", {}).get(adapter, 0) for kind in counts)
    return stored, refused, replaced, ledger.waiting("store", adapter)


async def test_without_a_file_the_log_is_counted_from_its_beginning(tmp_path: Path, log: Log) -> None:
    await log.events.append([reading(0), Tick(T), reading(1), reading(2, "b")])
    await log.quarantine.append([fault("b", by="store"), fault("a", 2, 3), fault("a", 7, by="store"), fault("a")])
    ledger = Ledger()
    ledger.recover(tmp_path / "ledger.json", log, {"store": 3})
    counts = ledger.of("a")
    assert (counts.received, counts.logged, counts.quarantined, counts.faults) == (2 + 3, 2, 3, {"value": 4})
    assert (ledger.of("b").received, ledger.of("b").faults) == (1, {})
    assert (told(ledger), told(ledger, "b")) == ((2, 0, 0, 0), (0, 0, 0, 1))


async def test_saved_counts_are_taken_up_where_they_ended(tmp_path: Path, log: Log) -> None:
    first = Ledger()
    await log.events.append([reading(0), reading(1), reading(1)])
    first.of("a").received = 3
    first.logged("a", 3, 3)
    first.took("store", [reading(0), reading(1), reading(1)], 3, [Refusal(reading(0), "old")], 0)
    assert told(first) == (1, 1, 1, 0)
    (tmp_path / "ledger.json").write_bytes(first.encoded())
    await log.events.append([reading(3), reading(4)])
    again = Ledger()
    again.recover(tmp_path / "ledger.json", log, {"store": 4})
    assert (again.of("a").received, again.of("a").logged) == (5, 5)
    assert told(again) == (2, 1, 1, 1)
    third = Ledger()
    (tmp_path / "ledger.json").write_bytes(again.encoded())
    third.recover(tmp_path / "ledger.json", log, {"store": 5})
    assert told(third) == (3, 1, 1, 0)


async def test_what_a_store_has_lost_waits_again(tmp_path: Path, log: Log) -> None:
    entries = [reading(0), reading(1, "b"), reading(2), reading(3)]
    await log.events.append(entries)
    ledger = Ledger()
    ledger.logged("a", 3, 4)
    ledger.logged("b", 1, 4)
    ledger.took("store", entries, 4, [Refusal(reading(3), "old")])
    assert (told(ledger), told(ledger, "b")) == ((2, 1, 0, 0), (1, 0, 0, 0))
    ledger.set_back("store", log.events, 2)
    assert (told(ledger), told(ledger, "b")) == ((0, 1, 0, 2), (1, 0, 0, 0))
    (tmp_path / "ledger.json").write_bytes(ledger.encoded())
    again = Ledger()
    again.recover(tmp_path / "ledger.json", log, {"store": 1})
    assert (told(again), told(again, "b")) == ((0, 1, 0, 2), (0, 0, 0, 1))
    again.set_back("store", log.events, 0)
    assert (told(again), told(again, "b")) == ((0, 0, 0, 3), (0, 0, 0, 1))


async def test_a_refusal_taken_after_all_moves_over_once(log: Log) -> None:
    ledger = Ledger()
    ledger.logged("a", 3, 3)
    refused = [Refusal(reading(n), "type") for n in range(3)]
    ledger.took("store", [reading(n) for n in range(3)], 3, refused)
    assert told(ledger) == (0, 3, 0, 0)
    ledger.took_after_all("store", [reading(0), reading(1)])
    assert told(ledger) == (2, 1, 0, 0)
    ledger.took_after_all("store", [reading(2), reading(2)])
    assert told(ledger) == (3, 0, 0, 0)


async def test_refusals_in_quarantine_behind_the_saved_counts_are_refusals(tmp_path: Path, log: Log) -> None:
    """The hub fell between the store's answer and the writing of the books."""
    await log.events.append([reading(0), reading(1)])
    kept = fault("a", 1, by="store")
    kept.reading = reading(1)
    await log.quarantine.append([kept])
    ledger = Ledger()
    ledger.recover(tmp_path / "ledger.json", log, {"store": 2})
    assert told(ledger) == (1, 1, 0, 0)
    assert ledger.of("a").faults == {}
    (tmp_path / "ledger.json").write_bytes(ledger.encoded())
    again = Ledger()
    again.recover(tmp_path / "ledger.json", log, {"store": 2})
    assert told(again) == (1, 1, 0, 0)
    assert again.of("a").faults == {}


def test_a_reader_that_has_answered_for_nothing_yet_is_waited_for() -> None:
    ledger = Ledger()
    ledger.logged("a", 3, LogPosition(3))
    assert ledger.waiting("store", "a") == 3
