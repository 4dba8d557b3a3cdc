"""A source from a codec: listens, connects again and again, or reads a file, and keeps the ledger of live sessions."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ipaddress
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import IO, Any

import msgspec

from adapters.transport.connection import READ_BYTES, Connection
from adapters.transport.datagram import DatagramHub
from adapters.transport.files import FILES
from adapters.transport.hearing import Hearing
from adapters.transport.options import Endpoint, StreamOptions
from adapters.transport.serial_line import open_serial
from adapters.transport.session import Session, Sessions
from adapters.transport.tally import Tally
from hub.bilingual import Text
from hub.defects import told
from hub.error_words import words_of
from hub.model import FaultKind, Message
from hub.ports import Adapter, Codec, Intake, NoOptions, NotReached, Order
from hub.sockets import listener as listening_socket
from hub.sockets import not_bound
from hub.tls import LOOK_EVERY_S, ClientTls, ServerTls, names_in

ACCEPT_PAUSE_S = 1.0
BACKLOG = 1024
UDP_RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024

NONE = NoOptions()


def stream_adapter(codec: Callable[[Any], Codec]) -> Callable[..., Adapter]:
    """`Plugin.adapter` for a protocol that is a codec over a stream; `codec` is that of the plug-in."""

    def adapter(name: str, options: StreamOptions, codec_options: msgspec.Struct = NONE) -> Adapter:
        return StreamAdapter(name, options, partial(codec, codec_options))

    return adapter


class StreamAdapter:
    """Runs one `[[adapters]]` block. Raises ValueError where the options do not make a codec or an address,
    OSError where TLS files cannot be used."""

    def __init__(self, name: str, options: StreamOptions, make_codec: Callable[[], Codec]) -> None:
        """`make_codec`: a codec for each connection."""
        self.name = name
        self.bound = ""
        """The address really listened on ("tcp://127.0.0.1:41234"), once it is."""
        self.local: tuple[str, int] | None = None
        """The address datagrams go out from, where the hub connects by UDP."""
        self.connections = 0
        self._options = options
        self._endpoint = options.endpoint()
        options.check_tls()
        self._make_codec = make_codec
        self._make_codec()
        self._sessions = Sessions()
        self._certified: set[asyncio.StreamWriter] = set()
        """Open connections whose peer showed a certificate."""

    def send(self, device: str, data: bytes) -> bool:
        """Hand bytes to the device's live session; False where there is none, or its buffer is full."""
        session = self._sessions.find(device)
        return session is not None and session.send(data)

    def codec_of(self, device: str) -> Codec | None:
        """The codec of the device's live session, which knows its edition and serial numbers; for encoding commands."""
        session = self._sessions.find(device)
        return None if session is None else session.codec

    async def ask(self, device: str, order: Order, wait_s: float) -> Message | None:
        """See `hub.ports.Commandable`."""
        session = self._sessions.find(device)
        if session is None:
            raise NotReached(f"{device} is not connected")
        answer = session.expect(order)
        try:
            if not session.send(order.data):
                raise NotReached(f"{device} takes nothing now: its connection is closing or its buffer is full")
            async with asyncio.timeout(wait_s):
                return await answer
        except TimeoutError:
            return None
        finally:
            answer.cancel()

    async def run(self, intake: Intake) -> None:
        tally = Tally(intake)
        telling = asyncio.create_task(tally.run())
        try:
            if self._endpoint.scheme == "file":
                await self._read_file(intake, tally)
            elif self._endpoint.scheme == "udp":
                await self._exchange_datagrams(intake, tally)
            elif self._options.listen is not None:
                await self._listen(intake, tally)
            else:
                await self._keep_connected(intake, tally)
        except asyncio.CancelledError:
            intake.report("down", Text("stopped", "已停止"))
            raise
        except Exception as error:
            if isinstance(error, OSError) and self._options.listen is not None:
                intake.report("down", not_bound(self._address(), error))
            else:
                intake.report("down", self._at(told(error)))
            raise
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    def _address(self) -> str:
        return self._options.listen or self._options.connect or self._options.file or ""

    def _at(self, why: Text) -> Text:
        """With the address that it is about."""
        return Text(f"{self._address()}: ", f"{self._address()}：") + why

    # ------------------------------------------------------------------------------------------------------- listening

    async def _listen(self, intake: Intake, tally: Tally) -> None:
        tls = self._options.server_tls()
        wanted = self._options.connections_max
        room = FILES.want(wanted)
        listener = listening_socket(self._endpoint.host, self._endpoint.port, BACKLOG)
        tasks: set[asyncio.Task[None]] = set()
        renewing: asyncio.Task[None] | None = None
        try:
            listener.setblocking(False)
            self.bound = _bound("tls" if tls else "tcp", listener)
            if room < wanted:
                intake.report(
                    "degraded",
                    Text(
                        f"listening on {self.bound}, but the limit of open files leaves room for {room} connections, "
                        f"not {wanted}; raise it (ulimit -n, LimitNOFILE)",
                        f"正在监听 {self.bound}，但打开文件数的上限只容 {room} 个连接，不足 {wanted} 个；请提高上限（ulimit -n、LimitNOFILE）",
                    ),
                )
            else:
                intake.report("up", _listening(self.bound))
            if tls is not None:
                renewing = asyncio.create_task(self._renew(tls, intake, _listening(self.bound)))
            await self._accept(listener, tls, tasks, intake, tally)
        finally:
            FILES.give_up(wanted)
            listener.close()
            self.bound = ""
            if renewing is not None:
                renewing.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _renew(self, tls: ServerTls | ClientTls, intake: Intake, doing: Text) -> None:
        """Go by the files as they are now. Whoever is known by a certificate has to show it again, as it may have been taken back: such connections end,
        what was acknowledged stays, and what was not is sent again."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                if not tls.renew():
                    continue
            except OSError as error:
                kept = Text("; the TLS files of before are in use: ", "；仍使用原 TLS 文件：")
                intake.report("degraded", doing + kept + words_of(error))
                continue
            intake.report("up", doing + Text(", with the TLS files renewed", "，TLS 文件已更新"))
            for writer in list(self._certified):
                writer.close()

    async def _accept(
        self,
        listener: socket.socket,
        tls: ServerTls | None,
        tasks: set[asyncio.Task[None]],
        intake: Intake,
        tally: Tally,
    ) -> None:
        loop = asyncio.get_running_loop()
        per_host: Counter[str] = Counter()
        while True:
            try:
                accepted, address = await loop.sock_accept(listener)
            except OSError as error:  # out of file descriptors, or a peer that went before it was accepted
                tally.note(f"a connection could not be accepted: {_sentence(error)}")
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            host = address[0]
            if len(tasks) >= self._options.connections_max or not FILES.take():
                tally.note(f"connection from {host} refused: {len(tasks)} connections are open")
                accepted.close()
                continue
            if per_host[host] >= self._options.connections_per_peer_max:
                tally.note(f"connection from {host} refused: it has {per_host[host]} connections")
                accepted.close()
                FILES.give_back()
                continue
            per_host[host] += 1
            task = asyncio.create_task(self._serve_accepted(accepted, f"{host}:{address[1]}", tls, intake, tally))
            tasks.add(task)

            task.add_done_callback(partial(_gone, tasks=tasks, per_host=per_host, host=host))

    async def _serve_accepted(
        self, accepted: socket.socket, peer: str, tls: ServerTls | None, intake: Intake, tally: Tally
    ) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=READ_BYTES, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        handshake_timeout_s = self._options.handshake_timeout_s if tls else None
        try:
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                accepted,
                ssl=tls.context if tls else None,
                ssl_handshake_timeout=handshake_timeout_s,
            )
        except OSError as error:
            accepted.close()
            host = peer.rpartition(":")[0]
            tally.note(f"no TLS session with {host}: {_sentence(error)}", kind=FaultKind.UNAUTHORISED)
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await self._serve(reader, writer, peer, intake, tally)
        except Exception as error:
            # The hub's side failed on this connection; the device is not answered and will send again.
            closed = Text(f"connection {peer} was closed: ", f"连接 {peer} 已关闭：")
            intake.report("degraded", closed + told(error))

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str, intake: Intake, tally: Tally
    ) -> tuple[Text, int]:
        """One connection from its first byte to its end: why it ended, and how many messages it brought."""

        def send(data: bytes) -> bool:
            waiting = writer.transport.get_write_buffer_size()
            if writer.is_closing() or waiting + len(data) > self._options.reply_buffer_bytes_max:
                return False
            writer.write(data)
            return True

        def close(_why: str) -> None:
            writer.transport.abort()

        session = Session(peer, self._make_codec(), self._options, send, close)
        session.names = names_in(writer.get_extra_info("peercert"))[::-1]  # the common name first, as people call it
        session.attribute = intake.attribute
        connection = Connection(reader, writer, session, self._sessions, intake, tally, self._options)
        self.connections += 1
        if session.names:
            self._certified.add(writer)
        try:
            why = await connection.run()
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(self._options.handshake_timeout_s):
                    await writer.wait_closed()
            return why, connection.messages
        finally:
            self.connections -= 1
            self._certified.discard(writer)
            writer.transport.abort()

    # ------------------------------------------------------------------------------------------------------ connecting

    async def _keep_connected(self, intake: Intake, tally: Tally) -> None:
        address = self._address()
        tls = self._options.client_tls() if self._endpoint.scheme != "serial" else None
        failures = 0
        connected = Text(f"connected to {address}", f"已连接 {address}")
        hearing = Hearing(intake, connected)
        watching = [asyncio.create_task(hearing.watch())]
        if tls is not None:
            watching.append(asyncio.create_task(self._renew(tls, hearing, connected)))
        try:
            while True:
                try:
                    async with asyncio.timeout(self._options.handshake_timeout_s):
                        reader, writer = await self._open(tls)
                except (OSError, TimeoutError) as error:
                    why = words_of(error)
                else:
                    hearing.connected()
                    if self._options.hello:
                        writer.write(self._options.hello.rstrip("\r\n").encode() + b"\r\n")
                    why, messages = await self._serve(reader, writer, address, hearing, tally)
                    hearing.ended()
                    if messages:
                        failures = 0
                failures += 1
                longest_s = min(
                    self._options.reconnect_max_s, self._options.reconnect_min_s * 2 ** min(failures - 1, 16)
                )
                pause_s = random.uniform(0.0, longest_s)
                again = Text(f"; next attempt in {pause_s:.1f} s", f"；{pause_s:.1f} 秒后重试")
                intake.report("down", self._at(why) + again)
                await asyncio.sleep(pause_s)
        finally:
            for task in watching:
                task.cancel()

    async def _open(self, tls: ClientTls | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._endpoint.scheme == "serial":
            return await open_serial(self._endpoint, READ_BYTES)
        return await asyncio.open_connection(
            self._endpoint.host, self._endpoint.port, ssl=tls.context if tls else None, limit=READ_BYTES
        )

    # ------------------------------------------------------------------------------------------------------- datagrams

    async def _exchange_datagrams(self, intake: Intake, tally: Tally) -> None:
        loop = asyncio.get_running_loop()
        hearing: Hearing | None = None
        if self._options.listen is None:
            hearing = Hearing(
                intake,
                Text(f"exchanging datagrams with {self._address()}", f"与 {self._address()} 交换数据报"),
            )
        peers = DatagramHub(self._make_codec, self._sessions, hearing or intake, tally, self._options)
        watching = asyncio.create_task(hearing.watch()) if hearing else None
        if self._options.listen is not None:
            listener = _datagram_socket(self._endpoint)
            await loop.create_datagram_endpoint(lambda: peers, sock=listener)
            self.bound = _bound("udp", listener)
            intake.report("up", _listening(self.bound))
        else:
            remote = (self._endpoint.host, self._endpoint.port)
            transport, _ = await loop.create_datagram_endpoint(lambda: peers, remote_addr=remote)
            self.local = transport.get_extra_info("sockname")
        if hearing:
            hearing.connected()
        try:
            await peers.run()
        finally:
            self.bound = ""
            if watching:
                watching.cancel()

    # ----------------------------------------------------------------------------------------------------------- files

    async def _read_file(self, intake: Intake, tally: Tally) -> None:
        path = self._endpoint.path
        opener: Callable[[str, str], IO[bytes]] = gzip.open if path.endswith(".gz") else open  # type: ignore[assignment]
        recording = await asyncio.to_thread(opener, path, "rb")
        try:
            intake.report("up", Text(f"reading {path}", f"正在读取 {path}"))
            session = Session(path, self._make_codec(), self._options, lambda _data: False, lambda _why: None)
            source = _FileSource(recording)
            connection = Connection(source, None, session, self._sessions, intake, tally, self._options)
            why = await connection.run()
        finally:
            recording.close()
        said = Text(
            f"{path} was read "
            + ("to its end" if source.ended else f"in part: {why.en}")
            + f": {connection.messages} messages",
            f"{path} 已读" + ("完" if source.ended else f"取一部分（{why.zh}）") + f"，共 {connection.messages} 条报文",
        )
        intake.report("up" if source.ended else "degraded", said)
        await asyncio.Event().wait()  # returning would make the hub start over and read the file again


class _FileSource:
    def __init__(self, recording: IO[bytes]) -> None:
        self._recording = recording
        self.ended = False

    async def read(self, n: int) -> bytes:
        try:
            data = await asyncio.to_thread(self._recording.read, n)
        except EOFError as error:  # a .gz that was cut off
            raise OSError(str(error)) from error
        self.ended = not data
        return data


def _gone(task: asyncio.Task[None], *, tasks: set[asyncio.Task[None]], per_host: Counter[str], host: str) -> None:
    tasks.discard(task)
    FILES.give_back()
    per_host[host] -= 1
    if not per_host[host]:
        del per_host[host]


def _datagram_socket(endpoint: Endpoint) -> socket.socket:
    """A bound UDP socket; a multicast address is joined (IEC 61162-450 networks send AIS so)."""
    family, _, _, _, address = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_DGRAM)[0]
    listener = socket.socket(family, socket.SOCK_DGRAM)
    try:
        listener.setblocking(False)
        with contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_RECEIVE_BUFFER_BYTES)
        group = ipaddress.ip_address(address[0])
        if group.is_multicast:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        if group.is_multicast and family == socket.AF_INET:
            membership = struct.pack("=4sl", group.packed, socket.INADDR_ANY)
            listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        elif group.is_multicast:
            membership = struct.pack("=16sI", group.packed, 0)
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
    except BaseException:
        listener.close()
        raise
    return listener


def _listening(bound: str) -> Text:
    return Text(f"listening on {bound}", f"正在监听 {bound}")


def _bound(scheme: str, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _sentence(error: BaseException) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return str(error) or type(error).__name__
