"""The rules reader over a real log: a crash repeats nothing, and other hubs' warnings go through it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.hub import wire
from adapters.hub.codec import HubCodec, HubCodecOptions
from hub.alerts import Alerts
from hub.app.rules_snapshot import SNAPSHOT, saved_health
from hub.app.warning import Warner
from hub.cameras import Cameras
from hub.ingest import Ingest
from hub.ledger import Ledger
from hub.live import Live
from hub.log import Limits, Log
from hub.model import (
    AlertChange,
    Camera,
    CameraView,
    Change,
    Device,
    Edition,
    Event,
    Forwarded,
    Origin,
    Position,
    Reading,
    Verdict,
)
from hub.ports import LogFull
from hub.registry import Registry
from hub.whole_file import damaged
from rules.book import RuleBook, read_book
from rules.edition import registry_text
from rules.figures import derived
from rules.judging import moving
from tests.hub.couriers import until

T = 1_795_334_400_000_000_000
RULE = "- rule: deep\n  for_each: {kind: k}\n  levels: {red: water_depth > 10 cm}\n"
DEVICES = {"d": Device("d", "D", "k", Position(121.0, 31.0))}


def book() -> RuleBook:
    found = read_book([("city", "r.yaml", RULE)])
    assert isinstance(found, RuleBook)
    return found


def depth(ordinal: int, value: float) -> Reading:
    return Reading("d", T + ordinal, {"water_depth": value}, received_at=T + ordinal)


def forwarded(ordinal: int, what: Change = Change.RAISED, cameras: tuple[CameraView, ...] = ()) -> Forwarded:
    origin = Origin("a", ordinal, ("a",))
    return Forwarded(T, "below", AlertChange("a/x", ordinal, T, "r", "a/g", what, "red", position=Position(121.0, 31.0), cameras=list(cameras), origin=origin))  # fmt: skip


def warner(folder: Path, log: Log, cameras: Cameras | None = None) -> Warner:
    return Warner(log, book(), Registry(devices=DEVICES), cameras or Cameras([]), folder / "rules.snapshot", 0)


async def read_all(reader: Warner, log: Log) -> None:
    while reader.state.cursor < log.events.next:
        batch = log.events.read_now(reader.state.cursor)
        await reader.take(batch)


async def test_a_crash_before_or_behind_a_snapshot_repeats_nothing(tmp_path: Path) -> None:
    events: list[Event] = [depth(1, 0.2), forwarded(1), depth(2, 0.0), forwarded(1), forwarded(2, Change.CLEARED)]
    for saved in (False, True):
        log = Log(tmp_path / f"{saved}")
        for number, event in enumerate(events):
            await log.events.append([event])
            first = warner(tmp_path / f"{saved}", log)
            await read_all(first, log)
            if saved and number == 1:
                await first.save()
        told = [change.id.partition("@")[0] + str(change.change) for change in log.alerts.read_now(0).entries]
        assert len(told) == len(set(change.id for change in log.alerts.read_now(0).entries)) == 4, told
        assert [str(change.change) for change in log.alerts.read_now(0).entries] == ["raised", "raised", "cleared", "cleared"]  # fmt: skip
        await log.close()


async def test_a_snapshot_before_all_is_judged_again_repeats_nothing_after_a_second_crash(tmp_path: Path) -> None:
    """A restart has much to judge again; it writes a snapshot on the way, and is killed again."""
    log = Log(tmp_path)
    events = [depth(n * 10**9, 0.9 if n % 2 else 0.01) for n in range(12)]
    await log.events.append(events)
    await read_all(warner(tmp_path, log), log)
    told, derived = log.alerts.read_now(0).entries, log.derived.read_now(0).entries
    assert len(told) > 4
    assert len(derived) > 4
    for killed_at in (4, 8):  # it was killed before its first snapshot, and twice before it was done
        again = warner(tmp_path, log)
        await again.take(log.events.read_now(again.state.cursor).until(killed_at))
        await again.save()
    await read_all(warner(tmp_path, log), log)
    assert log.alerts.read_now(0).entries == told
    assert log.derived.read_now(0).entries == derived
    await log.close()


async def test_a_snapshot_is_written_while_events_are_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Piece by piece, and is that of the moment at which it began."""

    def one_piece(pieces: Iterator[bytes], chunk: bytearray) -> bool:
        piece = next(pieces, None)
        chunk += piece or b""
        return piece is None

    monkeypatch.setattr("hub.app.rules_snapshot._slice", one_piece)
    log = Log(tmp_path)
    devices = [f"d{n}" for n in range(40)]
    await log.events.append([Reading(d, T, {"water_depth": 0.01}, received_at=T, kind="k") for d in devices])
    reader = warner(tmp_path, log)
    await read_all(reader, log)
    cursor, then = reader.state.cursor, reader.engine.snapshot()
    saving = asyncio.create_task(reader.save())
    while not saving.done():
        raised = [Reading(d, T + reader.state.cursor, {"water_depth": 0.2}, received_at=T, kind="k") for d in devices]
        await log.events.append(raised)
        await read_all(reader, log)
    assert reader.state.cursor > cursor + 2 * len(devices), "it was judged meanwhile"
    saved = warner(tmp_path, log)
    assert (saved.state.cursor, saved.engine.snapshot()) == (cursor, then)
    told = log.alerts.read_now(0).entries
    await read_all(saved, log)
    assert log.alerts.read_now(0).entries == told
    assert saved.engine.snapshot() == reader.engine.snapshot()
    await log.close()


async def test_a_snapshot_waits_for_events_that_are_worth_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet city has its state written down once a minute: what it judges meanwhile is soon judged again."""
    monkeypatch.setattr("hub.app.warning.SNAPSHOT_EVERY_S", 0.0)
    monkeypatch.setattr("hub.app.warning.SNAPSHOT_SHARE", 1000.0)
    monkeypatch.setattr("hub.app.warning.SNAPSHOT_EVENTS", 3)
    log = Log(tmp_path / "log")
    reader = warner(tmp_path, log)
    running = asyncio.create_task(reader.run())
    for ordinal in range(3):
        assert not (tmp_path / SNAPSHOT).exists()
        await log.events.append([depth(ordinal, 0.2)])
        await until(lambda: reader.state.cursor == log.events.next)
    await until((tmp_path / SNAPSHOT).exists)
    (tmp_path / SNAPSHOT).unlink()
    await log.events.append([depth(3, 0.2)])
    await asyncio.sleep(0.1)
    assert not (tmp_path / SNAPSHOT).exists()
    monkeypatch.setattr("hub.app.warning.SNAPSHOT_AT_LAST_S", 0.0)
    await log.events.append([depth(4, 0.2)])
    await until((tmp_path / SNAPSHOT).exists)
    running.cancel()
    await asyncio.wait([running])
    await log.close()


async def test_a_snapshot_waits_until_what_was_judged_is_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup asks for one at any moment: also while a warning is being appended, when the cursor is still behind the rules."""
    log = Log(tmp_path)
    await log.events.append([depth(1, 0.2)])
    reader = warner(tmp_path, log)
    free = asyncio.Event()
    append = log.alerts.append

    async def slowly(entries: Sequence[AlertChange]) -> object:
        await free.wait()
        return await append(entries)

    monkeypatch.setattr(log.alerts, "append", slowly)
    taking = asyncio.create_task(read_all(reader, log))
    await asyncio.sleep(0)
    saving = asyncio.create_task(reader.save())
    await asyncio.sleep(0.05)
    free.set()
    await asyncio.gather(taking, saving)
    monkeypatch.undo()
    assert warner(tmp_path, log).state.cursor == 1
    await log.close()


async def test_a_snapshot_that_cannot_be_written_replaces_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full, or the hub ends in the middle: the one before stays, and the log keeps what that one does not hold."""
    log = Log(tmp_path)
    await log.events.append([depth(1, 0.2)])
    reader = warner(tmp_path, log)
    await read_all(reader, log)
    await reader.save()
    before = (tmp_path / SNAPSHOT).read_bytes()
    await log.events.append([depth(2, 0.0)])
    await read_all(reader, log)

    def full(path: Path, data: object) -> None:
        raise OSError(28, "No space left on device")

    keep, reader._keep = reader._keep, full
    await reader.save()
    assert "No space left on device" in reader.state.detail
    reader._keep = keep
    monkeypatch.setattr("hub.app.rules_snapshot.SLICE_S", 0.0)
    saving = asyncio.create_task(reader.save())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert (tmp_path / SNAPSHOT).read_bytes() == before
    assert reader._safe_cursor == 1
    await reader.save()
    assert warner(tmp_path, log).engine.snapshot() == reader.engine.snapshot()
    await log.close()


async def test_the_registry_is_in_memory_once(tmp_path: Path) -> None:
    """However often it is told, by an edition in the log and by the snapshot that a restart reads."""
    log = Log(tmp_path)
    await log.events.append([Edition(T, "registry", "6", registry_text(DEVICES.values(), []))])
    first = warner(tmp_path, log)
    await read_all(first, log)
    await first.save()
    for reader in (first, warner(tmp_path, log)):
        assert reader.engine.registry["d"] is reader.engine.subjects["d"].device is DEVICES["d"]
    await log.close()


async def test_a_snapshot_written_whole_by_an_earlier_version_is_read(tmp_path: Path) -> None:
    """There the state stood as bytes, however many; today it is part of the file's one map."""
    log = Log(tmp_path)
    for devices in (1, 100, 3000):  # bytes of three kinds of head
        await log.events.append(
            [Reading(f"d{n}", T, {"water_depth": 0.2}, received_at=T, kind="k") for n in range(devices)]
        )
        first = warner(tmp_path, log)
        await read_all(first, log)
        await first.save()
        path = tmp_path / SNAPSHOT
        today = msgspec.msgpack.decode(path.read_bytes())
        assert warner(tmp_path, log).engine.snapshot() == first.engine.snapshot()
        path.write_bytes(msgspec.msgpack.encode(today | {"engine": first.engine.snapshot()}))
        assert saved_health(path) == []
        again = warner(tmp_path, log)
        assert again.state.cursor == first.state.cursor
        assert again.engine.snapshot() == first.engine.snapshot()
        assert damaged(tmp_path) == []
    await log.close()


async def test_the_log_keeps_what_no_snapshot_holds_and_may_drop_the_rest(tmp_path: Path) -> None:
    """What the rules have read but not saved they read again after a crash; after each snapshot it is theirs no more."""
    log = Log(tmp_path, {"events": Limits(bytes_max=4000, segment_bytes=1000)})
    reader = warner(tmp_path, log)
    numbers = itertools.count()

    async def say_until_full() -> None:
        for number in itertools.islice(numbers, 1000):
            await log.events.append([depth(number, 0.0)])
            await read_all(reader, log)

    for _ in range(2):
        with pytest.raises(LogFull, match="rules has not taken yet"):
            await say_until_full()
        kept = log.events.first
        await reader.save()
        log.events._refused_at = 0
        await log.events.append([depth(next(numbers), 0.0)])
        assert log.events.first > kept
    await log.close()


async def test_a_crash_repeats_no_derived_reading(tmp_path: Path) -> None:
    """With the hub's own notes between them in the log, before a snapshot and behind one."""
    quiet = [depth(n * 10**9, 0.01) for n in range(3)]
    spikes: list[Event] = [depth(n * 10**9, 0.9 if n % 2 else 0.01) for n in range(3, 13)]
    once = Log(tmp_path / "once")
    await once.events.append([*quiet, *spikes])
    await read_all(warner(tmp_path / "once", once), once)
    implied = once.derived.read_now(0).entries
    await once.close()
    assert len(implied) > 3
    log = Log(tmp_path / "crashing")
    await log.events.append(quiet)
    for number, event in enumerate(spikes):
        await log.events.append([event])
        reader = warner(tmp_path / "crashing", log)  # it was killed, and begins anew
        await read_all(reader, log)
        await log.derived.append([Reading("hub-reader:rules", T, {"up": True}, adapter="hub", kind="hub-reader")])
        if number == 4:
            await reader.save()
    kept = [entry for entry in log.derived.read_now(0).entries if entry.adapter != "hub"]
    assert kept == implied
    await log.close()


SICK = """
- rule: sick
  for_each: {kind: k}
  levels: {yellow: beaufort(wind_speed) >= 0 and water_depth > 1 cm}
"""


async def test_a_rule_that_raises_leaves_the_reader_up_and_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:  # fmt: skip
    """Its red neighbour is warned of; after the mending of the file the rule is well, even from a snapshot of before."""
    healthy = derived.FUNCTIONS["beaufort"]

    def fails(*arguments: float) -> float:
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setitem(derived.FUNCTIONS, "beaufort", healthy._replace(function=fails))
    sick = read_book([("city", "r.yaml", RULE + SICK)])
    assert isinstance(sick, RuleBook)
    log = Log(tmp_path / "log")
    path = tmp_path / SNAPSHOT
    windy = [Reading("d", T + n, {"water_depth": 0.2, "wind_speed": 3.0}, received_at=T + n) for n in range(4)]
    await log.events.append(windy[:1])
    reader = Warner(log, sick, Registry(devices=DEVICES), Cameras([]), path, 0)
    await read_all(reader, log)
    await reader.save()
    await log.events.append(windy[1:3])
    await read_all(reader, log)
    assert [(change.rule, change.level) for change in log.alerts.read_now(0).entries] == [("city/deep", "red")]
    [ill] = reader.figures()["ill"]
    assert (ill["rule"], ill["subject"], ill["event"], ill["count"]) == ("city/sick", "d", 2, 3)
    assert (reader.state.state, reader.state.detail) == ("up", "ill rules: city/sick")
    assert "city/sick is ill" in caplog.text
    assert [item["rule"] for item in saved_health(path)] == ["city/sick"]

    monkeypatch.setitem(derived.FUNCTIONS, "beaufort", healthy)
    mended = read_book([("city", "r.yaml", RULE + SICK.replace(">= 0", ">= 1"))])
    assert isinstance(mended, RuleBook)
    again = Warner(log, mended, Registry(devices=DEVICES), Cameras([]), path, 0)
    await log.events.append([Edition(T + 3, "rules", "t", mended.text), windy[3]])
    await read_all(again, log)
    assert again.figures()["ill"] == []
    assert [(change.rule, change.level) for change in log.alerts.read_now(0).entries] == [("city/deep", "red"), ("city/sick", "yellow")]  # fmt: skip
    await log.close()


async def test_an_event_that_nobody_can_judge_is_skipped_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:  # fmt: skip
    def fails(values: object) -> None:
        raise KeyError("course")

    log = Log(tmp_path / "log")
    at = Position(121.0, 31.0)
    await log.events.append([Reading("d", T, {"water_depth": 0.01}, at, received_at=T), depth(1, 0.2)])
    reader = warner(tmp_path, log)
    with monkeypatch.context() as patched:
        patched.setattr(moving, "motion", fails)
        await read_all(reader, log)
    assert [change.rule for change in log.alerts.read_now(0).entries] == ["city/deep"]
    assert (reader.state.state, reader.state.detail) == ("up", "1 events skipped, which could not be judged")
    assert "skipped an event" in caplog.text
    await log.close()


async def test_cameras_that_cannot_be_found_hold_no_warning_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object) -> None:
        raise ValueError("no such camera")

    monkeypatch.setattr("hub.app.warning.look", fails)
    log = Log(tmp_path / "log")
    await log.events.append([depth(1, 0.2)])
    reader = warner(tmp_path, log)
    await read_all(reader, log)
    assert [change.rule for change in log.alerts.read_now(0).entries] == ["city/deep"]
    await log.close()


async def test_two_districts_that_both_have_a_gauge_1_do_not_collide(tmp_path: Path) -> None:
    """From the wire to the alerts of the upper hub: the same names, times and ids below; and the same again, as after a lost answer."""
    log, ledger, live, alerts = Log(tmp_path / "log"), Ledger(), Live(), Alerts()
    door = Ingest(log, Registry(devices={}), ledger, lambda: T).door("below", unknown_devices="admit")
    for _ in range(2):
        for district in ("district-a", "district-b"):
            said = AlertChange("flood@gauge-1@t", 1, T, "flood", "gauge-1", Change.RAISED, "red")
            read = Reading("gauge-1", T, {"water_level": 1.0 if district == "district-a" else 2.0}, kind="river-gauge")
            body = wire.body(district, [wire.change_item(said, district)], [wire.reading_item(read, district)])
            codec = HubCodec(HubCodecOptions(hub="city"))
            messages = codec.feed(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body, T)
            assert await door.submit(messages) == [Verdict.STORED]
    reader = warner(tmp_path, log)
    await read_all(reader, log)
    live.feed(log.events.read_now(0).entries)
    alerts.feed(log.alerts.read_now(0).entries)
    assert {name: state.values["water_level"] for name, state in live.devices.items()} == {
        "district-a/gauge-1": 1.0,
        "district-b/gauge-1": 2.0,
    }
    assert sorted(alerts.open) == ["district-a/flood@gauge-1@t", "district-b/flood@gauge-1@t"]
    assert [len(alert.changes) for alert in alerts.open.values()] == [1, 1]
    counts = ledger.of("below")
    assert counts.balances()
    assert (counts.received, counts.logged, counts.duplicate) == (8, 6, 2)
    await log.close()


async def test_a_forwarded_warning_has_the_cameras_of_both_hubs(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    near = Camera("dome", Position(121.0002, 31.0), panoramic=True, range_m=200.0, height_m=8.0)
    theirs = CameraView("a/c1", 0.01, 140.0, 12.0, True, "in its sector")
    event = forwarded(1, cameras=(theirs,))
    await log.events.append([event])
    reader = warner(tmp_path, log, Cameras([near]))
    await read_all(reader, log)
    (change,) = log.alerts.read_now(0).entries
    assert [view.camera for view in change.cameras] == ["dome", "a/c1"]
    assert [view.camera for view in event.change.cameras] == ["a/c1"]  # what stands in the log is not touched
    await log.close()


async def test_rules_that_cannot_be_written_down_say_so_until_they_can(tmp_path: Path) -> None:
    """They were "up" while nothing that the log holds could be let go."""
    log, full = Log(tmp_path), True

    def keep(path: Path, data: Any) -> None:
        whole = b"".join(data)
        if full:
            raise OSError(28, "No space left on device")
        path.write_bytes(whole)

    rules = warner(tmp_path, log)
    rules._keep = keep
    running = asyncio.create_task(rules.run())
    await asyncio.sleep(0)
    await rules.save()
    assert rules.state.state == "degraded"
    assert "snapshot could not be written" in rules.state.part.why.en
    assert "快照无法写入" in rules.state.part.why.zh
    await log.events.append([depth(1, 0.8)])
    async with asyncio.timeout(60):
        while log.alerts.next == 0:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert rules.state.state == "degraded", "a warning that was told changes nothing of it"
    full = False
    await rules.save()
    assert (rules.state.state, rules.state.part.why.en) == ("up", "")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await log.close()
