"""What can be asked of the present and of history: places in a box, one device, chosen warnings, several series."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.app.hub import Hub
from tests.acceptance.running import write_city
from tests.hub.running import running, shown

DEVICES = """device,name,kind,lon,lat,area,auth_code
gauge-1,North Gate,underpass-gauge,121.49,31.24,north,4711
gauge-2,South Gate,underpass-gauge,121.59,31.34,south,4712
"fiji,east",East,underpass-gauge,179.9,-18,fiji,4713
fiji-west,West,underpass-gauge,-179.9,-18,fiji,4714
"""


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    folder = write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\n')
    (folder / "devices.csv").write_text(DEVICES)
    async with running(folder) as hub:
        yield hub


@pytest.fixture
async def client(hub: Hub) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=hub.address, timeout=30) as client:
        yield client


async def said(client: httpx.AsyncClient, device: str, depth: float, time: str) -> None:
    answer = await client.post(
        "/api/v1/readings", json={"device": device, "time": time, "values": {"water_depth": depth}}
    )
    assert answer.status_code == 200, answer.text
    await shown(client)


async def rows(client: httpx.AsyncClient, count: int, query: str = "") -> list[Any]:
    async with asyncio.timeout(60):
        while len(found := (await client.get(f"/api/v1/series?{query}")).json()["rows"]) < count:
            await asyncio.sleep(0.05)
    return list(found)


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ("", ["fiji,east", "fiji-west", "gauge-1", "gauge-2"]),
        ("?bbox=121.4,31.2,121.5,31.3", ["gauge-1"]),
        ("?bbox=121.49,31.24,121.49,31.24", ["gauge-1"]),
        ("?bbox=-180,-90,180,90", ["fiji,east", "fiji-west", "gauge-1", "gauge-2"]),
        ("?bbox=179,-19,-179,-17", ["fiji,east", "fiji-west"]),
        ("?bbox=-179.95,-19,-179,-17", ["fiji-west"]),
        ("?kind=bus", []),
        ("?since=2000-01-01T00:00:00Z", []),
    ],
)
async def test_places_in_a_box(client: httpx.AsyncClient, box: str, inside: list[str]) -> None:
    found = (await client.get(f"/api/v1/positions{box}")).json()
    assert [item["device"] for item in found["positions"]] == inside
    assert found["truncated"] is False


@pytest.mark.parametrize(
    "box", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,5,2,4", "0,0,nan,1", "0,0,181,1", "-181,0,0,1"]
)
async def test_what_is_no_box_hears_so(client: httpx.AsyncClient, box: str) -> None:
    answer = await client.get("/api/v1/positions", params={"bbox": box})
    assert (answer.status_code, "west,south,east,north" in answer.json()["detail"]) == (400, True)


async def test_the_city_lists_all_registered_devices_or_those_not_heard_of(client: httpx.AsyncClient) -> None:
    await said(client, "gauge-1", 0.1, "2026-11-20T08:00:00Z")
    listed = {}
    for which in ("all", "silent"):
        city = (await client.get("/api/v1/city", params={"devices": which})).json()
        listed[which] = {item["device"] for item in city["devices"]}
        assert len(city["zones"]) == len((await client.get("/api/v1/city")).json()["zones"])
    heard = {item["device"] for item in (await client.get("/api/v1/devices")).json()["devices"]}
    assert listed["all"] == {"gauge-1", "gauge-2", "fiji,east", "fiji-west"}
    assert (listed["silent"], heard) == (listed["all"] - {"gauge-1"}, {"gauge-1"})
    assert (await client.get("/api/v1/city?devices=none")).status_code == 400


async def test_the_stream_goes_on_behind_the_list_of_devices(hub: Hub, client: httpx.AsyncClient) -> None:
    await said(client, "gauge-1", 0.1, "2026-11-20T08:00:00Z")
    behind = (await client.get("/api/v1/devices")).headers["last-event-id"]
    await said(client, "gauge-2", 0.2, "2026-11-20T08:00:01Z")
    heard = []
    async with asyncio.timeout(30), client.stream("GET", "/api/v1/stream", headers={"last-event-id": behind}) as answer:
        async for line in answer.aiter_lines():
            if line.startswith('data: {"devices"'):
                heard = [item["device"] for item in json.loads(line[6:])["devices"]]
                break
    assert heard == ["gauge-2"], "what came between the two, and not what was told already"


async def test_every_list_leads_through_all_of_it(client: httpx.AsyncClient) -> None:
    following, found = "/api/v1/positions?limit=3&bbox=-180,-90,180,90", []
    while following:
        answer = (await client.get(following)).json()
        assert answer["truncated"] is (answer["next"] is not None)
        found += [item["device"] for item in answer["positions"]]
        following = answer["next"]
    assert found == ["fiji,east", "fiji-west", "gauge-1", "gauge-2"]


async def test_one_device_with_what_was_stored_and_what_could_not_be_used(client: httpx.AsyncClient) -> None:
    at = (await client.get("/api/v1/status")).json()["at"]
    await said(client, "gauge-1", 0.5, at)
    bad = await client.post("/api/v1/readings", json={"device": "gauge-1", "values": {"water_depth": "deep"}})
    assert bad.status_code == 400
    await rows(client, 1)
    found = (await client.get("/api/v1/devices/gauge-1")).json()
    assert found["now"]["values"]["water_depth"]["value"] == 0.5
    assert found["registered"]["name"] == "North Gate"
    assert "4711" not in str(found)  # an attribute may be a code
    assert [row["value"] for row in found["rows"]] == [0.5]
    [fault] = found["faults"]
    assert (fault["device"], "deep" in fault["detail"] + fault["raw_text"]) == ("gauge-1", True)
    silent = (await client.get("/api/v1/devices/fiji%2Ceast")).json()
    assert (silent["now"], silent["rows"], silent["faults"]) == (None, [], [])
    assert (await client.get("/api/v1/devices/nobody")).status_code == 404


async def test_series_of_several_devices_as_rows_and_as_buckets_from_rollups(
    hub: Hub, client: httpx.AsyncClient
) -> None:
    for device in ("gauge-1", "gauge-2", "fiji,east"):
        for minute in range(3):
            await said(client, device, 0.2, f"2026-01-01T00:0{minute}:00Z")
    await rows(client, 9)
    for asked, names in (
        ("device=gauge-1&device=gauge-2", {"gauge-1", "gauge-2"}),
        ("device=gauge-1,gauge-2", {"gauge-1", "gauge-2"}),
        ("device=fiji,east", {"fiji,east"}),
        ("device=fiji,east&device=gauge-1", {"fiji,east", "gauge-1"}),
        ("device=nobody", set()),
        ("device=", set()),
        ("", {"gauge-1", "gauge-2", "fiji,east"}),
    ):
        found = (await client.get(f"/api/v1/series?{asked}")).json()["rows"]
        assert {row["device"] for row in found} == names, asked
        for made in (False, True):  # out of the rows, and out of rollups
            if made:
                await client.post("/api/v1/store/rebuild", json={})
            span = "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&every=3600"
            buckets = (await client.get(f"/api/v1/series?{asked}&{span}")).json()["buckets"]
            assert {(one["device"], one["count"], one["max"]) for one in buckets} == {(name, 3, 0.2) for name in names}


async def test_buckets_that_are_cut_are_the_newest_and_lead_to_those_before(client: httpx.AsyncClient) -> None:
    for minute in range(5):
        await said(client, "gauge-1", 0.1, f"2026-01-01T00:0{minute}:00Z")
    await rows(client, 5)
    following = "/api/v1/series?from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z&every=60&limit=2"
    pages = []
    while following:
        answer = (await client.get(following)).json()
        pages.append([one["time"] for one in answer["buckets"]])
        following = answer["next"]
    whole = await client.get("/api/v1/series?from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z&every=60")
    minutes = [one["time"] for one in whole.json()["buckets"]]
    assert [one for page in reversed(pages) for one in page] == minutes
    assert pages[0] == minutes[3:]


async def test_warnings_are_chosen_by_rule_level_subject_area_and_time(hub: Hub, client: httpx.AsyncClient) -> None:
    at = (await client.get("/api/v1/status")).json()["at"]
    for device in ("gauge-1", "gauge-2"):
        await said(client, device, 0.5, at)
    async with asyncio.timeout(60):
        while len(found := (await client.get("/api/v1/alerts")).json()["open"]) < 2:
            await asyncio.sleep(0.05)
    rule, level = found[0]["rule"], found[0]["level"]

    async def open_of(query: str) -> set[str]:
        return {item["subject"] for item in (await client.get(f"/api/v1/alerts?{query}")).json()["open"]}

    assert await open_of("subject=gauge-1") == {"gauge-1"}
    assert await open_of("subject=gauge-1&subject=gauge-2") == {"gauge-1", "gauge-2"}
    assert await open_of("area=south") == {"gauge-2"}
    assert await open_of(f"rule={rule}&level={level}") == {"gauge-1", "gauge-2"}
    assert await open_of("rule=other") == set()
    assert await open_of("to=2020-01-01T00:00:00Z") == set()
    assert await open_of("from=2020-01-01T00:00:00Z") == {"gauge-1", "gauge-2"}
    wrong = await client.get("/api/v1/alerts?level=pink")
    assert (wrong.status_code, "pink" in wrong.json()["detail"]) == (400, True)


async def test_the_page_of_the_api_names_every_operation_and_asks_for_nothing_from_elsewhere(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/api/v1/docs")
    document = (await client.get("/api/v1/openapi.json")).json()
    assert answer.headers["content-type"].startswith("text/html")
    for path in document["paths"]:
        assert path in answer.text
    for kind in document["components"]["schemas"]:
        assert f'id="type-{kind}"' in answer.text
    assert "<script" not in answer.text
    assert "http" not in answer.text.replace("https://", "http://").partition("<body>")[0]
    assert (await client.get("/static/api.css")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "takes", "sentence"),
    [
        ("DELETE", "/api/v1/maintenance", {"GET", "HEAD", "POST"}, "DELETE is not done here"),
        ("POST", "/api/v1/status", {"GET", "HEAD"}, "POST is not done here"),
        ("PATCH", "/sensorthings/v1.1/Observations(1)", {"GET", "HEAD", "POST"}, "a log that only grows"),
        ("DELETE", "/sensorthings/v1.1/Observations('1-2')", {"GET", "HEAD", "POST"}, "a log that only grows"),
        ("PUT", "/sensorthings/v1.1/Things(1)", {"GET", "HEAD", "POST"}, "the city's registry"),
    ],
)
async def test_what_a_path_does_not_take_is_refused_with_what_it_takes(
    client: httpx.AsyncClient, method: str, path: str, takes: set[str], sentence: str
) -> None:
    answer = await client.request(method, path, json={})
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == takes
    assert sentence in answer.json()["detail"]
