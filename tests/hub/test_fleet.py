"""Trips through the whole hub: readings in, trips and a day's report out, by API, CSV and spreadsheet."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pypdf import PdfReader

from hub.cli.reporting import as_csv
from hub.geo import destination
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, cityhub, write_city, zone_at_noon

pytestmark = pytest.mark.acceptance


def test_a_day_of_a_van(tmp_path: Path) -> None:
    api = free_port()
    zone, ahead = zone_at_noon()
    city = write_city(tmp_path / "city", api=api, zone=zone)
    with (city / "devices.csv").open("a") as file:
        file.write("van-1,=Post van,vehicle,,,,north,post,\n")
    hub = RunningHub(city, api)
    try:
        # Yesterday at ten o'clock in the city: ten minutes parked, ten at 36 km/h, ten parked.
        local = datetime.now(UTC) + ahead - timedelta(days=1)
        begin = datetime(local.year, local.month, local.day, 10, tzinfo=UTC) - ahead
        lon, lat, body = 121.49, 31.24, []
        for number in range(181):
            speed = 36.0 if 60 < number <= 120 else 0.0
            lon, lat = destination(lon, lat, 90, speed / 3.6 * 10)
            at = (begin + timedelta(seconds=10 * number)).strftime("%Y-%m-%dT%H:%M:%SZ")
            body.append({"device": "van-1", "time": at, "lon": lon, "lat": lat, "values": {"speed": speed, "ignition": number <= 120}})  # fmt: skip
        assert hub.post("/api/v1/readings", body) == (200, {"readings": 181, "faults": []})  # type: ignore[arg-type]
        hub.wait_stored()
        first, last = (f"{begin + timedelta(seconds=s):%Y-%m-%dT%H:%M:%SZ}" for s in (0, 1801))
        found = hub.get(f"/api/v1/trips?device=van-1&from={first}&to={last}")
        (trip,) = found["trips"]
        assert trip["from"] == f"{begin + timedelta(seconds=610):%Y-%m-%dT%H:%M:%SZ}"
        assert trip["distance_m"] == pytest.approx(5_900, abs=2)
        assert (trip["fastest_kmh"], trip["open"], len(found["stops"])) == (36.0, False, 2)

        track = hub.get(f"/api/v1/tracks?device=van-1&from={first}&to={last}")
        (line,) = track["lines"]
        assert (track["fixes"], len(line["at"]), len(line["points"])) == (181, 181, 181)
        (line,) = hub.get(f"/api/v1/tracks?device=van-1&from={first}&to={last}&zoom=14")["lines"]
        assert len(line["points"]) == 2, "it drove straight on"
        assert line["points"][0] == pytest.approx([121.49, 31.24], abs=1e-6)
        assert [line["at"][0], line["at"][-1]] == [first, f"{begin + timedelta(seconds=1800):%Y-%m-%dT%H:%M:%SZ}"]

        day = f"{local:%Y-%m-%d}"
        answer = hub.get("/api/v1/fleet")
        assert (answer["day"], [line["device"] for line in answer["vehicles"]]) == (day, ["van-1"])
        assert answer["vehicles"][0]["distance_km"] == pytest.approx(5.9, abs=0.01)
        assert answer["vehicles"][0]["idling_h"] == pytest.approx(610 / 3600, abs=0.01), "parked with the engine on"
        for wrong in (
            "fleet?day=soon",
            "trips",
            f"trips?device=van-1&from={last}&to={first}",
            "tracks",
            f"tracks?device=van-1&from={last}&to={first}",
            "tracks?device=van-1&zoom=99",
        ):
            assert httpx.get(f"http://127.0.0.1:{api}/api/v1/{wrong}", timeout=30).status_code == 400

        told = cityhub("report", "fleet", city, "--format", "csv", "--language", "zh")
        heading, line = csv.reader(io.StringIO(told.stdout))
        assert heading[:3] == ["设备", "名称", "行程数"]
        assert line[:3] == ["van-1", "'=Post van", "1"], "a name is no formula"
        done = cityhub("report", "fleet", city, "--day", day, "--format", "xlsx", "-o", tmp_path / "day.xlsx")
        assert done.returncode == 0, done.stderr
        sheet = zipfile.ZipFile(tmp_path / "day.xlsx").read("xl/worksheets/sheet1.xml").decode()
        assert "<f>" not in sheet
        assert "5.9" in sheet
        answered = httpx.get(f"http://127.0.0.1:{api}/api/v1/report/fleet?day={day}", timeout=60)
        assert answered.headers["content-type"] == "application/pdf"
        text = PdfReader(io.BytesIO(answered.content)).pages[0].extract_text()
        assert f"Fleet: daily report {day}" in text
        assert f"{day} 10:10" in text, "times of the city"
        assert cityhub("report", "fleet", city, "--format", "xlsx").returncode == 2
    finally:
        assert hub.stop() == 0


def test_what_a_spreadsheet_would_run_is_a_text() -> None:
    assert as_csv(["a"], []) == "a\r\n"
