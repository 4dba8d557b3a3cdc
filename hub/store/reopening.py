"""A store that could not be opened yet: the hub takes input and warns without it, and it is tried again whenever it is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, cast

from hub.bilingual import NOTHING
from hub.error_words import words_of
from hub.ports import StoreUnavailable
from hub.store.rollups import RollupStore

TRY_EVERY_S = 5.0


class _Reopening:
    """Hands every call to the store behind it. Raises `StoreUnavailable` with the reason while there is none."""

    def __init__(self, opening: Callable[[], RollupStore]) -> None:
        self._opening = opening
        self._store: RollupStore | None = None
        self._reason = NOTHING
        self._tried_at = -TRY_EVERY_S
        self._one_at_a_time = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened(), name)

    def _opened(self) -> RollupStore:
        """Several threads ask at once when the hub starts: one opens, the others wait for what it finds."""
        with self._one_at_a_time:
            if self._store is None:
                if time.monotonic() - self._tried_at < TRY_EVERY_S:
                    raise StoreUnavailable(self._reason)
                self._tried_at = time.monotonic()
                try:
                    self._store = self._opening()
                except StoreUnavailable as error:
                    self._reason = words_of(error)
                    raise
            return self._store

    def close(self) -> None:
        if self._store is not None:
            self._store.close()


def reopening(opening: Callable[[], RollupStore]) -> RollupStore:
    """The store as soon as it can be opened. `opening` raises `StoreUnavailable` until then."""
    return cast(RollupStore, _Reopening(opening))
