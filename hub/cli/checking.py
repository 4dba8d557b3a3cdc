"""`cityhub init` and `cityhub check`: a city folder to start from, and everything wrong with one."""

from __future__ import annotations

import argparse
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from hub.app.certificates import old_certificates
from hub.app.city import load_city
from hub.app.plugins import Plugins
from hub.app.strange import exposed_secrets, strange, unlisted
from hub.cli.client import told_by_hub
from hub.cli.output import Problem, command, folder, json_line
from hub.clock import now
from rules.unread import never, unread


def add(commands: Any) -> None:
    parser = command(commands, "init", init, "write a starter city folder with comments")
    parser.add_argument("dir", type=folder)
    parser = command(commands, "check", check, "find every mistake in a city folder")
    parser.add_argument("dir", type=folder)


def init(options: argparse.Namespace) -> int:
    target: Path = options.dir
    if target.exists() and any(target.iterdir()):
        raise Problem(f"{target} is not empty; name a new folder")
    with resources.as_file(resources.files("hub").joinpath("starter")) as starter:
        shutil.copytree(starter, target, dirs_exist_ok=True)
    if options.json:
        json_line(
            {
                "created": str(target),
                "files": sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()),
            }
        )
    else:
        print(f"{target} is ready. Next: edit it, `cityhub check {target}`, `cityhub run {target}`.")
    return 0


def check(options: argparse.Namespace) -> int:
    plugins = Plugins()
    city, mistakes = load_city(options.dir, plugins)
    if options.json:
        for mistake in mistakes:
            json_line({"file": mistake.file, "line": mistake.line, "message": mistake.message})
    else:
        for mistake in mistakes:
            print(mistake)
    if city is None:
        return 1
    notes = city.book.notes(city.registry.devices.values(), city.registry.zones.values())
    notes += strange(city.registry.devices.values(), city.book, plugins)
    notes += unlisted(city.config, city.registry.devices, plugins)
    notes += exposed_secrets(city.config)
    notes += old_certificates(city.config, now())
    told = told_by_hub(city.config)  # metrics are known only of devices that have been heard
    notes += [*map(str, unread(city.book, told)), *never(city.book, told, city.registry.devices.values())]
    if options.json:
        for text in notes:
            json_line({"note": text})
        return 0
    for text in notes:
        print(f"note: {text}")
    config, registry = city.config, city.registry
    print(
        f"{options.dir} is fine: {len(config.adapters)} adapters, {len(config.sinks)} destinations, {len(registry.devices)} devices, "
        f"{len(registry.cameras)} cameras, {len(registry.zones)} zones, {len(city.book.rules)} rules."
    )
    return 0
