"""CAP 1.2: valid by the OASIS schema and the rules of the field, chains of references, approval, the Atom feed."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.cap import PLUGIN
from adapters.cap.audit import problems
from adapters.cap.gbt35965 import Centre
from adapters.cap.message import NAMESPACE, Issue, Issuer, build, description, time_text
from adapters.cap.sink import CapOptions, CapSink
from adapters.email.message import text as mail_text
from adapters.wallclock import zone_named
from hub.app.plugins import Plugins
from hub.model import LEVELS, AlertChange, Change, Position
from tests.shared import shared_path

T = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
NS = {"c": NAMESPACE}


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(shared_path("data/schemas/cap12.xsd")))


def change(ordinal: int = 0, what: Change = Change.RAISED, level: str = "orange", **more: Any) -> AlertChange:
    given = {
        "title": "管廊瓦斯超限", "values": {"methane_lel": 43.0}, "position": Position(116.39, 39.9), "area": "东区",
        "cap": {"category": ["Safety", "Env"], "response": ["Evacuate"], "event": "瓦斯超限", "urgency": "Immediate"},
        "source": {"standard": "GB/T 50493"},
    } if what in (Change.RAISED, Change.ESCALATED, Change.LOWERED) else {}  # fmt: skip
    return AlertChange(
        "city/gas tunnel-7 2026-01-01T00:00:00Z", ordinal, T, "city/gas", "tunnel-7", what, level, **{**given, **more}
    )


def sink(folder: Path, **more: Any) -> CapSink:
    return CapSink(CapOptions(sender="hub@city.example", folder=str(folder), **more))


def text(root: ET.Element, path: str) -> str:
    return root.findtext("/".join(f"c:{step}" for step in path.split("/")), "", NS)


def messages(folder: Path) -> list[ET.Element]:
    feed = ET.parse(folder / "feed.xml").getroot()
    links = feed.findall("{http://www.w3.org/2005/Atom}entry/{http://www.w3.org/2005/Atom}link")
    return [ET.parse(folder / link.get("href", "").replace("%23", "#")).getroot() for link in reversed(links)]


async def say(target: CapSink, *changes: AlertChange) -> None:
    for number, item in enumerate(changes):
        delivery = await target.deliver(item, item.id, T + (number + 1) * 60_000_000_000)
        assert delivery.taken, delivery.detail


ANYTHING = st.text(max_size=150)


@settings(max_examples=50, deadline=None)
@given(
    ANYTHING, ANYTHING, ANYTHING, ANYTHING, st.sampled_from(LEVELS), st.sampled_from(list(Change)),
    st.integers(0, 4_000_000_000_000_000_000), st.floats(-180, 180), st.floats(-90, 90),
)  # fmt: skip
def test_whatever_a_rule_says_the_message_is_valid(
    schema: xmlschema.XMLSchema, title: str, subject: str, area: str, reason: str, level: str, what: Change, at: int,
    lon: float, lat: float,
) -> None:  # fmt: skip
    said = AlertChange(
        "a", 0, at, "r/x", subject, what, level, title, area=area, reason=reason, position=Position(lon, lat)
    )
    for zone in ("UTC", "Asia/Shanghai"):
        issuer = Issuer("hub@city.example", zone=zone_named(zone))
        xml = build(said, Issue("id-1", at, "Exercise", "Alert"), issuer)
        schema.validate(xml.decode())
        assert problems(xml) == []


def test_times_are_as_cap_wants_them() -> None:
    assert time_text(T + 999, zone_named("UTC")) == "2026-01-01T00:00:00-00:00"
    assert time_text(T, zone_named("Asia/Shanghai")) == "2026-01-01T08:00:00+08:00"


async def test_a_warning_through_its_life(tmp_path: Path, schema: xmlschema.XMLSchema) -> None:
    target = sink(tmp_path)
    await say(target, change(0), change(1, Change.ESCALATED, "red"), change(2, Change.CLEARED, "red"))
    first, update, cancel = messages(tmp_path)
    for root in (first, update, cancel):
        xml = ET.tostring(root)
        schema.validate(xml.decode())
        assert problems(xml) == []
        assert text(root, "status") == "Exercise"
    assert [text(root, "msgType") for root in (first, update, cancel)] == ["Alert", "Update", "Cancel"]
    reference = f"hub@city.example,{text(first, 'identifier')},{text(first, 'sent')}"
    assert text(update, "references") == reference
    assert text(cancel, "references").split() == [
        reference,
        f"hub@city.example,{text(update, 'identifier')},{text(update, 'sent')}",
    ]
    assert [info.findtext("c:language", "", NS) for info in first.findall("c:info", NS)] == ["zh-CN", "en"]
    chinese, english = first.findall("c:info", NS)
    assert text(chinese, "event") == "瓦斯超限"
    assert text(english, "event") == "Public safety incident"
    assert text(chinese, "headline") == "【演练】橙色预警：管廊瓦斯超限"
    assert text(english, "headline").startswith("EXERCISE: Orange warning: ")
    assert text(chinese, "area/circle") == "39.900000,116.390000 0.5"
    assert text(update, "info/severity") == "Extreme"
    assert text(cancel, "info/responseType") == "AllClear"
    assert text(cancel, "info/area/areaDesc") == "东区"  # from what was told before
    await target.close()


async def test_actual_only_after_a_permitted_person_approves(tmp_path: Path) -> None:
    target = sink(tmp_path, approvers=["zhang"])
    ack = Change.ACKNOWLEDGED
    await say(
        target,
        change(0, level="yellow"),
        change(1, ack, "yellow", who="li", note="publish"),
        change(2, ack, "yellow", who="zhang", note="seen"),
        change(3, ack, "yellow", who="zhang", note="Publish: confirmed on camera"),
        change(4, Change.ESCALATED, "red"),
        change(5, Change.LOWERED, "yellow"),
        change(6, Change.CLEARED, "yellow"),
    )
    said = [(text(root, "status"), text(root, "msgType")) for root in messages(tmp_path)]
    assert said == [
        ("Exercise", "Alert"),
        ("Actual", "Alert"),
        ("Exercise", "Update"),  # red was not approved
        ("Actual", "Update"),
        ("Exercise", "Cancel"),
        ("Actual", "Cancel"),
    ]
    actual = messages(tmp_path)[1]
    assert text(actual, "info/headline") == "橙色预警：管廊瓦斯超限".replace("橙", "黄")
    assert not text(actual, "note")
    with pytest.raises(ValueError, match="approval"):
        sink(tmp_path, status="Actual")
    await target.close()


async def test_a_restart_keeps_the_chain_and_repeats_nothing(tmp_path: Path) -> None:
    await say(sink(tmp_path), change(0))
    again = sink(tmp_path)
    assert (await again.deliver(change(0), change(0).id, T + 10**12)).detail == "was issued before"
    await say(again, change(1, Change.ESCALATED, "red"))
    first, update = messages(tmp_path)
    assert text(first, "identifier") in text(update, "references")
    (tmp_path / "state.msgpack").write_bytes(b"\xff\xff")
    sink(tmp_path)  # a damaged state costs the chain of what was sent, not the warnings to come
    assert any(name.startswith("state.msgpack.damaged-") for name in os.listdir(tmp_path))


async def test_a_retry_posts_the_same_message(tmp_path: Path) -> None:
    heard: list[bytes] = []
    answers = [b"503 Busy", b"200 OK", b"422 Bad"]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        heard.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 " + answers.pop(0) + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        target = sink(tmp_path, url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        first = change(0)
        assert not (await target.deliver(first, first.id, T)).taken
        assert (await target.deliver(first, first.id, T + 10**11)).taken
        assert heard[0] == heard[1]
        refused = await target.deliver(change(1, Change.ESCALATED, "red"), "k", T + 10**12)
        assert refused.final
        answers.append(b"200 OK")
        assert (await target.deliver(change(2, Change.CLEARED, "red"), "k2", T + 2 * 10**12)).taken
        assert heard[-1].count(b"hub@city.example,") == 1  # the refused Update is not referred to
        await target.close()


async def test_polygons_and_the_chinese_form(tmp_path: Path, schema: xmlschema.XMLSchema) -> None:
    areas = tmp_path / "zones.geojson"
    areas.write_text(
        '{"features":[{"properties":{"area":"东区"},"geometry":{"type":"Polygon","coordinates":'
        "[[[116.39,39.90],[116.40,39.90],[116.40,39.91],[116.39,39.90]]]}}]}"
    )
    target = sink(tmp_path / "out", areas_file=str(areas), gbt35965_code="33090041600001")
    await say(target, change(0))
    root = messages(tmp_path / "out")[0]
    assert text(root, "info/area/polygon").startswith("39.900000,116.390000 ")
    (file,) = (tmp_path / "out" / "gbt35965").iterdir()
    assert len(file.stem) == 31
    theirs = ET.parse(file).getroot()
    assert theirs.findtext("sendTime") == "2026-01-01 08:01:00+08:00"
    assert theirs.findtext("info/severity") == "Orange"
    with pytest.raises(ValueError, match="14 letters"):
        Centre("123")
    areas.write_text("{}")
    with pytest.raises(ValueError, match="no GeoJSON"):
        sink(tmp_path / "out", areas_file=str(areas))
    await target.close()


async def test_a_warning_about_a_zone_has_its_shape(tmp_path: Path) -> None:
    areas = tmp_path / "zones.geojson"
    areas.write_text(
        '{"features":[{"properties":{"zone":"tank-farm","area":"harbour"},"geometry":{"type":"Polygon","coordinates":'
        "[[[121.1,31.1],[121.2,31.1],[121.2,31.2],[121.1,31.1]]]}}]}"
    )
    target = sink(tmp_path / "out", areas_file=str(areas))
    about = change(0)
    about.subject, about.area = "zone:tank-farm", "elsewhere"
    await say(target, about)
    assert text(messages(tmp_path / "out")[0], "info/area/polygon").startswith("31.100000,121.100000 ")
    await target.close()


def test_the_audit_names_what_is_wrong() -> None:
    good = build(change(), Issue("a", T, "Exercise", "Alert"), Issuer("hub@city.example")).decode()
    assert problems(good.encode()) == []
    for old, new, complaint in (
        ("<identifier>a<", "<identifier>a b<", "identifier"),
        ("-00:00</sent>", "Z</sent>", "no CAP time"),
        ("<msgType>Alert<", "<msgType>Update<", "without references"),
        ("<scope>Public</scope>", "<scope>Public</scope><references>hub@city.example,a,2025-01-01T00:00:00-00:00</references>", "itself"),
        ("<scope>Public</scope>", "<scope>Public</scope><references>x,b,2027-01-01T00:00:00-00:00</references>", "later"),
        ("<scope>Public<", "<scope>Restricted<", "restriction"),
        ("<urgency>Immediate<", "<urgency>Unknown<", "urgency"),
        (" 0.5</circle>", " 0</circle>", "radius zero"),
        ("<circle>39.900000,116.390000 0.5</circle>", "<polygon>116.39,39.9 116.4,39.9 116.4,39.91 116.39,39.9</polygon>", "latitude comes first"),
        ("<circle>39.900000,116.390000 0.5</circle>", "<polygon>0,0 1,1 0,1 1,0 0,0</polygon>", "crosses itself"),
    ):  # fmt: skip
        assert old in good
        assert any(complaint in problem for problem in problems(good.replace(old, new).encode())), complaint
    assert problems(b"<alert") != []
    assert problems(b"\xff") != []


def test_the_plugin_is_known() -> None:
    assert Plugins()["cap"] is PLUGIN


def test_the_end_of_a_warning_tells_its_worst_moment_and_how_it_is_now() -> None:
    """In the message of CAP and in the mail."""
    ended = AlertChange("a", 3, 1_795_334_400_000_000_000, "r", "g", Change.CLEARED, "red", "G: 60 cm", {"water_depth": 0.02}, title_now="G: 2 cm")  # fmt: skip
    assert description(ended, False).splitlines()[:2] == ["G: 60 cm", "Now: G: 2 cm"]
    assert description(ended, True).splitlines()[:2] == ["G: 60 cm", "现在：G: 2 cm"]
    lines = mail_text(ended, UTC).splitlines()
    assert lines[0] == "G: 60 cm"
    assert "now: G: 2 cm" in lines
