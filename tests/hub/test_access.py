"""Users: who gets in, what each sees and may do, and that every act stands in the audit under an authenticated name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from hub.access import audit, passwords
from hub.access.backoff import Backoff
from hub.access.rights import ROLES
from hub.access.users import RoleGrant, User, load_users, save_user
from hub.api.endpoint import Endpoint
from hub.api.gate import Authority
from hub.api.routes import endpoints
from hub.api.sensorthings.entities import number as id_of
from hub.app.hub import Hub
from hub.cli import main
from tests.acceptance.running import write_city
from tests.dashboards.browser import Browser
from tests.hub.askers import PASSWORD, as_token, as_user, give_passwords, words_of
from tests.hub.running import running, shown

DEVICES = """device,name,kind,lon,lat,area,fleet
own-gauge,Own Gate,underpass-gauge,121.491,31.241,north,
own-bus,Own Bus,bus,121.492,31.241,north,blue
foreign-gauge,Foreign Gate,underpass-gauge,121.591,31.341,south,
foreign-bus,Foreign Bus,bus,121.592,31.341,south,red
"""
CAMERAS = """camera,name,lon,lat,height_m,azimuth_deg,tilt_deg,hfov_deg,range_m,ptz,area
own-eye,Own Eye,121.4915,31.2412,8,,,,300,true,north
foreign-eye,Foreign Eye,121.4916,31.2412,8,,,,300,true,south
"""
ZONES = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"zone": f"{whose}-yard", "kind": "yard", "name": f"{whose} Yard", "area": area},
            "geometry": {"type": "Polygon", "coordinates": [[[lon, 31.2], [lon + 0.01, 31.2], [lon + 0.01, 31.3], [lon, 31.2]]]},
        }
        for whose, area, lon in (("own", "north", 121.4), ("foreign", "south", 121.5))
    ],
}  # fmt: skip
FOREIGN = "oreign"
"""Stands in every name of the other area."""


@pytest.fixture(scope="module")
def city_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city with a user of each role, over everything and over the north; all have one password, hashed once."""
    folder = write_city(tmp_path_factory.mktemp("city"), '[api]\nlisten = "127.0.0.1:0"\ntokens_file = "tokens.toml"\n')
    (folder / "devices.csv").write_text(DEVICES)
    (folder / "cameras.csv").write_text(CAMERAS)
    (folder / "zones.geojson").write_text(json.dumps(ZONES))
    (folder / "tokens.toml").write_text(
        '[tokens.feed]\ntoken = "feed"\nroles = ["ingest"]\n[tokens.desk]\ntoken = "desk"\nroles = ["view", "operate"]\n'
        '[tokens.north-desk]\ntoken = "north-desk"\nroles = ["view", "operate"]\nareas = ["north"]\n'
    )
    for role in ROLES:
        save_user(folder / "users.toml", User(f"{role}-all", role, (RoleGrant(role),)))
        save_user(folder / "users.toml", User(f"{role}-north", role, (RoleGrant(role, areas=("north",)),)))
    save_user(folder / "users.toml", User("blue-fleet", "", (RoleGrant("fleet-manager", fleets=("blue",)),)))
    give_passwords(folder)
    return folder


@pytest.fixture
async def hub(city_folder: Path) -> AsyncIterator[Hub]:
    async with running(city_folder) as hub:
        yield hub


async def flood(hub: Hub) -> dict[str, str]:
    """Both gauges warn, both buses drive, a stranger knocks. Gives the open warnings by subject."""
    async with as_token(hub, "feed") as client:
        for whose in ("own", "foreign"):
            await client.post("/api/v1/readings", json={"device": f"{whose}-gauge", "values": {"water_depth": 0.5}})
            await client.post("/api/v1/readings", json={"device": f"{whose}-bus", "values": {"speed": 30}, "lon": 121.49, "lat": 31.24})  # fmt: skip
            await client.post("/api/v1/readings", json={"device": f"{whose}-gauge", "values": {"water_depth": "deep"}})
        await client.post("/api/v1/readings", json={"device": "foreign-knock", "values": {"water_depth": 0.5}})
    async with asyncio.timeout(60):
        while len(found := {item.subject: item.alert for item in hub.state.alerts.open.values()}) < 2:
            await asyncio.sleep(0.02)
    async with as_token(hub, "desk") as client:
        await shown(client)
    return found


def table(hub: Hub) -> list[Endpoint]:
    return endpoints(hub.state, Authority(hub.state, False))


def address(item: Endpoint, whose: str, alerts: dict[str, str]) -> str:
    """The route's path, about something of the own or the foreign area."""
    path = item.path.replace("{device:path}", f"{whose}-bus").replace("{alert:path}", alerts[f"{whose}-gauge"])
    path = path.replace("{id:path}", f"{whose}-gauge@2030-01-01T00:00:00Z").replace("{what}", "devices")
    stream = id_of(f"{whose}-gauge", "water_depth")
    asks = (
        "Observations?$expand=Datastream($expand=Thing)"
        if item.method == "GET"
        else f"Datastreams({stream})/Observations"
    )
    path = path.replace("{path:path}", asks).replace("report/devices", "report/fleet")
    return path.replace("{action}", "acknowledge" if "alerts" in path else "retry")


BODIES: dict[str, Any] = {
    "/api/v1/maintenance": {"target": "{whose}-gauge", "from": "2030-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"},
    "/api/v1/devices/{device:path}/command": {"command": "locate"},
    "/sensorthings/v1.1/{path:path}": {"result": 0.5},
    "/api/v1/readings": {"device": "{whose}-gauge", "values": {"water_depth": 0.5}},
}
QUERIES = {
    "/api/v1/quarantine/decode": "?offset=0",
    "/api/v1/roses": "?device=own-gauge&span=2026-11",
    "/api/v1/report/{what}": "?format=xlsx",
    "/api/v1/trips": "?device=own-gauge",
    "/api/v1/tracks": "?device=own-gauge",
    "/api/v1/cameras": "?at=121.4915,31.2412&limit=50",
    "/api/v1/series": "?from=2020-01-01T00:00:00Z&every=86400000",
}
"""Where a route answers nothing without a question."""


async def test_every_role_at_every_route_in_the_own_and_a_foreign_area(hub: Hub) -> None:
    """Made from the routes. A new one is tried by being there, and fails where it opens without a right or tells of others."""
    alerts = await flood(hub)
    async with as_user(hub, "administrator-all") as client:
        for whose in ("own", "foreign"):
            planned = json.loads(json.dumps(BODIES["/api/v1/maintenance"]).replace("{whose}", whose))
            assert (await client.post("/api/v1/maintenance", json=planned)).status_code == 200
    tried = 0
    for role, rights in ROLES.items():
        for part in ("all", "north"):
            async with as_user(hub, f"{role}-{part}") as client:
                for item in table(hub):
                    if item.right is None or item.local:
                        continue
                    for whose in ("own", "foreign"):
                        tried += 1
                        path = address(item, whose, alerts) + QUERIES.get(item.path, "")
                        told = (role, part, item.method, path)
                        status, text = await asked(client, item, path, whose)
                        granted = item.right in rights and not (item.whole and part == "north")
                        if not granted:
                            assert status == 403, told
                        elif item.method == "GET" and "{device" in item.path and (part, whose) == ("north", "foreign"):
                            assert status == 404, (told, text)  # as for one that is not there
                        elif item.path == "/api/v1/quarantine/decode":
                            assert status == (200 if "personal" in rights else 403), (
                                told,
                                text,
                            )  # bytes may name anybody
                        elif "{camera" in item.path:
                            assert status == 404, (told, text)  # no camera there gives pictures
                        elif item.method == "GET":
                            assert status == 200, (told, text)
                            assert part == "all" or FOREIGN not in text, (told, text[max(0, text.find(FOREIGN) - 200) :][:400])  # fmt: skip
                        elif part == "north" and whose == "foreign":
                            assert status in (400, 403, 404), (told, text)
                        else:
                            assert status not in (401, 403), (told, text)
    assert tried > 300


async def asked(client: httpx.AsyncClient, item: Endpoint, path: str, whose: str) -> tuple[int, str]:
    if item.media == "text/event-stream":
        async with client.stream("GET", path) as answer:
            return answer.status_code, await first_status(answer) if answer.status_code == 200 else ""
    body = json.dumps(BODIES.get(item.path, {})).replace("{whose}", whose)
    if item.method == "GET":
        answer = await client.get(path)
    else:
        answer = await client.post(path, content=body, headers={"content-type": "application/json"})
    return answer.status_code, words_of(answer)


async def first_status(answer: httpx.Response) -> str:
    text = ""
    async for piece in answer.aiter_text():
        text += piece
        if "event: status" in text and text.endswith("\n\n"):
            return text
    return text


async def test_what_a_person_may_not_see_is_in_no_list_and_no_count(hub: Hub) -> None:
    await flood(hub)
    async with as_user(hub, "viewer-north") as client, as_token(hub, "north-desk") as token:
        for asking in (client, token):
            assert [one["device"] for one in (await asking.get("/api/v1/devices")).json()["devices"]] == ["own-bus", "own-gauge"]  # fmt: skip
            assert [one["subject"] for one in (await asking.get("/api/v1/alerts")).json()["open"]] == ["own-gauge"]
            status = (await asking.get("/api/v1/status")).json()
            assert (status["devices"], status["open_alerts"], status["adapters"]) == (2, 1, [])
            city = (await asking.get("/api/v1/city")).json()
            assert [one["camera"] for one in city["cameras"]] == ["own-eye"]
            assert [one["zone"] for one in city["zones"]] == ["own-yard"]
            seen = (await asking.get("/api/v1/cameras?at=121.4915,31.2412&limit=1")).json()["cameras"]
            assert [one["camera"] for one in seen] == ["own-eye"], "the limit counts what is seen"
            async with asyncio.timeout(60):
                while not (rows := (await asking.get("/api/v1/series?metric=water_depth")).json()["rows"]):
                    await asyncio.sleep(0.05)
            assert {row["device"] for row in rows} == {"own-gauge"}
            assert (await asking.get("/api/v1/series?device=foreign-gauge")).json()["rows"] == []
            kept = (await asking.get("/api/v1/quarantine")).json()["entries"]
            assert {one["device"] for one in kept} == {"own-gauge"}
            assert {one["raw_hex"] for one in kept} == {""}
    async with as_user(hub, "blue-fleet") as client:
        assert [one["device"] for one in (await client.get("/api/v1/devices")).json()["devices"]] == ["own-bus"]
        assert (await client.get("/api/v1/city")).json()["cameras"] == []


async def test_the_warning_says_the_authenticated_name_and_the_audit_before_and_after(
    hub: Hub, city_folder: Path
) -> None:
    alerts = await flood(hub)
    path = f"/api/v1/alerts/{alerts['foreign-gauge']}/acknowledge"
    async with as_user(hub, "operator-all") as client:
        assert (await client.post(path, json={"who": "desk", "note": "x"})).status_code == 403  # another's name
        assert (await client.post(path, json={"who": "The Mayor", "note": "seen"})).status_code == 200
        async with asyncio.timeout(60):
            while hub.state.alerts.open[alerts["foreign-gauge"]].acknowledged_by != "operator-all":
                await asyncio.sleep(0.02)
    noted = [one for one in audit.entries(hub.data) if one["target"] == alerts["foreign-gauge"]][-1]
    assert (noted["who"], noted["kind"], noted["action"], noted["address"]) == ("operator-all", "user", "acknowledge", "127.0.0.1")  # fmt: skip
    assert noted["after"]["note"] == audit.of_note("seen [The Mayor]")
    assert "acknowledged_by" in noted["before"]
    assert [one["outcome"] for one in audit.entries(hub.data) if one["action"] == "operate"][-1:] == ["refused"]
    async with as_user(hub, "administrator-all") as client:
        shown = (await client.get("/api/v1/audit?limit=1")).json()
        assert len(shown["entries"]) == 1
        assert shown["truncated"]
    assert audit.verify(hub.data).faults == []


async def test_what_cannot_be_noted_is_not_done(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    alerts = await flood(hub)

    def full(*_: object) -> int:
        raise audit.AuditUnavailable("the audit cannot be written (No space left on device)")

    monkeypatch.setattr(hub.state.audit, "append", full)
    async with as_user(hub, "operator-all") as client:
        answer = await client.post(
            f"/api/v1/alerts/{alerts['own-gauge']}/shelve", json={"until": "2100-01-01T00:00:00Z"}
        )
        assert (answer.status_code, "so it is not done" in answer.json()["detail"]) == (503, True)
        assert hub.state.alerts.open[alerts["own-gauge"]].shelved_until is None


async def test_a_stream_goes_on_where_it_was_left(hub: Hub) -> None:
    """By the id of the last event that was heard: every change of a warning since then, and each once."""

    async def events(
        client: httpx.AsyncClient, last: str, enough: Callable[[list[tuple[str, str, Any]]], bool]
    ) -> list[tuple[str, str, Any]]:
        found: list[tuple[str, str, Any]] = []
        async with (
            client.stream("GET", "/api/v1/stream", headers={"last-event-id": last}) as answer,
            asyncio.timeout(60),
        ):
            text = ""
            async for piece in answer.aiter_text():
                text += piece
                *whole, text = text.split("\n\n")
                for block in whole:
                    lines = dict(line.split(": ", 1) for line in block.split("\n"))
                    found.append((lines["id"], lines["event"], json.loads(lines["data"])))
                if enough(found):
                    return found
        raise AssertionError("the stream ended")

    alerts = await flood(hub)
    async with as_token(hub, "desk") as client:
        heard = await events(client, "", lambda found: any(event == "status" for _, event, _ in found))
        last = heard[-1][0]
        before = hub.log.alerts.next
        for note in ("one", "two"):  # while nobody listens
            path = f"/api/v1/alerts/{alerts['own-gauge']}/acknowledge"
            assert (await client.post(path, json={"note": note})).status_code == 200
        await client.post("/api/v1/readings", json={"device": "own-bus", "values": {"speed": 31}}, headers={"authorization": "Bearer feed"})  # fmt: skip
        async with asyncio.timeout(60):
            while hub.log.alerts.next < before + 2 or hub.live.devices["own-bus"].values["speed"] != 31:
                await asyncio.sleep(0.02)
        again = await events(client, last, lambda found: any(event == "status" for _, event, _ in found))
        assert [data["note"] for _, event, data in again if event == "change"] == ["one", "two"]
        assert "own-bus" in {one["device"] for _, event, data in again if event == "devices" for one in data["devices"]}
        middle = next(id for id, event, _ in again if event == "change")
        rest = await events(client, middle, lambda found: any(event == "status" for _, event, _ in found))
        assert [data["note"] for _, event, data in rest if event == "change"] == ["two"]
        for odd in ("x", "-1", "9" * 400, "99999999999999999-1-1"):
            assert await events(client, odd, lambda found: any(event == "status" for _, event, _ in found))


# ------------------------------------------------------------------------------------------------- log-in


async def test_log_in_act_and_log_out(hub: Hub) -> None:
    async with httpx.AsyncClient(base_url=hub.address, timeout=30) as client:
        assert (await client.get("/api/v1/alerts")).status_code == 401
        assert (await client.get("/api/v1/session")).json()["password"] is True
        answer = await client.post("/api/v1/login", json={"user": "operator-north", "password": PASSWORD})
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        told = answer.json()
        assert (told["user"], told["grants"], told["limited"]) == ("operator-north", ["operator of areas north"], True)
        assert (await client.get("/api/v1/alerts")).status_code == 200
        body = {"target": "own-gauge", "until": "2100-01-01T00:00:00Z"}
        forged = await client.post("/api/v1/maintenance", json=body)
        assert (forged.status_code, "X-CSRF-Token" in forged.json()["detail"]) == (403, True)
        assert (
            await client.post("/api/v1/maintenance", json=body, headers={"X-CSRF-Token": "guess"})
        ).status_code == 403
        csrf = {"X-CSRF-Token": told["csrf"]}
        assert (await client.post("/api/v1/maintenance", json=body, headers=csrf)).status_code == 200
        assert (await client.post("/api/v1/logout")).status_code == 403
        kept = dict(client.cookies)
        assert (await client.post("/api/v1/logout", headers=csrf)).status_code == 200
        client.cookies.update(kept)
        assert (await client.get("/api/v1/alerts")).status_code == 401, "the session is over, not only the cookie gone"


async def test_guessing_is_slowed_and_says_nothing_of_who_is_there(hub: Hub) -> None:
    async with httpx.AsyncClient(base_url=hub.address, timeout=60) as client:
        answers = [
            (await client.post("/api/v1/login", json={"user": user, "password": "wrong wrong"})).json()["detail"]
            for user in ("viewer-all", "nobody")
        ]
        assert answers[0] == answers[1]
        for _ in range(10):
            answer = await client.post("/api/v1/login", json={"user": "viewer-all", "password": "wrong wrong"})
            if answer.status_code == 429:
                break
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        right = await client.post("/api/v1/login", json={"user": "viewer-all", "password": PASSWORD})
        assert right.status_code == 429, "a right guess during the wait is not told"
        assert (
            await client.post("/api/v1/login", json={"user": "viewer-north", "password": PASSWORD})
        ).status_code == 200
    assert [one["outcome"] for one in audit.entries(hub.data) if one["who"] == "nobody"] == ["refused"]


@pytest.mark.acceptance
async def test_a_person_logs_in_acts_and_logs_out_in_the_console(hub: Hub, tmp_path: Path) -> None:
    alerts = await flood(hub)

    def by_hand() -> None:
        with Browser(tmp_path) as browser:
            browser.go(f"{hub.address}/#alert={alerts['own-gauge']}")
            browser.wait("!!document.querySelector('#door input[name=user]')", "no log-in page")
            fill = "const set = (name, text) => { document.querySelector(`#door input[name=${name}]`).value = text; };"
            enter = "document.querySelector('#door button.go').click();"
            browser.ask(
                f"(() => {{ {fill} set('user', 'operator-north'); set('password', 'wrong wrong'); {enter} }})()"
            )
            browser.wait(
                "document.querySelector('#door .told').textContent.includes('no user')", "a wrong password was not told"
            )
            browser.ask(f"(() => {{ {fill} set('password', {PASSWORD!r}); {enter} }})()")
            browser.wait("!document.getElementById('leave').hidden", "the log-in did not work")
            browser.wait("document.body.textContent.includes('Own Gate')", "nothing is shown")
            assert not browser.ask("document.body.textContent.includes('Foreign Gate')")
            told = "fetch('/api/v1/session').then((a) => a.json()).then((s) => { window.told = s; }); document.cookie"
            assert browser.ask(told) == "", "a page can read the cookie"
            browser.wait("!!window.told?.csrf", "no session")
            browser.ask("document.getElementById('leave').click()")
            browser.wait("!!document.querySelector('#door input[name=user]')", "the log-out did not work")

    await asyncio.to_thread(by_hand)


def test_each_further_failure_doubles_the_wait_and_an_hour_forgives() -> None:
    at = 0.0
    slow = Backoff(lambda: at, free=2, longest_s=10)
    waits = []
    for _ in range(7):
        slow.failed("x")
        waits.append(slow.wait_s("x"))
    assert waits == [0, 1, 2, 4, 8, 10, 10]
    assert slow.wait_s("y") == 0
    at = 3700.0
    assert slow.wait_s("x") == 0


async def test_a_disabled_user_is_out_at_once_and_so_is_an_open_stream(hub: Hub, city_folder: Path) -> None:
    path = city_folder / "users.toml"
    user = load_users(path)[0]["viewer-north"]
    async with as_user(hub, "viewer-north") as client, client.stream("GET", "/api/v1/stream") as stream:
        assert stream.status_code == 200
        save_user(path, msgspec.structs.replace(user, disabled=True))
        try:
            assert (await client.get("/api/v1/alerts")).status_code == 401
            async with asyncio.timeout(60):
                async for _ in stream.aiter_bytes():
                    pass
        finally:
            save_user(path, user)


async def test_a_broken_users_file_keeps_the_users_of_before_and_is_told(tmp_path: Path) -> None:
    folder = write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\n')
    save_user(folder / "users.toml", User("li", "", (RoleGrant("viewer"),)))
    passwords.store(folder / "var", "li", PASSWORD)
    async with running(folder) as hub, as_user(hub, "li") as client:
        (folder / "users.toml").write_text("[users.li]\nrole = 7\n")
        assert (await client.get("/api/v1/alerts")).status_code == 200
        [ill] = [part for part in hub.health.parts() if part.name == "users"]
        assert (ill.state, "the users of before stay" in ill.reason) == ("degraded", True)
        (folder / "users.toml").unlink()
        async with httpx.AsyncClient(base_url=hub.address) as stranger:
            assert (await stranger.get("/api/v1/alerts")).status_code == 401, "a file that is gone opens no door"


# ------------------------------------------------------------------------------------------------- commands and files


def test_users_are_managed_by_commands_and_the_file_keeps_its_comments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: object) -> int:
        return main([str(argument) for argument in arguments])

    folder = write_city(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    assert told("users", "add", folder, "wang", "--role", "operator", "--area", "north", "--password-file", secret) == 0
    path = folder / "users.toml"
    path.write_text("# reviewed by Li\n" + path.read_text())
    assert PASSWORD not in path.read_text()
    assert "argon2" not in path.read_text()
    assert (folder / "var" / passwords.FILE).stat().st_mode & 0o077 == 0
    kept = passwords.load(folder / "var")["wang"]
    assert kept.startswith("$argon2id$")
    assert passwords.right(kept, PASSWORD)
    assert told("users", folder, "grant", "wang", "--role", "fleet manager", "--fleet", "blue") == 0
    assert told("users", "disable", folder, "wang") == 0
    capsys.readouterr()
    assert told("users", "list", folder, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {
        "user": "wang", "name": "", "disabled": True, "password": True,
        "grants": ["operator of areas north", "fleet-manager of fleets blue"],
    }  # fmt: skip
    assert path.read_text().startswith("# reviewed by Li\n")
    assert told("users", "grant", folder, "wang", "--role", "king") == 2
    assert told("users", "grant", folder, "nobody", "--role", "viewer") == 1
    assert [one["action"] for one in audit.entries(folder / "var")] == ["users add", "users grant", "users disable"]
    assert told("audit", "verify", folder) == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[users.wang]\nrole = "x"\n', "unknown field `role`"),
        ('[users.wang]\n[[users.wang.grants]]\nrole = "king"\n', "there is no role 'king'"),
        ('[users.wang]\n[[users.wang.grants]]\nrole = "viewer"\narea = ["north"]\n', "was 'areas' meant?"),
        ('[users.wang]\n[[users.wang.grants]]\nrole = "viewer"\nareas = "north"\n', "expected `array`"),
        ('[users.wang]\n[[users.wang.grants]]\nrole = "viewer"\nareas = [""]\n', "areas has an empty name"),
        ('[users."Wang Li"]\n', "is no name to log in with"),
        ("[user.wang]\n", "unknown key 'user'"),
        ("users = 7\n", "users is a table"),
        ("[users.wang", "is not valid TOML"),
    ],
)
def test_a_users_file_is_read_strictly(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "users.toml").write_text(text)
    users, mistakes = load_users(tmp_path / "users.toml")
    assert users == {}
    assert sentence in str(mistakes[0])


# ------------------------------------------------------------------------------------------------- the chain


def record(data: Path, count: int) -> list[Path]:
    written = audit.Audit(data)
    for number in range(count):
        written.append(audit.Act("li", "user", "::1", "acknowledge", f"alert {number}", after={"水": 'a","hash":"b'}), number * 10**18)  # fmt: skip
    return sorted((data / audit.FOLDER).iterdir())


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda lines: [*lines[:1], lines[1].replace(b'"li"', b'"wu"'), *lines[2:]], "entry 2 was changed"),
        (lambda lines: [*lines[:1], *lines[2:]], "entry 3 follows entry 1"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "entry 2 follows entry 0"),
        (lambda lines: lines[:-1], "the end was cut off"),
        (lambda lines: lines[1:], "entry 2 follows entry 0"),
        (lambda lines: [*lines, lines[-1]], "entry 4 follows entry 4"),
        (lambda lines: [*lines[:2], b"{}\n", *lines[2:]], "this line is no entry"),
        (lambda lines: [], "the end was cut off"),
    ],
)  # fmt: skip
def test_whatever_is_done_to_the_audit_shows(tmp_path: Path, harm: Any, sentence: str) -> None:
    at = 1_700_000_000 * 10**9
    for number in range(4):
        audit.Audit(tmp_path).append(audit.Act("li", "user", "::1", "acknowledge", f"alert {number}"), at)
    assert audit.verify(tmp_path).faults == []
    [path] = (tmp_path / audit.FOLDER).iterdir()
    path.write_bytes(b"".join(harm(path.read_bytes().splitlines(keepends=True))))
    faults = audit.verify(tmp_path).faults
    assert any(sentence in fault for fault in faults), faults


def test_the_chain_goes_on_over_months_crashes_and_a_clock_that_is_set_back(tmp_path: Path) -> None:
    files = record(tmp_path, 3)
    assert len(files) == 3
    with files[-1].open("ab") as file:
        file.write(b'{"number":4,"at":"20')  # a crash in the middle of a line
    again = audit.Audit(tmp_path)
    assert again.append(audit.Act("li", "user", "::1", "shelve"), 0) == 4
    found = audit.verify(tmp_path)
    assert (found.entries, found.faults) == (4, [])
    assert len(list(audit.entries(tmp_path))) == 4
