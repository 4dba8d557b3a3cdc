"""The figures of the cameras' ranking: each weight, each edge and each sentence, worked out by hand."""

from __future__ import annotations

from math import atan, cos, degrees, hypot, radians, sin, tan

import pytest
import shapely

from hub.bilingual import Text
from hub.cameras import Cameras, Error, footprint, sector
from hub.cameras.density import pixels_per_m
from hub.cameras.ranking import SAMPLES
from hub.cameras.sector import Sector, vertical_deg
from hub.geo import destination, distance_m, polar
from hub.model import Camera, CameraView, Position

LON, LAT = 121.5, 31.2
HERE = Position(LON, LAT)


def spot(bearing: float, away: float) -> tuple[float, float]:
    """The place so far on the ellipsoid: `destination` is a sphere's, corrected here by what `polar` measures."""
    turn, reach = bearing, away
    for _ in range(3):
        measured, towards = polar(LON, LAT, *destination(LON, LAT, turn, reach))
        reach *= away / measured
        turn += (bearing - towards + 180) % 360 - 180
    return destination(LON, LAT, turn, reach)


def at(bearing: float, away: float) -> Position:
    return Position(*spot(bearing, away))


def camera(id: str = "c", **more: object) -> Camera:
    return Camera(id, HERE, **more)  # type: ignore[arg-type]


def seen(one: Camera, bearing: float, away: float, need: str = "") -> CameraView:
    (view,) = Cameras([one]).seeing(*spot(bearing, away), need)
    return view


# ---------------------------------------------------------------------------------------------- the score, weight by weight


def test_a_camera_that_knows_all_and_looks_straight_at_its_feet_scores_one_and_three_fifths_less_at_its_range() -> None:
    sure = camera(azimuth_deg=0, hfov_deg=60, range_m=200)
    assert seen(sure, 0, 0.001).score == 1.0
    assert seen(sure, 0, 100).score == 0.7
    assert seen(sure, 0, 199.999).score == 0.4


@pytest.mark.parametrize(("bearing", "score"), [(0, 0.7), (15, 0.7 * 0.85), (-15, 0.7 * 0.85), (29.99, 0.7 * 0.7)])
def test_the_edge_of_the_picture_costs_three_tenths(bearing: float, score: float) -> None:
    sure = camera(azimuth_deg=0, hfov_deg=60, range_m=200)
    assert seen(sure, bearing, 100).score == pytest.approx(score, abs=0.0006)


def test_what_is_assumed_costs_three_in_a_hundred_each() -> None:
    assert seen(camera(azimuth_deg=0, hfov_deg=60), 0, 75).score == pytest.approx(0.97 * 0.7, abs=0.0006)  # range
    assert seen(camera(azimuth_deg=0), 0, 75).score == pytest.approx(0.97**2 * 0.7, abs=0.0006)  # and field of view


def test_a_camera_that_has_to_turn_loses_a_twentieth_and_nothing_for_where_it_looks() -> None:
    dome = camera(ptz=True, range_m=200, pan_from_deg=300, pan_to_deg=60, hfov_deg=60)
    assert seen(dome, 0, 100).score == pytest.approx(0.95 * 0.7, abs=0.0006)
    assert seen(dome, 80, 100).score == seen(dome, 0, 100).score


def test_an_unknown_direction_halves_the_score_but_not_for_a_panorama() -> None:
    assert seen(camera(hfov_deg=60, range_m=200), 120, 100).score == pytest.approx(0.97 * 0.5 * 0.7, abs=0.0006)
    assert seen(camera(panoramic=True, range_m=200), 120, 100).score == 0.7


@pytest.mark.parametrize(("error", "left"), [(0, 1.0), (15, 0.75), (30, 0.5), (90, 0.5)])
def test_a_doubtful_direction_costs_up_to_half(error: float, left: float) -> None:
    doubtful = camera(azimuth_deg=0, hfov_deg=60, range_m=200, azimuth_error_deg=error)
    assert seen(doubtful, 0, 100).score == pytest.approx(left * 0.7, abs=0.0006)


@pytest.mark.parametrize(("error", "left"), [(0, 1.0), (100, 0.75), (200, 0.5), (900, 0.5)])
def test_a_doubtful_place_costs_up_to_half(error: float, left: float) -> None:
    doubtful = camera(azimuth_deg=0, hfov_deg=60, range_m=200, position_error_m=error)
    assert seen(doubtful, 0, 100).score == pytest.approx(left * 0.7, abs=0.0006)


def test_what_is_seen_too_coarsely_for_the_need_loses_half_of_what_is_missing() -> None:
    one = camera(azimuth_deg=0, hfov_deg=60, range_m=200, height_m=6)
    density = pixels_per_m(1920, 60, 1.0) / hypot(100, 6)
    assert seen(one, 0, 100).pixels_per_m == pytest.approx(density, abs=0.05)
    assert seen(one, 0, 100, "observe").score == pytest.approx(0.7 * (0.5 + 0.5 * density / 62.5), abs=0.0006)
    assert seen(one, 0, 10, "observe").score == pytest.approx(0.97, abs=0.0006)  # finely enough: nothing lost


def test_a_camera_of_unknown_height_hangs_at_six_metres_and_one_of_unknown_picture_has_1920_pixels() -> None:
    assert seen(camera(azimuth_deg=0, hfov_deg=60, range_m=200), 0, 8).pixels_per_m == pytest.approx(
        pixels_per_m(1920, 60, 10.0), abs=0.05
    )
    fine = camera(azimuth_deg=0, hfov_deg=60, range_m=200, width_px=3840)
    assert seen(fine, 0, 8).pixels_per_m == pytest.approx(pixels_per_m(3840, 60, 10.0), abs=0.05)


# ---------------------------------------------------------------------------------------------- edges of what is seen


def test_a_place_below_the_picture_is_not_seen_and_the_reason_says_where_it_begins() -> None:
    """6 m high, 30° down, 30° of vertical view: the picture begins at 6 / tan 45° = 6 m and ends at 6 / tan 15° = 22.39 m."""
    cameras = Cameras([camera(azimuth_deg=0, height_m=6, tilt_deg=30, hfov_deg=60, vfov_deg=30, range_m=500)])
    assert not cameras.seeing(*spot(0, 5.9))
    assert cameras.seeing(*spot(0, 6.1))
    assert cameras.seeing(*spot(0, 22.3))
    assert not cameras.seeing(*spot(0, 22.5))
    (below,) = cameras.rank(at(0, 3))
    assert (below.sees, below.reason) == (False, "3 m away, below its picture, which begins at 6 m")
    (beyond,) = cameras.rank(at(0, 30))
    assert (beyond.sees, beyond.reason) == (False, "30 m away, beyond its range of 22 m")


def test_a_dome_that_cannot_look_down_to_its_feet_does_not_see_there() -> None:
    """Tilts down to 30° with a wide picture of 60° (36° high by 16:9): from 6 / tan 48° = 5.40 m on."""
    assert vertical_deg(camera(), 60) == pytest.approx(degrees(2 * atan(tan(radians(30)) * 9 / 16)))
    dome = camera(ptz=True, range_m=200, height_m=6, tilt_max_deg=30)
    assert sector(dome).near_m == pytest.approx(6 / tan(radians(30 + vertical_deg(dome, 60) / 2)))
    assert not Cameras([dome]).seeing(*spot(200, 5.2))
    assert Cameras([dome]).seeing(*spot(200, 5.6))
    assert sector(camera(ptz=True, range_m=200, height_m=6, tilt_max_deg=80)).near_m == 0.0
    skyward = camera(ptz=True, range_m=200, height_m=6, tilt_max_deg=-40)
    assert (sector(skyward).near_m, sector(skyward).far_m) == (200, 200)
    low = camera(ptz=True, range_m=20, height_m=6, tilt_max_deg=-10)  # 8° down at most: 43 m, beyond its range
    assert sector(low).near_m == 20
    assert sector(camera(ptz=True, range_m=200, tilt_max_deg=30)).near_m == 0.0  # height not known


def test_the_reach_of_a_dome_is_its_pan_and_half_a_picture_on_each_side() -> None:
    dome = camera("dome", ptz=True, range_m=200, pan_from_deg=350, pan_to_deg=50, hfov_deg=40)
    assert sector(dome) == Sector(0.0, 200, 20.0, 100.0, ())
    cameras = Cameras([dome])
    assert cameras.seeing(*spot(-29, 100))
    assert cameras.seeing(*spot(69, 100))
    (off,) = cameras.rank(at(75, 100))
    assert off.reason == "100 m away, 55° off the middle of its reach of 100°"
    assert sector(camera(ptz=True, range_m=200, pan_from_deg=0, pan_to_deg=360)).width_deg == 360
    assert sector(camera(ptz=True, range_m=200, pan_from_deg=0, pan_to_deg=330)).width_deg == 360
    assert sector(camera(ptz=True, range_m=200, pan_from_deg=10)) == Sector(0.0, 200, 0.0, 360.0, ())


def test_a_picture_of_half_a_circle_or_more_has_no_depth_by_its_tilt() -> None:
    assert sector(camera(azimuth_deg=0, hfov_deg=180, tilt_deg=30, height_m=6, range_m=80)).near_m == 0.0
    assert sector(camera(azimuth_deg=0, hfov_deg=179, tilt_deg=30, height_m=6, range_m=80)).near_m > 0.0
    straight_down = camera(azimuth_deg=0, hfov_deg=60, vfov_deg=20, tilt_deg=100, height_m=6, range_m=80)
    assert (sector(straight_down).near_m, sector(straight_down).far_m) == (0.0, 0.0)
    assert not Cameras([straight_down]).seeing(*spot(0, 1))


def test_defaults_are_those_written_down_and_are_said() -> None:
    assert [part.en for part in sector(camera(azimuth_deg=0, hfov_deg=60)).assumed] == [
        "range not known, 150 m assumed"
    ]
    assert [part.en for part in sector(camera(ptz=True)).assumed] == ["range not known, 300 m assumed"]
    assert [part.en for part in sector(camera(azimuth_deg=0, range_m=80)).assumed] == [
        "field of view not known, 60° assumed"
    ]
    assert sector(camera(azimuth_deg=0, range_m=80)).width_deg == 60
    lost = sector(camera(range_m=80))
    assert lost == Sector(0.0, 80, 0.0, 360.0, (Text("direction not known, all round assumed", "朝向未知，按全向计"),))
    assert sector(camera(panoramic=True, range_m=80)) == Sector(0.0, 80, 0.0, 360.0, ())


# ---------------------------------------------------------------------------------------------- the ground as a shape


def _edges(shape: shapely.Polygon) -> tuple[list[float], list[float]]:
    """Distances (m) and bearings (degrees) of the outline's corners from the camera."""
    corners = [polar(LON, LAT, *corner) for corner in shape.exterior.coords]
    return [away for away, _ in corners], [towards for away, towards in corners if away > 0.01]


def test_the_footprint_begins_and_ends_where_the_picture_does_and_is_as_wide() -> None:
    one = camera(azimuth_deg=90, height_m=6, tilt_deg=30, hfov_deg=60, vfov_deg=30, range_m=500)
    shape = footprint(one, sector(one))
    away, towards = _edges(shape)
    assert min(away) == pytest.approx(6.0, rel=0.005)
    assert max(away) == pytest.approx(22.39, rel=0.007)
    assert (min(towards), max(towards)) == (pytest.approx(60.0, abs=0.2), pytest.approx(120.0, abs=0.2))
    area_m2 = 60 / 360 * 3.14159265 * (22.392**2 - 6.0**2)
    metre = 1 / 111_000
    scale = distance_m(LON, LAT, LON + metre, LAT) * distance_m(LON, LAT, LON, LAT + metre) / metre**2
    assert shape.area * scale == pytest.approx(area_m2, rel=0.01)


def test_a_panorama_covers_a_ring_and_a_narrow_picture_at_least_two_steps() -> None:
    ring = footprint(camera(), Sector(10.0, 50.0, 0.0, 360.0, ()))
    assert len(ring.interiors) == 1
    assert not ring.contains(shapely.Point(spot(45, 5)))
    assert ring.contains(shapely.Point(spot(45, 30)))
    assert footprint(camera(), Sector(0.0, 50.0, 0.0, 360.0, ())).contains(shapely.Point(spot(45, 5)))
    assert len(footprint(camera(), Sector(0.0, 50.0, 0.0, 5.0, ())).exterior.coords) == 5  # eye, three on the arc, eye
    assert footprint(camera(), Sector(50.0, 50.0, 0.0, 60.0, ())).is_empty
    assert footprint(camera(), Sector(0.0, 0.0, 0.0, 360.0, ())).is_empty
    assert not footprint(camera(), Sector(0.0, 0.5, 0.0, 360.0, ())).is_empty


def test_a_feature_is_geojson_with_the_cameras_own_words_and_six_decimals() -> None:
    one = camera("north", name="North Gate", area="old town", azimuth_deg=0, hfov_deg=60, range_m=100)
    feature = Cameras([one]).feature(0)
    assert feature["type"] == "Feature"
    assert feature["properties"] == {"camera": "north", "name": "North Gate", "area": "old town", "ptz": False}
    assert feature["geometry"]["type"] == "Polygon"
    assert all(round(number, 6) == number for corner in feature["geometry"]["coordinates"][0] for number in corner)
    shape = shapely.geometry.shape(feature["geometry"])
    assert shape.symmetric_difference(footprint(one, sector(one))).area < 0.01 * shape.area


# ---------------------------------------------------------------------------------------------- in words


def test_the_reason_is_one_sentence_with_every_doubt_in_it() -> None:
    doubtful = camera(azimuth_deg=0, range_m=200, azimuth_error_deg=10, position_error_m=10)
    assert seen(doubtful, 0, 100, "observe").reason == (
        "100 m away, looking N, 0° off the middle of its picture if its direction is right (± 10°), "
        "if it stands where the registry has it (± 10 m), only 17 px/m where observe needs 62.5 "
        "(field of view not known, 60° assumed)"
    )
    sure = camera(azimuth_deg=0, hfov_deg=60, range_m=200, azimuth_error_deg=9.9, position_error_m=9.9)
    assert seen(sure, 0, 20, "observe").reason == "20 m away, looking N, 0° off the middle of its picture, 80 px/m"
    assert seen(camera(ptz=True, range_m=200), 90, 100).reason == "100 m away, looking E, PTZ: turn it to the bearing"
    assert seen(camera(panoramic=True, range_m=200), 180, 100).reason == "100 m away, looking S"
    assert seen(camera(), 180, 75).reason == (
        "75 m away, looking S (direction not known, all round assumed, range not known, 150 m assumed)"
    )


def test_a_view_carries_what_the_video_platform_needs_rounded_for_people() -> None:
    one = camera(
        "c1", name="Quay", azimuth_deg=0, hfov_deg=60, range_m=200, stream_url="rtsp://c1", gb28181_id="34020000001"
    )
    view = seen(one, 10.04, 100.04)
    assert (view.name, view.stream_url, view.gb28181_id) == ("Quay", "rtsp://c1", "34020000001")
    assert (view.distance_m, view.bearing_deg) == (100.0, 10.0)
    assert view.score == round(view.score, 3)
    assert view.pixels_per_m == round(pixels_per_m(1920, 60, 1.0) / hypot(100.04, 6), 1)
    assert seen(camera(azimuth_deg=0, hfov_deg=60, range_m=200), 0, 100).stream_url is None
    (blind,) = Cameras([one]).rank(at(180, 50))
    assert (blind.sees, blind.pixels_per_m, blind.pose, blind.score) == (False, None, None, 0.0)
    assert blind.reason == "50 m away, 180° off its axis, outside its field of view of 60°"


# ---------------------------------------------------------------------------------------------- who comes first


def test_three_are_named_unless_asked_otherwise_the_nearest_first() -> None:
    domes = [Camera(f"d{n}", at(n * 40.0, 50.0 + n), ptz=True, range_m=200) for n in range(5)]
    assert [view.camera for view in Cameras(domes).rank(HERE)] == ["d0", "d1", "d2"]
    assert [view.camera for view in Cameras(domes).rank(HERE, limit=4)] == ["d0", "d1", "d2", "d3"]


def test_those_that_do_not_see_fill_up_nearest_first_and_never_beyond_the_distance_asked_for() -> None:
    sees = Camera("sees", at(180, 80), azimuth_deg=0, hfov_deg=60, range_m=200)
    blind = [Camera(f"b{away}", at(0, away), azimuth_deg=0, hfov_deg=60, range_m=200) for away in (150, 60, 90, 400)]
    cameras = Cameras([*blind, sees])
    assert [view.camera for view in cameras.rank(HERE, limit=3)] == ["sees", "b60", "b90"]
    assert [view.camera for view in cameras.rank(HERE, limit=9, within_m=100)] == ["sees", "b60", "b90"]
    assert [view.camera for view in cameras.rank(HERE, limit=1)] == ["sees"]
    assert [view.camera for view in cameras.rank(HERE, limit=9, within_m=70)] == ["b60"]
    assert cameras.numbers == {"b150": 0, "b60": 1, "b90": 2, "b400": 3, "sees": 4}


def test_the_far_side_of_the_date_line_is_near() -> None:
    one = Camera("fiji", Position(179.9995, -17.0), azimuth_deg=90, hfov_deg=60, range_m=300)
    east_of_it = Position(-179.9995, -17.0)
    assert [view.camera for view in Cameras([one]).rank(east_of_it) if view.sees] == ["fiji"]
    other = Camera("samoa", Position(-179.9995, -17.0), azimuth_deg=270, hfov_deg=60, range_m=300)
    assert [view.camera for view in Cameras([other]).rank(Position(179.9995, -17.0)) if view.sees] == ["samoa"]


# ---------------------------------------------------------------------------------------------- uncertain places


def test_likely_places_have_the_spread_and_the_direction_of_the_ellipse() -> None:
    """A normal distribution's covariance along the axes: major² and minor²; its long axis at 30° from north."""
    places = Error(100.0, 20.0, 30.0).samples(HERE)
    assert len(places) == SAMPLES
    along, across = [], []
    for lon, lat in places:
        away, towards = polar(LON, LAT, lon, lat)
        turned = radians(towards - 30.0)
        along.append(away * cos(turned))
        across.append(away * sin(turned))
    spread = [sum(value * value for value in axis) / SAMPLES for axis in (along, across)]
    assert spread[0] ** 0.5 == pytest.approx(100.0, rel=0.12)
    assert spread[1] ** 0.5 == pytest.approx(20.0, rel=0.12)
    mixed = sum(a * b for a, b in zip(along, across, strict=True)) / SAMPLES
    assert abs(mixed) < 0.15 * 100 * 20


def test_an_uncertain_place_is_seen_by_those_that_see_half_of_where_it_may_be() -> None:
    near = Camera("near", at(180, 100), azimuth_deg=0, hfov_deg=60, range_m=300)
    beside = Camera("beside", at(180, 100), azimuth_deg=60, hfov_deg=20, range_m=300)
    views = Cameras([near, beside]).rank(HERE, error=Error(10.0, 10.0))
    assert [(view.camera, view.sees) for view in views] == [("near", True), ("beside", False)]
    assert "sees 100% of where it may be" in views[0].reason
    assert views[0].score == pytest.approx(
        seen(camera(azimuth_deg=0, hfov_deg=60, range_m=300), 0, 100).score, abs=0.06
    )
    assert Cameras([near]).rank(HERE, error=Error(10.0, 10.0), within_m=90) == []
    exact = Cameras([near]).rank(HERE, error=Error(0.0, 0.0))
    assert exact == Cameras([near]).rank(HERE)
