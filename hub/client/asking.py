"""Who asks: one client that blocks, and one for asyncio; both put the same calls."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
from httpx_sse import EventSource

from hub.api.questions import Spoken
from hub.client import calls
from hub.client.call import Call
from hub.client.errors import Away, of_answer
from hub.client.listening import Heard, Place

T = TypeVar("T")
TIMEOUT_S = 30.0
SILENT_S = 15.0
"""The hub says its status each second: a stream that is silent for so long is none any more."""
CSRF = "X-CSRF-Token"


Certificate = tuple[Path | str, Path | str | None]
"""PEM files of a client certificate and its key; one file may hold both."""


def _settings(token: str | None, ca_file: Path | str | None, certificate: Certificate | None) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    # An address without a certificate of a known authority is refused; `ca_file` names a private one.
    verify: ssl.SSLContext | bool = True
    if ca_file or certificate:
        verify = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        if certificate:
            verify.load_cert_chain(*certificate)
    return {"headers": headers, "verify": verify}


def _listening(asked: Spoken | None, place: Place) -> dict[str, Any]:
    timeout = httpx.Timeout(TIMEOUT_S, read=SILENT_S)
    return {"method": "GET", "url": calls.stream(asked).address, "headers": place.headers, "timeout": timeout}


class Client:
    """A hub at `address`, such as "https://hub.example:8443". Raises `Refused` for what the hub refuses, `Away` for what may be asked again.

    `token`: of a program. People log in. `certificate`: by which the hub knows who asks. `transport`: another way to the hub than its address, such as the socket in its data folder.
    """

    def __init__(
        self,
        address: str,
        token: str | None = None,
        *,
        ca_file: Path | str | None = None,
        certificate: Certificate | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(
            base_url=address, timeout=timeout_s, transport=transport, **_settings(token, ca_file, certificate)
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def log_in(self, user: str, password: str) -> None:
        """Ask as this user from now on."""
        self._http.headers[CSRF] = self.ask(calls.log_in(user, password)).csrf or ""

    def ask(self, call: Call[T]) -> T:
        """The answer."""
        try:
            answer = self._http.request(call.method, call.address, content=call.content, headers=call.headers)
        except httpx.HTTPError as error:
            raise Away(f"no answer from {self._http.base_url}: {error or type(error).__name__}") from error
        return call.read(answer.status_code, answer.headers, answer.content)

    def pages(self, call: Call[T]) -> Iterator[T]:
        """A list, part by part as the hub gives it: this answer and all that follow."""
        following: Call[T] | None = call
        while following is not None:
            answer = self.ask(following)
            yield answer
            following = _next(call, answer)

    def listen(self, asked: Spoken | None = None, last_event_id: str = "") -> Iterator[Heard]:
        """The live stream, without end: a connection that breaks is made anew, and goes on behind the last event. `last_event_id`: of an event heard another
        day. Raises `Refused` where the hub does not let this listener in (any more)."""
        place = Place(last_event_id)
        while True:
            asked_s = 0.0
            try:
                with self._http.stream(**_listening(asked, place)) as answer:
                    if answer.status_code >= 400:
                        raise of_answer(answer.status_code, answer.headers, answer.read())
                    for event in EventSource(answer).iter_sse():
                        yield place.took(event)
            except Away as away:
                asked_s = away.retry_after_s
            except httpx.HTTPError:
                pass
            time.sleep(place.next_wait(asked_s))


class AsyncClient:
    """As `Client`, for asyncio."""

    def __init__(
        self,
        address: str,
        token: str | None = None,
        *,
        ca_file: Path | str | None = None,
        certificate: Certificate | None = None,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=address, timeout=timeout_s, transport=transport, **_settings(token, ca_file, certificate)
        )

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def log_in(self, user: str, password: str) -> None:
        """Ask as this user from now on."""
        self._http.headers[CSRF] = (await self.ask(calls.log_in(user, password))).csrf or ""

    async def ask(self, call: Call[T]) -> T:
        """The answer."""
        try:
            answer = await self._http.request(call.method, call.address, content=call.content, headers=call.headers)
        except httpx.HTTPError as error:
            raise Away(f"no answer from {self._http.base_url}: {error or type(error).__name__}") from error
        return call.read(answer.status_code, answer.headers, answer.content)

    async def pages(self, call: Call[T]) -> AsyncIterator[T]:
        """A list, part by part as the hub gives it: this answer and all that follow."""
        following: Call[T] | None = call
        while following is not None:
            answer = await self.ask(following)
            yield answer
            following = _next(call, answer)

    async def listen(self, asked: Spoken | None = None, last_event_id: str = "") -> AsyncIterator[Heard]:
        """As `Client.listen`."""
        place = Place(last_event_id)
        while True:
            asked_s = 0.0
            try:
                async with self._http.stream(**_listening(asked, place)) as answer:
                    if answer.status_code >= 400:
                        raise of_answer(answer.status_code, answer.headers, await answer.aread())
                    async for event in EventSource(answer).aiter_sse():
                        yield place.took(event)
            except Away as away:
                asked_s = away.retry_after_s
            except httpx.HTTPError:
                pass
            await asyncio.sleep(place.next_wait(asked_s))


def _next(call: Call[T], answer: T) -> Call[T] | None:
    """The question that leads to what follows this part of a list; None behind the last."""
    address = answer.get("next") if isinstance(answer, dict) else getattr(answer, "next", None)
    return call.at(address) if address else None
