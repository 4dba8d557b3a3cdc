"""The command line's grammar: arguments in any order, and a hub's address in the place of a city folder."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

FAR = "--hub"


class Parser(argparse.ArgumentParser):
    """Takes options and arguments in any order: argparse by itself has done with an argument that may be left out (`[FILE]`) as soon
    as an option stands before it, and calls the file behind the option unrecognised."""

    place: argparse.Action | None = None
    """The argument that names a city folder. With `--hub URL` there is none, so that what follows is not taken for it."""
    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._mixing or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        if self.place in self._actions and _far(args or ()):
            self._actions.remove(self.place)
            self.set_defaults(**{self.place.dest: None})
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False


def _far(words: Sequence[str]) -> bool:
    return any(word == FAR or word.startswith(f"{FAR}=") for word in words)
