"""`cityhub plugins`: what installed packages add, from where, and whether it works."""

from __future__ import annotations

import argparse
from typing import Any

from hub.app.plugins import plugin_of
from hub.cli.output import command, json_line, table
from hub.extensions import GROUPS, Extension, Ill, extensions, must_be
from hub.metrics import vocabulary
from hub.ports import Inventory
from hub.store import kind_of
from rules.book import known_packs
from rules.figures.derived import functions


def add(commands: Any) -> None:
    parser = command(
        commands, "plugins", plugins, "what packages add to the hub, and whether each part works", lists=True
    )
    parser.add_argument("--group", choices=tuple(GROUPS), help="only these")


def plugins(options: argparse.Namespace) -> int:
    """Exit 1 where one cannot be used."""
    found = [one for group in GROUPS if options.group in (None, group) for one in extensions(group).values()]
    for one in found:
        _try(one)
    ill = [one for one in found if one.trouble]
    if options.json:
        for one in found:
            json_line(
                {
                    "group": one.group, "name": one.name, "package": one.package, "version": one.version, "built_in": one.own,
                    "from": one.value, "works": not one.trouble, "trouble": one.trouble,
                }
            )  # fmt: skip
    else:
        rows = [(one.group, one.name, f"{one.package} {one.version}", one.trouble or "works") for one in found]
        table(("group", "name", "package", "state"), rows, "none", options)
        if not options.csv:
            print(f"{len(found)} in all, {len(ill)} of them cannot be used")
    return 1 if ill else 0


def _try(one: Extension) -> None:
    """Load it as the hub would; what is wrong stands in its `trouble` then."""
    try:
        if one.group in ("adapters", "sinks"):
            plugin_of(one)
        elif one.group == "stores":
            kind_of(one.name)
        elif one.group == "packs":
            known_packs()
        elif one.group == "metrics":
            vocabulary()
        elif one.group == "functions":
            functions()
        else:
            one.load(must_be(Inventory))
    except (Ill, ValueError):
        return
