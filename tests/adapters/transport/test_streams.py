"""Streams over real sockets: order, limits, logins, reconnecting."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from hub.model import FaultKind
from tests.adapters.transport.peers import TCP, Hub, LineCodec, dialled, running, soon, until


async def test_replies_come_in_frame_order_and_only_after_the_verdict() -> None:
    hub = Hub()
    hub.open.clear()
    async with running(hub, listen=TCP) as adapter, dialled(adapter) as (reader, writer):
        writer.write(b"a 1\na 2\n")
        await until(lambda: hub.in_flight == 2)
        writer.write(b"bad\na 3\n")
        await until(lambda: hub.in_flight == 4)
        with pytest.raises(TimeoutError):
            await soon(reader.read(1), 0.1)
        hub.open.set()
        lines = [await soon(reader.readline()) for _ in range(4)]
    assert lines == [b"stored a 1\n", b"stored a 2\n", b"refused bad\n", b"stored a 3\n"]


async def test_reading_stops_while_too_much_is_in_flight() -> None:
    hub = Hub()
    hub.open.clear()
    async with (
        running(hub, listen=TCP, in_flight_max=10, frames_per_s_max=1e9) as adapter,
        dialled(adapter) as (reader, writer),
    ):
        sent = 20_000
        writer.write(b"".join(b"a %-1000d\n" % number for number in range(sent)))
        await until(lambda: hub.in_flight == 10)
        with pytest.raises(TimeoutError):
            await soon(writer.drain(), 0.3)  # the kernel's buffers are full: the sender is held back
        assert hub.in_flight_most == 10
        hub.open.set()
        answers = asyncio.create_task(reader.read())
        await soon(writer.drain(), 30)
        writer.write_eof()
        await until(lambda: len(hub.values) == sent, 30)
        assert (await soon(answers)).count(b"stored") == sent
    assert hub.values == list(range(sent))
    assert hub.in_flight_most == 10


async def test_an_idle_connection_and_a_slow_loris_are_closed() -> None:
    hub = Hub()
    async with (
        running(hub, listen=TCP, idle_timeout_s=0.3) as adapter,
        dialled(adapter) as (idle, _),
        dialled(adapter) as (slow, dribble),
        dialled(adapter) as (live, talk),
    ):

        async def one_byte_at_a_time() -> None:
            with contextlib.suppress(OSError):
                while True:
                    dribble.write(b"a")
                    await dribble.drain()
                    await asyncio.sleep(0.05)

        dribbling = asyncio.create_task(one_byte_at_a_time())
        for number in range(8):
            talk.write(b"b %d\n" % number)
            await asyncio.sleep(0.1)
        assert await soon(idle.read()) == b""
        with contextlib.suppress(OSError):
            assert (await soon(slow.read())).startswith(b"refused a")
        await until(lambda: adapter.connections == 1)
        dribbling.cancel()
        assert [await soon(live.readline()) for _ in range(8)][-1] == b"stored b 7\n"
    assert hub.faults(FaultKind.TRUNCATED)


async def test_a_flood_is_read_slowly_and_its_neighbour_is_not() -> None:
    hub = Hub()
    async with (
        running(hub, listen=TCP, frames_per_s_max=100) as adapter,
        dialled(adapter) as (_, flood),
        dialled(adapter) as (reader, neighbour),
    ):
        flood.write(b"".join(b"flood %d\n" % number for number in range(30_000)))
        await until(lambda: hub.values)
        began = time.monotonic()
        neighbour.write(b"b 1\n")
        assert await soon(reader.readline()) == b"stored b 1\n"
        assert time.monotonic() - began < 1.0
        await until(lambda: hub.faults(FaultKind.RATE))
        assert len(hub.values) < 30_000
    assert "read more slowly" in hub.faults(FaultKind.RATE)[0].detail


async def test_a_hundred_megabytes_without_a_line_end_leave_no_trace_in_memory() -> None:
    hub = Hub()
    async with running(hub, listen=TCP, bytes_per_s_max=1e9) as adapter, dialled(adapter) as (reader, writer):
        block = b"x" * 1_000_000
        for _ in range(100):
            writer.write(block)
            await soon(writer.drain())
        writer.write(b"\na 1\n")
        assert await soon(reader.readline()) == b"refused \n"
        assert await soon(reader.readline()) == b"stored a 1\n"
    assert len(hub.faults(FaultKind.OVERSIZE)) == 1
    assert hub.values == [1]


async def test_bad_frames_in_a_row_close_the_connection() -> None:
    hub = Hub()
    async with running(hub, listen=TCP, faults_max=3) as adapter, dialled(adapter) as (reader, writer):
        writer.write(b"bad\nbad\na 1\nbad\nbad\n")
        await until(lambda: len(hub.messages) == 5)
        writer.write(b"bad\n")
        answers = await soon(reader.read())
        assert answers.count(b"refused bad\n") == 5
    assert "3 bad frames in a row" in hub.faults(FaultKind.SYNTAX)[-1].detail


async def test_readings_before_a_login_are_refused_and_a_pipelined_login_counts() -> None:
    hub = Hub()
    hub.refused_devices = {"mallory"}
    async with running(hub, listen=TCP, login_required=True) as adapter, dialled(adapter) as (reader, writer):
        writer.write(b"a 1\nlogin mallory\na 2\nlogin a\na 3\nb 4\n")
        lines = [await soon(reader.readline()) for _ in range(6)]
        assert [line.split()[0] for line in lines] == [
            b"refused",
            b"refused",
            b"refused",
            b"stored",
            b"stored",
            b"refused",
        ]
    assert hub.values == [3]
    assert [fault.readings for fault in hub.faults(FaultKind.UNAUTHORISED)] == [1, 1, 1]
    assert "may not speak for b" in hub.faults(FaultKind.UNAUTHORISED)[-1].detail


async def test_who_does_not_log_in_is_closed() -> None:
    hub = Hub()
    async with (
        running(hub, listen=TCP, login_required=True, login_timeout_s=0.2) as adapter,
        dialled(adapter) as (reader, _writer),
    ):
        assert await soon(reader.read()) == b""


async def test_a_second_login_ends_the_first_connection_and_commands_follow() -> None:
    hub = Hub()
    async with running(hub, listen=TCP) as adapter:
        async with dialled(adapter) as (first, talk_first), dialled(adapter) as (second, talk_second):
            talk_first.write(b"login a\n")
            assert await soon(first.readline()) == b"stored login a\n"
            assert adapter.send("a", b"one\n")
            assert await soon(first.readline()) == b"one\n"
            talk_second.write(b"login a\n")
            assert await soon(second.readline()) == b"stored login a\n"
            with contextlib.suppress(ConnectionError):
                assert await soon(first.read()) == b""
            assert adapter.send("a", b"two\n")
            assert await soon(second.readline()) == b"two\n"
            assert isinstance(adapter.codec_of("a"), LineCodec)
        await until(lambda: adapter.connections == 0)
        assert not adapter.send("a", b"nobody\n")


async def test_connections_have_a_limit_in_all_and_for_each_peer() -> None:
    hub = Hub()
    async with running(hub, listen=TCP, connections_max=2) as adapter:
        async with dialled(adapter), dialled(adapter):
            await until(lambda: adapter.connections == 2)
            async with dialled(adapter) as (third, _):
                with contextlib.suppress(ConnectionError):
                    assert await soon(third.read()) == b""
            await until(lambda: hub.faults(FaultKind.RATE))
        await until(lambda: adapter.connections == 0)
        async with dialled(adapter) as (reader, writer):
            writer.write(b"a 1\n")
            assert await soon(reader.readline()) == b"stored a 1\n"
    assert "2 connections are open" in hub.faults(FaultKind.RATE)[0].detail

    hub = Hub()
    async with running(hub, listen=TCP, connections_per_peer_max=1) as adapter, dialled(adapter):
        await until(lambda: adapter.connections == 1)
        async with dialled(adapter) as (second, _):
            with contextlib.suppress(ConnectionError):
                assert await soon(second.read()) == b""


async def test_a_peer_that_takes_no_answers_is_not_waited_for_for_ever() -> None:
    hub = Hub()
    async with (
        running(hub, listen=TCP, frames_per_s_max=1e9, idle_timeout_s=0.5) as adapter,
        dialled(adapter) as (_, writer),
    ):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        lines = (b"a" * 1_000 + b" 1\n") * 1_000  # the answers are as long, and fill the buffers soon
        with contextlib.suppress(ConnectionError, TimeoutError):
            for _ in range(50):
                writer.write(lines)
                await soon(writer.drain(), 3)
        await until(lambda: adapter.connections == 0)


async def test_busy_frames_are_held_and_offered_again_where_devices_never_repeat() -> None:
    hub = Hub()
    hub.busy = 2
    async with running(hub, listen=TCP, retry_busy=True) as adapter, dialled(adapter) as (reader, writer):
        writer.write(b"a 1\na 2\n")
        assert await soon(reader.readline()) == b"stored a 1\n"
    assert hub.values == [1, 2]

    hub = Hub()
    hub.busy = 1
    async with running(hub, listen=TCP) as adapter, dialled(adapter) as (reader, writer):
        writer.write(b"a 1\n")
        assert await soon(reader.readline()) == b"busy a 1\n"
        writer.write(b"a 1\n")
        assert await soon(reader.readline()) == b"stored a 1\n"


async def test_the_client_connects_again_after_its_server_went() -> None:
    hub = Hub()
    greetings = iter([b"a 1\n", b"a 2\n", b"a 3\n"])

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(greetings, b""))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with running(hub, connect=f"tcp://127.0.0.1:{port}", reconnect_min_s=0.02, reconnect_max_s=0.05):
        await until(lambda: hub.values == [1, 2, 3])
        server.close()
        await until(lambda: any("next attempt" in detail for _, detail in hub.states))
    assert ("up", f"connected to tcp://127.0.0.1:{port}") in hub.states
