"""The front door: what is taken, what is set aside and why, and that the books balance through all of it."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.ingest import Door, Ingest
from hub.ledger import Ledger
from hub.log import Limits, Log, Stream
from hub.model import AlertChange, Change, Device, Fault, FaultKind, Message, Position, Reading, Tick, Verdict
from hub.moment import SECOND, from_text
from hub.options import IngestOptions
from hub.ports import Batch, LogFull, Unwritable
from hub.registry import Registry

NOW = from_text("2026-11-22T08:00:00Z")
REGISTRY = Registry(devices={"gauge-7": Device("gauge-7", kind="river-gauge")})


class Bench:
    """An ingest over a real log in a folder."""

    def __init__(self, folder: Path, limits: dict[str, Limits] | None = None, **options: Any) -> None:
        self.folder = folder
        self.log = Log(folder / "log", limits)
        self.ledger = Ledger()
        self.at = NOW
        self.ingest = Ingest(
            self.log, REGISTRY, self.ledger, lambda: self.at, IngestOptions(**options), {"truck": "0815"}
        )
        self.door: Door = self.ingest.door("broker")

    async def give(self, *messages: Message) -> list[Verdict]:
        verdicts = await self.door.submit(list(messages))
        counts = self.ledger.of("broker")
        assert counts.balances(), counts
        return verdicts

    def logged(self) -> list[Reading]:
        return list(self.log.events.read_now(0, 1000).entries)

    def quarantined(self) -> list[Fault]:
        return list(self.log.quarantine.read_now(0, 1000).entries)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.log.close()


def message(values: dict[str, Any], device: str = "gauge-7", at: int | None = NOW, **more: Any) -> Message:
    return Message([Reading(device, at, values, **more)], [], device, raw=b"raw")


async def test_a_good_reading_is_stamped_and_logged(bench: Bench) -> None:
    assert await bench.give(message({"water_level": 3.41})) == [Verdict.STORED]
    [stored] = bench.logged()
    assert (stored.received_at, stored.adapter, stored.kind) == (NOW, "broker", "river-gauge")
    assert bench.quarantined() == []


async def test_no_time_on_the_wire_means_now(bench: Bench) -> None:
    await bench.give(message({"water_level": 3.41}, at=None))
    assert bench.logged()[0].observed_at == NOW


async def test_undated_readings_of_one_group_keep_a_time_each(bench: Bench) -> None:
    """They are keyed by it: with one time for both, the later would overwrite the earlier in every store."""
    await bench.give(message({"water_level": 1.0}, at=None), message({"water_level": 2.0}, at=None))
    await bench.give(message({"water_level": 3.0}, at=None))
    times = [reading.observed_at for reading in bench.logged()]
    assert times == [NOW, NOW + 1, NOW + 2]


@pytest.mark.parametrize(
    ("values", "kind", "sentence"),
    [
        ({"water_level": float("nan")}, FaultKind.VALUE, "not a number"),
        ({"water_level": "3.41"}, FaultKind.VALUE, "water_level is '3.41'; a number in m was meant"),
        ({"water_level": 1e9}, FaultKind.VALUE, "outside what is possible"),
        ({"water_level": True}, FaultKind.VALUE, "a number in m was meant"),
        ({"water_levl": 3.4}, FaultKind.UNKNOWN_METRIC, "was water_level meant?"),
        ({"running": "yes"}, FaultKind.VALUE, "true or false was meant"),
        ({"alarms": "sos"}, FaultKind.VALUE, "a list of texts was meant"),
        ({}, FaultKind.VALUE, "without any value"),
    ],
)
async def test_what_cannot_be_used_is_quarantined_with_a_sentence(
    bench: Bench, values: dict[str, Any], kind: FaultKind, sentence: str
) -> None:
    assert await bench.give(message(values)) == [Verdict.REFUSED]
    [fault] = bench.quarantined()
    assert fault.kind == kind
    assert sentence in fault.detail
    assert fault.raw == b"raw"
    assert fault.readings == 1
    assert bench.logged() == []


async def test_an_unknown_metric_costs_its_value_not_its_reading(bench: Bench) -> None:
    assert await bench.give(message({"water_level": 3.41, "colour": 5})) == [Verdict.STORED]
    assert bench.logged()[0].values == {"water_level": 3.41}
    [fault] = bench.quarantined()
    assert (fault.kind, fault.readings) == (FaultKind.UNKNOWN_METRIC, 0)


@pytest.mark.parametrize(
    ("text", "words"), [("1970-01-01T00:00:00Z", "57 years ago"), ("2090-01-01T00:00:00Z", "63 years in the future")]
)
async def test_a_clock_that_is_years_off_is_told_in_words(bench: Bench, text: str, words: str) -> None:
    assert await bench.give(message({"water_level": 1.0}, at=from_text(text))) == [Verdict.REFUSED]
    [fault] = bench.quarantined()
    assert fault.kind == FaultKind.TIME
    assert words in fault.detail


async def test_an_impossible_position_costs_the_position_only(bench: Bench) -> None:
    await bench.give(message({"water_level": 1.0}, position=Position(31.2, 121.5)))
    assert bench.logged()[0].position is None
    assert bench.quarantined()[0].kind == FaultKind.POSITION


@pytest.mark.parametrize("value", [-9999.0, float("nan"), "----"], ids=["sentinel", "NaN", "text"])
async def test_an_ill_instrument_that_says_nonsense_still_says_that_it_is_ill(bench: Bench, value: Any) -> None:
    assert await bench.give(message({"water_level": value}, marks={"water_level": "fault"})) == [Verdict.STORED]
    [stored] = bench.logged()
    assert (stored.values, stored.marks) == ({}, {"water_level": "fault"})
    [fault] = bench.quarantined()
    assert (fault.kind, fault.readings) == (FaultKind.VALUE, 0)
    assert fault.detail.endswith("; its mark 'fault' was kept")


async def test_what_is_wrong_with_one_value_costs_no_mark_of_another(bench: Bench) -> None:
    both = message({"colour": 1}, marks={"water_level": "comms", "colour": "fault"})
    assert await bench.give(both) == [Verdict.STORED]
    assert (bench.logged()[0].values, bench.logged()[0].marks) == ({}, {"water_level": "comms"})


@pytest.mark.parametrize(
    ("values", "marks"),
    [
        ({"water_level": -9999.0}, {"water_level": "manual"}),
        ({}, {"colour": "fault"}),
        ({"colour": 1}, {"colour": "fault"}),
    ],
    ids=["a usable mark", "a mark of nothing known", "both"],
)
async def test_a_mark_that_denies_nothing_known_keeps_no_reading_alive(
    bench: Bench, values: dict[str, Any], marks: dict[str, str]
) -> None:
    assert await bench.give(message(values, marks=marks)) == [Verdict.REFUSED]
    assert bench.logged() == []
    assert bench.quarantined()[0].readings == 1


async def test_the_same_value_with_a_mark_and_two_marks_of_one_moment_are_no_duplicates(bench: Bench) -> None:
    await bench.give(message({"water_level": 1.0}))
    await bench.give(message({"water_level": 1.0}, marks={"water_level": "fault"}))
    await bench.give(message({}, at=NOW - SECOND, marks={"water_level": "fault"}))
    await bench.give(message({}, at=NOW - SECOND, marks={"water_flow": "fault"}))
    await bench.give(message({}, at=NOW - SECOND, marks={"water_flow": "fault"}))
    assert [reading.marks for reading in bench.logged()] == [
        None,
        {"water_level": "fault"},
        {"water_level": "fault"},
        {"water_flow": "fault"},
    ]
    assert bench.ledger.of("broker").duplicate == 1


async def test_an_unknown_device_is_quarantined_whole_and_remembered(bench: Bench) -> None:
    assert await bench.give(message({"water_level": 1.0}, device="gauge-8")) == [Verdict.REFUSED]
    [fault] = bench.quarantined()
    assert fault.kind == FaultKind.UNKNOWN_DEVICE
    assert fault.reading is not None
    assert fault.reading.values == {"water_level": 1.0}
    assert bench.ingest.knocked["gauge-8"].count == 1


async def test_an_admitting_adapter_takes_strangers_with_the_kind_it_states(bench: Bench) -> None:
    door = bench.ingest.door("ais", "vessel", "admit")
    assert await door.submit([message({"sog": 5.0}, device="ais:413123456")]) == [Verdict.STORED]
    assert bench.logged()[0].kind == "vessel"


async def test_the_same_report_again_is_a_duplicate_and_a_different_one_is_not(bench: Bench) -> None:
    assert await bench.give(message({"water_level": 1.0}), message({"water_level": 1.0})) == [Verdict.STORED] * 2
    assert await bench.give(message({"water_level": 1.0})) == [Verdict.STORED]
    assert await bench.give(message({"water_level": 1.1})) == [Verdict.STORED]
    assert await bench.give(message({"water_level": 1.1}, at=NOW + SECOND)) == [Verdict.STORED]
    assert len(bench.logged()) == 3
    assert bench.ledger.of("broker").duplicate == 2


async def test_a_duplicate_is_answered_only_when_its_original_is_on_disk(bench: Bench) -> None:
    first = bench.door.submit([message({"water_level": 1.0})])
    second = bench.door.submit([message({"water_level": 1.0})])
    assert not second.done()
    await first
    await second
    assert second.result() == [Verdict.STORED]


async def test_memory_of_duplicates_is_bounded(tmp_path: Path) -> None:
    bench = Bench(tmp_path, duplicates_max=100)
    for number in range(500):
        await bench.give(message({"water_level": 1.0}, at=NOW - number))
    assert len(bench.ingest.recent) <= 100
    await bench.log.close()


async def test_a_full_log_says_busy_and_the_reading_may_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, {"events": Limits(pending_max=1)})
    taken = bench.door.submit([message({"water_level": 1.0})])
    busy = bench.door.submit([message({"water_level": 2.0}), message({"water_level": 2.5}, at=NOW - 1)])
    assert await busy == [Verdict.BUSY] * 2
    assert await taken == [Verdict.STORED]
    counts = bench.ledger.of("broker")
    assert (counts.received, counts.refused) == (1, 2)
    assert counts.balances()
    assert await bench.give(message({"water_level": 2.0})) == [Verdict.STORED]
    assert len(bench.logged()) == 2
    await bench.log.close()


async def test_a_door_says_that_the_log_is_full_until_it_takes_input_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"events": Limits(pending_max=1)})
    taken = bench.door.submit([message({"water_level": 1.0})])
    await bench.door.submit([message({"water_level": 2.0}), message({"water_level": 2.5}, at=NOW - 1)])
    assert bench.door.status.state == "degraded"
    await taken
    await bench.give(message({"water_level": 2.0}))
    assert bench.door.status.state == "up"
    bench.door.report("degraded", "the broker is slow")
    await bench.give(message({"water_level": 3.0}))
    assert bench.door.status.state == "degraded"  # its own trouble is not the log's to end
    await bench.log.close()


def failing(*given: Any) -> asyncio.Future[Any]:
    """A stream's `append` that cannot write these down."""
    written: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    written.set_exception(Unwritable("no such number"))
    return written


async def test_what_cannot_be_written_down_is_refused_for_good_and_kept_aside(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(bench.log.events, "append", failing)
        assert await bench.give(message({"water_level": 1.0})) == [Verdict.REFUSED]
    await bench.log.quarantine.append([])
    [fault] = bench.quarantined()
    assert (fault.detail, fault.readings) == ("gauge-7: its reading cannot be written down (no such number)", 1)
    counts = bench.ledger.of("broker")
    assert (counts.received, counts.quarantined, counts.logged) == (1, 1, 0)
    assert await bench.give(message({"water_level": 1.0})) == [Verdict.STORED]


async def test_a_change_of_another_hub_that_cannot_be_written_down_is_one_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = AlertChange("a/1", 0, NOW, "flood/rise", "gauge-7", Change.RAISED, "red")
    monkeypatch.setattr(bench.log.events, "append", failing)
    assert await bench.give(Message([], [], None, changes=[change])) == [Verdict.REFUSED]
    await bench.log.quarantine.append([])
    [fault] = bench.quarantined()
    assert (fault.kind, fault.readings, fault.device, fault.received_at) == (FaultKind.SYNTAX, 1, None, NOW)
    assert fault.detail == "a/1: the change cannot be written down (no such number)"
    counts = bench.ledger.of("broker")
    assert (counts.received, counts.quarantined, counts.faults) == (1, 1, {"syntax": 1})


async def test_what_failed_is_forgotten_and_what_came_later_of_that_moment_is_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, written = bench.log.events.append, asyncio.get_running_loop().create_future()
    monkeypatch.setattr(bench.log.events, "append", lambda *given: written)
    failing = bench.door.submit([message({"water_level": 1.0})])
    monkeypatch.setattr(bench.log.events, "append", append)
    assert await bench.give(message({"water_level": 2.0})) == [Verdict.STORED]
    written.set_exception(LogFull("the disk is full"))
    assert await failing == [Verdict.BUSY]
    await bench.give(message({"water_level": 2.0}))
    assert bench.ledger.of("broker").duplicate == 1
    await bench.give(message({"water_level": 1.0}))
    assert [reading.values["water_level"] for reading in bench.logged()] == [2.0, 1.0]


async def test_what_the_log_had_before_a_restart_is_a_duplicate_after_it(bench: Bench) -> None:
    await bench.give(message({"water_level": 1.0}))
    again = Ingest(bench.log, REGISTRY, Ledger(), lambda: NOW)
    again.remember([Tick(NOW), *bench.logged()])
    assert await again.door("broker").submit([message({"water_level": 1.0})]) == [Verdict.STORED]
    assert again.ledger.of("broker").duplicate == 1
    assert len(bench.logged()) == 1


async def test_faults_of_an_adapter_are_counted_by_kind_with_the_device_they_are_of(bench: Bench) -> None:
    bad = [Fault(FaultKind.SYNTAX, "odd", b"raw", readings=2), Fault(FaultKind.VALUE, "n", b"raw", "other", readings=1)]
    mixed = message({"water_level": 1.0, "colour": 5})
    assert await bench.give(Message([], bad, "gauge-7"), Message([], bad, "gauge-7"), mixed) == [
        Verdict.REFUSED,
        Verdict.REFUSED,
        Verdict.STORED,
    ]
    counts = bench.ledger.of("broker")
    assert (counts.received, counts.quarantined) == (7, 6)
    assert counts.faults == {"syntax": 2, "value": 2, "unknown-metric": 1}
    assert [fault.device for fault in bench.quarantined()] == ["gauge-7", "other", "gauge-7", "other", "gauge-7"]


async def test_one_device_that_floods_takes_no_turn_of_another(tmp_path: Path) -> None:
    bench = Bench(tmp_path, readings_per_device_s_max=1)
    door = bench.ingest.door("ais", "vessel", "admit")
    flood = [message({"sog": 5.0}, device="ais:1", at=NOW - number) for number in range(61)]
    assert await door.submit(flood) == [Verdict.STORED] * 60 + [Verdict.REFUSED]
    assert await door.submit([message({"sog": 5.0}, device="ais:2")]) == [Verdict.STORED]
    await bench.log.close()


async def test_what_may_be_offered_again_is_dated_as_when_it_comes(bench: Bench) -> None:
    """A reading set aside for its year is taken once its door knows that the receiver counts weeks wrongly."""
    old = from_text("2007-04-08T08:00:00Z")
    assert not bench.door.takes(Reading("gauge-7", old, {"water_level": 1.0}))
    assert bench.ingest.door("old", clock="gps-week").takes(Reading("gauge-7", old, {"water_level": 1.0}))
    assert bench.ingest.door("none", clock="hub").takes(Reading("gauge-7", old, {"water_level": 1.0}))
    assert not bench.door.takes(Reading("stranger", NOW, {"water_level": 1.0}))
    assert "stranger" not in bench.ingest.knocked
    assert not bench.door.takes(Reading("gauge-7", NOW, {"nonsense": 1.0}))


async def test_a_change_of_another_hub_is_dated_when_it_came(bench: Bench) -> None:
    change = AlertChange("r/s/1", 1, NOW - SECOND, "r", "s", Change.RAISED, "red")
    assert await bench.give(Message([], [], changes=[change])) == [Verdict.STORED]
    [entry] = bench.log.events.read_now(0, 10).entries
    assert (entry.at, entry.adapter, entry.change) == (NOW, "broker", change)


async def test_a_wrong_authentication_code_keeps_everything_out(bench: Bench) -> None:
    door = bench.ingest.door("trackers", "vehicle", "admit")
    wrong = Message([Reading("truck", NOW, {"speed": 5.0})], [], "truck", login=True, credential="4711")
    assert await door.submit([wrong]) == [Verdict.REFUSED]
    assert {fault.kind for fault in bench.quarantined()} == {FaultKind.UNAUTHORISED}
    assert bench.logged() == []
    right = Message([Reading("truck", NOW, {"speed": 5.0})], [], "truck", login=True, credential="0815")
    assert await door.submit([right]) == [Verdict.STORED]


async def test_an_unknown_device_cannot_log_in(bench: Bench) -> None:
    assert await bench.give(Message([], [], "jt808:1", login=True)) == [Verdict.REFUSED]
    assert bench.quarantined()[0].kind == FaultKind.UNKNOWN_DEVICE


async def test_a_frame_that_carries_nothing_is_still_answered(bench: Bench) -> None:
    assert await bench.give(Message([], [], "gauge-7")) == [Verdict.STORED]
    assert bench.ledger.of("broker").frames == 1


values = st.dictionaries(
    st.sampled_from(["water_level", "running", "alarms", "state", "nonsense", "name"]),
    st.one_of(
        st.floats(),
        st.integers(),
        st.booleans(),
        st.text(st.characters(), max_size=20),
        st.lists(st.text(max_size=5), max_size=3),
    ),
    max_size=4,
)
items = st.lists(
    st.tuples(st.sampled_from(["gauge-7", "gauge-8", ""]), st.integers(-(2**62), 2**62), values), max_size=20
)


@settings(max_examples=60, deadline=None)
@given(groups=st.lists(items, max_size=5))
def test_whatever_comes_the_books_balance_and_nothing_vanishes(
    tmp_path_factory: pytest.TempPathFactory, groups: list[Any]
) -> None:
    async def run() -> None:
        bench = Bench(tmp_path_factory.mktemp("ingest"))
        offered = 0
        for group in groups:
            await bench.give(*(message(dict(given_values), device, at) for device, at, given_values in group))
            offered += len(group)
        counts = bench.ledger.of("broker")
        assert counts.received == offered
        assert counts.logged == len(bench.logged())
        assert counts.quarantined == sum(fault.readings for fault in bench.quarantined())
        assert counts.in_flight == 0
        await bench.log.close()

    asyncio.run(run())


async def test_texts_that_are_not_unicode_and_giant_numbers_are_kept_as_far_as_they_can_be(bench: Bench) -> None:
    verdicts = await bench.give(
        message({"water_level": 2**70}),
        message({"state": "\ud800"}),
        message({"\ud800": 1}),
        message({"water_level": 1.0}, device="\ud800"),
        message({"water_level": 1.0}),
    )
    assert verdicts == [Verdict.REFUSED] * 4 + [Verdict.STORED]
    assert len(bench.quarantined()) == 4


async def test_the_ledger_survives_a_crash(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.give(message({"water_level": 1.0}), message({"colour": 1}))
    (tmp_path / "ledger.json").write_bytes(bench.ledger.encoded())
    await bench.give(
        message({"water_level": 2.0}, at=NOW - 1), message({"nonsense": 1}), message({"water_level": 3.0}, at=NOW - 2)
    )
    await bench.log.close()  # a crash would leave the same: nothing was saved since

    log = Log(tmp_path / "log")
    ledger = Ledger()
    ledger.recover(tmp_path / "ledger.json", log, {"store": 2})
    counts = ledger.of("broker")
    assert (counts.received, counts.logged, counts.quarantined) == (5, 3, 2)
    assert counts.balances()
    assert ledger.stored["store"]["broker"] == 2
    assert ledger.waiting("store", "broker") == 1
    await log.close()


async def test_a_ledger_saved_while_the_log_has_more_than_is_counted_counts_nothing_twice_or_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the log's having an entry and its being counted lies a turn of the event loop, in which the ledger may be saved; faults
    are counted before quarantine has them. Each such moment, and a crash behind it."""
    bench = Bench(tmp_path)
    saved: list[bytes] = []
    publish, write = Stream._publish, Stream._write

    def published(stream: Stream, batch: Batch, size: int) -> None:
        publish(stream, batch, size)
        saved.append(bench.ledger.encoded())

    def written(stream: Stream, first: int, count: int, data: bytes) -> None:
        saved.append(bench.ledger.encoded())
        write(stream, first, count, data)

    monkeypatch.setattr(Stream, "_publish", published)
    monkeypatch.setattr(Stream, "_write", written)
    for number in range(3):
        await bench.give(message({"water_level": 1.0}, at=NOW - number), message({"colour": 1}))
        await bench.log.events.append([Tick(NOW)])
    saved.append(bench.ledger.encoded())
    await bench.log.close()
    log = Log(tmp_path / "log")
    assert len(saved) > 12
    for number, data in enumerate(saved):
        (tmp_path / "ledger.json").write_bytes(data)
        ledger = Ledger()
        ledger.recover(tmp_path / "ledger.json", log, {"store": 0})
        counts = ledger.of("broker")
        assert (counts.received, counts.logged, counts.quarantined) == (6, 3, 3), f"saved at moment {number}"
        assert counts.faults == {"unknown-metric": 3}
        assert counts.balances()
    await log.close()


# ------------------------------------------------------------------------------------------------- duplicates on a slow disk


async def test_a_duplicate_waits_for_its_own_original_and_shares_its_fate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A is being written, B waits, A comes again; the write of A fails, B's succeeds: the second A must not hear "stored"."""
    bench = Bench(tmp_path)
    real, writing, go_on = Stream._write, threading.Event(), threading.Event()

    def slow_and_broken_once(stream: Stream, first: int, count: int, data: bytes) -> None:
        if not writing.is_set():
            writing.set()
            go_on.wait(20)
            raise OSError(errno.EIO, "Input/output error")
        real(stream, first, count, data)

    monkeypatch.setattr(Stream, "_write", slow_and_broken_once)
    monkeypatch.setattr("hub.log.log.RETRY_AFTER_S", 0.0)
    first = bench.door.submit([message({"water_level": 1.0})])
    while not writing.is_set():
        await asyncio.sleep(0.01)
    other = bench.door.submit([message({"water_level": 2.0}, at=NOW - SECOND)])
    again = bench.door.submit([message({"water_level": 1.0}), message({"water_level": 3.0}, at=NOW - 2 * SECOND)])
    go_on.set()
    assert await first == [Verdict.BUSY]
    assert await other == [Verdict.STORED]
    assert await again == [Verdict.BUSY, Verdict.STORED]
    assert await bench.give(message({"water_level": 1.0})) == [Verdict.STORED]
    assert sorted(reading.values["water_level"] for reading in bench.logged()) == [1.0, 2.0, 3.0]
    await bench.log.close()


async def test_a_message_of_which_a_part_may_come_again_is_to_come_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its one reading repeats what turns out unwritable, its other one found no room: told "refused", the device would drop both."""
    loop = asyncio.get_running_loop()
    writes: list[asyncio.Future[Any]] = [loop.create_future(), loop.create_future()]
    unwritable, without_room = writes
    monkeypatch.setattr(bench.log.events, "append", lambda *_: writes.pop(0))
    first = bench.door.submit([message({"water_level": 1.0})])
    both = [Reading("gauge-7", NOW, {"water_level": 1.0}), Reading("gauge-7", NOW, {"flow": 2.0})]
    again = bench.door.submit([Message(both, [], "gauge-7")])
    without_room.set_exception(LogFull("the disk is full"))
    await asyncio.sleep(0)
    unwritable.set_exception(Unwritable("no such number"))
    assert await first == [Verdict.REFUSED]
    assert await again == [Verdict.BUSY]


@pytest.mark.parametrize("live", [True, False], ids=["live", "replay"])
async def test_what_a_device_may_send_in_a_minute_is_counted_by_the_recordings_minutes_in_a_replay(
    tmp_path: Path, live: bool
) -> None:
    bench = Bench(tmp_path, readings_per_device_s_max=0.05)
    ingest = Ingest(bench.log, REGISTRY, bench.ledger, lambda: bench.at, bench.ingest.options, slices=live)
    door = ingest.door("broker")
    verdicts = []
    for minute in range(10):
        bench.at = NOW + minute * 60 * 1_000_000_000
        verdicts += await door.submit([message({"water_level": 3.0 + minute}, at=bench.at)])
    assert verdicts.count(Verdict.STORED) == (3 if live else 10)
    await bench.log.close()


async def test_what_has_no_time_counts_by_the_hubs_clock_where_the_door_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    held = Reading("gauge-7", None, {"water_level": 1.0})
    fault = Fault(FaultKind.TIME, "no time", b"its own bytes", "gauge-7", readings=1, reading=held)
    await bench.give(Message([], [fault], "gauge-7", raw=b"raw"))
    assert bench.logged() == []
    assert [(kept.kind, kept.raw) for kept in bench.quarantined()] == [(FaultKind.TIME, b"its own bytes")]
    by_the_hub = bench.ingest.door("other", clock="hub")
    assert await by_the_hub.submit([Message([], [fault], "gauge-7")]) == [Verdict.STORED]
    assert [(reading.observed_at, reading.values) for reading in bench.logged()] == [(NOW, {"water_level": 1.0})]
    assert bench.ledger.of("other").faults == {}
    await bench.log.close()


async def test_weeks_that_rolled_over_are_moved_on_where_the_door_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    door = bench.ingest.door("receivers", clock="gps-week")
    behind = NOW - 5 * SECOND - 1024 * 7 * 86_400 * SECOND
    assert await door.submit([message({"water_level": 1.0}, at=behind)]) == [Verdict.STORED]
    assert [reading.observed_at for reading in bench.logged()] == [NOW - 5 * SECOND]
    await bench.log.close()


async def test_faults_that_are_told_as_one_are_counted_each(bench: Bench) -> None:
    await bench.give(Message([], [Fault(FaultKind.RATE, "dropped (x7)", b"one of them", count=7)]))
    await bench.give(Message([], [Fault(FaultKind.RATE, "dropped (x2)", count=2)]))
    assert bench.ledger.of("broker").faults == {"rate": 9}
    assert [fault.count for fault in bench.quarantined()] == [7, 2]


async def test_the_books_add_up_over_groups_and_the_newest_knock_counts(bench: Bench) -> None:
    for at in (NOW, NOW + SECOND):
        bench.at = at
        await bench.give(message({"water_level": 1.0}, "stranger", at), message({"water_level": 2.0}, at=at))
    assert bench.ledger.of("broker").frames == 4
    other = bench.ingest.door("tracker")
    bench.at = NOW + 9 * SECOND
    await other.submit([message({"water_level": 3.0}, "stranger", bench.at)])
    bench.at = NOW + 2 * SECOND
    await bench.give(message({"water_level": 1.5}, "stranger", bench.at))
    knock = bench.ingest.knocked["stranger"]
    assert (knock.adapter, knock.last_at) == ("tracker", NOW + 9 * SECOND)
