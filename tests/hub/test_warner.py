"""The rules reader over a real log: a crash repeats nothing, and other hubs' warnings go through it."""

from __future__ import annotations

from pathlib import Path

from adapters.hub import wire
from adapters.hub.codec import HubCodec
from hub.alerts import Alerts
from hub.app.warning import Warner
from hub.cameras import Cameras
from hub.ingest import Ingest
from hub.ledger import Ledger
from hub.live import Live
from hub.log import Log
from hub.model import (
    AlertChange,
    Camera,
    CameraView,
    Change,
    Device,
    Event,
    Forwarded,
    Origin,
    Position,
    Reading,
    Verdict,
)
from hub.registry import Registry
from rules.book import RuleBook, read_book

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
        await reader.take(batch.entries, batch.next)


async def test_a_crash_before_or_behind_a_snapshot_repeats_nothing(tmp_path: Path) -> None:
    events: list[Event] = [depth(1, 0.2), forwarded(1), depth(2, 0.0), forwarded(1), forwarded(2, Change.CLEARED)]
    for saved in (False, True):
        log = Log(tmp_path / f"{saved}")
        for number, event in enumerate(events):
            await log.events.append([event])
            first = warner(tmp_path / f"{saved}", log)
            await read_all(first, log)
            if saved and number == 1:
                first.save()
        told = [change.id.partition("@")[0] + str(change.change) for change in log.alerts.read_now(0).entries]
        assert len(told) == len(set(change.id for change in log.alerts.read_now(0).entries)) == 4, told
        assert [str(change.change) for change in log.alerts.read_now(0).entries] == ["raised", "raised", "cleared", "cleared"]  # fmt: skip
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
            codec = HubCodec({"hub": "city"})
            messages = codec.feed(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body, T)
            assert await door.submit(messages) == [Verdict.STORED]
    reader = warner(tmp_path, log)
    await read_all(reader, log)
    live.feed(log.events.read_now(0).entries)
    alerts.feed(log.alerts.read_now(0).entries)
    assert {name: state.values["water_level"][0] for name, state in live.devices.items()} == {
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
