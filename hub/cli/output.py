"""What commands print: JSON for machines, tables for people, sentences for mistakes."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hub.cli.parsing import Parser
from hub.text_files import harmless

T = TypeVar("T")
WIDTH = 200
"""Columns of a table that goes into a file or a pipe."""


LAID_OUT_MAX = 500
"""Rows that are laid out to the terminal's width."""


class Problem(Exception):
    """Something the person at the terminal can mend; its text is all that is shown."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def json_line(data: Any) -> None:
    """One JSON object on a line of its own, at once."""
    sys.stdout.write(msgspec.json.encode(data).decode() + "\n")


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str, options: argparse.Namespace | None = None
) -> None:
    """A table as wide as the terminal; `empty` where there is nothing to show. With the `options` of a list (`command(…, lists=True)`),
    CSV where `--csv` asks for it."""
    shown = list(rows)
    if options is not None and options.csv:
        write_csv(sys.stdout, columns, shown)
        return
    if not shown:
        print(empty)
        return
    if len(shown) > LAID_OUT_MAX:
        _plain_table(columns, shown)
        return
    from rich import box  # laying out takes longer to import than most commands run
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in shown:
        grid.add_row(*(Text(_one_line(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else WIDTH).print(grid)


def listing(
    found: Sequence[T],
    columns: Sequence[str],
    row: Callable[[T], Sequence[Any]],
    empty: str,
    options: argparse.Namespace,
) -> None:
    """A list as `--json`, `--csv` or neither asks for it: an item a line, or a table of each item's `row`."""
    if options.json:
        for item in found:
            json_line(item)
    else:
        table(columns, map(row, found), empty, options)


def _plain_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """The same columns, each as wide as its widest cell, written at once: rich measures and wraps each cell of 20,000 rows for half a
    minute."""
    from rich.cells import cell_len

    cells = [[_one_line(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(cell_len(row[number]) for row in cells) for number in range(len(columns))]
    lines = [
        "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    lines.insert(1, "  ".join("─" * width for width in widths))
    sys.stdout.write("\n".join(lines) + "\n")


def _one_line(cell: Any) -> str:
    """Without control characters: names come from devices and people, and a terminal obeys what it is sent."""
    text = cell if isinstance(cell, str) else _short(cell)
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "�" for letter in text)


def write_csv(file: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """RFC 4180 with a line of headings. A text that a spreadsheet would take for a formula gets an apostrophe before it: names come from
    devices and people."""
    writer = csv.writer(file)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_harmless(cell) for cell in row])


def _harmless(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    return harmless(_one_line(cell))


def cut(shown: int, of: int | None, how: str) -> None:
    """Say that a list was cut, and how to see the rest; `of` where the whole is known."""
    note(f"{shown:,} of {of:,} shown; {how}" if of is not None else f"{shown:,} shown, and there are more; {how}")


def note(sentence: str) -> None:
    """For people, beside the output proper."""
    print(sentence, file=sys.stderr)


def _short(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def command(commands: Any, name: str, run: Any, summary: str, lists: bool = False) -> Parser:
    """A subcommand with `--json` and `--utc`; one that lists something has `--csv` too."""
    parser: Parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(run=run)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, one object a line; times are UTC")
    if lists:
        form.add_argument("--csv", action="store_true", help="print CSV; times are the city's, UTC with --utc")
    parser.add_argument("--utc", action="store_true", help="show times in UTC instead of the city's")
    return parser


def folder(text: str) -> Path:
    return Path(text)
