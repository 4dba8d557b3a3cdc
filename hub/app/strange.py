"""What is most likely a slip in the registry and no mistake for certain: `check` notes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from hub.model import Device
from hub.ports import Plugin
from rules.book import RuleBook, known_packs
from rules.book import load as load_rules

E_NOTATION = re.compile(r"(?:.*:)?\d(?:[.,]\d+)?[Ee][+]?\d{1,3}")
"""8.64717E+14: how spreadsheets write numbers of more than eleven digits, IMEI and MMSI among them."""


def strange(devices: Iterable[Device], book: RuleBook, plugins: Mapping[str, Plugin]) -> list[str]:
    """Sentences about ids that a spreadsheet has shortened, and about kinds that nothing knows."""
    listed = list(devices)
    found = [
        f"devices.csv: {device.device} looks like a number that a spreadsheet has shortened; write the id in full, as text"
        for device in listed
        if E_NOTATION.fullmatch(device.device)
    ]
    known = _kinds(book)
    kinds = {device.kind for device in listed if device.kind}
    if kinds - known:
        packs = load_rules([], known_packs())
        known |= _kinds(packs) if isinstance(packs, RuleBook) else set()
    if kinds - known:  # to look at all adapters takes longest
        known |= {plugin.kind for plugin in plugins.values()} - {""}
    for kind in sorted(kinds - known):
        own = [device.device for device in listed if device.kind == kind]
        near = get_close_matches(kind, known, n=1)
        hint = f"; was {near[0]!r} meant?" if near else ""
        found.append(
            f"devices.csv: no rule, pack or adapter knows the kind {kind!r} ({own[0]}{' …' if len(own) > 1 else ''}){hint}"
        )
    return found


def _kinds(book: RuleBook) -> set[str]:
    selects = [rule.select for rule in book.rules] + [spec.select for spec in book.derivations]
    return {kind for select in selects for kind in select.kinds} - {"*"}
