"""Decoding large payloads where it holds nobody up.

A payload in which much is wrong costs most: a fault for each value, with a sentence. A thread takes that from the event loop, which goes on
serving devices between the interpreter's switches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec

from hub.model import Message

P = ParamSpec("P")

AT_ONCE_BYTES = 32 << 10
"""What is decoded on the event loop itself; this many bytes take some ten milliseconds at worst."""


async def decoded(size: int, decode: Callable[P, Message], *args: P.args, **kwargs: P.kwargs) -> Message:
    """What `decode` makes of a payload of `size` bytes; of a large one in a thread. Raises what it raises."""
    if size > AT_ONCE_BYTES:
        return await asyncio.to_thread(decode, *args, **kwargs)
    return decode(*args, **kwargs)
