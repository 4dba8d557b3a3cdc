"""A warning that still stands is told anew before its message runs out: an Update with references and a later `expires`."""

from __future__ import annotations

import asyncio
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import xmlschema

from adapters.cap.audit import problems
from adapters.cap.message import NAMESPACE
from adapters.cap.sink import CapSink
from hub.delivery import Courier, Journal
from hub.delivery import courier as courier_module
from hub.log import Cursors, Log
from hub.model import AlertChange, Change, Origin
from tests.adapters.http_peer import Heard, http_peer
from tests.adapters.test_cap import T, change, messages, sink, text
from tests.adapters.test_webhook import until
from tests.shared import shared_path

HOUR = 3_600_000_000_000
SOON = T + 5 * HOUR
"""Five sixths of the six hours that messages of these tests are valid."""


def kinds(folder: Path) -> list[tuple[str, str]]:
    return [(text(root, "status"), text(root, "msgType")) for root in messages(folder)]


async def say(target: CapSink, said: AlertChange, at: int) -> None:
    assert (await target.deliver(said, said.id, at)).taken


async def renew(target: CapSink, now: int) -> list[str]:
    keys = target.due(now)
    for key in keys:
        told = await target.renew(key, now)
        assert told.taken, told
    return keys


async def test_what_stands_is_updated_before_it_runs_out_again_and_again(tmp_path: Path) -> None:
    target = sink(tmp_path)
    await say(target, change(1), T)
    assert target.due(SOON - HOUR) == []
    for number in range(1, 4):
        now = T + number * 5 * HOUR
        assert target.due(now - 1_000_000_000) == []
        assert len(await renew(target, now)) == 1
        assert target.due(now) == []
    said = messages(tmp_path)
    assert kinds(tmp_path) == [("Exercise", "Alert"), *[("Exercise", "Update")] * 3]
    schema = xmlschema.XMLSchema(str(shared_path("data/schemas/cap12.xsd")))
    for earlier, later in pairwise(said):
        assert schema.is_valid(later)
        assert problems(ET.tostring(later)) == []
        reference = f"{text(earlier, 'sender')},{text(earlier, 'identifier')},{text(earlier, 'sent')}"
        assert reference in text(later, "references").split()
        assert datetime.fromisoformat(text(later, "sent")) < datetime.fromisoformat(text(earlier, "info/expires"))
        assert text(later, "info/onset") == text(earlier, "info/onset")
        assert text(later, "info/headline") == text(earlier, "info/headline")
    assert len({text(root, "identifier") for root in said}) == 4
    assert len(text(said[-1], "references").split()) == 3


async def test_what_is_over_or_was_updated_meanwhile_is_not(tmp_path: Path) -> None:
    target = sink(tmp_path)
    await say(target, change(1), T)
    (key,) = target.due(SOON)
    await say(target, change(2, Change.ESCALATED, "red"), SOON)
    assert target.due(SOON) == []
    assert (await target.renew(key, SOON)).detail == "it no longer stands, or was updated meanwhile"
    (key,) = target.due(SOON + 5 * HOUR)
    await say(target, change(3, Change.CLEARED), SOON + 5 * HOUR)
    assert target.due(SOON + 50 * HOUR) == []
    assert (await target.renew(key, SOON + 5 * HOUR)).taken
    assert [kind for _, kind in kinds(tmp_path)] == ["Alert", "Update", "Cancel"]


async def test_once_approved_the_actual_one_is_renewed_and_the_proposal_is_left_to_run_out(tmp_path: Path) -> None:
    target = sink(tmp_path, approvers=["chief"])
    await say(target, change(1), T)
    await say(target, change(2, Change.ACKNOWLEDGED, who="chief", note="publish"), T + HOUR)
    assert target.due(SOON) == []
    await renew(target, SOON + HOUR)
    assert kinds(tmp_path)[2:] == [("Actual", "Update")]
    await say(
        target, change(3, Change.ESCALATED, "red"), SOON + 2 * HOUR
    )  # a proposal again, and the Actual one stands
    await renew(target, SOON + 8 * HOUR)
    assert sorted(kinds(tmp_path)[4:]) == [("Actual", "Update"), ("Exercise", "Update")]
    levels = {
        text(root, "status"): [node.text for node in root.iter(f"{{{NAMESPACE}}}severity")]
        for root in messages(tmp_path)[4:]
    }
    assert levels == {"Actual": ["Severe"] * 2, "Exercise": ["Extreme"] * 2}


async def test_after_a_restart_and_through_failures_the_very_same_message_goes_out(tmp_path: Path) -> None:
    answers = [200, 503, 503, 200]

    def answer(heard: Heard) -> tuple[int, bytes]:
        return answers.pop(0) if answers else 200, b""

    async with http_peer(answer) as peer:
        target = sink(tmp_path, url=peer.url)
        await say(target, change(1), T)
        (key,) = target.due(SOON)
        assert not (await target.renew(key, SOON)).taken
        await target.close()
        target = sink(tmp_path, url=peer.url)
        assert target.due(SOON + HOUR // 2) == [key]
        assert not (await target.renew(key, SOON + HOUR // 2)).taken
        assert (await target.renew(key, SOON + HOUR)).taken
        assert target.due(SOON + HOUR) == []
        await target.close()
        bodies = [heard.body for heard in peer.heard]
    assert bodies[1] == bodies[2] == bodies[3]
    assert kinds(tmp_path) == [("Exercise", "Alert"), ("Exercise", "Update")]


async def test_an_update_that_itself_ran_out_unheard_makes_way_for_a_new_one(tmp_path: Path) -> None:
    answers = [200, 503]
    async with http_peer(lambda heard: (answers.pop(0) if answers else 200, b"")) as peer:
        target = sink(tmp_path, url=peer.url)
        await say(target, change(1), T)
        (key,) = target.due(SOON)
        assert not (await target.renew(key, SOON)).taken
        told = await target.renew(key, SOON + 6 * HOUR)
        assert (told.taken, told.final) == (False, True)
        (other,) = target.due(SOON + 6 * HOUR)
        assert other != key
        assert (await target.renew(other, SOON + 6 * HOUR)).taken
        await target.close()


async def test_a_refusal_is_not_referred_to_and_the_next_try_is_when_that_would_have_run_out(tmp_path: Path) -> None:
    answers = [200, 400]
    async with http_peer(lambda heard: (answers.pop(0) if answers else 200, b"no")) as peer:
        target = sink(tmp_path, url=peer.url)
        await say(target, change(1), T)
        (key,) = target.due(SOON)
        assert (await target.renew(key, SOON)).final
        assert target.due(SOON + HOUR) == []
        await renew(target, SOON + 5 * HOUR)
        await target.close()
    assert len(text(messages(tmp_path)[-1], "references").split()) == 1


async def test_another_hubs_warning_is_kept_in_force_for_a_day_after_its_last_change(tmp_path: Path) -> None:
    target = sink(tmp_path)
    await say(target, change(1, origin=Origin("district-a", 1, ("district-a",))), T)
    for number in range(1, 5):
        assert len(await renew(target, T + number * 5 * HOUR)) == 1
    assert target.due(T + 25 * HOUR) == []


async def test_an_approver_of_another_hub_approves_nothing_here(tmp_path: Path) -> None:
    target = sink(tmp_path, approvers=["chief"])
    await say(target, change(1), T)
    await say(target, change(2, Change.ACKNOWLEDGED, who="district-a/chief", note="publish"), T + HOUR)
    assert kinds(tmp_path) == [("Exercise", "Alert")]


async def test_what_is_not_yet_out_is_not_renewed(tmp_path: Path) -> None:
    async with http_peer(lambda heard: (503, b"")) as peer:
        target = sink(tmp_path, url=peer.url)
        said = change(1)
        assert not (await target.deliver(said, said.id, T)).taken
        assert target.due(SOON + 10 * HOUR) == []
        await target.close()


async def test_the_courier_keeps_them_in_force_on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "RENEWALS_EVERY_S", 0.01)
    clock: dict[str, Any] = {"now": T}
    log, cursors, journal = Log(tmp_path / "log"), Cursors(tmp_path / "cursors"), Journal(tmp_path / "delivery.db")
    cursors.set("delivery.public", 0)
    await log.alerts.append([change(1)])
    target = sink(tmp_path / "cap")
    courier = Courier("public", target, log.alerts, cursors, journal, now=lambda: clock["now"])
    task = asyncio.create_task(courier.run())
    await until(lambda: cursors.get("delivery.public") == 1)
    for number in (1, 2):
        clock["now"] = T + number * 5 * HOUR
        await until(lambda: len(journal.attempts("public")) == 1 + number)  # noqa: B023
    await log.alerts.append([change(2, Change.CLEARED)])
    await until(lambda: cursors.get("delivery.public") == 2)
    clock["now"] += 50 * HOUR
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    told = [(attempt.outcome, attempt.detail) for attempt in journal.attempts("public")[::-1]]
    assert told == [
        ("taken", "Alert (Exercise)"),
        *[("taken", "Update (Exercise): it still stands")] * 2,
        ("taken", "Cancel (Exercise)"),
    ]
    await courier.close()
    journal.close()
    await log.close()
