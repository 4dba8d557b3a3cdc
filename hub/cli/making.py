"""`cityhub new`: a package to begin with, for a protocol, a destination or a rule pack."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from functools import reduce
from importlib import resources
from importlib.resources.abc import Traversable
from operator import xor
from pathlib import Path
from typing import Any

from hub.cli.output import Problem, command, json_line

KINDS = {"adapter": "a protocol that brings readings in", "sink": "a destination of alerts", "pack": "a rule pack"}
SUFFIX = ".in"


def add(commands: Any) -> None:
    parser = command(commands, "new", new, "a package of your own to begin with: code, sample, tests")
    parser.add_argument("kind", choices=tuple(KINDS), help="; ".join(f"{name}: {text}" for name, text in KINDS.items()))
    parser.add_argument("name", help="of the protocol or pack, such as lora-bin")
    parser.add_argument("--in", dest="folder", type=Path, default=Path(), metavar="DIR", help="where; here without it")


def new(options: argparse.Namespace) -> int:
    name: str = options.name
    if not re.fullmatch("[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > 40:
        raise Problem(f"{name!r}: small letters, digits and single hyphens were meant, such as lora-bin", 2)
    target: Path = options.folder / f"cityhub-{name}"
    if target.exists():
        raise Problem(f"{target} is there already")
    module = f"cityhub_{name.replace('-', '_')}"
    words = {
        "@name@": name, "@module@": module, "@Name@": "".join(part.capitalize() for part in name.split("-")),
        "@check@": _check(b"tank-1,1.25"), "@check2@": _check(b"tank-2,-0.5"),
    }  # fmt: skip
    written = []
    for path, text in _files(resources.files("hub").joinpath("packages", options.kind)):
        file = target / _filled(path.removesuffix(SUFFIX), words)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_filled(text, words), "utf-8")
        written.append(str(file.relative_to(target)))
    if options.json:
        json_line({"created": str(target), "files": sorted(written)})
    else:
        print(f"{target} is ready. Next: `pip install -e {target}[test]`, `pytest {target}`, `cityhub plugins`.")
    return 0


def _files(folder: Traversable, before: str = "") -> Iterator[tuple[str, str]]:
    """Path within the template, and text."""
    for item in folder.iterdir():
        if item.is_dir():
            yield from _files(item, f"{before}{item.name}/")
        elif item.name.endswith(SUFFIX):
            yield before + item.name, item.read_text("utf-8")


def _filled(text: str, words: dict[str, str]) -> str:
    return re.sub("@[A-Za-z0-9]+@", lambda found: words[found[0]], text)


def _check(line: bytes) -> str:
    return f"{reduce(xor, line):02X}"
