"""Reports that are handed in: what a month comes to, marks, both languages; and the files, read by others' readers."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import reportlab
from pypdf import PdfReader

from hub.reports import air_paper, fleet_paper
from hub.reports.air_paper import marks_of, month_of, rank
from hub.reports.paper import Document, Table, as_xlsx
from hub.reports.paper_pdf import ROWS_MAX, NoFont, TooLong, as_pdf

HOSTILE = '<b>&amp;<img src="x"/>=1+1 东门\x00\x0b😀'


def line(day: str, aqi: int | None = 40, primary: tuple[str, ...] = (), **values: float | None) -> dict[str, Any]:
    known = {"so2": 10.0, "no2": 20.0, "co": 0.8, "o3": 100.0, "pm10": 40.0, "pm25": 30.0} | values
    english, chinese = {40: ("excellent", "优"), 80: ("good", "良"), 128: ("light pollution", "轻度污染"), None: (None, None)}[aqi]  # fmt: skip
    hours = {name: 24 if value is not None else 12 for name, value in known.items()}
    indices = {name: 128 if name in primary else 40 for name in known}
    return {"device": "air-1", "name": HOSTILE, "day": day, **known, "aqi": aqi, "class": english, "class_zh": chinese, "primary": list(primary), "capture_pct": 90.0, "hours": hours, "iaqi": indices}  # fmt: skip


def days(month: str, count: int, **given: Any) -> list[dict[str, Any]]:
    return [line(f"{month}-{day:02}", **given) for day in range(1, count + 1)]


def pages(document: Document, font: Path | None = None) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(as_pdf(document, font))).pages]


def test_a_month_is_the_days_with_an_index() -> None:
    lines = [*days("2026-11", 20), line("2026-11-21", 128, ("pm25",), pm25=90.0), line("2026-11-22", 80, ("pm10",)), *(line(f"2026-11-{day}", None, co=None) for day in range(23, 31))]  # fmt: skip
    month = month_of(lines)
    assert (month.days, month.valid, month.attained, month.beyond, month.attained_pct) == (30, 22, 21, 1, 95.5)
    assert (list(month.classes), month.primary) == ([20, 1, 1, 0, 0, 0], {"pm25": 1, "pm10": 1})
    assert month.values["pm25"] == 32.0, "the mean of 30 days: (29 * 30 + 90) / 30"
    assert (month.values["co"], month.with_value["co"]) == (None, 22), "22 days are too few"


@pytest.mark.parametrize(
    ("month", "count", "known"),
    [("2026-11", 27, True), ("2026-11", 26, False), ("2027-02", 25, True), ("2027-02", 24, False)],
)
def test_a_month_needs_27_days_and_february_25(month: str, count: int, known: bool) -> None:
    assert (month_of(days(month, count)).values["so2"] is not None) == known


def test_carbon_monoxide_and_ozone_count_by_a_rank() -> None:
    """HJ 663: the place is 1 + (n - 1) p; of 1 to 30, at 95 % 28.55 and at 90 % 27.1."""
    assert rank([float(n) for n in range(30, 0, -1)], 0.95) == pytest.approx(28.55)
    assert rank([float(n) for n in range(1, 31)], 0.90) == pytest.approx(27.1)
    assert rank([7.0], 0.95) == 7.0
    lines = [line(f"2026-11-{day:02}", co=float(day), o3=float(day)) for day in range(1, 31)]
    values = month_of(lines).values
    assert (values["co"], values["o3"]) == (28.6, 27.0)


def test_marks_say_what_is_missing_and_what_is_above_the_limit() -> None:
    assert marks_of(line("2026-11-01")) == ""
    assert marks_of(line("2026-11-01", 128, ("pm25",), co=None)) == "CO H 12h; PM2.5 >"


@pytest.mark.parametrize(
    ("chinese", "title", "words"),
    [
        (
            False,
            "Ambient air quality: monthly report 2026-11",
            ("light pollution", "data capture", "marks", "page 1 of", "HJ 663-2026 was not at hand"),
        ),
        (True, "环境空气质量月报 2026-11", ("轻度污染", "质量标识", "第 1 页", "未能取得 HJ 663-2026 原文核对")),
    ],
)
def test_a_month_as_pdf_in_both_languages(chinese: bool, title: str, words: tuple[str, ...]) -> None:
    lines = [*days("2026-11", 29), line("2026-11-30", 128, ("pm25",), pm25=90.0)]
    made = air_paper.document({"span": "2026-11", "days": lines}, "Harbour", "2026-11-30 08:00", chinese)
    found = pages(made)
    text = "".join(found)
    assert title in text
    for word in words:
        assert word in text.replace("\n", "" if chinese else " "), word
    assert "PM2.5 >" in text
    assert "<b>&amp;<img" in text, "a hostile name stays a name"
    assert "2026-11-30 08:00" in text
    assert len(found) > 1
    reader = PdfReader(io.BytesIO(as_pdf(made)))
    assert reader.metadata is not None
    assert reader.metadata.title == title
    assert "/OpenAction" not in reader.root_object, "it does nothing by itself"


def test_a_day_as_a_spreadsheet() -> None:
    made = as_xlsx(air_paper.document({"span": "2026-11-01", "days": days("2026-11", 1)}, "Harbour", "now", True))
    book = zipfile.ZipFile(io.BytesIO(made))
    sheet, texts = book.read("xl/worksheets/sheet1.xml").decode(), book.read("xl/sharedStrings.xml").decode()
    assert "<f>" not in sheet, "nothing is a formula"
    assert "<v>0.8</v>" in sheet, "numbers are numbers"
    assert "数据获取率 %" in texts


def test_a_fleet_sums_up() -> None:
    one = {"device": "v1", "name": HOSTILE, "trips": 2, "distance_km": 10.5, "moving_h": 1.0, "idling_h": 0.25, "standing_h": 2.0, "fastest_kmh": 50.0, "first_start": "2026-11-28 08:00", "last_end": "2026-11-28 17:10", "fuel_l": None}  # fmt: skip
    other = one | {"device": "v2", "distance_km": 0.25, "fastest_kmh": 70.5, "fuel_l": 3.5, "last_end": ""}
    made = fleet_paper.document({"day": "2026-11-28", "vehicles": [one, other]}, "Harbour", "now", False)
    assert list(made.tables[0].rows[-1]) == ["all", None, 4, 10.75, 2.0, 0.5, 4.0, 70.5, None, None, 3.5]
    assert "10.75" in "".join(pages(made))
    none = fleet_paper.document({"day": "2026-11-28", "vehicles": []}, "Harbour", "now", False)
    assert "There are no vehicles." in "".join(pages(none))


def test_a_font_of_the_city_is_put_into_the_document(tmp_path: Path) -> None:
    own = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
    document = Document("Title", (), (Table("T", ("a",), (("text",),)),))
    reader = PdfReader(io.BytesIO(as_pdf(document, own)))
    fonts = [font.get_object() for font in reader.pages[0]["/Resources"]["/Font"].values()]  # type: ignore[index]
    assert any("/FontFile2" in font["/FontDescriptor"] for font in fonts if "/FontDescriptor" in font)
    wrong = tmp_path / "font.ttf"
    wrong.write_text("no font")
    for path in (wrong, tmp_path / "none.ttf"):
        with pytest.raises(NoFont, match="TrueType"):
            as_pdf(document, path)


def test_long_texts_are_broken_and_long_reports_refused() -> None:
    wide = Table("T", ("a", "b"), (("word " * 200, "永" * 400), ("x" * 500, 1.5)))
    assert "1.5" in "".join(pages(Document("Title", (), (wide,))))
    with pytest.raises(TooLong, match="spreadsheet"):
        as_pdf(Document("Title", (), (Table("T", ("a",), (("x",),) * (ROWS_MAX + 1)),)))
