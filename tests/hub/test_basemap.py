"""Base maps: what a feature is, the tiles made of it, the command, and the hub that serves ranges of the file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import mapbox_vector_tile
import pytest
from pmtiles.reader import MemorySource, Reader, all_tiles

import simulators
from hub import basemap
from hub.cli import main
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city


def feature(kind: str, coordinates: Any, **tags: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": tags}


def collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


LAKE = feature("Polygon", [[[10.0, 50.0], [10.01, 50.0], [10.01, 50.01], [10.0, 50.01], [10.0, 50.0]]], natural="water")
STREET = feature("LineString", [[10.0, 50.0], [10.02, 50.0]], highway="primary", name="High Street")


@pytest.mark.parametrize(
    ("tags", "layer", "from_zoom"),
    [
        ({"highway": "motorway"}, "road", 0),
        ({"highway": "tertiary"}, "road", 11),
        ({"highway": "footway"}, "road", 13),
        ({"highway": "construction"}, None, 0),
        ({"building": "yes"}, "building", 13),
        ({"building": "no"}, None, 0),
        ({"landuse": "basin"}, "water", 0),
        ({"leisure": "park"}, "green", 9),
        ({"railway": "tram"}, "rail", 10),
        ({"railway": "abandoned"}, None, 0),
        ({"place": "suburb", "name": "Old town"}, "place", 11),
        ({"place": "suburb"}, None, 0),
        ({"layer": "water"}, "water", 0),
        ({"layer": "-1", "highway": "primary"}, "road", 0),  # OpenStreetMap's own `layer`: which bridge is above which
        ({"amenity": "bench"}, None, 0),
    ],
)
def test_tags_say_what_a_feature_is(tags: dict[str, Any], layer: str | None, from_zoom: int) -> None:
    told = basemap.what_is(tags)
    assert (None if told is None else (told[0], told[2])) == (None if layer is None else (layer, from_zoom))


def test_a_point_of_the_map_is_where_it_is_on_the_ground(tmp_path: Path) -> None:
    features, left_out = basemap.read(collection(LAKE, STREET, feature("Point", [10.0, 50.0], amenity="bench"), None))
    assert (len(features), left_out) == (2, 2)
    made = basemap.write(features, tmp_path / "map.pmtiles")
    assert made.bounds == pytest.approx((10.0, 50.0, 10.02, 50.01))
    data = (tmp_path / "map.pmtiles").read_bytes()
    reader = Reader(MemorySource(data))
    assert (reader.header()["min_zoom"], reader.header()["max_zoom"]) == (7, 14)
    # Where 10° E, 50° N lies at zoom 14, by the formula of the Web Mercator tiling: x 8647.111, y 5556.548.
    tile = mapbox_vector_tile.decode(
        gzip.decompress(reader.get(14, 8647, 5556) or b""), default_options={"y_coord_down": True}
    )
    assert set(tile) == {"water", "road"}
    ring = tile["water"]["features"][0]["geometry"]["coordinates"][0]
    west, south = min(x for x, _ in ring) / 4096, max(y for _, y in ring) / 4096
    assert west == pytest.approx(0.1111, abs=1e-3)
    assert south == pytest.approx(0.548, abs=1e-3)
    assert tile["road"]["features"][0]["properties"] == {"class": "major"}


def test_the_demo_has_a_map_and_it_is_the_same_every_time(tmp_path: Path) -> None:
    features, left_out = basemap.read(simulators.basemap())
    assert left_out == 0
    assert {item.layer for item in features} == set(basemap.LAYERS) - {"rail"}
    first, second = tmp_path / "a.pmtiles", tmp_path / "b.pmtiles"
    basemap.write(features, first)
    basemap.write(features, second)
    assert first.stat().st_size == second.stat().st_size
    tiles = [list(all_tiles(MemorySource(path.read_bytes()))) for path in (first, second)]
    assert len(tiles[0]) > 20
    assert tiles[0] == tiles[1]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.geojson", b"{", "line 1"),
        ("a.geojson", b"[]", "a GeoJSON FeatureCollection was meant"),
        ("a.geojson", b'{"features": 7}', 'no list "features"'),
        ("a.geojson", b'{"features": []}', "nothing in it is water"),
        ("a.geojson", b'{"features": [{"properties": {"highway": "primary"}, "geometry": {"type": "LineString", "coordinates": "x"}}]}', "nothing in it"),
        ("a.geojson", b"\xff\xfe", "Expecting value"),
        ("a.osm.pbf", b"\x00", "osmium export"),
        ("a.pmtiles", b"PMTiles\x02", "version 3"),
    ],
)  # fmt: skip
def test_what_is_no_map_is_said_and_leaves_the_old_one(
    name: str, content: bytes, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    city = write_city(tmp_path / "city")
    (city / "basemap.pmtiles").write_bytes(b"the old one")
    (tmp_path / name).write_bytes(content)
    assert main(["basemap", str(tmp_path / name), str(city)]) == 1
    assert complaint in capsys.readouterr().err
    assert (city / "basemap.pmtiles").read_bytes() == b"the old one"
    assert not list(city.glob("*.made"))


def asked(api: int) -> tuple[int, bytes]:
    """The first seven bytes of the hub's base map."""
    answer = httpx.get(f"http://127.0.0.1:{api}/tiles/basemap.pmtiles", headers={"Range": "bytes=0-6"}, timeout=30)
    return answer.status_code, answer.content


@pytest.mark.acceptance
def test_the_hub_serves_parts_of_the_file(tmp_path: Path) -> None:
    api = free_port()
    city = write_city(tmp_path / "city", api=api)
    hub = RunningHub(city, api)
    assert asked(api)[0] == 404
    (tmp_path / "city.geojson").write_text(json.dumps(collection(LAKE, STREET)))
    assert main(["basemap", str(tmp_path / "city.geojson"), str(city)]) == 0
    assert asked(api) == (206, b"PMTiles")
    assert hub.stop() == 0
