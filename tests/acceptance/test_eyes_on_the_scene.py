"""From a leaking lorry to eyes on it: a whole hub, a webhook and two ONVIF domes over real sockets, and the way home after a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from hub.app.city import load_city
from hub.app.files import SOCKET
from hub.app.hub import Hub
from hub.app.plugins import Plugins
from tests.adapters.http_peer import http_peer
from tests.adapters.onvif_camera import onvif_camera
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.acceptance

TOML = """[hub]
name = "yard"
[api]
listen = "127.0.0.1:0"
[[sinks]]
name = "video"
protocol = "webhook"
url = "{hook}/alerts"
[[sinks]]
name = "domes"
protocol = "onvif"
username = "hub"
password_env = "ONVIF_PASSWORD"
cameras.d0 = {{ url = "{here}/ptz", spherical = true, landmarks = [[0.0, 0.0], [90.0, 90.0]] }}
cameras.d1 = {{ url = "{there}/ptz", spherical = true, landmarks = [[0.0, 0.0], [90.0, 90.0]] }}
"""
RULES = """
- rule: leak
  title: "{subject.name} leans"
  for_each: {kind: hazmat-truck}
  levels: {red: tilt > 20 deg}
  source: {standard: house default}
"""


async def until(what: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.02)


async def started(folder: Path) -> Hub:
    city, mistakes = load_city(folder, Plugins())
    assert city is not None, mistakes
    hub = Hub(city)
    await hub.start()
    return hub


def reaching(hub: Hub) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=str(hub.data / SOCKET)), base_url="http://hub", timeout=30
    )


def lorry(tilt: float) -> dict[str, object]:
    return {"device": "lorry", "values": {"speed": 54.0, "course": 90.0, "tilt": tilt}, "lon": 121.5003, "lat": 31.2}


async def test_a_lorry_is_handed_from_dome_to_dome_and_both_go_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONVIF_PASSWORD", "s3cret")
    async with http_peer() as hook, onvif_camera(turn_s=0.3) as here, onvif_camera(turn_s=0.3) as there:
        (tmp_path / "rules").mkdir()
        (tmp_path / "rules" / "yard.yaml").write_text(RULES)
        (tmp_path / "hub.toml").write_text(TOML.format(hook=hook.url, here=here.peer.url, there=there.peer.url))
        (tmp_path / "devices.csv").write_text("device,name,kind\nlorry,Lorry,hazmat-truck\n")
        domes = "camera,lon,lat,height_m,ptz,range_m\nd0,121.5,31.2,8,true,160\nd1,121.5032,31.2,8,true,160\n"
        (tmp_path / "cameras.csv").write_text(domes)
        hub = await started(tmp_path)
        async with reaching(hub) as client:
            assert (await client.post("/api/v1/readings", json=lorry(35.0))).status_code == 200
            await until(lambda: hook.heard and hub.delivering.destinations.couriers["domes"].status.taken)
        body = json.loads(hook.heard[0].body)
        assert body["motion"] == {"course_deg": 90.0, "speed_kmh": 54.0}
        assert [watch["camera"] for watch in body["handover"]] == ["d0", "d1", None]
        assert here.pose[:2] == pytest.approx((90.0, -13.76), abs=0.5)  # at the lorry
        assert there.pose[:2] == pytest.approx((-90.0, -3.2), abs=0.5)  # where it will come from
        (attempt,) = hub.delivering.destinations.journal.attempts("domes")
        assert "d0 turned by angles and arrived after" in attempt.detail
        assert "d1 waits from 10 s on" in attempt.detail
        await hub.stop()
        hub = await started(tmp_path)  # the leases are on disk
        async with reaching(hub) as client:
            assert (await client.post("/api/v1/readings", json=lorry(2.0))).status_code == 200
            await until(lambda: here.orders[-1] == there.orders[-1] == "GotoHomePosition")
        await hub.stop()
