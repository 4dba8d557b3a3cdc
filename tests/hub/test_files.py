"""Files that people take away, opened and read: reports as PDF and spreadsheet, every list as CSV, and what goes out by mail.

Nobody finds in them a row, name, place, plate or sum from outside their area, or of a person whom they may not know. The routes and the commands are
enumerated, so that a new one is tried by being there.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import io
import re
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from hub.api import sight
from hub.api.gate import Authority
from hub.api.history import FILES
from hub.api.routes import endpoints
from hub.app.hub import Hub
from hub.cli import main, parser
from hub.moment import SECOND, from_datetime, to_text
from tests.acceptance.running import write_city
from tests.hub.askers import as_token
from tests.hub.running import running, shown

OWN_DRIVER, FOREIGN_DRIVER = "Zhuge Liang-Kongming", "Sima Yi-Zhongda"
OWN_WAY, FOREIGN_WAY = (
    [(121.4321357, 31.2429753), (121.4363157, 31.2459751)],
    [(121.5921357, 31.3429753), (121.5963157, 31.3459751)],
)
DEVICES = """device,name,kind,lon,lat,area,fleet
own-gauge,Own Gate,underpass-gauge,121.491,31.241,north,
own-van,Own Van,vehicle,,,north,blue
own-air,Own Air,air-station,121.492,31.242,north,
foreign-gauge,Foreign Gate,underpass-gauge,121.591,31.341,south,
foreign-van,Foreign Van,vehicle,,,south,red
foreign-air,Foreign Air,air-station,121.592,31.342,south,
"""
CAMERAS = """camera,name,lon,lat,height_m,azimuth_deg,tilt_deg,hfov_deg,range_m,ptz,area
own-eye,Own Eye,121.4915,31.2412,8,,,,300,true,north
foreign-eye,Foreign Eye,121.4916,31.2412,8,,,,300,true,south
"""
RULES = """
- rule: driven
  title: "{subject.name}: {who} at the wheel, plate {plate}"
  for_each: {kind: vehicle}
  let: {who: driver}
  levels: {yellow: speed > 20 km/h and who != "" and plate != ""}
  source: {standard: house default}
- rule: deep
  title: "{subject.name}: deep"
  for_each: {kind: underpass-gauge}
  levels: {red: water_depth > 40 cm}
  source: {standard: house default}
"""
VIEWERS = {
    "all": 'roles = ["view", "operate", "administer", "ingest"]',
    "north": 'roles = ["view"]\nareas = ["north"]',
    "north-desk": 'roles = ["view", "operate"]\nareas = ["north"]\npersonal = false',
    "masked": 'roles = ["view", "operate"]\npersonal = false',
    "auditor": 'roles = ["administer"]',
}
"""Tokens: who sees everything; a viewer of one area; an operator of it without personal data; both without, of the whole city; who reads the audit."""
FOREIGN = ("oreign", FOREIGN_DRIVER, "Sima", "S-99X", "121.59", "31.34", "777")
"""What there is of the other area: names, who drives, plates, places, and figures that stand nowhere else."""
PERSONAL = (
    OWN_DRIVER,
    FOREIGN_DRIVER,
    "Zhuge",
    "Sima",
    "B-77Q",
    "S-99X",
    "121.4321",
    "121.4363",
    "121.5921",
    "121.5963",
)
MAY_NOT = {
    "all": (),
    "north": FOREIGN,
    "north-desk": (*FOREIGN, *PERSONAL),
    "masked": PERSONAL,
    "auditor": (*PERSONAL, "121.59", "121.49", "777"),
}


@pytest.fixture
async def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    folder = write_city(
        tmp_path / "city", '[api]\nlisten = "127.0.0.1:0"\ntokens_file = "tokens.toml"\n[[sinks]]\nname = "desk"\nprotocol = "webhook"\nurl = "http://127.0.0.1:9/"\n', rules=RULES
    )  # fmt: skip
    (folder / "devices.csv").write_text(DEVICES)
    (folder / "cameras.csv").write_text(CAMERAS)
    (folder / "tokens.toml").write_text("".join(f'[tokens.{name}]\ntoken = "{name}"\n{may}\n' for name, may in VIEWERS.items()))  # fmt: skip
    for name in VIEWERS:
        (tmp_path / name).write_text(f"{name}\n")
        (tmp_path / name).chmod(0o600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CITYHUB_TOKEN", raising=False)
    async with running(folder) as hub:
        await plant(hub)
        yield hub


def day_of(hub: Hub) -> tuple[str, int]:
    """Yesterday in the city, and when it began (ns)."""
    zone = hub.state.config.zone
    today = datetime.fromtimestamp(hub.now() // SECOND, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    began = today - timedelta(days=1)
    return f"{began:%Y-%m-%d}", from_datetime(began)


async def plant(hub: Hub) -> None:
    """In both areas a vehicle drove yesterday and warns now, an air station measured, a gauge warns, and what cannot be used came."""
    _, began = day_of(hub)
    told: list[dict[str, Any]] = []

    def tell(device: str, at: int, place: tuple[float, float] | None = None, **values: Any) -> None:
        where = {} if place is None else {"lon": place[0], "lat": place[1]}
        told.append({"device": device, "time": to_text(at), "values": values, **where})

    for whose, driver, plate, way, dirt in (("own", OWN_DRIVER, "B-77Q", OWN_WAY, 35), ("foreign", FOREIGN_DRIVER, "S-99X", FOREIGN_WAY, 777)):  # fmt: skip
        for hour in range(24):
            clean: dict[str, Any] = {"so2": 20, "no2": 30, "co": 0.8, "o3": 60, "pm10": 40, "pm25": dirt}
            tell(f"{whose}-air", began + hour * 3_600 * SECOND, **clean)
        for minute in range(20):
            for since in (began + 8 * 3_600 * SECOND, hub.now() - 1_800 * SECOND):
                tell(f"{whose}-van", since + minute * 60 * SECOND, way[minute % 2], speed=50, ignition=True, driver=driver, plate=plate)  # fmt: skip
        for second in (90, 60, 30):
            tell(f"{whose}-gauge", hub.now() - second * SECOND, water_depth=0.9)
    async with as_token(hub, "all") as client:
        for begin in range(0, len(told), 50):
            answer = await client.post("/api/v1/readings", json=told[begin : begin + 50])
            assert answer.status_code == 200, answer.text
        for whose, driver in (("own", OWN_DRIVER), ("foreign", FOREIGN_DRIVER)):
            await client.post("/api/v1/readings", json={"device": f"{whose}-van", "values": {"speed": f"fast, says {driver}"}})  # fmt: skip
            until = to_text(hub.now() + 86_400 * SECOND)
            planned = await client.post("/api/v1/maintenance", json={"target": f"{whose}-air", "until": until})
            assert planned.status_code == 200, planned.text
        await client.post("/api/v1/readings", json={"device": "foreign-knock", "values": {"water_depth": 0.5}})
        async with asyncio.timeout(60):
            while len(hub.state.alerts.open) < 4:
                await asyncio.sleep(0.02)
            while any(
                reader.state.cursor < hub.log.streams[reader.state.stream].next for reader in hub.storing.readers
            ):
                await asyncio.sleep(0.02)
        await shown(client)
        for item in hub.state.alerts.newest_first(True):
            hub.state.journal.bury("desk", item.changes[-1], "refused", 1, hub.now())
            who = {"own-van": OWN_DRIVER, "foreign-van": FOREIGN_DRIVER}.get(item.subject, item.subject)
            note = {"kind": "comment", "note": f"{who} called"}
            assert (await client.post(f"/api/v1/alerts/{item.alert}/note", json=note)).status_code == 200


def text_of(file: bytes) -> str:
    """What somebody reads who opens the file."""
    if file.startswith(b"%PDF"):
        reader = PdfReader(io.BytesIO(file))
        return "\n".join([*(page.extract_text() for page in reader.pages), *map(str, (reader.metadata or {}).values())])
    if file.startswith(b"PK"):
        book = zipfile.ZipFile(io.BytesIO(file))
        return "\n".join(html.unescape(book.read(name).decode()) for name in book.namelist())
    return file.decode("utf-8-sig")


def leaks(who: str, text: str) -> list[str]:
    bare = "".join(text.split())  # a PDF breaks words where a cell ends
    return [secret for secret in MAY_NOT[who] if _stands_in(secret, text, bare)]


def _stands_in(secret: str, text: str, bare: str) -> bool:
    if secret.isdigit():  # as a number of its own, not within the fraction of a second
        return re.search(rf"(?<![\d.]){secret}(?!\d)", text) is not None
    return "".join(secret.split()) in bare


# ------------------------------------------------------------------------------------------------- files of routes

ANSWERS = ("application/json", "text/html", "text/plain", "text/event-stream", "image/*", "application/vnd.pmtiles")
"""Media types that are no files about the city: answers, pages, pictures, the base map."""


def files(hub: Hub, day: str) -> list[str]:
    found = [item.path for item in endpoints(hub.state, Authority(hub.state, False)) if item.media not in ANSWERS]
    asked = {
        "/api/v1/report/{what}": [
            f"/api/v1/report/{what}?format={form}&lang={lang}"
            for what in (f"fleet?day={day}", f"air?span={day}", f"air?span={day[:7]}")
            for form in FILES
            for lang in ("en", "zh")
        ],
        "/api/v1/geojson/{what}": [f"/api/v1/geojson/{what}" for what in ("devices", "zones", "cameras", "footprints")],
    }
    assert set(found) == set(asked), "a route that gives a file is new: say here what there is to ask"
    return [
        address.replace("?format", "&format") if address.count("?") > 1 else address
        for path in found
        for address in asked[path]
    ]


async def opened(hub: Hub, who: str, addresses: list[str]) -> dict[str, str]:
    """What each file says to them; none where it is refused."""
    found = {}
    async with as_token(hub, who) as client:
        for address in addresses:
            answer = await client.get(address)
            assert answer.status_code == (403 if who == "auditor" else 200), (who, address, answer.text)
            found[address] = "" if answer.status_code == 403 else text_of(answer.content)
    return found


async def test_no_file_tells_what_its_reader_may_not_know(hub: Hub) -> None:
    day, _ = day_of(hub)
    everything = await opened(hub, "all", files(hub, day))
    assert all(leaks("north", text) for address, text in everything.items() if "zones" not in address), "what is not planted proves nothing"  # fmt: skip
    for who in VIEWERS:
        found = await opened(hub, who, files(hub, day))
        assert {address: leaks(who, text) for address, text in found.items() if leaks(who, text)} == {}, who
    north = await opened(hub, "north", files(hub, day))
    for address, text in north.items():
        if "report/fleet" in address:
            assert "Own Van" in text or "OwnVan" in text, address
            assert ("Vehicles: 1." in text) or ("车辆：1；" in text), address
        if "report/air" in address:
            assert "Own Air" in text, address


async def test_a_leak_would_be_seen_in_every_form(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: with sight let open each file tells of the other area."""
    day, _ = day_of(hub)
    monkeypatch.setattr(sight.Sight, "device", lambda *_, **__: True)
    found = await opened(
        hub, "north", [address for address in files(hub, day) if "report" in address or "devices" in address]
    )
    assert [address for address, text in found.items() if not leaks("north", text)] == []


# ------------------------------------------------------------------------------------------------- CSV of commands

LISTS = {
    "users": ["users list"], "audit": ["audit show"], "health": ["health"], "devices": ["devices", "devices --unknown"], "alerts": ["alerts", "alerts --all", "alerts --load"],
    "quarantine": ["quarantine list"], "delivery": ["delivery list"], "notes": ["notes", "notes --false-alarms"], "maintenance": ["maintenance list"], "rules": ["rules list"],
    "cameras": ["cameras --at 121.4915,31.2412"], "report": ["report fleet --day DAY", "report air --day DAY", "report air --month MONTH"],
}  # fmt: skip
NEVER = {"restore": "lists a backup's files, on its machine", "plugins": "lists packages of its machine"}
"""Lists without a hub behind them."""


def listing() -> set[str]:
    """Commands with `--csv`."""
    [commands] = [one for one in parser()._actions if isinstance(one, argparse._SubParsersAction)]
    return {name for name, one in commands.choices.items() if _has_csv(one)}


def _has_csv(form: argparse.ArgumentParser) -> bool:
    inner = [one for action in form._actions if isinstance(action, argparse._SubParsersAction) for one in action.choices.values()]  # fmt: skip
    return any("--csv" in action.option_strings for action in form._actions) or any(map(_has_csv, inner))


async def listed(hub: Hub, who: str, line: str, capsys: pytest.CaptureFixture[str], folder: Path) -> str:
    """What the command writes, and what it says of itself."""
    day, _ = day_of(hub)
    words = line.replace("DAY", day).replace("MONTH", day[:7]).split()
    capsys.readouterr()
    words += ["--csv", "--hub", hub.address, "--token-file", str(folder / who)]
    code = await asyncio.to_thread(main, words)
    said = capsys.readouterr()
    assert code in (0, 1), (line, said)
    return said.out + said.err


async def test_no_list_as_csv_tells_what_its_reader_may_not_know(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert listing() == LISTS.keys() | NEVER.keys(), "a list is new: say here how it is asked for"
    told: dict[str, dict[str, str]] = {}
    for who in VIEWERS:
        told[who] = {line: await listed(hub, who, line, capsys, tmp_path) for lines in LISTS.values() for line in lines}
        assert {line: leaks(who, text) for line, text in told[who].items() if leaks(who, text)} == {}, who
    silent = {line for line, text in told["all"].items() if not leaks("north", "" if "403" in text else text)}
    assert silent <= {"users list", "health", "rules list", "notes --false-alarms", "alerts --load"}, silent
    rows = {who: len(said["devices"].splitlines()) - 1 for who, said in told.items()}
    assert rows == {"all": 6, "north": 3, "north-desk": 3, "masked": 6, "auditor": rows["auditor"]}
    loads = {who: said["alerts --load"] for who, said in told.items()}
    assert loads["north"] != loads["all"], "what is counted is of one area"


# ------------------------------------------------------------------------------------------------- what goes out


@pytest.mark.parametrize("form", sorted(FILES))
async def test_a_report_that_is_mailed_tells_of_no_person(hub: Hub, form: str) -> None:
    """Whoever set the destination up decides who reads it, so it is of the whole city; who drove and where is in none."""
    day, _ = day_of(hub)
    for what, answer in (
        ("fleet", await hub.state.fleet(day, None, lambda _: True)),
        ("air", await hub.state.air(day, lambda _: True)),
    ):
        for chinese in (False, True):
            text = text_of(hub.state.paper(what, answer, form, chinese))
            assert "oreign" in text
            assert leaks("masked", text) == [], (what, chinese)
