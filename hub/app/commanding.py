"""Commands down to devices: found by their live session, noted in the log, and only then sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from hub.model import Message, OperatorAction
from hub.ports import Adapter, Commandable, DeviceCommand, NotReached, NotSupported, Plugin

NOTE_MAX = 1000


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

    async def command(
        self, device: str, wanted: DeviceCommand, who: str, wait_s: float, allowed: Callable[[], Awaitable[None]]
    ) -> Message | None:
        """The device's answer, None where none came in time. `allowed` notes in the audit what is about to be sent, and may raise.

        Raises `NotReached` (no live session), `NotSupported` (no such command there) or ValueError (a wrong one), each with a
        sentence, before anything is noted or sent.
        """
        for name, adapter in self._running.items():
            if not isinstance(adapter, Commandable):
                continue
            codec = adapter.codec_of(device)
            if codec is None:
                continue
            plugin = self._plugins[name]
            if plugin.order is None:
                raise NotSupported(f"{device} is connected by {plugin.protocol}, which takes no commands")
            order = plugin.order(codec, device, wanted)
            said = msgspec.json.encode({key: value for key, value in msgspec.to_builtins(wanted).items() if value})
            await allowed()
            await self._note(OperatorAction(self._now(), who, "command", device, said.decode()[:NOTE_MAX]))
            return await adapter.ask(device, order, wait_s)
        raise NotReached(f"{device} has no connection to this hub now")
