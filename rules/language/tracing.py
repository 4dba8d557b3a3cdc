"""`attribute:` of a rule: whose emissions it may warn of, and which wind tells."""

from __future__ import annotations

import yaml

from hub.metrics import nearest, vocabulary
from rules.language.entry import EntryReader
from rules.language.places import Entry, unknown
from rules.language.rule import HOUR, Select, Tracing

KEYS = ("of", "candidates", "within", "wind", "pick")
WIND_KEYS = ("kind", "within", "over")
MAX_WITHIN_M = 50_000.0
MAX_WIND_WITHIN_M = 100_000.0
MAX_OVER_NS = 6 * HOUR
MAX_PICK = 10


def read_tracing(reader: EntryReader, node: yaml.Node) -> Tracing | None:
    """What `attribute:` describes; None where it names no metric or no candidates."""
    document = reader.document
    given: dict[str, Entry] = {}
    for entry in document.entries(node, "attribute"):
        if entry.key not in KEYS:
            document.wrong(entry.key_node, unknown("key of attribute", entry.key, KEYS))
        given[entry.key] = entry
    if "of" not in given or "candidates" not in given:
        document.wrong(node, "attribute needs 'of', the metric that rises, and 'candidates', such as {kind: [plant]}")
        return None
    spec = Tracing(metric=document.text_of(given["of"].value, "of") or "", candidates=Select())
    metric = vocabulary().get(spec.metric)
    if metric is None or metric.type != "number":
        hint = nearest(spec.metric) if metric is None else ""
        document.wrong(given["of"].value, f"{spec.metric!r} is not a metric with a number{hint}")
    spec.candidates = reader.selection(given["candidates"].value, "candidates")
    if spec.candidates == Select():
        document.wrong(
            given["candidates"].value, "candidates are chosen as in for_each, such as {kind: [plant, vessel]}"
        )
    if "within" in given:
        spec.within_m = reader.distance(given["within"].value, "within", MAX_WITHIN_M)
    if "pick" in given:
        text = document.text_of(given["pick"].value, "pick") or ""
        if text.isdigit() and 0 < int(text) <= MAX_PICK:
            spec.pick = int(text)
        else:
            document.wrong(given["pick"].value, f"pick is how many candidates evidence names, 1 to {MAX_PICK}")
    for entry in document.entries(given["wind"].value, "wind") if "wind" in given else ():
        if entry.key == "kind":
            spec.wind_kinds = reader.texts(entry.value, "kind")
        elif entry.key == "within":
            spec.wind_within_m = reader.distance(entry.value, "within", MAX_WIND_WITHIN_M)
        elif entry.key == "over":
            spec.wind_over_ns = reader.duration_of(entry.value, "over")
            if spec.wind_over_ns > MAX_OVER_NS:
                document.wrong(entry.value, "the wind of at most 6 h can be asked for")
        else:
            document.wrong(entry.key_node, unknown("key of wind", entry.key, WIND_KEYS))
    return spec
