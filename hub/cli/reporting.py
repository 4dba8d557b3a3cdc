"""`cityhub report`: what vehicles did in a day, and air stations by day, as a table, CSV, a spreadsheet or PDF."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hub.cli.client import Way, takes_hub, way_to
from hub.cli.output import Problem, command, json_line, table, write_csv
from hub.cli.times import wall
from hub.reports import air_paper, fleet_paper
from hub.reports.paper import Cell
from hub.reports.papers import FORMS

OWNED = "it owns the store that the report is made of"


def add(commands: Any) -> None:
    parser = command(commands, "report", report, "what vehicles did in a day; air stations by day", lists=True)
    parser.add_argument("what", choices=("fleet", "air"))
    takes_hub(parser)
    parser.add_argument("--day", metavar="2026-11-29", help="a day of the city; yesterday without it")
    parser.add_argument("--month", metavar="2026-11", help="air: all days of a month")
    parser.add_argument("--kind", help="vehicles of this kind only")
    parser.add_argument("--format", choices=("table", "csv", *FORMS), default="table")
    parser.add_argument("--language", choices=("en", "zh"), default="en")
    parser.add_argument(
        "-o", dest="output", type=Path, metavar="FILE", help="standard output without it; xlsx and pdf need it"
    )


def report(options: argparse.Namespace) -> int:
    if options.csv:
        options.format = "csv"
    if options.format in FORMS and options.output is None:
        raise Problem(f"{options.format} goes into a file: -o FILE.{options.format}", 2)
    way, chinese, wanted = way_to(options), options.language == "zh", _wanted(options)
    if options.format in FORMS and not options.json:
        asked = wanted | {"format": options.format, "lang": options.language}
        options.output.write_bytes(way.file(f"/api/v1/report/{options.what}", asked, OWNED))
        return 0
    answer: dict[str, Any] = way.need(f"/api/v1/{options.what}", OWNED, params=wanted)
    if options.json:
        json_line(answer)
    else:
        headings, rows = _shown(options, answer, way, chinese)
        if options.format == "table":
            table(headings, rows, f"nothing in {answer['span' if options.what == 'air' else 'day']}")
        else:
            text = as_csv(headings, rows)
            options.output.write_text(text, "utf-8-sig") if options.output else print(text, end="")
    return 0


def _shown(
    options: argparse.Namespace, answer: dict[str, Any], way: Way, chinese: bool
) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
    """Headings and lines, words in the language."""
    if options.what == "air":
        return air_paper.headings(air_paper.COLUMNS, chinese), [air_paper.row(line, chinese) for line in answer["days"]]
    told = fleet_paper.with_times(answer["vehicles"], wall(options, way.zone))
    return fleet_paper.headings(chinese), [fleet_paper.row(line) for line in told]


def _wanted(options: argparse.Namespace) -> dict[str, str]:
    """What the hub is asked for."""
    if options.what == "fleet":
        if options.month:
            raise Problem("--month is for air; the fleet is told by --day", 2)
        wanted = {"day": options.day, "kind": options.kind}
    else:
        if options.kind or (options.day and options.month):
            raise Problem("air takes --day or --month, and no --kind", 2)
        wanted = {"span": options.month or options.day}
    return {key: value for key, value in wanted.items() if value}


def as_csv(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    made = io.StringIO()
    write_csv(made, headings, rows)
    return made.getvalue()
