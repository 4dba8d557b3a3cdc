"""One function for a shape of reading, written for it: test, keep, and say which rules need attention.

Nearly every reading comes this way, so what it costs is what the rules cost. The function looks at everything unusual first and then
leaves by one door (`DOUBTED`) before it has changed anything: the general path in `rules.judge` does the rest. A sample is kept as
`Samples.add` would. Windows are left alone where the bounds of their samples tell that no rule can want them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

from rules import qartod
from rules.language import codegen
from rules.language.rule import Rule
from rules.language.writer import define
from rules.qartod import Settings

MAX_SAMPLES = 20_000
"""Samples of one series that are kept; the oldest give way, and `overflow` counts them."""
SPARE = 8
"""So many samples more than need be stay before any goes, so that what stays is seldom moved."""
RECENT_MAX = 24
"""Values that stay of what something is derived of, whatever their age: a day of hourly ones."""


class Span(NamedTuple):
    """What is kept of a series."""

    size_ns: int = 0
    """As much as the largest window over it covers."""
    least: int = 0
    """So many of the newest, whatever their age."""


DOUBTED = -1
"""What `take` returns where a test of quality may have something against a value; nothing is kept then."""


def calm(tested: Sequence[tuple[str, Settings]]) -> Callable[..., bool]:
    """(subject, values of a reading, its time) → whether no test of quality could have anything against them."""
    variables = {name: (f"v[{name!r}]", f"L.get({name!r}, inf)") for name, _ in tested}
    return define("calm", "d, v, t", [*_NEWEST, f"return {_calm(tested, variables)}"], {"inf": inf})


def taking(
    used: Sequence[str],
    spans: Mapping[str, Span],
    tested: Sequence[tuple[str, Settings]],
    rules: Sequence[tuple[int, Rule]] | None,
    readers: Callable[..., int],
    constants: dict[str, Any],
) -> Callable[..., int]:
    """(subject, values, time, whether to test them) → bits of the rules that need attention, or `DOUBTED`.

    For a reading that is the subject's newest. `rules` None: it only keeps the values. Where the rules' part fails, `readers` says
    which rules to look at.
    """
    at_hand = {name: f"v{index}" for index, name in enumerate(used)}
    stores = {name: f"s{index}" for index, name in enumerate(used) if name in spans}
    lines = [*_NEWEST, *(f"{variable} = v[{name!r}]" for name, variable in at_hand.items())]
    if tested:
        lines += ["if c:", *(f"    {line}" for line in _leaves_when_doubted(tested, at_hand))]
    constants |= {"inf": inf, "READERS": readers}
    for name, x in at_hand.items():
        lines.append(f"L[{name!r}] = {x}; LT[{name!r}] = t")
        if name in spans:
            lines += _kept(name, x, stores[name], spans[name])
    if rules is None:
        return define("take", "d, v, t, c", [*lines, "return 0"], constants)
    attention = codegen.attention(rules, frozenset(used), constants, at_hand, stores)
    judged = [f"    {line}" for line in (*attention, "return hit")]
    lines += ["try:", *judged, "except Exception:", "    return READERS(d, v, t)"]
    return define("take", "d, v, t, c", lines, constants)


_NEWEST = ("L = d.last; LT = d.last_t",)


def _kept(name: str, x: str, store: str, span: Span) -> list[str]:
    """A sample that is newer than all others and within their bounds, and need make none go, is appended as `Samples.add` would; any other
    goes there."""
    return [
        f"{store} = d.samples.get({name!r}) or {_sampled(name, span)}",
        f"q = {store}.times; n = len(q)",
        f"if 0 < n < {MAX_SAMPLES} and q[-1] < t and {store}.low <= {x} <= {store}.high and {_all_stay(store, span)}:",
        f"    q.append(t); {store}.values.append({x})",
        "else:",
        f"    {store}.add(t, {x})",
    ]


def _sampled(name: str, span: Span) -> str:
    return f"d.sampled({name!r}, {span.size_ns}, {span.least})"


def _all_stay(store: str, span: Span) -> str:
    """Whether one more sample makes none go."""
    young = f"q[n + 1 >> 2] >= t - {store}.size"
    return f"(n < {span.least + SPARE} or {young})" if span.least else young


def _leaves_when_doubted(tested: Sequence[tuple[str, Settings]], at_hand: Mapping[str, str]) -> list[str]:
    """Leave by the door where a test of quality may have something against a value; a metric's first value has none before it."""
    variables = {name: (at_hand[name], f"b{index}") for index, (name, _) in enumerate(tested)}
    return [
        "try:",
        *(f"    {before} = L[{name!r}]" for name, (_, before) in variables.items()),
        f"except KeyError: return {DOUBTED}",
        f"if not ({_calm(tested, variables)}): return {DOUBTED}",
    ]


def _calm(tested: Sequence[tuple[str, Settings]], variables: Mapping[str, tuple[str, str]]) -> str:
    """Whether no test of quality could have anything against these values: in range whatever the month, no jump, not too fast, no
    standing still, nothing before them in doubt. One expression, because nearly every value is asked and nearly every one is calm.
    `variables`: by metric, code of the value and of the one before it."""
    in_doubt = {name for name, s in tested if s.alone < inf}
    terms = [f"(not d.leaps or d.leaps.keys().isdisjoint({sorted(in_doubt)!r}))"] if in_doubt else []
    for name, s in tested:
        value, before = variables[name]
        usual = [(s.suspect_low, s.suspect_high), *(bounds for bounds in s.climatology if bounds)]
        low, high = max(low for low, _ in usual), min(high for _, high in usual)
        leap = min(s.jump, s.alone)
        terms.append(f"{low} <= {value} <= {high} and -{leap} < {value} - {before} < {leap}")
        if s.flat_suspect_s:
            terms.append(f"{value} != {before}")
        if s.rate < inf:
            terms.append(f"abs({value} - {before}) <= {s.rate / qartod.SECOND!r} * (t - LT.get({name!r}, t))")
    return " and ".join(terms) or "True"
