"""`cityhub camera-list`: OpenStreetMap, CSV lists and a platform's catalog become a cameras.csv that the registry reads."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from pathlib import Path

import pytest

from adapters.gb28181.catalog import cameras as cameras_of
from adapters.gb28181.manscdp import Item
from adapters.gcj02 import from_wgs84
from hub.app.plugins import Plugins
from hub.cameras import Cameras
from hub.cameras.listing import to_csv
from hub.cli import main
from hub.config import load_config
from hub.model import Camera, Position, Preset
from hub.registry import load_registry
from tests.adapters.gb28181_platform import PASSWORD, Platform, tag
from tests.adapters.onvif_camera import Responder, onvif_camera
from tests.shared import shared_path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    full = Camera(
        "a", Position(121.5, 31.2), "Gate, east", 6.0, 90.0, 10.0, 60.0, 100.0, True, "north", "34020000001320000001", "rtsp://x",
        34.0, 3840, False, 300.0, 60.0, 80.0, 2.0, 90.0, 12.5, (Preset(1, 90.0), Preset(2, 180.0, 12.0)), 1, 5.0, {"range_m": "x"}, 4.5,
    )  # fmt: skip
    bare = Camera("b", Position(121.6, 31.3))
    (tmp_path / "cameras.csv").write_text(to_csv([full, bare]))
    registry, mistakes = load_registry(tmp_path)
    assert mistakes == []
    assert registry.cameras == {"a": full, "b": bare}


def test_an_overpass_answer_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lon, lat = from_wgs84(121.5, 31.2)
    tags = {"man_made": "surveillance", "camera:direction": "Eastbound"}
    nodes = [{"type": "node", "id": 1, "lon": lon, "lat": lat, "tags": tags}]
    (tmp_path / "osm.json").write_text(json.dumps({"elements": nodes}))
    assert main(["camera-list", str(tmp_path / "osm.json"), "--gcj02", "-o", str(tmp_path / "cameras.csv")]) == 1
    assert "Eastbound" in capsys.readouterr().err
    camera = load_registry(tmp_path)[0].cameras["osm:1"]
    assert camera.position.lon == pytest.approx(121.5, abs=1e-6)
    (tmp_path / "osm.json").write_text("{")
    assert main(["camera-list", str(tmp_path / "osm.json")]) == 1


@pytest.mark.recordings
def test_the_traffic_cameras_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import gzip

    text = gzip.decompress(shared_path("data/cameras_usa/cameras_usa_flat.csv.gz").read_bytes())
    (tmp_path / "list.csv").write_bytes(text)
    main(["camera-list", str(tmp_path / "list.csv"), "-o", str(tmp_path / "cameras.csv")])
    registry, mistakes = load_registry(tmp_path)
    assert mistakes == []
    assert (
        "7029 rows: 336 said twice, 0 without a position, 3245 cameras without a direction" in capsys.readouterr().err
    )
    found = list(registry.cameras.values())
    assert (len(found), sum(one.azimuth_deg is not None for one in found)) == (6_693, 3_448)
    assert all((one.azimuth_deg is None) == (one.azimuth_error_deg is None) for one in found)
    words = Counter(one.azimuth_error_deg for one in found)
    assert set(words) == {None, 45.0, 22.5, 11.25}
    near = Cameras(found).rank(Position(-121.84, 39.73), within_m=5_000)
    assert near
    assert all(view.reason for view in near)


def test_rows_that_cannot_be_used_are_counted_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        "description,latitude,longitude,direction,county",
        "a,31.2,121.5,Northbound,x",
        "b,121.5,31.2,N,x",
        "c,,,E,x",
        "d,31.2,121.5,sideways,x",
    ]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    assert main(["camera-list", str(tmp_path / "list.csv"), "-o", str(tmp_path / "cameras.csv")]) == 1
    said = capsys.readouterr().err
    assert "direction 'sideways' (1 times) names no direction" in said
    assert "2 rows have no position on Earth; in 1 of them longitude and latitude seem to be swapped" in said
    assert "4 rows: 0 said twice, 2 without a position, 1 cameras without a direction" in said
    kept = load_registry(tmp_path)[0].cameras
    assert kept["x-1"].azimuth_error_deg == 45.0
    assert kept["x-1"].position_error_m == pytest.approx(5560, abs=1)  # one decimal
    assert kept["x-1"].origin == {"position": "list", "azimuth_deg": "list Northbound"}
    (tmp_path / "list.csv").write_bytes("description,latitude,longitude\n东门,31.2,121.5\n".encode("gb18030"))
    assert main(["camera-list", str(tmp_path / "list.csv")]) == 1
    assert "GB18030" in capsys.readouterr().err


def item(**more: object) -> Item:
    given = {"id": "34020000001320000007", "name": "东门", "parent": "", "on": True, "lon": 116.39, "lat": 39.9, "ptz_type": 1,
             "azimuth_deg": 180.0, "hfov_deg": 0.0, "vfov_deg": None, "range_m": 100.0}  # fmt: skip
    return Item(**{**given, **more})  # type: ignore[arg-type]


def test_catalog_items_become_cameras_or_remarks() -> None:
    found, remarks = cameras_of(
        [item(), item(lon=39.9, lat=116.39), item(lon=0.0, lat=0.0), item(id="34020000002150000001"), item(ptz_type=6)]
    )
    assert [(one.ptz, one.panoramic, one.hfov_deg, one.range_m) for one in found] == [
        (True, False, None, 100.0),
        (False, True, None, 100.0),
    ]
    assert found[0].azimuth_error_deg == 22.5
    assert "swapped" in remarks[0]
    assert len(remarks) == 2


def test_a_platform_is_asked_for_its_catalog(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform runs in a thread of its own: the command has its own event loop."""
    monkeypatch.setenv("GB_PASSWORD", PASSWORD)
    started, stop = threading.Event(), threading.Event()
    platform = Platform()

    def answers(method: str, text: str) -> int | None:
        if "<CmdType>Catalog</CmdType>" in text:
            asyncio.get_running_loop().call_soon(
                platform.message,
                f"<Response><CmdType>Catalog</CmdType><SN>{tag(text, 'SN')}</SN><DeviceID>x</DeviceID><SumNum>1</SumNum>"
                "<DeviceList Num='1'><Item><DeviceID>34020000001320000007</DeviceID><Name>东门</Name>"
                "<Longitude>116.39</Longitude><Latitude>39.90</Latitude></Item></DeviceList></Response>",
            )
        return None

    platform.answers = answers

    async def serve() -> None:
        await platform.start_udp()
        started.set()
        while not stop.is_set():
            await asyncio.sleep(0.02)
        await platform.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(5)
        (tmp_path / "hub.toml").write_text(
            f'[hub]\nname = "x"\n[[sinks]]\nname = "vms"\nprotocol = "gb28181"\nconnect = "udp://127.0.0.1:{platform.port}"\n'
            'server_id = "34020000002000000001"\ndevice_id = "34020000002050000001"\npassword_env = "GB_PASSWORD"\n'
            'channels = [{id = "34020000001340000001", name = "x"}]\n'
        )
        assert main(["camera-list", str(tmp_path), "--platform", "vms"]) == 0
        assert "34020000001320000007,东门,116.39,39.9," in capsys.readouterr().out
        assert main(["camera-list", str(tmp_path), "--platform", "other"]) == 2
    finally:
        stop.set()
        thread.join()


def test_cameras_of_the_network_become_rows_and_a_sink(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two cameras, one of which knows its place, run in a thread of their own: the command has its own event loop."""
    monkeypatch.setenv("ONVIF_PASSWORD", "s3cret")
    started, stop, ports = threading.Event(), threading.Event(), list[int]()

    async def serve() -> None:
        async with (
            onvif_camera(place=(121.49, 31.24, 0.0)) as one,
            onvif_camera(serial="0BAD", elsewhere="http://10.9.9.9") as two,
        ):
            responders = [Responder(one), Responder(two, "tds:Device"), Responder(one, urls="http://192.0.2.1/x")]
            responders[2].camera = one
            for responder in responders:
                await responder.start()
                ports.append(responder.port)
            started.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)
            for responder in responders:
                responder.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(5)
        ask = ["camera-list", "--onvif", "--wait", "0.4", "--username", "hub", "--password-env", "ONVIF_PASSWORD"]
        for port in ports[:2]:
            ask += ["--probe", f"127.0.0.1:{port}"]
        assert main([*ask, "-o", str(tmp_path / "cameras.csv"), "--sink", str(tmp_path / "sink.toml")]) == 1
        said = capsys.readouterr().err
        assert "2 devices answered, 1 cameras know their place, 1 do not" in said
        assert "onvif:0BAD" in said
        assert "fill in lon and lat" in said
        registry, mistakes = load_registry(tmp_path)
        assert mistakes == []
        assert list(registry.cameras) == ["onvif:C0FFEE42"]
        text = (tmp_path / "cameras.csv").read_text()
        assert "\n#onvif:0BAD,North Gate,,," in text
        block = (tmp_path / "sink.toml").read_text()
        (tmp_path / "hub.toml").write_text(f'[hub]\nname = "x"\n{block}')
        config, mistakes = load_config(tmp_path, Plugins())
        assert mistakes == []
        assert config is not None
        assert set(config.sinks[0].options.cameras) == {"onvif:C0FFEE42", "onvif:0BAD"}
        assert main([*ask, "--json"]) == 1
        assert {json.loads(line)["camera"] for line in capsys.readouterr().out.splitlines()} == {
            "onvif:C0FFEE42",
            "#onvif:0BAD",
        }
        # Who names only other hosts is not asked: no login goes to strangers.
        assert main(["camera-list", "--onvif", "--wait", "0.4", "--probe", f"127.0.0.1:{ports[2]}"]) == 1
        assert "names no address of its own" in capsys.readouterr().err
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--onvif", "--probe", "10.0.0.7:x"], "IPv4 address"),
        (["--onvif", "--password-env", "NOT_SET_ANYWHERE"], "is not set"),
        (["--onvif", "--wait", "0"], "at most 60"),
        ([], "--onvif was meant"),
    ],
)
def test_camera_list_is_told_what_it_does_not_understand(
    wrong: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["camera-list", *wrong]) == 2
    assert words in capsys.readouterr().err
