"""NGSI-LD: entities by Smart Data Models' names to a broker that refuses what ETSI GS CIM 009 forbids."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from adapters.ngsi.models import NAMES, UNITS
from adapters.ngsi.sink import NgsiOptions, NgsiReadingsOptions, NgsiSink
from hub.metrics import vocabulary
from hub.model import AlertChange, Change, Device, Position, Reading
from hub.personal import Personal
from tests.acceptance.running import write_city
from tests.adapters.http_peer import Heard, http_peer
from tests.hub.running import running

T = 1_795_334_400_000_000_000
SECOND = 1_000_000_000
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
VALUES = {"Property": "value", "GeoProperty": "value", "Relationship": "object"}
DEVICES = {
    "air-1": Device("air-1", "East <Gate>", "air-station", Position(121.5, 31.2), area="north"),
    "gauge 7": Device("gauge 7", "Mill", "river-gauge", Position(121.4, 31.3)),
    "bus-9": Device("bus-9", "Bus", "bus"),
    "pump/3": Device("pump/3", "Pump", "pump"),
}


class Broker:
    """The rules of clauses 4.5 (what an entity is), 5.6.8 and 6.18 (batch upsert) that a sender can break. Keeps entities as `options=update` says."""

    def __init__(self) -> None:
        self.entities: dict[str, dict[str, Any]] = {}
        self.refuses: set[str] = set()

    def answer(self, heard: Heard) -> tuple[int, bytes]:
        assert (heard.method, heard.headers["content-type"]) == ("POST", "application/ld+json")
        if heard.path != "/ngsi-ld/v1/entityOperations/upsert?options=update":
            return 404, b"{}"
        told = json.loads(heard.body)
        assert isinstance(told, list)
        assert told
        assert len({entity["id"] for entity in told}) == len(told), "an entity twice in one batch"
        new, errors = [], []
        for entity in told:
            held_to_the_standard(entity)
            if entity["id"] in self.refuses:
                errors.append({"entityId": entity["id"], "error": {"type": "https://uri.etsi.org/ngsi-ld/errors/BadRequestData", "title": "no"}})  # fmt: skip
                continue
            if entity["id"] not in self.entities:
                new.append(entity["id"])
            self.entities.setdefault(entity["id"], {}).update(entity)
        if errors:
            done = [entity["id"] for entity in told if entity["id"] not in self.refuses]
            return 207, json.dumps({"success": done, "errors": errors}).encode()
        return (201, json.dumps(new).encode()) if new else (204, b"")


def held_to_the_standard(entity: dict[str, Any]) -> None:
    assert urlsplit(entity["id"]).scheme == "urn", entity
    assert re.fullmatch(r"urn:ngsi-ld:[A-Za-z0-9]+:[A-Za-z0-9._~%-]+:[A-Za-z0-9._~%-]+", entity["id"])
    assert entity["id"].split(":")[2] == entity["type"]
    assert all(urlsplit(one).scheme == "https" for one in entity["@context"])
    for name, one in entity.items():
        if name in ("id", "type", "@context"):
            continue
        assert re.fullmatch(r"[A-Za-z][\w-]*", name), name
        assert VALUES[one["type"]] in one, (name, one)
        assert set(one) <= {"type", "value", "object", "unitCode", "observedAt"}
        if "observedAt" in one:
            assert TIME.fullmatch(one["observedAt"])
        if "object" in one:
            assert urlsplit(one["object"]).scheme
        value = one.get("value")
        assert value is not None or "object" in one
        if isinstance(value, dict) and value.get("@type") == "DateTime":
            assert TIME.fullmatch(value["@value"])
        if one["type"] == "GeoProperty":
            assert value["type"] == "Point"
            assert len(value["coordinates"]) == 2
        assert not re.search(r"[<>\"'=;()]", value if isinstance(value, str) else ""), "Orion refuses these"


def sink(url: str, known: dict[str, Device] | None = None, **more: Any) -> NgsiSink:
    options = NgsiOptions(url=url, hub="district a", timeout_s=10, readings=NgsiReadingsOptions(), **more)
    made = NgsiSink(options)
    made.know((DEVICES if known is None else known).get, Personal().kind)
    return made


def reading(device: str, at_s: int = 0, kind: str = "", marks: dict[str, str] | None = None, **values: Any) -> Reading:
    return Reading(device, T + at_s * SECOND, values, marks=marks, received_at=T, kind=kind)


async def told(broker: Broker, *readings: Reading, **more: Any) -> dict[str, dict[str, Any]]:
    async with http_peer(broker.answer) as peer:
        up = sink(peer.url, **more)
        assert (await up.deliver_readings(readings, "k", T)).taken
        await up.close()
    return broker.entities


async def test_an_air_station_is_an_air_quality_observation_in_the_models_units() -> None:
    values = {"pm25": 35.0, "co": 0.8, "aqi": 51.4, "relative_humidity": 63.0, "wind_direction": 270.0, "air_temperature": -3.0}  # fmt: skip
    [entity] = (await told(Broker(), reading("air-1", rain_intensity=1.5, **values))).values()
    assert (entity["id"], entity["type"]) == ("urn:ngsi-ld:AirQualityObserved:district%20a:air-1", "AirQualityObserved")
    at = "2026-11-22T08:00:00Z"
    assert entity["pm25"] == {"type": "Property", "value": 35.0, "unitCode": "GQ", "observedAt": at}
    assert entity["co"]["unitCode"] == "GP"
    assert entity["airQualityIndex"]["value"] == 51
    assert entity["relativeHumidity"] == {"type": "Property", "value": 0.63, "unitCode": "C62", "observedAt": at}
    assert entity["windDirection"]["value"] == -90
    assert (entity["temperature"]["value"], entity["temperature"]["unitCode"]) == (-3.0, "CEL")
    assert entity["rainIntensity"]["unitCode"] == "H67"
    assert entity["dateObserved"]["value"] == {"@type": "DateTime", "@value": at}
    assert entity["location"]["value"] == {"type": "Point", "coordinates": [121.5, 31.2]}
    assert (entity["name"]["value"], entity["areaServed"]["value"]) == ("East Gate", "north")
    assert entity["refDevice"] == {"type": "Relationship", "object": "urn:ngsi-ld:Device:district%20a:air-1"}


@pytest.mark.parametrize(("level", "name"), [(3.2, "height"), (0.0, "height"), (-0.4, "waterLevel")])
async def test_a_level_below_zero_is_no_height(level: float, name: str) -> None:
    [entity] = (await told(Broker(), reading("gauge 7", water_level=level, water_flow=8.0))).values()
    assert entity[name]["value"] == level
    assert entity["flow"]["unitCode"] == "MQS"
    assert len({"height", "waterLevel"} & entity.keys()) == 1


@pytest.mark.parametrize(("degrees", "shown"), [(0, 0), (90, 90), (180, 180), (180.5, -179.5), (359, -1), (360, 0)])
async def test_winds_are_told_in_half_turns(degrees: float, shown: float) -> None:
    [entity] = (await told(Broker(), reading("air-1", wind_direction=degrees))).values()
    assert entity["windDirection"]["value"] == shown


async def test_what_no_model_is_for_is_a_device_with_its_own_words() -> None:
    [entity] = (await told(Broker(), reading("pump/3", running=True, vibration=2.5))).values()
    assert (entity["id"], entity["type"]) == ("urn:ngsi-ld:Device:district%20a:pump%2F3", "Device")
    assert entity["controlledProperty"]["value"] == ["running", "vibration"]
    assert entity["running"]["value"] is True
    assert "unitCode" not in entity["running"]
    assert entity["vibration"]["unitCode"] == "C16"


async def test_the_newest_of_each_value_wins_in_a_batch_and_over_batches() -> None:
    broker = Broker()
    async with http_peer(broker.answer) as peer:
        up = sink(peer.url)
        both = [reading("pump/3", 60, vibration=2.0), reading("pump/3", 0, vibration=1.0, temperature=40.0)]
        assert (await up.deliver_readings(both, "k1", T)).taken
        [entity] = broker.entities.values()
        assert (entity["vibration"]["value"], entity["temperature"]["value"]) == (2.0, 40.0)
        assert entity["dateObserved"]["value"]["@value"] == "2026-11-22T08:01:00Z"
        late = await up.deliver_readings([reading("pump/3", 30, vibration=9.0, temperature=41.0)], "k2", T)
        assert late.taken
        assert (entity["vibration"]["value"], entity["temperature"]["value"]) == (2.0, 41.0)
        assert entity["dateObserved"]["value"]["@value"] == "2026-11-22T08:01:00Z"
        assert entity["controlledProperty"]["value"] == ["temperature", "vibration"]
        heard = len(peer.heard)
        assert (await up.deliver_readings([reading("pump/3", 1, vibration=9.0)], "k3", T)).taken
        assert len(peer.heard) == heard, "nothing newer, so nothing to say"
        await up.close()


async def test_values_that_the_device_denies_are_not_told() -> None:
    broker = Broker()
    entities = await told(
        broker, reading("air-1", pm25=35.0, pm10=900.0, co=1.0, marks={"pm10": "fault", "co": "manual"})
    )
    [entity] = entities.values()
    assert "pm10" not in entity
    assert {"pm25", "co"} <= entity.keys()


async def test_people_are_left_out_unless_told_so() -> None:
    bus = Reading("bus-9", T, {"speed": 40.0, "driver": "Wang"}, Position(121.4, 31.2), received_at=T)
    assert not [id for id in await told(Broker(), bus, reading("air-1", pm25=1.0)) if "bus" in id]
    assert not [id for id in await told(Broker(), reading("new", kind="phone", speed=1.0), reading("air-1", pm25=1.0)) if "new" in id]  # fmt: skip
    stand = await told(Broker(), reading("pump/3", driver="Wang", vibration=1.0))
    assert "Wang" not in json.dumps(stand)
    whole = await told(Broker(), bus, personal=True)
    [entity] = whole.values()
    assert entity["driver"]["value"] == "Wang"
    assert entity["location"]["value"]["coordinates"] == [121.4, 31.2]


def change(kind: Change, ordinal: int = 1, level: str = "orange", rule: str = "flood/river-stage", subject: str = "gauge 7", **more: Any) -> AlertChange:  # fmt: skip
    alert = f"{rule}@{subject}@2026-11-22T08:00:00Z"
    return AlertChange(alert, ordinal, T + ordinal * SECOND, rule, subject, kind, level, **more)


async def test_a_warning_is_one_alert_entity_from_its_first_change_to_its_last() -> None:
    broker = Broker()
    async with http_peer(broker.answer) as peer:
        up = sink(peer.url)
        first = change(Change.RAISED, title="River (Mill): 3.6 m", reason="above 3.5 m", position=Position(121.4, 31.3))
        assert (await up.deliver(first, "a#1", T)).taken
        [entity] = broker.entities.values()
        assert entity["type"] == "Alert"
        assert (entity["category"]["value"], entity["subCategory"]["value"]) == ("naturalDisaster", "flood")
        assert entity["severity"]["value"] == "high"
        assert entity["description"]["value"] == "River Mill: 3.6 m above 3.5 m"
        assert entity["alertSource"]["value"] == "urn:ngsi-ld:Device:district%20a:gauge%207"
        assert entity["location"]["value"]["coordinates"] == [121.4, 31.3]
        assert "validTo" not in entity
        assert (await up.deliver(change(Change.ESCALATED, 2, "red"), "a#2", T)).taken
        assert entity["severity"]["value"] == "critical"
        assert (await up.deliver(change(Change.CLEARED, 3, "red"), "a#3", T)).taken
        assert entity["severity"]["value"] == "informational"
        assert (entity["validFrom"]["value"]["@value"], entity["validTo"]["value"]["@value"]) == (
            "2026-11-22T08:00:01Z", "2026-11-22T08:00:03Z",
        )  # fmt: skip
        moving = change(Change.RAISED, rule="fleet/overspeed", subject="bus-9", title="Wang drives 90 km/h", position=Position(121.4, 31.2))  # fmt: skip
        assert (await up.deliver(moving, "b#1", T)).taken
        [hidden] = [one for one in broker.entities.values() if "bus-9" in one["id"]]
        assert "Wang" not in json.dumps(hidden)
        assert "location" not in hidden
        await up.close()


async def test_what_the_brokers_answers_mean() -> None:
    broker = Broker()
    broker.refuses = {"urn:ngsi-ld:Device:district%20a:pump%2F3"}
    async with http_peer(broker.answer) as peer:
        up = sink(peer.url)
        some = await up.deliver_readings([reading("air-1", pm25=1.0), reading("pump/3", vibration=1.0)], "k", T)
        assert some.partly
        assert (some.taken, "1 entities taken, 1 refused" in some.detail, "pump%2F3: no" in some.detail) == (True, True, True)  # fmt: skip
        none = await up.deliver_readings([reading("pump/3", vibration=1.0)], "k", T)
        assert (none.taken, none.final) == (False, True)
        for status, taken, final in ((200, True, False), (204, True, False), (400, False, True), (401, False, False), (404, False, False), (429, False, False), (503, False, False)):  # fmt: skip
            peer.answer = lambda heard, status=status: (status, b"")
            told = await up.deliver(change(Change.RAISED), "k", T)
            assert (told.taken, told.final) == (taken, final), status
        await up.close()


async def test_a_notification_has_the_same_entities() -> None:
    async with http_peer() as peer:
        up = sink(f"{peer.url}/v2/notify", subscription="urn:ngsi-ld:Subscription:city", tenant="city")
        assert (await up.deliver_readings([reading("air-1", pm25=1.0)], "k", T)).taken
        assert (await up.deliver_readings([reading("air-1", 5, pm25=1.0)], "k", T)).taken
        await up.close()
    first, again = (json.loads(heard.body) for heard in peer.heard)
    assert (peer.heard[0].path, peer.heard[0].headers["ngsild-tenant"]) == ("/v2/notify", "city")
    assert (first["type"], first["subscriptionId"]) == ("Notification", "urn:ngsi-ld:Subscription:city")
    assert first["notifiedAt"] == "2026-11-22T08:00:00Z"
    assert first["id"] == again["id"], "told again under the same key it is the same notification"
    [entity] = first["data"]
    held_to_the_standard({**entity, "@context": first["@context"]})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"url": "broker:1026"}, "is no http"),
        ({"url": "http://broker/ngsi-ld/v1"}, "the broker alone was meant"),
        ({"url": "http://broker", "contexts": []}, "at least one"),
        ({"url": "http://broker", "subscription": "mine"}, "is no URI"),
        ({"url": "http://broker", "tls_key_file": "x"}, "tls_key_file needs"),
    ],
)
def test_mistakes_in_the_options_are_sentences(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        NgsiOptions(**options)


def test_names_and_units_are_of_the_vocabulary() -> None:
    words = vocabulary()
    assert {metric for names in NAMES.values() for metric in names} <= words.keys()
    assert set(UNITS) <= {word.unit for word in words.values()}
    assert all(re.fullmatch(r"[A-Z0-9]{2,3}", code) for code in UNITS.values())


async def test_a_running_hub_tells_a_broker_of_readings_and_warnings(tmp_path: Path) -> None:
    broker = Broker()
    async with http_peer(broker.answer) as peer:
        city = write_city(
            tmp_path, f'[api]\nlisten = "127.0.0.1:0"\n[[sinks]]\nname = "broker"\nprotocol = "ngsi"\nurl = "{peer.url}"\n[sinks.readings]\n'
        )  # fmt: skip
        async with running(city) as hub, httpx.AsyncClient(base_url=hub.address) as client:
            posted = [{"device": "underpass-1", "values": {"water_depth": 0.5}}]
            assert (await client.post("/api/v1/readings", json=posted)).status_code == 200
            async with asyncio.timeout(60):
                while {entity["type"] for entity in broker.entities.values()} != {"WaterObserved", "Alert"}:
                    await asyncio.sleep(0.02)
    observed = broker.entities["urn:ngsi-ld:WaterObserved:test:underpass-1"]
    assert (observed["name"]["value"], observed["height"]["value"]) == ("North Gate", 0.5)
    assert observed["location"]["value"]["coordinates"] == [121.491, 31.241]
