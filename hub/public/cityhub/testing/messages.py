"""What a codec made of some bytes, as plain data that tests can compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hub.model import Message
from hub.ports import Codec


def decoded(codec: Codec, chunks: Sequence[bytes], received_at: int | None = None) -> list[Message]:
    """All messages of these chunks, up to the stream's end."""
    messages = [message for chunk in chunks for message in codec.feed(chunk, received_at)]
    return messages + codec.end(received_at)


def detail(message: Message) -> Any:
    body = message.body
    return body.detail() if hasattr(body, "detail") else msgspec.to_builtins(body)


def seen(messages: Sequence[Message]) -> list[Any]:
    """Messages as plain, comparable data."""
    return [
        (
            msgspec.to_builtins(message.readings),
            [(fault.kind, fault.detail, fault.raw) for fault in message.faults],
            message.device,
            detail(message),
            message.raw,
            message.login,
            message.credential,
        )
        for message in messages
    ]
