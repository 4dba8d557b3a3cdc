"""The hub as CoAP server: devices POST or PUT readings, and are told 2.04 only after the hub's verdict (law 1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiocoap
from aiocoap import Code, resource

from adapters.coap.datagram import flaw
from adapters.coap.exchange import FORMATS_IN_WORDS, Incomplete, Rates, TooLarge, TooMany, Uploads, decoder
from adapters.coap.options import CoapOptions
from adapters.coap.protection import Contexts, endpoint, speaker
from adapters.transport.tally import Tally
from hub.decoding import decoded
from hub.identity import only
from hub.model import FaultKind, Verdict
from hub.ports import Intake

DATAGRAMS_PER_S_MAX = 200.0
"""Of one endpoint. At some 265 a second it would use up its 65,536 message ids within the 247 s that they are remembered."""

IN_FLIGHT_BYTES_MAX = 16 << 20
"""Of payloads that wait for the log: a thousand uploads of 256 KiB would be more than small machines have."""


class Readings(resource.Resource):  # type: ignore[misc]
    """POST or PUT /readings. Assembles blocks by itself, because aiocoap's own assembly has no limit."""

    rt = "cityhub.readings"
    ct = "50 110 112"

    def __init__(self, intake: Intake, options: CoapOptions, now: Callable[[], int]) -> None:
        super().__init__()
        self._intake = intake
        self._options = options
        self._now = now
        self._uploads = Uploads(options.payload_bytes_max, options.transfers_max, options.transfer_timeout_s)
        self._rates = Rates(options.requests_per_s_max, options.endpoints_max)
        self._in_flight = 0
        self._in_flight_bytes = 0

    def get_link_description(self) -> dict[str, Any]:
        return {"rt": self.rt, "ct": self.ct, "title": "POST readings"}

    async def needs_blockwise_assembly(self, request: Any) -> bool:
        return False

    async def render_post(self, request: Any) -> Any:
        return await self._take(request)

    async def render_put(self, request: Any) -> Any:
        return await self._take(request)

    async def _take(self, request: Any) -> Any:
        now = asyncio.get_running_loop().time()
        peer, device = endpoint(request.remote), speaker(request.remote)
        if device is None and self._options.bound:
            return _answer(Code.UNAUTHORIZED, "OSCORE is required here")
        first = request.opt.block1 is None or request.opt.block1.start == 0  # further blocks belong to the same request
        if first and not self._rates.allows(peer, now):
            limit = f"more than {self._options.requests_per_s_max:g} requests a second; wait"
            return self._later(Code.TOO_MANY_REQUESTS, limit)
        payload, block = request.payload, request.opt.block1
        if block is not None:
            key = (peer, device, request.code, request.opt.uri_path, request.opt.content_format)
            try:
                payload = self._uploads.add(key, block.start, payload, block.more, now)
            except TooLarge:
                return self._too_large()
            except TooMany:
                return self._later(Code.SERVICE_UNAVAILABLE, "too many block-wise transfers at once")
            except Incomplete:
                return _answer(Code.REQUEST_ENTITY_INCOMPLETE, "a block is missing; start again with block 0")
            if payload is None:
                return aiocoap.Message(code=Code.CONTINUE, block1=block)
        elif len(payload) > self._options.payload_bytes_max:
            return self._too_large()
        answer = await self._submit(payload, request.opt.content_format, device)
        if block is not None:
            answer.opt.block1 = block
        return answer

    async def _submit(self, payload: bytes, content_format: int | None, device: str | None) -> Any:
        decode = decoder(content_format, payload)
        if decode is None:
            given = "no Content-Format" if content_format is None else f"Content-Format {int(content_format)}"
            return _answer(Code.UNSUPPORTED_CONTENT_FORMAT, f"{given}; send {FORMATS_IN_WORDS}")
        if not payload:
            return _answer(Code.BAD_REQUEST, "the payload is empty")
        if self._in_flight >= self._options.in_flight_max or self._in_flight_bytes >= IN_FLIGHT_BYTES_MAX:
            return self._later(Code.SERVICE_UNAVAILABLE, "the hub is busy")
        self._in_flight += 1
        self._in_flight_bytes += len(payload)
        try:
            message = await decoded(len(payload), decode, payload, self._now())
            if device is not None:
                message = only(message, lambda named: named == device, f"the OSCORE context of {device}")
            (verdict,) = await self._intake.submit([message])
        finally:
            self._in_flight -= 1
            self._in_flight_bytes -= len(payload)
        if verdict is Verdict.STORED:
            return aiocoap.Message(code=Code.CHANGED)
        if verdict is Verdict.BUSY:
            return self._later(Code.SERVICE_UNAVAILABLE, "the hub is busy")
        why = (
            "; ".join(fault.detail for fault in message.faults[:3]) or "nothing in it could be used; see the quarantine"
        )
        return _answer(Code.BAD_REQUEST, why)

    def _too_large(self) -> Any:
        # Without Block1: with it, 4.13 would ask for smaller blocks instead (RFC 7959 §2.9.3).
        answer = _answer(Code.REQUEST_ENTITY_TOO_LARGE, f"at most {self._options.payload_bytes_max} bytes are taken")
        answer.opt.size1 = self._options.payload_bytes_max
        return answer

    def _later(self, code: Any, why: str) -> Any:
        answer = _answer(code, why)
        answer.opt.max_age = self._options.retry_after_s
        return answer


def _answer(code: Any, why: str) -> Any:
    """An answer with a diagnostic payload (RFC 7252 §5.5.2): short, so that it fits one datagram."""
    return aiocoap.Message(code=code, payload=why.encode()[:480].decode("utf-8", "ignore").encode())


async def serve(intake: Intake, options: CoapOptions, now: Callable[[], int], contexts: Contexts | None = None) -> Any:
    """A context that listens. `contexts`: of devices that protect what they say by OSCORE. Raises OSError where the address cannot be had."""
    site = resource.Site()
    site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader, impl_info=None))
    site.add_resource(["readings"], Readings(intake, options, now))
    served = site if contexts is None else contexts.guard(site)
    return await aiocoap.Context.create_server_context(served, bind=options.bind, transports=["udp6"])


def interface(context: Any) -> Any:
    """The UDP side of a context."""
    return context.request_interfaces[0].token_interface.message_interface


def guard(context: Any, rates: Rates, tally: Tally) -> None:
    """Stand before aiocoap, which has no hook for any of this, hence the replaced methods:

    - It remembers every message id of every endpoint for 247 s and stops answering an endpoint that used up its ids, so a flood must not
      reach it.
    - It passes over what is no CoAP message and answers that nobody waits for, and raises for options that are no text. All are counted here.
    - It answers a message with an id that it remembers as it answered the one before. Small devices begin at the same id after each sleep:
      what they say would be acknowledged and lost. Only the same bytes again are the same message.
    """
    tokens = context.request_interfaces[0]
    messages = tokens.token_interface
    udp = messages.message_interface
    received, expected, repeated = udp.datagram_msg_received, tokens.process_response, messages._deduplicate_message
    loop = asyncio.get_running_loop()
    said: dict[tuple[Any, int], int] = {}
    datagram = b""

    def datagram_msg_received(data: bytes, ancdata: Any, flags: int, address: Any) -> None:
        nonlocal datagram
        if not rates.allows(address[:2], loop.time()):
            tally.note(
                f"{address[0]} sends more than {DATAGRAMS_PER_S_MAX:g} datagrams a second; datagrams dropped", data
            )
            return
        datagram = data
        why = flaw(data)
        try:
            if not why:
                received(data, ancdata, flags, address)
        except UnicodeDecodeError:
            why = "an option is no text"
        if why:
            tally.note(f"this is no CoAP message: {why}", data, FaultKind.FRAME)

    def process_response(response: Any) -> bool:
        if expected(response):
            return True
        tally.note("an answer to no question of this hub: it came twice, too late, or was meant for the hub before", datagram, FaultKind.UNSUPPORTED)  # fmt: skip
        return False

    def deduplicate(message: Any) -> bool:
        key, now = (message.remote, message.mid), hash(datagram)
        before = said.get(key)
        said[key] = now
        if before is None:
            loop.call_later(message.transport_tuning.EXCHANGE_LIFETIME, said.pop, key, None)
        elif before != now and key in messages._recent_messages:
            messages._recent_messages[key] = None
            return False
        return bool(repeated(message))

    udp.datagram_msg_received = datagram_msg_received
    tokens.process_response = process_response
    messages._deduplicate_message = deduplicate
