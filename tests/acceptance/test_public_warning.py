"""A public warning by a running hub: proposed by the hub, Actual only by the holder of a permitted token."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest

from adapters.cap.audit import problems
from adapters.cap.message import NAMESPACE
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city

pytestmark = pytest.mark.acceptance

TOKENS = """
[tokens.duty-officer]
token = "officer"
roles = ["view", "operate"]
[tokens.console]
token = "console"
roles = ["view", "operate", "ingest"]
"""


def statuses(folder: Path) -> list[str]:
    """status/msgType of every message written, oldest first."""
    files = sorted(
        (path for path in (folder / "cap").glob("*.xml") if path.name != "feed.xml"),
        key=lambda path: path.stat().st_mtime_ns,
    )
    said = []
    for path in files:
        assert problems(path.read_bytes()) == []
        root = ET.parse(path).getroot()
        said.append("/".join(root.findtext(f"{{{NAMESPACE}}}{name}", "") for name in ("status", "msgType")))
    return said


def test_the_hub_proposes_and_a_permitted_person_publishes(tmp_path: Path) -> None:
    api = free_port()
    (tmp_path / "city").mkdir()
    (tmp_path / "city" / "tokens.toml").write_text(TOKENS)
    folder = write_city(
        tmp_path / "city",
        '[[sinks]]\nname = "public"\nprotocol = "cap"\nsender = "hub@city.example"\nfolder = "cap"\napprovers = ["duty-officer"]\n',
    )
    toml = (folder / "hub.toml").read_text()
    (folder / "hub.toml").write_text(f'{toml}[api]\nlisten = "127.0.0.1:{api}"\ntokens_file = "tokens.toml"\n')
    hub = RunningHub(folder, api)
    console, officer = {"Authorization": "Bearer console"}, {"Authorization": "Bearer officer"}
    assert hub.post("/api/v1/readings", {"device": "underpass-1", "values": {"water_depth": 0.5}}, **console)[0] == 200
    hub.wait(lambda: statuses(folder) == ["Exercise/Alert"], "nothing was proposed")
    request = urllib.request.Request(f"http://127.0.0.1:{api}/api/v1/alerts", headers=console)
    with urllib.request.urlopen(request, timeout=20) as answer:
        name = json.load(answer)["open"][0]["alert"]
    path = f"/api/v1/alerts/{quote(name, safe='')}/acknowledge"
    code, said = hub.post(path, {"who": "duty-officer", "note": "publish"}, **console)
    assert code == 403
    assert "another token" in str(said)
    assert hub.post(path, {"who": "Li", "note": "publish"}, **console)[0] == 200
    assert hub.post(path, {"note": "publish: seen on camera"}, **officer)[0] == 200
    hub.wait(lambda: "Actual/Alert" in statuses(folder), "it was not published")
    assert statuses(folder) == ["Exercise/Alert", "Actual/Alert"]
    assert hub.post("/api/v1/readings", {"device": "underpass-1", "values": {"water_depth": 0.0}}, **console)[0] == 200
    hub.wait(lambda: len(statuses(folder)) == 4, "it was not cancelled")
    assert sorted(statuses(folder)[2:]) == ["Actual/Cancel", "Exercise/Cancel"]
    assert (folder / "cap" / "feed.xml").exists()
    assert hub.stop() == 0
