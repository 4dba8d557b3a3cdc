"""Protocols by name: what `cityhub.adapters` and `cityhub.sinks` bring. One is imported when it is first asked for, not before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from hub.extensions import Extension, Ill, extensions
from hub.ports import Plugin

SINK_PARTS = ("sink", "sink_options")


class Plugins(Mapping[str, Plugin]):
    """Protocol name → `Plugin`. Those that cannot be loaded are in `ill` once asked for, and nobody's key."""

    def __init__(self) -> None:
        self._sources = extensions("adapters")
        self._sinks = extensions("sinks")
        self._names = list(dict.fromkeys((*self._sources, *self._sinks)))
        self._loaded: dict[str, Plugin] = {}
        self.ill: dict[str, str] = {}
        """Name → the sentence why it cannot be used."""

    def __getitem__(self, protocol: str) -> Plugin:
        if protocol not in self._loaded:
            self._loaded[protocol] = self._load(protocol)
        return self._loaded[protocol]

    def _load(self, protocol: str) -> Plugin:
        """Raises KeyError with the reason where it is ill."""
        source, sink = self._sources.get(protocol), self._sinks.get(protocol)
        try:
            taken = [plugin_of(one) for one in (source, sink) if one is not None]
        except Ill as error:
            self.ill[protocol] = str(error)
            raise KeyError(str(error)) from None
        if not taken:
            raise KeyError(protocol)
        first, last = taken[0], taken[-1]
        if first is last:
            return first
        return replace(first, **{name: getattr(last, name) for name in SINK_PARTS})

    def __contains__(self, protocol: object) -> bool:
        """Whether it is there and works."""
        try:
            return isinstance(protocol, str) and self[protocol] is not None
        except KeyError:
            return False

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._names if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def plugin_of(extension: Extension) -> Plugin:
    """The `Plugin` of that name: the entry point names it, or a list of several. Raises `Ill`."""
    loaded = extension.load(lambda thing: _wrong(thing, extension.name))
    offered: tuple[Plugin, ...] = loaded if isinstance(loaded, tuple) else (loaded,)
    return next(plugin for plugin in offered if plugin.protocol == extension.name)


def _wrong(thing: Any, name: str) -> str:
    offered = thing if isinstance(thing, tuple) else (thing,)
    if not all(isinstance(plugin, Plugin) for plugin in offered):
        return f"it names a {type(thing).__name__} where a cityhub.plugin.Plugin was meant"
    if name not in [plugin.protocol for plugin in offered]:
        return f"it names a plug-in with the protocol {offered[0].protocol!r}; entry point and protocol have one name"
    return ""
