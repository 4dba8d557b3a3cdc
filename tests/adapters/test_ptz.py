"""Leases on PTZ cameras: one at a time, by importance, for a time, and home afterwards, also over a restart."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from adapters.ptz import HOME_TRIES_MAX, ORPHAN_S, Leases, Operator
from hub.model import AlertChange, CameraView, Change, Pose, Watch

T = 1_767_225_600_000_000_000
S = 1_000_000_000


def dome(name: str = "dome", **more: Any) -> CameraView:
    given: dict[str, Any] = {"sees": True, "pose": Pose(90.0, 5.0, home=1), **more}
    return CameraView(name, 0.9, 100, 90, given.pop("sees"), "r", **given)


def change(alert: str = "a", what: Change = Change.RAISED, level: str = "yellow", **more: Any) -> AlertChange:
    return AlertChange(
        alert, 0, more.pop("at", T), "r/x", "s", what, level, cameras=more.pop("cameras", [dome()]), **more
    )


class Way:
    """The way home of one destination's cameras, and whether they take it."""

    def __init__(self, takes: bool = True) -> None:
        self.takes = takes
        self.sent: list[str] = []

    async def home(self, view: CameraView) -> bool:
        self.sent.append(view.camera)
        return self.takes


def operator(leases: Leases | None = None, sink: str = "vms", **more: Any) -> Operator:
    made = Operator(**more)
    made.share(leases or Leases(), sink)
    return made


def test_the_more_important_takes_over_and_nobody_else() -> None:
    leases = Leases()
    assert leases.ask(dome(), "a", 1, T, T + 100)
    assert leases.ask(dome(), "b", 1, T, T + 100) is None
    assert leases.ask(dome(), "c", 2, T, T + 100)
    assert leases.holder("dome", T) == "c"
    leases.end("a", "", T)
    assert leases.due("", T) == []  # it was taken over; going home would disturb the holder
    leases.end("c", "", T)
    assert [lease.view.camera for lease in leases.due("", T)] == ["dome"]
    assert leases.ask(dome(), "b", 1, T, T + 100)
    assert leases.ask(dome(), "b", 1, T, T + 300)  # a holder renews
    assert leases.ask(dome(), "d", 1, T + 200, T + 400) is None
    assert leases.ask(dome(), "d", 1, T + 300, T + 400)


async def test_a_camera_goes_home_when_its_warning_ends_or_its_time_is_over() -> None:
    desk, way = operator(lease_s=600), Way()
    assert [view.camera for view in desk.plan(change(), T).turn] == ["dome"]
    await desk.go_home(way.home, T + 599 * S)
    assert way.sent == []
    await desk.go_home(way.home, T + 600 * S)
    await desk.go_home(way.home, T + 610 * S)
    assert way.sent == ["dome"]  # once
    desk.plan(change(), T)
    desk.plan(change(what=Change.CLEARED, cameras=[]), T + S)
    await desk.go_home(way.home, T + S)
    assert way.sent == ["dome", "dome"]
    # A new warning takes it just as its time ends: it turns, and is not sent home first.
    desk.plan(change(), T)
    assert len(desk.plan(change("b", at=T + 700 * S), T + 700 * S).turn) == 1
    await desk.go_home(way.home, T + 700 * S)
    assert way.sent == ["dome", "dome"]


async def test_the_way_home_is_tried_until_the_camera_takes_it(caplog: pytest.LogCaptureFixture) -> None:
    desk, way = operator(), Way(takes=False)
    desk.plan(change(), T)
    desk.plan(change(what=Change.CLEARED), T + S)
    for _ in range(3):
        await desk.go_home(way.home, T + S)
    way.takes = True
    await desk.go_home(way.home, T + S)
    await desk.go_home(way.home, T + S)
    assert len(way.sent) == 4
    way.takes = False
    desk.plan(change(), T)
    desk.plan(change(what=Change.CLEARED), T + S)
    with caplog.at_level(logging.WARNING):
        for _ in range(HOME_TRIES_MAX + 5):
            await desk.go_home(way.home, T + S)
    assert len(way.sent) == 4 + HOME_TRIES_MAX
    assert "did not take the way home" in caplog.text


async def test_a_camera_taken_over_while_it_was_asked_home_stays() -> None:
    leases = Leases()
    desk, sent = operator(leases), []

    async def home(view: CameraView) -> bool:
        sent.append(view.camera)
        leases.ask(dome("two"), "b", 1, T + S, T + 99 * S, "vms")  # a new warning comes between
        return True

    desk.plan(change(cameras=[dome("one")]), T)
    operator(leases).plan(change(cameras=[dome("two")]), T)
    desk.plan(change(what=Change.CLEARED), T + S)
    await desk.go_home(home, T + S)
    assert sent == ["one"]
    assert leases.holder("two", T + S) == "b"


async def test_after_a_restart_cameras_go_home_and_a_backlog_turns_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ptz.json"
    before = operator(Leases(path), lease_s=600)
    before.plan(change(), T)
    await before.keep()

    # An hour later the hub is back; its courier brings what happened meanwhile, oldest first.
    now = T + 3600 * S
    leases, way = Leases(path), Way()
    after = operator(leases, lease_s=600)
    backlog = [
        change("b", at=T + 60 * S),
        change("b", Change.ESCALATED, "red", at=T + 120 * S),
        change("c", late=True, at=now),
    ]
    for one in backlog:
        plan = after.plan(one, now)
        assert plan.turn == []
        assert "s old" in plan.note
        await after.go_home(way.home, now)
    assert way.sent == ["dome"]
    assert Leases(path).due("vms", now) == []
    # What is fresh again turns the camera as ever.
    assert len(after.plan(change("d", at=now), now).turn) == 1


async def test_a_lease_outlives_a_restart_in_its_time(tmp_path: Path) -> None:
    path = tmp_path / "ptz.json"
    before = operator(Leases(path))
    before.plan(change("a", level="red"), T)
    await before.keep()
    after, way = operator(Leases(path)), Way()
    assert "held by a" in after.plan(change("b", at=T + 60 * S), T + 60 * S).note
    after.plan(change("a", Change.CLEARED, at=T + 61 * S), T + 61 * S)
    await after.go_home(way.home, T + 61 * S)
    assert way.sent == ["dome"]


async def test_destinations_share_the_leases_and_each_sends_its_own_home(tmp_path: Path) -> None:
    leases = Leases(tmp_path / "ptz.json")
    onvif, platform = operator(leases, "onvif"), operator(leases, "platform")
    onvif.plan(change("a", level="orange"), T)
    assert "held by a" in platform.plan(change("b"), T).note
    assert platform.plan(change("c", level="red"), T).turn
    one, two = Way(), Way()
    onvif.plan(change("a", Change.CLEARED), T + S)
    platform.plan(change("c", Change.CLEARED), T + S)
    await onvif.go_home(one.home, T + S)
    await platform.go_home(two.home, T + S)
    assert (one.sent, two.sent) == ([], ["dome"])


def test_what_a_destination_cannot_turn_it_does_not_hold() -> None:
    leases = Leases()
    platform, onvif = operator(leases, "platform"), operator(leases, "onvif")
    note = platform.plan(change(), T, lambda view: "has no gb28181_id in the registry").note
    assert note == "no camera turned: dome has no gb28181_id in the registry"
    assert onvif.plan(change(), T).turn


async def test_a_destination_that_is_gone_leaves_no_lease_for_ever() -> None:
    leases = Leases()
    operator(leases, "gone").plan(change(), T)
    other, way = operator(leases, "vms"), Way()
    later = T + int(600 + ORPHAN_S) * S
    await other.go_home(way.home, later)
    assert leases.due("gone", later) == []
    assert way.sent == []


async def test_leases_that_cannot_be_read_or_written_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "ptz.json"
    for rubbish in (b"", b"[", b'[{"view":1}]', b"\xff\xfe"):
        path.write_bytes(rubbish)
        caplog.clear()
        assert Leases(path).due("vms", T) == []
        assert "cannot be used" in caplog.text
    desk = operator(Leases(tmp_path / "missing" / "ptz.json"))
    assert desk.plan(change(), T).turn
    await desk.keep()
    assert "cannot be written" in caplog.text


def test_old_and_late_changes_turn_nothing_and_say_so() -> None:
    desk = operator(fresh_s=300)
    assert "3600 s old" in desk.plan(change(), T + 3600 * S).note
    assert desk.plan(change(late=True), T).turn == []
    assert desk.plan(change(what=Change.LOWERED), T).turn == []
    assert desk.plan(change(cameras=[dome(sees=False), dome(pose=None)]), T).turn == []


def test_a_held_camera_is_said_and_the_next_one_turns() -> None:
    desk = operator()
    desk.plan(change("a", level="red"), T)
    assert "held by a" in desk.plan(change("b"), T).note
    assert [view.camera for view in desk.plan(change("b", cameras=[dome(), dome("other")]), T).turn] == ["other"]


def test_the_next_ptz_of_a_moving_subject_is_aimed_ahead_and_goes_home_with_the_rest() -> None:
    list_of = [
        Watch("dome", 0.0, 20.0, pose=Pose(90.0, 5.0, home=1)),
        Watch("", 20.0, 30.0),
        Watch("fixed", 30.0, 40.0),
        Watch("next", 40.0, 60.0, pose=Pose(270.0, 3.0, preset=7, home=2), gb28181_id="7"),
        Watch("later", 60.0, 90.0, pose=Pose(0.0, 0.0)),
    ]
    leases = Leases()
    desk = operator(leases)
    plan = desk.plan(change(handover=list_of), T)
    assert [view.camera for view in plan.turn] == ["dome"]
    assert plan.ahead is not None
    assert plan.ahead.camera == "next"
    desk.plan(change(what=Change.CLEARED), T + S)
    assert {lease.view.camera: lease.view.pose.home for lease in leases.due("vms", T + S) if lease.view.pose} == {
        "dome": 1,
        "next": 2,
    }
    # One that a more important warning holds is passed over; nothing is aimed ahead for what is old.
    leases.ask(dome("next"), "red one", 3, T + 2 * S, T + 999 * S)
    plan = desk.plan(change("b", handover=list_of), T + 2 * S)
    assert plan.ahead is not None
    assert plan.ahead.camera == "later"
    assert desk.plan(change("c", handover=list_of), T + 3600 * S).ahead is None
