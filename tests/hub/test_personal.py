"""Who drives, and where vehicles and phones are: no answer to anybody without the right has it.

The table is made from the routes and asks each for everything, so a new route is in it and fails where it tells.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from hub.access.rights import EVERYTHING, ROLES, Grant, Principal
from hub.access.users import RoleGrant, User, save_user
from hub.api.endpoint import Endpoint
from hub.api.gate import Authority
from hub.api.routes import endpoints
from hub.api.sensorthings.entities import number as id_of
from hub.api.sight import Sight
from hub.app.city import load_city
from hub.app.hub import Hub
from hub.app.plugins import Plugins
from hub.metrics import read, use_city, vocabulary
from hub.model import AlertChange, Change, Message, Motion, Position, Reading
from hub.moment import SECOND, to_text
from hub.notes import Kind, Note
from hub.personal import Personal, masked_change, names_in, without_echo
from tests.acceptance.running import write_city
from tests.hub.askers import as_token, as_user, give_passwords, words_of
from tests.hub.running import running, shown

DRIVERS = ("Zhuge Liang-Kongming", "Sima Yi-Zhongda")
"""Two, one after the other: warnings keep words of before."""
PLACES = [(121.4921357, 31.2429753), (121.4963157, 31.2459751), (121.4853159, 31.2396513)]
HOME = (121.4977531, 31.2313579)
"""Where the bus stands in the registry."""
SECRETS = (
    *DRIVERS, "Zhuge", "Sima", "B-77Q31", "217.25", *(text for lon, lat in (*PLACES, HOME) for text in (f"{lon}"[:8], f"{lat}"[:8])),
)  # fmt: skip
DEVICES = f"""device,name,kind,lon,lat,area,fleet
bus-9,Bus 9,hazmat-truck,{HOME[0]},{HOME[1]},north,blue
gate,Gate,underpass-gauge,121.491,31.241,north,
walker,Walker,phone,,,north,
"""
ZONE = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"zone": "yard", "kind": "yard", "name": "Yard", "area": "north"},
            "geometry": {"type": "Polygon", "coordinates": [[[121.4, 31.2], [121.6, 31.2], [121.6, 31.3], [121.4, 31.2]]]},
        }
    ],
}  # fmt: skip
RULES = """
- rule: driven
  title: "{subject.name}: {who} at the wheel, plate {plate}"
  for_each: {kind: hazmat-truck}
  let: {who: driver}
  levels:
    yellow: speed > 20 km/h and who != "" and plate != "" and course > 0 deg
    orange: speed > 60 km/h and who != "" and plate != "" and course > 0 deg
  clear: speed < 10 km/h
  source: {standard: house default}
  cameras: {within: 2 km, pick: 2}
- rule: deep
  title: "{subject.name}: deep"
  for_each: {kind: underpass-gauge}
  levels: {red: water_depth > 40 cm}
  source: {standard: house default}
"""
TOKENS = """
[tokens.feed]
token = "feed"
roles = ["ingest"]
[tokens.desk]
token = "desk"
roles = ["view", "operate"]
[tokens.masked]
token = "masked"
roles = ["view", "operate", "administer", "ingest"]
personal = false
"""
WITHOUT = ("viewer", "operator", "engineer")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    folder = write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\ntokens_file = "tokens.toml"\n', rules=RULES)
    (folder / "devices.csv").write_text(DEVICES)
    (folder / "zones.geojson").write_text(json.dumps(ZONE))
    (folder / "tokens.toml").write_text(TOKENS)
    for role in ROLES:
        save_user(folder / "users.toml", User(role, "", (RoleGrant(role),)))
    save_user(
        folder / "users.toml", User("half", "", (RoleGrant("viewer"), RoleGrant("fleet-manager", fleets=("blue",))))
    )
    save_user(folder / "users.toml", User("north", "", (RoleGrant("viewer", areas=("north",)),)))
    save_user(folder / "users.toml", User("trusted", "", (RoleGrant("viewer", personal=True),)))
    give_passwords(folder)
    async with running(folder) as hub:
        await plant(hub)
        yield hub


async def plant(hub: Hub) -> None:
    """A vehicle drives under two drivers and warns, a phone walks, both send nonsense; what they told is everywhere that it can be."""
    at = hub.now() // SECOND - 3_600

    async def told(device: str, seconds: int, place: tuple[float, float], **values: Any) -> None:
        body = {
            "device": device,
            "time": to_text((at + seconds) * SECOND),
            "values": values,
            "lon": place[0],
            "lat": place[1],
        }
        answer = await client.post("/api/v1/readings", json=body)
        assert answer.status_code in (200, 400), answer.text

    async with as_token(hub, "feed") as client:
        for minute in range(40):
            driver = DRIVERS[minute > 20]
            speed = 70 if 5 < minute < 10 else 5 if 28 < minute < 35 else 50
            place = PLACES[minute % 3]
            await told(
                "bus-9", minute * 60, place, speed=speed, driver=driver, plate="B-77Q31", course=217.25, ignition=True
            )
        await told("walker", 60, PLACES[1], battery=50)
        await told("bus-9", 2_500, PLACES[0], speed=f"fast, says {DRIVERS[0]}")
        await client.post(
            "/api/v1/readings",
            content=f"no JSON of {DRIVERS[1]}".encode(),
            headers={"content-type": "application/json"},
        )
        for second in (2_500, 2_560, 2_620):
            await told("gate", second, (121.491, 31.241), water_depth=0.9)
    async with asyncio.timeout(60):
        while not (
            {"city/driven", "city/deep"} <= {item.rule for item in hub.state.alerts.open.values()}
            and hub.state.alerts.closed
        ):
            await asyncio.sleep(0.02)
        while any(reader.state.cursor < hub.log.streams[reader.state.stream].next for reader in hub.storing.readers):
            await asyncio.sleep(0.02)
    async with as_token(hub, "desk") as client:
        await shown(client)
        for item in hub.state.alerts.newest_first(True):
            hub.state.journal.bury("desk", item.changes[-1], "refused", 1, hub.now())
            if item.rule == "city/driven":
                told_of = {"kind": "false-alarm", "note": f"{DRIVERS[0]} drove B-77Q31, says {DRIVERS[1]}"}
                assert (await client.post(f"/api/v1/alerts/{item.alert}/note", json=told_of)).status_code == 200
    gone = Note(
        0, hub.now(), "desk", Kind.COMMENT, DRIVERS[0], "a/forgotten", "city/driven", "bus-9", "north", "red", 1
    )
    hub.state.notes.add(gone)


# ------------------------------------------------------------------------------------------------- the table


def addresses(hub: Hub, item: Endpoint) -> list[str]:
    """What there is to ask on a route: each of its paths with every question that may tell something."""
    lately = to_text(hub.now() - 7_200 * SECOND)
    of = {
        "/api/v1/devices/{device:path}": ["/api/v1/devices/bus-9", "/api/v1/devices/walker"],
        "/api/v1/geojson/{what}": [f"/api/v1/geojson/{what}" for what in ("devices", "zones", "cameras", "footprints")],
        "/api/v1/roses": ["/api/v1/roses?device=gate&span=2026-11"],
        "/api/v1/report/{what}": ["/api/v1/report/air?format=xlsx", "/api/v1/report/fleet?format=xlsx"],
        "/api/v1/quarantine/decode": [f"/api/v1/quarantine/decode?offset={offset}" for offset in (0, 1)],
        "/api/v1/cameras/{camera:path}/picture": ["/api/v1/cameras/gate/picture"],
        "/api/v1/positions": ["/api/v1/positions", "/api/v1/positions?bbox=121.4,31.2,121.6,31.3"],
        "/api/v1/cameras": ["/api/v1/cameras?zone=yard"],
        "/api/v1/trips": ["/api/v1/trips?device=bus-9", "/api/v1/trips?device=walker&ignition=true"],
        "/api/v1/tracks": ["/api/v1/tracks?device=bus-9", "/api/v1/tracks?device=walker&zoom=12"],
        "/api/v1/alerts": ["/api/v1/alerts", "/api/v1/alerts?lang=zh&subject=bus-9"],
        "/api/v1/series": [
            f"/api/v1/series?{asked}"
            for asked in ("limit=50000", "device=bus-9", "metric=driver", f"metric=course&from={lately}&every=60",
                          "metric=position", f"from={lately}&every=600")
        ],
        "/sensorthings/v1.1/{path:path}": [
            f"/sensorthings/v1.1/{asked}"
            for asked in ("Things?$expand=Locations,HistoricalLocations,Datastreams($expand=Observations($top=200))", "Locations", "Datastreams",
                          "FeaturesOfInterest?$expand=Observations($top=200)", "Observations?$top=1000&$expand=Datastream",
                          f"Datastreams({id_of('bus-9', 'driver')})/Observations", "HistoricalLocations?$expand=Locations")
        ],
    }.get(item.path)  # fmt: skip
    if of is None:
        assert "{" not in item.path, f"{item.path} is new: say here what there is to ask"
        return [item.path]
    return of


async def said(client: httpx.AsyncClient, item: Endpoint, address: str, began: int) -> tuple[int, str]:
    if item.media != "text/event-stream":
        answer = await client.get(address)
        return answer.status_code, words_of(answer)
    async with client.stream("GET", address, headers={"last-event-id": f"0-0-{began}"}) as answer:
        text = ""
        async for piece in answer.aiter_text():
            text += piece
            if "event: status" in text and text.endswith("\n\n"):
                break
        return answer.status_code, text


async def found_in(hub: Hub, client: httpx.AsyncClient) -> dict[str, list[str]]:
    """By address: what of the secrets stands in the answer."""
    found = {}
    for item in endpoints(hub.state, Authority(hub.state, False)):
        if item.method == "GET" and not item.local:
            for address in addresses(hub, item):
                status, text = await said(client, item, address, hub.state.started_at)
                assert status in (200, 403, 404), (address, text)
                if secrets := [secret for secret in SECRETS if secret in text]:
                    found[address] = secrets
    return found


async def test_no_answer_to_anybody_without_the_right_tells_of_a_person(hub: Hub) -> None:
    async with as_token(hub, "desk") as client:
        told = await found_in(hub, client)
    assert {address.partition("?")[0].removeprefix("/api/v1/").removeprefix("/sensorthings/v1.1/") for address in told} >= {
        "devices", "devices/bus-9", "devices/walker", "positions", "trips", "alerts", "stream", "series", "city", "geojson/devices", "quarantine", "quarantine/decode", "delivery", "notes",
        "Things", "Locations", "Observations", "FeaturesOfInterest", f"Datastreams({id_of('bus-9', 'driver')})/Observations",
    }, "what is not planted proves nothing"  # fmt: skip
    for role in (*WITHOUT, "north"):
        async with as_user(hub, role) as client:
            assert await found_in(hub, client) == {}, role
    async with as_token(hub, "masked") as client:
        assert await found_in(hub, client) == {}


async def test_who_has_the_right_sees_it_and_for_their_fleet_only_that(hub: Hub) -> None:
    for role in ("fleet-manager", "administrator", "trusted"):
        async with as_user(hub, role) as client:
            assert set(SECRETS) <= {
                secret for secrets in (await found_in(hub, client)).values() for secret in secrets
            }, role
    async with as_user(hub, "half") as client:
        places = {item["device"]: item["position"] for item in (await client.get("/api/v1/devices")).json()["devices"]}
        assert places == {"bus-9": list(PLACES[0]), "gate": [121.491, 31.241], "walker": None}
        found = (await client.get("/api/v1/devices/bus-9")).json()["now"]["values"]
        assert found["driver"]["value"] == DRIVERS[1]


async def test_what_is_not_personal_stays(hub: Hub) -> None:
    async with as_user(hub, "viewer") as client:
        devices = {item["device"]: item for item in (await client.get("/api/v1/devices")).json()["devices"]}
        assert set(devices["bus-9"]["values"]) == {"speed", "ignition"}
        assert devices["gate"]["position"] == [121.491, 31.241]
        warned = {item["rule"]: item for item in (await client.get("/api/v1/alerts")).json()["open"]}
        assert warned["city/deep"]["position"] == [121.491, 31.241]
        assert (warned["city/driven"]["title"], warned["city/driven"]["position"]) == (
            "Bus 9: … at the wheel, plate …",
            None,
        )
        assert (warned["city/driven"]["cameras"], warned["city/driven"]["changes"][0]["clip"]) == ([], None)
        trips = (await client.get("/api/v1/trips?device=bus-9")).json()
        assert {(trip["start"], trip["end"]) for trip in trips["trips"]} == {(None, None)}
        rows = (await client.get("/api/v1/series?device=gate")).json()["rows"]
        assert {row["lon"] for row in rows} == {121.491}
        assert [item["device"] for item in (await client.get("/api/v1/positions")).json()["positions"]] == ["gate"]
        assert "personal" not in (await client.get("/api/v1/session")).json()["rights"]


async def test_an_observation_just_posted_is_shown_to_who_may_know(hub: Hub) -> None:
    """Its link holds before the store has it."""
    async with as_token(hub, "masked") as client:
        path = f"/sensorthings/v1.1/Datastreams({id_of('bus-9', 'driver')})/Observations"
        posted = await client.post(path, json={"result": DRIVERS[1]})
        assert posted.status_code == 201, posted.text
        link = posted.headers["location"]
        assert (await client.get(link)).status_code == 404
    async with as_token(hub, "desk") as client:
        assert DRIVERS[1] in (await client.get(link)).text


async def test_a_command_s_answer_is_shown_to_who_may_know(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    async def located(*_: Any) -> Message:
        return Message([], [], body={"lon": PLACES[0][0], "driver": DRIVERS[0]})

    monkeypatch.setattr(hub.state, "command", located)
    for who, told in (("engineer", False), ("fleet-manager", True)):
        async with as_user(hub, who) as client:
            answer = await client.post("/api/v1/devices/bus-9/command", json={"command": "locate"})
            assert answer.status_code == 200
            assert (DRIVERS[0] in answer.text, f"{PLACES[0][0]}" in answer.text) == (told, told)


# ------------------------------------------------------------------------------------------------- how long


async def test_what_vehicles_told_is_gone_when_it_is_due(tmp_path: Path) -> None:
    folder = write_city(tmp_path, '[store]\nkeep_personal_days = 30\n[api]\nlisten = "127.0.0.1:0"\n', rules=RULES)
    (folder / "devices.csv").write_text(DEVICES)
    async with running(folder) as hub, httpx.AsyncClient(base_url=hub.address, timeout=60) as client:
        for age in (40, 20):
            for minute in range(20):
                at = to_text(hub.now() - (age * 1_440 - minute) * 60 * SECOND)
                lon, lat = PLACES[minute % 3]
                for device, values in (("bus-9", {"speed": 50, "driver": DRIVERS[0]}), ("gate", {"water_depth": 0.1})):
                    body = {"device": device, "time": at, "values": values, "lon": lon, "lat": lat}
                    assert (await client.post("/api/v1/readings", json=body)).status_code == 200
        async with asyncio.timeout(60):
            while any(
                reader.state.cursor < hub.log.streams[reader.state.stream].next for reader in hub.storing.readers
            ):
                await asyncio.sleep(0.02)
        await hub.storing.rollups.step(everything=True)
        middle = quote(to_text(hub.now() - 30 * 86_400 * SECOND))

        async def counted() -> list[int]:
            asked = [f"series?device={device}&to={middle}" for device in ("bus-9", "gate")]
            asked += [f"{one}&from=2020-01-01T00:00:00Z&every=86400" for one in asked]
            answers = [(await client.get(f"/api/v1/{one}")).json() for one in asked]
            trips = (
                await client.get(
                    f"/api/v1/trips?device=bus-9&from={quote(to_text(hub.now() - 41 * 86_400 * SECOND))}&to={middle}"
                )
            ).json()
            return [*(len(answer.get("rows", answer.get("buckets"))) for answer in answers), len(trips["trips"])]

        assert await counted() == [40, 20, 1, 1, 1]
        await asyncio.to_thread(hub.storing.rollups.drop_what_is_due)
        assert await counted() == [0, 20, 0, 1, 0]
        assert len((await client.get("/api/v1/series?device=bus-9")).json()["rows"]) == 40


@pytest.mark.parametrize(
    ("store", "told"),
    [
        ("keep_personal_days = -1", "at least 0 was meant"),
        (
            'kind = "influxdb"\nurl = "http://127.0.0.1:8086"\nversion = 3\nkeep_personal_days = 30',
            "InfluxDB 3 cannot erase",
        ),
    ],
)
def test_days_that_cannot_be_kept_to_are_a_mistake(tmp_path: Path, store: str, told: str) -> None:
    _, mistakes = load_city(write_city(tmp_path, f"[store]\n{store}\n"), Plugins())
    assert [told in str(mistake) for mistake in mistakes] == [True]


# ------------------------------------------------------------------------------------------------- what is personal


@pytest.mark.parametrize(
    ("kind", "private"),
    [
        ("vehicle", True), ("hazmat-truck", True), ("taxi", True), ("phone", True), ("school bus", True), ("Trucks", True), ("tankTruck", True), ("", True),
        ("EBIKE", True), ("渣土车", True), ("bus", False), ("bus-stop", False), ("car-park", False), ("vessel", False), ("river-gauge", False),
        ("air-station", False), ("cargo", False), ("vehicle-counter", False),
    ],
)  # fmt: skip
def test_kinds_of_people(kind: str, private: bool) -> None:
    assert Personal(kinds=["渣土车"], public=["bus"]).device([kind]) is private


def test_who_names_a_driver_is_a_vehicle_whatever_its_kind() -> None:
    assert Personal().device(["float-7"], ["speed", "driver"])
    assert not Personal().device(["float-7"], ["water_level"])


def test_a_city_s_words_may_be_personal_and_never_stop_to_be() -> None:
    try:
        assert (
            use_city(
                '[vehicle]\nrider_badge = { type = "text", title = "Badge", personal = "person" }\ndriver = { type = "text", title = "Fahrer" }'
            )
            == []
        )
        assert (vocabulary()["rider_badge"].personal, vocabulary()["driver"].personal) == ("person", "person")
    finally:
        use_city("")
    assert vocabulary()["driver"].personal == "person"
    [(line, told)] = read('[vehicle]\nx = { type = "text", title = "X", personal = "yes" }')[1]
    assert (line, "person or place was meant" in told) == (2, True)


def change(subject: str, **more: Any) -> AlertChange:
    return AlertChange("a", 0, 0, "r", subject, Change.RAISED, "red", position=Position(121.4321, 31.2765), **more)


def test_texts_lose_what_any_name_in_the_values_says() -> None:
    told = change("x", title="Li: ZhaoYun drives 30 km/h", values={"who": "ZhaoYun", "n": 30.0, "alarms": ["fatigue"]}, reason="n = 30, crew = ['A1']", evidence=[{"readings": [{"device": "x", "metric": "driver", "value": "A1"}]}])  # fmt: skip
    names = names_in(told, True, {"x"})
    shown = masked_change(told, True, {"x"}, names)
    assert shown.title == "Li: … drives 30 km/h"
    assert (shown.values, shown.reason, shown.position) == (
        {"n": 30.0, "alarms": ["fatigue"]},
        "n = 30, crew = ['…']",
        None,
    )
    assert shown.evidence == [{"readings": []}]


def test_what_people_write_about_a_persons_vehicle_is_hidden_whole() -> None:
    told = change("x", note="the lady from No. 7 was ill")
    assert masked_change(told, True, {"x"}, []).note == "…"
    assert masked_change(told, False, set(), []).note == told.note
    assert masked_change(change("x"), True, {"x"}, []).note == ""


def test_an_answer_about_readings_loses_who_and_where_and_no_other_figure() -> None:
    sent = [Reading("van", 1, {"driver": "ZhaoYun", "speed": 50.5, "course": 217.25}, Position(121.4321, 31.2765))]
    told = "ZhaoYun at 121.4321, 31.2765 heading 217.25 does 50.5 km/h"
    assert without_echo(told, sent) == "… at …, … heading … does 50.5 km/h"
    assert without_echo("HTTP 503", []) == "HTTP 503"


def test_a_short_code_is_taken_out_of_texts_only_where_it_stands_alone() -> None:
    told = change("x", title="3 drives 30 km/h", values={"driver": "3"})
    assert masked_change(told, False, set(), ["3"]).title == "… drives 30 km/h"


@pytest.mark.parametrize(
    ("told", "masked"),
    [
        (change("north/gate", values={"water_depth": 0.5}), False),
        (change("north/van", motion=Motion(90, 20)), True),
        (change("north/van", values={"speed": 20.0}), True),
        (change("north/van", evidence=[{"readings": [{"metric": "speed", "value": 20}]}]), True),
    ],
)
async def test_of_another_hub_s_subject_the_warning_itself_says_what_it_is(
    hub: Hub, told: AlertChange, masked: bool
) -> None:
    viewer = Principal("v", "user", (Grant(frozenset({"view"})),))
    assert (Sight(hub.state, viewer).told(told).position is None) is masked
    assert Sight(hub.state, Principal("a", "user", (EVERYTHING,))).told(told) is told
