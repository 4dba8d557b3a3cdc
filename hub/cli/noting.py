"""`cityhub notes`: what people wrote about warnings, which were false alarms, and what shifts left to each other."""

from __future__ import annotations

import argparse
from typing import Any

from hub.api import views
from hub.cli.client import Way, takes_hub, way_to
from hub.cli.output import command, listing
from hub.cli.times import wall
from hub.notes import NOTES, Notes
from hub.whole_file import replace


def add(commands: Any) -> None:
    parser = command(
        commands, "notes", notes, "comments on warnings, false alarms, notes for the next shift", lists=True
    )
    takes_hub(parser)
    parser.add_argument("--false-alarms", action="store_true", help="only the warnings that stand as false alarms")


def written(way: Way, standing: bool) -> list[dict[str, Any]]:
    """Notes, the newest first, of the hub that runs or of its data folder. `standing`: marks of false alarms that stand, alone."""
    answer = way.list("/api/v1/notes", "notes", params={"standing": str(standing).lower()})
    if answer is not None:
        return list(answer[0])
    kept = Notes(way.config.data / NOTES, replace)
    return [views.note(one) for one in reversed(kept.all) if not standing or kept.stands(one)]


def notes(options: argparse.Namespace) -> int:
    way = way_to(options)
    found = written(way, options.false_alarms)
    at = wall(options, way.zone)
    listing(
        found,
        ("number", "at", "kind", "who", "note", "rule", "subject", "level", "raised", "read by"),
        lambda item: (
            item["number"],
            at(item["at"]),
            item["kind"],
            item["who"],
            item["note"],
            item["rule"] or "",
            item["subject"] or "",
            item["level"] or "",
            at(item["raised_at"]) if item["raised_at"] else "",
            item["read_by"] or "",
        ),
        "nothing has been noted",
        options,
    )
    return 0
