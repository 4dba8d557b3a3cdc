"""Air stations by day: what counts as a day, the index, classes; and the report end to end."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from pypdf import PdfReader

from hub.reports.air import HOUR_NS, daily, days_of
from hub.reports.fleet import day_of
from rules.figures.aqi import CN_POLLUTANTS
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city, zone_at_noon

START = day_of("2026-04-01", ZoneInfo("Asia/Shanghai"))[0]
CLEAN = {"so2": 20.0, "no2": 30.0, "co": 0.8, "o3": 60.0, "pm10": 40.0, "pm25": 20.0}


def hours(values: Mapping[str, float], count: int = 24, first: int = 0) -> dict[str, dict[int, float]]:
    return {name: {START + hour * HOUR_NS: value for hour in range(first, first + count)} for name, value in values.items()}  # fmt: skip


def test_a_clean_day() -> None:
    day = daily(hours(CLEAN), START)
    assert (day.aqi, day.grade, day.primary, day.capture_pct) == (40, ("excellent", "优"), (), 100.0)
    assert day.values == CLEAN


def test_a_polluted_day_has_its_class_and_what_made_it() -> None:
    """PM2.5 of 90: 100 + (90 - 60) / (115 - 60) * 50 = 127.3, rounded up."""
    day = daily(hours(CLEAN | {"pm25": 90.0}), START)
    assert (day.aqi, day.grade, day.primary) == (128, ("light pollution", "轻度污染"), ("pm25",))


@pytest.mark.parametrize(("count", "known"), [(20, True), (19, False)])
def test_a_mean_of_a_day_needs_twenty_hours(count: int, known: bool) -> None:
    found = hours(CLEAN) | hours({"pm25": 20.0}, count)
    day = daily(found, START)
    assert (day.values["pm25"] is not None, day.aqi is not None) == (known, known)
    assert day.capture_pct == round(100 * (5 * 24 + count) / 144, 1)


def test_with_a_pollutant_missing_only_a_bad_day_is_known() -> None:
    without = {name: value for name, value in CLEAN.items() if name != "co"}
    assert daily(hours(without) | {"co": {}}, START).aqi is None
    assert daily(hours(without | {"pm10": 300.0}) | {"co": {}}, START).aqi == 175


def test_ozone_counts_by_its_worst_eight_hours() -> None:
    found = hours(CLEAN)
    found["o3"] |= {START + hour * HOUR_NS: 180.0 for hour in range(10, 18)}
    assert daily(found, START).values["o3"] == 180.0
    assert daily(hours(CLEAN) | hours({"o3": 90.0}, 19), START).values["o3"] == 90.0
    assert daily(hours(CLEAN) | hours({"o3": 90.0}, 18), START).values["o3"] is None, "too few means of 8 hours"
    assert daily(hours(CLEAN) | hours({"o3": 200.0}, 8), START).values["o3"] == 200.0, "above the limit all the same"
    assert daily(hours(CLEAN) | hours({"o3": 200.0}, 5), START).values["o3"] is None


def test_the_edition_in_force_decides() -> None:
    before = day_of("2026-02-01", ZoneInfo("Asia/Shanghai"))[0]
    old = {name: {before + hour * HOUR_NS: value for hour in range(24)} for name, value in (CLEAN | {"pm25": 75.0}).items()}  # fmt: skip
    assert daily(old, before).aqi == 100
    assert daily(hours(CLEAN | {"pm25": 75.0}), START).aqi == 114


def test_nothing_is_nothing() -> None:
    day = daily({name: {} for name in CN_POLLUTANTS}, START)
    assert (day.aqi, day.grade, day.primary, day.capture_pct) == (None, None, (), 0.0)


def test_months_and_days() -> None:
    assert days_of("2028-02")[-1] == "2028-02-29"
    assert days_of("2026-11-29") == ["2026-11-29"]
    assert days_of("9999-12")[-1] == "9999-12-31"  # the calendar's end
    for wrong in ("2026-13", "soon", "2026-1-1x", "2026"):
        with pytest.raises(ValueError, match="was meant"):
            days_of(wrong)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/Los_Angeles"])
@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "2263-01-01", "1677-01-01", "2026-02-30", "soon"])
def test_a_day_that_no_clock_counts_is_refused_with_a_sentence(day: str, zone: str) -> None:
    with pytest.raises(ValueError, match="a day such as 2026-11-29 was meant"):
        day_of(day, ZoneInfo(zone))
    assert day_of("2262-01-01", ZoneInfo(zone))[0] < day_of("2262-01-02", ZoneInfo(zone))[0]


def asked(api: int, path: str, ending: str) -> bytes:
    answer = httpx.get(f"http://127.0.0.1:{api}{path}", timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].endswith(f'.{ending}"')
    return answer.content


def test_a_report_of_yesterday(tmp_path: Path) -> None:
    api = free_port()
    zone, ahead = zone_at_noon()
    city = write_city(tmp_path / "city", api=api, zone=zone)
    with (city / "devices.csv").open("a", encoding="utf-8") as file:
        file.write("air-1,=East gate,air-station,121.49,31.24,,north,,\nair-2,West,air-station,121.48,31.24,,north,,\n")
    hub = RunningHub(city, api)
    try:
        local = datetime.now(UTC) + ahead - timedelta(days=1)
        begin = datetime(local.year, local.month, local.day, tzinfo=UTC) - ahead
        values = CLEAN | {"pm25": 90.0}
        body = [{"device": "air-1", "time": (begin + timedelta(hours=hour, minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ"), "values": values} for hour in range(24)]  # fmt: skip
        body[3]["marks"] = {"pm25": "fault"}
        assert hub.post("/api/v1/readings", body) == (200, {"readings": 24, "faults": []})  # type: ignore[arg-type]
        hub.wait_stored()
        answer = hub.get("/api/v1/air")
        first, second = answer["days"]
        assert answer["span"] == first["day"] == f"{local:%Y-%m-%d}"
        assert (first["aqi"], first["class_zh"], first["primary"], first["pm25"]) == (128, "轻度污染", ["pm25"], 90.0)
        assert first["capture_pct"] == round(100 * 143 / 144, 1), "a marked value counts as missing"
        assert (second["device"], second["aqi"], second["capture_pct"]) == ("air-2", None, 0.0)
        assert httpx.get(f"http://127.0.0.1:{api}/api/v1/air?span=soon", timeout=30).status_code == 400

        told = cityhub("report", "air", city, "--month", f"{local:%Y-%m}", "--format", "csv", "--language", "zh")
        heading, *lines = csv.reader(io.StringIO(told.stdout))
        assert heading[1:4] == ["名称", "日期", "二氧化硫 µg/m³"]
        (line,) = [line for line in lines if line[0] == "air-1" and line[2] == f"{local:%Y-%m-%d}"]
        assert (line[1], line[9:12]) == ("'=East gate", ["128", "轻度污染", "PM2.5"])
        done = cityhub("report", "air", city, "--format", "xlsx", "-o", tmp_path / "air.xlsx")
        assert done.returncode == 0, done.stderr
        assert "128" in zipfile.ZipFile(tmp_path / "air.xlsx").read("xl/worksheets/sheet1.xml").decode()
        done = cityhub("report", "air", city, "--format", "pdf", "--language", "zh", "-o", tmp_path / "air.pdf")
        assert done.returncode == 0, done.stderr
        for made in ((tmp_path / "air.pdf").read_bytes(), asked(api, "/api/v1/report/air?lang=zh", "pdf")):
            text = PdfReader(io.BytesIO(made)).pages[0].extract_text()
            assert f"环境空气质量日报 {local:%Y-%m-%d}" in text
            assert "128" in text
            assert "PM2.5 >" in text
        book = asked(api, f"/api/v1/report/air?span={local:%Y-%m}&format=xlsx", "xlsx")
        assert "The month" in zipfile.ZipFile(io.BytesIO(book)).read("xl/workbook.xml").decode()
        for wrong, status in (("air?span=soon", 400), ("air?format=doc", 400), ("water", 404)):
            assert httpx.get(f"http://127.0.0.1:{api}/api/v1/report/{wrong}", timeout=30).status_code == status
        assert cityhub("report", "air", city, "--format", "pdf").returncode == 2, "it goes into a file"
        assert cityhub("report", "air", city, "--kind", "bus").returncode == 2
        assert cityhub("report", "fleet", city, "--month", "2026-11").returncode == 2
    finally:
        assert hub.stop() == 0
