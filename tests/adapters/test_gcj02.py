"""GCJ-02 both ways: against published pairs, and the inverse against the forward function."""

from __future__ import annotations

from math import cos, hypot, radians

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gcj02 import from_wgs84, outside_china, to_wgs84


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    return hypot((a[0] - b[0]) * cos(radians(a[1])), a[1] - b[1]) * 111_320


# WGS-84 and GCJ-02 of Shanghai, Shenzhen and Beijing, as published with the open reconstructions of the function.
PUBLISHED = [
    ((121.5272106, 31.1774276), (121.531541859215, 31.17530398364597)),
    ((113.912316, 22.543847), (113.9171764808363, 22.540796131694766)),
    ((116.377817, 39.911954), (116.38404722455657, 39.91334545536069)),
]


@pytest.mark.parametrize(("wgs", "gcj"), PUBLISHED)
def test_published_pairs_hold_both_ways(wgs: tuple[float, float], gcj: tuple[float, float]) -> None:
    assert metres(from_wgs84(*wgs), gcj) < 0.01
    assert metres(to_wgs84(*gcj), wgs) < 0.01


@pytest.mark.parametrize("place", [(116.3912, 39.9060), (113.8638, 22.5863), (87.6177, 43.7928), (126.6424, 45.7567)])
def test_the_shift_is_hundreds_of_metres_and_comes_out_again(place: tuple[float, float]) -> None:
    shifted = from_wgs84(*place)
    assert 100 < metres(place, shifted) < 1000
    assert metres(place, to_wgs84(*shifted)) < 0.001


@given(st.floats(73.5, 135), st.floats(18, 53.5))
def test_the_inverse_is_good_to_a_millimetre_all_over_china(lon: float, lat: float) -> None:
    assert metres((lon, lat), to_wgs84(*from_wgs84(lon, lat))) < 0.001


@given(st.floats(-180, 180), st.floats(-90, 90))
def test_outside_china_nothing_moves(lon: float, lat: float) -> None:
    if outside_china(lon, lat):
        assert from_wgs84(lon, lat) == (lon, lat) == to_wgs84(lon, lat)
