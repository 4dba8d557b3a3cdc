"""`cityhub`: every command a thin layer over the hub's parts. Exit 0: fine; 1: the input has faults; 2: wrong usage."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from hub.cli import (
    access,
    backing,
    camera_lists,
    checking,
    commanding,
    dashboards,
    decoding,
    describing,
    health,
    installing,
    judging,
    looking,
    making,
    mapping,
    noting,
    planning,
    plugging,
    reporting,
    scanning,
    seeing,
    serving,
    storing,
    upgrading,
)
from hub.cli.output import Problem

GROUPS = (
    serving,
    checking,
    plugging,
    making,
    health,
    installing,
    decoding,
    judging,
    looking,
    seeing,
    commanding,
    planning,
    noting,
    storing,
    backing,
    upgrading,
    camera_lists,
    mapping,
    reporting,
    scanning,
    access,
    dashboards,
    describing,
)


class _Parser(argparse.ArgumentParser):
    """Takes options and arguments in any order: argparse by itself has done with an argument that may be left out (`[FILE]`) as soon
    as an option stands before it, and calls the file behind the option unrecognised."""

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._mixing or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser("cityhub", description="One hub for a city's senses.", epilog="cityhub COMMAND --help says more.")
    top.add_argument("--version", action="version", version=f"cityhub {version('cityhub')}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for group in GROUPS:
        group.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    options = parser().parse_args(_with_numbers(sys.argv[1:] if arguments is None else arguments))
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
