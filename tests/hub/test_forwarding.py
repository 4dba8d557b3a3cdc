"""Names and paths between hubs: qualified once, kept on the way, and never round in a circle."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.forwarding import (
    CHANGE_BYTES_MAX,
    HOPS_MAX,
    change_outward,
    change_problem,
    circle,
    hub_name_problem,
    qualified,
    reading_outward,
    reading_problem,
)
from hub.model import AlertChange, CameraView, Change, Origin, Reading, Watch

T = 1_795_334_400_000_000_000
names = st.text("abcdefghij-0123456789东区", min_size=1, max_size=20)


def change(**more: Any) -> AlertChange:
    given: dict[str, Any] = {
        "alert": "flood/stage@g@t", "ordinal": 3, "at": T, "rule": "flood/stage", "subject": "g", "change": Change.RAISED,
        "level": "red", "area": "north", "who": "wang", "group": "flood/stage@h@t",
        "cameras": [CameraView("c1", 0.9, 140.0, 12.0, True, "in its sector")],
        "handover": [Watch("c1", 0.0, 20.0), Watch("", 20.0, 30.0)],
    }  # fmt: skip
    return AlertChange(**{**given, **more})


def test_a_warning_of_a_district_is_named_after_it_once_whatever_its_way() -> None:
    first = change_outward(change(), "district-a")
    assert (first.alert, first.subject, first.area) == (
        "district-a/flood/stage@g@t",
        "district-a/g",
        "district-a/north",
    )
    assert [watch.camera for watch in first.handover] == ["district-a/c1", ""]
    assert (first.who, first.group, first.cameras[0].camera) == (
        "district-a/wang",
        "district-a/flood/stage@h@t",
        "district-a/c1",
    )
    assert [watch.camera for watch in first.handover] == ["district-a/c1", ""]
    assert first.origin == Origin("district-a", 3, ("district-a",))
    at_the_city = msgspec.structs.replace(first, ordinal=8)
    at_the_city.cameras = [
        CameraView("dome", 1.0, 20.0, 0.0, True, "all round"),
        *first.cameras,
    ]  # the city's own, added
    second = change_outward(at_the_city, "city")
    assert (second.alert, second.subject, second.who) == (first.alert, first.subject, first.who)
    assert second.origin == Origin("district-a", 3, ("district-a", "city"))
    assert [view.camera for view in second.cameras] == ["city/dome", "district-a/c1"]
    assert change_problem(second) is None


def test_what_people_do_above_is_the_uppers_change_of_the_districts_warning() -> None:
    made_above = change(alert="district-a/x", subject="district-a/g", area="district-a", group="", cameras=[], handover=[], ordinal=4, origin=Origin("district-a", 4))  # fmt: skip
    out = change_outward(made_above, "city")
    assert (out.alert, out.who) == ("district-a/x", "city/wang")
    assert out.origin == Origin("district-a", 4, ("city",))
    assert change_problem(out) is None


def test_who_is_called_next_is_each_hubs_own_affair() -> None:
    assert change_outward(change(change=Change.CALLED, contact=3), "district-a").contact == 1


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("g", "a/g"),
        ("A+B", "a/A+B"),
        ("zone:quay", "zone:a/quay"),
        ("area:north", "area:a/north"),
        ("+41", "a/+41"),
        ("truck+1", "a/truck+1"),
    ],
)
def test_subjects(subject: str, said: str) -> None:
    assert qualified("a", subject) == said


def test_a_pair_goes_up_as_two_and_a_device_that_is_called_as_one_would_be_goes_up_as_itself() -> None:
    pair = change_outward(change(subject="g+h", pair=("g", "h")), "a")
    assert (pair.subject, pair.pair, pair.about) == ("a/g+a/h", ("a/g", "a/h"), ("a/g", "a/h"))
    assert change_problem(pair) is None
    device = change_outward(change(subject="A+B"), "a")
    assert (device.subject, device.pair, device.about) == ("a/A+B", None, ("a/A+B",))
    assert change_problem(device) is None, "it was refused, as if B were another hub's"
    lie = msgspec.structs.replace(device, pair=("a/A", "a/C"))
    assert "is not the name of the pair" in str(change_problem(lie))
    other = change(subject="a/g+b/h", pair=("a/g", "b/h"), alert="a/x", area="a", group="", cameras=[], handover=[], who="", origin=Origin("a", 1, ("a",)))  # fmt: skip
    assert "begin with a/" in str(change_problem(other))


@given(
    st.lists(names, min_size=1, max_size=HOPS_MAX, unique=True),
    st.sampled_from(["g", "g+h", "A+B", "zone:z", "area:北"]),
)
def test_what_leaves_a_hub_is_good_for_the_next_unless_it_was_there(hubs: list[str], subject: str) -> None:
    pair = ("g", "h") if subject == "g+h" else None
    said, read = change(subject=subject, pair=pair), Reading("g", T, {"water_level": 1.0})
    for hub in hubs:
        assert circle(read.path or [], hub) is None
        said, read = change_outward(said, hub), reading_outward(read, hub)
        assert change_problem(said) is None
        assert reading_problem(read) is None
        assert said.origin is not None
        assert list(said.origin.path) == read.path
    assert read.device == f"{hubs[0]}/g"
    for hub in hubs:
        assert "has been" in str(circle(read.path or [], hub))
    assert circle(read.path or [], "elsewhere") is None


def test_too_many_hubs_are_a_circle_that_the_names_do_not_show() -> None:
    assert "more than 8" in str(circle([f"h{n}" for n in range(HOPS_MAX + 1)], "here"))


def test_a_hubs_own_warning_does_not_come_back_to_it() -> None:
    """An acknowledgement made above has a path that the district is not on."""
    assert circle(["city"], "district-a", "district-a") is not None


@pytest.mark.parametrize("name", ["", "my city", "a/b", "a+b", "a#1", "x" * 61, "a\n", "a@b", "zone:a"])
def test_names_that_a_hub_cannot_have(name: str) -> None:
    assert hub_name_problem(name)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"origin": None}, "origin"),
        ({"origin": Origin("a", 1)}, "path"),
        ({"origin": Origin("a", 0, ("a",))}, "numbered from 1"),
        ({"origin": Origin("a b", 1, ("a",))}, "cannot stand"),
        ({"alert": "b/x"}, "begin with a/"),
        ({"subject": "a/g+h", "pair": ("a/g", "h")}, "begin with a/"),
        ({"area": "b"}, "area"),
        ({"group": "b/x"}, "group"),
        ({"who": "wang"}, "who"),
        ({"level": "purple"}, "level"),
        ({"handover": [Watch("c1", 0.0, 30.0)]}, "cameras"),
        ({"cameras": [CameraView("c1", 0.9, 140.0, 12.0, True, "")]}, "cameras"),
        ({"contact": 2}, "contacts"),
        ({"at": -1}, "ns since 1970"),
        ({"alert": "a/\n"}, "printable"),
        ({"evidence": [{"x": 1 << 70}]}, "written down"),
        ({"title": "x" * CHANGE_BYTES_MAX}, "bytes"),
    ],
)
def test_what_is_wrong_with_a_forwarded_change_is_said(wrong: dict[str, Any], words: str) -> None:
    good = change_outward(change(), "a")
    assert change_problem(good) is None
    assert words in str(change_problem(msgspec.structs.replace(good, **wrong)))


def test_numbers_that_json_lacks_are_left_out_on_the_way() -> None:
    out = change_outward(change(values={"a": float("nan"), "b": float("inf"), "c": 1.5}), "district-a")
    assert out.values == {"c": 1.5}


@pytest.mark.parametrize(
    ("device", "path"), [("g", ["a"]), ("b/g", ["a"]), ("a/g", []), ("a/" + "x" * 200, ["a"]), ("a b/g", ["a b"])]
)
def test_what_is_wrong_with_a_forwarded_reading_is_said(device: str, path: list[str]) -> None:
    assert reading_problem(Reading(device, T, {}, path=path))
