"""A report as PDF: A4 across, headings on each page, pages numbered, Chinese and Latin in one line.

Latin is set in Helvetica and Chinese in STSong-Light, both of which readers of PDF bring (ISO 32000-1, 9.6.2.2, and Adobe's Asian font packs); so a
file is small, and a reader without a Chinese font shows no Chinese. `font`: a TrueType file for both instead, which is put into the document.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from hub.reports.paper import Cell, Document, Table

LATIN, CHINESE = "Helvetica", "STSong-Light"
MARGIN_MM = 14
SIZE, SMALL = 8, 7
TABLE_ROWS = 200
"""Rows laid out as one: a table of thousands takes time by the square of its rows."""
CELL_MAX = 300
"""Characters of a cell that are shown: a row may not become taller than a page."""


PADDING = 5.0
"""Points beside the text of a cell, both sides together."""
GREY = "#444444"
LOOKS: Sequence[Any] = [
    ("FONTSIZE", (0, 0), (-1, -1), SIZE), ("VALIGN", (0, 0), (-1, -1), "TOP"), ("LINEBELOW", (0, 0), (-1, 0), 0.8, "#000000"),
    ("LINEBELOW", (0, 1), (-1, -1), 0.25, "#bbbbbb"), ("LEFTPADDING", (0, 0), (-1, -1), PADDING / 2), ("RIGHTPADDING", (0, 0), (-1, -1), PADDING / 2),
    ("TOPPADDING", (0, 0), (-1, -1), 1.5), ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
]  # fmt: skip


ROWS_MAX = 3_000
"""Rows of a report: laying out takes 3 ms each, of a processor that takes readings in as well."""


class TooLong(ValueError):
    """A report with more rows than are laid out as pages; its text says what to do."""


class NoFont(ValueError):
    """The font file cannot be used; its text says why."""


def as_pdf(document: Document, font: Path | None = None) -> bytes:
    """The report. Raises NoFont, TooLong."""
    if sum(len(table.rows) for table in document.tables) > ROWS_MAX:
        raise TooLong(
            f"the report has more than {ROWS_MAX:,} rows, too many for pages; a spreadsheet (xlsx) takes them, or fewer days or kinds were meant"
        )
    from reportlab.lib.colors import HexColor
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.platypus import Flowable, SimpleDocTemplate, Spacer

    fonts = _fonts(font)
    soft = ParagraphStyle("soft", fontName=fonts[0], fontSize=SMALL, leading=SMALL + 3, textColor=HexColor(GREY))
    title = ParagraphStyle("title", fontName=fonts[0], fontSize=16, leading=21)
    heading = ParagraphStyle("heading", fontName=fonts[0], fontSize=11, leading=15, spaceBefore=8, spaceAfter=4)
    story: list[Flowable] = [
        _said(document.title, title, fonts),
        *(_said(line, soft, fonts) for line in document.lines),
    ]
    for table in document.tables:
        story.append(_said(table.title, heading, fonts))
        story += _laid_out(table, fonts) if table.rows else [_said(table.empty, soft, fonts)]
        story += [Spacer(1, 4), *(_said(note, soft, fonts) for note in table.notes)]
    made = io.BytesIO()
    edge = MARGIN_MM * mm
    template = SimpleDocTemplate(
        made, pagesize=_page(), leftMargin=edge, rightMargin=edge, topMargin=edge, bottomMargin=edge + 4 * mm,
        title=document.title, lang="zh-CN" if document.chinese else "en",
    )  # fmt: skip
    template.build(story, canvasmaker=_numbered(document, fonts))
    return made.getvalue()


def _page() -> tuple[float, float]:
    from reportlab.lib.pagesizes import A4, landscape

    width, height = landscape(A4)
    return width, height


def _laid_out(table: Table, fonts: tuple[str, str]) -> list[Any]:
    """A table in pieces of `TABLE_ROWS`. Each column is as wide as its widest cell; where that is more than the page has, the long ones give
    way and their texts are broken."""
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.platypus import LongTable

    style = ParagraphStyle("cell", fontName=fonts[0], fontSize=SIZE, leading=SIZE + 2)
    rows = [[_text(cell) for cell in row] for row in table.rows]
    width = _page()[0] - 2 * MARGIN_MM * mm
    widths = _shared(
        [
            max(_heading_width(name, fonts), *(_width(row[place], fonts) for row in rows)) + PADDING
            for place, name in enumerate(table.headings)
        ],
        width,
    )
    headings = [_said(name, style, fonts) for name in table.headings]
    pieces = []
    for first in range(0, len(rows), TABLE_ROWS):
        shown, looks = [], [*LOOKS, ("FONTNAME", (0, 1), (-1, -1), fonts[0])]
        for number, row in enumerate(rows[first : first + TABLE_ROWS], 1):
            # What fits is a line of one font, which is laid out in a tenth of a paragraph's time.
            fits = [_width(text, fonts) + PADDING <= widths[place] + 0.01 for place, text in enumerate(row)]
            shown.append([text if fits[place] else _said(text, style, fonts) for place, text in enumerate(row)])
            looks += [
                ("FONTNAME", (place, number), (place, number), fonts[1])
                for place, text in enumerate(row)
                if not _is_latin(text)
            ]
        pieces.append(LongTable([headings, *shown], widths, repeatRows=1, style=looks))
    return pieces


def _shared(wanted: Sequence[float], width: float) -> list[float]:
    """The page's width among columns that want so much: narrow ones get what they want, the others share what is left."""
    if (whole := sum(wanted)) <= width:
        return [width * each / whole for each in wanted]
    left, found = width, dict[int, float]()
    for count, place in enumerate(sorted(range(len(wanted)), key=lambda place: wanted[place])):
        found[place] = min(wanted[place], left / (len(wanted) - count))
        left -= found[place]
    return [found[place] for place in range(len(wanted))]


def _width(text: str, fonts: tuple[str, str]) -> float:
    from reportlab.pdfbase.pdfmetrics import stringWidth

    return float(stringWidth(text, _font_of(text, fonts), SIZE))


def _heading_width(text: str, fonts: tuple[str, str]) -> float:
    """Headings are broken between words, Chinese ones after four letters."""
    return max(_width(word if _is_latin(word) else word[:4], fonts) for word in text.split())


def _font_of(text: str, fonts: tuple[str, str]) -> str:
    return fonts[not _is_latin(text)]


def _fonts(font: Path | None) -> tuple[str, str]:
    """The names of the fonts of Latin and of Chinese text; the library knows them afterwards."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    if font is None:
        pdfmetrics.registerFont(UnicodeCIDFont(CHINESE))
        return LATIN, CHINESE
    try:
        pdfmetrics.registerFont(TTFont(f"own {font}", font))
    except (TTFError, OSError) as error:
        raise NoFont(f"the font {font} cannot be used, a TrueType file was meant: {error}") from None
    return f"own {font}", f"own {font}"


def _numbered(document: Document, fonts: tuple[str, str]) -> Callable[..., Any]:
    """A canvas that writes page and number of pages at the foot: how many there are is known at the end."""
    from reportlab.lib.units import mm
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:
            self._pages.append(dict(self.__dict__))
            self._startPage()  # type: ignore[attr-defined]

        def save(self) -> None:
            for number, page in enumerate(self._pages, 1):
                self.__dict__.update(page)
                self.setFont(fonts[document.chinese], SMALL)
                told = (
                    f"第 {number} 页，共 {len(self._pages)} 页"
                    if document.chinese
                    else f"page {number} of {len(self._pages)}"
                )
                self.drawRightString(_page()[0] - MARGIN_MM * mm, 10 * mm, told)
                self.setFont(_font_of(document.title, fonts), SMALL)
                self.drawString(MARGIN_MM * mm, 10 * mm, _clean(document.title))
                super().showPage()
            super().save()

    return Numbered


def _text(cell: Cell) -> str:
    """A cell as it is printed; nothing is a dash."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "-" if cell is None or cell == "" else _clean(str(cell))[:CELL_MAX]


def _clean(text: str) -> str:
    """Without what no font has: control characters, letters beyond the Basic Multilingual Plane."""
    return "".join(
        letter if letter.isprintable() and letter <= "\uffff" else " " if letter.isspace() else "?" for letter in text
    )


def _is_latin(text: str) -> bool:
    return all(letter <= "\xff" for letter in text)


def _said(text: str, style: Any, fonts: tuple[str, str]) -> Any:
    """A paragraph: nothing in the text is markup, each run of letters is in its font, and Chinese may be broken anywhere."""
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    clean = _clean(text)
    runs = [(latin, escape("".join(run))) for latin, run in groupby(clean, _is_latin)]
    marked = "".join(run if latin else f'<font name="{fonts[1]}">{run}</font>' for latin, run in runs)
    broken = style if _is_latin(clean) else ParagraphStyle("broken", parent=style, wordWrap="CJK")
    return Paragraph(marked, broken)
