"""A city folder that was edited, taken over by the hub that runs on it, without dropping a connection that need not be dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from hub.app.city import City, load_city
from hub.app.plugins import Plugins
from hub.metrics import city_text, use_city
from hub.options import SECTIONS

AT_START = tuple(name for name in SECTIONS if name not in ("rules", "cameras"))
"""Sections of hub.toml that are read when the hub starts, and then no more."""

QUIET: Mapping[str, Callable[[City], object]] = {
    "cameras": lambda city: city.registry.cameras,
    "buildings": lambda city: city.registry.buildings,
    "refused devices": lambda city: city.registry.refused,
    "tokens": lambda city: city.tokens,
    "device secrets": lambda city: city.secrets,
}


class Again(NamedTuple):
    """A city folder read anew: None with its mistakes where it has some; what its destinations are made of; whether its words changed."""

    city: City | None
    mistakes: list[str]
    sinks: Mapping[str, Any]
    words: bool


async def read_again(old: City, prepared: Callable[[City], Mapping[str, Any]]) -> Again:
    """The folder as it is now. `prepared` makes what is new of its destinations, and raises ValueError where that cannot be. Where there are
    mistakes the vocabulary stays as it was."""
    before, sinks, folder = city_text(), dict[str, Any](), old.config.folder
    city, found = await asyncio.to_thread(load_city, folder, Plugins())
    mistakes = [str(mistake) for mistake in found]
    if city is not None:
        city = _with(city, sinks=(*city.config.sinks, *(sink for sink in old.config.sinks if not sink.line)))
        try:
            sinks.update(prepared(city))
        except ValueError as error:
            city, mistakes = None, [f"{folder / 'hub.toml'}: {error}"]
    if city is None:
        use_city(before)
    return Again(city, mistakes, sinks, city_text() != before)


def taken_over(old: City, new: City) -> City:
    """The new city, but for what holds from the next start on."""
    return _with(new, **{name: getattr(old.config, name) for name in AT_START})


def for_the_next_start(old: City, new: City) -> list[str]:
    """A sentence for each change that a running hub does not take."""
    return [
        f"[{name}]: changed; it holds once the hub has been started again"
        for name in AT_START
        if getattr(old.config, name) != getattr(new.config, name)
    ]


def changed(old: City, new: City) -> list[str]:
    """A sentence for each thing of the new city that is taken over and that nobody else tells of. Who takes a token away must see that it is gone."""
    return [f"{name}: taken over" for name, part in QUIET.items() if part(old) != part(new)]


def _with(city: City, **sections: Any) -> City:
    return msgspec.structs.replace(city, config=msgspec.structs.replace(city.config, **sections))
