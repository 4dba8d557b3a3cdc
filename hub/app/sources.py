"""Running adapters: started, watched, and started again with back-off when they fail, each for itself."""

from __future__ import annotations

import asyncio
import random

from adapters.json import decode_native
from adapters.senml import decode_cbor, decode_json
from hub.config import AdapterConfig
from hub.ingest import Door
from hub.model import Message
from hub.ports import Adapter, Plugin
from hub.sockets import not_bound

BACKOFF_S = (1.0, 60.0)
STEADY_S = 60.0
"""An adapter that ran this long was well; its next failure starts the back-off afresh."""


async def run_adapter(plugin: Plugin, config: AdapterConfig, door: Door, running: dict[str, Adapter]) -> None:
    """Keep one adapter running until cancelled. What it raises is shown as its state, never passed on."""
    assert plugin.adapter is not None
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        began = loop.time()
        try:
            running[config.name] = plugin.adapter(config.name, config.options)
            await running[config.name].run(door)
            door.report("down", "it has come to its end")
            return
        except asyncio.CancelledError:
            door.report("down", "stopped")
            raise
        except Exception as error:
            failures = 1 if loop.time() - began > STEADY_S else failures + 1
            pause = random.uniform(0.5, 1) * min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** (failures - 1))
            door.report("down", f"{_why(config, error)}; started again in {pause:.0f} s")
            await asyncio.sleep(pause)


def _why(config: AdapterConfig, error: Exception) -> str:
    """The failure, with the address that it is about."""
    listen, connect = getattr(config.options, "listen", None), getattr(config.options, "connect", None)
    if listen and not connect and isinstance(error, OSError):
        return not_bound(str(listen), error)
    said = str(error) or type(error).__name__
    address = str(connect or listen or "")
    return said if not address or address in said else f"{address}: {said}"


def decode_body(content_type: str, body: bytes, topic: str) -> Message:
    """A body posted to the API, by its content type: native JSON unless it says SenML."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("application/senml+json", "application/sensml+json"):
        return decode_json(body)
    if kind in ("application/senml+cbor", "application/sensml+cbor", "application/cbor"):
        return decode_cbor(body)
    return decode_native(body)
