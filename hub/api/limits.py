"""How often anybody may ask: a rate for each user or token, and one for each address, so that one of them cannot take the hub from all others."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping

from hub.access import Principal
from hub.access.backoff import Buckets
from hub.api.problem import Problem

BURST_S = 10
"""What was not asked in so many seconds may be asked at once: a console that opens, a gateway that sends what it has kept."""


class Limits:
    """`limited`: how many requests were refused, by "principal" and "address". A rate of 0 is no limit."""

    def __init__(
        self,
        principal_per_s: float,
        address_per_s: float,
        limited: MutableMapping[str, int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limited = limited
        self._rates = {"principal": principal_per_s, "address": address_per_s}
        self._buckets = {by: Buckets(clock, rate, max(1.0, rate * BURST_S)) for by, rate in self._rates.items() if rate}

    def address(self, address: str) -> None:
        """One more request from there. Raises `Problem` 429."""
        self._take("address", address, f"the address {address}")

    def principal(self, who: Principal) -> None:
        """One more request of theirs, from wherever. Raises `Problem` 429."""
        self._take("principal", f"{who.kind} {who.name}", f"the {who.kind} {who.name!r}")

    def _take(self, by: str, key: str, told: str) -> None:
        buckets = self._buckets.get(by)
        if buckets is None or buckets.take(key):
            return
        self._limited[by] = self._limited.get(by, 0) + 1
        rate = self._rates[by]
        wait_s = max(1, round(1 / rate))
        raise Problem(
            429,
            f"{told} asks more often than {rate:g} times a second; ask again in {wait_s} s",
            {"Retry-After": str(wait_s)},
        )
