"""The receiving side between hubs: HTTP/1.1 requests in, readings and changes of warnings out, answered after the log.

Pure, but for the allowance of each peer, which all connections share: bytes and receive times in, messages out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import msgspec

from adapters.http_requests import Request, RequestReader, response
from adapters.hub import wire
from adapters.hub.peers import Peer, Peers
from hub.forwarding import change_problem, circle, hub_name_problem, reading_problem
from hub.model import AlertChange, Fault, FaultKind, Message, Reading, Verdict
from hub.wire import change_to_json

BODY_BYTES_MAX = 1 << 20
BUSY_RETRY_S = 5
REFUSALS_SHOWN = 20
_TOKEN = re.compile(rb"(?i)(authorization:)[^\r\n]*")


class Body(msgspec.Struct):
    """One request as it was read. `status` 0: nothing that could be answered."""

    status: int
    close: bool = False
    hub: str = ""
    changes: list[AlertChange] = msgspec.field(default_factory=list)
    readings: int = 0
    why: str = ""
    wait_s: int = 0

    def detail(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "hub": self.hub,
            "changes": [change_to_json(change) for change in self.changes],
            "readings": self.readings,
        }


class HubCodecOptions(msgspec.Struct, kw_only=True, frozen=True):
    """Who this hub is."""

    hub: str = ""
    """How this hub is called among hubs; by default `[hub] name`."""

    def __post_init__(self) -> None:
        if self.hub and (problem := hub_name_problem(self.hub)):
            raise ValueError(f"hub (by default [hub] name): {problem}")


class HubCodec:
    """One connection. Without peers, as for `cityhub decode`, anybody may speak."""

    def __init__(self, options: HubCodecOptions, peers: Peers | None = None) -> None:
        self._here = options.hub
        self._peers = peers
        self._reader = RequestReader(BODY_BYTES_MAX, (lambda shown: peers.of(shown) is not None) if peers else None)

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        return [self._message(request, received_at) for request in self._reader.feed(data)]

    def end(self, received_at: int | None = None) -> list[Message]:
        return [self._message(request, received_at) for request in self._reader.end()]

    def reply(self, message: Message, verdict: Verdict, now: int) -> bytes | None:
        body = message.body
        if not isinstance(body, Body) or body.status == 0:
            return None
        refused = [{"kind": fault.kind, "detail": fault.detail} for fault in message.faults[:REFUSALS_SHOWN]]
        if body.status >= 400:
            return _answer(body.status, {"error": body.why}, body.close, body.wait_s)
        if verdict is Verdict.BUSY:
            why = "the hub cannot take it now; send it again"
            return _answer(503, {"error": why}, body.close, BUSY_RETRY_S)
        if verdict is Verdict.REFUSED:
            circles = message.faults and all(fault.kind is FaultKind.LOOP for fault in message.faults)
            why = (
                message.faults[0].detail if message.faults else "nothing in it could be used; see the hub's quarantine"
            )
            return _answer(409 if circles else 400, {"error": why, "refused": refused}, body.close)
        taken = {"changes": len(message.changes), "readings": len(message.readings)}
        return _answer(200, {"taken": taken, "refused": refused, "refused_count": len(message.faults)}, body.close)

    # ------------------------------------------------------------------------------------------------- one request

    def _message(self, request: Request, received_at: int | None) -> Message:
        message = Message([], [], body=Body(request.status or 0, request.close))
        if request.kind is not None:
            return _refuse(
                message, request.status, request.kind, request.trouble, _TOKEN.sub(rb"\1 (left out)", request.raw)
            )
        if request.method != "POST":
            return _refuse(message, 405, FaultKind.UNSUPPORTED, f"{request.method} is not how hubs forward; POST is")
        peer = self._peers.of(request.authorization) if self._peers else None
        if self._peers and peer and (wait_s := self._peers.wait_s(peer, received_at)):
            message.body.wait_s = ceil(wait_s)
            why = f"{peer.name} sends more than {peer.items_per_s_max:g} readings and changes a second"
            return _refuse(message, 429, FaultKind.RATE, why)
        try:
            sent = wire.read(request.body)
        except ValueError as problem:
            return _refuse(message, 400, FaultKind.SYNTAX, str(problem), request.body)
        count = len(sent.changes) + len(sent.readings)
        if count > wire.ITEMS_MAX:
            why = f"{count} readings and changes in one request; the limit is {wire.ITEMS_MAX}"
            return _refuse(message, 413, FaultKind.OVERSIZE, why)
        if self._peers and peer:
            self._peers.spend(peer, count, received_at)
            if sent.hub != peer.name:
                why = f"the token is that of {peer.name}, but the hub calls itself {sent.hub[:80]!r}; its [hub] name must be the same"
                return _refuse(message, 403, FaultKind.UNAUTHORISED, why)
        message.body.hub = sent.hub
        self._read(message, sent, peer)
        return message

    def _read(self, message: Message, sent: wire.Sent, peer: Peer | None) -> None:
        changes: list[AlertChange] = []
        for item in sent.changes:
            self._item(
                message, item, wire.read_change, lambda change: self._change_wrong(change, sent.hub, peer), changes
            )
        for item in sent.readings:
            self._item(
                message,
                item,
                wire.read_reading,
                lambda reading: self._reading_wrong(reading, sent.hub, peer),
                message.readings,
            )
        message.changes = message.body.changes = changes
        message.body.readings = len(message.readings)

    def _item(
        self,
        message: Message,
        item: msgspec.Raw,
        read: Callable[[msgspec.Raw], Any],
        wrong: Callable[[Any], tuple[FaultKind, str] | None],
        good: list[Any],
    ) -> None:
        """Read one item into `good`, or set it aside with the reason."""
        try:
            found = read(item)
            problem = wrong(found)
        except ValueError as error:
            problem = (FaultKind.SYNTAX, str(error))
        if problem:
            message.faults.append(Fault(problem[0], problem[1], bytes(item), readings=1))
        else:
            good.append(found)

    def _change_wrong(self, change: AlertChange, sender: str, peer: Peer | None) -> tuple[FaultKind, str] | None:
        if problem := change_problem(change):
            return FaultKind.SYNTAX, f"{change.alert[:200]!r}: {problem}"
        assert change.origin is not None
        path = change.origin.path
        return self._way_wrong(f"{change.alert}, change {change.origin.ordinal}", path, change.origin.hub, sender, peer)

    def _reading_wrong(self, reading: Reading, sender: str, peer: Peer | None) -> tuple[FaultKind, str] | None:
        if problem := reading_problem(reading):
            return FaultKind.SYNTAX, problem
        return self._way_wrong(reading.device, reading.path or [], "", sender, peer)

    def _way_wrong(
        self, what: str, path: Sequence[str], owner: str, sender: str, peer: Peer | None
    ) -> tuple[FaultKind, str] | None:
        if path[-1] != sender:
            return FaultKind.SYNTAX, f"{what}: its path ends at {path[-1]}, but {sender[:80]!r} sent it"
        if self._here and (problem := circle(path, self._here, owner)):
            return FaultKind.LOOP, f"{what}: {problem}"
        for origin in (path[0], owner or path[0]):
            if self._peers and peer and not self._peers.speaks_for(peer, origin):
                return (
                    FaultKind.UNAUTHORISED,
                    f"{what}: {peer.name} may not speak for {origin} (origins of the peers file)",
                )
        return None


def _refuse(message: Message, status: int, kind: FaultKind, why: str, raw: bytes = b"") -> Message:
    message.body.status, message.body.why = status, why
    message.faults.append(Fault(kind, why, raw))
    return message


def _answer(status: int, said: dict[str, Any], close: bool, retry_after_s: int = 0) -> bytes:
    extra = f"Retry-After: {retry_after_s}\r\n" if retry_after_s else ""
    return response(status, msgspec.json.encode(said).decode(), close, extra, wire.CONTENT_TYPE)
