"""The hub and the simulated city in one process group of tasks: `cityhub demo`, `cityhub simulate`."""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from hub.app.city import City
from hub.app.hub import Hub
from hub.options import AdapterConfig, SinkConfig


def endpoints(city: City, api: str) -> dict[str, str]:
    """Where simulated devices reach each adapter of this city: by its name, and by its protocol where no name says it."""
    found = {"http": api}
    for adapter in city.config.adapters:
        address = getattr(adapter.options, "connect", None) or getattr(adapter.options, "listen", None)
        if address:
            found[adapter.name] = reachable(adapter.protocol, address)
    for adapter in city.config.adapters:
        if adapter.name in found:
            found.setdefault(adapter.protocol, found[adapter.name])
    return found


def reachable(protocol: str, address: str) -> str:
    """The address as a device on this machine dials it."""
    url = urlsplit(address if "://" in address else f"tcp://{address}")
    host = "127.0.0.1" if url.hostname in (None, "", "0.0.0.0", "::") else url.hostname
    scheme = "mqtt" if protocol == "mqtt" and url.scheme == "tcp" else url.scheme
    return f"{scheme}://{host}:{url.port}"


def with_free_ports(city: City) -> City:
    """The same city with another port for every one that is taken on this machine, and for whoever connects to it."""
    moved: dict[int, int] = {}
    adapters = [_listening(adapter, moved) for adapter in city.config.adapters]
    adapters = [_connecting(adapter, moved) for adapter in adapters]
    api = city.config.api
    host, _, port = api.listen.rpartition(":")
    if not _is_free("tcp", host, int(port)):
        api = msgspec.structs.replace(api, listen=f"{host}:{_free('tcp', host)}")
    return msgspec.structs.replace(city, config=msgspec.structs.replace(city.config, adapters=tuple(adapters), api=api))


def with_sink(city: City, url: str) -> City:
    """The same city with one more destination: a stand-in for the video platform."""
    from adapters.webhook.sink import WebhookOptions

    sink = SinkConfig("stand-in", "webhook", WebhookOptions(url=url), (), (), (), 0)
    return msgspec.structs.replace(city, config=msgspec.structs.replace(city.config, sinks=(*city.config.sinks, sink)))


def _listening(adapter: AdapterConfig, moved: dict[int, int]) -> AdapterConfig:
    listen = getattr(adapter.options, "listen", None)
    if not listen or getattr(adapter.options, "connect", None):
        return adapter
    return _elsewhere(adapter, "listen", urlsplit(listen), moved)


def _connecting(adapter: AdapterConfig, moved: dict[int, int]) -> AdapterConfig:
    """Follow what has moved; a Modbus unit is played by the simulators, so its port must be free too."""
    connect = getattr(adapter.options, "connect", None)
    if not connect:
        return adapter
    url = urlsplit(connect)
    if url.port in moved:
        options: Any = msgspec.structs.replace(
            adapter.options, connect=f"{url.scheme}://{url.hostname}:{moved[url.port]}"
        )
        return msgspec.structs.replace(adapter, options=options)
    return _elsewhere(adapter, "connect", url, moved) if adapter.protocol == "modbus" else adapter


def _elsewhere(adapter: AdapterConfig, key: str, url: SplitResult, moved: dict[int, int]) -> AdapterConfig:
    """The adapter with a free port in this option, if the one it has is taken."""
    kind = "udp" if url.scheme in ("udp", "coap") else "tcp"
    host, port = url.hostname or "127.0.0.1", url.port or 0
    if _is_free(kind, host, port):
        return adapter
    moved[port] = _free(kind, host)
    options: Any = msgspec.structs.replace(adapter.options, **{key: f"{url.scheme}://{host}:{moved[port]}"})
    return msgspec.structs.replace(adapter, options=options)


def _is_free(kind: str, host: str, port: int) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == "tcp")
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _free(kind: str, host: str) -> int:
    with socket.socket(type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


async def adapters_up(hub: Hub, within_s: float = 20.0) -> None:
    """Wait until every adapter of the hub is up (or time is over: the view says who is not)."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while loop.time() < until and any(door.status.state == "starting" for door in hub.ingest.doors.values()):
        await asyncio.sleep(0.05)
