"""Couriers against sinks that misbehave: order, dead letters, filters, gaps."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.delivery import BEGINS, Attempt, Courier, Filters, Journal, Pace
from hub.delivery import journal as journal_module
from hub.model import Change, Position
from hub.ports import Delivery
from tests.hub.couriers import DOWN, GONE, REFUSED, TAKEN, Hub, Sink, T, change, hub_in, running, until


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with hub_in(tmp_path) as made:
        yield made


async def test_changes_go_out_in_order_and_a_restart_repeats_none(hub: Hub) -> None:
    said = [change("a", n) for n in range(5)]
    await hub.say(*said[:3])
    first = Sink()
    async with running(hub.courier("video", first)):
        await until(lambda: hub.at("video") == 3)
    await hub.say(*said[3:])
    second = Sink()
    async with running(courier := hub.courier("video", second)):
        await until(lambda: hub.at("video") == 5)
        await until(lambda: courier.status.state == "idle")
    assert first.taken + second.taken == [c.id for c in said]
    assert (courier.status.taken, courier.status.behind, courier.status.cursor) == (2, 0, 5)


async def test_a_new_destination_starts_at_the_end(hub: Hub) -> None:
    await hub.say(change("old"))
    sink = Sink()
    async with running(hub.courier("new", sink)):
        await until(lambda: hub.at("new") == 1)
        await hub.say(change("fresh"))
        await until(lambda: hub.at("new") == 2)
    assert sink.heard == ["fresh#0"]


async def test_a_new_destination_hears_what_was_raised_before_its_courier_came_to_its_turn(hub: Hub) -> None:
    """On a busy machine `run` begins late: what the log took in since the courier was made is for it."""
    await hub.say(change("old"))
    sink = Sink()
    courier = hub.courier("new", sink)
    await hub.say(change("meanwhile"))
    async with running(courier):
        await until(lambda: hub.at("new") == 2)
    assert sink.heard == ["meanwhile#0"]


@pytest.mark.parametrize(("back_s", "heard"), [(0.0, []), (1.5, ["b#0", "c#0"]), (1e9, ["a#0", "b#0", "c#0"])])
async def test_a_new_destination_that_keeps_history_begins_as_far_back_as_it_wants(
    hub: Hub, back_s: float, heard: list[str]
) -> None:
    for alert, ago_s in (("a", 10), ("b", 1), ("c", 0)):
        said = change(alert)
        said.at = T - ago_s * 1_000_000_000
        await hub.say(said)

    class History(Sink):
        catch_up_s = back_s

    sink = History()
    async with running(hub.courier("charts", sink)):
        await until(lambda: hub.at("charts") == 3)
        await hub.say(change("fresh"))
        await until(lambda: hub.at("charts") == 4)
    assert sink.heard == [*heard, "fresh#0"]


async def test_history_begins_with_the_change_of_just_so_long_ago_and_is_told_once(hub: Hub) -> None:
    class History(Sink):
        catch_up_s = 1.0

    said = change("b")
    said.at = T - 1_000_000_000
    await hub.say(said)
    async with running(hub.courier("charts", first := History())):
        await until(lambda: hub.at("charts") == 1)
    async with running(hub.courier("charts", again := History())):
        await hub.say(change("fresh"))
        await until(lambda: hub.at("charts") == 2)
    assert (first.heard, again.heard) == (["b#0"], ["fresh#0"])


async def test_a_cursor_of_a_log_that_is_no_more_waits_for_nothing(hub: Hub) -> None:
    hub.cursors.set("delivery.video", 1_000)
    sink = Sink()
    async with running(hub.courier("video", sink)):
        await until(lambda: hub.at("video") == 0)
        await hub.say(change("fresh"))
        await until(lambda: sink.taken == ["fresh#0"])


async def test_a_temporary_failure_holds_so_a_clear_never_overtakes_its_raise(hub: Hub) -> None:
    sink = Sink(DOWN, DOWN, RuntimeError("a fault in the sink"), DOWN)
    await hub.say(change("a", 0), change("a", 1, Change.CLEARED), change("b", 0))
    async with running(hub.courier("video", sink)):
        await until(lambda: hub.at("video") == 3)
    assert sink.heard == ["a#0"] * 5 + ["a#1", "b#0"]
    assert sink.taken == ["a#0", "a#1", "b#0"]
    newest_first = [(attempt.id, attempt.outcome) for attempt in hub.journal.attempts("video")]
    assert newest_first[::-1] == [("a#0", "failed")] * 4 + [("a#0", "taken"), ("a#1", "taken"), ("b#0", "taken")]


async def test_stopped_in_the_middle_it_offers_the_same_change_under_the_same_key(hub: Hub) -> None:
    await hub.say(change("a", 0))
    slow = Sink(took_s=60.0)
    async with running(hub.courier("video", slow)):
        await until(lambda: slow.heard)
    assert hub.at("video") == 0
    sink = Sink()
    async with running(hub.courier("video", sink)):
        await until(lambda: hub.at("video") == 1)
    assert slow.heard == sink.heard == ["a#0"]


async def test_a_final_refusal_becomes_a_dead_letter_and_the_next_change_goes_out(hub: Hub) -> None:
    sink = Sink(DOWN, REFUSED)
    await hub.say(change("a", 0), change("a", 1))
    async with running(courier := hub.courier("video", sink)):
        await until(lambda: hub.at("video") == 2)
        (letter,) = hub.journal.dead_letters("video")
        assert (letter.change.id, letter.reason, letter.attempts, letter.at) == ("a#0", REFUSED.detail, 2, T)
        assert letter.change == change("a", 0)
        sink.script = [DOWN]
        ((_, told),) = await courier.retry([letter.number])
        assert told == DOWN
        assert [left.attempts for left in hub.journal.dead_letters("video")] == [3]
        ((_, told),) = await courier.retry()
        assert told.taken
    assert sink.taken == ["a#1", "a#0"]
    assert hub.journal.dead_letters() == []
    assert courier.status.refused == 1


async def test_a_destination_that_repeats_what_it_was_sent_tells_nobody_who_drives(hub: Hub) -> None:
    """Its answer stood in health, in the journal and among attempts, for people who may not see that."""
    about = change(
        position=Position(121.4921, 31.2429), values={"driver": "Zhuge Liang", "speed": 90.0}, note="his wife called",
        evidence=[{"readings": [{"device": "van", "metric": "plate", "value": "B-77Q31"}]}],
    )  # fmt: skip
    echo = 'HTTP 400: bad body {"driver": "Zhuge Liang", "plate": "B-77Q31", "lon": 121.4921, "lat": 31.2429, "note": "his wife called", "speed": 90.0}'
    sink = Sink(Delivery(False, detail=echo, detail_zh=echo), Delivery(False, final=True, detail=echo, detail_zh=echo))
    await hub.say(about)
    async with running(courier := hub.courier("video", sink)):
        await until(lambda: hub.at("video") == 1)
    hidden = 'HTTP 400: bad body {"driver": "…", "plate": "…", "lon": …, "lat": …, "note": "…", "speed": 90.0}'
    (letter,) = hub.journal.dead_letters("video")
    assert (letter.reason, courier.status.detail) == (hidden, hidden)
    assert [attempt.detail for attempt in hub.journal.attempts()] == [hidden] * 2
    assert "Zhuge" not in repr(courier.status)
    assert letter.change == about, "the destination gets it whole"


async def test_dead_letters_wanted_while_the_hub_was_off_go_out_when_it_starts(hub: Hub) -> None:
    number = change("a", 0)
    hub.journal.bury("video", number, "HTTP 400", 1, T)
    hub.journal.bury("video", change("b", 0), "HTTP 400", 1, T)
    first, second = hub.journal.dead_letters("video")
    assert hub.journal.want([first.number, 999]) == 1
    sink = Sink()
    async with running(hub.courier("video", sink)):
        await until(lambda: sink.taken == ["a#0"] and len(hub.journal.dead_letters()) == 1)
    assert hub.journal.drop([second.number]) == 1
    assert hub.journal.dead_letters() == []


async def test_a_destination_that_is_gone_rests_until_a_person_wakes_it(hub: Hub) -> None:
    sink = Sink(GONE)
    await hub.say(change("a", 0), change("a", 1))
    async with running(courier := hub.courier("video", sink)):
        await until(lambda: courier.status.state == "disabled")
        await asyncio.sleep(0.05)
        assert sink.heard == ["a#0"]
        sink.script = [GONE]
        await courier.retry([])
        await until(lambda: [letter.change.id for letter in hub.journal.dead_letters()] == ["a#0", "a#1"])
        assert courier.status.state == "disabled"
        await courier.retry()
        await until(lambda: sink.taken == ["a#0", "a#1"])
        await hub.say(change("b", 0))
        await until(lambda: sink.taken[-1] == "b#0")
        await until(lambda: courier.status.state == "idle")


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        (Filters(), True),
        (Filters(levels=("red",)), True),
        (Filters(levels=("blue", "yellow")), False),
        (Filters(packs=("flood",)), True),
        (Filters(packs=("air-cn",)), False),
        (Filters(areas=("harbour",)), True),
        (Filters(areas=("north",)), False),
        (Filters(contact=2), False),
        (Filters(levels=("red",), packs=("flood",), areas=("north",)), False),
    ],
)
def test_filters(filters: Filters, passes: bool) -> None:
    assert filters.want(change(area="harbour")) is passes


async def test_an_alert_that_passed_once_is_followed_to_its_end_even_over_a_restart(hub: Hub) -> None:
    filters = Filters(levels=("orange", "red"))
    await hub.say(
        change("a", 0, level="yellow"),
        change("a", 1, Change.ESCALATED, level="orange"),
        change("b", 0, level="blue"),
    )
    first, second = Sink(), Sink()
    async with running(hub.courier("video", first, filters)):
        await until(lambda: hub.at("video") == 3)
    await hub.say(
        change("a", 2, Change.LOWERED, level="blue"),
        change("b", 1, Change.CLEARED, level="blue"),
        change("a", 3, Change.CLEARED, level="blue"),
        change("a", 4, Change.ACKNOWLEDGED, level="blue"),
    )
    async with running(hub.courier("video", second, filters)):
        await until(lambda: hub.at("video") == 7)
    assert first.taken == ["a#1"]
    assert second.taken == ["a#2", "a#3"]
    assert hub.journal.followed("video") == set()


async def test_an_attempt_is_on_record_with_how_long_it_took(hub: Hub) -> None:
    await hub.say(change())
    async with running(hub.courier("video", Sink(took_s=0.05))):
        await until(lambda: hub.at("video") == 1)
    (told,) = hub.journal.attempts("video")
    assert 50 <= told.took_ms < 60_000


@pytest.mark.parametrize(
    ("script", "heard", "outcome"),
    [((), 3, TAKEN), ((TAKEN, DOWN), 2, DOWN), ((REFUSED,), 1, REFUSED)],
)
async def test_an_exercise_ends_with_what_is_not_taken(
    hub: Hub, script: tuple[Delivery, ...], heard: int, outcome: Delivery
) -> None:
    courier = hub.courier("video", sink := Sink(*script))
    assert await courier.exercise([change("a", n) for n in range(3)]) == outcome
    assert len(sink.heard) == heard
    assert hub.journal.dead_letters() == []


async def test_gaps_add_up(hub: Hub) -> None:
    way = hub.courier("video", Sink())._line
    await way.gap(3, "changes", "one")
    await way.gap(4, "changes", "another")
    assert way.status.skipped == 7


async def test_a_destination_just_so_far_behind_misses_nothing(hub: Hub) -> None:
    await hub.say(*[change("a", n) for n in range(100)])
    async with running(courier := hub.courier("video", sink := Sink(), pace=Pace(behind_max=100, per_second_max=1e6))):
        await until(lambda: hub.at("video") == 100)
    assert (len(sink.taken), courier.status.skipped) == (100, 0)
    assert {attempt.outcome for attempt in hub.journal.attempts("video", limit=1_000)} == {"taken"}


async def test_a_destination_too_far_behind_is_taken_forward_and_the_gap_is_counted(hub: Hub) -> None:
    await hub.say(*[change("a", n) for n in range(120)])
    sink = Sink()
    async with running(courier := hub.courier("video", sink, pace=Pace(behind_max=100, per_second_max=1e6))):
        await until(lambda: hub.at("video") == 120)
    assert sink.taken == [f"a#{n}" for n in range(20, 120)]
    assert courier.status.skipped == 20
    told = hub.journal.attempts("video", limit=1_000)[-1]
    assert (told.outcome, told.detail) == (
        "skipped",
        "20 alert changes were skipped: the destination was 120 entries behind",
    )


async def test_what_the_log_dropped_is_a_counted_gap(hub: Hub) -> None:
    hub.log.alerts.begin_at(40)
    await hub.say(change("a", 0))
    sink = Sink()
    async with running(courier := hub.courier("video", sink)):
        await until(lambda: hub.at("video") == 41)
    assert courier.status.skipped == 40
    assert sink.taken == ["a#0"]


async def test_a_full_disk_under_the_journal_keeps_no_warning_from_people(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    for name in ("record", "follow", "unfollow"):
        monkeypatch.setattr(hub.journal, name, full)
    await hub.say(change("a", 0), change("a", 1, Change.CLEARED))
    sink = Sink()
    async with running(hub.courier("video", sink)):
        await until(lambda: sink.taken == ["a#0", "a#1"])


async def test_a_dead_letter_that_cannot_be_written_holds_the_cursor(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    bury, calls = hub.journal.bury, []

    def full_twice(*what: Any) -> int:
        calls.append(what)
        if len(calls) <= 2:
            assert hub.at("video") == 0
            raise sqlite3.OperationalError("database or disk is full")
        return bury(*what)

    monkeypatch.setattr(hub.journal, "bury", full_twice)
    await hub.say(change("a", 0))
    async with running(hub.courier("video", Sink(REFUSED))):
        await until(lambda: hub.at("video") == 1)
    assert len(hub.journal.dead_letters()) == 1


def test_the_journal_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "ATTEMPTS_MAX", 50)
    monkeypatch.setattr(journal_module, "DEAD_LETTERS_MAX", 3)
    monkeypatch.setattr(journal_module, "TRIM_EVERY", 10)
    journal = Journal(tmp_path / "j.sqlite")
    for n in range(200):
        journal.record(Attempt("video", f"a#{n}", T, 1.0, "failed", "x" * 9_999))
        journal.record(Attempt("duty", f"a#{n}", T, 1.0, "taken", ""))
    assert 50 <= len(journal.attempts("video", 1_000)) <= 60
    assert len(journal.attempts("video", 5)[0].detail) == 500
    lost = [journal.bury("video", change("a", n), "no", 1, T) for n in range(5)]
    assert lost == [0, 0, 0, 1, 1]
    assert [letter.change.ordinal for letter in journal.dead_letters("video")] == [2, 3, 4]
    journal.forget("video")
    assert journal.dead_letters() == []
    assert journal.attempts("video") == []
    journal.close()


def test_a_second_process_may_look_into_the_journal(tmp_path: Path) -> None:
    running, looking = Journal(tmp_path / "j.sqlite"), Journal(tmp_path / "j.sqlite")
    running.bury("video", change(), "no", 1, T)
    assert len(looking.dead_letters()) == 1
    assert looking.drop() == 1
    assert running.dead_letters() == []
    running.close()
    looking.close()


async def test_a_disk_that_keeps_no_positions_keeps_no_warning_from_people(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put, broken = hub.cursors.set, True

    def set_on_a_bad_disk(reader: str, offset: int) -> None:
        if broken:
            raise OSError(errno.EIO, "Input/output error")
        put(reader, offset)

    monkeypatch.setattr(hub.cursors, "set", set_on_a_bad_disk)
    said = [change("a", n) for n in range(4)]
    await hub.say(*said[:3])
    sink = Sink()
    async with running(hub.courier("video", sink)):
        await until(lambda: len(sink.taken) == 3)
        broken = False
        await hub.say(said[3])
        await until(lambda: hub.at("video") == 4)
    assert sink.taken == [c.id for c in said]
    assert sum("its position cannot be written" in record.message for record in caplog.records) == 1


async def test_a_courier_that_may_not_deliver_any_more_makes_no_attempt(hub: Hub) -> None:
    """Another machine may have begun to: what it has in its hands is that one's now."""
    sink, asked = Sink(DOWN), 0

    async def fence() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            await asyncio.Event().wait()

    courier = Courier("video", sink, hub.log.alerts, hub.cursors, hub.journal, sleep=hub.sleep, fence=fence)
    await hub.say(change())
    async with running(courier):
        await until(lambda: asked == 2)
        await asyncio.sleep(0.1)
    assert sink.heard == ["a#0"]
    assert hub.at("video") == 0


async def test_a_new_destination_begins_where_whoever_judges_has_noted_that_it_does(hub: Hub) -> None:
    """Another machine judges, and has raised warnings before this one began to deliver."""
    sink = Sink()
    await hub.say(change("before"))
    hub.cursors.set(BEGINS.format(name="desk"), hub.log.alerts.next)
    await hub.say(change("after"))
    async with running(hub.courier("desk", sink)):
        await until(lambda: hub.at("desk") == hub.log.alerts.next)
    assert sink.heard == ["after#0"]
