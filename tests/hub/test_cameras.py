"""Cameras: who sees a point, an uncertain point, an area, a moving thing; buildings; poses; OpenStreetMap; the registry."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cameras import Cameras, Error, footprint, sector
from hub.cameras.aiming import pose_at, turn_s
from hub.cameras.buildings import TARGET_M, VERTICES_MAX, Buildings, simplified
from hub.cameras.covering import cover
from hub.cameras.density import pixels_per_m, task
from hub.cameras.following import along, follow, straight
from hub.cameras.osm import cameras as imported
from hub.cameras.osm import direction, from_geojson, from_node, from_overpass
from hub.geo import destination, distance_m, polar
from hub.model import Building, Camera, Position, Preset
from hub.registry import load_registry

LON, LAT = 121.5, 31.2


def at(bearing: float, away: float, lon: float = LON, lat: float = LAT) -> Position:
    return Position(*destination(lon, lat, bearing, away))


def spot(bearing: float, away: float) -> tuple[float, float]:
    return destination(LON, LAT, bearing, away)


def camera(name: str = "c", bearing: float = 0.0, away: float = 0.0, **more: object) -> Camera:
    return Camera(name, at(bearing, away), **more)  # type: ignore[arg-type]


def block(name: str, bearing: float, away: float, height: float, half: float = 5.0) -> Building:
    """A square building with sides of 2 * half metres."""
    lon, lat = spot(bearing, away)
    corners = [destination(lon, lat, turn, half * 2**0.5) for turn in (45, 135, 225, 315)]
    return Building(name, ((*corners, corners[0]),), height)


# ---------------------------------------------------------------------------------------------- geometry


def test_polar_agrees_with_vincenty() -> None:
    """Geodesics on WGS-84 from GeographicLib (Karney's algorithm, its published sample points and short lines of them)."""
    # Flinders Peak to Buninyong (GDA technical manual): 54 972.271 m, 306° 52' 05.37".
    away, towards = polar(144.42486789, -37.95103342, 143.92649553, -37.65282114)
    assert away == pytest.approx(54_972.271, abs=1.0)
    assert towards == pytest.approx(306 + 52 / 60 + 5.37 / 3600, abs=0.01)


def test_density_of_the_standard_example() -> None:
    """1080p and 60°: detect to 66.5 m, observe 26.6, recognise 13.3, identify 6.7 (EN 62676-4)."""
    for metres, name in ((66.5, "detect"), (26.6, "observe"), (13.3, "recognise"), (6.64, "identify")):
        assert task(pixels_per_m(1920, 60, metres - 0.05)) == name
    assert task(pixels_per_m(1920, 60, 140)) == ""
    assert pixels_per_m(7680, 360, 10) == pytest.approx(7680 / (2 * 3.14159265 * 10))


def test_the_ground_follows_height_tilt_and_vertical_field_of_view() -> None:
    ground = sector(camera(azimuth_deg=0, height_m=6, tilt_deg=30, hfov_deg=60, vfov_deg=30, range_m=500))
    assert ground.near_m == pytest.approx(6.0)  # 6 / tan 45°
    assert ground.far_m == pytest.approx(6 / 0.267949, rel=1e-4)  # 6 / tan 15°
    # Straight down, straight up, and looking at the sky: no crash, no ground where there is none.
    assert sector(camera(azimuth_deg=0, height_m=6, tilt_deg=90, hfov_deg=60)).near_m == 0
    sky = sector(camera(azimuth_deg=0, height_m=6, tilt_deg=-60, hfov_deg=60))
    assert sky.near_m == sky.far_m
    assert footprint(camera(azimuth_deg=0), sky).is_empty


@settings(max_examples=200, deadline=None)
@given(
    st.floats(-80, 80),
    st.floats(-180, 180),
    st.floats(0, 360),
    st.floats(5, 360),
    st.floats(20, 20_000),
    st.floats(0, 359.99),
    st.floats(0.0, 1.5),
)
def test_the_grid_never_hides_a_camera(
    lat: float, lon: float, azimuth: float, width: float, reach: float, bearing: float, share: float
) -> None:
    """What the exact test lets see, the index must find: at the date line and far north too."""
    one = Camera("c", Position(lon, lat), azimuth_deg=azimuth, hfov_deg=width, range_m=reach)
    cameras = Cameras([one])
    target = destination(lon, lat, bearing, reach * share)
    away, towards = polar(lon, lat, *target)
    off = abs((towards - azimuth + 180) % 360 - 180)
    expected = away <= reach and (width >= 360 or off <= width / 2)
    assert bool(cameras.seeing(*target)) == expected


def test_ranking_names_reasons_and_prefers_what_the_task_needs() -> None:
    far_fine = camera("fine", 180, 100, azimuth_deg=0, hfov_deg=10, range_m=300)
    near_coarse = camera("coarse", 180, 50, azimuth_deg=0, hfov_deg=90, range_m=300)
    cameras = Cameras([far_fine, near_coarse])
    place = Position(LON, LAT)
    assert [view.camera for view in cameras.rank(place)] == ["coarse", "fine"]
    ranked = cameras.rank(place, need="observe")
    assert [view.camera for view in ranked] == ["fine", "coarse"]
    assert "where observe needs 62.5" in ranked[1].reason
    assert ranked[0].pixels_per_m == pytest.approx(1920 / (2 * 100.2 * 0.08749), rel=0.01)
    lenient = Cameras([far_fine, near_coarse], tasks={"observe": 5.0})
    assert lenient.rank(place, need="observe")[0].camera == "coarse"
    with pytest.raises(ValueError, match="known are"):
        cameras.rank(place, need="see")


def test_a_camera_without_direction_is_all_round_with_a_penalty_and_says_so() -> None:
    views = Cameras([camera("lost", 90, 40), camera("known", 270, 40, azimuth_deg=90)]).rank(Position(LON, LAT))
    assert [view.camera for view in views] == ["known", "lost"]
    assert views[1].sees
    assert "direction not known, all round assumed" in views[1].reason


def test_a_direction_that_is_not_sure_costs_rank_and_is_said() -> None:
    sure, unsure = (
        camera("sure", azimuth_deg=0, hfov_deg=60),
        camera("unsure", azimuth_deg=0, hfov_deg=60, azimuth_error_deg=22.5),
    )
    first, second = Cameras([unsure, sure]).seeing(*spot(0, 50))
    assert (first.camera, second.camera) == ("sure", "unsure")
    assert "if its direction is right (± 22°)" in second.reason


def test_a_place_that_is_not_sure_costs_rank_widens_the_pose_and_is_said() -> None:
    sure, unsure = (
        camera("sure", ptz=True, hfov_min_deg=2.0),
        camera("unsure", ptz=True, hfov_min_deg=2.0, position_error_m=20.0),
    )
    first, second = Cameras([unsure, sure]).seeing(*spot(0, 200))
    assert (first.camera, second.camera) == ("sure", "unsure")
    assert "if it stands where the registry has it (± 20 m)" in second.reason
    assert first.pose is not None
    assert second.pose is not None
    assert first.pose.hfov_deg == pytest.approx(5.73, abs=0.05)  # 20 m wide
    assert second.pose.hfov_deg == pytest.approx(4 * 5.71, abs=0.2)


def test_cameras_that_do_not_see_come_last_with_the_reason() -> None:
    behind = camera("behind", 0, 50, azimuth_deg=0, hfov_deg=60)
    sees = camera("sees", 180, 100, azimuth_deg=0)
    views = Cameras([behind, sees]).rank(Position(LON, LAT), limit=5)
    assert [(view.camera, view.sees) for view in views] == [("sees", True), ("behind", False)]
    assert "outside its field of view" in views[1].reason
    assert Cameras([]).rank(Position(LON, LAT)) == []


def test_a_panorama_sees_all_round_without_turning() -> None:
    view = Cameras([camera("pano", 120, 30, panoramic=True)]).rank(Position(LON, LAT))[0]
    assert view.sees
    assert view.pose is None
    assert "direction not known" not in view.reason


# ---------------------------------------------------------------------------------------------- buildings


def test_a_building_hides_what_is_behind_it_and_only_that() -> None:
    eye = camera("eye", azimuth_deg=0, hfov_deg=60, range_m=200, height_m=6)
    cameras = Cameras([eye], [block("tower", 0, 60, 30)])
    hidden, beside, before = spot(0, 120), spot(25, 120), spot(0, 40)
    assert not cameras.seeing(*hidden)
    assert cameras.seeing(*beside)
    assert cameras.seeing(*before)
    assert "hidden by building tower" in cameras.rank(Position(*hidden))[0].reason


def test_a_high_camera_sees_over_a_low_building() -> None:
    """Camera at 20 m, roof at 5 m, wall 60 m away and 10 m deep: the shadow ends at 65 (20 - 1)/(20 - 5) = 82.3 m."""
    eye = camera("eye", azimuth_deg=0, hfov_deg=60, range_m=200, height_m=20)
    cameras = Cameras([eye], [block("shed", 0, 60, 5)])
    ends = 65 * (20 - TARGET_M) / (20 - 5)
    assert not cameras.seeing(*spot(0, ends - 1))
    assert cameras.seeing(*spot(0, ends + 1))


def test_the_building_that_carries_the_camera_hides_nothing() -> None:
    eye = camera("eye", azimuth_deg=0, hfov_deg=60, range_m=200, height_m=6)
    assert Cameras([eye], [block("own", 0, 0, 30)]).seeing(*spot(0, 100))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_the_line_of_sight_agrees_with_a_walk_along_it(seed: int) -> None:
    """Against a ray walked in steps of 25 cm."""
    chance = random.Random(seed)
    height = chance.uniform(0.2, 25)
    eye = camera("eye", height_m=height)
    blocks = [
        block(str(n), chance.uniform(-40, 40), chance.uniform(20, 120), chance.uniform(0.5, 30), chance.uniform(2, 8))
        for n in range(6)
    ]
    shapes = [(shapely.Polygon(item.rings[0]), item.height_m) for item in blocks]
    bearing, away = chance.uniform(-35, 35), chance.uniform(5, 145)
    target = spot(bearing, away)
    lowest = 1e9  # the closest that the ray comes to a roof, from above (negative: below it)
    for step in range(1, int(away * 4) + 1):
        point, ray = spot(bearing, step / 4), height + (TARGET_M - height) * step / 4 / away
        lowest = min([lowest, *(ray - roof for shape, roof in shapes if shapely.contains_xy(shape, *point))])
    grazing = min(
        shapely.LineString([spot(0, 0), target]).distance(shapely.Point(at))
        for shape, _ in shapes
        for at in shape.exterior.coords
    )
    if abs(lowest) < 0.3 or grazing < 5e-6:
        return  # within the step's own error
    assert (Buildings(blocks).between(eye, *target) is None) == (lowest > 0)


def bend(name: str, bearing: float, away: float, height: float, half: float) -> Building:
    """An L-shaped building round a corner of a yard."""
    lon, lat = spot(bearing, away)
    across = half / 95_000
    corners = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2), (0, 0)]
    return Building(name, (tuple((lon + x * across, lat + y * across) for x, y in corners),), height)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_the_footprint_holds_what_the_line_of_sight_says(seed: int) -> None:
    """Points all over the ground: inside the cut footprint exactly where no building is between."""
    chance = random.Random(seed)
    eye = camera("eye", height_m=chance.uniform(0.2, 25), ptz=True, range_m=150, tilt_max_deg=60)
    shape = chance.choice([block, bend])
    blocks = [
        shape(str(n), chance.uniform(0, 360), chance.uniform(8, 120), chance.uniform(0.5, 30), chance.uniform(2, 8))
        for n in range(12)
    ]
    ground = footprint(eye, sector(eye))
    buildings = Buildings(blocks)
    seen = buildings.cut(eye, ground)
    for _ in range(60):
        place = spot(chance.uniform(0, 360), chance.uniform(1, 149))
        point = shapely.Point(place)
        if not ground.contains(point) or seen.boundary.distance(point) < 2e-6:  # 0.2 m: on the edge of a shadow
            continue
        assert seen.contains(point) == (buildings.between(eye, *place) is None)


def test_a_footprint_is_cut_kept_and_bounded() -> None:
    eye = camera("eye", azimuth_deg=0, hfov_deg=60, range_m=200, height_m=6)
    free, behind = Cameras([eye]), Cameras([eye], [block("tower", 0, 60, 30)])
    assert behind.footprint(0).area < 0.95 * free.footprint(0).area
    assert behind.footprint(0) is behind.footprint(0)
    geometry = behind.geometry(0)
    assert geometry is not None
    assert geometry["type"] == "Polygon"
    assert len(geometry["coordinates"][0]) > len(free.geometry(0)["coordinates"][0])  # type: ignore[index]
    wall = [block(str(n), n * 3 - 30, 50, 30, 4) for n in range(21)]
    parts = Cameras([eye], [*wall, block("low", 0, 120, 3, 2)]).geometry(0)
    assert parts is not None
    assert parts["coordinates"]
    sky = camera("sky", azimuth_deg=0, hfov_deg=60, range_m=200, height_m=6, tilt_deg=-45)
    assert Cameras([sky], wall).geometry(0) is None
    dense = [block(str(n), n * 7.3, 20 + n % 130, 3 + n % 20, 3) for n in range(600)]
    crowd = Cameras([camera("dome", ptz=True, range_m=200, height_m=8)], dense).footprint(0)
    assert shapely.get_num_coordinates(crowd) <= VERTICES_MAX
    assert crowd.is_valid
    comb = shapely.union_all([shapely.box(n, 0, n + 0.5, 1) for n in range(400)])
    assert 0 < shapely.get_num_coordinates(simplified(comb)) <= VERTICES_MAX


# ---------------------------------------------------------------------------------------------- uncertain, wide, moving


def test_an_uncertain_place_favours_the_wider_view() -> None:
    narrow = camera("narrow", 180, 60, azimuth_deg=0, hfov_deg=12, range_m=300)
    wide = camera("wide", 180, 90, azimuth_deg=0, hfov_deg=90, range_m=300)
    cameras = Cameras([narrow, wide])
    assert cameras.rank(Position(LON, LAT))[0].camera == "narrow"
    views = cameras.rank(Position(LON, LAT), error=Error(40, 40))
    assert [view.camera for view in views if view.sees] == ["wide"]
    assert "of where it may be" in views[0].reason
    # The same error, but along the line of sight: the narrow one is good for it.
    along_it = cameras.rank(Position(LON, LAT), error=Error(20, 1, 0))
    assert {view.camera for view in along_it if view.sees} == {"narrow", "wide"}


def test_an_area_gets_the_few_cameras_that_together_see_most() -> None:
    square = shapely.Polygon([spot(bearing, 100) for bearing in (45, 135, 225, 315)])
    corners = [
        camera(f"corner{bearing}", bearing, 110, azimuth_deg=(bearing + 180) % 360, hfov_deg=70, range_m=150)
        for bearing in (45, 225)
    ]
    twin = camera("twin", 45, 111, azimuth_deg=225, hfov_deg=70, range_m=150)
    blind = camera("blind", 45, 110, azimuth_deg=45, hfov_deg=70, range_m=150)
    parts = cover(Cameras([*corners, twin, blind]), square, limit=2)
    assert {part.camera for part in parts} - {"twin"} >= {"corner225"}
    assert parts[-1].together > 0.85
    assert parts[0].adds == parts[0].sees >= parts[1].adds > 0
    assert cover(Cameras([blind]), square) == []


def test_a_ptz_camera_counts_for_one_direction() -> None:
    square = shapely.Polygon([spot(bearing, 100) for bearing in (45, 135, 225, 315)])
    part = cover(Cameras([camera("dome", ptz=True, hfov_deg=60, range_m=300)]), square)[0]
    assert part.pose is not None
    assert part.sees == pytest.approx(1 / 6, abs=0.06)


def test_the_hand_over_list_of_a_lorry_driving_east() -> None:
    road = [
        camera("first", 90, 0, azimuth_deg=90, hfov_deg=60, range_m=100),
        camera("second", 90, 150, azimuth_deg=90, hfov_deg=60, range_m=100),
        Camera("dome", at(90, 500), ptz=True, range_m=120, slew_deg_s=90, hfov_deg=60),
    ]
    watches = follow(Cameras(road), straight(at(90, 1), 90, 10.0, horizon_s=80, step_s=1))
    assert [watch.camera for watch in watches] == ["first", "", "second", "", "dome", ""]
    assert all(one.until_s == two.from_s for one, two in pairwise(watches))
    dome = watches[4]
    assert dome.from_s == pytest.approx(38, abs=1.5)  # 380 m at 10 m/s
    assert dome.pose is not None
    assert dome.pose.azimuth_deg == pytest.approx(270, abs=1)
    assert dome.turn_by_s == pytest.approx(dome.from_s - 180 / 90 - 1.5, abs=0.2)


def test_a_picture_does_not_jump_between_cameras_that_are_nearly_as_good() -> None:
    pair = [camera(f"c{n}", 0, 30 + n, ptz=True, range_m=300) for n in range(2)]
    watches = follow(Cameras(pair), straight(at(270, 100), 90, 10.0, horizon_s=20))
    assert len(watches) == 1
    assert follow(Cameras([]), straight(at(0, 0), 0, 10)) == []


def test_the_way_along_a_road_turns_with_it() -> None:
    road = [spot(0, 0), spot(0, 100), destination(*spot(0, 100), 90, 100)]
    way = along(road, 10, horizon_s=60, step_s=1)
    assert way[10].after_s == 10
    assert distance_m(*way[10][1:], *road[1]) < 1
    assert distance_m(*way[-1][1:], *road[-1]) < 10.1
    assert len(along(road, 0)) == 1
    assert along([], 10) == []


# ---------------------------------------------------------------------------------------------- poses


def test_the_pose_of_a_ptz_camera() -> None:
    dome = camera(
        "dome",
        ptz=True,
        height_m=11,
        hfov_deg=60,
        hfov_min_deg=2,
        pan_offset_deg=30,
        presets=(Preset(1, 0), Preset(2, 80)),
        home=9,
    )
    pose = pose_at(dome, 100, 90)
    assert (pose.azimuth_deg, pose.tilt_deg, pose.pan_deg) == (90, pytest.approx(5.71, abs=0.01), 60)
    assert pose.hfov_deg == pytest.approx(11.42, abs=0.01)  # 20 m at 100 m
    assert (pose.preset, pose.home) == (2, 9)
    assert pose_at(dome, 100, 180).preset is None  # none of them shows it
    assert pose_at(dome, 5000, 0).hfov_deg == 2
    assert pose_at(camera(ptz=True, hfov_min_deg=2, azimuth_error_deg=10), 100, 90).hfov_deg == 40
    assert turn_s(dome, 350, 10) < turn_s(dome, None, 10)


def test_reach_limits_what_a_ptz_camera_can_see() -> None:
    dome = Camera("d", at(0, 0), ptz=True, hfov_deg=40, range_m=200, pan_from_deg=300, pan_to_deg=60)
    cameras = Cameras([dome])
    assert cameras.seeing(*spot(75, 50))  # 60° of reach and half a picture
    assert not cameras.seeing(*spot(85, 50))
    assert "reach of 160°" in cameras.rank(at(85, 50))[0].reason


# ---------------------------------------------------------------------------------------------- import


def test_osm_tags() -> None:
    tags = {"man_made": "surveillance", "surveillance:type": "camera", "camera:type": "fixed", "camera:direction": "SW",
            "camera:angle": "20°", "height": "4.5 m", "name": "Gate"}  # fmt: skip
    one, remarks = from_node(7, 121.5, 31.2, tags)
    assert one is not None
    assert (one.camera, one.azimuth_deg, one.tilt_deg, one.height_m) == ("osm:7", 225.0, 20.0, 4.5)
    assert one.hfov_deg is None  # camera:angle is a tilt
    assert one.origin["azimuth_deg"] == "osm camera:direction=SW"
    assert one.azimuth_error_deg == 11.25
    assert remarks == []
    bad, remarks = from_node(8, 121.5, 31.2, {**tags, "camera:direction": "Eastbound", "height": "high"})
    assert bad is not None
    assert (bad.azimuth_deg, bad.height_m) == (None, None)
    assert len(remarks) == 2
    assert from_node(9, 31.2, 121.5, tags).camera is None  # lat 121.5
    assert from_node(9, 121.5, 31.2, {"man_made": "surveillance", "surveillance:type": "guard"}).camera is None
    assert direction("30-60") == (45, None)
    assert direction("330-30") == (0, None)
    assert direction("400") == (None, None)


def test_osm_files() -> None:
    tags = {"man_made": "surveillance", "camera:type": "panning"}
    node = {"type": "node", "id": 5, "lon": 1.0, "lat": 2.0, "tags": tags}
    found, remarks = imported(from_overpass({"elements": [node, node, {"type": "way"}, 3]}))
    assert [(item.camera, item.ptz) for item in found] == [("osm:5", True)]
    point = {"id": "node/6", "properties": tags, "geometry": {"type": "Point", "coordinates": [1, 2]}}
    assert [item.camera for item in imported(from_geojson({"features": [point, {}, None]}))[0]] == ["osm:6"]
    assert remarks == []


@given(st.dictionaries(st.sampled_from(["man_made", "camera:direction", "camera:angle", "height"]), st.text()))
def test_no_tags_crash(tags: dict[str, str]) -> None:
    from_node(1, 0, 0, {"man_made": "surveillance", **tags})


def test_the_registry_reads_cameras_and_buildings(tmp_path: Path) -> None:
    (tmp_path / "cameras.csv").write_text(
        "camera,lon,lat,ptz,panoramic,width_px,presets,home,origin\n"
        "a,121.5,31.2,true,,3840,1=90;2=180/12,1,lon=survey 2025\n"
        "b,121.5,31.2,,true,,,,\n"
        "c,121.5,31.2,,,,1:90,,\n"
    )
    rings = [[list(point) for point in block("x", 0, 0, 1).rings[0]]]
    features = [
        {"type": "Feature", "properties": {"height_m": 12}, "geometry": {"type": "Polygon", "coordinates": rings}},
        {"type": "Feature", "properties": {"building:levels": "3"}, "geometry": {"type": "MultiPolygon", "coordinates": [rings]}},
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": rings}},
    ]  # fmt: skip
    (tmp_path / "buildings.geojson").write_text(json.dumps({"features": features}, indent=1))
    registry, mistakes = load_registry(tmp_path)
    assert registry.cameras["a"].presets == (Preset(1, 90), Preset(2, 180, 12))
    assert (registry.cameras["a"].width_px, registry.cameras["a"].home) == (3840, 1)
    assert registry.cameras["a"].origin == {"lon": "survey 2025"}
    assert registry.cameras["b"].panoramic
    assert [item.height_m for item in registry.buildings] == [12, 9]
    assert ["preset '1:90'" in mistakes[0].message, "no height_m" in mistakes[1].message] == [True, True]
    assert len(mistakes) == 2


def test_the_nearest_blind_cameras_are_the_nearest() -> None:
    chance = random.Random(3)
    crowd = [
        camera(f"c{n}", chance.uniform(0, 360), chance.uniform(200, 990), azimuth_deg=0, range_m=50) for n in range(200)
    ]
    views = Cameras(crowd).rank(Position(LON, LAT), limit=5)
    distances = sorted(polar(one.position.lon, one.position.lat, LON, LAT)[0] for one in crowd)
    assert [view.distance_m for view in views] == [round(away, 1) for away in distances[:5]]
