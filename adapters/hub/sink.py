"""The sending side between hubs: each change of a warning by a POST of its own, chosen readings by the hundred."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import msgspec

from adapters.hub import wire
from adapters.peer_http import Answer, Peer
from hub.forwarding import hub_name_problem
from hub.metrics import nearest, vocabulary
from hub.model import AlertChange, Reading
from hub.moment import SECOND
from hub.ports import Chosen, Delivery
from hub.secret_files import secret
from hub.units import UnitError, convert, unit

MENDABLE = frozenset({401, 403, 404, 405})
"""A wrong token, name or address is a mistake of somebody's that can be mended: nothing is given up for it."""
REQUEST_BYTES_MAX = 512 << 10


class ReadingsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[sinks.readings]`: which readings go up too. Without this block none do; an empty list takes all."""

    kinds: list[str] = msgspec.field(default_factory=list)
    """Kinds of devices, such as "river-gauge"."""
    metrics: list[str] = msgspec.field(default_factory=list)
    areas: list[str] = msgspec.field(default_factory=list)
    """Areas of devices.csv."""
    every: str = ""
    """Thinned to the newest value of each device and metric in so much observed time, such as "1 min"; empty: all of them."""

    def __post_init__(self) -> None:
        for name in self.metrics:
            if name not in vocabulary():
                raise ValueError(f"metrics: unknown metric {name!r}{nearest(name)}")
        every_ns(self.every)


class HubSinkOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a `[[sinks]]` block with protocol = "hub"."""

    url: str
    """The hub above: https://city.example:8443."""
    hub: str = ""
    """How this hub is called above, as in the peers file there; by default `[hub] name`."""
    token_env: str | None = None
    """Environment variable that holds the token the hub above knows this one by."""
    token_file: str | None = None
    """File that holds it."""
    ca_file: str | None = None
    """Certificate authority (PEM) of the hub above, where it is a private one."""
    tls_cert_file: str | None = None
    """This hub's own certificate, where the hub above asks for one."""
    tls_key_file: str | None = None
    tls_crl_file: str | None = None
    """What the authority of `ca_file` took back (PEM): a hub above with such a certificate hears nothing."""
    allow_plain_http: bool = False
    """http:// to another machine: the token and all that is said can be read on the way."""
    timeout_s: float = 30.0
    """For the whole of one request."""
    readings: ReadingsOptions | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url: {self.url!r} is no https:// address")
        if parts.scheme == "http" and not self.allow_plain_http and not _on_this_machine(parts.hostname):
            raise ValueError(
                "url: http:// shows the token to everybody on the way; use https://, or say allow_plain_http = true"
            )
        if not self.token_env and not self.token_file:
            raise ValueError("the hub above wants a token: set token_env or token_file")
        if self.tls_crl_file and not self.ca_file:
            raise ValueError("tls_crl_file needs the authority that took back: ca_file")
        if self.tls_key_file and not self.tls_cert_file:
            raise ValueError("tls_key_file needs the certificate that it belongs to: tls_cert_file")
        if problem := hub_name_problem(self.hub):
            raise ValueError(f"hub (by default [hub] name): {problem}")
        if self.timeout_s <= 0:
            raise ValueError("timeout_s: must be above 0")


class HubSink:
    """A `hub.ports.ReadingSink`. Raises ValueError or OSError when made from options whose secrets cannot be had."""

    def __init__(self, options: HubSinkOptions) -> None:
        self._options = options
        token = secret("token", options.token_env, options.token_file)
        self._peer = Peer(
            options.timeout_s,
            {"authorization": f"Bearer {token}", "content-type": wire.CONTENT_TYPE},
            options.ca_file,
            cert=(options.tls_cert_file, options.tls_key_file) if options.tls_cert_file else None,
            crl_file=options.tls_crl_file,
        )
        wanted = options.readings
        self.chosen = (
            Chosen(tuple(wanted.kinds), tuple(wanted.metrics), tuple(wanted.areas), every_ns(wanted.every))
            if wanted
            else None
        )

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        item = wire.change_item(change, self._options.hub)
        return await self._send(wire.body(self._options.hub, changes=[item]), now)

    async def deliver_readings(self, readings: Sequence[Reading], key: str, now: int) -> Delivery:
        said: list[str] = []
        partly = False
        for items in _parts([wire.reading_item(reading, self._options.hub) for reading in readings]):
            delivery = await self._send(wire.body(self._options.hub, readings=items), now)
            if not delivery.taken and not delivery.final:
                return delivery
            said.append(delivery.detail)
            partly |= delivery.partly or not delivery.taken
            if delivery.gone:
                return delivery
        refused = [words for words in said if not words.startswith("HTTP 200")]
        taken = len(refused) < len(said)
        return Delivery(taken, final=not taken, partly=taken and partly, detail="; ".join(said)[:1000])

    async def close(self) -> None:
        await self._peer.close()

    async def _send(self, body: bytes, now: int) -> Delivery:
        answer = await self._peer.ask("POST", self._options.url, body)
        delivery = answer.delivery(now)
        if answer.status in MENDABLE:
            return msgspec.structs.replace(delivery, final=False)
        if not answer.ok:
            return delivery
        words, refused = _refusals(answer)
        return msgspec.structs.replace(delivery, detail=f"HTTP {answer.status}: {words}", partly=bool(refused))


def _refusals(answer: Answer) -> tuple[str, int]:
    """What the hub above said it took, and how many items it refused."""
    try:
        said = msgspec.json.decode(answer.body, type=_Taken)
    except msgspec.MsgspecError:
        return "taken", 0
    count = sum(said.taken.values())
    if not said.refused_count:
        return f"{count} taken", 0
    why = said.refused[0].get("detail", "") if said.refused else ""
    return f"{count} taken, {said.refused_count} refused: {why}", said.refused_count


class _Taken(msgspec.Struct):
    taken: dict[str, int]
    refused: list[dict[str, str]] = msgspec.field(default_factory=list)
    refused_count: int = 0


def _parts(items: list[bytes]) -> Iterator[list[bytes]]:
    """Items by the request, none longer than the hub above takes."""
    part: list[bytes] = []
    size = 0
    for item in items:
        if part and size + len(item) > REQUEST_BYTES_MAX:
            yield part
            part, size = [], 0
        part.append(item)
        size += len(item)
    if part:
        yield part


def every_ns(text: str) -> int:
    """ns of a duration such as "1 min", 0 for none. Raises ValueError with a sentence."""
    if not text:
        return 0
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]+)", text.strip())
    try:
        if not found or unit(found[2]).dimension != "time":
            raise UnitError
        span = round(convert(float(found[1]), found[2], "s") * SECOND)
    except UnitError:
        raise ValueError(f'every = {text!r}: a time with its unit was meant, such as "1 min" or "10 s"') from None
    if not SECOND <= span <= 86_400 * SECOND:
        raise ValueError(f"every = {text!r}: between 1 s and 1 day was meant")
    return span


def _on_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
