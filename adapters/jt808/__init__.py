"""JT/T 808 (2011, 2013, 2019): vehicle terminals, over TCP and UDP."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters.jt808.codec import Jt808Codec, id_is_code, keyed_codes
from adapters.jt808.commands import order
from adapters.jt808.items import vendor_items
from adapters.jt808.location import Dialect
from adapters.transport import StreamOptions, stream_adapter
from adapters.wallclock import ClockOptions, zone_named
from hub.ports import Plugin
from hub.secret_files import secret

_COORDINATES = ("wgs84", "gcj02", "flagged")


class Jt808CodecOptions(ClockOptions, kw_only=True, frozen=True):
    """How terminals mean what they send, and what they hear."""

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
        if self.coordinates not in _COORDINATES:
            raise ValueError(f"coordinates = {self.coordinates!r}: one of {', '.join(_COORDINATES)}")
        if self.subpackage_ack not in ("together", "singly"):
            raise ValueError(f"subpackage_ack = {self.subpackage_ack!r}: together or singly")


def codec(options: Jt808CodecOptions) -> Jt808Codec:
    """The codec of one terminal. Raises ValueError with a sentence for vendor items that make no sense, and for a secret that is not
    where it should be."""
    key = secret("auth_secret", options.auth_secret_env, options.auth_secret_file)
    return Jt808Codec(
        Dialect(zone=zone_named(options.zone), coordinates=options.coordinates, items=vendor_items(options.items)),
        authority=keyed_codes(key) if key else id_is_code,
        check_codes=bool(key),
        ack_singly=options.subpackage_ack == "singly",
    )


PLUGIN = Plugin(
    protocol="jt808",
    summary="JT/T 808 vehicle terminals, editions 2011, 2013 and 2019",
    options=StreamOptions,
    codec_options=Jt808CodecOptions,
    proof="login",
    codec=codec,
    adapter=stream_adapter(codec),
    order=order,
    binary=True,
    kind="vehicle",
)

__all__ = ["PLUGIN", "codec"]
