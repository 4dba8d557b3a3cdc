"""A command's way to a city: through the running hub's socket, else by opening its files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec

from hub.app.files import SOCKET, socket_path
from hub.cli.output import Problem
from hub.client import Call, Client, HubError
from hub.log import Log
from hub.options import Config
from hub.ports import Batch, LogPosition

T = TypeVar("T")


def ask(
    config: Config,
    path: str,
    method: str = "GET",
    timeout: float = 30,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
) -> Any | None:
    """The running hub's answer, None where no hub runs on this folder. Raises `Problem` with the hub's own words."""
    address = f"{path}?{urlencode(params)}" if params else path
    call = Call[Any](method, address, object, body=b"" if json is None else msgspec.json.encode(json))
    return _put(config, lambda hub: hub.ask(call), timeout)


def _put(config: Config, put: Callable[[Client], T], timeout: float = 30) -> T | None:
    """What comes of asking the running hub, None where no hub runs on this folder. Raises `Problem`."""
    if not (config.data / SOCKET).exists():
        return None
    way = httpx.HTTPTransport(uds=socket_path(config.data))
    try:
        with Client("http://hub", transport=way, timeout_s=timeout) as hub:
            return put(hub)
    except HubError as error:
        if isinstance(error.__cause__, httpx.ConnectError):
            return None  # left behind by a hub that was killed
        raise Problem(error.detail) from None


def told_by_hub(config: Config) -> dict[str, set[str]]:
    """By kind of device, the metrics that the running hub has heard; nothing where none runs."""
    told: dict[str, set[str]] = {}
    found = ask_on(config, "/api/v1/devices", "devices")
    for device in found[0] if found else ():
        told.setdefault(device.get("kind", ""), set()).update(device.get("values", ()))
    return told


def ask_on(
    config: Config, path: str, key: str, limit: int | None = None, params: Mapping[str, Any] | None = None
) -> tuple[list[Any], bool] | None:
    """As `ask`, for a list that the hub gives in parts: up to `limit` items (all without it), and whether there are more."""
    call = Call[Any]("GET", f"{path}?{urlencode(params)}" if params else path, object)

    def gathered(hub: Client) -> tuple[list[Any], bool]:
        found: list[Any] = []
        for page in hub.pages(call):
            found += page[key]
            if limit is not None and len(found) >= limit:
                return found[:limit], page["next"] is not None or len(found) > limit
        return found, False

    return _put(config, gathered)


@contextlib.contextmanager
def open_log(config: Config) -> Iterator[Log]:
    """The log of a hub that does not run, to look at: also on a disk that cannot be written or synced."""
    if config.log.servers:
        raise Problem(
            f"the log lies on {', '.join(config.log.servers)}: look at it through a hub that runs (`cityhub run`)"
        )
    if not (config.data / "log").is_dir():
        raise Problem(f"{config.data} holds no log yet: this hub has never run")
    yield Log(config.data / "log", sync=False)


def batches(log: Log, stream: str, start: LogPosition | None = None) -> Iterator[Sequence[Any]]:
    """The entries of a stream, oldest first, many at a time."""
    for batch in _parts(log, stream, start):
        yield batch.entries


def entries(log: Log, stream: str, start: LogPosition | None = None) -> Iterator[tuple[LogPosition, Any]]:
    """(place, entry) of a stream, oldest first."""
    for batch in _parts(log, stream, start):
        yield from zip(batch.positions, batch.entries, strict=False)


def _parts(log: Log, stream: str, start: LogPosition | None) -> Iterator[Batch]:
    source = log.streams[stream]
    place = source.first if start is None else start
    while place < source.next:
        batch = source.read_now(place)
        yield batch
        place = batch.next


def config_of(folder: Path) -> Config:
    """hub.toml of a city folder; its mistakes as a `Problem`."""
    from hub.app.city import load_words
    from hub.app.plugins import Plugins
    from hub.config import load_config

    mistakes = load_words(folder)
    config, wrong = load_config(folder, Plugins())
    mistakes += wrong
    if config is None:
        raise Problem("\n".join(str(mistake) for mistake in mistakes))
    return config
