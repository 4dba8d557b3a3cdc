"""What stateful operators remember, per rule and subject. All advance on event time, once per observed moment."""

from __future__ import annotations

from math import exp
from typing import Any, Protocol

from rules.figures.derived import LARGEST
from rules.figures.landslide import Tanks, soil_water_step
from rules.state.learning import Expectation, Residual, Unchanged

SECOND = 1_000_000_000


NEVER = -(1 << 62)


class Memory(Protocol):
    """`push` takes the moment and its operands; `value` is what expressions read."""

    value: Any

    def push(self, at: int, *operands: Any) -> None: ...
    def freeze(self) -> Any: ...
    def thaw(self, frozen: Any) -> None: ...


class KofN:
    """Whether a condition was certainly true in at least k of the last n moments at which it was known."""

    __slots__ = ("at", "k", "n", "outcomes", "told", "value")

    def __init__(self, k: float, n: float) -> None:
        self.k, self.n = int(k), int(n)
        self.at = -(1 << 63)
        self.outcomes: list[bool] = []
        self.value = False
        self.told = NEVER

    def push(self, at: int, true: bool, false: bool) -> None:
        if at < self.at or not (true or false):
            return
        true = bool(true)  # a flag that was never told is None
        if at == self.at and self.outcomes:
            self.outcomes[-1] = true
        else:
            self.outcomes.append(true)
            del self.outcomes[: -self.n]
        self.at = at
        self.value = sum(self.outcomes) >= self.k

    def freeze(self) -> Any:
        return [self.at, list(self.outcomes), self.value, self.told]

    def thaw(self, frozen: Any) -> None:
        self.at, outcomes, self.value, self.told = frozen
        self.outcomes = list(outcomes)


class Then:
    """Whether the second condition is true now and the first was true at most `within` before (or now)."""

    __slots__ = ("first", "value", "within")

    def __init__(self, within_ns: float) -> None:
        self.within = int(within_ns)
        self.first: int | None = None
        self.value = False

    def push(self, at: int, first: bool, second: bool) -> None:
        if first:
            self.first = at if self.first is None else max(at, self.first)
        self.value = bool(second and self.first is not None and 0 <= at - self.first <= self.within)

    def freeze(self) -> Any:
        return [self.first, self.value]

    def thaw(self, frozen: Any) -> None:
        self.first, self.value = frozen


class Since:
    """Seconds since a condition was last certainly true; unknown before it ever was."""

    __slots__ = ("last", "value")

    def __init__(self) -> None:
        self.last: int | None = None
        self.value: float | None = None

    def push(self, at: int, true: bool) -> None:
        if true:
            self.last = at if self.last is None else max(at, self.last)
        self.value = None if self.last is None else max(0, at - self.last) / SECOND

    def freeze(self) -> Any:
        return [self.last, self.value]

    def thaw(self, frozen: Any) -> None:
        self.last, self.value = frozen


class Ewma:
    """Exponentially weighted mean with a time constant, for irregular samples."""

    __slots__ = ("at", "tau", "told", "value")

    def __init__(self, tau_ns: float) -> None:
        self.tau = tau_ns
        self.at: int | None = None
        self.told = NEVER
        self.value: float | None = None

    def push(self, at: int, value: float | None) -> None:
        if value is None or not -LARGEST <= value <= LARGEST or (self.at is not None and at <= self.at):
            return
        if self.value is None or self.at is None:
            self.value = float(value)
        else:
            self.value += (1 - exp(-(at - self.at) / self.tau) if self.tau else 1.0) * (value - self.value)
        self.at = at

    def freeze(self) -> Any:
        return [self.at, self.value, self.told]

    def thaw(self, frozen: Any) -> None:
        self.at, self.value, self.told = frozen


class Cusum:
    """Upper cumulative sum S = max(0, S + x - target - slack) (Page 1954; Montgomery, tabular cusum)."""

    __slots__ = ("at", "reference", "told", "value")

    def __init__(self, target: float, slack: float) -> None:
        self.reference = target + slack
        self.at: int | None = None
        self.told = NEVER
        self.value: float = 0.0

    def push(self, at: int, value: float | None) -> None:
        if value is None or not -LARGEST <= value <= LARGEST or (self.at is not None and at <= self.at):
            return
        self.value = max(0.0, self.value + value - self.reference)
        self.at = at

    def freeze(self) -> Any:
        return [self.at, self.value, self.told]

    def thaw(self, frozen: Any) -> None:
        self.at, self.value, self.told = frozen


class SoilWater:
    """The soil-water index of the rain that each reading reports, mm; each moment's rain counts once."""

    __slots__ = ("at", "tanks", "told", "value")

    def __init__(self) -> None:
        self.at: int | None = None
        self.told = NEVER
        self.tanks = Tanks()
        self.value: float | None = None

    def push(self, at: int, rain_mm: float | None) -> None:
        if rain_mm is None or not -LARGEST <= rain_mm <= LARGEST or (self.at is not None and at <= self.at):
            return
        hours = 0.0 if self.at is None else (at - self.at) / (3600 * SECOND)
        self.tanks = soil_water_step(self.tanks, max(0.0, float(rain_mm)), hours)
        self.value = self.tanks.index_mm
        self.at = at

    def freeze(self) -> Any:
        return [self.at, list(self.tanks), self.value, self.told]

    def thaw(self, frozen: Any) -> None:
        self.at, tanks, self.value, self.told = frozen
        self.tanks = Tanks(*tanks)


KINDS: dict[str, type] = {
    "k-of-n": KofN,
    "then": Then,
    "since": Since,
    "ewma": Ewma,
    "cusum": Cusum,
    "soil-water": SoilWater,
    "unchanged": Unchanged,
    "expects": Expectation,
    "residual": Residual,
}
