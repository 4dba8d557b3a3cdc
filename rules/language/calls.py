"""`call:`: after how long a warning that nobody answers goes to the next contact.

call: 10 min                                   # in a rule: contact 2, at every level
call: [10 min, 20 min]                         # 20 min after that, contact 3
call: {orange: 30 min, red: [5 min, 15 min]}   # by level; the others call nobody
call: off

- call: {red: [5 min, 15 min]}                 # an entry of its own: rules without a call of their own
  rules: ["flood/*", city/underpass-water]     # (all of them, where this is left out); the last that fits counts
"""

from __future__ import annotations

import yaml

from hub.model import LEVELS
from rules.language.entry import EntryReader
from rules.language.rule import NO_CALLS, CallEntry, Calls

CALL_KEYS = ("call", "rules")
MAX_CONTACT = 9


def read_calls(reader: EntryReader, node: yaml.Node) -> Calls:
    """The waits of each level."""
    if isinstance(node, yaml.ScalarNode) and node.value in ("off", "false"):
        return NO_CALLS
    if not isinstance(node, yaml.MappingNode):
        return (_waits(reader, node),) * len(LEVELS)
    found: dict[str, tuple[int, ...]] = {}
    for entry in reader.document.entries(node, "call"):
        if entry.key in LEVELS:
            found[entry.key] = _waits(reader, entry.value)
        else:
            known = ", ".join(LEVELS)
            reader.document.wrong(entry.key_node, f"unknown level {entry.key!r}; known are {known}")
    return tuple(found.get(level, ()) for level in LEVELS)


def _waits(reader: EntryReader, node: yaml.Node) -> tuple[int, ...]:
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    if not 0 < len(nodes) < MAX_CONTACT:
        reader.document.wrong(node, f"call names one wait for each contact from 2 to {MAX_CONTACT}")
    return tuple(reader.duration_of(item, "call") for item in nodes)


def read_call_entry(reader: EntryReader) -> CallEntry | None:
    """An entry for rules without a call of their own; None where it has a mistake."""
    before = len(reader.document.mistakes)
    reader.known_keys(CALL_KEYS)
    calls = read_calls(reader, reader.entries["call"].value)
    patterns = reader.texts(reader.entries["rules"].value, "rules") if "rules" in reader.entries else ("*",)
    return CallEntry(patterns, calls) if len(reader.document.mistakes) == before else None
