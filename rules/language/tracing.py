"""`attribute:` of a rule: whose emissions it may warn of, and which wind tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import yaml

from hub.metrics import nearest, vocabulary
from rules.language.places import Document, Entry
from rules.language.rule import HOUR, Origin, Select

KEYS = ("of", "candidates", "within", "wind", "pick")
WIND_KEYS = ("kind", "within", "over")
MAX_WITHIN_M = 50_000.0
MAX_WIND_WITHIN_M = 100_000.0
MAX_OVER_NS = 6 * HOUR
MAX_PICK = 10


class Readers(NamedTuple):
    """How a rule's reader reads parts of it."""

    unknown: Callable[[str, str, tuple[str, ...]], str]
    distance: Callable[[yaml.Node, str, float], float]
    """Metres of a distance, up to a limit."""
    duration: Callable[[yaml.Node, str], int]
    texts: Callable[[yaml.Node, str], tuple[str, ...]]
    select: Callable[[yaml.Node, str], Select]


def read_origin(document: Document, node: yaml.Node, read: Readers) -> Origin | None:
    """The origin that `attribute:` describes; None where it names no metric or no candidates."""
    given: dict[str, Entry] = {}
    for entry in document.entries(node, "attribute"):
        if entry.key not in KEYS:
            document.wrong(entry.key_node, read.unknown("key of attribute", entry.key, KEYS))
        given[entry.key] = entry
    if "of" not in given or "candidates" not in given:
        document.wrong(node, "attribute needs 'of', the metric that rises, and 'candidates', such as {kind: [plant]}")
        return None
    origin = Origin(metric=document.text_of(given["of"].value, "of") or "", candidates=Select())
    metric = vocabulary().get(origin.metric)
    if metric is None or metric.type != "number":
        hint = nearest(origin.metric) if metric is None else ""
        document.wrong(given["of"].value, f"{origin.metric!r} is not a metric with a number{hint}")
    origin.candidates = read.select(given["candidates"].value, "candidates")
    if origin.candidates == Select() or origin.candidates.every:
        document.wrong(
            given["candidates"].value, "candidates are chosen as in for_each, such as {kind: [plant, vessel]}"
        )
    if "within" in given:
        origin.within_m = read.distance(given["within"].value, "within", MAX_WITHIN_M)
    if "pick" in given:
        text = document.text_of(given["pick"].value, "pick") or ""
        if text.isdigit() and 0 < int(text) <= MAX_PICK:
            origin.pick = int(text)
        else:
            document.wrong(given["pick"].value, f"pick is how many candidates evidence names, 1 to {MAX_PICK}")
    for entry in document.entries(given["wind"].value, "wind") if "wind" in given else ():
        if entry.key == "kind":
            origin.wind_kinds = read.texts(entry.value, "kind")
        elif entry.key == "within":
            origin.wind_within_m = read.distance(entry.value, "within", MAX_WIND_WITHIN_M)
        elif entry.key == "over":
            origin.wind_over_ns = read.duration(entry.value, "over")
            if origin.wind_over_ns > MAX_OVER_NS:
                document.wrong(entry.value, "the wind of at most 6 h can be asked for")
        else:
            document.wrong(entry.key_node, read.unknown("key of wind", entry.key, WIND_KEYS))
    return origin
