"""JT/T 808 (2011, 2013, 2019): vehicle terminals, over TCP and UDP."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adapters.jt808.codec import Jt808Codec, id_is_code, keyed_codes
from adapters.jt808.items import vendor_items
from adapters.jt808.location import CHINA, Dialect
from hub.ports import Plugin

_COORDINATES = ("wgs84", "gcj02", "flagged")


def codec(options: Mapping[str, Any]) -> Jt808Codec:
    """A codec from plain options: zone, coordinates, auth_secret, subpackage_ack, items. Raises ValueError."""
    coordinates = options.get("coordinates") or "wgs84"
    if coordinates not in _COORDINATES:
        raise ValueError(f"coordinates = {coordinates!r}: one of {', '.join(_COORDINATES)}")
    acknowledge = options.get("subpackage_ack") or "together"
    if acknowledge not in ("together", "singly"):
        raise ValueError(f"subpackage_ack = {acknowledge!r}: together or singly")
    secret = options.get("auth_secret") or ""
    return Jt808Codec(
        Dialect(
            zone=_zone(options.get("zone") or "Asia/Shanghai"),
            coordinates=coordinates,
            items=vendor_items(options.get("items") or {}),
        ),
        authority=keyed_codes(secret) if secret else id_is_code,
        check_codes=bool(secret),
        ack_singly=acknowledge == "singly",
    )


def _zone(name: str) -> tzinfo:
    if name in ("GMT+8", "Asia/Shanghai"):
        return CHINA  # one fixed offset since 1991: cheaper than the zone's history
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"zone = {name!r} is no time zone such as Asia/Shanghai, GMT+8 or UTC") from None


PLUGIN = Plugin(
    protocol="jt808",
    summary="JT/T 808 vehicle terminals, editions 2011, 2013 and 2019",
    codec=codec,
    binary=True,
    kind="vehicle",
)
