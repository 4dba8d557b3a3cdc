"""Derived figures that expressions may call: each a pure function with the units of its arguments and result."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Derived(NamedTuple):
    """`function` takes numbers in `units`, in that order; with `takes_missing` some may be None, and the observed time
    (ns) comes first where `dated`. It may answer None: not known."""

    function: Callable[..., float | None]
    units: tuple[str, ...]
    result: str
    usage: str
    takes_missing: bool = False
    dated: bool = False


FUNCTIONS: dict[str, Derived] = {}
