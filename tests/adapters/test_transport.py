"""The transport over real sockets, with a toy line protocol and a hub that answers when the test says so."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import pty
import resource
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.transport import StreamAdapter, StreamOptions
from adapters.transport.files import OpenFiles
from adapters.transport.options import parse_endpoint
from adapters.transport.session import Allowance
from hub.model import Fault, FaultKind, Message, Reading, Verdict

BUFFER_BYTES = 4096


class LineCodec:
    """`login NAME`, `NAME VALUE` and `bad` lines; every line is answered by the verdict and the line."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.buffer = b""
        self.skipping = False

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        messages = []
        for line in lines:
            if self.skipping:
                self.skipping = False
            else:
                messages.append(self._message(line))
        if len(self.buffer) > BUFFER_BYTES:
            if not self.skipping:
                messages.append(Message([], [Fault(FaultKind.OVERSIZE, "line too long", self.buffer[:64])]))
            self.buffer, self.skipping = b"", True
        return messages

    def end(self, received_at: int | None = None) -> list[Message]:
        left, self.buffer = self.buffer, b""
        return [Message([], [Fault(FaultKind.TRUNCATED, "no line end", left)], raw=left)] if left else []

    def _message(self, line: bytes) -> Message:
        name, _, value = line.decode("latin-1").partition(" ")
        if name == "bad":
            return Message([], [Fault(FaultKind.SYNTAX, "bad line", line)], raw=line)
        if name == "login":
            return Message([], [], value, raw=line, login=True)
        return Message([Reading(name, None, {"count": float(value)})], [], name, raw=line)

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        return f"{verdict} ".encode() + message.raw + b"\n"


class Hub:
    """An intake that holds its verdicts back while `open` is cleared."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.states: list[tuple[str, str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.busy = 0
        self.in_flight = 0
        self.in_flight_most = 0
        self.refused_devices: set[str] = set()

    async def submit(self, messages: Sequence[Message]) -> list[Verdict]:
        self.in_flight += len(messages)
        self.in_flight_most = max(self.in_flight, self.in_flight_most)
        await self.open.wait()
        self.in_flight -= len(messages)
        if self.busy:
            self.busy -= 1
            return [Verdict.BUSY] * len(messages)
        self.messages += messages
        return [self._verdict(message) for message in messages]

    def _verdict(self, message: Message) -> Verdict:
        refused = message.device in self.refused_devices or (message.faults and not message.readings)
        return Verdict.REFUSED if refused else Verdict.STORED

    def report(self, state: str, detail: str = "") -> None:
        self.states.append((state, detail))

    def now(self) -> int:
        return time.time_ns()

    def knows(self, device: str) -> bool:
        return True

    def attribute(self, device: str, name: str) -> float | str | None:
        return None

    @property
    def values(self) -> list[float]:
        return [reading.values["count"] for message in self.messages for reading in message.readings]  # type: ignore[misc]

    def faults(self, kind: FaultKind) -> list[Fault]:
        return [fault for message in self.messages for fault in message.faults if fault.kind is kind]


async def until(condition: Callable[[], Any], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(hub: Hub, **options: Any) -> AsyncIterator[StreamAdapter]:
    adapter = StreamAdapter("toy", StreamOptions(**options), LineCodec)
    task = asyncio.create_task(adapter.run(hub))
    try:
        await until(lambda: hub.states or task.done())
        if task.done():
            task.result()
        yield adapter
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def port_of(adapter: StreamAdapter) -> int:
    return int(adapter.bound.rpartition(":")[2])


@asynccontextmanager
async def dialled(
    adapter: StreamAdapter, **how: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(adapter), **how)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def soon(awaitable: Awaitable[Any], within_s: float = 10.0) -> Any:
    return await asyncio.wait_for(awaitable, within_s)


TCP = "tcp://127.0.0.1:0"


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
        await until(lambda: hub.faults(FaultKind.RATE), 3.0)
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
            await until(lambda: hub.faults(FaultKind.RATE), 3.0)
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
        lines = b"a 1\n" * 100_000
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


async def test_datagrams_are_answered_to_their_sender_and_a_flood_of_them_is_counted() -> None:
    hub = Hub()
    async with running(hub, listen="udp://127.0.0.1:0", frames_per_s_max=20, login_required=True) as adapter:
        loop = asyncio.get_running_loop()
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
        ):
            for peer in (one, two):
                peer.setblocking(False)
                await loop.sock_connect(peer, ("127.0.0.1", port_of(adapter)))
            await loop.sock_sendall(one, b"login a\n")
            await loop.sock_sendall(one, b"a 1\n")  # held until the login is through
            assert await soon(loop.sock_recv(one, 100)) == b"stored login a\n"
            assert await soon(loop.sock_recv(one, 100)) == b"stored a 1\n"
            await loop.sock_sendall(two, b"a 2\n")
            assert await soon(loop.sock_recv(two, 100)) == b"refused a 2\n"
            assert adapter.send("a", b"command\n")
            assert await soon(loop.sock_recv(one, 100)) == b"command\n"
            for number in range(200):
                await loop.sock_sendall(two, b"a %d\n" % number)
            await until(lambda: any("more than its limit" in fault.detail for fault in hub.faults(FaultKind.RATE)))
            await loop.sock_sendall(one, b"a 3\n")
            assert await soon(loop.sock_recv(one, 100)) == b"stored a 3\n"
    assert hub.values == [1, 3]


async def test_datagrams_beyond_what_may_wait_for_the_log_are_dropped_and_counted() -> None:
    hub = Hub()
    hub.open.clear()
    async with running(hub, listen="udp://127.0.0.1:0", in_flight_max=5, connections_max=3) as adapter:
        loop = asyncio.get_running_loop()
        peers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
        try:
            for number, peer in enumerate(peers):
                peer.setblocking(False)
                await loop.sock_connect(peer, ("127.0.0.1", port_of(adapter)))
                await loop.sock_sendall(peer, b"a %d\n" % number)
            await until(lambda: hub.in_flight >= 5)
            await asyncio.sleep(0.1)
            assert hub.in_flight == 5
            hub.open.set()
            await until(lambda: hub.faults(FaultKind.RATE), 3.0)
        finally:
            for peer in peers:
                peer.close()
    assert len(hub.values) == 5
    assert "(x3)" in hub.faults(FaultKind.RATE)[0].detail


async def test_an_address_with_too_many_ports_forgets_its_oldest_and_silence_forgets_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.transport.datagram.EXPIRY_INTERVAL_S", 0.1)
    hub = Hub()
    options: dict[str, Any] = {"connections_per_peer_max": 2, "idle_timeout_s": 1.0}
    async with running(hub, listen="udp://127.0.0.1:0", **options) as adapter:
        loop = asyncio.get_running_loop()
        peers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        try:
            for number, peer in enumerate(peers):
                peer.setblocking(False)
                await loop.sock_connect(peer, ("127.0.0.1", port_of(adapter)))
                await loop.sock_sendall(peer, b"d%d 1\n" % number)
                assert await soon(loop.sock_recv(peer, 100)) == b"stored d%d 1\n" % number
            assert [adapter.send(f"d{number}", b"hello") for number in range(3)] == [False, True, True]
            await until(lambda: not adapter.send("d2", b"hello"), 5.0)
        finally:
            for peer in peers:
                peer.close()


async def test_the_hub_may_be_the_one_that_connects_by_datagrams() -> None:
    hub = Hub()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.setblocking(False)
        far.bind(("127.0.0.1", 0))
        async with running(hub, connect=f"udp://127.0.0.1:{far.getsockname()[1]}") as adapter:
            assert adapter.local is not None
            await loop.sock_sendto(far, b"a 1\n", adapter.local)
            assert (await soon(loop.sock_recvfrom(far, 100)))[0] == b"stored a 1\n"


async def test_a_recording_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    recording = tmp_path / "day.txt.gz"
    whole = gzip.compress(b"".join(b"a %d\n" % number for number in range(50_000)))
    recording.write_bytes(whole[: len(whole) // 2])
    hub = Hub()
    async with running(hub, file=str(recording)):
        await until(lambda: any(state == "degraded" for state, _ in hub.states), 20)
    assert "in part" in hub.states[-2][1]
    with pytest.raises(FileNotFoundError):
        async with running(hub := Hub(), file=str(tmp_path / "missing")):
            pass
    assert hub.states[-1][0] == "down"


async def test_a_file_is_read_once_to_its_end_and_held_while_the_hub_is_busy(tmp_path: Path) -> None:
    recording = tmp_path / "day.txt.gz"
    recording.write_bytes(gzip.compress(b"".join(b"a %d\n" % number for number in range(50_000)) + b"a half"))
    hub = Hub()
    hub.busy = 1
    async with running(hub, file=str(recording)):
        await until(lambda: any("to its end" in detail for _, detail in hub.states), 30)
    assert hub.values == list(range(50_000))
    assert len(hub.faults(FaultKind.TRUNCATED)) == 1


async def test_a_serial_line_is_read_and_answered() -> None:
    hub = Hub()
    master, slave = pty.openpty()
    try:
        async with running(hub, connect=f"serial://{os.ttyname(slave)}?baud=9600", reconnect_min_s=0.01):
            await until(lambda: ("up", f"connected to serial://{os.ttyname(slave)}?baud=9600") in hub.states)
            os.write(master, b"a 1\na 2\n")
            await until(lambda: hub.values == [1, 2])
            answer = await soon(asyncio.to_thread(os.read, master, 100))
            assert answer.startswith(b"stored a 1")
    finally:
        os.close(master)
        os.close(slave)


def make_certificates(folder: Path) -> None:
    """An authority, a server's certificate for 127.0.0.1 and a client's."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca")
    for name in ("server", "client"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1\n")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)


async def test_tls_and_mutual_tls(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    server = {"tls_cert_file": str(tmp_path / "server.pem"), "tls_key_file": str(tmp_path / "server.key")}
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    hub = Hub()
    async with running(hub, listen="tls://127.0.0.1:0", **server) as adapter:
        async with dialled(adapter, ssl=client) as (reader, writer):
            writer.write(b"a 1\n")
            assert await soon(reader.readline()) == b"stored a 1\n"
        async with dialled(adapter) as (_, plain):
            plain.write(b"a 2\nthis is no handshake\n")
            await until(lambda: hub.faults(FaultKind.UNAUTHORISED), 3.0)
    assert hub.values == [1]

    hub = Hub()
    async with running(
        hub, listen="tls://127.0.0.1:0", tls_client_ca_file=str(tmp_path / "ca.pem"), handshake_timeout_s=1.0, **server
    ) as adapter:
        async with dialled(adapter, ssl=client) as (reader, writer):
            with contextlib.suppress(OSError):
                writer.write(b"a 1\n")
                assert await soon(reader.read()) == b""
        await until(lambda: hub.faults(FaultKind.UNAUTHORISED), 3.0)
        client.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")
        async with dialled(adapter, ssl=client) as (reader, writer):
            writer.write(b"a 3\n")
            assert await soon(reader.readline()) == b"stored a 3\n"
        async with running(
            Hub(),
            connect=f"tls://127.0.0.1:{port_of(adapter)}",
            tls_ca_file=str(tmp_path / "ca.pem"),
            tls_cert_file=str(tmp_path / "client.pem"),
            tls_key_file=str(tmp_path / "client.key"),
        ) as outgoing:
            await until(lambda: outgoing.connections == 1)
            await until(lambda: adapter.connections == 1)
        async with dialled(adapter) as (reader, _silent):
            began = time.monotonic()
            assert await soon(reader.read()) == b""  # never said a word of TLS
            assert time.monotonic() - began < 5
    assert hub.values == [3]


async def test_cancelling_closes_every_connection_and_frees_the_port() -> None:
    hub = Hub()
    async with running(hub, listen=TCP) as adapter:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(adapter))
        port = port_of(adapter)
        await until(lambda: adapter.connections == 1)
    assert adapter.connections == 0
    with contextlib.suppress(ConnectionError):
        assert await soon(reader.read()) == b""
    writer.close()
    socket.create_server(("127.0.0.1", port)).close()
    assert hub.states[-1] == ("down", "stopped")


async def test_an_address_in_use_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        hub = Hub()
        with pytest.raises(OSError, match="in use"):
            async with running(hub, listen=f"tcp://127.0.0.1:{taken.getsockname()[1]}"):
                pass
    assert hub.states[-1][0] == "down"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "exactly one of listen, connect, file"),
        ({"listen": TCP, "file": "x"}, "exactly one of listen, connect, file"),
        ({"listen": "http://x"}, "does not begin with one of tcp://"),
        ({"listen": "tcp://127.0.0.1"}, "needs a host and a port"),
        ({"listen": "tcp://127.0.0.1:99999"}, "needs a host and a port"),
        ({"listen": "tls://127.0.0.1:0"}, "needs tls_cert_file"),
        ({"listen": TCP, "in_flight_max": 0}, "in_flight_max must be at least 1"),
        ({"listen": TCP, "idle_timeout_s": 0}, "idle_timeout_s must be more than 0"),
        ({"connect": "serial:///dev/ttyUSB0?baud=fast"}, "are numbers"),
        ({"connect": "serial://ttyUSB0"}, "needs a device path"),
        ({"connect": "serial:///dev/ttyUSB0?speed=9600"}, "unknown speed"),
    ],
)
def test_mistakes_in_the_options_are_sentences(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        StreamOptions(**options)


def test_an_address_with_ipv6_is_read() -> None:
    assert parse_endpoint("tcp://[::1]:8808", ("tcp",))[:3] == ("tcp", "::1", 8808)


def test_connections_leave_files_to_the_log() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        files = OpenFiles(kept_free=200)
        assert files.want(100) >= 100  # the soft limit was raised
        resource.setrlimit(resource.RLIMIT_NOFILE, (203, hard))
        assert [files.take() for _ in range(4)] == [True, True, True, False]
        files.give_back()
        assert files.take()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_allowance_refills_with_time() -> None:
    allowance = Allowance(StreamOptions(listen=TCP, frames_per_s_max=10, bytes_per_s_max=1000))
    assert allowance.spend(10, 0, 0.0) == 0.0
    assert allowance.exhausted(0.0)
    assert allowance.spend(10, 0, 0.0) == pytest.approx(1.0)
    assert allowance.spend(0, 0, 1.0) == pytest.approx(0.0)
    assert allowance.spend(0, 3000, 2.0) == pytest.approx(2.0)
