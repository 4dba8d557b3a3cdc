"""Commands down to devices: found by their live session, noted in the log, and only then sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from hub.model import OperatorAction
from hub.ports import Adapter, Commandable, DeviceCommand, NotReached, NotSupported, Order, Plugin
from hub.wire import detail_to_json

NOTE_MAX = 1000


class Reached(NamedTuple):
    """A device that is connected here, and the command as its protocol says it."""

    adapter: Commandable
    order: Order


class Commander:
    """`running` are the adapters by name, `plugins` theirs by the same name; `note` writes into the log."""

    def __init__(
        self,
        running: Mapping[str, Adapter],
        plugins: Mapping[str, Plugin],
        note: Callable[[OperatorAction], Awaitable[None]],
        now: Callable[[], int],
    ) -> None:
        self._running = running
        self._plugins = plugins
        self._note = note
        self._now = now

    def reach(self, device: str, wanted: DeviceCommand) -> Reached:
        """Raises `NotReached` (no live session), `NotSupported` (no such command there) or ValueError (a wrong one), each with a sentence."""
        for name, adapter in self._running.items():
            if isinstance(adapter, Commandable) and (codec := adapter.codec_of(device)) is not None:
                plugin = self._plugins[name]
                if plugin.order is None:
                    raise NotSupported(f"{device} is connected by {plugin.protocol}, which takes no commands")
                return Reached(adapter, plugin.order(codec, device, wanted))
        raise NotReached(f"{device} has no connection to this hub now")

    async def command(
        self, device: str, wanted: DeviceCommand, who: str, wait_s: float, allowed: Callable[[], Awaitable[None]]
    ) -> Any:
        """The device's answer as plain data, None where none came in time. `allowed` notes in the audit what is about to be sent, and may
        raise. What `reach` raises comes before anything is noted or sent."""
        reached = self.reach(device, wanted)
        said = msgspec.json.encode({key: value for key, value in msgspec.to_builtins(wanted).items() if value})
        await allowed()
        await self._note(OperatorAction(self._now(), who, "command", device, said.decode()[:NOTE_MAX]))
        answer = await reached.adapter.ask(device, reached.order, wait_s)
        return None if answer is None else detail_to_json(answer)
