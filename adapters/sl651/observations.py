"""From a body's items to readings: one reading for each moment observed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from functools import lru_cache

from adapters.sl651.body import Body, Item
from adapters.sl651.elements import ALARM_BITS, DOOR_BIT, GROUP_STEP_S, GROUPS, KINDS, meaning
from hub.model import Fault, FaultKind, Reading, Value
from hub.moment import SECOND, candidates, in_one_message, nearest

TEXT_MAX = 2000
"""Characters of a manual text that become a value; the detail has all of it."""
_BASE_STEP_M = 0.05
"""An hour's levels nearer than this to the absolute level of the same moment are absolute themselves."""


@lru_cache(maxsize=4096)
def _moments(text: str, zone: tzinfo) -> tuple[int, ...]:
    """`candidates` of yyMMddHHmm[ss] in `zone`; none where that is no time."""
    if len(text) not in (10, 12) or not (text.isascii() and text.isdecimal()):
        return ()
    year, month, day, hour, minute = (int(text[i : i + 2]) for i in range(0, 10, 2))
    try:
        local = datetime(2000 + year, month, day, hour, minute, int(text[10:] or 0))  # noqa: DTZ001 - the zone goes with it
        return candidates(local, zone)
    except (ValueError, OverflowError):
        return ()


def bcd_moment(text: str, zone: tzinfo, near: int | None = None) -> int | None:
    """ns UTC of yyMMddHHmm[ss] in `zone`, nearest to `near` where that hour comes twice; None where that is no time."""
    moments = _moments(text, zone)
    try:
        return nearest(moments, near) if moments else None
    except ValueError:
        return None


class Observations:
    """Collects values by moment; where two elements mean the same metric at one moment, the lower rank wins."""

    def __init__(self) -> None:
        self.moments: dict[int, dict[str, tuple[int, Value]]] = {}

    def add(self, at: int, metric: str, value: Value, rank: int = 0) -> None:
        values = self.moments.setdefault(at, {})
        if metric not in values or values[metric][0] > rank:
            values[metric] = (rank, value)

    def readings(self, device: str, kind: str) -> list[Reading]:
        """In the order of their times."""
        return [
            Reading(device, at, {metric: value for metric, (_, value) in values.items()}, kind=kind)
            for at, values in sorted(self.moments.items())
            if values
        ]


def read(
    body: Body,
    device: str,
    zone: tzinfo,
    bases: Mapping[str, float],
    raw: bytes,
    near: int | None = None,
) -> tuple[list[Reading], list[Fault]]:
    """The readings of one body, and faults for the parts that gave none. `bases`: metres added to a station's hourly levels.
    `near`: when it was received (ns)."""
    faults = [Fault(kind, sentence, raw, device=device) for kind, sentence in body.problems]
    told = found = Observations()
    untold: list[tuple[str, Observations]] = []
    """Of each time that is none: what is wrong with it, and what stands under it."""
    levels: list[tuple[Observations, int, list[float | None]]] = []
    sent = at = bcd_moment(body.send_time_bcd or "", zone, near)
    # `at` is the send time until an observation time comes (test and status reports have none).
    latest = near if sent is None else sent
    step_s = 0
    times = iter(_observation_times(body, zone, near))
    for item in body.items:
        why = ""
        if "obs_time_bcd" in item:
            at, found = next(times), told
            if at is None:
                why = f"the observation time {item['obs_time_bcd']!r} is no yyMMddHHmm that can be told in {zone}"
        elif at is None and not untold:
            why = f"the send time {body.send_time_bcd!r} is no yyMMddHHmmss, and no observation time stands before {item['id']}"
        if why:
            found = Observations()
            untold.append((why, found))
        if "obs_time_bcd" in item:
            continue
        under = (latest or 0) if at is None else at
        name = item["id"]
        if name == "04":
            step_s = _step_s(item["step_dhm_bcd"])
        elif name == "f5":
            levels.append((found, _first_at(under, latest, len(item["values"]), GROUP_STEP_S), item["values"]))
        else:
            _add(found, under, item, step_s, latest)
    base = bases.get(device.partition(":")[2])
    for among, start, group in levels:
        _levels(among, start, group, base)
    kind = KINDS.get(body.station_type or "", "")
    for why, among in untold:
        faults += _untold(why, among.readings(device, kind), raw, device)
    return told.readings(device, kind), faults


def _untold(why: str, readings: list[Reading], raw: bytes, device: str) -> list[Fault]:
    """The faults of a time that is none: one for each reading that stands under it, and holds it; one where there is none."""
    for reading in readings:
        reading.observed_at = None
    held: list[Reading | None] = [*readings] or [None]
    return [Fault(FaultKind.TIME, why, raw, device, readings=int(one is not None), reading=one) for one in held]


def _observation_times(body: Body, zone: tzinfo, near: int | None) -> list[int | None]:
    """When each group of elements was observed, in order; None where its time is none. Together, because a report may reach over the hour that
    comes twice in autumn."""
    said: list[str] = []
    names: list[set[str]] = []
    for item in body.items:
        if "obs_time_bcd" in item:
            said.append(item["obs_time_bcd"])
            names.append(set())
        elif names:
            names[-1].add(item["id"])
    moments = [_moments(text, zone) for text in said]
    if near is None or max(map(len, moments), default=0) < 2:
        return [bcd_moment(text, zone, near) for text in said]
    rows = [(frozenset(group), told) for group, told in zip(names, moments, strict=True) if told]
    ordered = iter(in_one_message(rows, near))
    return [next(ordered) if told else None for told in moments]


def _first_at(at: int, latest: int | None, count: int, step_s: int) -> int:
    """When the first of an hour's groups, or of a series at a step, was taken. The observation time is that of the first (6.6.4.6), but many
    stations write the time of sending: where the last would lie behind that (`latest`), the time is the last one's."""
    span = (count - 1) * step_s * SECOND
    return at - span if latest is not None and at + span > latest else at


def _add(found: Observations, at: int, item: Item, step_s: int, latest: int | None) -> None:
    name = item["id"]
    if name in GROUPS:
        _number(found, _first_at(at, latest, len(item["values"]), GROUP_STEP_S), name, item["values"], GROUP_STEP_S)
    elif name == "45":
        _status(found, at, item["hex"])
    elif name == "f3":
        found.add(at, "events", ["picture"])
    elif name == "f2":
        if item["text"]:
            found.add(at, "text", item["text"][:TEXT_MAX])
    else:
        values = [item["value"]] if "value" in item else item.get("series", [])
        _number(found, _first_at(at, latest, len(values), step_s), name, values, step_s)


def _number(found: Observations, at: int, name: str, values: list[float | None], step_s: int) -> None:
    known = meaning(name)
    if known is None:
        return
    metric, scale, shift, rank = known
    for moment, value in _stepped(at, step_s, values):
        found.add(moment, metric, value if scale == 1.0 else float(f"{value * scale + shift:.12g}"), rank)


def _stepped(at: int, step_s: int, values: list[float | None]) -> list[tuple[int, float]]:
    """The values that are there, with their moments."""
    return [(at + i * step_s * SECOND, value) for i, value in enumerate(values) if value is not None]


def _levels(found: Observations, start: int, group: list[float | None], base: float | None) -> None:
    """F5: levels relative to the station's base (annex C). The base is the city's word, else what the absolute level 39H of the
    same moment says; without either, the station sends them absolute, as most do."""
    stepped = _stepped(start, GROUP_STEP_S, group)
    if base is None:
        base = 0.0
        for moment, value in stepped:
            absolute = found.moments.get(moment, {}).get("water_level")
            if absolute is not None and isinstance(absolute[1], float) and abs(absolute[1] - value) >= _BASE_STEP_M:
                base = round(absolute[1] - value, 2)
    for moment, value in stepped:
        found.add(moment, "water_level", round(value + base, 3), 1)


def _status(found: Observations, at: int, text: str) -> None:
    try:
        word = int(text, 16)
    except ValueError:
        return
    alarms = [name for bit, name in ALARM_BITS.items() if word >> bit & 1]
    found.add(at, "alarms", alarms)
    found.add(at, "door", not word >> DOOR_BIT & 1)


def _step_s(text: str) -> int:
    if len(text) != 6 or not text.isdecimal():
        return 0
    return int(text[:2]) * 86400 + int(text[2:4]) * 3600 + int(text[4:]) * 60
