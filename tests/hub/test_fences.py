"""Zones drawn into zones.geojson: one feature more or less and all else byte for byte; who may; and that rules go by them at once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.access import audit
from hub.access.users import RoleGrant, User, save_user
from hub.app.admitting import NotProposed
from hub.app.fences import added, removed, reshaped
from hub.registry import load_registry
from tests.acceptance.running import write_city
from tests.hub.askers import as_user, give_passwords
from tests.hub.running import running

RING = [(121.49, 31.23), (121.52, 31.23), (121.52, 31.25), (121.49, 31.25)]
FEATURE = '{"type": "Feature", "properties": {"zone": "%s", "note": "a ] and a }"},\n   "geometry": {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 1]]]}}'
HEAD, TAIL = '{"type": "FeatureCollection",\n "features": [\n  ', '\n ],\n "made": "by hand"}\n'
RULES = """
- rule: too-fast
  title: "{subject.name}: too fast"
  for_each: {kind: bus}
  levels:
    yellow: speed > zone.speed_limit_kmh
  clear: speed < 90 % of level
"""


def city(folder: Path, *zones: str) -> str:
    text = HEAD + ",\n  ".join(FEATURE % zone for zone in zones) + TAIL
    (folder / "zones.geojson").write_text(text, "utf-8", newline="")
    return text


@pytest.mark.parametrize("zones", [("a",), ("a", "b")])
def test_a_zone_comes_behind_the_others_and_goes_without_a_trace(tmp_path: Path, zones: tuple[str, ...]) -> None:
    before = city(tmp_path, *zones)
    found = added(tmp_path, "school-1", {"kind": "school", "name": '东 "school"', "speed_limit_kmh": 30}, RING)
    after = found.content.decode()
    place = before.index(TAIL)
    assert after == before[:place] + ",\n" + found.added + before[place:]
    assert (tmp_path / "zones.geojson").read_text("utf-8") == before, "only proposed"
    (tmp_path / "zones.geojson").write_bytes(found.content)
    registry, mistakes = load_registry(tmp_path)
    assert not mistakes
    assert list(registry.zones) == [*zones, "school-1"]
    zone = registry.zones["school-1"]
    assert (zone.name, zone.limits, zone.rings[0][0], zone.rings[0][0]) == ('东 "school"', {"speed_limit_kmh": 30}, RING[0], zone.rings[0][-1])  # fmt: skip
    assert after.splitlines()[found.line - 1] == found.added
    assert removed(tmp_path, "school-1").content.decode() == before


def test_what_is_no_polygon_is_not_reshaped(tmp_path: Path) -> None:
    """A hub takes none over; the file may have been changed since."""
    several = {
        "type": "MultiPolygon",
        "coordinates": [[[[1, 1], [2, 1], [2, 2], [1, 1]]], [[[3, 1], [4, 1], [4, 2], [3, 1]]]],
    }
    feature = {"type": "Feature", "properties": {"zone": "a"}, "geometry": several}
    (tmp_path / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    with pytest.raises(NotProposed, match="'a' is a MultiPolygon"):
        reshaped(tmp_path, "a", RING)


@pytest.mark.parametrize("gone", ["a", "b", "c"])
def test_any_zone_goes_and_the_rest_stays_as_it_is_written(tmp_path: Path, gone: str) -> None:
    city(tmp_path, "a", "b", "c")
    text = removed(tmp_path, gone).content.decode()
    left = [feature["properties"]["zone"] for feature in json.loads(text)["features"]]
    assert left == [zone for zone in "abc" if zone != gone]
    assert all(FEATURE % zone in text for zone in left)
    assert text.endswith(TAIL)


def test_the_first_zone_makes_the_file_and_the_last_one_leaves_an_empty_list(tmp_path: Path) -> None:
    found = added(tmp_path, "a", {}, RING)
    (tmp_path / "zones.geojson").write_bytes(found.content)
    assert list(load_registry(tmp_path)[0].zones) == ["a"]
    assert json.loads(removed(tmp_path, "a").content)["features"] == []


def test_a_zone_gets_another_shape_and_all_else_stays_as_it_is_written(tmp_path: Path) -> None:
    before = city(tmp_path, "a", "b", "c")
    found = reshaped(tmp_path, "b", RING)
    assert found.content.decode() == before.replace(FEATURE % "b", found.added)
    assert (found.removed, found.before["properties"]) == (FEATURE % "b", {"zone": "b", "note": "a ] and a }"})
    (tmp_path / "zones.geojson").write_bytes(found.content)
    registry, mistakes = load_registry(tmp_path)
    assert (mistakes, list(registry.zones["b"].rings[0][:4])) == ([], RING)
    with pytest.raises(NotProposed, match="has this shape already"):
        reshaped(tmp_path, "b", RING)


def test_a_reshaped_zone_keeps_its_holes_inside_it(tmp_path: Path) -> None:
    hole = [[121.50, 31.235], [121.51, 31.235], [121.51, 31.24], [121.50, 31.235]]
    feature = {"type": "Feature", "properties": {"zone": "a"}, "geometry": {"type": "Polygon", "coordinates": [[*map(list, RING), list(RING[0])], hole]}}  # fmt: skip
    (tmp_path / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    wider = [(121.48, 31.23), *RING[1:]]
    assert json.loads(reshaped(tmp_path, "a", wider).content)["features"][0]["geometry"]["coordinates"][1] == hole
    with pytest.raises(NotProposed, match="cross"):
        reshaped(tmp_path, "a", [(121.505, 31.23), *RING[1:]])
    with pytest.raises(NotProposed, match="has no zone"):
        reshaped(tmp_path, "nobody", RING)


def test_a_mark_at_the_beginning_of_the_file_stays(tmp_path: Path) -> None:
    text = city(tmp_path, "a")
    (tmp_path / "zones.geojson").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert added(tmp_path, "b", {}, RING).content.startswith(b"\xef\xbb\xbf{")


@pytest.mark.parametrize(
    ("zone", "ring", "why"),
    [
        ("a", RING, "already"),
        ("b", [(0, 0), (1, 1), (1, 0), (0, 1)], "cross"),
        ("b", [(0, 0), (1, 1), (0, 0)], "corners|cross"),
        ("b", [(0, 0), (500, 0), (500, 1)], "zones.geojson line"),
    ],
)
def test_what_is_no_zone_is_not_proposed(tmp_path: Path, zone: str, ring: list[tuple[float, float]], why: str) -> None:
    city(tmp_path, "a")
    with pytest.raises(NotProposed, match=why):
        added(tmp_path, zone, {}, ring)


@pytest.mark.parametrize("text", ["", "[]", '{"features": 1}', "{"])
def test_a_file_that_is_none_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "zones.geojson").write_text(text or " ")
    with pytest.raises(NotProposed):
        added(tmp_path, "b", {}, RING)
    with pytest.raises(NotProposed):
        removed(tmp_path, "b")


async def test_rules_go_by_a_zone_as_soon_as_it_is_drawn(tmp_path: Path) -> None:
    folder = write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\n', rules=RULES)
    with (folder / "devices.csv").open("a") as file:
        file.write("bus-1,Bus 1,bus,,,,north,,\n")
    for name, role in (("ing", "engineer"), ("op", "operator")):
        save_user(folder / "users.toml", User(name, "", (RoleGrant(role),)))
    give_passwords(folder)
    wanted: dict[str, Any] = {"zone": "school-1", "kind": "school", "name": "School", "limits": {"speed_limit_kmh": 30}, "ring": RING}  # fmt: skip
    async with running(folder) as hub:
        async with as_user(hub, "op") as client:
            assert (await client.post("/api/v1/zones", json=wanted)).status_code == 403
        async with as_user(hub, "ing") as client:
            await drive(client, "2026-11-29T08:00:00Z")
            shown = (await client.post("/api/v1/zones", json=wanted)).json()
            assert not (folder / "zones.geojson").exists()
            assert not shown["written"]
            assert (await client.post("/api/v1/zones", json=wanted | {"base": "0"})).status_code == 409
            done = (await client.post("/api/v1/zones", json=wanted | {"base": shown["base"]})).json()
            assert (done["written"], done["reload"]["mistakes"]) == (True, [])
            city = (await client.get("/api/v1/city")).json()
            assert [zone["zone"] for zone in city["zones"]] == ["school-1"]
            assert hub.state.alerts.open == {}, "there was no zone then"
            async with asyncio.timeout(60):
                second = 0
                while not hub.state.alerts.open:
                    second += 1
                    await drive(client, f"2026-11-29T08:{second // 60 + 1:02}:{second % 60:02}Z")
                    await asyncio.sleep(0.05)
            [alert] = hub.state.alerts.open.values()
            assert (alert.rule, alert.subject) == ("city/too-fast", "bus-1")
            for wrong in (
                {"zone": "x", "ring": RING[:2]},
                {"zone": " x", "ring": RING},
                {"zone": "nobody"},
                {"zone": "x", "ring": RING, "limits": {"zone": "y"}},
            ):
                assert (await client.post("/api/v1/zones", json=wrong)).status_code == 400, wrong
            wider = {"zone": "school-1", "ring": [(121.48, 31.23), *RING[1:]], "reshape": True}
            shown = (await client.post("/api/v1/zones", json=wider)).json()
            assert (shown["removed"].count("121.49"), shown["added"].count("121.48")) == (3, 2)
            await client.post("/api/v1/zones", json=wider | {"base": shown["base"]})
            [zone] = (await client.get("/api/v1/city")).json()["zones"]
            assert (zone["rings"][0][0], zone["limits"]) == ([121.48, 31.23], {"speed_limit_kmh": 30})
            shown = (await client.post("/api/v1/zones", json={"zone": "school-1", "ring": None})).json()
            await client.post("/api/v1/zones", json={"zone": "school-1", "ring": None, "base": shown["base"]})
            assert (await client.get("/api/v1/city")).json()["zones"] == []
    noted = [one for one in audit.entries(folder / "var") if "zone" in one["action"]]
    assert [one["action"] for one in noted] == ["draw-zone", "reshape-zone", "remove-zone"]
    befores = [one["before"] and one["before"]["geometry"]["coordinates"][0][0] for one in noted]
    assert befores == [None, [121.49, 31.23], [121.48, 31.23]]


async def drive(client: httpx.AsyncClient, time: str) -> None:
    body = {"device": "bus-1", "time": time, "lon": 121.5, "lat": 31.24, "values": {"speed": 60.0}}
    answer = await client.post("/api/v1/readings", json=body)
    assert answer.status_code == 200, answer.text
