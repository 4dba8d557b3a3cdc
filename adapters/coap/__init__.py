"""CoAP: devices that post readings, and devices that are asked."""

from __future__ import annotations

from adapters.coap.adapter import CoapAdapter
from adapters.coap.options import CoapOptions, CoapResource
from hub.ports import Plugin

PLUGIN = Plugin(
    protocol="coap",
    summary="CoAP server and client (RFC 7252, 7641, 7959) for SenML and JSON",
    options=CoapOptions,
    adapter=CoapAdapter,
)

__all__ = ["PLUGIN", "CoapAdapter", "CoapOptions", "CoapResource"]
