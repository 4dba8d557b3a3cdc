"""The webhook destination: one POST an alert change. What its answers mean stands in `outcome`."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from adapters.webhook import consent
from adapters.webhook.signing import secret_keys, signed_headers
from hub.error_words import unreachable
from hub.model import AlertChange
from hub.moment import from_datetime, to_text
from hub.ports import Delivery
from hub.secret_files import secret
from hub.tls import believing
from hub.wire import change_to_json

ANSWER_BYTES_MAX = 2_048
"""What is read of an answer; it goes into the record of the attempt."""
TEMPORARY = frozenset({401, 403, 407, 408, 425, 429})
"""Client errors that another attempt may cure. With a wrong token (401, 403, 407) every warning would be a dead letter, and the token can be mended."""


class WebhookOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a `[[sinks]]` block with protocol = "webhook"."""

    url: str
    """http:// or https://."""
    secret_env: str | None = None
    """Environment variable that holds the signing secret, `whsec_` and base64; several, separated by blanks, sign side by side."""
    secret_file: str | None = None
    """File that holds the signing secret."""
    token_env: str | None = None
    """Environment variable with a token for `Authorization: Bearer`, if the receiver wants one."""
    token_file: str | None = None
    envelope: str = ""
    """ "cloudevents": the body as the `data` of a CloudEvents 1.0 event (structured JSON)."""
    timeout_s: float = 15.0
    """For the whole exchange, so that an answer that trickles in does not hold the line."""
    ca_file: str | None = None
    """Certificate authority (PEM) of a receiver with a private one."""
    request_origin: str = ""
    """A DNS name for this hub, such as hub.city.example: the receiver is first asked by OPTIONS whether it agrees (CloudEvents
    webhooks, "abuse protection"); without its consent nothing is sent."""
    request_rate_per_min: int = 0
    """With `request_origin`: how many requests a minute to ask for; 0 names none. What the receiver allows is kept to."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url: {self.url!r} is no http:// or https:// address")
        if self.envelope not in ("", "cloudevents"):
            raise ValueError(f'envelope = {self.envelope!r}: "cloudevents" was meant, or nothing')
        if self.timeout_s <= 0:
            raise ValueError("timeout_s: must be above 0")
        if self.request_origin and not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", self.request_origin):
            raise ValueError(f"request_origin = {self.request_origin!r}: a DNS name such as hub.city.example was meant")
        if self.request_rate_per_min < 0 or (self.request_rate_per_min and not self.request_origin):
            raise ValueError("request_rate_per_min: requests a minute to ask for, together with request_origin")


class WebhookSink:
    """A `hub.ports.Sink`. Raises ValueError or OSError when made from options whose secrets cannot be had."""

    def __init__(self, options: WebhookOptions) -> None:
        self._options = options
        self._keys = secret_keys(secret("secret", options.secret_env, options.secret_file))
        kind = "application/cloudevents+json" if options.envelope else "application/json"
        headers = {"content-type": kind, "user-agent": "cityhub"}
        if token := secret("token", options.token_env, options.token_file):
            headers["authorization"] = f"Bearer {token}"
        verify = believing(options.ca_file) if options.ca_file else True
        self._client = httpx.AsyncClient(
            headers=headers, timeout=options.timeout_s, follow_redirects=False, verify=verify
        )
        self._consent: consent.Consent | None = None
        self._minute = consent.Minute()

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        if self._options.request_origin and (refusal := await self._ask_consent(now)):
            return refusal
        said = cloud_event(change, key) if self._options.envelope else change_to_json(change)
        body = json.dumps(said, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        headers = signed_headers(self._keys, key, now, body)
        if self._options.request_origin:
            headers["WebHook-Request-Origin"] = self._options.request_origin
        try:
            async with (
                asyncio.timeout(self._options.timeout_s),
                self._client.stream("POST", self._options.url, content=body, headers=headers) as answer,
            ):
                return outcome(answer.status_code, answer.headers.get("retry-after"), await _words(answer), now)
        except TimeoutError:
            return unanswered(self._options.timeout_s)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return unreached(self._options.url, error)

    async def _ask_consent(self, now: int) -> Delivery | None:
        """None where a request may go now; else why not, and for how long."""
        if self._consent is None or not 0 <= now - self._consent.at < consent.HOLDS_NS:
            asking = consent.asking(self._options.request_origin, self._options.request_rate_per_min)
            try:
                async with (
                    asyncio.timeout(self._options.timeout_s),
                    self._client.stream("OPTIONS", self._options.url, headers=asking) as answer,
                ):
                    found = consent.read(answer.headers, self._options.request_origin, now)
            except TimeoutError:
                return Delivery(False, detail=f"no answer to OPTIONS within {self._options.timeout_s:g} s")
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                return unreached(self._options.url, error)
            if isinstance(found, str):
                if answer.status_code >= 500 or answer.status_code in TEMPORARY:
                    return outcome(answer.status_code, answer.headers.get("retry-after"), "to OPTIONS", now)
                return Delivery(False, detail=found, retry_after_s=consent.ASK_AGAIN_S)
            self._consent = found
        if wait_s := self._minute.wait_s(self._consent.per_minute, now):
            detail = f"held: the receiver allows {self._consent.per_minute} requests a minute"
            return Delivery(False, detail=detail, retry_after_s=wait_s)
        return None

    async def close(self) -> None:
        await self._client.aclose()


def cloud_event(change: AlertChange, key: str) -> dict[str, Any]:
    """The change as a CloudEvents 1.0.2 event in structured mode: `id` and `source` together name it once."""
    return {
        "specversion": "1.0",
        "id": key,
        "source": f"/cityhub/rules/{quote(change.rule)}",
        "type": f"io.cityhub.alert.{change.change.value}",
        "subject": change.subject or "-",
        "time": to_text(change.at),
        "datacontenttype": "application/json",
        "data": change_to_json(change),
    }


def unanswered(timeout_s: float) -> Delivery:
    """No answer within the time that there was."""
    return Delivery(False, detail=f"no answer within {timeout_s:g} s", detail_zh=f"{timeout_s:g} 秒内没有应答")


def unreached(url: str, error: Exception) -> Delivery:
    """Nothing was exchanged, or not all of it. Of the address only host and port are told: a path may be a secret."""
    said = unreachable(urlsplit(url).netloc.rpartition("@")[2], error)
    return Delivery(False, detail=said.en, detail_zh=said.zh)


def outcome(status: int, retry_after: str | None, words: str, now: int) -> Delivery:
    """What an answer means: 2xx taken, 410 wants no more, 4xx refused for good but for `TEMPORARY`, all else worth another attempt.

    Redirects are not followed: the body and its signature go nowhere but where the city said.
    """
    detail = f"HTTP {status}: {words}" if words else f"HTTP {status}"
    detail_zh = f"对方应答 HTTP {status}" + (f"：「{words}」" if words else "")
    if 200 <= status <= 299:
        return Delivery(True, detail=detail, detail_zh=detail_zh)
    if status == 410:
        return Delivery(False, final=True, detail=detail, detail_zh=detail_zh, gone=True)
    if 400 <= status <= 499 and status not in TEMPORARY:
        return Delivery(False, final=True, detail=detail, detail_zh=detail_zh)
    return Delivery(False, detail=detail, detail_zh=detail_zh, retry_after_s=_seconds(retry_after, now))


def _seconds(retry_after: str | None, now: int) -> float | None:
    """Retry-After (RFC 9110 §10.2.3): seconds, or a date. Nothing that makes sense is None."""
    if retry_after is None:
        return None
    retry_after = retry_after.strip()
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:12])
    try:
        moment = parsedate_to_datetime(retry_after)
        at = from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, TypeError):
        return None
    return max(0.0, (at - now) / 1e9)


async def _words(answer: httpx.Response) -> str:
    """The beginning of the body. After 2xx nobody reads it."""
    if answer.is_success:
        return ""
    read = b""
    async for chunk in answer.aiter_bytes():
        read += chunk
        if len(read) >= ANSWER_BYTES_MAX:
            break
    return " ".join(read[:ANSWER_BYTES_MAX].decode("utf-8", "replace").split())
