"""`cityhub health`: how every part of a running hub is."""

from __future__ import annotations

import argparse
from typing import Any

from hub.cli.client import takes_hub, way_to
from hub.cli.output import command, json_line, note, table
from hub.cli.times import wall
from hub.health import WORST


def add(commands: Any) -> None:
    parser = command(commands, "health", health, "how every part of the running hub is, the worst first", lists=True)
    takes_hub(parser)


def health(options: argparse.Namespace) -> int:
    """Exit 0 where the hub is ready, 1 where it is not or does not run."""
    way = way_to(options)
    status = way.need("/api/v1/status", "the parts of one that runs are told")
    parts = sorted(status["parts"], key=lambda part: WORST.index(part["state"]), reverse=True)
    if options.json:
        for part in parts:
            json_line(part)
    else:
        at = wall(options, way.zone)
        rows = [
            (part["part"], part["state"], "required" if part["required"] else "", at(part["since"]), part["reason"])
            for part in parts
        ]
        table(("part", "state", "required", "since", "why"), rows, "no parts", options)
        if not options.csv and len(nodes := status["nodes"]) > 1:
            print()
            shown = [
                (
                    node["node"],
                    ", ".join(node["roles"]),
                    ", ".join(node["stands_by"]),
                    node["address"],
                    "" if node["ready"] else "NOT READY",
                )
                for node in nodes
            ]
            table(("machine", "does", "stands by for", "listens on", ""), shown, "no machines", options)
        if not options.csv and (city := status["city"]):
            print()
            counts = ("logged", "stored", "store_refused", "replaced", "waiting", "quarantined")
            rows = [(one["name"], *(f"{one[count]:,}" for count in counts)) for one in city]
            table(
                ("all machines", "logged", "stored", "refused by the store", "replaced", "waiting", "quarantined"),
                rows, "nothing", options,
            )  # fmt: skip
        for letters in status.get("dead_letters", ()):
            note(
                f"{letters['destination']} has refused {letters['count']:,} warnings for good since {wall(options, way.zone)(letters['since'])}: "
                "`cityhub delivery DIR list` shows why, `retry` offers them again, `drop` forgets them"
            )
        if not options.csv:
            print("ready" if status["ready"] else "NOT READY: a required part does not work")
    return 0 if status["ready"] else 1
