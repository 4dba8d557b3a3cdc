"""`cityhub report`: what vehicles did in a day, and air stations by day, as a table, CSV or a spreadsheet."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from hub.app import air, fleet
from hub.cli.client import ask, config_of
from hub.cli.output import Problem, command, folder, json_line, table, write_csv
from hub.cli.times import wall
from hub.metrics import vocabulary

WORDS = {
    "device": ("device", "设备"), "name": ("name", "名称"), "trips": ("trips", "行程数"), "distance_km": ("distance, km", "里程 km"),
    "moving_h": ("moving, h", "行驶 h"), "idling_h": ("idling, h", "怠速 h"), "standing_h": ("standing, h", "停车 h"),
    "fastest_kmh": ("fastest, km/h", "最高车速 km/h"), "first_start": ("first start", "首次出发"), "last_end": ("last end", "最后到达"), "fuel_l": ("fuel, L", "油耗 L"),
    "day": ("day", "日期"), "so2": ("SO2, ug/m3", "二氧化硫 µg/m³"), "no2": ("NO2, ug/m3", "二氧化氮 µg/m³"), "co": ("CO, mg/m3", "一氧化碳 mg/m³"), "o3": ("O3 over 8 h, ug/m3", "臭氧8小时 µg/m³"),
    "pm10": ("PM10, ug/m3", "PM10 µg/m³"), "pm25": ("PM2.5, ug/m3", "PM2.5 µg/m³"), "aqi": ("AQI", "AQI"), "class": ("class", "级别"), "primary": ("primary pollutants", "首要污染物"), "capture_pct": ("data capture, %", "数据获取率 %"),
}  # fmt: skip
"""Column → its heading in English and Chinese."""


def add(commands: Any) -> None:
    parser = command(commands, "report", report, "what vehicles did in a day; air stations by day", lists=True)
    parser.add_argument("what", choices=("fleet", "air"))
    parser.add_argument("dir", type=folder)
    parser.add_argument("--day", metavar="2026-11-29", help="a day of the city; yesterday without it")
    parser.add_argument("--month", metavar="2026-11", help="air: all days of a month")
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
    answer, columns, lines, span = _air(options) if options.what == "air" else _fleet(options)
    headings = [WORDS[column][options.language == "zh"] for column in columns]
    rows = [[line[column] for column in columns] for line in lines]
    if options.json:
        json_line(answer)
    elif options.format == "table":
        table(headings, rows, f"nothing in {span}")
    elif options.format == "csv":
        text = as_csv(headings, rows)
        options.output.write_text(text, "utf-8-sig") if options.output else print(text, end="")
    else:
        options.output.write_bytes(as_xlsx(headings, rows, span))
    return 0


Told = tuple[dict[str, Any], Sequence[str], Sequence[dict[str, Any]], str]
"""The hub's answer, the columns to show, the lines, and the time they are of."""


def _fleet(options: argparse.Namespace) -> Told:
    if options.month:
        raise Problem("--month is for air; the fleet is told by --day", 2)
    answer = _asked(options, "fleet", day=options.day, kind=options.kind)
    at = wall(options, config_of(options.dir).zone)
    lines = [
        line | {"first_start": at(line["first_start"]), "last_end": at(line["last_end"])} for line in answer["vehicles"]
    ]
    return answer, fleet.COLUMNS, lines, answer["day"]


def _air(options: argparse.Namespace) -> Told:
    """Class and pollutants in the language of the headings."""
    if options.kind or (options.day and options.month):
        raise Problem("air takes --day or --month, and no --kind", 2)
    answer = _asked(options, "air", span=options.month or options.day)
    chinese = options.language == "zh"
    lines = [
        {
            **line,
            "class": line["class_zh" if chinese else "class"],
            "primary": ("、" if chinese else ", ").join(
                (vocabulary()[name].title_zh if chinese else vocabulary()[name].title) for name in line["primary"]
            ),
        }
        for line in answer["days"]
    ]
    return answer, air.COLUMNS, lines, answer["span"]


def _asked(options: argparse.Namespace, what: str, **wanted: str | None) -> dict[str, Any]:
    query = urlencode({key: value for key, value in wanted.items() if value})
    answer: dict[str, Any] | None = ask(config_of(options.dir), f"/api/v1/{what}?{query}")
    if answer is None:
        raise Problem(f"no hub runs on {options.dir}; it owns the store that the report is made of")
    return answer


def as_csv(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    made = io.StringIO()
    write_csv(made, headings, rows)
    return made.getvalue()


def as_xlsx(headings: Sequence[str], rows: Sequence[Sequence[Any]], day: str) -> bytes:
    """Numbers as numbers, texts as texts (never formulas), the headings fixed."""
    import xlsxwriter  # a tenth of a second to import, which no other command should wait for

    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet(day[:31])
        sheet.write_row(0, 0, headings, book.add_format({"bold": True, "bottom": 1}))
        for number, row in enumerate(rows, 1):
            sheet.write_row(number, 0, row)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(headings) - 1, 16)
    return made.getvalue()
