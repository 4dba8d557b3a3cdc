"""The SensorThings API as clients walk it: every set, relation and property by its path, every option, and observations in.

The walk follows the abstract test suite of OGC 18-088 (annex A); nothing in it knows what the city holds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.api.sensorthings.filtering import Instant, bounds, holds, parsed
from hub.api.sensorthings.service import PROPERTIES, ROOT
from hub.app.hub import Hub
from hub.model import Reading
from hub.moment import from_text
from tests.acceptance.running import write_city
from tests.hub.running import running

RELATIONS = {
    "Things": ["Locations", "HistoricalLocations", "Datastreams"],
    "Locations": ["Things", "HistoricalLocations"],
    "HistoricalLocations": ["Thing", "Locations"],
    "Datastreams": ["Thing", "Sensor", "ObservedProperty", "Observations"],
    "Sensors": ["Datastreams"],
    "ObservedProperties": ["Datastreams"],
    "Observations": ["Datastream", "FeatureOfInterest"],
    "FeaturesOfInterest": ["Observations"],
}
MANDATORY = {
    "Things": ["name", "description"],
    "Locations": ["name", "description", "encodingType", "location"],
    "HistoricalLocations": ["time"],
    "Datastreams": ["name", "description", "unitOfMeasurement", "observationType"],
    "Sensors": ["name", "description", "encodingType", "metadata"],
    "ObservedProperties": ["name", "definition", "description"],
    "Observations": ["phenomenonTime", "result", "resultTime"],
    "FeaturesOfInterest": ["name", "description", "encodingType", "feature"],
}
OBJECTS = {"location", "feature", "unitOfMeasurement", "properties"}
COUNT = 12


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running(write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\n')) as hub:
        yield hub


@pytest.fixture
async def client(hub: Hub) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=hub.address + ROOT, timeout=60) as client:
        at = [f"2026-01-01T{hour:02}:00:00Z" for hour in range(COUNT)]
        readings = [
            {"device": "gauge-7", "time": time, "values": {"water_level": 1 + n / 10}} for n, time in enumerate(at)
        ]
        readings.append(
            {"device": "underpass-1", "time": at[0], "values": {"water_depth": 0.02, "water_temperature": 8.5}}
        )
        answer = await client.post(f"{hub.address}/api/v1/readings", json=readings)
        assert answer.status_code == 200, answer.text
        async with asyncio.timeout(60):
            while len((await client.get("/Observations")).json()["value"]) < COUNT + 2:
                await asyncio.sleep(0.05)
        yield client


async def got(client: httpx.AsyncClient, path: str, **options: object) -> Any:
    answer = await client.get(path, params={f"${key}": str(value) for key, value in options.items()})
    assert answer.status_code == 200, (path, options, answer.text)
    return answer.json()


def quoted(id: Any) -> str:
    return f"({id})" if isinstance(id, int) else f"('{id}')"


async def test_every_set_entity_property_and_relation_answers_by_its_path(client: httpx.AsyncClient) -> None:
    root = await got(client, "/")
    assert {item["name"] for item in root["value"]} == set(RELATIONS)
    assert root["serverSettings"]["conformance"]
    for name, relations in RELATIONS.items():
        found = (await got(client, f"/{name}"))["value"]
        assert found, name
        for entity in found[:2]:
            path = f"/{name}{quoted(entity['@iot.id'])}"
            assert entity["@iot.selfLink"] == str(client.base_url).rstrip("/") + path
            assert (await client.get(entity["@iot.selfLink"])).json() == entity
            for word in MANDATORY[name]:
                assert (await got(client, f"{path}/{word}")) == {word: entity[word]}
                bare = (await client.get(f"{path}/{word}/$value")).text
                assert bare.startswith("{") is (word in OBJECTS), (path, word, bare)
            for relation in relations:
                link = entity[f"{relation}@iot.navigationLink"]
                there = (await client.get(link)).json()
                assert there == await got(client, f"{path}/{relation}")
                if not relation.endswith("s") and relation != "FeaturesOfInterest":
                    assert there["@iot.id"]
                else:
                    assert there["value"], (path, relation)
                    refs = (await got(client, f"{path}/{relation}/$ref"))["value"]
                    assert refs == [{"@iot.selfLink": item["@iot.selfLink"]} for item in there["value"]]
                    assert (
                        await client.get(f"{path}/{relation}{quoted(there['value'][0]['@iot.id'])}")
                    ).status_code == 200
        for missing in ("(9223372036854775807)", "('nothing')", "(-1)"):
            assert (await client.get(f"/{name}{missing}")).status_code == 404, (name, missing)


async def test_what_the_hub_notes_of_itself_and_of_devices_is_no_observation(
    hub: Hub, client: httpx.AsyncClient
) -> None:
    """The suite of OGC asks each Observation for its Datastream, and a note has none: it failed where a minute ended while it ran."""
    now = hub.now()
    notes = [
        Reading("gauge-7", now, {"silence": 5.0, "heard": 12}, received_at=now, adapter="hub", kind="river-gauge"),
        Reading("hub-reader:store", now, {"reader_lag": 0}, received_at=now, adapter="hub", kind="hub-reader"),
    ]
    await hub.log.derived.append(notes)
    async with asyncio.timeout(60):
        for device in ("gauge-7&metric=silence", "hub-reader:store"):
            while not (await client.get(f"{hub.address}/api/v1/series?device={device}")).json()["rows"]:
                await asyncio.sleep(0.05)
    found = await got(client, "/Observations", count="true", top=1000)
    assert found["@iot.count"] == len(found["value"]) == COUNT + 2
    assert len((await got(client, "/Observations", top=3))["value"]) == 3, "a page is as long as was asked for"
    for item in found["value"]:
        for relation in ("Datastream", "FeatureOfInterest"):
            assert (await client.get(item[f"{relation}@iot.navigationLink"])).status_code == 200, (item, relation)


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        ("Things", {"filter": "name eq 'North Gate'"}, ["North Gate"]),
        ("Things", {"filter": "properties/kind eq 'river-gauge'"}, ["River at the mill"]),
        ("Things", {"filter": "startswith(name,'North') or endswith(name,'mill')", "orderby": "name DESC"}, ["River at the mill", "North Gate"]),
        ("Things", {"filter": "not (tolower(name) eq 'north gate')"}, ["River at the mill"]),
        ("Things", {"filter": "Datastreams/ObservedProperty/name eq 'water_depth'"}, ["North Gate"]),
        ("Things", {"filter": "substringof('mill', Datastreams/Thing/name)"}, ["River at the mill"]),
        ("Locations", {"filter": "st_within(location, geography'POLYGON((121.4915 31.2415,121.4925 31.2415,121.4925 31.2425,121.4915 31.2425,121.4915 31.2415))')"}, ["River at the mill"]),
        ("Locations", {"filter": "geo.distance(location, geography'POINT(121.491 31.241)') lt 50"}, ["North Gate"]),
        ("Things", {"filter": "name eq 7"}, []),
        ("Things", {"filter": "id eq 7 or length(name) gt 12"}, ["River at the mill"]),
        ("Things", {"orderby": "name", "top": 1}, ["North Gate"]),
        ("Things", {"orderby": "name", "skip": 1}, ["River at the mill"]),
        ("Things", {"top": 0}, []),
    ],
)  # fmt: skip
async def test_entities_are_filtered_and_ordered(
    client: httpx.AsyncClient, path: str, options: dict[str, object], expected: list[str]
) -> None:
    assert [item["name"] for item in (await got(client, f"/{path}", **options))["value"]] == expected


async def test_observations_are_filtered_ordered_paged_and_counted(client: httpx.AsyncClient) -> None:
    async def results(**options: object) -> list[float]:
        return [item["result"] for item in (await got(client, f"{stream}/Observations", **options))["value"]]

    [found] = (await got(client, "/Datastreams", filter="properties/metric eq 'water_level'"))["value"]
    stream = f"/Datastreams({found['@iot.id']})"
    newest = [round(1 + n / 10, 1) for n in range(COUNT)][::-1]
    assert await results() == pytest.approx(newest)
    assert await results(orderby="phenomenonTime asc", top=2) == pytest.approx([1.0, 1.1])
    assert await results(orderby="result asc", top=2) == pytest.approx([1.0, 1.1])
    assert await results(filter="result gt 1.85 and result le 2", orderby="result") == pytest.approx([1.9, 2.0])
    assert await results(filter="phenomenonTime ge 2026-01-01T10:00:00Z") == pytest.approx([2.1, 2.0])
    assert await results(filter="2026-01-01T01:00:00Z gt phenomenonTime") == pytest.approx([1.0])
    assert await results(filter="phenomenonTime eq 2026-01-01T11:00:00+08:00") == pytest.approx([1.3])
    assert await results(filter="hour(phenomenonTime) eq 5") == pytest.approx([1.5])
    assert await results(filter="result add 1 mul 2 eq 3.5") == pytest.approx([1.5])
    assert (
        await results(filter="phenomenonTime lt 2026-01-01T00:00:00Z and phenomenonTime gt 2026-01-02T00:00:00Z") == []
    )
    over_all = await got(client, "/Observations", filter="Datastream/Thing/name eq 'North Gate'", count="true")
    assert (over_all["@iot.count"], len(over_all["value"])) == (2, 2)

    seen, following = [], f"{stream}/Observations?$top=5&$count=true&$filter=result gt 1.05"
    while following:
        page = (await client.get(following)).json()
        assert page["@iot.count"] == COUNT - 1
        seen += [item["result"] for item in page["value"]]
        following = page.get("@iot.nextLink", "")
    assert seen == pytest.approx(newest[:-1])


async def test_select_and_expand_choose_what_is_shown(client: httpx.AsyncClient) -> None:
    [thing] = (await got(client, "/Things", filter="name eq 'River at the mill'", select="name,id,Datastreams"))[
        "value"
    ]
    assert set(thing) == {"name", "@iot.id", "Datastreams@iot.navigationLink"}
    deep = "Datastreams($select=name;$expand=Observations($top=2;$count=true;$orderby=phenomenonTime asc),ObservedProperty),Locations"
    shown = await got(client, f"/Things({thing['@iot.id']})", expand=deep)
    [stream] = shown["Datastreams"]
    assert set(stream) == {
        "name",
        "Observations",
        "Observations@iot.count",
        "Observations@iot.nextLink",
        "ObservedProperty",
    }
    assert [item["result"] for item in stream["Observations"]] == pytest.approx([1.0, 1.1])
    assert stream["ObservedProperty"]["name"] == "water_level"
    assert shown["Locations"][0]["location"] == {"type": "Point", "coordinates": [121.492, 31.242]}
    by_path = await got(
        client, f"/Things({thing['@iot.id']})", expand="Datastreams/Sensor,Datastreams/ObservedProperty"
    )
    assert by_path["Datastreams"][0]["Sensor"]["@iot.id"]
    assert by_path["Datastreams"][0]["ObservedProperty"]["name"] == "water_level"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("Things?$filter=name eq", 400),
        ("Things?$filter=(name eq 'x'", 400),
        ("Things?$filter=colour eq 'x'", 400),
        ("Things?$filter=explode(name)", 400),
        ("Things?$filter=length()", 400),
        ("Things?$filter=geo.distance(name, geography'POINT(x') lt 1", 400),
        ("Things?$filter=" + "(" * 900 + "1 eq 1" + ")" * 900, 200),
        ("Things?$filter=" + "not " * 400 + "1 eq 1", 200),
        ("Things?$filter=" + "(" * 3000, 400),
        ("Things?$top=-1", 400),
        ("Things?$top=1e3", 400),
        ("Things?$skip=x", 400),
        ("Things?$count=maybe", 400),
        ("Things?$search=x", 501),
        ("Things?$select=colour", 400),
        ("Things?$expand=Observations", 400),
        ("Things?$expand=Datastreams(", 400),
        ("Things?$orderby=colour", 400),
        ("Things(x)", 400),
        ("Things(1)/colour", 404),
        ("Cars", 404),
        ("Things/Datastreams", 404),
        ("Things?$filter=Datastreams/Observations/result gt 1", 400),
        ("Things?$filter=name eq '%00'", 200),
        ("Observations('1-99999999999999999999')", 404),
        ("Observations?$filter=phenomenonTime gt 9999-01-01T00:00:00Z", 400),
        ("Observations?$skip=60000", 200),
    ],
)
async def test_wrong_questions_hear_what_is_wrong(client: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await client.get(
        f"{client.base_url}{path}" if str(client.base_url).endswith("/") else f"{client.base_url}/{path}"
    )
    assert answer.status_code == status, answer.text
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.json()["detail"]) > 10


async def test_a_posted_observation_is_a_reading_like_any_other(client: httpx.AsyncClient) -> None:
    [stream] = (await got(client, "/Datastreams", filter="properties/metric eq 'water_depth'"))["value"]
    path = f"/Datastreams({stream['@iot.id']})/Observations"
    made = await client.post(
        path, json={"result": 0.03, "phenomenonTime": "2026-01-02T00:00:00Z", "FeatureOfInterest": {"@iot.id": 1}}
    )
    assert made.status_code == 201, made.text
    assert made.headers["location"] == made.json()["@iot.selfLink"]
    assert (await client.get(made.headers["location"])).json()["result"] == 0.03  # before the store has it, too
    assert 0 < made.json()["@iot.id"] < 1 << 63  # the suite of OGC and many clients read it into 64 bits
    other = {"result": 0.5, "Datastream": {"@iot.id": stream["@iot.id"]}}
    assert (await client.post("/Observations", json=other)).status_code == 201
    async with asyncio.timeout(60):
        while not (await got(client, path, filter="phenomenonTime eq 2026-01-02T00:00:00Z"))["value"]:
            await asyncio.sleep(0.05)
        assert (await client.get(made.headers["location"])).json()["result"] == 0.03
        while not (await client.get(str(client.base_url).replace(ROOT, "/api/v1/alerts").rstrip("/"))).json()["open"]:
            await asyncio.sleep(0.05)  # 0.5 m of water under the bridge: rules judge it as any reading
    refused: list[tuple[str, Any, int, str]] = [
        (path, {"result": "deep"}, 400, "water_depth"),
        (path, {"result": 1, "phenomenonTime": "soon"}, 400, "phenomenonTime"),
        (path, {"result": 1, "phenomenonTime": "2090-01-01T00:00:00Z"}, 400, "future"),
        (path, {}, 400, "result"),
        ("/Observations", {"result": 1}, 400, "no Datastream"),
        ("/Observations", {"result": 1, "Datastream": {"@iot.id": [1]}}, 400, "no Datastream"),
        ("/Datastreams(1)/Observations", {"result": 1}, 404, "no Datastream"),
        ("/Things", {"name": "car"}, 405, "registry"),
    ]
    for where, body, status, sentence in refused:
        answer = await client.post(where, content=json.dumps(body), headers={"content-type": "application/json"})
        assert (answer.status_code, sentence in answer.json()["detail"]) == (status, True), (where, body, answer.text)


def finding(**values: Any) -> Callable[[tuple[str, ...]], Any]:
    return lambda steps: values.get("_".join(steps))


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("1 eq 1 and 2 gt 1 or 1 eq 2", True),
        ("1 eq 2 or 1 eq 1 and 1 eq 2", False),
        ("not 1 eq 2", True),
        ("7 mod 4 eq 3 and 7 div 2 eq 3.5 and -2 lt 1 and 3 sub 1 eq 2", True),
        ("1 div 0 eq 1", False),
        ("round(2.5) eq 3 and floor(-1.5) eq -2 and ceiling(1.2) eq 2", True),
        (
            "concat('a','b') eq 'ab' and indexof('abc','c') eq 2 and substring('abc',1) eq 'bc' and substring('abc',1,1) eq 'b'",
            True,
        ),
        ("trim(' x ') eq 'x' and toupper('x') eq 'X' and 'it''s' eq 'it''s'", True),
        ("year(at) eq 2026 and month(at) eq 3 and day(at) eq 4 and minute(at) eq 6 and second(at) eq 7", True),
        ("date(at) eq '2026-03-04' and at lt now() and at gt mindatetime() and at lt maxdatetime()", True),
        ("at add duration'PT1H' eq 2026-03-04T06:06:07Z", True),
        ("at gt '2026-03-04T00:00:00Z'", True),
        ("missing eq null", True),
        ("missing ne null or missing gt 1 or missing eq 1", False),
        ("flag eq true and flag", True),
        ("oregon eq 1 and android eq 2 and notes eq 3", True),
    ],
)
def test_expressions_are_reckoned_as_odata_says(text: str, true: bool) -> None:
    at = Instant(from_text("2026-03-04T05:06:07Z"))
    assert holds(parsed(text), finding(at=at, flag=True, oregon=1, android=2, notes=3)) is true


def test_times_of_a_filter_bound_what_is_read() -> None:
    one, two = (from_text(f"2026-01-0{day}T00:00:00Z") for day in (1, 2))
    inside = parsed(
        "phenomenonTime ge 2026-01-01T00:00:00Z and (result gt 1 and phenomenonTime lt 2026-01-02T00:00:00Z)"
    )
    assert bounds(inside) == (one, two + 1)
    assert bounds(parsed("phenomenonTime ge 2026-01-01T00:00:00Z or result gt 1")) == (None, None)
    assert bounds(parsed("not phenomenonTime ge 2026-01-01T00:00:00Z")) == (None, None)


def test_properties_of_the_standard_are_all_known() -> None:
    assert all(set(words) <= set(PROPERTIES[name]) for name, words in MANDATORY.items())
