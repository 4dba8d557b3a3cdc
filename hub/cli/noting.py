"""`cityhub notes`: what people wrote about warnings, which were false alarms, and what shifts left to each other."""

from __future__ import annotations

import argparse
from typing import Any

from hub.api import views
from hub.cli.client import ask, config_of
from hub.cli.output import command, folder, json_line, table
from hub.cli.times import wall
from hub.notes import NOTES, Kind, Notes
from hub.whole_file import replace


def add(commands: Any) -> None:
    parser = command(
        commands, "notes", notes, "comments on warnings, false alarms, notes for the next shift", lists=True
    )
    parser.add_argument("dir", type=folder)
    parser.add_argument("--false-alarms", action="store_true", help="only the warnings that stand as false alarms")


def notes(options: argparse.Namespace) -> int:
    config = config_of(options.dir)
    answer = ask(config, "/api/v1/notes")
    if answer is None:
        found = [views.note(item) for item in reversed(Notes(config.data / NOTES, replace).all)]
    else:
        found = answer["notes"]
    if options.false_alarms:
        found = _standing(found)
    if options.json:
        for item in found:
            json_line(item)
        return 0
    at = wall(options, config.zone)
    rows = [
        (
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
        )
        for item in found
    ]
    columns = ("number", "at", "kind", "who", "note", "rule", "subject", "level", "raised", "read by")
    table(columns, rows, "nothing has been noted", options)
    return 0


def _standing(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of notes, the newest first: the marks of false alarms that nobody took back."""
    decided: set[str] = set()
    standing = []
    for item in found:
        if item["kind"] in (Kind.FALSE_ALARM, Kind.NO_FALSE_ALARM) and item["alert"] not in decided:
            decided.add(item["alert"])
            if item["kind"] == Kind.FALSE_ALARM:
                standing.append(item)
    return standing
