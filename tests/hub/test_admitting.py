"""Unknown devices admitted or refused: what is written into the city's file, who may, and that the hub takes it over."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.access import audit
from hub.access.users import RoleGrant, User, save_user
from hub.app.admitting import NotProposed, propose, refuse
from hub.app.hub import Hub
from hub.model import Refusal
from hub.registry import load_registry
from tests.acceptance.running import write_city
from tests.hub.askers import as_user, give_passwords
from tests.hub.running import running

HEADER = "device,name,kind,lon,lat,elevation_m,area,operator\n"


@pytest.mark.parametrize(
    ("before", "line", "after"),
    [
        (b"", 2, HEADER.encode() + b"new,,,,,,,\n"),
        (b"device,name\na,A\n", 3, b"device,name\na,A\nnew,\n"),
        (b"name,device\nA,a", 3, b"name,device\nA,a\n,new\n"),
        (b"device,name\r\na,A\r\n", 3, b"device,name\r\na,A\r\nnew,\r\n"),
        (b"\xef\xbb\xbfdevice,name\r\na,\xe4\xb8\x9c\r\n", 3, b"\xef\xbb\xbfdevice,name\r\na,\xe4\xb8\x9c\r\nnew,\r\n"),
        (b"device,name\n# a comment\n\na,A\n", 5, b"device,name\n# a comment\n\na,A\nnew,\n"),
    ],
)
def test_the_file_gets_one_line_and_keeps_every_byte(tmp_path: Path, before: bytes, line: int, after: bytes) -> None:
    path = tmp_path / "devices.csv"
    if before:
        path.write_bytes(before)
    found = propose(tmp_path, "new", {})
    assert (found.content, found.line) == (after, line)
    assert path.exists() == bool(before), "nothing is written yet"


def test_texts_with_commas_and_quotes_read_back_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "devices.csv").write_text(HEADER)
    found = propose(tmp_path, 'x,"1"', {"name": "=1+1, 东门", "kind": "bus", "lon": "121.5", "lat": "31.2"})
    (tmp_path / "devices.csv").write_bytes(found.content)
    registry, mistakes = load_registry(tmp_path)
    assert not mistakes
    device = registry.devices['x,"1"']
    assert (device.name, device.kind, device.position and device.position.lon) == ("=1+1, 东门", "bus", 121.5)


@pytest.mark.parametrize(
    ("file", "device", "row", "why"),
    [
        (HEADER, "# comment", {}, "cannot stand"),
        (HEADER, " blank ", {}, "cannot stand"),
        ("device,name\n", "x", {"plate": "A1"}, "no column 'plate'"),
        (HEADER + "x,,,,,,,\n", "x", {}, "stands twice"),
        (HEADER, "x", {"lon": "500", "lat": "1"}, "lon"),
        ("name\n", "x", {}, "no column 'device'"),
    ],
)
def test_what_would_not_read_back_is_not_proposed(tmp_path: Path, file: str, device: str, row: dict[str, str], why: str) -> None:  # fmt: skip
    (tmp_path / "devices.csv").write_text(file)
    with pytest.raises(NotProposed, match=why):
        propose(tmp_path, device, row)


def test_a_file_in_the_systems_own_encoding_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "devices.csv").write_bytes("device,name\na,东门\n".encode("gbk"))
    with pytest.raises(NotProposed, match="UTF-8"):
        propose(tmp_path, "x", {})


def test_refusals_read_back(tmp_path: Path) -> None:
    said = {"jt808:0": Refusal(1_700_000_000_000_000_000, "li", 'a, "b"'), "x": Refusal(1_700_000_001_000_000_000)}
    refuse(tmp_path, said)
    assert load_registry(tmp_path)[0].refused == said
    refuse(tmp_path, {})
    assert load_registry(tmp_path)[0].refused == {}
    with pytest.raises(NotProposed):
        refuse(tmp_path, {"#x": Refusal(1_700_000_000_000_000_000)})


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    folder = write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\nunknown_devices = "quarantine"\n')
    for name, role in (("chief", "administrator"), ("ing", "engineer"), ("op", "operator")):
        save_user(folder / "users.toml", User(name, "", (RoleGrant(role),)))
    give_passwords(folder)
    async with running(folder) as hub:
        yield hub


async def knock(client: httpx.AsyncClient, device: str) -> httpx.Response:
    return await client.post("/api/v1/readings", json={"device": device, "values": {"water_depth": 0.1}})


async def test_an_engineer_admits_a_device_that_knocked(hub: Hub) -> None:
    path = hub.city.config.folder / "devices.csv"
    os.chmod(path, 0o640)
    async with as_user(hub, "ing") as client:
        assert (await knock(client, "gauge-new")).status_code == 400
        [known] = (await client.get("/api/v1/unknown")).json()["devices"]
        assert (known["device"], known["refused"]) == ("gauge-new", None)

        before = path.read_bytes()
        wanted: dict[str, Any] = {"device": "gauge-new", "name": "Mill lane", "kind": "underpass-gauge", "area": "north", "lon": 121.49, "lat": 31.24}  # fmt: skip
        shown = (await client.post("/api/v1/unknown/admit", json=wanted)).json()
        assert (shown["written"], path.read_bytes()) == (False, before), "only shown"
        assert shown["added"].startswith("gauge-new,Mill lane,underpass-gauge,121.49,31.24,")

        path.write_bytes(before + b"other,,,,,,,\n")
        late = await client.post("/api/v1/unknown/admit", json=wanted | {"base": shown["base"]})
        assert late.status_code == 409, "the file is another one by now"
        shown = (await client.post("/api/v1/unknown/admit", json=wanted)).json()
        done = (await client.post("/api/v1/unknown/admit", json=wanted | {"base": shown["base"]})).json()
        assert (done["written"], done["reload"]["mistakes"], done["line"]) == (True, [], shown["line"])
        assert path.read_bytes() == before + b"other,,,,,,,\n" + shown["added"].encode() + b"\n"
        assert path.stat().st_mode & 0o777 == 0o640, "whoever could read it still can, and nobody else"

        assert (await knock(client, "gauge-new")).status_code == 200, "it is taken from now on"
        assert (await client.get("/api/v1/unknown")).json()["devices"] == []
        assert (await client.post("/api/v1/unknown/admit", json=wanted)).status_code == 409
    entries = [one for one in audit.entries(hub.data) if one["action"] == "admit-device"]
    assert [(one["who"], one["target"], one["after"]["added"]) for one in entries] == [("ing", "gauge-new", shown["added"])]  # fmt: skip


async def test_a_device_is_refused_and_that_is_taken_back(hub: Hub) -> None:
    async with as_user(hub, "ing") as client:
        await knock(client, "stranger")
        said = (
            await client.post("/api/v1/unknown/refuse", json={"device": "stranger", "note": "of the next city"})
        ).json()
        assert said["refused"] == ["stranger"]
        [known] = (await client.get("/api/v1/unknown")).json()["devices"]
        assert (known["refused"]["who"], known["refused"]["note"]) == ("ing", "of the next city")
        assert (await knock(client, "stranger")).status_code == 400
        assert load_registry(hub.city.config.folder)[0].refused["stranger"].note == "of the next city"
        assert (await client.post("/api/v1/unknown/refuse", json={"device": "stranger", "refused": False})).status_code == 200  # fmt: skip
        assert (await client.get("/api/v1/unknown")).json()["devices"][0]["refused"] is None
        again = await client.post("/api/v1/unknown/refuse", json={"device": "stranger", "refused": False})
        assert again.status_code == 404
    actions = [one["action"] for one in audit.entries(hub.data)]
    assert actions.count("refuse-device") == actions.count("refuse-device-no-more") == 1


async def test_who_is_no_engineer_or_names_nobody_who_knocked_changes_nothing(hub: Hub) -> None:
    path = hub.city.config.folder / "devices.csv"
    before = path.read_bytes()
    async with as_user(hub, "op") as client:
        await knock(client, "x")
        for action in ("admit", "refuse"):
            assert (await client.post(f"/api/v1/unknown/{action}", json={"device": "x"})).status_code == 403
    async with as_user(hub, "ing") as client:
        await knock(client, "x")
        for wrong, status in (
            ({"device": "nobody"}, 404), ({"device": ""}, 400), ({"device": "x", "lon": 1.0}, 400), ({"device": "x", "name": "a\nb"}, 400),
            ({"device": "x", "more": {"plates": "1"}}, 400), ({"device": "x", "kind": " bus"}, 400),
        ):  # fmt: skip
            answer = await client.post("/api/v1/unknown/admit", json=wrong)
            assert answer.status_code == status, (wrong, answer.text)
    assert path.read_bytes() == before


async def test_a_folder_that_cannot_be_written_says_so(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("hub.app.admitting.replace", full)
    async with as_user(hub, "ing") as client:
        await knock(client, "x")
        shown = (await client.post("/api/v1/unknown/admit", json={"device": "x"})).json()
        answer = await client.post("/api/v1/unknown/admit", json={"device": "x", "base": shown["base"]})
        assert answer.status_code == 503
        assert "by hand" in answer.json()["detail"]
        assert (await client.get("/api/v1/unknown")).json()["devices"][0]["device"] == "x"
