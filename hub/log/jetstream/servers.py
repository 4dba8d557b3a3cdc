"""The client of the NATS servers, in a thread and an event loop of its own: so whoever reads the log may also block for it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, TypeVar

try:
    import nats
    import nats.errors
except ImportError:  # pragma: no cover
    raise ImportError(
        "a log on servers needs the package nats-py, which `pip install cityhub[cluster]` brings"
    ) from None

from nats.aio.client import Client
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NotFoundError
from nats.js.kv import KeyValue

logger = logging.getLogger(__name__)

CONNECT_S = 10.0
"""How long the first connection may take, over all servers."""
CALL_S = 5.0
"""How long one question to the servers may take."""
INSIST_S, OPENING_S = 10.0, 30.0
"""How long what may be asked twice is asked; and by a hub that has its turn, whose start would fail otherwise."""
AGAIN_S = 0.2
TROUBLES = (nats.errors.Error, OSError, TimeoutError, CancelledError)
"""What calls raise where the servers do not answer, or say no; the last where the client, closing, drops a call."""

Result = TypeVar("Result")


def _says_no(error: BaseException) -> bool:
    """Whether this is an answer, and asking once more would bring the same. 503 is none: there is no leader, or nobody to answer."""
    if isinstance(error, CancelledError | PermissionError):
        return True
    return isinstance(error, APIError) and error.code != 503


class Servers:
    """One connection, which comes again by itself whenever it is lost, to whichever server answers. Use it from any thread."""

    def __init__(self, urls: Sequence[str], name: str = "cityhub") -> None:
        """Raises OSError with a sentence where no server answers."""
        self.urls = tuple(urls)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nats", daemon=True)
        self._thread.start()
        self._connected = threading.Event()
        try:
            self.client: Client = self.wait(self._connect(name), CONNECT_S + 1)
        except TROUBLES as error:
            self._end_loop()
            raise OSError(
                f"no server of the log answers at {', '.join(urls)} ({error or type(error).__name__})"
            ) from None
        self.js: JetStreamContext = self.client.jetstream(timeout=CALL_S)

    async def _connect(self, name: str) -> Client:
        async def lost() -> None:
            self._connected.clear()

        async def back() -> None:
            self._connected.set()

        async def failed(error: Exception) -> None:
            logger.debug("servers of the log: %r", error)

        client = await asyncio.wait_for(
            nats.connect(
                list(self.urls),
                name=name,
                connect_timeout=2,
                reconnect_time_wait=0.2,
                max_reconnect_attempts=-1,
                ping_interval=1,  # a machine that is lost closes no connection
                max_outstanding_pings=2,
                error_cb=failed,
                disconnected_cb=lost,
                reconnected_cb=back,
            ),
            CONNECT_S,
        )
        self._connected.set()
        return client

    @property
    def connected(self) -> bool:
        return self._connected.is_set()

    def start(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Run this beside everything else."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run this and wait for it in the caller's event loop."""
        return await asyncio.wrap_future(self.start(work))

    def wait(self, work: Coroutine[Any, Any, Result], within_s: float = 30.0) -> Result:
        """Run this and block for it. Raises TimeoutError."""
        future = self.start(work)
        try:
            return future.result(within_s)
        except TimeoutError:
            future.cancel()
            raise

    def insist(self, ask: Callable[[], Coroutine[Any, Any, Result]], what: str, within_s: float = INSIST_S) -> Result:
        """As `demand`, for what may be asked twice: again for so long, as servers that have just lost one of theirs answer nothing for
        seconds. Who says no is asked no more."""
        until = time.monotonic() + within_s
        while True:
            try:
                return self.wait(ask())
            except TROUBLES as error:
                if _says_no(error) or time.monotonic() >= until:
                    raise OSError(f"{what} ({error or type(error).__name__})") from None
            time.sleep(AGAIN_S)

    def demand(self, work: Coroutine[Any, Any, Result], what: str, within_s: float = 30.0) -> Result:
        """As `wait`. Raises OSError, with `what` could not be done, where the servers do not answer or say no."""
        try:
            return self.wait(work, within_s)
        except TROUBLES as error:
            raise OSError(f"{what} ({error or type(error).__name__})") from None

    def bucket(self, name: str, replicas: int, ttl_s: float | None = None) -> KeyValue:
        """A key-value bucket, made where it is not there; keys go by themselves after `ttl_s`."""

        async def opened() -> KeyValue:
            with suppress(NotFoundError):
                return await self.js.key_value(name)
            config = api.KeyValueConfig(
                bucket=name, history=1, replicas=replicas, storage=api.StorageType.FILE, ttl=ttl_s
            )
            return await self.js.create_key_value(config)

        return self.insist(opened, f"the bucket {name} cannot be had from the servers of the log", OPENING_S)

    def close(self) -> None:
        """End the connection. What is under way fails."""
        with suppress(*TROUBLES):
            self.wait(asyncio.wait_for(self.client.close(), CALL_S), CALL_S + 1)
        self._end_loop()

    def _end_loop(self) -> None:
        async def rest() -> None:
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        with suppress(*TROUBLES):
            self.wait(rest(), CALL_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_S)
        if not self._thread.is_alive():
            self._loop.close()
