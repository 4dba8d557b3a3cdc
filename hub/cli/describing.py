"""`cityhub schema`, `completion`, `man`: what the command and its files are like, for editors, shells and readers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import shtab

from hub.app.schemas import KINDS, schema
from hub.cli.output import command, json_line


def add(commands: Any) -> None:
    parser = command(
        commands, "schema", show, "the JSON Schema of a file, for editors: made from the types that read it"
    )
    parser.add_argument("kind", choices=tuple(KINDS), help="; ".join(f"{name}: {text}" for name, text in KINDS.items()))
    parser = command(commands, "completion", completion, "a script that completes commands and options in your shell")
    parser.add_argument("shell", choices=tuple(shtab.SUPPORTED_SHELLS), help='bash: eval "$(cityhub completion bash)"')
    command(commands, "man", man, "the manual page: cityhub man > cityhub.1")


def show(options: argparse.Namespace) -> int:
    json_line(schema(options.kind))
    return 0


def completion(options: argparse.Namespace) -> int:
    from hub.cli import parser

    print(shtab.complete(parser(), options.shell))
    return 0


EXIT_CODES = (
    ("0", "fine"),
    (
        "1",
        "the input has faults, a check failed, or something could not be done; a sentence on standard error says what",
    ),
    ("2", "wrong usage"),
    ("130", "ended by Ctrl-C"),
)
ENDING = {
    "FILES": "hub.toml, devices.csv, cameras.csv, zones.geojson, metrics.toml and rules/ in the city folder.",
    "SEE ALSO": "docs/ of the project.",
}


def man(options: argparse.Namespace) -> int:
    print("\n".join(_page()))
    return 0


def _page() -> Iterator[str]:
    """roff with the man macros (man 7 man)."""
    from hub.cli import parser

    top = parser()
    yield f'.TH CITYHUB 1 "" "cityhub {version("cityhub")}" "User Commands"'
    yield from (
        ".SH NAME",
        "cityhub \\- one hub for a city's senses",
        ".SH SYNOPSIS",
        ".B cityhub",
        "COMMAND [OPTIONS]",
    )
    yield from (".SH DESCRIPTION", _roff(top.description or ""), ".SH COMMANDS")
    for name, one in _commands(top):
        yield from (".SS " + _roff(name), _roff(one.description or ""))
        for action in one._actions:
            if action.help == argparse.SUPPRESS or isinstance(
                action, argparse._HelpAction | argparse._SubParsersAction
            ):
                continue
            shown = action.metavar if isinstance(action.metavar, str) else action.dest
            words = ", ".join(action.option_strings) or shown
            yield from (
                ".TP",
                f".B {_roff(words)}"
                + (f" {_roff(shown.upper())}" if action.option_strings and action.nargs != 0 else ""),
            )
            yield _roff((action.help or "").replace("%%", "%") or shown)
    yield ".SH EXIT STATUS"
    for code, text in EXIT_CODES:
        yield from (".TP", f".B {code}", _roff(text))
    for title, text in ENDING.items():
        yield from (f".SH {title}", _roff(text))


def _commands(top: argparse.ArgumentParser, before: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield before + name, one
                yield from _commands(one, f"{before}{name} ")


def _roff(text: str) -> str:
    """Text that no macro is read out of."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped
