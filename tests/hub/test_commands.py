"""A whole hub with terminals on real sockets: commands down, device secrets, unknown devices, the pace of one device."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from adapters.hj212.checksum import crc16
from adapters.jt808.wire import Terminal as Id
from adapters.jt808.wire import encode
from hub.app.city import load_city
from hub.app.files import SOCKET
from hub.app.hub import Hub
from hub.app.plugins import Plugins
from hub.model import OperatorAction
from simulators.devices.jt808 import Jt808
from simulators.devices.report import Report
from simulators.devices.terminal import Terminal
from tests.acceptance.running import cityhub, write_city
from tests.adapters.jt808.frames import location
from tests.adapters.test_teltonika import LOGIN as TELTONIKA_LOGIN
from tests.adapters.test_teltonika import data, record, tcp

PHONE = "00000000017299841738"
DEVICE = f"jt808:{PHONE}"


@asynccontextmanager
async def hub_on(folder: Path, toml: str, devices: str = "") -> AsyncIterator[tuple[Hub, httpx.AsyncClient]]:
    write_city(folder, toml)
    (folder / "hub.toml").write_text((folder / "hub.toml").read_text() + '\n[api]\nlisten = "127.0.0.1:0"\n')
    (folder / "devices.csv").write_text((folder / "devices.csv").read_text() + devices)
    city, mistakes = load_city(folder, Plugins())
    assert city is not None, mistakes
    hub = Hub(city)
    await hub.start()
    client = httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(hub.data / SOCKET)), base_url="http://hub")
    try:
        yield hub, client
    finally:
        await client.aclose()
        await hub.stop()


async def until(what: Callable[[], bool], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.02)


def port(hub: Hub, adapter: str) -> int:
    return int(hub.sources.adapters[adapter].bound.rpartition(":")[2])  # type: ignore[attr-defined]


TRACKERS = """
[[adapters]]
name = "trackers"
protocol = "jt808"
listen = "tcp://127.0.0.1:0"
unknown_devices = "admit"
login_required = true
"""


async def test_a_terminal_is_told_and_answers(tmp_path: Path) -> None:
    async with hub_on(tmp_path, TRACKERS) as (hub, client):
        await until(lambda: bool(getattr(hub.sources.adapters.get("trackers"), "bound", "")))
        dialect = Jt808(PHONE, "A12345")
        terminal = Terminal(DEVICE, dialect)
        running = asyncio.create_task(terminal.run(f"tcp://127.0.0.1:{port(hub, 'trackers')}"))
        path = f"/api/v1/devices/{DEVICE}/command"

        async def tell(**command: Any) -> tuple[int, Any]:
            answer = await client.post(path, json={"wait_s": 10, **command})
            return answer.status_code, answer.json()

        assert (await tell(command="locate"))[0] == 404  # not connected yet
        terminal.send(Report(hub.now(), {"speed": 36.0}, 121.49, 31.24))
        await until(lambda: DEVICE in hub.live.devices)

        status, answer = await tell(command="locate")
        assert (status, answer["answer"]["msg_id"]) == (200, "0x0201")
        assert answer["answer"]["location"]["speed_kmh"] == 36.0
        status, answer = await tell(command="interval", seconds=30, who="Li Na")
        assert (status, answer["answer"]["reply_id"], answer["answer"]["result"]) == (200, "0x8103", 0)
        status, answer = await tell(command="text", text="北门积水，请绕行")
        assert (status, answer["answer"]["reply_id"]) == (200, "0x8300")
        assert dialect.texts == ["北门积水，请绕行"]
        status, answer = await tell(command="raw", message="0x8104", wait_s=0.1)
        assert (status, answer["answer"]) == (200, None)  # this terminal does not know it

        shown = await asyncio.to_thread(cityhub, "command", tmp_path, DEVICE, "locate", "--json")
        assert (shown.returncode, json.loads(shown.stdout)["answer"]["msg_id"]) == (0, "0x0201")

        assert (await tell(command="explode"))[0] == 409
        assert (await tell(command="interval", seconds=0))[0] == 400
        assert (await tell(command="locate", colour="red"))[0] == 400
        assert (
            await client.post("/api/v1/devices/jt808:nobody/command", json={"command": "locate"})
        ).status_code == 404

        noted = [event for event in hub.log.events.read_now(0, 1000).entries if isinstance(event, OperatorAction)]
        assert [(action.action, action.target) for action in noted] == [("command", DEVICE)] * 5
        assert noted[1].who == "Li Na"
        assert noted[1].note == '{"command":"interval","seconds":30}'
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_tracker_takes_its_own_words_and_refuses_others(tmp_path: Path) -> None:
    toml = TRACKERS.replace("jt808", "teltonika")
    async with hub_on(tmp_path, toml) as (hub, client):
        await until(lambda: bool(getattr(hub.sources.adapters.get("trackers"), "bound", "")))
        reader, writer = await asyncio.open_connection("127.0.0.1", port(hub, "trackers"))
        writer.write(TELTONIKA_LOGIN + tcp(data([record()])))
        assert await asyncio.wait_for(reader.readexactly(5), 60) == b"\1\0\0\0\1"
        device = f"teltonika:{TELTONIKA_LOGIN[2:].decode()}"
        path = f"/api/v1/devices/{device}/command"
        assert (await client.post(path, json={"command": "interval", "seconds": 5})).status_code == 409
        asking = asyncio.create_task(client.post(path, json={"command": "raw", "text": "getver", "wait_s": 10}))
        assert b"getver" in await asyncio.wait_for(reader.read(100), 60)
        writer.write(bytes.fromhex("00000000000000370C01060000002F4449313A31204449323A30204449333A302041494E313A302041494E323A313639323420444F313A3020444F323A3101000066E3"))  # fmt: skip
        answer = (await asking).json()["answer"]
        assert answer["payload_text"].startswith("DI1:1")
        writer.close()


async def test_a_wrong_secret_is_refused_and_strangers_are_listed(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "devices.toml").write_text('"jt808:014450376202" = "right"\n')
    toml = '[ingest]\ndevice_secrets_file = "secrets/devices.toml"\n' + TRACKERS.replace("admit", "quarantine")
    async with hub_on(tmp_path, toml, "jt808:014450376202,Bus 7,bus,,,,,,\n") as (hub, client):
        await until(lambda: bool(getattr(hub.sources.adapters.get("trackers"), "bound", "")))
        known, stranger = Id(bytes.fromhex("014450376202")), Id(bytes.fromhex("013800000001"))

        async def said(terminal: Id, *frames: tuple[int, bytes]) -> list[int]:
            """The results of the platform's general answers, in order."""
            reader, writer = await asyncio.open_connection("127.0.0.1", port(hub, "trackers"))
            results = []
            for number, (message, body) in enumerate(frames):
                writer.write(encode(terminal, message, number, body))
                raw = await asyncio.wait_for(reader.readuntil(b"\x7e"), 60)
                raw += await asyncio.wait_for(reader.readuntil(b"\x7e"), 60)
                results.append(raw[-3])
            writer.close()
            return results

        assert await said(stranger, (0x0102, b"right"), (0x0200, location())) == [1, 1]
        unknown = (await client.get("/api/v1/unknown")).json()["devices"]
        assert "jt808:013800000001" in {item["device"] for item in unknown}
        assert await said(known, (0x0102, b"wrong"), (0x0200, location())) == [1, 1]
        assert not hub.live.devices
        assert await said(known, (0x0102, b"right"), (0x0002, b""), (0x0200, location())) == [0, 0, 0]
        await until(lambda: "jt808:014450376202" in hub.live.devices)
        faults = hub.ledger.of("trackers").faults
        assert faults["unauthorised"] >= 2
        assert faults["unknown-device"] >= 1
        found = (await client.get("/api/v1/devices")).json()["devices"][0]
        assert isinstance(found["skew_s"], float)


async def test_secrets_guard_only_where_a_login_is_required(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "devices.toml").write_text('"jt808:014450376202" = "right"\n"jt808:1" = 5\n')
    toml = '[ingest]\ndevice_secrets_file = "secrets/devices.toml"\n' + TRACKERS.replace("login_required = true", "")
    write_city(tmp_path, toml)
    _, mistakes = load_city(tmp_path, Plugins())
    assert [mistake.message for mistake in mistakes] == ['\'jt808:1\': a secret is a text, such as "jt808:1" = "…"']
    (tmp_path / "secrets" / "devices.toml").write_text('"jt808:014450376202" = "right"\n')
    _, mistakes = load_city(tmp_path, Plugins())
    assert "set login_required = true" in mistakes[0].message
    (tmp_path / "secrets" / "devices.toml").write_text('"teltonika:356307042441013" = "right"\n')
    assert "teltonika devices show no secret" in load_city(tmp_path, Plugins())[1][0].message
    (tmp_path / "secrets" / "devices.toml").write_text('"jt808:014450376202" = "right"\n')
    assert mistakes[0].line == next(
        number
        for number, line in enumerate((tmp_path / "hub.toml").read_text().splitlines(), 1)
        if "[[adapters]]" in line
    )


async def test_one_device_cannot_flood(tmp_path: Path) -> None:
    async with hub_on(tmp_path, "[ingest]\nreadings_per_device_s_max = 0.5\n") as (hub, client):
        flood = [
            {"device": "gauge-7", "time": f"2026-11-22T07:{minute:02d}:00Z", "values": {"water_level": 2.0}}
            for minute in range(40)
        ]
        await client.post("/api/v1/readings", json=flood)
        other = await client.post("/api/v1/readings", json={"device": "underpass-1", "values": {"water_depth": 0.1}})
        assert other.status_code == 200
        counts = hub.ledger.of("api")
        assert (counts.logged, counts.quarantined, counts.faults) == (31, 10, {"rate": 10})
        assert counts.balances()


HJ212 = "ST=22;CN=2011;{password}MN=S1;Flag=5;CP=&&DataTime=20261122160000;a34004-Rtd=35.5,a34004-Flag=N&&"


async def test_a_station_shows_its_password_in_every_message(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "devices.toml").write_text('"hj212:S1" = "123456"\n')
    toml = '[ingest]\ndevice_secrets_file = "secrets/devices.toml"\n' + TRACKERS.replace("jt808", "hj212").replace(
        "login_required = true", ""
    )
    async with hub_on(tmp_path, toml) as (hub, _):
        await until(lambda: bool(getattr(hub.sources.adapters.get("trackers"), "bound", "")))
        _, writer = await asyncio.open_connection("127.0.0.1", port(hub, "trackers"))
        for password in ("", "PW=654321;", "PW=123456;"):
            segment = HJ212.format(password=password).encode()
            writer.write(b"##%04d%b%04X\r\n" % (len(segment), segment, crc16(segment)))
            await writer.drain()
        counts = hub.ledger.of("trackers")
        await until(lambda: counts.logged == 1 and counts.quarantined == 2)
        assert counts.faults["unauthorised"] >= 2
        writer.close()
