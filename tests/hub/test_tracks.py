"""Ways as lines for a map: what may be left out at a zoom, and where a line breaks."""

from __future__ import annotations

from itertools import pairwise
from math import asinh, hypot, pi, radians, tan

from hypothesis import given
from hypothesis import strategies as st

from hub.tracks import GAP_S, track
from hub.trips import Fix


def pixel(lon: float, lat: float, zoom: float) -> tuple[float, float]:
    """Web Mercator as MapLibre has it: y = ln(tan(pi/4 + lat/2)), the world 512 pixels wide at zoom 0."""
    world = 512 * 2**zoom
    return lon / 360 * world, asinh(tan(radians(lat))) / (2 * pi) * world


def off(point: tuple[float, float], a: tuple[float, float], b: tuple[float, float]) -> float:
    """Pixels from a point to a piece of a line."""
    (px, py), (ax, ay), (bx, by) = point, a, b
    square = (bx - ax) ** 2 + (by - ay) ** 2
    along = 0.0 if square == 0 else max(0.0, min(1.0, ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / square))
    return hypot(px - ax - along * (bx - ax), py - ay - along * (by - ay))


steps = st.lists(st.tuples(st.floats(-0.002, 0.002), st.floats(-0.002, 0.002)), min_size=1, max_size=60)


@given(steps, st.floats(0, 20))
def test_nothing_that_a_map_shows_is_left_out(way: list[tuple[float, float]], zoom: float) -> None:
    lon, lat, fixes = 121.49, 31.24, []
    for number, (east, north) in enumerate(way):
        lon, lat = lon + east, lat + north
        fixes.append(Fix(number * 10.0 * 60, lon, lat))  # ten minutes each: no speed that nobody has
    (line,) = track(fixes, zoom)
    drawn = [pixel(*point, zoom) for point in line.points]
    assert (line.at[0], line.at[-1]) == (fixes[0].at, fixes[-1].at)
    assert set(zip(line.at, line.points, strict=True)) <= {(fix.at, (fix.lon, fix.lat)) for fix in fixes}
    assert sorted(line.at) == line.at
    for fix in fixes:
        spot = pixel(fix.lon, fix.lat, zoom)
        pieces = list(pairwise(drawn)) or [(drawn[0], drawn[0])]
        assert min(off(spot, a, b) for a, b in pieces) <= 0.5 + 1e-6


def test_without_a_zoom_every_place_is_there_in_order_of_time() -> None:
    fixes = [Fix(at, 121 + at / 1e6, 31) for at in (0.0, 30.0, 10.0, 20.0)]
    (line,) = track(fixes)
    assert line.at == [0.0, 10.0, 20.0, 30.0]


def test_a_gap_and_the_180th_meridian_break_the_line() -> None:
    fixes = [Fix(0, 179.99, 0), Fix(600, -179.99, 0), Fix(600 + GAP_S + 1, -179.98, 0), Fix(1600, -179.97, 0)]
    assert [len(line.points) for line in track(fixes, 10)] == [1, 1, 2]


def test_what_stands_still_is_a_line_of_its_first_and_last_moment() -> None:
    (line,) = track([Fix(at, 121, 31) for at in range(0, 600, 10)], 12)
    assert (line.at[0], line.at[-1]) == (0, 590)
    assert set(line.points) == {(121, 31)}
    assert track([], 12) == []


def test_a_fix_where_nobody_can_have_been_is_left_out() -> None:
    (line,) = track([Fix(0, 121, 31), Fix(10, 0, 0), Fix(20, 121.001, 31)])
    assert line.points == [(121, 31), (121.001, 31)]
