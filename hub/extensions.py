"""What installed packages add to the hub, found by entry points. What ships with it takes the same road.

An entry point is loaded when it is first asked for. One that cannot be loaded, or brings something else than its group wants, is *ill*: it is
named with the reason, and all others work. Of two packages with the same name in one group the hub's own stands, then the first by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Any

GROUPS: Mapping[str, str] = {
    "adapters": "protocols that bring readings in",
    "sinks": "destinations of warnings",
    "stores": "kinds of history",
    "packs": "rule packs",
    "metrics": "words of the vocabulary",
    "functions": "functions of rule expressions",
    "inventories": "lists of cameras from elsewhere",
}
"""Group (`cityhub.NAME` in a package's metadata) → what it holds."""
OWN = "cityhub"


class Ill(Exception):
    """An extension that cannot be used; the text names it, its package and why."""


class Extension:
    """One entry point: its group, name, the package that brings it, and what became of loading it."""

    def __init__(self, group: str, point: EntryPoint) -> None:
        self.group, self.name, self.value = group, point.name, point.value
        self.package, self.version = _named(point.dist) if point.dist else ("?", "?")
        self.trouble = ""
        """Why it cannot be used; empty where it can, or where nobody has asked yet."""
        self._point = point
        self._loaded: Any = None

    def load(self, right: Callable[[Any], str] = lambda thing: "") -> Any:
        """What the entry point names. `right` gives a sentence where that is not what the group wants. Raises `Ill`."""
        if self._loaded is None and not self.trouble:
            try:
                loaded = self._point.load()
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a foreign module may do anything while it is imported, `sys.exit` too
                self.trouble = f"{type(error).__name__}: {error}"
            else:
                self.trouble = right(loaded)
                self._loaded = loaded
        if self.trouble:
            raise self.ill()
        return self._loaded

    def reject(self, why: str) -> None:
        """Say that it cannot be used although it could be loaded."""
        self.trouble = why

    def ill(self) -> Ill:
        return Ill(f"{self.name!r} of package {self.package} {self.version} cannot be used: {self.trouble}")

    @property
    def own(self) -> bool:
        """Whether it ships with the hub."""
        return self.package == OWN


@cache
def _points() -> Any:
    """Those of all packages, looked for once; `select` gives a group's. (Python 3.11 has another type for them than 3.12.)"""
    return entry_points()


@cache
def _named(package: Distribution) -> tuple[str, str]:
    """Name and version, read once: each look at either reads the whole of the package's description, and the hub has forty entry points."""
    return package.name, package.version


@cache
def extensions(group: str) -> Mapping[str, Extension]:
    """All of a group by name, the hub's own first."""
    found = [Extension(group, point) for point in _points().select(group=f"cityhub.{group}")]
    if not any(extension.own for extension in found):
        raise RuntimeError(
            f"the installation of cityhub names no {group}, so it is older than its source: run `make env`, or install it anew"
        )
    taken: dict[str, Extension] = {}
    for extension in sorted(found, key=lambda one: (not one.own, one.package, one.name)):
        first = taken.setdefault(extension.name, extension)
        if first is not extension:
            extension.reject(f"the name is taken by package {first.package}")
            taken[f"{extension.name} ({extension.package})"] = extension
    return taken


def working(group: str, right: Callable[[Any], str] = lambda thing: "") -> Iterator[tuple[Extension, Any]]:
    """Those of a group that can be loaded."""
    for extension in extensions(group).values():
        try:
            yield extension, extension.load(right)
        except Ill:
            continue


def must_be(kind: type) -> Callable[[Any], str]:
    """For `load`: the entry point names a thing of this type."""
    return lambda thing: (
        ""
        if isinstance(thing, kind)
        else f"it names a {type(thing).__name__} where a cityhub.plugin.{kind.__name__} was meant"
    )


def ill() -> list[Extension]:
    """Those found to be ill so far."""
    return [one for group in GROUPS for one in extensions(group).values() if one.trouble]


__all__ = ["GROUPS", "Extension", "Ill", "extensions", "ill", "must_be", "working"]
