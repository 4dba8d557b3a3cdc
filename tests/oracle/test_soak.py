"""`make soak`: what counts as flat, its plot, and (slow) half a minute of the whole city in trouble."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.oracle.soak import TROUBLES, Sample, grown, plot, soak


def samples(memory_mb: float = 0.0, descriptors: float = 0.0, spilled_mb: float = 0.0) -> list[Sample]:
    """A minute in which these grow by so much a second."""
    return [
        Sample(
            float(at),
            120 + memory_mb * at,
            30 + round(descriptors * at),
            spilled_mb * at,
            10,
            at % 5,
            TROUBLES[0] if at == 30 else "",
        )
        for at in range(60)
    ]


@pytest.mark.parametrize(
    ("leaks", "said"),
    [
        ({}, []),
        ({"memory_mb": 1.0}, ["memory_mb grew from 142 to 172"]),
        ({"descriptors": 1.0}, ["descriptors grew from 52 to 82"]),
        ({"spilled_mb": 0.1}, ["DuckDB put 6 MB aside"]),
    ],
)
def test_what_leaks_is_said(leaks: dict[str, float], said: list[str]) -> None:
    assert grown(samples(**leaks)) == said


def test_the_plot_shows_each_figure_and_the_troubles() -> None:
    drawn = ElementTree.fromstring(plot(samples()))
    names = [child.tag.rpartition("}")[2] for child in drawn]
    assert names.count("polyline") == 3
    assert names.count("rect") == 1 + 3  # the ground, and one second of trouble in each


@pytest.mark.slow
async def test_the_city_in_trouble_ends_well(tmp_path: Path, need_program: Callable[[str], str]) -> None:
    need_program("cc")
    found, wrong = await soak(30.0, tmp_path)
    assert wrong == []
    assert {one.trouble for one in found} & set(TROUBLES)
