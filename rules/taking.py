"""One function for a shape of reading, written for it: test, keep, slide windows on, and say which rules need attention.

Nearly every reading comes this way, so what it costs is what the rules cost. The function looks at everything unusual first and then
leaves by one door (`DOUBTED`) before it has changed anything: the general path in `rules.judge` does the rest. Each step does what its
general form does, to the same bit: `Samples.add`, `Window.near_mean`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

from rules import qartod
from rules.figures.derived import LARGEST
from rules.language import codegen
from rules.language.codegen import Attention
from rules.language.ir import WindowKey
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
    slots: dict[WindowKey, int],
) -> Callable[..., int]:
    """(subject, values, time, whether to test them) → bits of the rules that need attention, or `DOUBTED`.

    For a reading that is the subject's newest. `rules` None: it only keeps the values. Where the rules' part fails, `readers` says
    which rules to look at. `slots` gives the place of each window among the subject's.
    """
    names = frozenset(used)
    at_hand = {name: f"v{index}" for index, name in enumerate(used)}
    attention = Attention([], [])
    slid: list[WindowKey] = []
    if rules is not None:
        wanted = codegen.attention(rules, names, dict(constants)).means
        slid = _one_a_series(key for key in wanted if key.series in names and key.series in spans)
        variables = {key: (f"g{index}", f"k{index}") for index, key in enumerate(slid)}
        attention = codegen.attention(rules, names, constants, variables, at_hand)
    lines = [*_NEWEST, *(f"{variable} = v[{name!r}]" for name, variable in at_hand.items())]
    if tested:
        lines += ["if c:", *(f"    {line}" for line in _leaves_when_doubted(tested, at_hand))]
    keyed = {key.series: (index, key) for index, key in enumerate(slid)}
    constants |= {"inf": inf, "READERS": readers}
    for name in used:
        x = at_hand[name]
        lines.append(f"L[{name!r}] = {x}; LT[{name!r}] = t")
        if name in keyed:
            index, key = keyed[name]
            slot = slots.setdefault(key, len(slots))
            constants[f"SLOT{slot}"] = key
            lines += _kept_and_slid(name, x, spans[name], key, slot, index)
        elif name in spans:
            lines += _kept(name, x, spans[name])
    if rules is None:
        return define("take", "d, v, t, c", [*lines, "return 0"], constants)
    judged = [f"    {line}" for line in (*attention.lines, "return hit")]
    lines += ["try:", *judged, "except Exception:", "    return READERS(d, v, t)"]
    return define("take", "d, v, t, c", lines, constants)


_NEWEST = ("L = d.last; LT = d.last_t",)


def _one_a_series(keys: Iterable[WindowKey]) -> list[WindowKey]:
    """The first window of each series: with it the sample is kept."""
    found: dict[str, WindowKey] = {}
    for key in keys:
        found.setdefault(key.series, key)
    return list(found.values())


def _kept(name: str, x: str, span: Span) -> list[str]:
    """A sample that is newer than all others, and need make none go, is appended as `Samples.add` would; any other goes there."""
    return [
        f"s = d.samples.get({name!r}) or {_sampled(name, span)}",
        "q = s.times; n = len(q)",
        f"if 0 < n < {MAX_SAMPLES} and q[-1] < t and {_all_stay(span)} and {-LARGEST} <= {x} <= {LARGEST}:",
        f"    q.append(t); s.values.append({x})",
        "else:",
        f"    s.add(t, {x})",
    ]


def _sampled(name: str, span: Span) -> str:
    return f"d.sampled({name!r}, {span.size_ns}, {span.least})"


def _all_stay(span: Span) -> str:
    """Whether one more sample makes none go."""
    young = "q[n + 1 >> 2] >= t - s.size"
    return f"(n < {span.least + SPARE} or {young})" if span.least else young


def _kept_and_slid(name: str, x: str, span: Span, key: WindowKey, slot: int, index: int) -> list[str]:
    """Keep a sample and slide the window over its series on, as `Window.near_mean` would: nearly always one sample comes and one
    leaves. Leaves the sum in `g` and the number of samples in `k`."""
    total, count = f"g{index}", f"k{index}"
    return [
        f"w = d.slots.get({slot})",
        "if w is not None and (b := w._sum) is not None and not w._ordered:",
        "    s = w.samples; q = s.times; n = len(q); f = s.first; i = w.begins - f",
        f"    e = t - {key.size_ns + key.closed}",
        f"    if 0 < n < {MAX_SAMPLES} and w._end - f == n and q[-1] < t and {_all_stay(span)} and {-LARGEST} <= {x} <= {LARGEST} and not (i and q[i - 1] > e):",
        "        a = s.values; r = w._compensation",
        "        while i < n and q[i] <= e:",
        "            y = -a[i]; z = b + y; p = z - b; r += (b - (z - p)) + (y - p); b = z; i += 1",
        "        if i < n:",
        f"            q.append(t); a.append({x})",
        f"            z = b + {x}; p = z - b; w._compensation = r = r + ((b - (z - p)) + ({x} - p)); w._sum = z",
        "            w.begins = f + i; w._end = f + n + 1",
        f"            {total} = z + r; {count} = n + 1 - i",
        "        else: w = None",
        "    else: w = None",
        "else: w = None",
        "if w is None:",
        f"    (d.samples.get({name!r}) or {_sampled(name, span)}).add(t, {x})",
        f"    {total}, {count} = d.slot({slot}, SLOT{slot}).near_total(t)",
    ]


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
