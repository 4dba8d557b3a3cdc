"""Devices keep what the hub has not acknowledged, and send it again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from simulators.devices import hj212, terminal
from simulators.devices.faults import Faults
from simulators.devices.report import Report
from simulators.devices.seaside import Station
from simulators.devices.teltonika import Teltonika
from simulators.devices.terminal import Terminal

AT = 1_763_798_400_000_000_000
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def until(true: Callable[[], bool], within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.02)


async def test_a_report_without_an_answer_is_sent_again_on_the_next_connection() -> None:
    packets: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(17)
        writer.write(b"\x01")
        head = await reader.readexactly(8)
        packets.append(head + await reader.readexactly(int.from_bytes(head[4:]) + 4))
        if len(packets) > 1:  # the first connection breaks before the hub has answered
            writer.write(b"\x00\x00\x00\x01")
            await reader.read()
        writer.close()

    device = Terminal("teltonika:1", Teltonika("356307042441013"))
    async with listening(serve) as address:
        running = asyncio.create_task(device.run(address))
        device.send(Report(AT, {"speed": 30.0}, 122.0, 29.2))
        await until(lambda: len(device.outbox) == 0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(packets) == 2
    assert packets[0] == packets[1]
    assert device.connections == 2
    assert device.outbox.acknowledged == 1


async def test_an_answer_that_never_comes_has_the_report_sent_again() -> None:
    lines: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            lines.append(line)
            if len(lines) > 1:
                request = line.split(b"QN=")[1][:17].decode()
                writer.write(hj212.frame(f"QN={request};ST=91;CN=9014;PW=123456;MN=1;Flag=4;CP=&&&&"))
        writer.close()

    before = terminal.ANSWER_S
    terminal.ANSWER_S = 0.3
    try:
        device = Terminal("hj212:1", hj212.Hj212("1", "22"))
        async with listening(serve) as address:
            running = asyncio.create_task(device.run(address))
            device.send(Report(AT, {"pm25": 30.0}))
            await until(lambda: len(device.outbox) == 0)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    finally:
        terminal.ANSWER_S = before
    assert lines[0] == lines[1]


async def test_what_was_gathered_while_away_goes_out_in_one_frame() -> None:
    counts: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(17)
        writer.write(b"\x01")
        head = await reader.readexactly(8)
        packet = await reader.readexactly(int.from_bytes(head[4:]) + 4)
        counts.append(packet[1])
        writer.write(packet[1].to_bytes(4))
        await reader.read()
        writer.close()

    device = Terminal("teltonika:1", Teltonika("356307042441013"))
    for number in range(12):  # the tunnel has no network
        device.send(Report(AT + number * 10**9, {"speed": 30.0}, 122.0, 29.2))
    async with listening(serve) as address:
        running = asyncio.create_task(device.run(address))
        await until(lambda: len(device.outbox) == 0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert counts == [12]
    assert device.outbox.acknowledged == 12


async def test_a_slow_peer_sends_its_frames_in_drips() -> None:
    drips: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            drips.append(data)
        writer.close()

    device = Terminal("hj212:1", hj212.Hj212("1", "22"), Faults(slow_bytes_s=500))
    began = time.monotonic()
    async with listening(serve) as address:
        running = asyncio.create_task(device.run(address))
        device.send(Report(AT, {"pm25": 30.0}))
        await until(lambda: b"".join(drips).endswith(b"\r\n"))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    frame = b"".join(drips)
    assert len(drips) > len(frame) / 4
    assert time.monotonic() - began > len(frame) / 500


async def test_a_coast_station_sends_datagrams() -> None:
    heard = asyncio.Queue[bytes]()

    class Peer(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            heard.put_nowait(data)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Peer, local_addr=("127.0.0.1", 0))
    station = Station()
    running = asyncio.create_task(station.run("udp://127.0.0.1:{}".format(transport.get_extra_info("sockname")[1])))
    station.say(["!AIVDM,1,1,,A,x,0*00"] * 100)
    text = b""
    async with asyncio.timeout(60):
        while text.count(b"\r\n") < 100:
            packet = await heard.get()
            assert len(packet) <= 1200
            text += packet
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    transport.close()
