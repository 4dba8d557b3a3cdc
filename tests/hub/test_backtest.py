"""Back-tests: every reading accounted for, warnings judged by events, data and neighbours, and the report."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.app.city import City, load_city
from hub.app.limits import limits
from hub.app.plugins import Plugins
from hub.backtest.evaluation import Summary
from hub.backtest.events import read_events
from hub.backtest.judgement import judge, observed_for
from hub.backtest.observed import Observed
from hub.backtest.recorded import open_recording
from hub.backtest.report import Findings, report
from hub.backtest.report_chart import extremes
from hub.backtest.run import Backtest
from hub.camera_import import azimuth, import_cameras
from hub.cli import main
from hub.model import AlertChange
from hub.moment import SECOND, from_text, to_text
from hub.notes import NOTES, Kind, Note, Notes
from hub.registry import load_registry
from hub.whole_file import replace
from rules.engine import Engine

RULES = """
- rule: smog
  title: "{subject.name}: {pm25:.0f ug/m3}"
  for_each: {kind: air-station}
  levels:
    yellow: pm25 > 100 ug/m3
    orange: pm25 > 150 ug/m3
    red: pm25 > 250 ug/m3
  clear: pm25 < 90 % of level
- rule: lasting
  title: "{subject.name}: for hours"
  for_each: {kind: air-station}
  levels:
    orange: mean(pm25, 3 h) > 150 ug/m3 and pm25 > 20 ug/m3
"""
HOUR = 3600 * SECOND
START = from_text("2026-01-01T00:00:00Z")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hub.toml").write_text('[hub]\nname = "trial"\ntimezone = "Asia/Shanghai"\n')
    places = "".join(f"{name},{name},air-station,116.{n},39.9\n" for n, name in enumerate("abc"))
    (tmp_path / "devices.csv").write_text("device,name,kind,lon,lat\n" + places)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "air.yaml").write_text(RULES)
    return tmp_path


def the_city(folder: Path) -> City:
    city, mistakes = load_city(folder, Plugins())
    assert city is not None, mistakes
    return city


def csv_of(folder: Path, **series: Sequence[float | str]) -> Path:
    """A wide CSV of hourly PM2.5 by device."""
    rows = [
        (START + n * HOUR, f"2026-01-{1 + n // 24:02}T{n % 24:02}:00:00Z,{device},{value}\n")
        for device, values in series.items()
        for n, value in enumerate(values)
    ]
    path = folder / "readings.csv"
    path.write_text("time,device,pm25\n" + "".join(row for _, row in sorted(rows)))
    return path


def run(folder: Path, path: Path, events: str = "") -> tuple[Backtest, list[AlertChange], Summary, Observed]:
    city = the_city(folder)
    observed = observed_for(city.book)

    def once(observed: Observed | None, without: Collection[tuple[str, str, int]] = ()) -> Backtest:
        recording = open_recording([path])
        return Backtest(city, recording.messages, recording.kind, recording.rows, observed, without)

    test = once(observed)
    changes = list(test.changes())
    listed = read_events("event,kind,device,start,peak,end\n" + events)
    judged = judge(city, changes, listed, observed, lambda without: list(once(None, without).changes()))
    return test, changes, judged, observed


CALM = [30.0, 32.0, 29.0, 31.0, 30.0, 33.0, 30.0, 29.0]


# ------------------------------------------------------------------------------------------------- accounting


def test_what_people_marked_as_a_false_alarm_is_false_in_the_table(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Marks lie in the data folder of the city; one that was taken back counts no more."""
    path = folder / "day.csv"
    path.write_text(
        "time,device,pm25\n" + "".join(f"{to_text(START + n * HOUR)},a,{20 if n < 3 else 200}\n" for n in range(8))
    )
    (folder / "events.csv").write_text(
        "event,kind,device,start,peak,end\nsmog,smog,b,2026-01-01T00:00:00Z,2026-01-01T01:00:00Z,2026-01-01T02:00:00Z\n"
    )
    kept = Notes(folder / "var" / NOTES, replace)
    (folder / "var").mkdir()
    said = Note(0, START, "li", Kind.FALSE_ALARM, "a barbecue", "a/1", "city/smog", "a", "", "orange", START + 3 * HOUR)
    asked = [
        "backtest",
        str(folder),
        "--readings",
        str(path),
        "--events",
        str(folder / "events.csv"),
        "--quiet",
        "--json",
    ]

    def summed(*more: str) -> dict[str, Any]:
        assert main([*asked, *more]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])["summary"]
        return found

    assert summed()["marked"] == 0
    kept.add(said)
    judged = summed("--report", str(folder / "out.html"))
    assert (judged["marked"], judged["false"]) == (1, 1)
    assert judged["false_raises"][0]["why"] == "li marked it as a false alarm: a barbecue"
    assert "1 (1 marked)" in (folder / "out.html").read_text("utf-8")
    assert summed("--ignore-marks")["false"] == 0
    kept.add(msgspec.structs.replace(said, kind=Kind.NO_FALSE_ALARM))
    assert summed()["marked"] == 0


def test_every_reading_is_used_a_duplicate_or_quarantined_with_a_reason(folder: Path) -> None:
    path = csv_of(folder, a=[30, 30, "x", -5, 1e9, 31])
    path.write_text(
        path.read_text()
        + "2026-01-01T05:00:00Z,a,31\n2099-01-01T00:00:00Z,a,31\n2026-01-01T06:00:00Z,a,32\n"
        + "2026-01-01T07:00:00Z,a,32\n" * 5
    )
    tally = run(folder, path)[0].tally
    assert tally.readings == tally.used + tally.duplicates + tally.quarantined
    assert (tally.used, tally.duplicates, tally.quarantined) == (5, 5, 4)
    assert tally.faults == {"value": 3, "time": 1}
    assert "outside what is possible" in tally.examples["value"] or "a number was meant" in tally.examples["value"]
    assert "in the future; set the device's clock" in tally.examples["time"]


def test_ticks_that_are_left_out_would_have_changed_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence, `for`, expiry and shelving come at the same minute as with a tick each minute."""
    (folder / "rules" / "air.yaml").write_text(
        RULES + "  silent: 90 min\n  expire: 5 h\n"
        "- rule: held\n  for_each: {kind: air-station}\n  levels: {blue: pm25 > 50 ug/m3 for 25 min}\n"
        "  clear: pm25 < 50 ug/m3 for 70 min\n"
    )
    path = csv_of(folder, a=[30, 160, 300, 310, 40, 41, 200, 300], b=[30, 180, 190], c=[60, 40, 60, 40, 60, 61, 62])
    path.write_text(path.read_text() + "2026-01-02T09:30:00Z,a,31\n2026-01-02T09:40:30Z,b,400\n")
    few = run(folder, path)[1]
    ticked: list[int] = []
    monkeypatch.setattr(Engine, "due", lambda engine: ticked.append(engine.world.clock.now) or 0)
    every = run(folder, path)[1]
    assert {change.rule for change in every} >= {"city/lasting:silent", "city/held"}
    assert len(ticked) > 33 * 60
    assert msgspec.json.encode(few) == msgspec.json.encode(every)


# ------------------------------------------------------------------------------------------------- limits


def test_the_limits_that_a_rule_cites(folder: Path) -> None:
    book = the_city(folder).book
    smog, lasting = book.rules
    assert [(limit.metric, limit.op, limit.value, limit.window_ns) for limit in limits(smog, "red", START)] == [
        ("pm25", ">", 250.0, 0)
    ]
    assert [(limit.value, limit.window_ns, limit.function) for limit in limits(lasting, "orange", START)] == [
        (150.0, 3 * HOUR, "mean"),
        (20.0, 0, "last"),
    ]


EPISODE = [*CALM, 80.0, 140.0, 210.0, 280.0, 300.0, 290.0, 260.0, 200.0, 120.0, 60.0, *CALM]


def test_alarm_load_is_per_device_week(folder: Path) -> None:
    judged = run(folder, csv_of(folder, a=EPISODE * 6, b=CALM * 20))[2]
    assert judged.alerts_per_device_week == pytest.approx(judged.alerts / judged.device_weeks, abs=0.01)


# ------------------------------------------------------------------------------------------------- report


class Balance(HTMLParser):
    """Checks that what is opened is closed, and that nothing is fetched from elsewhere."""

    VOID = frozenset({"meta", "rect", "line", "path", "circle", "polyline", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not any(name in ("src", "href") for name, _ in attrs)
        self.seen[tag] = self.seen.get(tag, 0) + 1
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_one_file_that_holds_together(folder: Path) -> None:
    devices = folder / "devices.csv"
    devices.write_text(devices.read_text().replace("a,a,", 'a,"<script>a&b",'))
    (folder / "cameras.csv").write_text("camera,name,lon,lat\nc1,Main <St>,116.0,39.9\n")
    event = "real,smog,a,2026-01-01T09:00:00Z,2026-01-01T12:00:00Z,2026-01-01T16:00:00Z\n"
    test, changes, judged, observed = run(folder, csv_of(folder, a=EPISODE, b=CALM), event)
    city = the_city(folder)
    events = read_events("event,kind,device,start,peak,end\n" + event)
    page = report(
        Findings(
            "trial", ZoneInfo("Asia/Shanghai"), city.registry, city.book, test.tally, changes, observed, judged, events
        )
    )
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert balance.seen["svg"] == 4  # the event from near, the map, two devices
    assert "<script" not in page
    assert "red 250" in page
    assert "Main &lt;St&gt;" in page


def test_a_report_of_nothing_is_a_page_too(folder: Path) -> None:
    test, changes, judged, observed = run(folder, csv_of(folder))
    city = the_city(folder)
    page = report(
        Findings("trial", ZoneInfo("UTC"), city.registry, city.book, test.tally, changes, observed, judged, [])
    )
    assert "No rule raised a warning" in page


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=400), st.integers(1, 50))
def test_thinning_keeps_the_extremes(values: list[float], columns: int) -> None:
    times = [n * HOUR for n in range(len(values))]
    kept_times, kept = extremes(times, values, columns)
    assert max(kept) == max(values)
    assert min(kept) == min(values)
    assert len(kept) <= 2 * columns + 2
    assert kept_times == sorted(set(kept_times))


def test_the_command_prints_changes_and_a_last_summary(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = folder / "events.csv"
    events.write_text(
        "event,kind,device,start,peak,end\nreal,smog,a,2026-01-01T09:00:00Z,2026-01-01T12:00:00Z,2026-01-01T16:00:00Z\n"
    )
    out = folder / "out.html"
    path = csv_of(folder, a=EPISODE)
    assert (
        main(
            [
                "backtest",
                str(folder),
                "--json",
                "--quiet",
                "--readings",
                str(path),
                "--events",
                str(events),
                "--report",
                str(out),
            ]
        )
        == 0
    )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all({"at", "rule", "subject", "change", "level", "values"} <= line.keys() for line in lines[:-1])
    summary = lines[-1]["summary"]
    assert summary["pod"] == 1.0
    (event,) = summary["events"]
    assert event == {
        "event": "real",
        "subject": "a",
        "level": "red",
        "at": "2026-01-01T10:00:00Z",
        "lead_s": 7200.0,
        "hit": True,
    }
    assert out.read_text().startswith("<!doctype html>")


def test_a_plain_threshold_stands_beside_in_json_in_words_and_in_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hub.toml").write_text('[hub]\nname = "trial"\ntimezone = "UTC"\n[rules]\npacks = ["air-cn"]\n')
    (tmp_path / "devices.csv").write_text("device,name,kind,lon,lat\na,a,air-station,116.0,39.9\n")
    path, out = str(csv_of(tmp_path, a=[*CALM, *EPISODE])), tmp_path / "out.html"
    given = ["backtest", str(tmp_path), "--quiet", "--baseline", "--readings", path]
    assert main([*given, "--json", "--report", str(out)]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])["summary"]
    for judged in (summary, summary["baseline"]):
        assert judged["events"] == []
        assert {"orange", "red", "site_months", "borne_out"} <= judged["outside"].keys()
        assert judged["outside"]["red"] == 1
    assert "Plain threshold" in out.read_text()
    assert main(given) == 0
    assert "plain threshold: 0 of 0 events hit" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------- cameras


@pytest.mark.parametrize(
    ("word", "degrees"),
    [
        ("N", 0.0), ("Eastbound", 90.0), ("SB", 180.0), ("north-west", 315.0), ("South East", 135.0), ("WNW", 292.5),
        ("NS", None), ("WE", None), ("Median", None), ("Unknown", None), ("", None), ("Both Directions", None), ("Outbound", None), ("B", None),
    ],
)  # fmt: skip
def test_directions_in_words(word: str, degrees: float | None) -> None:
    assert azimuth(word) == degrees


def test_a_camera_list_becomes_a_registry(folder: Path) -> None:
    row = {
        "state": "California",
        "county": "Butte",
        "description": "Hwy 32 at  Main",
        "latitude": "39.7",
        "longitude": "-121.8",
        "direction": "W",
    }
    rows = [
        row,
        dict(row),
        row | {"direction": "NS"},
        row | {"direction": "sideways"},
        row | {"latitude": "x"},
        row | {"state": "Ohio"},
        row | {"longitude": "-121.9"},
    ]
    text, told = import_cameras(rows, select={"state": "California"})
    (folder / "cameras.csv").write_text(text)
    cameras = the_city(folder).registry.cameras
    assert told.rows == told.cameras + told.duplicates + told.left_out + told.unplaced
    assert (told.cameras, told.duplicates, told.left_out, told.unplaced, told.directed) == (3, 2, 1, 1, 2)
    assert told.odd_directions == {"sideways": 1}
    assert [(camera.camera, camera.azimuth_deg, camera.name) for camera in cameras.values()] == [
        ("butte-1", 270.0, "Hwy 32 at Main"), ("butte-2", None, "Hwy 32 at Main"), ("butte-3", 270.0, "Hwy 32 at Main"),
    ]  # fmt: skip


def test_ids_in_the_registry_stay_as_they_are_written(folder: Path) -> None:
    (folder / "devices.csv").write_text("device,kind,upstream,gauge,travel_min\nb,river-gauge,413123456,08165500,45\n")
    attributes = the_city(folder).registry.devices["b"].attributes
    assert attributes == {"upstream": "413123456", "gauge": "08165500", "travel_min": 45.0}


def test_a_river_that_leads_round_in_a_ring_is_a_mistake(folder: Path) -> None:
    rows = ["a,river-gauge,x c", "b,river-gauge,a", "c,river-gauge,b", "d,river-gauge,a"]
    (folder / "devices.csv").write_text("\n".join(["device,kind,upstream", *rows]) + "\n")
    (mistake,) = load_registry(folder)[1]
    assert (Path(mistake.file).name, mistake.line) == ("devices.csv", 2)
    assert "in a ring: a → c → b → a" in mistake.message
