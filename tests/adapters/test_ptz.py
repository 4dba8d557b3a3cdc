"""Leases on PTZ cameras: one at a time, by importance, for a time, and home afterwards."""

from __future__ import annotations

from typing import Any

from adapters.ptz import Leases, Operator
from hub.model import AlertChange, CameraView, Change, Pose

T = 1_767_225_600_000_000_000
S = 1_000_000_000


def dome(name: str = "dome", **more: Any) -> CameraView:
    given: dict[str, Any] = {"sees": True, "pose": Pose(90.0, 5.0, home=1), **more}
    return CameraView(name, 0.9, 100, 90, given.pop("sees"), "r", **given)


def change(alert: str = "a", what: Change = Change.RAISED, level: str = "yellow", **more: Any) -> AlertChange:
    return AlertChange(
        alert, 0, more.pop("at", T), "r/x", "s", what, level, cameras=more.pop("cameras", [dome()]), **more
    )


def test_the_more_important_takes_over_and_nobody_else() -> None:
    leases = Leases()
    assert leases.ask(dome(), "a", 1, T, T + 100)
    assert leases.ask(dome(), "b", 1, T, T + 100) is None
    assert leases.ask(dome(), "c", 2, T, T + 100)
    assert leases.holder("dome", T) == "c"
    assert leases.release("a") == []  # it was taken over; going home would disturb the holder
    assert [view.camera for view in leases.release("c")] == ["dome"]
    assert leases.ask(dome(), "b", 1, T, T + 100)
    assert leases.ask(dome(), "b", 1, T, T + 300)  # a holder renews
    assert leases.ask(dome(), "d", 1, T + 200, T + 400) is None
    assert leases.ask(dome(), "d", 1, T + 300, T + 400)


def test_a_camera_goes_home_when_its_warning_ends_or_its_time_is_over() -> None:
    operator = Operator(lease_s=600)
    assert [view.camera for view in operator.plan(change(), T).turn] == ["dome"]
    assert operator.tidy(T + 599 * S) == []
    assert [view.camera for view in operator.tidy(T + 600 * S)] == ["dome"]
    operator.plan(change(), T)
    assert [view.camera for view in operator.plan(change(what=Change.CLEARED, cameras=[]), T + S).home] == ["dome"]
    # A new warning takes it just as its time ends: it turns, and is not sent home first.
    operator.plan(change(), T)
    plan = operator.plan(change("b", at=T + 700 * S), T + 700 * S)
    assert (len(plan.turn), plan.home) == (1, [])


def test_old_and_late_changes_turn_nothing_and_say_so() -> None:
    operator = Operator(fresh_s=300)
    assert "3600 s old" in operator.plan(change(), T + 3600 * S).note
    assert operator.plan(change(late=True), T).turn == []
    assert operator.plan(change(what=Change.LOWERED), T).turn == []
    assert operator.plan(change(cameras=[dome(sees=False), dome(pose=None)]), T).turn == []


def test_a_held_camera_is_said_and_the_next_one_turns() -> None:
    operator = Operator()
    operator.plan(change("a", level="red"), T)
    assert "held by a" in operator.plan(change("b"), T).note
    assert [view.camera for view in operator.plan(change("b", cameras=[dome(), dome("other")]), T).turn] == ["other"]
