"""A whole city folder, loaded and checked: configuration, registry, rules and tokens, every mistake of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from hub.api.auth import Token, load_tokens
from hub.config import Config, Mistake, load_config
from hub.ports import Plugin
from hub.registry import Registry, load_registry
from rules.book import RuleBook
from rules.book import load as load_rules


class City(msgspec.Struct, frozen=True):
    """What `cityhub run` needs, and nothing that is wrong."""

    config: Config
    registry: Registry
    book: RuleBook
    tokens: Mapping[str, Token]


def load_city(folder: Path, plugins: Mapping[str, Plugin]) -> tuple[City | None, list[Mistake]]:
    """The city in `folder`, or everything that is wrong with it."""
    config, mistakes = load_config(folder, plugins)
    registry, wrong = load_registry(folder)
    mistakes += wrong
    packs = config.rules.packs if config else []
    rules = load_rules([folder / "rules"] if (folder / "rules").is_dir() else [], packs)
    book = rules if isinstance(rules, RuleBook) else None
    if not isinstance(rules, RuleBook):
        mistakes += [Mistake(found.file, found.line, f"column {found.column}: {found.message}") for found in rules]
    tokens: dict[str, Token] = {}
    if config and config.api.tokens_file:
        tokens, wrong = load_tokens(Path(config.api.tokens_file))
        mistakes += wrong
    if mistakes or config is None or book is None:
        return None, mistakes
    return City(config, registry, book, tokens), []
