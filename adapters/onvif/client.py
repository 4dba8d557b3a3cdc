"""Asking ONVIF devices: requests signed by the device's own clock, and what came back.

A WS-UsernameToken is good for seconds round the device's time (WS-Security UsernameToken Profile 1.0, §3.1), and cameras' clocks are
often wrong; so the device is asked for its time first (GetSystemDateAndTime needs no login), and again when it refuses a token.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from adapters.onvif import soap
from adapters.peer_http import Answer, Peer

DEVICE_PATH = "/onvif/device_service"
"""Every ONVIF device has its device service here (Core Specification, 5.1.1)."""
CLOCKS_MAX = 10_000


class Reply(msgspec.Struct, frozen=True):
    """An answer: `fault` is the device's refusal in its words, "" without one."""

    answer: Answer
    fault: str

    @property
    def ok(self) -> bool:
        return self.answer.ok and not self.fault

    @property
    def why_not(self) -> str:
        """In a sentence what went wrong, "" where nothing did."""
        if self.fault:
            return f"fault: {self.fault}"
        if self.answer.ok:
            return ""
        return self.answer.detail or f"HTTP {self.answer.status}"


class Client:
    """One account for many devices. Never raises for what they do."""

    def __init__(self, peer: Peer, username: str, password: str, now: Callable[[], int]) -> None:
        self._peer, self._username, self._password, self._now = peer, username, password, now
        self._ahead: dict[str, int] = {}

    async def ask(self, url: str, body: str) -> Reply:
        """One request. A refused token is made anew once, by the device's clock as it is now."""
        if self._username and url_of_device(url) not in self._ahead:
            await self.clock_ahead(url)
        reply = await self._once(url, body)
        if self._username and ("NotAuthorized" in reply.fault or "FailedAuthentication" in reply.fault):
            before = self._ahead.get(url_of_device(url), 0)
            if abs(await self.clock_ahead(url) - before) > 1_000_000_000:
                reply = await self._once(url, body)
        return reply

    async def clock_ahead(self, url: str) -> int:
        """How far (ns) the device's clock is before ours; 0 where it does not tell."""
        device = url_of_device(url)
        request = soap.envelope(soap.ask_device("GetSystemDateAndTime"), "", "", 0, b"")
        answer = await self._peer.ask("POST", device, request, {"content-type": soap.TYPE})
        said = soap.clock(answer.body)
        if len(self._ahead) >= CLOCKS_MAX:
            self._ahead.clear()
        if answer.status:  # a device that could not be reached is asked again
            self._ahead[device] = 0 if said is None else said - self._now()
        return self._ahead.get(device, 0)

    async def _once(self, url: str, body: str) -> Reply:
        at = self._now() + self._ahead.get(url_of_device(url), 0)
        request = soap.envelope(body, self._username, self._password, at, secrets.token_bytes(16))
        answer = await self._peer.ask("POST", url, request, {"content-type": soap.TYPE})
        return Reply(answer, soap.fault(answer.body))


def url_of_device(url: str) -> str:
    """The device service of the device that has this service."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{DEVICE_PATH}"
