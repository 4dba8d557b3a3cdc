"""A city folder for commands: loaded and clean, or its mistakes printed and exit 1."""

from __future__ import annotations

from pathlib import Path

from hub.app.city import City, load_city
from hub.app.plugins import Plugins
from hub.cli.output import Problem, note


def clean_city(folder: Path) -> City:
    """Raises `Problem` after printing every mistake."""
    city, mistakes = load_city(folder, Plugins())
    if city is None:
        for mistake in mistakes:
            note(str(mistake))
        raise Problem(f"{len(mistakes)} mistake{'s' if len(mistakes) != 1 else ''} in {folder}; nothing was started")
    return city
