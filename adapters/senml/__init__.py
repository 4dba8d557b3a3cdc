"""SenML (RFC 8428) as JSON and CBOR, and the unlabelled JSON that CoAP devices post."""

from __future__ import annotations

from adapters.lines import LineCodec
from adapters.senml.codec import CborCodec, decode_any_json, decode_cbor, decode_json
from hub.ports import Plugin

PLUGINS = (
    Plugin(
        protocol="senml-json",
        summary="SenML packs in JSON (RFC 8428)",
        codec=lambda options: LineCodec(decode_json),
    ),
    Plugin(
        protocol="senml-cbor",
        summary="SenML packs in CBOR (RFC 8428)",
        codec=lambda options: CborCodec(),
        binary=True,
    ),
    Plugin(
        protocol="coap-json",
        summary="JSON as CoAP devices post it: SenML or cityhub's own, told apart by its shape",
        codec=lambda options: LineCodec(decode_any_json),
    ),
)

__all__ = ["PLUGINS", "decode_any_json", "decode_cbor", "decode_json"]
