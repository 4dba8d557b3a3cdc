"""A command's way to a city: through the running hub's socket, else by opening its files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.app.files import SOCKET, socket_path
from hub.cli.output import Problem
from hub.log import Log
from hub.options import Config
from hub.ports import Batch, LogPosition

if TYPE_CHECKING:
    import httpx


def ask(config: Config, path: str, method: str = "GET", timeout: float = 30, **more: Any) -> Any | None:
    """The running hub's answer, None where no hub runs on this folder. Raises `Problem` with the hub's own words."""
    socket = config.data / SOCKET
    if not socket.exists():
        return None
    import httpx  # a third of the time that a command takes to start, and most find no hub to ask

    try:
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=socket_path(config.data)), base_url="http://hub", timeout=timeout
        ) as client:
            answer = client.request(method, path, **more)
    except httpx.ConnectError:
        return None  # left behind by a hub that was killed
    except httpx.HTTPError as error:
        raise Problem(f"the running hub did not answer: {error}") from None
    if answer.status_code >= 400:
        raise Problem(_reason(answer))
    return answer.json()


def told_by_hub(config: Config) -> dict[str, set[str]]:
    """By kind of device, the metrics that the running hub has heard; nothing where none runs."""
    told: dict[str, set[str]] = {}
    found = ask_on(config, "/api/v1/devices", "devices")
    for device in found[0] if found else ():
        told.setdefault(device.get("kind", ""), set()).update(device.get("values", ()))
    return told


def ask_on(config: Config, path: str, key: str, limit: int | None = None, **more: Any) -> tuple[list[Any], bool] | None:
    """As `ask`, for a list that the hub gives in parts: up to `limit` items (all without it), and whether there are more."""
    found: list[Any] = []
    following: str | None = path
    while following and (limit is None or len(found) < limit):
        answer = ask(config, following, **more)
        if answer is None:
            return None
        found += answer[key]
        following, more = answer["next"], {}
    return (
        (found, following is not None)
        if limit is None
        else (found[:limit], following is not None or len(found) > limit)
    )


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"the running hub answered {answer.status_code}: {answer.text[:200]}"


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
