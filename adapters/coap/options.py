"""Keys of an `[[adapters]]` block with protocol = "coap"."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from hub.identity import OSCORE, TOKEN


class CoapResource(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A resource of a device that the hub asks: GET every so often, or OBSERVE."""

    url: str
    """ "coap://host:5683/path"."""
    observe: bool = False
    """Ask once and be told of changes (RFC 7641); registered again when the newest answer is no longer fresh."""
    every_s: float = 60.0
    """Without `observe`: seconds between two GETs."""
    format: str = ""
    """For devices that send no Content-Format: "json", "senml-json" or "senml-cbor"."""

    def __post_init__(self) -> None:
        check_url(self.url, "url")
        if self.every_s < 1:
            raise ValueError("every_s must be at least 1")
        if self.format not in ("", "json", "senml-json", "senml-cbor"):
            raise ValueError(f"format = {self.format!r}: it should be json, senml-json or senml-cbor")


class CoapOptions(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The hub as CoAP server, as client, or both."""

    listen: str | None = None
    """ "coap://0.0.0.0:5683": where devices POST or PUT to /readings. Port 0 takes any free port."""
    oscore_dir: str | None = None
    """Folder of OSCORE contexts (RFC 8613), one folder for each device, of the device's name; needs `pip install cityhub[oscore]`."""
    oscore_required: bool = False
    """With `oscore_dir`: what comes unprotected is answered 4.01."""
    identity: str = ""
    """ "oscore": devices speak for themselves only, each by the keys of its own context; as `oscore_required`."""
    resources: list[CoapResource] = []
    """What the hub asks itself."""
    payload_bytes_max: int = 262_144
    """A block-wise transfer may grow to this; beyond it is answered 4.13."""
    transfers_max: int = 256
    """Block-wise transfers in progress; beyond it a new one is answered 5.03."""
    transfer_timeout_s: float = 93.0
    """A transfer without a new block for this long is forgotten (RFC 7252 MAX_TRANSMIT_WAIT)."""
    requests_per_s_max: float = 20.0
    """Requests of one endpoint (address and port) a second; beyond it is answered 4.29 (RFC 8516). The blocks
    of one upload count once; beyond 200 datagrams a second nothing is answered at all."""
    endpoints_max: int = 10_000
    """Endpoints whose rate is remembered; the one that was silent longest is forgotten."""
    in_flight_max: int = 1_000
    """Requests that wait for the log; beyond it is answered 5.03."""
    retry_after_s: int = 10
    """Max-Age of 4.29 and 5.03: when the device should come again."""
    response_timeout_s: float = 100.0
    """How long the hub waits for a device's answer."""

    def __post_init__(self) -> None:
        if self.listen is None and not self.resources:
            raise ValueError("state listen (devices come to the hub) or resources (the hub asks devices)")
        if self.oscore_dir is not None and self.listen is None:
            raise ValueError("oscore_dir is for devices that come to the hub: state listen")
        if self.identity == TOKEN:
            raise ValueError(
                'identity = "token": over plain CoAP whoever listens on the way can read a token and use it; "oscore" gives each device keys of its own '
                "(oscore_dir)"
            )
        if self.identity not in ("", OSCORE):
            raise ValueError(f'identity = {self.identity!r}: "oscore" was meant')
        if self.bound and self.oscore_dir is None:
            named = 'identity = "oscore"' if self.identity else "oscore_required"
            raise ValueError(f"{named} needs oscore_dir, the folder of the devices' contexts")
        if self.listen is not None:
            check_url(self.listen, "listen")
        if not 1_024 <= self.payload_bytes_max <= 1_048_576:
            raise ValueError("payload_bytes_max must be 1024 to 1048576")
        for name in ("transfers_max", "requests_per_s_max", "endpoints_max", "in_flight_max", "retry_after_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")

    @property
    def bound(self) -> bool:
        """Whether nothing is taken that is not protected by a device's own keys."""
        return self.oscore_required or self.identity == OSCORE

    @property
    def bind(self) -> tuple[str, int]:
        url = urlsplit(self.listen or "")
        return url.hostname or "", 5683 if url.port is None else url.port


def check_url(text: str, key: str) -> None:
    """Raises ValueError with a sentence."""
    url = urlsplit(text)
    if url.scheme == "coaps":
        raise ValueError(
            f"{key} = {text!r}: DTLS is not offered (see adapters/coap/README.md); use coap:// behind a VPN or proxy"
        )
    if url.scheme != "coap" or not url.hostname:
        raise ValueError(f"{key} = {text!r}: it should look like coap://host:5683")
    _ = url.port
