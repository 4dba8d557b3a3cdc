"""Users by the API: made and changed by administrators, each act in the audit, passwords nowhere but as hashes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.access import audit, passwords
from hub.access.users import RoleGrant, User, load_users, save_user
from hub.app.hub import Hub
from tests.acceptance.running import write_city
from tests.hub.askers import PASSWORD, as_user, give_passwords
from tests.hub.running import running

SECRET = "seven buses wait at dawn"
NORTH = {"role": "operator", "areas": ["north"], "personal": True}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    folder = write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\n')
    for name, grant in (
        ("chief", RoleGrant("administrator")),
        ("part", RoleGrant("administrator", areas=("north",))),
        ("li", RoleGrant("viewer")),
    ):
        save_user(folder / "users.toml", User(name, "", (grant,)))
    give_passwords(folder)
    async with running(folder) as hub:
        yield hub


def kept(hub: Hub) -> dict[str, User]:
    return load_users(hub.state.roll.path)[0]


async def log_in(hub: Hub, user: str, password: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=hub.address, timeout=60) as client:
        return await client.post("/api/v1/login", json={"user": user, "password": password})


async def test_an_administrator_makes_and_changes_a_user(hub: Hub) -> None:
    async with as_user(hub, "chief") as client:
        made = await client.post(
            "/api/v1/users", json={"user": "wang", "name": "Wang Li", "password": SECRET, "grants": [NORTH]}
        )
        assert made.status_code == 200, made.text
        assert made.json() == {"user": "wang", "name": "Wang Li", "disabled": False, "password": True, "grants": ["operator of areas north with personal data"]}  # fmt: skip
        assert kept(hub)["wang"].grants == (RoleGrant("operator", areas=("north",), personal=True),)
        assert (await log_in(hub, "wang", SECRET)).status_code == 200
        async with as_user(hub, "wang") as wang:
            assert (await wang.get("/api/v1/devices")).status_code == 200
            changed = await client.post("/api/v1/users/wang", json={"password": PASSWORD + "!"})
            assert changed.json()["grants"] == made.json()["grants"]
            assert (await wang.get("/api/v1/devices")).status_code == 401, "a new password ends the sessions"
        assert (await log_in(hub, "wang", SECRET)).status_code == 401
        assert (await client.post("/api/v1/users/wang", json={"disabled": True})).json()["disabled"] is True
        assert (await log_in(hub, "wang", PASSWORD + "!")).status_code == 401
        assert (await client.post("/api/v1/users/wang", json={"disabled": False, "grants": []})).json()["grants"] == []
        listed = (await client.get("/api/v1/users?limit=2&skip=2")).json()
        assert [one["user"] for one in listed["users"]] == ["li", "wang"]
    entries = [one for one in audit.entries(hub.data) if one["target"] == "wang"]
    assert [(one["who"], one["action"], one["outcome"]) for one in entries] == [("chief", "users add", "allowed")] + [("chief", "users change", "allowed")] * 3  # fmt: skip
    assert entries[-1]["before"]["disabled"] is True
    assert entries[0]["after"]["password"] == "set"
    everything = b"".join(
        path.read_bytes() for path in hub.data.rglob("*") if path.is_file() and path.name != "hub.sock"
    )
    assert SECRET.encode() not in everything + hub.state.roll.path.read_bytes()
    assert passwords.right(passwords.load(hub.data)["wang"], PASSWORD + "!")
    assert audit.verify(hub.data).faults == []


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("", {"user": "li"}, 409, "there is a user 'li' already"),
        ("", {"user": "Wang Li"}, 400, "no name to log in with"),
        ("", {"user": "x", "password": "short"}, 400, "8 to 200 characters"),
        ("", {"user": "x", "grants": [{"role": "king"}]}, 400, "there is no role 'king'"),
        ("", {"user": "x", "grants": [{"role": "viewer", "area": ["north"]}]}, 400, "unknown field"),
        ("", {"user": "x", "grants": [{"role": "viewer", "areas": []}]}, 400, "areas"),
        ("", {"user": "x", "grants": [{"role": "viewer", "areas": [" "]}]}, 400, "areas has an empty name"),
        ("", {"user": "x", "admin": True}, 400, "unknown field"),
        ("", {}, 400, "user is missing"),
        ("/nobody", {"name": "x"}, 404, "there is no user 'nobody'"),
        ("/chief", {"disabled": True}, 409, "shut yourself out"),
        ("/chief", {"grants": [{"role": "administrator", "areas": ["north"]}]}, 409, "shut yourself out"),
        ("/li", {"name": "x\ny"}, 400, "a short text on one line"),
    ],
)
async def test_what_is_wrong_changes_nothing(
    hub: Hub, path: str, body: dict[str, Any], status: int, words: str
) -> None:
    before = kept(hub)
    async with as_user(hub, "chief") as client:
        answer = await client.post(f"/api/v1/users{path}", json=body)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text
    assert kept(hub) == before


async def test_nobody_else_does(hub: Hub) -> None:
    before = kept(hub)
    for who in ("li", "part"):
        async with as_user(hub, who) as client:
            for path in ("", "/li"):
                answer = await client.post(
                    f"/api/v1/users{path}", json={"user": "me", "grants": [{"role": "administrator"}]}
                )
                assert answer.status_code == 403, (who, path)
    assert kept(hub) == before


async def test_the_first_user_is_made_on_the_machine(tmp_path: Path) -> None:
    """From then on the hub asks everybody, so no program that happens to reach it may decide that."""
    async with running(write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\n')) as hub:
        first = {"user": "chief", "grants": [{"role": "administrator"}]}
        async with httpx.AsyncClient(base_url=hub.address, timeout=60) as client:
            refused = await client.post("/api/v1/users", json=first)
            assert (refused.status_code, "cityhub users add" in refused.json()["detail"]) == (409, True)
            assert (await client.get("/api/v1/devices")).status_code == 200
            way = httpx.AsyncHTTPTransport(uds=str(hub.data / "hub.sock"))
            async with httpx.AsyncClient(transport=way, base_url="http://hub", timeout=60) as local:
                assert (await local.post("/api/v1/users", json=first)).status_code == 200
            assert (await client.get("/api/v1/devices")).status_code == 401


# ------------------------------------------------------------------------------------------------- how often


@pytest.fixture
async def narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    """A hub that lets a token ask 3 times at once, and an address 8 times, and then once in an hour: no busy machine is too slow for that."""
    monkeypatch.setattr("hub.api.limits.BURST_S", 10_000)
    folder = write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\ntokens_file = "tokens.toml"\nprincipal_per_s = 0.0003\naddress_per_s = 0.0008\n')  # fmt: skip
    (folder / "tokens.toml").write_text(
        "".join(f'[tokens.{name}]\ntoken = "{name}"\nroles = ["view", "ingest"]\n' for name in ("a", "b", "c"))
    )
    async with running(folder) as hub:
        yield hub


async def test_who_asks_too_often_hears_when_to_come_again_and_others_go_on(narrow: Hub) -> None:
    async with httpx.AsyncClient(base_url=narrow.address, timeout=60) as client:

        async def ask(path: str, token: str, **more: Any) -> httpx.Response:
            return await client.request(
                "POST" if more else "GET", path, headers={"authorization": f"Bearer {token}"}, **more
            )

        found = [(await ask("/api/v1/maintenance", "a")).status_code for _ in range(4)]
        assert found == [200, 200, 200, 429]
        other = await ask("/api/v1/maintenance", "b")
        assert other.status_code == 200
        refused = await ask("/api/v1/maintenance", "a")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "3333")
        assert "the token 'a' asks more often than 0.0003 times a second" in refused.json()["detail"]
        codes = [(await ask("/api/v1/maintenance", token)).status_code for token in ("wrong", "wrong", "c", "c")]
        assert codes == [401, 401, 429, 429], "the address has used up its share"
        told = await ask("/api/v1/maintenance", "c")
        assert "the address 127.0.0.1" in told.json()["detail"]
        for _ in range(5):  # readings and probes come in all the same
            assert (
                await ask("/api/v1/readings", "a", json={"device": "gauge-7", "values": {"water_level": 1.0}})
            ).status_code == 200
            assert (await client.get("/healthz")).status_code == 200
        assert (await ask("/api/v1/readings", "wrong", json={})).status_code == 429, "but not to guess tokens"
    assert narrow.state.limited == {"principal": 2, "address": 4}
    async with httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=str(narrow.data / "hub.sock")), base_url="http://hub"
    ) as local:
        text = (await local.get("/metrics")).text
        assert 'cityhub_requests_limited_total{by="address"} 4' in text
        assert all([(await local.get("/api/v1/maintenance")).status_code == 200 for _ in range(12)]), (
            "commands on the machine"
        )
