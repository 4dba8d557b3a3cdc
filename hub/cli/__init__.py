"""`cityhub`: every command a thin layer over the hub's parts. Exit 0: fine; 1: the input has faults; 2: wrong usage."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from hub.cli.output import Problem
from hub.cli.parsing import Parser

GROUPS = {
    "serving": ("run", "replay"),
    "simulating": ("demo", "simulate"),
    "checking": ("init", "check"),
    "plugging": ("plugins",),
    "making": ("new",),
    "health": ("health",),
    "installing": ("install-service", "reload"),
    "decoding": ("decode",),
    "judging": ("backtest", "rules"),
    "looking": ("devices", "alerts", "quarantine", "delivery"),
    "seeing": ("cameras",),
    "commanding": ("command",),
    "planning": ("maintenance",),
    "noting": ("notes",),
    "storing": ("import", "export", "store"),
    "backing": ("backup", "restore"),
    "upgrading": ("upgrade",),
    "camera_lists": ("camera-list",),
    "mapping": ("basemap",),
    "reporting": ("report",),
    "scanning": ("modbus",),
    "access": ("users", "audit"),
    "dashboards": ("dashboards",),
    "describing": ("schema", "completion", "man"),
}
"""Module → its commands, in the order in which `--help` lists them. A module is imported when one of its commands is asked for, since all
of them together take seconds on a small machine."""


def parser(asked: str = "") -> argparse.ArgumentParser:
    """The command line of one command's group; the whole of it where `asked` is no command."""
    top = Parser("cityhub", description="One hub for a city's senses.", epilog="cityhub COMMAND --help says more.")
    top.add_argument("--version", action="version", version=f"cityhub {version('cityhub')}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for group in [name for name, own in GROUPS.items() if asked in own] or GROUPS:
        import_module(f"hub.cli.{group}").add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    words = _with_numbers(sys.argv[1:] if arguments is None else arguments)
    options = parser(words[0] if words else "").parse_args(words)
    try:
        code = options.run(options)
        sys.stdout.flush()
        return int(code or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `cityhub … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Problem as problem:
        print(f"cityhub: {problem}", file=sys.stderr)
        return problem.code


def _with_numbers(arguments: Sequence[str]) -> list[str]:
    """`--at -121.8,39.7` as `--at=-121.8,39.7`: argparse takes what begins with a minus for an option."""
    glued: list[str] = []
    for argument in arguments:
        if re.match(r"-\d[\d.]*,", argument) and glued and re.fullmatch(r"--[a-z-]+", glued[-1]):
            glued[-1] += f"={argument}"
        else:
            glued.append(argument)
    return glued


if __name__ == "__main__":
    sys.exit(main())
