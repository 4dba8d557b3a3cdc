"""`cityhub report fleet`: what vehicles did in a day, as a table, CSV or a spreadsheet."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hub.app.fleet import COLUMNS
from hub.cli.client import ask, config_of
from hub.cli.output import Problem, command, folder, json_line, table, write_csv
from hub.cli.times import wall

WORDS = {
    "device": ("device", "设备"), "name": ("name", "名称"), "trips": ("trips", "行程数"), "distance_km": ("distance, km", "里程 km"),
    "moving_h": ("moving, h", "行驶 h"), "idling_h": ("idling, h", "怠速 h"), "standing_h": ("standing, h", "停车 h"),
    "fastest_kmh": ("fastest, km/h", "最高车速 km/h"), "first_start": ("first start", "首次出发"), "last_end": ("last end", "最后到达"), "fuel_l": ("fuel, L", "油耗 L"),
}  # fmt: skip
"""Column → its heading in English and Chinese."""


def add(commands: Any) -> None:
    parser = command(commands, "report", report, "what vehicles did in a day", lists=True)
    parser.add_argument("what", choices=("fleet",))
    parser.add_argument("dir", type=folder)
    parser.add_argument("--day", metavar="2026-11-29", help="a day of the city; yesterday without it")
    parser.add_argument("--kind", help="vehicles of this kind only")
    parser.add_argument("--format", choices=("table", "csv", "xlsx"), default="table")
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="of the headings")
    parser.add_argument(
        "-o", dest="output", type=Path, metavar="FILE", help="standard output without it; xlsx needs it"
    )


def report(options: argparse.Namespace) -> int:
    if options.csv:
        options.format = "csv"
    if options.format == "xlsx" and options.output is None:
        raise Problem("a spreadsheet goes into a file: -o FILE.xlsx", 2)
    wanted = "&".join(f"{key}={value}" for key, value in (("day", options.day), ("kind", options.kind)) if value)
    config = config_of(options.dir)
    answer = ask(config, f"/api/v1/fleet?{wanted}")
    if answer is None:
        raise Problem(f"no hub runs on {options.dir}; it owns the store that the report is made of")
    at = wall(options, config.zone)
    rows = [
        row | {"first_start": at(row["first_start"]), "last_end": at(row["last_end"])} for row in answer["vehicles"]
    ]
    headings = [WORDS[column][options.language == "zh"] for column in COLUMNS]
    if options.json:
        json_line(answer)
    elif options.format == "table":
        table(headings, [[row[column] for column in COLUMNS] for row in rows], f"no vehicle in {answer['day']}")
    elif options.format == "csv":
        text = as_csv(headings, rows)
        options.output.write_text(text, "utf-8-sig") if options.output else print(text, end="")
    else:
        options.output.write_bytes(as_xlsx(headings, rows, answer["day"]))
    return 0


def as_csv(headings: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    made = io.StringIO()
    write_csv(made, headings, [[row[column] for column in COLUMNS] for row in rows])
    return made.getvalue()


def as_xlsx(headings: Sequence[str], rows: Sequence[dict[str, Any]], day: str) -> bytes:
    """Numbers as numbers, texts as texts (never formulas), the headings fixed."""
    import xlsxwriter  # a tenth of a second to import, which no other command should wait for

    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet(day[:31])
        sheet.write_row(0, 0, headings, book.add_format({"bold": True, "bottom": 1}))
        for number, row in enumerate(rows, 1):
            sheet.write_row(number, 0, [row[column] for column in COLUMNS])
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(COLUMNS) - 1, 16)
    return made.getvalue()
