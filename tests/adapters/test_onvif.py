"""ONVIF: aiming, the way back of its pose, clocks that are wrong, discovery and the inventory, against a simulated camera."""

from __future__ import annotations

import re
import time
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.onvif import soap
from adapters.onvif.calibration import check_zoom, fit, zoom_at
from adapters.onvif.client import Client
from adapters.onvif.discovery import discover, matches, scopes
from adapters.onvif.inventory import cameras, sink_block, survey, without_login
from adapters.onvif.sink import OnvifCamera, OnvifOptions, OnvifSink, aim, arrived
from adapters.peer_http import Peer
from hub.app.plugins import Plugins
from hub.config import load_config
from hub.model import AlertChange, CameraView, Change, Pose, Position, Watch
from tests.adapters.http_peer import http_peer
from tests.adapters.onvif_camera import GENERIC, GROUP, SPHERICAL, Responder, SimulatedCamera, fault, onvif_camera

T = 1_767_225_600_000_000_000
S = 1_000_000_000


def dome(name: str = "dome", pose: Pose | None = None) -> CameraView:
    given = pose or Pose(90.0, 5.0, 12.0, 60.0, 3, 1, zoom=5.2)
    return CameraView(name, 0.9, 100, 90, True, "r", "东门", None, "", 99.0, given)


def change(ordinal: int = 0, what: Change = Change.RAISED, **more: Any) -> AlertChange:
    given: dict[str, Any] = {"cameras": [dome()], "position": Position(116.397, 39.908), **more}
    return AlertChange("city/gas tunnel-7 t", ordinal, T, "city/gas", "tunnel-7", what, "red", **given)


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONVIF", "s3cret")


def sink_for(url: str, arrive_s: float = 2.0, **more: Any) -> OnvifSink:
    camera = OnvifCamera(url=f"{url}/ptz", **more)
    options = OnvifOptions(cameras={"dome": camera}, username="hub", password_env="ONVIF", arrive_s=arrive_s)
    return OnvifSink(options, now=lambda: T)


# ---------------------------------------------------------------------------------------------- aiming


def test_calibration_by_landmarks() -> None:
    assert fit([(10, 0), (100, 90)]).raw(145) == pytest.approx(135)  # degrees, the same way round
    turned = fit([(10, 0.5), (100, 0.0)])  # -1 to 1 over a full turn, the other way round
    assert turned.raw(55) == pytest.approx(0.25)
    assert turned.raw(145) == pytest.approx(-0.25)
    assert fit([(350, 10), (20, 40.5)]).zero_deg == pytest.approx(339.75)
    with pytest.raises(ValueError, match="contradict"):
        fit([(0, 0), (90, 10)])
    with pytest.raises(ValueError, match="two landmarks"):
        fit([(0, 0)])


def test_zoom_between_its_points_and_beyond() -> None:
    points = [(1.0, 0.0), (10.0, 0.6), (30.0, 1.0)]
    assert [zoom_at(points, factor) for factor in (0.5, 1, 5.5, 20, 99)] == pytest.approx([0.0, 0.0, 0.3, 0.8, 1.0])
    for wrong in ([(1.0, 0.0)], [(2.0, 0.0), (1.0, 1.0)], [(1.0, 0.0), (30.0, 30.0)], [(0.5, 0.0), (2.0, 1.0)]):
        with pytest.raises(ValueError, match="zoom"):
            check_zoom(wrong)


@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        ({"geo_move": True}, r'GeoMove.*Target lon="116.3970000" lat="39.9080000"'),
        ({"spherical": True}, r'AbsoluteMove.*PanTilt x="60.0000" y="-5.0000" space=".*Spherical'),
        ({"spherical": True, "landmarks": [(80, 0), (170, 90)]}, r'PanTilt x="10.0000"'),
        ({"spherical": True, "zoom": [(1, 0.0), (11.5, 1.0)]}, r'Zoom x="0.4000" space=".*ZoomSpaces/PositionGeneric'),
        ({"landmarks": [(90, 0.5), (0, 0)], "tilt_units": 90.0}, r'PanTilt x="0.5000" y="-0.0556" space=".*Generic'),
        ({}, r"GotoPreset.*PresetToken>3<"),
        ({"preset_prefix": "Preset"}, r"PresetToken>Preset3<"),
    ],
)
def test_a_camera_is_aimed_by_the_best_that_it_has(camera: dict[str, Any], expected: str) -> None:
    given = OnvifCamera(url="http://x", **camera)
    scale = fit(given.landmarks) if given.landmarks else None
    assert re.search(expected, aim(given, scale, dome(), Position(116.397, 39.908))[0].body)
    assert aim(given, scale, CameraView("dome", 1, 1, 1, True, ""), None) == []


async def test_it_turns_and_is_asked_whether_it_arrived() -> None:
    async with onvif_camera(now=lambda: T, turn_s=0.6) as camera:
        sink = sink_for(camera.peer.url, spherical=True, zoom=[(1, 0.0), (11.5, 1.0)])
        delivery = await sink.deliver(change(), "k", T)
        assert re.fullmatch(
            r"dome turned by angles and arrived after 0\.[5-9] s|dome .* after 1\.\d s", delivery.detail
        )
        assert camera.pose == pytest.approx((60.0, -5.0, 0.4))
        assert camera.orders[0] == "AbsoluteMove"
        assert camera.orders.count("GetStatus") >= 2
        await sink.close()


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        ({"turn_s": 60.0}, r"still moving after 1 s \(pan \d\.\d+, tilt -0\.\d+\)"),
        ({"stuck": True}, r"stands elsewhere after 1 s \(pan 0\.00, tilt 0\.00\); pan 60\.00, tilt -5\.00 was ordered"),
        ({"status": False}, r"it does not say where it looks \(fault: .*no status"),
        ({"turn_s": 60.0, "status_space": GENERIC, "lazy": True}, r"not at rest|still moving|stands elsewhere"),
    ],
)
async def test_what_does_not_arrive_is_said_and_taken_all_the_same(camera: dict[str, Any], words: str) -> None:
    async with onvif_camera(now=lambda: T, **camera) as simulated:
        sink = sink_for(simulated.peer.url, arrive_s=1.0, spherical=True)
        delivery = await sink.deliver(change(), "k", T)
        assert delivery.taken
        assert re.search(words, delivery.detail), delivery.detail
        await sink.close()


def test_idle_before_it_begins_to_move_is_no_arrival() -> None:
    order = aim(OnvifCamera(url="http://x"), None, dome(), Position(116.397, 39.908))[0]
    still = soap.Status(0.0, 0.0, 0.0, GENERIC, False)
    assert not arrived(order, still, None)
    assert arrived(order, still, still)
    assert not arrived(order, soap.Status(0.0, 0.0, 0.0, GENERIC, True), still)
    angles = aim(OnvifCamera(url="http://x", spherical=True), None, dome(), Position(116.397, 39.908))[0]
    assert arrived(angles, soap.Status(-299.8, -5.2, None, SPHERICAL, None), None)  # the same direction, a turn further
    assert not arrived(angles, soap.Status(58.0, -5.0, None, SPHERICAL, False), None)
    assert not arrived(angles, soap.Status(0.3, -0.1, None, GENERIC, False), None)  # another scale: wait for rest


@pytest.mark.parametrize("code", ["ter:GeoMoveNotSupported", "ter:UnreachablePosition", "ter:GeoLocationUnknown"])
async def test_what_geo_move_refuses_the_next_way_does(code: str) -> None:
    async with onvif_camera(now=lambda: T, geo_move_fault=code) as camera:
        sink = sink_for(camera.peer.url, geo_move=True, spherical=True)
        delivery = await sink.deliver(change(), "k", T)
        assert delivery.taken
        assert f"GeoMove refused: s:Sender {code}" in delivery.detail
        assert camera.pose[0] == 60.0
        await sink.close()


async def test_geo_move_angles_it_does_not_have_and_then_the_preset() -> None:
    async with onvif_camera(now=lambda: T, geo_move_fault="ter:GeoMoveNotSupported", spaces=(GENERIC,)) as camera:
        sink = sink_for(camera.peer.url, geo_move=True, spherical=True)
        delivery = await sink.deliver(change(), "k", T)
        assert "turned by preset 3" in delivery.detail
        assert "angles refused" in delivery.detail
        nowhere = dome(pose=Pose(90.0, 5.0))
        unable = await sink_for(camera.peer.url).deliver(change(cameras=[nowhere]), "k", T)
        assert (
            unable.detail
            == "no camera turned: dome has neither GeoMove, a calibrated pan nor a preset that shows the place"
        )
        camera.presets.clear()
        refused = await sink.deliver(change(1, Change.ESCALATED), "k", T)
        assert (refused.taken, refused.final) == (False, True)
        assert "No such preset" in refused.detail
        await sink.close()


async def test_stale_changes_turn_nothing_and_the_end_sends_it_home() -> None:
    async with onvif_camera(now=lambda: T) as camera:
        sink = sink_for(camera.peer.url, arrive_s=0)
        assert (await sink.deliver(change(), "k", T + 301 * S)).detail.startswith("no camera turned")
        assert camera.orders == []
        assert (await sink.deliver(change(), "k", T)).detail == "dome turned"
        assert camera.pose[0] == 60.0
        await sink.deliver(change(1, Change.CLEARED, cameras=[]), "k1", T)
        assert camera.orders == ["GotoPreset", "GotoPreset"]
        assert camera.pose[0] == 0.0
        homeless = dome(pose=Pose(90.0, 5.0, preset=3))
        await sink.deliver(change(2, cameras=[homeless]), "k2", T)
        await sink.deliver(change(3, Change.CLEARED), "k3", T)
        assert camera.orders[-1] == "GotoHomePosition"
        assert (await sink.deliver(change(cameras=[dome("elsewhere")]), "k", T)).detail == "no camera of ours to turn"
        await sink.close()
    async with http_peer(lambda heard: (503, b"busy")) as peer:
        sink = sink_for(peer.url)
        assert not (await sink.deliver(change(), "k", T)).final
        await sink.close()
    assert not (await sink_for("http://127.0.0.1:1").deliver(change(), "k", T)).taken


def test_options_that_cannot_be() -> None:
    for wrong, words in (
        ({"cameras": {}}, "at least one"),
        ({"cameras": {"a": OnvifCamera(url="rtsp://x")}}, "http://"),
        ({"cameras": {"a": OnvifCamera(url="http://x", landmarks=[(0, 0)])}}, "two landmarks"),
        ({"cameras": {"a": OnvifCamera(url="http://x", zoom=[(1, 2)])}}, "zoom"),
        ({"cameras": {"a": OnvifCamera(url="http://x")}, "arrive_s": 99}, "arrive_s"),
    ):
        with pytest.raises(ValueError, match=words):
            OnvifOptions(**wrong)  # type: ignore[arg-type]


async def test_the_next_camera_waits_where_a_moving_subject_will_come() -> None:
    async with onvif_camera(now=lambda: T) as one, onvif_camera(now=lambda: T) as two:
        named = {"dome": one, "next": two}
        options = OnvifOptions(
            cameras={name: OnvifCamera(url=f"{it.peer.url}/ptz", spherical=True, geo_move=name == "next") for name, it in named.items()},
            username="hub", password_env="ONVIF",
        )  # fmt: skip
        sink = OnvifSink(options, now=lambda: T)
        ahead = Watch("next", 40.0, 60.0, pose=Pose(270.0, 3.0, pan_deg=200.0), position=Position(116.5, 39.9))
        delivery = await sink.deliver(change(handover=[ahead, Watch("elsewhere", 60.0, 70.0, pose=Pose(0, 0))]), "k", T)
        assert "next waits from 40 s on: turned by GeoMove" in delivery.detail
        assert one.pose[0] == 60.0
        assert any(
            'lon="116.5000000"' in heard.body.decode() for heard in two.peer.heard
        )  # its own place, not the warning's
        await sink.deliver(change(1, Change.CLEARED), "k1", T)
        assert (one.orders[-1], two.orders[-1]) == ("GotoPreset", "GotoHomePosition")
        two.password = "another"  # one that fails ahead holds up nothing
        delivery = await sink.deliver(change(2, handover=[ahead]), "k2", T)
        assert delivery.taken
        assert "next waits" in delivery.detail
        await sink.close()


# ---------------------------------------------------------------------------------------------- clocks and logins


@pytest.mark.parametrize("off_s", [0.0, -8 * 3600.0, 86_400.0])
async def test_requests_carry_the_cameras_own_time(off_s: float) -> None:
    async with onvif_camera(now=lambda: T, clock_off_s=off_s) as camera:
        sink = sink_for(camera.peer.url, spherical=True)
        assert "arrived" in (await sink.deliver(change(), "k", T)).detail
        assert camera.refused == 0
        camera.clock_off_s += 3600  # somebody sets its clock: refused once, asked for its time, and good again
        assert "arrived" in (await sink.deliver(change(1, Change.ESCALATED), "k", T)).detail
        assert camera.refused == 1
        await sink.close()


async def test_a_wrong_password_is_refused_for_good_and_said() -> None:
    async with onvif_camera(now=lambda: T, password="another") as camera:
        sink = sink_for(camera.peer.url)
        delivery = await sink.deliver(change(), "k", T)
        assert (delivery.taken, delivery.final) == (False, True)
        assert "NotAuthorized" in delivery.detail
        assert camera.refused == 1  # no second guess with the same clock
        await sink.close()


def test_answers_that_are_none() -> None:
    assert soap.fault(b'<!DOCTYPE a [<!ENTITY b "c">]><a/>') == ""
    assert soap.fault(b"\xff") == ""
    assert "No such" in soap.fault(fault("ter:NoToken", "No such"))
    for year in (0, 1500, 2500, 99999):
        text = "".join(f"<{name}>1</{name}>" for name in ("Month", "Day", "Hour", "Minute", "Second"))
        assert (
            soap.clock(f"<a><Body><b><UTCDateTime><Year>{year}</Year>{text}</UTCDateTime></b></Body></a>".encode())
            is None
        )


@given(st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    for answer in (
        data,
        b"<a><Body>" + data + b"</Body></a>",
        b"<a><Body><PTZStatus>" + data + b"</PTZStatus></Body></a>",
    ):
        soap.fault(answer)
        soap.status(answer)
        soap.clock(answer)
        matches(answer, "10.0.0.7", ["urn:uuid:1"])


# ---------------------------------------------------------------------------------------------- discovery


def test_scopes_by_their_first_word() -> None:
    said = scopes(
        ["onvif://www.onvif.org/name/North%20Gate", "onvif://www.onvif.org/location/city/Harbour", "http://x/y"]
    )
    assert said == {"name": ["North Gate"], "location": ["city/Harbour"]}


async def test_a_camera_is_found_by_a_probe_to_its_address() -> None:
    async with onvif_camera() as camera:
        for types in ("dn:NetworkVideoTransmitter", "tds:Device"):
            responder = Responder(camera, types)
            responder.before = b"rubbish"
            await responder.start()
            found, remarks = await discover([("127.0.0.1", responder.port)], wait_s=0.3)
            responder.stop()
            assert [match.url for match in found] == [
                f"{camera.peer.url}/onvif/device_service"
            ]  # not the stranger's address
            assert found[0].scopes["hardware"] == ["Dome-30x"]
            assert found[0].endpoint.startswith("urn:uuid:")
            assert "not XML" in remarks[0]
            assert len(responder.probes) == 4  # two kinds, twice each
            assert all("urn:schemas-xmlsoap-org:ws:2005:04:discovery" in probe for probe in responder.probes)


async def test_a_camera_is_found_by_multicast() -> None:
    async with onvif_camera() as camera:
        responder = Responder(camera)
        try:
            await responder.start(GROUP)
        except OSError as error:
            pytest.skip(f"this machine's loopback takes no multicast: {error}")
        found, _ = await discover([(GROUP, responder.port)], interface="127.0.0.1", wait_s=0.4)
        responder.stop()
        assert [match.scopes["name"] for match in found] == [["North Gate"]]


async def test_nobody_answers_and_an_interface_that_is_none() -> None:
    assert await discover([("127.0.0.1", 9)], wait_s=0.1) == ([], [])
    with pytest.raises(OSError, match=r"[Aa]ssign|address"):
        await discover(interface="192.0.2.1", wait_s=0.1)


# ---------------------------------------------------------------------------------------------- inventory


async def look(camera: SimulatedCamera) -> Any:
    peer = Peer(5.0)
    client = Client(peer, "hub", "s3cret", time.time_ns)
    device = await survey(client, f"{camera.peer.url}/onvif/device_service")
    await peer.close()
    return device


@pytest.mark.parametrize("more", [{}, {"media2": True}, {"old": True}, {"elsewhere": "http://192.168.1.64"}])
async def test_a_dome_says_what_it_is_and_has(more: dict[str, Any]) -> None:
    async with onvif_camera(geo_move=True, place=(121.49, 31.24, 30.0), clock_off_s=-3600, **more) as camera:
        device = await look(camera)
        ((dome,), nowhere, remarks) = cameras([device])
        assert nowhere == []
        assert (dome.camera, dome.name, dome.area) == ("onvif:C0FFEE42", "North Gate", "city/Harbour")
        assert (dome.position, dome.ptz, dome.width_px, dome.tilt_max_deg) == (
            Position(121.49, 31.24),
            True,
            2560,
            85.0,
        )
        assert dome.azimuth_deg is None  # it turns
        assert dome.stream_url == "rtsp://10.0.0.7/main"  # the login it put there is not passed on
        assert dome.origin["position"].startswith("onvif GeoLocation")
        assert dome.origin["width_px"] == "onvif profile main"
        assert any(re.search(r"clock is -360[01] s off", remark) for remark in remarks)
        assert device.ptz_url == f"{camera.peer.url}/ptz"
        block = sink_block([device], "hub", "ONVIF_PASSWORD")
        assert '[sinks.cameras."onvif:C0FFEE42"]' in block
        assert "geo_move = true\nspherical = true" in block
        assert "# presets: 1 View 1, 3 View 3" in block


async def test_a_fixed_camera_and_one_that_does_not_know_its_place() -> None:
    async with onvif_camera(fixed=True, place=(121.49, 31.24, 390.0)) as camera:
        ((fixed,), _, remarks) = cameras([await look(camera)])
        assert (fixed.ptz, fixed.azimuth_deg, fixed.azimuth_error_deg) == (False, 30.0, 22.5)
        assert fixed.origin["azimuth_deg"] == "onvif GeoOrientation yaw, not checked"
        assert remarks == []
        camera.place = (31.24, 121.49, 0.0)
        placed, (_,), remarks = cameras([await look(camera)])
        assert placed == []
        assert "swapped" in remarks[0]
        assert "fill in lon and lat" in remarks[1]
        assert "[sinks.cameras" not in sink_block([await look(camera)], "", "")


async def test_devices_that_tell_nothing_or_the_same() -> None:
    async with onvif_camera(password="another") as camera:
        _, _, remarks = cameras([await look(camera)])
        assert "does not tell who it is: fault: s:Sender ter:NotAuthorized" in remarks[0]
    async with http_peer(lambda heard: (200, b"<html/>")) as peer:
        camera = SimulatedCamera()
        camera.peer = peer
        _, _, remarks = cameras([await look(camera)])
        assert "no SOAP came back" in remarks[0]
    async with onvif_camera() as one, onvif_camera() as two:
        _, nowhere, remarks = cameras([await look(one), await look(two)])
        assert len(nowhere) == 1
        assert any("same serial number" in remark for remark in remarks)
    assert without_login("rtsp://a:b@[::1/x") == ""


async def test_the_block_that_the_inventory_writes_is_read_without_a_mistake(tmp_path: Any) -> None:
    async with onvif_camera(geo_move=True) as camera:
        block = sink_block([await look(camera)], "hub", "ONVIF")
        (tmp_path / "hub.toml").write_text(f'[hub]\nname = "x"\n{block}', "utf-8")
        config, mistakes = load_config(tmp_path, Plugins())
        assert mistakes == []
        assert config is not None
        sink = OnvifSink(config.sinks[0].options, now=time.time_ns)
        await sink.close()
        (name,) = config.sinks[0].options.cameras
        told = AlertChange(
            "a", 0, time.time_ns(), "r/x", "s", Change.RAISED, "red", cameras=[dome(name)], position=Position(1, 2)
        )
        sink = OnvifSink(config.sinks[0].options)
        assert "turned by GeoMove and arrived" in (await sink.deliver(told, "k", time.time_ns())).detail
        await sink.close()


def test_the_probe_is_well_formed() -> None:
    from adapters.onvif.discovery import TYPES, probe

    for type_name in TYPES:
        root = ET.fromstring(probe("urn:uuid:1", type_name))
        assert soap.text_of(root, "MessageID") == "urn:uuid:1"
        assert soap.text_of(root, "Types") == type_name
