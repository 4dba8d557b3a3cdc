"""Running adapters: started, watched, and started again with back-off when they fail, each for itself."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from adapters.json import decode_native
from adapters.senml import decode_cbor, decode_json
from hub.app.plugins import Plugins
from hub.app.signs import sign
from hub.bilingual import Text
from hub.defects import told
from hub.ingest import Door
from hub.model import Message
from hub.options import AdapterConfig
from hub.ports import Adapter, Plugin
from hub.sockets import not_bound

BACKOFF_S = (1.0, 60.0)
STEADY_S = 60.0
"""An adapter that ran this long was well; its next failure starts the back-off afresh."""
LISTENS_WITHIN_S = 10.0
"""A port is bound within milliseconds. On a machine that is too busy for it, and for a plug-in that never says it is up, no longer than this."""


class Sources:
    """The city's adapters, each a task by its name. One whose block, or a file that it names, is as before goes on undisturbed."""

    def __init__(self, doors: Callable[[Plugin, AdapterConfig], Door]) -> None:
        self.adapters: dict[str, Adapter] = {}
        self.plugins: dict[str, Plugin] = {}
        self._doors = doors
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._signs: dict[str, Any] = {}

    async def run(self, wanted: Sequence[AdapterConfig]) -> list[str]:
        """Have these run and no others; a sentence for each that was started, stopped or started anew. Those that listen do so, or have said why not,
        when this returns: who is told that the hub is ready is refused by none of them."""
        plugins, said, listening = Plugins(), list[str](), list[Door]()
        signs = {config.name: sign(config) for config in wanted}
        gone = [name for name, before in self._signs.items() if signs.get(name) != before]
        await self._end(gone)
        for config in wanted:
            if config.name in self._tasks:
                continue
            plugin = self.plugins[config.name] = plugins[config.protocol]
            door = self._doors(plugin, config)
            door.report("starting")
            if getattr(config.options, "listen", None):
                listening.append(door)
            self._tasks[config.name] = asyncio.create_task(run_adapter(plugin, config, door, self.adapters))
            said.append(f"adapter {config.name}: {'started anew' if config.name in gone else 'started'}")
        said += [f"adapter {name}: stopped" for name in gone if name not in signs]
        self._signs = signs
        await _begun(listening)
        return said

    async def stop(self) -> None:
        await self._end(list(self._tasks))

    async def _end(self, names: Sequence[str]) -> None:
        tasks = [self._tasks.pop(name) for name in names]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for name in names:
            self.adapters.pop(name, None)


async def run_adapter(plugin: Plugin, config: AdapterConfig, door: Door, running: dict[str, Adapter]) -> None:
    """Keep one adapter running until cancelled. What it raises is shown as its state, never passed on."""
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        began = loop.time()
        try:
            running[config.name] = plugin.source(config.name, config.options, config.codec_options)
            await running[config.name].run(door)
            door.report("down", Text("it has come to its end", "数据已读完"))
            return
        except asyncio.CancelledError:
            door.report("down", Text("stopped", "已停止"))
            raise
        except Exception as error:
            failures = 1 if loop.time() - began > STEADY_S else failures + 1
            pause = random.uniform(0.5, 1) * min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** (failures - 1))
            again = Text(f"; started again in {pause:.0f} s", f"；{pause:.0f} 秒后重新启动")
            door.report("down", _why(config, error) + again)
            await asyncio.sleep(pause)


async def _begun(doors: Sequence[Door]) -> None:
    """Until none of them is starting any more."""
    until = time.monotonic() + LISTENS_WITHIN_S
    while any(door.status.state == "starting" for door in doors) and time.monotonic() < until:
        await asyncio.sleep(0.01)


def _why(config: AdapterConfig, error: Exception) -> Text:
    """The failure, with the address that it is about."""
    listen, connect = getattr(config.options, "listen", None), getattr(config.options, "connect", None)
    if listen and not connect and isinstance(error, OSError):
        return not_bound(str(listen), error)
    said = told(error)
    address = str(connect or listen or "")
    return said if not address or address in said.en else Text(f"{address}: ", f"{address}：") + said


def decode_body(content_type: str, body: bytes, topic: str) -> Message:
    """A body posted to the API, by its content type: native JSON unless it says SenML."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("application/senml+json", "application/sensml+json"):
        return decode_json(body)
    if kind in ("application/senml+cbor", "application/sensml+cbor", "application/cbor"):
        return decode_cbor(body)
    return decode_native(body)
