"""`cityhub cameras`: points, uncertain points, areas, moving things, footprints; and what a wrong question hears."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import shapely

from hub.cli import main
from hub.geo import destination

LON, LAT = 121.5, 31.2


def ring(lon: float, lat: float, half_m: float) -> list[list[float]]:
    corners = [list(destination(lon, lat, turn, half_m * 2**0.5)) for turn in (45, 135, 225, 315, 45)]
    return corners


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """Two fixed cameras and a dome round a yard, a tower north of the first, one camera without a direction."""
    rows = ["camera,name,lon,lat,height_m,azimuth_deg,hfov_deg,range_m,ptz"]
    for name, bearing, away, rest in (
        ("gate", 0, 0, "6,0,60,200,"),
        ("yard", 90, 150, "6,270,40,300,"),
        ("dome", 45, 100, "8,,,300,true"),
        ("mute", 180, 60, "6,,60,150,"),
    ):
        lon, lat = destination(LON, LAT, bearing, away)
        rows.append(f"{name},{name.title()},{lon},{lat},{rest}")
    (tmp_path / "cameras.csv").write_text("\n".join(rows))
    tower = {"type": "Feature", "properties": {"building": "tower", "height_m": 30}, "geometry": {"type": "Polygon", "coordinates": [ring(*destination(LON, LAT, 0, 60), 8)]}}  # fmt: skip
    (tmp_path / "buildings.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [tower]}))
    zone = {"type": "Feature", "properties": {"zone": "yard", "kind": "plant"}, "geometry": {"type": "Polygon", "coordinates": [ring(LON, LAT, 60)]}}  # fmt: skip
    (tmp_path / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [zone]}))
    (tmp_path / "hub.toml").write_text('[hub]\nname = "yard"\n')
    return tmp_path


def lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(["cameras", *arguments, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def at(bearing: float, away: float) -> str:
    lon, lat = destination(LON, LAT, bearing, away)
    return f"{lon},{lat}"


def test_each_answer_says_why_and_has_its_ground(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(capsys, str(city), "--at", at(0, 120))
    by_name = {one["camera"]: one for one in found}
    assert "hidden by building tower" in by_name["gate"]["reason"]
    assert by_name["dome"]["sees"]
    assert all(one["reason"] for one in found)
    ground = shapely.from_geojson(json.dumps(by_name["gate"]["footprint"]))
    assert not ground.contains(shapely.Point(*map(float, at(0, 120).split(","))))
    assert ground.contains(shapely.Point(*map(float, at(0, 40).split(","))))
    mute = next(one for one in lines(capsys, str(city), "--at", at(180, 100)) if one["camera"] == "mute")
    assert "direction not known, all round assumed" in mute["reason"]


def test_an_uncertain_place_by_a_circle_and_an_ellipse(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = at(0, 30)
    (circle,) = [one for one in lines(capsys, str(city), "--at", place, "--error", "12") if one["camera"] == "gate"]
    assert "% of where it may be" in circle["reason"]
    (along,) = [one for one in lines(capsys, str(city), "--at", place, "--error", "12,1,0") if one["camera"] == "gate"]
    (across,) = [
        one for one in lines(capsys, str(city), "--at", place, "--error", "12,1,90") if one["camera"] == "gate"
    ]
    assert along["score"] > across["score"]  # its picture is longer than it is wide there


def test_an_area_gets_the_few_that_see_most_of_it(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = lines(capsys, str(city), "--zone", "yard", "--limit", "3")
    assert [one["together"] for one in parts] == sorted(one["together"] for one in parts)
    assert all("of the area" in one["reason"] and one["footprint"] for one in parts)


def test_a_moving_target_by_course_and_by_road(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watches = lines(capsys, str(city), "--at", at(0, 10), "--course", "90", "--speed", "30")
    assert {"gate", "yard", "dome"} & {one["camera"] for one in watches}
    assert watches[0]["from_s"] == 0
    road = [[float(x) for x in at(90, away).split(",")] for away in (0, 100, 140)]
    (city / "road.geojson").write_text(json.dumps({"type": "LineString", "coordinates": road}))
    along = lines(capsys, str(city), "--road", str(city / "road.geojson"), "--speed", "36")
    assert along[-1]["until_s"] == pytest.approx(14, abs=2.1)  # 140 m at 10 m/s
    assert main(["cameras", str(city), "--road", str(city / "road.geojson")]) == 0
    assert "turn it" in capsys.readouterr().out


def test_footprints_of_all_cameras_or_of_those_that_were_asked_for(
    city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cameras", str(city), "--geojson"]) == 0
    everything = json.loads(capsys.readouterr().out)
    assert [one["properties"]["camera"] for one in everything["features"]] == ["gate", "yard", "dome", "mute"]
    assert {one["geometry"]["type"] for one in everything["features"]} <= {"Polygon", "MultiPolygon"}
    assert main(["cameras", str(city), "--at", at(0, 40), "--limit", "1", "--geojson"]) == 0
    assert len(json.loads(capsys.readouterr().out)["features"]) == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], "--geojson was meant"),
        (["--at", "31.2,121.5"], "were lon and lat swapped?"),
        (["--at", "-181,31.2"], "no place on Earth"),
        (["--at", "nan,nan"], "no place on Earth"),
        (["--at", "here"], "LON,LAT was meant"),
        (["--at", "121.5,31.2", "--error", "5,5"], "half axis"),
        (["--at", "121.5,31.2", "--error=-5"], "half axis"),
        (["--at", "121.5,31.2", "--need", "stare"], "was meant"),
        (["--at", "121.5,31.2", "--limit", "0"], "1 or more"),
        (["--at", "121.5,31.2", "--course", "nan"], "degrees from north"),
        (["--at", "121.5,31.2", "--course", "90", "--speed", "0"], "more than 0"),
        (["--zone", "nowhere"], "no zone 'nowhere'"),
        (["--road", "no-such-file"], "cannot be read"),
    ],
)
def test_a_wrong_question_hears_what_was_meant(
    city: Path, capsys: pytest.CaptureFixture[str], wrong: list[str], words: str
) -> None:
    assert main(["cameras", str(city), *wrong]) in (1, 2)
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"type":"Point","coordinates":[1,2]}', '{"type":"LineString","coordinates":[[1,2]]}', '{"type":"LineString","coordinates":[[31,121],[31,122]]}', '{"features":[{}]}', "[" * 9999]
)  # fmt: skip
def test_a_road_that_is_none(city: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (city / "road.geojson").write_text(text)
    assert main(["cameras", str(city), "--road", str(city / "road.geojson")]) == 2
    assert "cityhub: " in capsys.readouterr().err


def test_western_longitudes_need_no_trick(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--at -121.8,39.7` begins like an option; it is none."""
    assert main(["cameras", str(city), "--at", "-121.8,39.7"]) == 0
    assert "no camera within 1 km" in capsys.readouterr().out
