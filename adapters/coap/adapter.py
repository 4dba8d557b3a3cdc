"""The CoAP source: server, client, or both, in one aiocoap context. Not to be run under uvloop, which aiocoap breaks on."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import aiocoap

from adapters.coap.client import Watch
from adapters.coap.exchange import Rates
from adapters.coap.options import CoapOptions
from adapters.coap.protection import Contexts, contexts_of
from adapters.coap.server import DATAGRAMS_PER_S_MAX, guard, interface, serve
from adapters.transport.tally import Tally
from hub.bilingual import Text, joined
from hub.ports import Intake


class CoapAdapter:
    """See README.md. `port` is where it listens once it is up."""

    def __init__(self, name: str, options: CoapOptions, now: Callable[[], int] = time.time_ns) -> None:
        self.name = name
        self.port: int | None = None
        self._options = options
        if options.oscore_dir is not None:
            contexts_of(options.oscore_dir)
        self._now = now
        self._trouble: dict[str, Text] = {}
        self._answered: set[str] = set()

    async def run(self, intake: Intake) -> None:
        """Until cancelled. Raises OSError where the address cannot be had, ValueError where an OSCORE context is unusable."""
        logging.getLogger("coap").setLevel(logging.CRITICAL)
        logging.getLogger("coap-server").setLevel(logging.CRITICAL)
        oscore = self._options.oscore_dir
        contexts = None if oscore is None else Contexts(contexts_of(oscore))
        try:
            await self._run(intake, contexts)
        finally:
            if contexts is not None:
                contexts.close()

    async def _run(self, intake: Intake, contexts: Contexts | None) -> None:
        context: Any
        tally = Tally(intake)
        if self._options.listen is not None:
            context = await serve(intake, self._options, self._now, contexts)
            self.port = interface(context).transport.get_extra_info("socket").getsockname()[1]
        else:
            context = await aiocoap.Context.create_client_context(transports=["udp6"])

        guard(context, Rates(DATAGRAMS_PER_S_MAX, self._options.endpoints_max), tally)

        def note(url: str, trouble: Text) -> None:
            if trouble:
                self._trouble[url] = trouble
            else:
                self._trouble.pop(url, None)
                self._answered.add(url)
            self._report(intake)

        try:
            self._report(intake)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(tally.run())
                for asked in self._options.resources:
                    tasks.create_task(Watch(context, intake, self._options, asked, self._now, note).run())
        finally:
            self.port = None
            await context.shutdown()

    def _report(self, intake: Intake) -> None:
        """What the devices answer; an open socket alone is no news, unless devices come to it by themselves."""
        asked = len(self._options.resources)
        if self._trouble:
            shown = joined(Text(f"{url}: ", f"{url}：") + said for url, said in list(self._trouble.items())[:3])
            many = len(self._trouble)
            in_trouble = Text(f"{many} of {asked} resources in trouble: ", f"{asked} 个资源中 {many} 个有问题：")
            intake.report("degraded", in_trouble + shown)
        elif self.port or self._answered:
            many = len(self._answered)
            where = (
                Text(f"listening on port {self.port}, ", f"正在监听端口 {self.port}，")
                if self.port
                else Text("asking, ", "正在询问，")
            )
            heard = Text(f"{many} of {asked} resources have answered", f"{asked} 个资源中 {many} 个已应答")
            intake.report("up", where + (heard if asked else Text("no resources asked", "没有要询问的资源")))
