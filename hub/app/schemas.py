"""JSON Schemas (2020-12) of the files in a city folder, made from the types that read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from hub.app.plugins import Plugins
from hub.device_clock import CLOCKS
from hub.metrics import NAME, PERSONAL, TYPES, vocabulary
from hub.options import LOG_LEVELS, SECTIONS
from hub.store import kinds
from rules.book import known_packs
from rules.language.document import RULE_KEYS

KINDS: Mapping[str, str] = {
    "hub.toml": "the configuration, with the options of every protocol that is installed",
    "metrics.toml": "the city's own words",
    "rules": "rule files (YAML)",
}
LEVELS = ["blue", "yellow", "orange", "red"]
_TEXTS = {"type": "array", "items": {"type": "string"}}


def schema(kind: str) -> dict[str, Any]:
    """One of `KINDS`."""
    made = {"hub.toml": _hub, "metrics.toml": _metrics, "rules": _rules}[kind]()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"cityhub: {kind}", **made}


def _hub() -> dict[str, Any]:
    plugins = Plugins()
    defs: dict[str, Any] = {}
    properties = {name: _table(section, defs) for name, section in SECTIONS.items()}
    properties["store"]["properties"]["kind"]["enum"] = kinds()
    properties["rules"]["properties"]["packs"]["items"]["enum"] = known_packs()
    properties["logging"]["properties"]["level"]["enum"] = list(LOG_LEVELS)
    properties["logging"]["properties"]["format"]["enum"] = ["text", "json"]
    sources = {
        "unknown_devices": {"enum": ["quarantine", "admit"]},
        "clock": {"enum": list(CLOCKS)},
    }
    sinks = {
        "levels": {"type": "array", "items": {"enum": LEVELS}},
        "packs": _TEXTS,
        "areas": _TEXTS,
        "contact": {"type": "integer", "minimum": 1, "maximum": 9},
        "per_second_max": {"type": "number", "exclusiveMinimum": 0, "maximum": 10_000},
    }
    found = list(plugins.items())
    properties["adapters"] = _blocks(
        [_block(n, p.summary, (p.options, p.codec_options), sources, defs) for n, p in found if p.adapter]
    )
    properties["sinks"] = _blocks([_block(n, p.summary, (p.sink_options,), sinks, defs) for n, p in found if p.sink])
    return {
        "type": "object",
        "properties": properties,
        "required": ["hub"],
        "additionalProperties": False,
        "$defs": defs,
    }


def _table(kind: type[msgspec.Struct], defs: dict[str, Any]) -> dict[str, Any]:
    """A struct as an object without other keys."""
    (ref,), more = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    own = more.pop(ref["$ref"].rpartition("/")[2])
    defs.update(more)
    return {**own, "additionalProperties": False}


def _blocks(kinds: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "object", "required": ["protocol"], "oneOf": kinds}}


def _block(
    name: str,
    summary: str,
    options: Iterable[type[msgspec.Struct] | None],
    common: Mapping[str, Any],
    defs: dict[str, Any],
) -> dict[str, Any]:
    tables = [_table(kind, defs) for kind in options if kind]
    keys = {"name": {"type": "string", "minLength": 1, "maxLength": 100}, "protocol": {"const": name}, **common}
    for table in tables:
        keys |= table["properties"]
    # `hub` is by default how this hub is called
    required = [key for table in tables for key in table.get("required", []) if key != "hub"]
    return {
        "title": name, "description": summary, "type": "object", "properties": keys,
        "required": ["protocol", *required], "additionalProperties": False,
    }  # fmt: skip


def _metrics() -> dict[str, Any]:
    word = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "title_zh": {"type": "string"},
            "type": {"enum": list(TYPES), "default": "number"},
            "unit": {"type": "string", "examples": sorted({metric.unit for metric in vocabulary().values()} - {""})},
            "range": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
            "personal": {"enum": list(PERSONAL)},
        },
        "required": ["title"],
        "additionalProperties": False,
    }
    words = {
        "type": "object",
        "patternProperties": {f"^{NAME}(#[a-z0-9][a-z0-9_]*)?$": word},
        "additionalProperties": False,
    }
    return {"type": "object", "patternProperties": {f"^{NAME}$": words}, "additionalProperties": False}


def _rules() -> dict[str, Any]:
    """The keys that the reader of rules knows. What stands in an expression is checked by `cityhub check` alone."""
    expression = {"type": ["string", "number", "boolean"]}
    levels = {"type": "object", "properties": dict.fromkeys(LEVELS, expression), "additionalProperties": False}
    known: dict[str, Any] = {
        "rule": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"},
        "title": {"type": "string"},
        "title_zh": {"type": "string"},
        "let_zh": {"type": "object", "additionalProperties": {"type": "string"}},
        "let": {"type": "object", "additionalProperties": expression},
        "levels": levels,
        "clear": {"anyOf": [expression, levels]},
        "source": {"type": "object"},
    }
    rule = {
        "type": "object",
        "properties": {key: known.get(key, {}) for key in RULE_KEYS},
        "required": ["rule"],
        "additionalProperties": False,
    }
    return {"type": "array", "items": {"anyOf": [rule, {"type": "object", "not": {"required": ["rule"]}}]}}
