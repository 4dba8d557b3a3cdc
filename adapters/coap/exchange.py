"""What CoAP needs that can be said without a socket: payload formats, bounded block-wise uploads, rates, freshness."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import msgspec

from adapters.json import decode_native
from adapters.senml import decode_any_json, decode_cbor, decode_json
from hub.model import Message

Decode = Callable[[bytes, int | None], Message]

FORMATS: dict[int, Decode] = {
    50: decode_any_json,  # application/json
    110: decode_json,  # application/senml+json
    111: decode_json,  # application/sensml+json
    112: decode_cbor,  # application/senml+cbor
    113: decode_cbor,  # application/sensml+cbor
}  # IANA CoAP Content-Formats
NAMED: dict[str, Decode] = {"json": decode_native, "senml-json": decode_json, "senml-cbor": decode_cbor}
FORMATS_IN_WORDS = "50 (JSON), 110 (SenML JSON) or 112 (SenML CBOR)"


def decoder(content_format: int | None, payload: bytes, named: str = "") -> Decode | None:
    """Who reads this payload; None where nobody does. Without a Content-Format it is told by its first byte, which
    RFC 7252 §5.5.1 allows: JSON text, or a CBOR array."""
    if content_format is not None:
        return FORMATS.get(content_format)
    if named:
        return NAMED[named]
    first = payload.lstrip()[:1]
    if first in (b"{", b"["):
        return decode_any_json
    return decode_cbor if payload and payload[0] >> 5 == 4 else None


# ---------------------------------------------------------------------------------------------- block-wise uploads


class TooLarge(Exception):
    """More bytes than any payload may have."""


class TooMany(Exception):
    """No room for another transfer."""


class Incomplete(Exception):
    """A block came whose predecessor is missing."""


class _Transfer(msgspec.Struct):
    data: bytearray
    touched_at: float


class Uploads:
    """Payloads that come in blocks (RFC 7959 Block1), each a bounded buffer until its last block."""

    def __init__(self, bytes_max: int, transfers_max: int, timeout_s: float) -> None:
        self._bytes_max = bytes_max
        self._transfers_max = transfers_max
        self._timeout_s = timeout_s
        self._transfers: OrderedDict[Hashable, _Transfer] = OrderedDict()

    def add(self, key: Hashable, start: int, payload: bytes, more: bool, now: float) -> bytes | None:
        """The whole payload with its last block, None before. Raises `TooLarge`, `TooMany` or `Incomplete`."""
        self._forget(now)
        transfer = self._transfers.pop(key, None)
        if start == 0:
            if more and len(self._transfers) >= self._transfers_max:
                raise TooMany
            transfer = _Transfer(bytearray(), now)
        if transfer is None or len(transfer.data) != start:
            raise Incomplete
        if start + len(payload) > self._bytes_max:
            raise TooLarge
        transfer.data += payload
        if not more:
            return bytes(transfer.data)
        transfer.touched_at = now
        self._transfers[key] = transfer
        return None

    def _forget(self, now: float) -> None:
        while self._transfers:
            key, oldest = next(iter(self._transfers.items()))
            if now - oldest.touched_at <= self._timeout_s:
                return
            del self._transfers[key]


# ----------------------------------------------------------------------------------------------------- rates


class Rates:
    """A token bucket of one second for each endpoint; bounded: the endpoint that was silent longest is forgotten."""

    def __init__(self, per_s: float, endpoints_max: int) -> None:
        self._per_s = per_s
        self._burst = max(1.0, per_s)
        self._endpoints_max = endpoints_max
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def allows(self, endpoint: Hashable, now: float) -> bool:
        """Whether this endpoint may send one more now, and count it."""
        tokens, at = self._buckets.pop(endpoint, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._per_s)
        allowed = tokens >= 1.0
        self._buckets[endpoint] = (tokens - 1.0 if allowed else tokens, now)
        if len(self._buckets) > self._endpoints_max:
            self._buckets.popitem(last=False)
        return allowed


# ------------------------------------------------------------------------------------------------- freshness


def is_newer(number: int, at: float, last_number: int, last_at: float) -> bool:
    """Whether a notification is newer than the last one, though they may overtake each other (RFC 7641 §3.4)."""
    if at > last_at + 128:
        return True
    if last_number < number:
        return number - last_number < 1 << 23
    return last_number - number > 1 << 23
