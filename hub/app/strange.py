"""What is most likely a slip in the city folder and no mistake for certain: `check` notes it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

from hub.model import Device
from hub.options import Config
from hub.pairs import pair_of
from hub.ports import Plugin
from hub.secret_files import exposed
from rules.book import RuleBook, known_packs
from rules.book import load as load_rules

E_NOTATION = re.compile(r"(?:.*:)?\d(?:[.,]\d+)?[Ee][+]?\d{1,3}")
"""8.64717E+14: how spreadsheets write numbers of more than eleven digits, IMEI and MMSI among them."""

SECRET_FILES = (
    "token_file",
    "tokens_file",
    "secret_file",
    "secrets_file",
    "password_file",
    "key_file",
    "keys_file",
    "peers_file",
)
"""How keys end that name files of secrets, those of packages too."""


def strange(devices: Iterable[Device], book: RuleBook, plugins: Mapping[str, Plugin]) -> list[str]:
    """Sentences about ids that a spreadsheet has shortened or that read as a pair's, and about kinds that nothing knows."""
    listed = list(devices)
    found = [
        f"devices.csv: {device.device} looks like a number that a spreadsheet has shortened; write the id in full, as text"
        for device in listed
        if E_NOTATION.fullmatch(device.device)
    ]
    found += [
        f"devices.csv: {device.device} reads as two that meet, {pair[0]} and {pair[1]}; their own warning would have this name, so give the device another"
        for device in listed
        if (pair := pair_of(device.device))
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


def unlisted(config: Config, devices: Collection[str], plugins: Mapping[str, Plugin]) -> list[str]:
    """Sentences about devices that an adapter's own configuration names, such as a register map, and devices.csv does not."""
    found = []
    for block in config.adapters:
        plugin = plugins.get(block.protocol)
        for name in plugin.devices(block.options) if plugin and plugin.devices else ():
            if name not in devices:
                near = get_close_matches(name, devices, n=1)
                hint = f"; was {near[0]!r} meant?" if near else ""
                fate = "taken without a place, a kind and a name" if block.unknown_devices == "admit" else "quarantined"
                found.append(
                    f"adapter {block.name} reads the device {name!r}, which devices.csv does not list, so what it says is {fate}{hint}"
                )
    return found


def exposed_secrets(config: Config) -> list[str]:
    """A sentence for each file of secrets that anybody on this machine may read or change."""
    blocks: list[object] = [config.api, config.ingest, config.store, config.oidc]
    blocks += [block.options for block in config.adapters] + [block.options for block in config.sinks]
    blocks += [block.codec_options for block in config.adapters]
    files = {
        getattr(block, name): None
        for block in blocks
        for name in getattr(block, "__struct_fields__", ())
        if name.endswith(SECRET_FILES)
    }
    return [sentence for file in files if file and (sentence := exposed(file))]


def _kinds(book: RuleBook) -> set[str]:
    selects = [rule.select for rule in book.rules] + [spec.select for spec in book.derivations]
    return {kind for select in selects for kind in select.kinds} - {"*"}
