"""The hub as CoAP client: GET by schedule, or OBSERVE with registration kept alive."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import aiocoap
from aiocoap import Code

from adapters.coap.exchange import FORMATS_IN_WORDS, decoder, is_newer
from adapters.coap.options import CoapOptions, CoapResource
from hub.bilingual import NOTHING, Text, quoted
from hub.decoding import decoded
from hub.error_words import NO_ANSWER, named, words_of
from hub.model import Fault, FaultKind, Message, Verdict
from hub.ports import Intake

DEFAULT_MAX_AGE_S = 60  # RFC 7252 §5.10.5
OBSERVE_MARGIN_S = 15.0  # RFC 7641 §3.3.1: register again 5 to 15 s after the answer went stale
BACK_OFF_MAX_S = 300.0


class NoAnswer(Exception):
    """The device did not answer as asked; the text says how, in words for people."""


class Watch:
    """One resource of one device."""

    def __init__(
        self,
        context: Any,
        intake: Intake,
        options: CoapOptions,
        asked: CoapResource,
        now: Callable[[], int],
        note: Callable[[str, Text], None],
    ) -> None:
        self._context = context
        self._intake = intake
        self._options = options
        self._asked = asked
        self._now = now
        self._note = note

    async def run(self) -> None:
        """Until cancelled. `note(url, trouble)` is told how it goes; empty when it goes well."""
        failures = 0
        while True:
            try:
                if self._asked.observe:
                    await self._observe()
                else:
                    await self._take(await self._get())
                failures = 0
                pause_s = 1.0 if self._asked.observe else self._asked.every_s
            except (NoAnswer, aiocoap.error.Error, OSError, TimeoutError) as error:
                failures += 1
                self._note(self._asked.url, _words(error))
                base = 1.0 if self._asked.observe else self._asked.every_s
                pause_s = min(base * 2 ** min(failures - 1, 10), max(BACK_OFF_MAX_S, base))
            await asyncio.sleep(pause_s * (0.9 + 0.2 * random.random()))  # so that many devices are not asked at once

    async def _get(self) -> Any:
        request = aiocoap.Message(code=Code.GET, uri=self._asked.url)
        async with asyncio.timeout(self._options.response_timeout_s):
            return await self._context.request(request).response

    async def _observe(self) -> None:
        """One registration: until its newest answer is stale, or the device ends it. Raises as `_get` does."""
        asked = self._context.request(aiocoap.Message(code=Code.GET, uri=self._asked.url, observe=0))
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._options.response_timeout_s):
                answer = await asked.response
            await self._take(answer)
            if answer.opt.observe is None:
                raise NoAnswer(
                    Text(
                        "the device does not offer to be observed; set every_s instead of observe",
                        "设备不支持订阅；请改用 every_s 而不是 observe",
                    )
                )
            number, at = answer.opt.observe, loop.time()
            notices = aiter(asked.observation)
            while True:
                fresh_s = DEFAULT_MAX_AGE_S if answer.opt.max_age is None else answer.opt.max_age
                try:
                    answer = await asyncio.wait_for(anext(notices), fresh_s + OBSERVE_MARGIN_S)
                except (TimeoutError, StopAsyncIteration):
                    return  # stale, or ended by the device: register again
                if answer.opt.observe is not None and not is_newer(answer.opt.observe, loop.time(), number, at):
                    continue  # overtaken by a newer one
                if answer.opt.observe is not None:
                    number, at = answer.opt.observe, loop.time()
                await self._take(answer)
        finally:
            if not asked.observation.cancelled:
                asked.observation.cancel()

    async def _take(self, answer: Any) -> None:
        """Hand an answer to the hub. Raises `NoAnswer` for an error code; a busy hub just misses this one."""
        if not answer.code.is_successful():
            words = answer.payload[:200].decode("utf-8", "replace")
            said = f"{answer.code.dotted} {answer.code.name_printable} {words}".strip()
            raise NoAnswer(Text("answered ", "应答 ") + quoted(said))
        decode = decoder(answer.opt.content_format, answer.payload, self._asked.format)
        if decode is None:
            detail = f"{self._asked.url}: an answer in a format that is not read; expected is {FORMATS_IN_WORDS}"
            message = Message(
                [], [Fault(FaultKind.UNSUPPORTED, detail, answer.payload, readings=1)], raw=answer.payload
            )
        elif len(answer.payload) > self._options.payload_bytes_max:
            detail = f"{self._asked.url}: an answer of {len(answer.payload)} bytes"
            message = Message([], [Fault(FaultKind.OVERSIZE, detail, answer.payload[:1024], readings=1)])
        else:
            message = await decoded(len(answer.payload), decode, answer.payload, self._now())
        (verdict,) = await self._intake.submit([message])
        self._note(
            self._asked.url,
            Text("the hub was busy, this answer is lost", "中枢繁忙，此次应答丢失")
            if verdict is Verdict.BUSY
            else NOTHING,
        )


def _words(error: BaseException) -> Text:
    if isinstance(error, TimeoutError):
        return NO_ANSWER
    return words_of(error) if isinstance(error, NoAnswer) else named(error)
