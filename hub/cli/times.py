"""How commands show times to people: the city's wall clock with its offset, or UTC where `--utc` asks for it. JSON is always UTC."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import tzinfo

from hub.moment import SECOND, from_text, to_text, to_zone_text

Wall = Callable[[int | str | None], str]
"""ns or ISO text → what a table shows; what is no time stays as it is ("never")."""


def wall(options: argparse.Namespace, zone: tzinfo) -> Wall:
    def shown(at: int | str | None) -> str:
        if at is None:
            return ""
        if isinstance(at, str):
            try:
                at = from_text(at)
            except ValueError:
                return str(at)
        return to_text(at // SECOND * SECOND) if options.utc else to_zone_text(at, zone)

    return shown
