"""Every recording through back-test and replay, as a table: `python -m tests.bench.recordings [NAME…]`.

Reads the recordings in the folder `shared/data` beside the project (or under CITYHUB_SHARED); prints Markdown. One
process a run, so that wall times are those of the commands that the READMEs name.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hub.camera_import import import_cameras

ROOT = Path(__file__).resolve().parents[2]
CITIES = ROOT / "rules" / "recordings"
DATA = Path(os.environ.get("CITYHUB_SHARED", ROOT.parent / "shared")) / "data"


class Run(NamedTuple):
    """One recording: the city folder, its files (a pattern under the data folder), and how they read."""

    name: str
    city: str
    files: str
    map: str | None = "map.toml"
    options: tuple[str, ...] = ()

    def arguments(self, city: Path, data: Path = DATA) -> list[str]:
        """City, files and layout, for `backtest` and `replay` alike."""
        files = [str(path) for path in sorted(data.glob(self.files))]
        return [*files, *(["--map", str(city / self.map)] if self.map else []), *self.options]


AIS = ("--protocol", "ais")
RUNS = (
    Run("beijing-embassy", "beijing-embassy", "air_beijing_embassy/*.csv.gz"),
    Run("beijing-12-sites", "beijing-12-sites", "air_beijing_12sites/*.csv.gz"),
    Run("camp-fire", "camp-fire", "smoke_camp_fire_2018/pm25_hourly_long.csv.gz"),
    Run("guadalupe-0705", "guadalupe", "flood_guadalupe_2025/guadalupe_asof_20250705.csv.gz"),
    Run("guadalupe-0707", "guadalupe", "flood_guadalupe_2025/guadalupe_asof_20250707.csv.gz"),
    Run("ever-given", "ever-given", "ais_evergiven_2021/boat-positions.csv.gz"),
    Run("austin-0318", "austin-buses", "gps_bus_austin/2015-03-18.csv.gz"),
    Run("austin-0906", "austin-buses", "gps_bus_austin/2015-09-06.csv.gz"),
    Run("liverpool-bus", "liverpool-bus", "gps_bus_liverpool/route14_outbound.csv"),
    Run("gecco-water", "gecco-water", "plant_gecco_water/gecco2018_train.csv.gz"),
    Run("epa-station-b", "epa-station-b", "plant_epa_station_b/station_b_20min.csv"),
    Run("skab", "skab", "plant_skab/valve1/*.csv.gz"),
    Run("mukilteo-rain", "mukilteo-landslide", "landslide_mukilteo_2015/*_rain.txt.gz"),
    Run("mukilteo-14d", "mukilteo-landslide", "landslide_mukilteo_2015/*_14d.txt.gz", "fortnight.toml"),
    Run("england-hydro", "england-hydro", "hydro_england_20210507/wet_day.csv.gz"),
    Run("ais-dma", "ais-raw", "ais_raw_nmea/dma_stream_example_20100611.txt.gz", None, AIS),
    Run("ais-norway", "ais-raw", "ais_raw_nmea/norwegian_20241209.raw", None, AIS),
    Run("ais-bare", "ais-raw", "ais_raw_nmea/pyais_nmea_data_sample.txt", None, (*AIS, "--received", "2020-01-01T00:00:00Z")),
)  # fmt: skip


@contextmanager
def city_of(run: Run) -> Iterator[Path]:
    """The city folder; for the Camp Fire a copy with the Californian cameras, which stay out of the repository."""
    source = CITIES / run.city
    listed = DATA / "cameras_usa" / "cameras_usa_flat.csv.gz"
    if run.city != "camp-fire" or not listed.exists():
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        city = Path(folder) / run.city
        shutil.copytree(source, city)
        with gzip.open(listed, "rt", encoding="utf-8") as rows:
            text, _ = import_cameras(csv.DictReader(rows), select={"state": "California"})
        (city / "cameras.csv").write_text(text, "utf-8")
        yield city


def cityhub(*arguments: str) -> tuple[str, str, float]:
    """(output, notes, wall seconds) of one command; raises where it fails."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "hub.cli", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"cityhub {' '.join(arguments)[:200]} gave {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout, done.stderr, time.perf_counter() - began


def outcome(run: Run) -> dict[str, object]:
    """Both commands over one recording."""
    with city_of(run) as city, tempfile.TemporaryDirectory() as data:
        options = run.arguments(city)
        events = DATA / "events.csv"
        judge = ["--events", str(events)] if events.exists() else []
        tested, notes, tested_s = cityhub("backtest", str(city), "--json", "--quiet", *judge, "--readings", *options)
        played, _, _ = cityhub("replay", str(city), "--json", "--data", f"{data}/play", *options)
    lines = tested.splitlines()
    summary = json.loads(lines.pop())["summary"] if judge else {}
    return {
        "name": run.name, "notes": notes, "changes": [json.loads(line) for line in lines], "summary": summary,
        "replay": json.loads(played), "backtest_s": tested_s,
    }  # fmt: skip


def row(found: dict[str, object]) -> list[str]:
    """One line of the table."""
    changes, summary, played = found["changes"], found["summary"], found["replay"]
    assert isinstance(changes, list)
    assert isinstance(summary, dict)
    assert isinstance(played, dict)
    raised: dict[str, int] = {}
    for change in changes:
        if change["change"] == "raised":
            raised[change["level"]] = raised.get(change["level"], 0) + 1
    faults = ", ".join(f"{kind} {count}" for kind, count in played["faults"].items())
    return [
        str(found["name"]), f"{played['readings']:,}", f"{played['stored']:,}", f"{played['duplicates']:,}",
        f"{played['quarantined']:,}" + (f" ({faults})" if faults else ""),
        ", ".join(f"{raised[level]} {level}" for level in ("red", "orange", "yellow", "blue") if level in raised) or "none",
        *judged_row(summary), f"{found['backtest_s']:.1f}", f"{played['wall_s']:.1f}",
    ]  # fmt: skip


JUDGED = (
    "events hit", "by a plain threshold", "median lead, min", "its", "orange and red outside events a site-month", "its",
    "borne out", "its", "false of all raises",
)  # fmt: skip
COLUMNS = (
    "recording",
    "readings",
    "stored",
    "duplicates",
    "quarantined",
    "warnings raised",
    *JUDGED,
    "back-test s",
    "replay s",
)


def _a_month(outside: dict[str, Any]) -> float | None:
    months = outside["site_months"]
    return (outside["orange"] + outside["red"]) / months if months else None


def judged_row(summary: dict[str, Any]) -> list[str]:
    """The figures of a summary beside those of its plain threshold, in the order of `JUDGED`."""
    if not summary:
        return [""] * len(JUDGED)
    plain = summary["baseline"]
    both = (summary, plain)

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.4g}"

    hits = [f"{one['hits']} of {len(one['events'])}" if one["events"] else "" for one in both]
    leads = [number(one["median_lead_min"]) for one in both]
    rates = [number(_a_month(one["outside"])) for one in both]
    borne = [number(one["outside"]["borne_out"]) for one in both]
    return [*hits, *leads, *rates, *borne, f"{summary['false']} of {summary['raises']}"]


def main(names: list[str]) -> None:
    out = io.StringIO()
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    for run in RUNS:
        if (not names or run.name in names) and list(DATA.glob(run.files)):
            found = outcome(run)
            print("| " + " | ".join(row(found)) + " |", flush=True)
            out.write(f"## {run.name}\n{found['notes']}\n")
    print(out.getvalue(), file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
