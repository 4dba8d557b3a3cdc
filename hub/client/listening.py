"""The live stream: server-sent events, each once, also over a connection that breaks."""

from __future__ import annotations

from typing import Any

import msgspec
from httpx_sse import ServerSentEvent

WAIT_S, WAIT_MAX_S = 1.0, 30.0
"""Before the stream is opened again; doubled each time that nothing came of it."""


class Heard(msgspec.Struct, frozen=True):
    """An event: `devices`, `change` (of a warning) or `status`, as docs/api.md says, and its id, to go on after it another day."""

    id: str
    event: str
    data: dict[str, Any]


class Place:
    """Where a listener stands in the stream, and how long to wait before the next try."""

    def __init__(self, last_event_id: str) -> None:
        self.last_event_id = last_event_id
        self.wait_s = WAIT_S

    @property
    def headers(self) -> dict[str, str]:
        said = {"accept": "text/event-stream"}
        return said | {"last-event-id": self.last_event_id} if self.last_event_id else said

    def took(self, event: ServerSentEvent) -> Heard:
        """An event came: after it the stream goes on, and it is worth trying soon."""
        self.last_event_id, self.wait_s = event.id, WAIT_S
        return Heard(event.id, event.event, msgspec.json.decode(event.data, type=dict[str, Any]))

    def next_wait(self, asked_s: float = 0.0) -> float:
        """Seconds to wait now. `asked_s`: what the hub asked for."""
        wait, self.wait_s = max(self.wait_s, asked_s), min(self.wait_s * 2, WAIT_MAX_S)
        return wait
