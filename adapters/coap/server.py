"""The hub as CoAP server: devices POST or PUT readings, and are told 2.04 only after the hub's verdict (law 1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiocoap
from aiocoap import Code, resource

from adapters.coap.exchange import FORMATS_IN_WORDS, Incomplete, Rates, TooLarge, TooMany, Uploads, decoder
from adapters.coap.options import CoapOptions
from adapters.coap.protection import Contexts, endpoint, speaker
from hub.decoding import decoded
from hub.identity import only
from hub.model import Fault, FaultKind, Message, Verdict
from hub.ports import Intake

DATAGRAMS_PER_S_MAX = 200.0
"""Of one endpoint. At some 265 a second it would use up its 65,536 message ids within the 247 s that they are remembered."""

HEADER_BYTES, VERSION = 4, 1
"""Of any message (RFC 7252 §3)."""
MALFORMED_MAX, MALFORMED_EVERY_S = 50, 1.0
"""So many datagrams are kept that are no CoAP, each second."""

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


class Malformed:
    """Datagrams that are no CoAP message. They get no answer (RFC 7252 §4.2 and §4.3 leave that free), and go to quarantine once a second."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._waiting: list[Fault] = []

    def note(self, data: bytes, why: str) -> None:
        """Of a flood only the first of a second are kept."""
        if len(self._waiting) < MALFORMED_MAX:
            self._waiting.append(Fault(FaultKind.FRAME, f"this is no CoAP message: {why}", data))

    async def run(self) -> None:
        while True:
            await asyncio.sleep(MALFORMED_EVERY_S)
            if self._waiting:
                faults, self._waiting = self._waiting, []
                await self._intake.submit([Message([], faults, raw=faults[0].raw)])


def guard(context: Any, rates: Rates, malformed: Malformed) -> None:
    """Drop the datagrams of a flooding endpoint before aiocoap sees them, and catch what it raises for options that are no text.

    aiocoap remembers every message id of every endpoint for 247 s and stops answering an endpoint that used up its ids,
    so its memory must be guarded in front of it; it has no hook for that, hence the replaced method.
    """
    udp = interface(context)
    received = udp.datagram_msg_received
    loop = asyncio.get_running_loop()

    def datagram_msg_received(data: bytes, ancdata: Any, flags: int, address: Any) -> None:
        if not rates.allows(address[:2], loop.time()):
            return
        try:
            if len(data) < HEADER_BYTES or data[0] >> 6 != VERSION:
                raise ValueError("it does not begin with a header of version 1")
            received(data, ancdata, flags, address)
        except ValueError as error:  # of an option that is no UTF-8, too
            malformed.note(data, str(error))

    udp.datagram_msg_received = datagram_msg_received
