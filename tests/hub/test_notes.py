"""What people write down: comments, false alarms and hand-overs are kept, shown to whom they concern, and survive a restart."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.access.audit import Act, Audit, entries, of_note, verify
from hub.app.hub import Hub
from hub.cli import main
from hub.notes import NOTES, Kind, Note, Notes
from hub.whole_file import replace
from tests.acceptance.running import RULES, write_city
from tests.hub.running import running

TOKENS = """
[tokens.all]
token = "all-token"
roles = ["view", "operate", "ingest"]
[tokens.looks]
token = "looks-token"
roles = ["view"]
[tokens.north]
token = "north-token"
roles = ["view", "operate"]
areas = ["north"]
[tokens.south]
token = "south-token"
roles = ["view", "operate"]
areas = ["south"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rules = f"{RULES}- call: {{red: [20 min, 1 h]}}\n"
    city = write_city(tmp_path / "city", '[api]\nlisten = "127.0.0.1:0"\ntokens_file = "tokens.toml"\n', rules=rules)
    (city / "tokens.toml").write_text(TOKENS)
    return city


@pytest.fixture
async def hub(folder: Path) -> AsyncIterator[Hub]:
    async with running(folder) as hub:
        yield hub


def asking(hub: Hub, token: str = "all") -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=hub.address, timeout=30, headers={"authorization": f"Bearer {token}-token"})


async def warning(client: httpx.AsyncClient) -> dict[str, Any]:
    """The one warning, red; raised where there is none."""
    found = (await client.get("/api/v1/alerts")).json()["open"]
    if not found:
        reading = {"device": "underpass-1", "values": {"water_depth": 0.5}}
        assert (await client.post("/api/v1/readings", json=reading)).status_code == 200
    async with asyncio.timeout(60):
        while not (found := (await client.get("/api/v1/alerts")).json()["open"]):
            await asyncio.sleep(0.05)
    return dict(found[0])


def to_note(alert: str) -> str:
    return f"/api/v1/alerts/{alert}/note"


async def test_a_comment_and_a_mark_stand_with_the_warning_in_the_audit_and_after_a_restart(folder: Path) -> None:
    async with running(folder) as hub, asking(hub) as client:
        found = await warning(client)
        path = to_note(found["alert"])
        assert (found["notes"], found["false_alarm"]) == ([], None)
        assert (await client.post(path, json={"note": "=a pump stands in it"})).json() == {"number": 1}
        assert (await client.post(path, json={"kind": "false-alarm", "note": "hose test"})).json() == {"number": 2}
        again = await client.post(path, json={"kind": "false-alarm"})
        assert (again.status_code, again.json()["detail"]) == (409, "it is marked as a false alarm already")
        shown = await warning(client)
        assert [(note["kind"], note["who"], note["note"]) for note in shown["notes"]] == [
            ("comment", "all", "=a pump stands in it"), ("false-alarm", "all", "hose test"),
        ]  # fmt: skip
        assert shown["false_alarm"]["number"] == 2
        assert shown["changes"] == found["changes"], "a note is no change of the warning"
        noted = [entry for entry in entries(hub.data) if entry["target"] == found["alert"]]
        assert [(entry["action"], entry["after"], entry["outcome"]) for entry in noted] == [
            ("comment", {"note": of_note("=a pump stands in it")}, "allowed"), ("false-alarm", {"note": of_note("hose test")}, "allowed"),
        ]  # fmt: skip
    async with running(folder) as hub, asking(hub) as client:
        assert (await warning(client))["false_alarm"]["note"] == "hose test"
        assert (await client.post(path, json={"kind": "no-false-alarm"})).json() == {"number": 3}
        assert (await warning(client))["false_alarm"] is None
        assert [note["number"] for note in (await client.get("/api/v1/notes")).json()["notes"]] == [3, 2, 1]
        chosen = (await client.get("/api/v1/notes?kind=comment&kind=false-alarm&limit=1")).json()
        assert ([note["number"] for note in chosen["notes"]], chosen["truncated"]) == ([2], True)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"note": ""}, 400, "a comment needs words"),
        ({"note": "  ", "who": "Lin"}, 400, "a comment needs words"),
        ({"note": "a\u0000b"}, 400, "without control characters"),
        ({"note": "x" * 1001}, 400, "note"),
        ({"kind": "handover", "note": "x"}, 400, "kind"),
        ({"kind": "no-false-alarm"}, 409, "it is not marked as a false alarm"),
    ],
)
async def test_what_is_no_note_hears_so(hub: Hub, body: dict[str, Any], status: int, said: str) -> None:
    async with asking(hub) as client:
        answer = await client.post(to_note((await warning(client))["alert"]), json=body)
        assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text
        assert hub.state.notes.all == ()
        assert (await client.post(to_note("no/such"), json={"note": "x"})).status_code == 404


async def test_who_sees_a_part_writes_and_reads_of_that_part_only(hub: Hub) -> None:
    async with asking(hub) as client, asking(hub, "north") as north, asking(hub, "south") as south:
        path = to_note((await warning(client))["alert"])
        assert (await south.post(path, json={"note": "x"})).status_code == 404
        async with asking(hub, "looks") as looks:
            assert (await looks.post(path, json={"note": "x"})).status_code == 403
        assert (await north.post(path, json={"note": "mine"})).status_code == 200
        assert (await client.post("/api/v1/handover", json={"note": "gate 3\nis stuck"})).status_code == 200
        assert (await north.post("/api/v1/handover", json={"note": "x"})).status_code == 403
        assert (await north.post("/api/v1/handover/read", json={"number": 2})).status_code == 403
        seen = {"all": ["gate 3\nis stuck", "mine"], "north": ["mine"], "south": []}
        for one, name in ((client, "all"), (north, "north"), (south, "south")):
            notes = (await one.get("/api/v1/notes")).json()["notes"]
            assert [note["note"] for note in notes] == seen[name]


async def test_a_hand_over_is_unread_until_somebody_took_it_over(folder: Path) -> None:
    async with running(folder) as hub, asking(hub) as client:
        assert (await client.post("/api/v1/handover", json={"note": " "})).status_code == 400
        assert (await client.post("/api/v1/handover", json={"note": "gate 3 is stuck"})).json() == {"number": 1}
        assert (await client.post("/api/v1/handover/read", json={"number": 7})).status_code == 404
    async with running(folder) as hub, asking(hub) as client:
        (note,) = (await client.get("/api/v1/notes?unread=true")).json()["notes"]
        assert (note["who"], note["note"], note["read_by"]) == ("all", "gate 3 is stuck", None)
        for _ in range(2):
            assert (await client.post("/api/v1/handover/read", json={"number": 1})).status_code == 200
        assert (await client.get("/api/v1/notes?unread=true")).json()["notes"] == []
        (note,) = (await client.get("/api/v1/notes?kind=handover")).json()["notes"]
        assert note["read_by"] == "all"
    actions = [entry["action"] for entry in entries(hub.data)]
    assert actions.count("handover") == 1
    assert actions.count("handover-read") == 2


async def test_the_stream_tells_consoles_that_there_are_notes(hub: Hub) -> None:
    async with asking(hub) as client, asyncio.timeout(60), client.stream("GET", "/api/v1/stream") as stream:
        written = False
        async for line in stream.aiter_lines():
            if line == "event: status" and not written:
                written = (await client.post("/api/v1/handover", json={"note": "x"})).status_code == 200
            if line == "event: notes":
                assert written
                return


async def test_a_note_that_cannot_be_kept_is_refused_and_not_shown(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hub.state.notes, "_keep", full)
    async with asking(hub) as client:
        answer = await client.post("/api/v1/handover", json={"note": "x"})
        assert (answer.status_code, answer.json()["detail"]) == (
            503,
            "the note cannot be kept: No space left on device",
        )
        assert (await client.get("/api/v1/notes")).json()["notes"] == []


async def test_a_warning_says_when_the_next_contact_is_called(hub: Hub) -> None:
    async with asking(hub) as client:
        found = await warning(client)
        due = found["next_call_at"]
        assert found["raised_at"] < due
        await client.post(f"/api/v1/alerts/{found['alert']}/acknowledge", json={})
        async with asyncio.timeout(60):
            while (await warning(client))["next_call_at"] is not None:
                await asyncio.sleep(0.05)


async def test_the_command_lists_notes_of_a_hub_that_runs_and_of_one_that_does_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(folder) as hub, asking(hub) as client:
        path = to_note((await warning(client))["alert"])
        for body in ({"note": "a"}, {"kind": "false-alarm"}, {"kind": "no-false-alarm"}, {"kind": "false-alarm"}):
            assert (await client.post(path, json=body)).status_code == 200
        await asyncio.to_thread(main, ["notes", str(folder), "--json"])
        live = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        await asyncio.to_thread(main, ["notes", str(folder), "--false-alarms", "--json"])
        (mark,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert mark == live[0]
    assert main(["notes", str(folder), "--json"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == live
    assert [note["number"] for note in live] == [4, 3, 2, 1]
    assert main(["notes", str(folder), "--false-alarms", "--csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["number"], row["rule"], row["subject"], row["level"]) == ("4", "city/underpass-flooding", "underpass-1", "red")  # fmt: skip


def test_the_newest_notes_stay_and_numbers_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.notes.NOTES_MAX", 5)
    path = tmp_path / NOTES
    notes = Notes(path, lambda *_: None)
    for number in range(7):
        assert notes.add(Note(0, number, "li", Kind.COMMENT, "x", alert=f"a{number}")).number == number + 1
    assert (len(notes.all), notes.about("a1"), len(notes.about("a2"))) == (5, (), 1)
    Notes(path, replace).add(Note(0, 1, "li", Kind.COMMENT, "kept"))
    assert [note.text for note in Notes(path, replace).all] == ["kept"]
    path.write_bytes(b"\x00" * 100)
    assert Notes(path, replace).all == ()
    assert list(tmp_path.glob(f"{NOTES}.damaged-*"))


def test_words_are_forgotten_and_who_wrote_when_and_marks_are_not(tmp_path: Path) -> None:
    path = tmp_path / NOTES
    notes = Notes(path, replace)
    for at, kind in ((1, Kind.FALSE_ALARM), (2, Kind.COMMENT), (3, Kind.COMMENT)):
        notes.add(Note(0, at, "li", kind, f"written at {at}", alert="a"))
    notes.forget(3)
    kept = Notes(path, replace)
    assert [(note.at, note.who, note.kind, note.text) for note in kept.all] == [
        (1, "li", Kind.FALSE_ALARM, ""), (2, "li", Kind.COMMENT, ""), (3, "li", Kind.COMMENT, "written at 3"),
    ]  # fmt: skip
    assert kept.false_alarm("a") is not None
    written = path.stat().st_mtime_ns, path.stat().st_ino
    notes.forget(3)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == written, "nothing was due, so nothing is written"


def test_the_audit_has_no_words_of_notes_and_verifies_with_those_of_before(tmp_path: Path) -> None:
    audit = Audit(tmp_path)
    act = Act(
        "li", "user", "::1", "comment", "a", before={"note": "said Wang"}, after={"note": "Wang was ill", "until": None}
    )
    with pytest.MonkeyPatch.context() as before_this_version:
        before_this_version.setattr("hub.access.audit.FREE", "no such key")
        audit.append(act, 1)
    audit.append(act, 2)
    audit.append(Act("li", "user", "::1", "acknowledge", "a", after={"note": ""}), 3)
    old, new, silent = entries(tmp_path)
    assert old["after"] == {"note": "Wang was ill", "until": None}
    digest = hashlib.sha256(b"Wang was ill").hexdigest()
    assert new["after"] == {"note": {"characters": 12, "sha256": digest}, "until": None}
    assert new["before"] == {"note": of_note("said Wang")}
    assert silent["after"] == {"note": ""}
    assert verify(tmp_path).faults == []


@pytest.mark.parametrize(
    ("path", "body"),
    [("acknowledge", {}), ("shelve", {"until": "2099-01-01T00:00:00Z"}), ("note", {}), ("/api/v1/handover", {}), ("/api/v1/maintenance", {"target": "underpass-1", "until": "2099-01-01T00:00:00Z"})],
)  # fmt: skip
async def test_no_act_brings_words_into_the_audit(hub: Hub, path: str, body: dict[str, Any]) -> None:
    async with asking(hub) as client:
        found = await warning(client)
        address = path if path.startswith("/") else f"/api/v1/alerts/{found['alert']}/{path}"
        answer = await client.post(address, json={**body, "note": "Wang was ill"})
        assert answer.status_code == 200, answer.text
    (noted,) = (entry for entry in entries(hub.data) if entry["after"] and entry["after"].get("note"))
    assert noted["after"]["note"] == of_note("Wang was ill")
    assert not [path for path in (hub.data / "audit").iterdir() if "Wang" in path.read_text()]
