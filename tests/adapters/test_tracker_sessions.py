"""JT/T 808 and Teltonika over real sockets: login, answers after the verdict, commands down, options."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters import jt808, teltonika
from adapters.jt808 import Jt808CodecOptions, commands
from adapters.jt808.codec import Jt808Codec
from adapters.jt808.wire import encode
from adapters.transport import StreamAdapter
from hub.model import FaultKind, Verdict
from hub.ports import Plugin
from tests.adapters.intake import FakeIntake
from tests.adapters.jt808.frames import DEVICE, NEW, OLD, location
from tests.adapters.test_teltonika import DEVICE as TRACKER
from tests.adapters.test_teltonika import LOGIN, data, record, tcp, udp

SECONDS = 10.0


@asynccontextmanager
async def running(plugin: Plugin, intake: FakeIntake, listen: str, **options: Any) -> AsyncIterator[StreamAdapter]:
    assert plugin.options is not None
    adapter = plugin.source("trackers", msgspec.convert({"listen": listen, **options}, plugin.options))
    assert isinstance(adapter, StreamAdapter)
    task = asyncio.create_task(adapter.run(intake))
    try:
        await intake.until(lambda: bool(adapter.bound) or task.done())
        yield adapter
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def port_of(adapter: StreamAdapter) -> int:
    return int(adapter.bound.rpartition(":")[2])


async def answer(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The next JT/T 808 frame from the platform, in detail."""
    async with asyncio.timeout(SECONDS):
        raw = await reader.readuntil(b"\x7e") + await reader.readuntil(b"\x7e")
    (message,) = Jt808Codec().feed(raw)
    found: dict[str, Any] = message.body.detail()
    return found


async def test_a_terminal_registers_authenticates_reports_and_takes_a_command() -> None:
    intake = FakeIntake()
    async with running(jt808.PLUGIN, intake, "tcp://127.0.0.1:0", login_required=True) as adapter:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(adapter))
        writer.write(encode(OLD, 0x0200, 1, location()))
        assert (await answer(reader))["msg_id"] == "0x8001"
        assert not intake.readings
        assert [fault.kind for fault in intake.faults] == [FaultKind.UNAUTHORISED]

        writer.write(encode(OLD, 0x0100, 2, bytes(25)))
        registered = await answer(reader)
        assert (registered["msg_id"], registered["result"], registered["serial"]) == ("0x8100", 0, 1)

        writer.write(encode(OLD, 0x0102, 3, registered["auth_code"].encode()))
        assert (await answer(reader))["result"] == 0

        intake.hold = True
        writer.write(encode(OLD, 0x0200, 4, location()))
        await intake.until(lambda: bool(intake.held))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        intake.release()
        assert (await answer(reader))["reply_serial"] == 4
        assert [reading.device for reading in intake.readings] == [DEVICE]

        codec = adapter.codec_of(DEVICE)
        assert isinstance(codec, Jt808Codec)
        assert codec.terminal is not None
        assert adapter.send(DEVICE, codec.send(codec.terminal, *commands.set_interval(10)))
        command = await answer(reader)
        assert (command["msg_id"], command["serial"]) == ("0x8103", 4)
        writer.close()


@pytest.mark.parametrize(
    ("options", "authenticates"), [({}, True), ({"identity": "session"}, False), ({"login_required": True}, True)]
)
async def test_another_terminals_frame_on_a_session_is_refused(options: dict[str, Any], authenticates: bool) -> None:
    intake = FakeIntake()
    async with running(jt808.PLUGIN, intake, "tcp://127.0.0.1:0", **options) as adapter:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(adapter))
        if authenticates:
            writer.write(encode(OLD, 0x0102, 1, b"014450376202"))
            assert (await answer(reader))["result"] == 0
        writer.write(encode(OLD, 0x0200, 2, location()) + encode(NEW, 0x0200, 3, location()))
        assert [(await answer(reader))["result"], (await answer(reader))["result"]] == [0, 1]
        writer.close()
    assert [reading.device for reading in intake.readings] == [DEVICE]
    assert [(fault.kind, fault.readings) for fault in intake.faults] == [(FaultKind.UNAUTHORISED, 1)]


async def test_a_terminal_over_udp() -> None:
    intake = FakeIntake()
    async with running(jt808.PLUGIN, intake, "udp://127.0.0.1:0") as adapter:
        received: asyncio.Queue[bytes] = asyncio.Queue()

        class Peer(asyncio.DatagramProtocol):
            def datagram_received(self, raw: bytes, address: Any) -> None:
                received.put_nowait(raw)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Peer, remote_addr=("127.0.0.1", port_of(adapter)))
        transport.sendto(encode(OLD, 0x0200, 9, location()))
        raw = await asyncio.wait_for(received.get(), SECONDS)
        assert Jt808Codec().feed(raw)[0].body.detail()["reply_serial"] == 9
        transport.close()
    assert len(intake.readings) == 1


async def test_a_tracker_over_tcp_and_over_udp() -> None:
    intake = FakeIntake()
    async with running(teltonika.PLUGIN, intake, "tcp://127.0.0.1:0", login_required=True) as adapter:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(adapter))
        writer.write(LOGIN)
        assert await asyncio.wait_for(reader.readexactly(1), SECONDS) == b"\x01"
        writer.write(tcp(data([record(), record(lat=31.0)])))
        assert await asyncio.wait_for(reader.readexactly(4), SECONDS) == b"\0\0\0\2"
        intake.verdict = Verdict.BUSY
        writer.write(tcp(data([record()])))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        writer.close()
    assert [reading.device for reading in intake.readings] == [TRACKER] * 3

    intake = FakeIntake()
    async with running(teltonika.PLUGIN, intake, "udp://127.0.0.1:0", login_required=True) as adapter:
        received: asyncio.Queue[bytes] = asyncio.Queue()

        class Peer(asyncio.DatagramProtocol):
            def datagram_received(self, raw: bytes, address: Any) -> None:
                received.put_nowait(raw)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Peer, remote_addr=("127.0.0.1", port_of(adapter)))
        transport.sendto(udp(data([record()])))
        assert (await asyncio.wait_for(received.get(), SECONDS)).hex() == "0005cafe010501"
        transport.close()
    assert [reading.device for reading in intake.readings] == [TRACKER]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"zone": "Nowhere/Land"}, "Nowhere"),
        ({"coordinates": "bd09"}, "bd09"),
        ({"subpackage_ack": "never"}, "together or singly"),
        ({"auth_secret_env": "CITYHUB_TEST_UNSET"}, "CITYHUB_TEST_UNSET"),
        ({"auth_secret_file": "/nonexistent/secret"}, "cannot be read"),
        ({"items": {"0x82": {"metric": "nonsense"}}}, "nonsense"),
    ],
)
def test_mistakes_in_options_are_found_when_they_are_read(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        jt808.codec(msgspec.convert(options, Jt808CodecOptions))


def test_the_secret_comes_from_the_environment_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CITYHUB_TEST_SECRET", "s3cret")
    (tmp_path / "secret").write_text("s3cret\n")
    message = Jt808Codec().feed(encode(OLD, 0x0100, 2, bytes(25)))[0]
    codes = [
        jt808.codec(Jt808CodecOptions(**options)).reply(message, Verdict.STORED, 0)
        for options in (
            {"auth_secret_env": "CITYHUB_TEST_SECRET"},
            {"auth_secret_file": str(tmp_path / "secret")},
        )
    ]
    assert codes[0] == codes[1] != jt808.codec(Jt808CodecOptions()).reply(message, Verdict.STORED, 0)


def test_an_empty_secret_file_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(ValueError, match="is empty"):
        jt808.codec(Jt808CodecOptions(auth_secret_file=str(tmp_path / "secret")))
