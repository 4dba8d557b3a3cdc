"""JT/T 808 (2011, 2013, 2019): vehicle terminals, over TCP and UDP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from adapters.jt808.codec import Jt808Codec, id_is_code, keyed_codes
from adapters.jt808.commands import order
from adapters.jt808.items import vendor_items
from adapters.jt808.location import Dialect
from adapters.transport import StreamOptions, stream_adapter
from adapters.wallclock import zone_named
from hub.ports import Plugin
from hub.secret_files import secret

_COORDINATES = ("wgs84", "gcj02", "flagged")


class Jt808Options(StreamOptions, kw_only=True, frozen=True):
    """Vehicle terminals that dial the hub over TCP, TLS or UDP."""

    zone: str = "Asia/Shanghai"
    """Of the terminals' clocks: an IANA name, or an offset such as "+08:00"."""
    coordinates: str = "wgs84"
    """ "wgs84": as they stand; "gcj02": all are shifted; "flagged": those with status bit 5 (security plug-in) are."""
    auth_secret_env: str | None = None
    """Environment variable with the secret that authentication codes are made from, and checked with."""
    auth_secret_file: str | None = None
    """File with that secret instead."""
    subpackage_ack: str = "together"
    """ "together": a message in pieces is answered when all of it is stored; "singly": each piece at once, before."""
    items: dict[str, dict[str, Any] | list[dict[str, Any]]] = msgspec.field(default_factory=dict)
    """Vendor items of 0x0200 by id: {"0x82" = {metric, type, scale, offset, unit, at, bit, inverted}}, a list of these, or
    {"0xEB" = {inner = {"0x00A8" = {…}}}}."""

    def __post_init__(self) -> None:
        super().__post_init__()
        codec(msgspec.structs.asdict(self))


def codec(options: Mapping[str, Any]) -> Jt808Codec:
    """A codec from plain options, those of `Jt808Options` or `auth_secret` itself. Raises ValueError with a sentence."""
    coordinates = options.get("coordinates") or "wgs84"
    if coordinates not in _COORDINATES:
        raise ValueError(f"coordinates = {coordinates!r}: one of {', '.join(_COORDINATES)}")
    acknowledge = options.get("subpackage_ack") or "together"
    if acknowledge not in ("together", "singly"):
        raise ValueError(f"subpackage_ack = {acknowledge!r}: together or singly")
    secret = _secret(options)
    return Jt808Codec(
        Dialect(
            zone=zone_named(options.get("zone") or "Asia/Shanghai"),
            coordinates=coordinates,
            items=vendor_items(options.get("items") or {}),
        ),
        authority=keyed_codes(secret) if secret else id_is_code,
        check_codes=bool(secret),
        ack_singly=acknowledge == "singly",
    )


def _secret(options: Mapping[str, Any]) -> str:
    """The secret behind the authentication codes, "" where there is none. Read once, when the codec is made."""
    found = secret("auth_secret", options.get("auth_secret_env") or None, options.get("auth_secret_file") or None)
    return found or str(options.get("auth_secret") or "")


PLUGIN = Plugin(
    protocol="jt808",
    summary="JT/T 808 vehicle terminals, editions 2011, 2013 and 2019",
    options=Jt808Options,
    proof="login",
    codec=codec,
    adapter=stream_adapter(codec),
    order=order,
    binary=True,
    kind="vehicle",
)

__all__ = ["PLUGIN", "codec"]
