"""The destination: entities in batches to a context broker, or as notifications to whoever listens for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import msgspec

from adapters.ngsi.entities import Entity, Newest, of_readings, of_warning
from adapters.peer_http import Answer, Peer
from hub.model import AlertChange, Device, Reading
from hub.moment import to_text
from hub.pairs import members
from hub.ports import Chosen, Delivery
from hub.secret_files import secret

CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.6.jsonld"
"""The terms of NGSI-LD itself; a broker has them built in."""
SMART_DATA_MODELS = "https://smartdatamodels.org/context.jsonld"
"""The terms of all Smart Data Models, as their own examples name it. A broker fetches it once."""
UPSERT = "/ngsi-ld/v1/entityOperations/upsert?options=update"
MENDABLE = frozenset({401, 403, 404, 405})
"""A wrong token, tenant or address can be mended: nothing is given up for it."""


class NgsiReadingsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[sinks.readings]`: which readings are told too. Without this block none are; an empty list takes all."""

    kinds: list[str] = msgspec.field(default_factory=list)
    """Kinds of devices, such as "air-station"."""
    metrics: list[str] = msgspec.field(default_factory=list)
    areas: list[str] = msgspec.field(default_factory=list)
    """Areas of devices.csv."""


class NgsiOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a `[[sinks]]` block with protocol = "ngsi"."""

    url: str
    """The broker, without the path of NGSI-LD: https://broker.city.example:1026. With `subscription` the whole address that takes notifications."""
    hub: str = ""
    """Stands in the ids of entities, so that those of two hubs differ; by default `[hub] name`."""
    subscription: str = ""
    """Send notifications instead of batches, as of this subscription: a URI such as "urn:ngsi-ld:Subscription:cityhub"."""
    contexts: list[str] = msgspec.field(default_factory=lambda: [SMART_DATA_MODELS, CORE])
    """The JSON-LD contexts that say what the names mean. A broker without internet needs addresses that it reaches."""
    tenant: str = ""
    """Header NGSILD-Tenant."""
    token_env: str | None = None
    """Environment variable with a token for `Authorization: Bearer`."""
    token_file: str | None = None
    ca_file: str | None = None
    """Certificate authority (PEM) of a broker with a private one."""
    tls_cert_file: str | None = None
    tls_key_file: str | None = None
    timeout_s: float = 30.0
    """For the whole of one request."""
    personal: bool = False
    """Also entities of vehicles and phones, and where warnings about them are."""
    readings: NgsiReadingsOptions | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url: {self.url!r} is no http:// or https:// address")
        if not self.subscription and (parts.path.rstrip("/") or parts.query):
            raise ValueError(f"url: {self.url!r}: the broker alone was meant; the hub adds /ngsi-ld/v1/… itself")
        for name in (self.subscription, *self.contexts):
            if name and not urlsplit(name).scheme:
                raise ValueError(f"{name!r} is no URI")
        if not self.contexts:
            raise ValueError("contexts: at least one address of a JSON-LD context was meant")
        if self.tls_key_file and not self.tls_cert_file:
            raise ValueError("tls_key_file needs the certificate that it belongs to: tls_cert_file")
        if self.timeout_s <= 0:
            raise ValueError("timeout_s: must be above 0")


class NgsiSink:
    """A `hub.ports.ReadingSink`. Raises ValueError or OSError when made from options whose secrets or files cannot be had."""

    def __init__(self, options: NgsiOptions) -> None:
        self._options = options
        headers = {"content-type": "application/ld+json"}
        if token := secret("token", options.token_env, options.token_file):
            headers["authorization"] = f"Bearer {token}"
        if options.tenant:
            headers["ngsild-tenant"] = options.tenant
        cert = (options.tls_cert_file, options.tls_key_file) if options.tls_cert_file else None
        self._peer = Peer(options.timeout_s, headers, options.ca_file, cert=cert)
        wanted = options.readings
        self.chosen = Chosen(tuple(wanted.kinds), tuple(wanted.metrics), tuple(wanted.areas)) if wanted else None
        self._device: Callable[[str], Device | None] = lambda name: None
        self._personal: Callable[[str], bool] = lambda kind: True
        self._newest = Newest()

    def know(self, device: Callable[[str], Device | None], personal: Callable[[str], bool]) -> None:
        """See `hub.ports.KnowingSink`."""
        self._device, self._personal = device, personal

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        hidden = not self._options.personal and self._of_person(change.subject)
        return await self._send([of_warning(change, self._options.hub, hidden)], key, now)

    async def deliver_readings(self, readings: Sequence[Reading], key: str, now: int) -> Delivery:
        told = [one for one in readings if self._options.personal or not self._of_person(one.device, one.kind)]
        entities, times = of_readings(told, self._options.hub, self._device, self._newest, self._options.personal)
        if not entities:
            return Delivery(True, detail="nothing newer than what was told before")
        delivery = await self._send(entities, key, now)
        if delivery.taken:
            self._newest.told(times)
        return delivery

    async def close(self) -> None:
        await self._peer.close()

    def _of_person(self, subject: str, kind: str = "") -> bool:
        """Whether this is about a vehicle or a phone. Of a pair (`a+b`) it is where either is; places are nobody's."""
        if subject.startswith(("zone:", "area:")):
            return False
        found = [self._device(name) for name in members(subject, lambda one: self._device(one) is not None)]
        return any(self._personal(one.kind if one is not None else kind) for one in found)

    async def _send(self, entities: list[Entity], key: str, now: int) -> Delivery:
        context = self._options.contexts
        if self._options.subscription:
            body: Any = {
                "@context": context,
                "id": f"urn:ngsi-ld:Notification:{uuid5(NAMESPACE_URL, f'{self._options.hub}/{key}')}",
                "type": "Notification",
                "subscriptionId": self._options.subscription,
                "notifiedAt": to_text(now),
                "data": entities,
            }
            answer = await self._peer.ask_json("POST", self._options.url, body, {"content-type": "application/ld+json"})
        else:
            body = [{"@context": context, **entity} for entity in entities]
            answer = await self._peer.ask("POST", self._options.url.rstrip("/") + UPSERT, msgspec.json.encode(body))
        return _outcome(answer, len(entities), now)


class _Trouble(msgspec.Struct):
    """An entry of `errors` in a BatchOperationResult (clause 5.2.16)."""

    entityId: str = ""
    error: dict[str, Any] = msgspec.field(default_factory=dict)


class _Result(msgspec.Struct):
    errors: list[_Trouble] = msgspec.field(default_factory=list)


def _outcome(answer: Answer, count: int, now: int) -> Delivery:
    """2xx taken; 207: taken but for the entities that the broker names; 4xx that can be mended is tried again."""
    delivery = answer.delivery(now)
    if answer.status in MENDABLE:
        return msgspec.structs.replace(delivery, final=False)
    if answer.status != 207:
        return (
            msgspec.structs.replace(delivery, detail=f"HTTP {answer.status}: {count} entities")
            if answer.ok
            else delivery
        )
    try:
        errors = msgspec.json.decode(answer.body, type=_Result).errors
    except msgspec.MsgspecError:
        errors = []
    if not errors:
        return Delivery(True, detail=f"HTTP 207: {count} entities")
    first = errors[0]
    why = first.error.get("detail") or first.error.get("title") or "no reason was given"
    said = f"HTTP 207: {count - len(errors)} entities taken, {len(errors)} refused: {first.entityId}: {why}"[:1000]
    return Delivery(len(errors) < count, final=len(errors) >= count, partly=len(errors) < count, detail=said)
