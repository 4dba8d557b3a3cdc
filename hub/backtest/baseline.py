"""What a plain threshold would have done on the same data: warnings at the packs' official limits, and nothing clever. Pure.

- A limit: raised by the first reading beyond it, ended by the first that is within it an hour or more after the last beyond it
  (without that hour a value that trembles about the limit would count as many).
- Where packs look for what is unusual: a channel is off where it stands more than six robust deviations from the median of its
  own last 24 hours; two channels off (one where the device has no third) for five minutes raise orange (the flow of a water works is its consumers', and a
  channel half of whose readings are the same says nothing). Median and deviation are taken anew every ten minutes.
- Two vessels: CPA below 0.1 nm and TCPA below 6 min, by one report.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np

from hub.backtest.evaluation import BASELINE
from hub.backtest.observed import Observed, Series
from hub.backtest.official import ANOMALY_KINDS, CROSSING_PACKS, Official, of_packs
from hub.model import AlertChange, Change, Device, Value
from hub.moment import SECOND, to_text

Flags = np.ndarray[Any, np.dtype[np.bool_]]
Times = np.ndarray[Any, np.dtype[np.int64]]

HOUR = 3600 * SECOND
DAY = 24 * HOUR
OFF = 6.0
CHANNELS = 2
HOLD = 300 * SECOND
ANEW = 600 * SECOND
ENOUGH = 60
"""Readings that a channel must have before it can be off."""
NEAR_M, SOON_MIN = 0.1 * 1852.0, 6.0
CHANNELS_OF = frozenset(
    [
        "free_chlorine",
        "ph",
        "redox",
        "conductivity",
        "turbidity",
        "toc",
        "pressure",
        "acceleration",
        "vibration",
        "current",
        "temperature",
        "voltage",
        "flow",
    ]
)


def baseline_changes(packs: Collection[str], observed: Observed, devices: Mapping[str, Device]) -> list[AlertChange]:
    """Its warnings, in the order of time."""
    found: list[AlertChange] = []
    for official in of_packs(packs):
        for (device, metric), series in observed.series.items():
            if metric == official.metric and observed.kinds.get(device) in official.kinds:
                attributes = devices[device].attributes if device in devices else {}
                found += _threshold(official, device, series, attributes)
    for pack, kinds in ANOMALY_KINDS.items():
        if pack in packs:
            for device, kind in observed.kinds.items():
                if kind in kinds:
                    found += _unusual(device, kind, observed)
    if CROSSING_PACKS & set(packs):
        for device in [name for name, metric in observed.series if metric == "cpa"]:
            found += _crossing(device, observed)
    return sorted(found, key=lambda change: (change.at, change.rule, change.subject, change.ordinal))


def metrics_of_baseline(packs: Collection[str]) -> set[str]:
    """What must be observed for it."""
    metrics = {official.metric for official in of_packs(packs)}
    return metrics | (set(CHANNELS_OF) if set(ANOMALY_KINDS) & set(packs) else set()) | {"cpa", "tcpa"}


def _threshold(
    official: Official, device: str, series: Series, attributes: Mapping[str, Value]
) -> Iterable[AlertChange]:
    values, times = np.array(series.order().values), np.array(series.times, dtype=np.int64)
    if official.rise_s:
        before = np.searchsorted(times, times - official.rise_s * SECOND)
        values = values - values[np.minimum(before, len(values) - 1)]
    sign = 1.0 if official.upward else -1.0
    level = np.zeros(len(values), dtype=np.int64)
    for grade, limit in ((1, official.orange), (2, official.red)):
        number = attributes.get(limit) if isinstance(limit, str) else limit
        if isinstance(number, int | float) and not isinstance(number, bool):
            level[sign * values > sign * number if not isinstance(limit, str) else sign * values >= sign * number] = (
                grade
            )
    return _changes(BASELINE + official.metric, device, times, level, HOUR)


def _unusual(device: str, kind: str, observed: Observed) -> Iterable[AlertChange]:
    channels = {
        metric: series for (name, metric), series in observed.series.items() if name == device and metric in CHANNELS_OF
    }
    if not channels:
        return []
    times = np.unique(np.concatenate([np.array(series.order().times, dtype=np.int64) for series in channels.values()]))
    off = np.zeros(len(times), dtype=np.int64)
    for series in channels.values():
        own = np.array(series.times, dtype=np.int64)
        place = np.searchsorted(own, times, side="right") - 1
        fresh = (place >= 0) & (times - own[np.maximum(place, 0)] <= HOUR)
        off += fresh & stands_off(own, np.array(series.values))[np.maximum(place, 0)]
    wanted = CHANNELS if len(channels) > CHANNELS else 1
    return _changes(
        BASELINE + "+".join(sorted(channels)), device, times, _held(times, off >= wanted).astype(np.int64), HOUR
    )


def stands_off(times: Times, values: np.ndarray[Any, np.dtype[np.float64]]) -> Flags:
    """Which readings are more than `OFF` robust deviations from the median of the 24 hours before them."""
    off = np.zeros(len(values), dtype=np.bool_)
    middle = spread = 0.0
    known, due = False, -(1 << 62)
    starts = np.searchsorted(times, times - DAY)
    for n in range(len(values)):
        if times[n] >= due:
            window = values[starts[n] : n]
            known = len(window) >= ENOUGH
            if known:
                middle = float(np.median(window))
                spread = 1.4826 * float(np.median(np.abs(window - middle)))
                due = times[n] + ANEW
        off[n] = known and spread > 0 and abs(values[n] - middle) > OFF * spread
    return off


def _held(times: Times, flags: Flags) -> Flags:
    """Where it has been so for `HOLD` without a break."""
    since: int | None = None
    held = np.zeros(len(flags), dtype=np.bool_)
    for n, flag in enumerate(flags):
        since = (since if since is not None else int(times[n])) if flag else None
        held[n] = since is not None and times[n] - since >= HOLD
    return held


def _crossing(pair: str, observed: Observed) -> Iterable[AlertChange]:
    cpa, tcpa = observed.series[(pair, "cpa")].order(), observed.series[(pair, "tcpa")].order()
    left = dict(zip(tcpa.times, tcpa.values, strict=True))
    met = [
        value < NEAR_M and 0 <= left.get(at, -1.0) < SOON_MIN for at, value in zip(cpa.times, cpa.values, strict=True)
    ]
    return _changes(
        BASELINE + "cpa", pair, np.array(cpa.times, dtype=np.int64), np.array(met, dtype=np.int64), 60 * SECOND
    )


def _changes(
    rule: str, subject: str, times: Times, level: np.ndarray[Any, np.dtype[np.int64]], calm: int
) -> list[AlertChange]:
    """A life of its own for each stretch: raised, escalated, cleared."""
    found: list[AlertChange] = []
    change_of: Callable[..., AlertChange] = AlertChange
    alert, stands, last, ordinal = "", 0, 0, 0
    names = ("", "orange", "red")
    for n in np.flatnonzero((level > 0) | (np.concatenate([[0], level[:-1]]) > 0) | _after(times, level, calm)):
        at, now = int(times[n]), int(level[n])
        if now > stands:
            raised = not stands
            alert, ordinal = (f"{rule} {subject} {to_text(at)}", 0) if raised else (alert, ordinal + 1)
            found.append(
                change_of(alert, ordinal, at, rule, subject, Change.RAISED if raised else Change.ESCALATED, names[now])
            )
            stands = now
        elif stands and not now and at - last >= calm:
            ordinal += 1
            found.append(change_of(alert, ordinal, at, rule, subject, Change.CLEARED, names[stands]))
            stands = 0
        if now:
            last = at
    return found


def _after(times: Times, level: np.ndarray[Any, np.dtype[np.int64]], calm: int) -> Flags:
    """The readings that could end a stretch: the first `calm` or more after one beyond the limit."""
    ends = np.zeros(len(times), dtype=np.bool_)
    high = np.flatnonzero(level > 0)
    after = np.searchsorted(times, times[high] + calm)
    ends[after[after < len(times)]] = True
    return ends
