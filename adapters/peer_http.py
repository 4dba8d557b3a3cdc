"""HTTP towards a peer that takes alerts: one client, one time limit for the whole exchange, and what its answers mean."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import httpx
import msgspec

from adapters.webhook.sink import outcome, unanswered, unreached
from hub.ports import Delivery
from hub.tls import ClientTls

ANSWER_BYTES_MAX = 256 << 10
"""Longer answers are cut: nobody needs more of them than their beginning."""


class Answer(msgspec.Struct, frozen=True):
    """What came back. `status` 0: no answer, `detail` says why."""

    status: int
    body: bytes = b""
    retry_after: str | None = None
    detail: str = ""
    detail_zh: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return 200 <= self.status <= 299

    def delivery(self, now: int) -> Delivery:
        """As `outcome` says: 2xx taken, most 4xx refused for good, all else worth another attempt."""
        if not self.status:
            return Delivery(False, detail=self.detail, detail_zh=self.detail_zh)
        words = "" if self.ok else " ".join(self.body[:500].decode("utf-8", "replace").split())
        return outcome(self.status, self.retry_after, words, now)


class Peer:
    """One HTTP peer. Never raises for what it does."""

    def __init__(
        self,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        ca_file: str | None = None,
        auth: httpx.Auth | None = None,
        cert: tuple[str, str | None] | None = None,
        crl_file: str | None = None,
    ) -> None:
        """`cert`: files of the certificate, and of its key, that this side shows; `crl_file`: what the authorities of `ca_file` took back. The files are read
        again as soon as they change. Raises OSError where they cannot be read."""
        self._timeout_s = timeout_s
        own, key = cert or (None, None)
        self._tls = ClientTls(ca_file, own, key, crl_file, "ca_file") if ca_file or cert else None
        self._made = partial(
            httpx.AsyncClient,
            headers={"user-agent": "cityhub", **(headers or {})},
            timeout=timeout_s,
            follow_redirects=False,
            verify=self._tls.context if self._tls else True,
            auth=auth,
            trust_env=False,
        )
        self._client = self._made()

    async def ask(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        await self._renew()
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream(method, url, content=body, headers=dict(headers or {})) as answer,
            ):
                read = b""
                async for chunk in answer.aiter_bytes():
                    read += chunk
                    if len(read) >= ANSWER_BYTES_MAX:
                        break
                return Answer(answer.status_code, read, answer.headers.get("retry-after"), headers=dict(answer.headers))
        except TimeoutError:
            failed = unanswered(self._timeout_s)
            return Answer(0, detail=failed.detail, detail_zh=failed.detail_zh)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            failed = unreached(url, error)
            return Answer(0, detail=failed.detail, detail_zh=failed.detail_zh)

    async def ask_json(self, method: str, url: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.ask(
            method, url, msgspec.json.encode(body), {"content-type": "application/json", **(headers or {})}
        )

    async def _renew(self) -> None:
        """Go by the TLS files as they are now. No connection of before is used again, as the peer's certificate may have been taken back."""
        if self._tls is None or not self._tls.renewed():
            return
        before, self._client = self._client, self._made()
        await before.aclose()

    async def close(self) -> None:
        await self._client.aclose()
