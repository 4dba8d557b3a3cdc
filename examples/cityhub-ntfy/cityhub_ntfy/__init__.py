"""ntfy: alerts on phones, found by the entry point in pyproject.toml."""

from __future__ import annotations

import os

import httpx
import msgspec

from cityhub.plugin import AlertChange, Delivery, Plugin, change_to_json

PRIORITIES = {"blue": 2, "yellow": 3, "orange": 4, "red": 5}
"""Of a message, 1 to 5 (https://docs.ntfy.sh/publish/#message-priority)."""


class NtfyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Keys of the [[sinks]] block."""

    url: str
    topic: str
    token_env: str | None = None
    timeout_s: float = 10.0


class NtfySink:
    """One message for each change, in order. Raises ValueError where the token's variable is not set."""

    def __init__(self, options: NtfyOptions) -> None:
        self._options = options
        headers = {}
        if options.token_env:
            token = os.environ.get(options.token_env)
            if not token:
                raise ValueError(f"the environment variable {options.token_env} is not set")
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx.AsyncClient(timeout=options.timeout_s, headers=headers)

    async def deliver(self, change: AlertChange, key: str, now: int) -> Delivery:
        try:
            answer = await self._client.post(self._options.url, json=message(change, self._options.topic))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Delivery(False, detail=f"{type(error).__name__}: {error}")
        if answer.is_success:
            return Delivery(True)
        passes = answer.status_code == 429 or answer.status_code >= 500
        return Delivery(False, final=not passes, detail=f"HTTP {answer.status_code}")

    async def close(self) -> None:
        await self._client.aclose()


def message(change: AlertChange, topic: str) -> dict[str, object]:
    """The change as ntfy's JSON; a warning that has ended comes without noise."""
    said = change_to_json(change)
    over = said["change"] in ("cleared", "expired")
    return {
        "topic": topic,
        "title": f"{said['level']}: {said['change']}",
        "message": change.title,
        "priority": 1 if over else PRIORITIES.get(said["level"], 3),
        "tags": ["white_check_mark" if over else "warning"],
    }


def _sink(name: str, options: NtfyOptions) -> NtfySink:
    return NtfySink(options)


PLUGIN = Plugin(protocol="ntfy", summary="alerts on phones by ntfy", sink_options=NtfyOptions, sink=_sink)
