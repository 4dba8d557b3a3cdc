"""A report before it is a file: headed tables with notes below them; and that as a spreadsheet. As PDF: `hub.reports.paper_pdf`."""

from __future__ import annotations

import io
from collections.abc import Sequence

import msgspec

Cell = str | float | int | None
SHEET_NAME_MAX = 31
NOT_IN_A_SHEET_NAME = str.maketrans("", "", "[]:*?/\\'")


class Table(msgspec.Struct, frozen=True):
    """A part of a report. `notes` explain its marks, a sentence each; `empty` is said where there are no rows."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    empty: str = ""


class Document(msgspec.Struct, frozen=True):
    """A report. `lines` stand below its title: what it is of, when and by whom it was made. `chinese`: its language, else English."""

    title: str
    lines: Sequence[str]
    tables: Sequence[Table]
    chinese: bool = False


def as_xlsx(document: Document) -> bytes:
    """A sheet a table. Numbers are numbers, texts are texts (never formulas); headings stay in sight."""
    import xlsxwriter  # a tenth of a second to import, which no other command should wait for

    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        book.set_properties({"title": document.title, "comments": "\n".join(document.lines)})
        bold, soft = book.add_format({"bold": True, "bottom": 1}), book.add_format({"italic": True})
        for number, table in enumerate(document.tables, 1):
            name = table.title.translate(NOT_IN_A_SHEET_NAME)[:SHEET_NAME_MAX] or str(number)
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, table.headings, bold)
            for place, row in enumerate(table.rows, 1):
                sheet.write_row(place, 0, row)
            for place, note in enumerate((*document.lines, *table.notes), len(table.rows) + 2):
                sheet.write(place, 0, note, soft)
            sheet.freeze_panes(1, 0)
            sheet.set_column(0, len(table.headings) - 1, 16)
    return made.getvalue()
