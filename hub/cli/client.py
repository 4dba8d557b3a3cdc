"""A command's way to a hub: through the socket in its data folder, by its address from another machine, else by opening its files."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlencode, urlsplit
from zoneinfo import ZoneInfo

import httpx
import msgspec

from hub.app.files import SOCKET, socket_path
from hub.cli.output import Problem, note
from hub.cli.parsing import FAR, Parser
from hub.client import Call, Client, HubError
from hub.health import WORKS
from hub.log import Log
from hub.options import Config
from hub.ports import Batch, LogPosition
from hub.secret_files import exposed, secret_of_file

T = TypeVar("T")
TOKEN_ENV = "CITYHUB_TOKEN"
LONG_S = 120.0
"""How long a report may take."""


class Way:
    """A command's way to a hub: to the one of a city folder through the socket in its data folder, or to one on any machine by its address.

    `where`: the folder or the address, for sentences. `connect`: a client that waits so many seconds; None where no hub runs.
    """

    def __init__(self, where: str, connect: Callable[[float], Client | None], config: Config | None = None) -> None:
        self.where, self._connect, self._config = where, connect, config

    @property
    def far(self) -> bool:
        """Whether the hub was named by its address, so that there is no folder beside the command."""
        return self._config is None

    @property
    def config(self) -> Config:
        """hub.toml of the folder. Raises `Problem` where there is none beside the command."""
        if self._config is None:
            raise Problem(f"this needs the city's own folder: name it instead of {FAR}, on the machine of the hub", 2)
        return self._config

    @cached_property
    def zone(self) -> tzinfo:
        """The city's, for times that people read."""
        if self._config is not None:
            return self._config.zone
        return ZoneInfo(self.city["timezone"])

    @cached_property
    def city(self) -> dict[str, Any]:
        """What a running hub says of the city: its name, its zone, its registry."""
        found: dict[str, Any] = self.need("/api/v1/city", "the city is described by its hub")
        return found

    def ask(
        self,
        path: str,
        method: str = "GET",
        timeout: float = 30,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Any | None:
        """The hub's answer, None where no hub runs on the folder. Raises `Problem` with the hub's own words."""
        address = f"{path}?{urlencode(params)}" if params else path
        call = Call[Any](method, address, object, body=b"" if json is None else msgspec.json.encode(json))
        return self._put(lambda hub: hub.ask(call), timeout)

    def need(
        self, path: str, why: str, method: str = "GET", params: Mapping[str, Any] | None = None, json: Any = None
    ) -> Any:
        """As `ask`, for what only a running hub can do. Raises `Problem` where none runs; `why` says what for it is needed."""
        found = self.ask(path, method, params=params, json=json)
        if found is None:
            raise Problem(f"no hub runs on {self.where}; {why}")
        return found

    def doubts(self) -> list[str]:
        """Why what the hub shows may not be all there is: none runs on the folder, or one of its required parts does not work."""
        try:
            status = self.ask("/api/v1/status")
        except Problem:  # a program that may see one list alone
            return []
        if status is None:
            return [f"no hub runs on {self.where}: this is what its folder holds, and nothing new comes in"]
        if status["ready"]:
            return []
        ill = [part for part in status["parts"] if part["required"] and part["state"] not in WORKS]
        return [f"the hub is not well: {part['part']} is {part['state']}: {part['reason']}" for part in ill]

    def file(self, path: str, params: Mapping[str, Any], why: str) -> bytes:
        """As `need`, for an answer that is a file."""
        call = Call("GET", f"{path}?{urlencode(params)}", bytes)
        found = self._put(lambda hub: hub.ask(call), LONG_S)
        if found is None:
            raise Problem(f"no hub runs on {self.where}; {why}")
        return found

    def list(
        self, path: str, key: str, limit: int | None = None, params: Mapping[str, Any] | None = None
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

        return self._put(gathered, 30)

    def _put(self, put: Callable[[Client], T], timeout: float) -> T | None:
        client = self._connect(timeout)
        if client is None:
            return None
        try:
            with client as hub:
                return put(hub)
        except HubError as error:
            away = isinstance(error.__cause__, httpx.ConnectError)
            if away and not self.far:
                return None  # a socket left behind by a hub that was killed
            raise Problem(error.detail + (_hint(error) if self.far else "")) from None


def near(config: Config) -> Way:
    """To the hub of a city folder, which may run or not."""

    def connect(timeout_s: float) -> Client | None:
        if not (config.data / SOCKET).exists():
            return None
        return Client("http://hub", transport=httpx.HTTPTransport(uds=socket_path(config.data)), timeout_s=timeout_s)

    return Way(str(config.folder), connect, config)


def far(options: argparse.Namespace) -> Way:
    """To the hub at the address that `--hub` names. Raises `Problem` for what is no address, and for a token that anybody could read on the way."""
    from hub.config import is_loopback

    parts = _address(options.hub)
    token = _token(options)
    if token and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise Problem(
            f"{options.hub} is plain HTTP, and anybody on the way could read the token; https:// was meant", 2
        )
    certificate = (options.cert_file, options.key_file) if options.cert_file else None

    def connect(timeout_s: float) -> Client:
        try:
            return Client(
                options.hub.rstrip("/"),
                token or None,
                ca_file=options.ca_file,
                certificate=certificate,
                timeout_s=timeout_s,
            )
        except OSError as error:  # ssl.SSLError is one
            named = " ".join(str(file) for file in (options.ca_file, *(certificate or ())) if file)
            raise Problem(f"{named}: no usable certificates are there ({error.strerror or error})", 2) from None

    return Way(options.hub, connect)


def way_to(options: argparse.Namespace) -> Way:
    """To the hub that the command line names, by its folder or by its address."""
    return far(options) if options.hub is not None else near(config_of(options.dir))


def takes_hub(parser: Parser, *, dest: str = "dir", **more: Any) -> None:
    """The place of a city folder among a command's arguments, which `--hub URL` takes instead."""
    parser.place = parser.add_argument(dest, type=Path, **more)
    group = parser.add_argument_group("a hub on another machine")
    group.add_argument(
        FAR, metavar="URL", help="instead of the folder: the hub at this address, such as https://hub.city.example:8443"
    )
    group.add_argument(
        "--token-file",
        metavar="FILE",
        help=f"{FAR}: holds the token; without it the environment variable {TOKEN_ENV} does",
    )
    group.add_argument(
        "--ca-file",
        metavar="FILE",
        help=f"{FAR}: certificates of the authority that the hub's own is by, where the system does not know it",
    )
    group.add_argument(
        "--cert-file", metavar="FILE", help=f"{FAR}: a client certificate, where the hub knows people or programs by it"
    )
    group.add_argument("--key-file", metavar="FILE", help=f"{FAR}: its key, where that is in a file of its own")


def _address(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        fine = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        fine = False
    if not fine or parts.username or parts.query or parts.fragment:
        raise Problem(f"{FAR} {text!r}: an address was meant, such as https://hub.city.example:8443", 2)
    return parts


def _token(options: argparse.Namespace) -> str:
    """ "" where none is given: the hub may know who asks by a certificate."""
    try:
        if options.token_file:
            if told := exposed(options.token_file):
                note(told)
            return secret_of_file(options.token_file, "--token-file")
    except ValueError as error:
        raise Problem(str(error), 2) from None
    return os.environ.get(TOKEN_ENV, "").strip()


def _hint(error: HubError) -> str:
    """How the person at the terminal goes on after the hub's sentence."""
    if error.status == 401:
        return f"; --token-file or {TOKEN_ENV} gives it"
    if "CERTIFICATE_VERIFY_FAILED" in error.detail:
        return "; --ca-file names the authority of a private certificate"
    return ""


def told_by_hub(config: Config) -> dict[str, set[str]]:
    """By kind of device, the metrics that the running hub has heard; nothing where none runs."""
    told: dict[str, set[str]] = {}
    found = near(config).list("/api/v1/devices", "devices")
    for device in found[0] if found else ():
        told.setdefault(device.get("kind", ""), set()).update(device.get("values", ()))
    return told


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
