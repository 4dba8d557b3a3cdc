"""`cityhub maintenance`: planned work on devices, during which they raise no warnings."""

from __future__ import annotations

import argparse
import getpass
import re
from datetime import tzinfo
from typing import Any
from urllib.parse import quote

from hub.api import views
from hub.cli.client import Way, entries, open_log, takes_hub, way_to
from hub.cli.output import Problem, command, json_line, listing, note
from hub.cli.times import wall
from hub.clock import now
from hub.model import OperatorAction
from hub.moment import SECOND, from_text, to_text
from hub.options import Config
from hub.units import UnitError
from rules.language.types import nanoseconds, seconds_text
from rules.state.maintenance import Windows, apply

NEEDED = "planning needs one, since it goes into the hub's log"
EVERY = {"day": "1 d", "week": "7 d"}


def add(commands: Any) -> None:
    parser = command(
        commands, "maintenance", maintenance, "plan work on devices, which then raise no warnings", lists=True
    )
    takes_hub(parser)
    parser.add_argument("action", choices=("list", "plan", "cancel"))
    parser.add_argument(
        "target", nargs="?", default="", help="plan: a device, area:NAME or zone:NAME; cancel: the id that list shows"
    )
    parser.add_argument("--from", dest="start", metavar="T", help="plan: when it begins; now without it")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--until", metavar="T", help="plan: when it ends (times without a zone are the city's)")
    end.add_argument("--for", dest="span", metavar="2h", help="plan: how long it lasts")
    parser.add_argument("--every", metavar="day|week|12h", help="plan: again and again, until it is cancelled")
    parser.add_argument("--note", default="", help="why")
    parser.add_argument("--who", default=getpass.getuser(), help="under whose name; yours on this machine without it")


def maintenance(options: argparse.Namespace) -> int:
    way = way_to(options)
    if options.action == "list":
        return _list(options, way)
    if not options.target:
        raise Problem(f"{options.action} needs a target", 2)
    said = {"who": options.who, "note": options.note}
    if options.action == "plan":
        answer = way.need("/api/v1/maintenance", NEEDED, "POST", json=said | _window(options, way.zone))
    else:
        path = f"/api/v1/maintenance/{quote(options.target, safe='')}/cancel"
        answer = way.need(path, NEEDED, "POST", json=said)
    if options.json:
        json_line(answer)
    else:
        print(f"planned: {answer['id']}" if options.action == "plan" else f"cancelled: {options.target}")
    return 0


def _window(options: argparse.Namespace, zone: tzinfo) -> dict[str, Any]:
    try:
        since = from_text(options.start, zone) if options.start else now()
        until = from_text(options.until, zone) if options.until else None
        if options.span:
            until = since + _span(options.span)
        every = _span(EVERY.get(options.every, options.every)) if options.every else 0
    except (ValueError, UnitError) as error:
        raise Problem(str(error), 2) from None
    if until is None:
        raise Problem("plan needs an end: --until T, or --for 2h", 2)
    return {"target": options.target, "from": to_text(since), "until": to_text(until), "every_s": every // SECOND}


def _span(text: str) -> int:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text)
    if found is None:
        raise ValueError(f"{text!r} is no span of time such as 2h or 30min")
    return nanoseconds(float(found[1]), found[2])


def _list(options: argparse.Namespace, way: Way) -> int:
    answer = way.ask("/api/v1/maintenance")
    for doubt in way.doubts():
        note(doubt)
    found = answer["windows"] if answer is not None else _from_log(way.config)
    at = wall(options, way.zone)
    listing(
        found,
        ("state", "target", "from", "until", "again", "who", "note", "id"),
        lambda item: (
            item["state"],
            item["target"],
            at(item["from"]),
            at(item["until"]),
            f"every {seconds_text(item['every_s'] * SECOND)}" if item["every_s"] else "",
            item["who"],
            item["note"],
            item["id"],
        ),
        "no work is planned",
        options,
    )
    return 0


def _from_log(config: Config) -> list[dict[str, Any]]:
    """Of a hub that does not run: what its log says was planned."""
    windows: Windows = {}
    with open_log(config) as log:
        for _, entry in entries(log, "events"):
            if isinstance(entry, OperatorAction) and entry.action in ("maintenance", "cancel-maintenance"):
                apply(windows, entry)
    at = now()
    return [views.maintenance(item, at) for item in sorted(windows.values(), key=lambda item: item.since)]
