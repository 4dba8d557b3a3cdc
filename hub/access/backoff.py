"""Guessing made slow: after some failures each further one doubles the wait; and a bucket that bounds how often anybody asks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import msgspec

KEYS_MAX = 20_000
"""Names and addresses remembered; the one unheard for longest gives way."""


class _Failures(msgspec.Struct):
    count: int = 0
    free_at: float = 0.0
    last_at: float = 0.0


class Backoff:
    """`free` failures cost nothing; each further one a wait of 1, 2, 4 … `longest_s` seconds. An hour without one forgives."""

    FORGIVEN_S = 3600.0

    def __init__(self, clock: Callable[[], float], free: int, longest_s: float = 900.0) -> None:
        self._clock, self._free, self._longest_s = clock, free, longest_s
        self._found: OrderedDict[str, _Failures] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """How long this one must still wait; 0 where it may try."""
        found = self._found.get(key)
        if found is None:
            return 0.0
        at = self._clock()
        if at - found.last_at > self.FORGIVEN_S:
            del self._found[key]
            return 0.0
        return max(0.0, found.free_at - at)

    def failed(self, key: str) -> None:
        found = self._found.setdefault(key, _Failures())
        self._found.move_to_end(key)
        while len(self._found) > KEYS_MAX:
            self._found.popitem(last=False)
        at = self._clock()
        found.count, found.last_at = found.count + 1, at
        if found.count >= self._free:
            found.free_at = at + min(self._longest_s, 2.0 ** min(30, found.count - self._free))

    def worked(self, key: str) -> None:
        self._found.pop(key, None)


class Buckets:
    """A rate a key, with a burst: `take` says whether one more is fine."""

    def __init__(self, clock: Callable[[], float], per_s: float, burst: float) -> None:
        self._clock, self._per_s, self._burst = clock, per_s, burst
        self._found: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> bool:
        at = self._clock()
        left, since = self._found.get(key, (self._burst, at))
        left = min(self._burst, left + (at - since) * self._per_s)
        fine = left >= 1
        self._found[key] = (left - 1 if fine else left, at)
        self._found.move_to_end(key)
        while len(self._found) > KEYS_MAX:
            self._found.popitem(last=False)
        return fine
