"""One message, one device or one door that sends rubbish: what it costs is bounded by its bytes, and nobody else pays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.app.sources import decode_body
from hub.faults import FAULTS_MAX, RAW_MAX, REST_BYTES_MIN, SUMMARY_EVERY, Faults, Shares
from hub.knocks import PASSING_MAX, RETURNING_MAX, Knocks
from hub.ledger import Ledger
from hub.log import Limits, Log, LogFull
from hub.metrics import nearest
from hub.model import Fault, FaultKind, Message, Reading, Verdict
from hub.moment import SECOND
from tests.hub.test_ingest import NOW, Bench, message

QUOTA = 4 << 20


async def settle(bench: Bench) -> None:
    """Until what was handed to the log is on disk."""
    await asyncio.gather(bench.log.events.append([]), bench.log.quarantine.append([]))


def upload(count: int) -> Message:
    """An ordinary upload of a logger that nobody registered."""
    items = [{"device": "new-logger", "values": {"water_depth": number / 1000}} for number in range(count)]
    return decode_body("application/json", json.dumps(items).encode(), "")


def of_unknown_metrics(count: int, metrics: int) -> Message:
    items = [
        {"device": "gauge-7", "values": {f"foo{at}_{metric}": 1.0 for metric in range(metrics)} | {"water_level": 1.0}}
        for at in range(count)
    ]
    return decode_body("application/json", json.dumps(items).encode(), "")


@pytest.mark.parametrize(
    "made", [lambda: upload(10_000), lambda: of_unknown_metrics(200, 50)], ids=["unknown device", "metrics"]
)
async def test_one_message_costs_what_it_holds_and_locks_nothing(tmp_path: Path, made: Callable[[], Message]) -> None:
    sent = made()
    bench = Bench(tmp_path, {"quarantine": Limits(bytes_max=QUOTA)})
    await bench.give(sent)
    assert bench.log.quarantine.size() < 3 * len(sent.raw)
    assert len(bench.quarantined()) <= FAULTS_MAX + 1
    assert sum(len(fault.raw) for fault in bench.quarantined()) <= RAW_MAX
    good = message({"water_level": 1.0, "nonsense": 1.0})
    assert await bench.give(good) == [Verdict.STORED]
    assert bench.log.quarantine.refusing is None
    await bench.log.close()


async def test_every_fault_of_a_large_message_is_counted_and_its_readings_can_be_offered_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert await bench.give(upload(3_000)) == [Verdict.REFUSED]
    counts = bench.ledger.of("broker")
    assert (counts.received, counts.quarantined, counts.faults) == (3_000, 3_000, {"unknown-device": 3_000})
    faults = bench.quarantined()
    assert sum(fault.count for fault in faults) == sum(fault.readings for fault in faults) == 3_000
    assert "2950 more of this kind in one message" in faults[-1].detail
    kept = [fault.reading for fault in faults if fault.reading] + (faults[-1].rest or [])
    assert [reading.values["water_depth"] for reading in kept] == [number / 1000 for number in range(3_000)]
    assert all(faults[at - fault.back].raw for at, fault in enumerate(faults))
    await bench.log.close()


def test_what_a_summary_could_not_keep_is_said_in_it() -> None:
    faults = Faults(1, "broker")
    faults.begin(b"raw")
    long = Reading("d", 1, {"alarms": ["x" * 1000] * 10})
    for _ in range(FAULTS_MAX + 20):
        faults.add(FaultKind.VALUE, "odd", "d", 1, long)
    faults.close()
    rest = faults.entries[-1]
    assert rest.count == rest.readings == 20
    assert rest.rest is not None
    assert rest.detail.endswith(f"; {20 - len(rest.rest)} readings of them were not kept")
    assert len(rest.rest) < 20


def test_one_fault_more_than_a_message_may_have_is_told_as_it_is() -> None:
    """It sums up nothing. Two are, with the first one's words, and with what was kept of one of them only."""
    odd = Reading("d", 1, {"alarms": ["x" * (REST_BYTES_MIN // 6)]})
    for more, begins, ends in (
        (1, "y" * 200, "y"),
        (2, "2 more of this kind in one message, the first: yyy", "; 1 readings of them were not kept"),
    ):
        faults = Faults(1, "broker")
        faults.begin(b"raw")
        for _ in range(FAULTS_MAX):
            faults.add(FaultKind.VALUE, "odd", "d", 1)
        for _ in range(more):
            faults.add(FaultKind.VALUE, "y" * 500, "d", 1, odd)
        faults.close()
        (rest,) = faults.entries[FAULTS_MAX:]
        assert (rest.count, rest.readings, len(rest.rest or [])) == (more, more, 1)
        assert rest.detail.startswith(begins)
        assert rest.detail.endswith(ends)
        assert rest.detail.count("y") == 200


async def test_other_tasks_have_their_turn_while_a_large_message_is_checked(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    verdicts = bench.door.submit([upload(10_000)])
    before = turns
    await verdicts
    assert turns - before >= 9
    counting.cancel()
    await bench.log.close()


async def test_a_large_message_and_its_repetition_are_stored_once_and_answered_after_the_disk(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    readings = [Reading("gauge-7", NOW - at * SECOND, {"water_level": 1.0}) for at in range(3_000)]
    twice = [Message([Reading(r.device, r.observed_at, dict(r.values)) for r in readings], [], "gauge-7") for _ in "12"]
    outcomes = await asyncio.gather(*(bench.door.submit([sent]) for sent in twice))
    assert outcomes == [[Verdict.STORED]] * 2
    counts = bench.ledger.of("broker")
    assert (counts.logged, counts.duplicate, counts.in_flight) == (3_000, 3_000, 0)
    assert counts.balances()
    assert not bench.ingest.under_way
    await bench.log.close()


async def test_what_comes_after_a_large_message_does_not_overtake_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    large = [Reading("gauge-7", NOW - at * SECOND, {"water_level": 1.0}) for at in range(3_000)]
    outcomes = await asyncio.gather(
        bench.door.submit([Message(large, [], "gauge-7")]),
        bench.door.submit([message({"water_level": 2.0})]),
        bench.door.submit([message({"water_level": 3.0})]),
    )
    assert outcomes == [[Verdict.STORED]] * 3
    stream = bench.log.events
    assert [entry.values["water_level"] for entry in stream.read_now(stream.next - 3).entries] == [1.0, 2.0, 3.0]
    assert bench.door._slicing is None
    await bench.log.close()


async def test_a_message_given_up_half_way_may_come_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    large = [Reading("gauge-7", NOW - at * SECOND, {"water_level": 1.0}) for at in range(3_000)]
    first = bench.door.submit([Message(large, [], "gauge-7")])
    again = bench.door.submit([message({"water_level": 1.0})])  # known: its original is in the message above
    first.cancel()
    assert await again == [Verdict.STORED]  # it waited its turn, and by then it was new
    assert await bench.give(message({"water_level": 1.0})) == [Verdict.STORED]
    assert len(bench.logged()) == 1
    await bench.log.close()


async def test_a_ledger_saved_while_a_large_message_is_checked_counts_none_of_it_twice(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    checking = bench.door.submit([upload(10_000), message({"water_level": 1.0})])
    saved = []
    while not checking.done():
        saved.append(bench.ledger.encoded())
        await asyncio.sleep(0)
    await bench.log.close()
    log = Log(tmp_path / "log")
    assert len(saved) > 5
    for data in saved[:: max(1, len(saved) // 12)]:
        (tmp_path / "ledger.json").write_bytes(data)
        ledger = Ledger()
        ledger.recover(tmp_path / "ledger.json", log, {})
        counts = ledger.of("broker")
        assert (counts.received, counts.logged, counts.quarantined) == (10_001, 1, 10_000)
        assert counts.faults == {"unknown-device": 10_000}
    await log.close()


async def test_what_a_summary_sums_up_is_counted_once(tmp_path: Path) -> None:
    """Each fault was counted when it came; the ledger was saved then, and the summary was written after that."""
    bench = Bench(tmp_path, {"quarantine": Limits(bytes_max=160 << 10)})
    bench.ingest.shares = Shares(20_000)
    strangers = [message({"water_level": 1.0}, device=f"stranger-{number}") for number in range(100)]
    await bench.give(*strangers)
    counts = bench.ledger.of("broker")
    assert 0 < counts.unkept < 100
    (tmp_path / "ledger.json").write_bytes(bench.ledger.encoded())
    bench.ingest.shares._said_at = dict.fromkeys(bench.ingest.shares._left_out, -SUMMARY_EVERY)
    await bench.give(message({"water_level": 1.0}, device="stranger-100"))
    assert "were counted and not kept" in bench.quarantined()[-1].detail
    await bench.log.close()
    log, ledger = Log(tmp_path / "log"), Ledger()
    ledger.recover(tmp_path / "ledger.json", log, {})
    assert ledger.of("broker").quarantined == 100  # and not those again that the summary tells of
    assert ledger.of("broker").balances()
    await log.close()


async def test_a_quarantine_that_cannot_be_written_never_holds_up_what_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)

    def full(_: list[Fault]) -> asyncio.Future[int]:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        future.set_exception(LogFull("the disk is full"))
        return future

    monkeypatch.setattr(bench.log.quarantine, "append", full)
    mixed = message({"water_level": 1.0, "nonsense": 1.0})
    assert await bench.give(mixed, message({"water_level": 1.0}, "stranger")) == [Verdict.STORED, Verdict.REFUSED]
    counts = bench.ledger.of("broker")
    assert (counts.logged, counts.quarantined, counts.unkept) == (1, 1, 2)
    await bench.log.close()


async def test_a_flood_of_one_kind_leaves_room_for_the_others(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"quarantine": Limits(bytes_max=QUOTA)})
    await bench.give(message({"water_level": 1e9}))
    rubbish = [
        Message([Reading(f"x-{at}", NOW, {"water_level": 1.0})], [], None, raw=bytes(900)) for at in range(6_000)
    ]
    for at in range(0, len(rubbish), 500):
        await bench.give(*rubbish[at : at + 500])
    assert bench.log.quarantine.size() < QUOTA / 8
    await bench.give(message({"water_level": 1e8}))
    stream = bench.log.quarantine
    assert bench.quarantined()[0].kind == stream.read_now(stream.next - 1).entries[0].kind == FaultKind.VALUE
    counts = bench.ledger.of("broker")
    assert counts.quarantined == 6_002
    assert counts.faults["unknown-device"] == 6_000
    assert 3_000 < counts.unkept < 6_000
    await bench.log.close()


def test_what_a_share_left_out_is_summed_up_once_a_minute_with_its_readings() -> None:
    shares = Shares(16_000)
    fault = [Fault(FaultKind.VALUE, "odd", bytes(900), "gauge-7", 1, "broker", 1)]
    entries = [entry for at in range(0, 180 * 10**9, 10**9) for entry in shares.admit(list(fault), at)[0]]
    sums = [entry for entry in entries if "counted and not kept" in entry.detail]
    assert len(sums) == 3
    assert sum(entry.count for entry in entries) == sum(entry.readings for entry in entries)
    assert 60 < sum(entry.count for entry in entries) <= 180


def test_raw_bytes_are_found_where_a_share_has_left_entries_out() -> None:
    shares = Shares(1 << 20)
    held = Fault(FaultKind.VALUE, "first", b"raw", "gauge-7", 1, "broker")
    other = Fault(FaultKind.RATE, "between", bytes(80_000), None, 1, "broker")
    last = Fault(FaultKind.VALUE, "last", b"", "gauge-7", 1, "broker", back=2)
    shares.admit([Fault(FaultKind.RATE, "all of its share", bytes(65_000), None, 1, "broker")], 0)
    kept, left_out = shares.admit([held, other, last], 1)
    assert left_out == 1
    named = [fault for fault in kept if fault.kind == FaultKind.VALUE]
    assert kept[kept.index(named[1]) - named[1].back].raw == b"raw"


def test_a_flood_of_ids_hides_neither_who_keeps_knocking_nor_who_knocked_last() -> None:
    knocks = Knocks()
    for at in range(3):
        knocks.note("new-gauge", "broker", "", at)
    knocks.note("other-door", "tcp", "", 3)
    for at in range(3 * PASSING_MAX):
        knocks.note(f"flood-{at}", "broker", "", 10 + at)
    knocks.note("late-gauge", "broker", "", 10**6)
    assert (knocks["new-gauge"].count, knocks["new-gauge"].last_at) == (3, 2)
    assert (knocks["other-door"].count, knocks["other-door"].adapter) == (1, "tcp")
    assert knocks.values()[0].device == "late-gauge"
    assert len(knocks) <= PASSING_MAX + 2


def test_a_name_is_suggested_for_a_slip_and_none_for_nonsense() -> None:
    assert nearest("temprature") == "; was temperature meant?"
    assert nearest("pm2.5") == "; was pm25 meant?"
    assert nearest("foo17_3") == nearest("") == ""


def test_who_came_first_makes_room_first() -> None:
    knocks = Knocks()
    for number in range(PASSING_MAX + 2):
        knocks.note(f"once-{number}", "door", "", number)
    assert "once-0" not in knocks
    assert "once-1" not in knocks
    assert "once-2" in knocks
    assert f"once-{PASSING_MAX + 1}" in knocks
    for number in range(RETURNING_MAX + 1):
        for _ in range(2):
            knocks.note(f"again-{number}", "other", "", number)
    assert "again-0" not in knocks
    assert "again-1" in knocks
    assert f"again-{RETURNING_MAX}" in knocks
