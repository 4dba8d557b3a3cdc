"""`cityhub import` and `cityhub store DIR rebuild`: history in, by the same checks, and rollups of it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.app.importing import Imported, Importer, messages
from hub.cli import main
from hub.model import Device, Position, Reading
from hub.moment import from_text
from hub.options import IngestOptions
from hub.ports import SeriesQuery
from hub.registry import Registry
from hub.store import open_store
from hub.store.lineimport import read_line
from hub.store.lineprotocol import Encoder
from hub.store.rollups import RollupStore
from tests.acceptance.running import write_city

NOW = from_text("2026-11-20T12:00:00Z")
REGISTRY = Registry({"gauge-7": Device("gauge-7", "Mill", "river-gauge")})
CSV = """time,device,metric,value
2020-01-01T00:00:00Z,gauge-7,water_level,3.25
2020-01-01T00:05:00Z,gauge-7,water_level,3.75
2020-01-01T00:05:00Z,stranger,water_level,1
2020-01-01T00:10:00Z,gauge-7,water_level,99999
2020-01-01T00:10:00Z,gauge-7,wasser,1
2031-01-01T00:00:00Z,gauge-7,water_level,1
yesterday,gauge-7,water_level,1
"""


@pytest.fixture
def store(tmp_path: Path) -> Any:
    made = open_store("duckdb", {}, tmp_path / "store")
    yield made
    made.close()


def take(store: RollupStore, tmp_path: Path, *files: Path, admit: bool = False) -> Imported:
    return Importer(store, REGISTRY, IngestOptions(), NOW, tmp_path / "refused.jsonl", admit).run(messages(files))


def test_history_of_years_ago_goes_in_and_nothing_wrong_with_it(store: RollupStore, tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    file.write_text(CSV)
    done = take(store, tmp_path, file)
    assert (done.readings, done.stored, done.refused) == (7, 2, 5)
    assert done.faults == {"unknown-device": 1, "value": 1, "unknown-metric": 1, "time": 2}
    rows = store.series(SeriesQuery())
    assert [(row.device, row.kind, row.value) for row in rows] == [
        ("gauge-7", "river-gauge", 3.25),
        ("gauge-7", "river-gauge", 3.75),
    ]
    assert all(row.received_at == row.time for row in rows)
    assert [(b.count, b.mean) for b in store.rollups("1d", SeriesQuery())] == [(2, 3.5)]
    refused = [json.loads(line) for line in (tmp_path / "refused.jsonl").read_text().splitlines()]
    assert len(refused) == 5
    assert "not in the registry" in refused[0]["detail"]


def test_importing_twice_is_importing_once(store: RollupStore, tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    file.write_text(CSV)
    take(store, tmp_path, file)
    take(store, tmp_path, file)
    assert len(store.series(SeriesQuery())) == 2
    assert [b.count for b in store.rollups("1h", SeriesQuery())] == [2]


def test_line_protocol_of_another_server(store: RollupStore, tmp_path: Path) -> None:
    file = tmp_path / "export.lp.gz"
    lines = [
        "# DML",
        "water,area=north,device=gauge-7,kind=x water_level=3.5,q_water_level=4i,lat=29.5,lon=122.5 1577836800000000000",
        "air,host=a pm25=1 1577836800000000000",
        "water,device=gauge-7 water_level=high 1577836800000000000",
        'alerts,level=red alert="x" 1577836800000000000',
        "nonsense",
    ]
    file.write_bytes(gzip.compress("\n".join(lines).encode()))
    done = take(store, tmp_path, file)
    assert (done.readings, done.stored, done.refused) == (4, 1, 3)
    row = store.series(SeriesQuery())[0]
    assert (row.value, row.quality, row.lon, row.lat) == (3.5, 4, 122.5, 29.5)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12).filter(
    lambda text: not text.endswith("\\")
)


@given(TEXTS, st.floats(0, 1e6), TEXTS, st.lists(TEXTS, max_size=3), st.booleans(), st.integers(-(2**60), 2**60))
def test_what_the_hub_wrote_reads_back(
    device: str, level: float, name: str, alarms: list[str], running: bool, at: int
) -> None:
    values: dict[str, Any] = {"water_level": level}
    said = Reading(
        device, at, values, Position(122.5, 29.25, 3.0), {"water_level": "manual"}, at + 10**10, kind="k, x=y"
    )
    more = [Reading(device, at, {"name": name}, received_at=at), Reading(device, at, {"alarms": alarms}, received_at=at), Reading(device, at, {"running": running}, received_at=at)]  # fmt: skip
    encoder = Encoder()
    for reading in (said, *more):
        (line,) = encoder.lines(reading)
        found = read_line(line)
        assert found is not None
        assert (found.device, found.observed_at, found.values, found.position, found.marks, found.received_at, found.kind) == (
            reading.device, at, reading.values, reading.position, reading.marks, reading.received_at, reading.kind,
        )  # fmt: skip


@given(st.text(max_size=80))
def test_no_line_breaks_the_reader(line: str) -> None:
    try:
        read_line(line)
    except ValueError as error:
        assert str(error)  # noqa: PT017  most lines raise nothing


def test_the_commands_on_a_hub_that_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    city = write_city(tmp_path / "city")
    file = tmp_path / "old.csv"
    file.write_text(CSV)
    assert main(["import", str(city), str(file), "--json"]) == 1
    done = json.loads(capsys.readouterr().out)
    assert done["stored"] == 2
    refused = [json.loads(line) for line in Path(done["rejects"]).read_text("utf-8").splitlines()]
    [stranger] = [item["reading"] for item in refused if item["device"] == "stranger"]
    assert stranger == {"device": "stranger", "observed_at": "2020-01-01T00:05:00Z", "values": {"water_level": 1.0}}
    assert main(["store", str(city), "rebuild", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"rollups": 4}
    assert main(["import", str(city), str(tmp_path / "none.csv")]) == 2
    assert "is not there" in capsys.readouterr().err
    assert main(["store", str(city), "rebuild", "--from", "yesterday"]) == 2


def test_a_quality_of_nothing_in_line_protocol_is_no_doubt() -> None:
    read = read_line(
        "water,device=r1,kind=river-gauge water_level=3.1,q_water_level=0i,water_flow=2,q_water_flow=10i 1795906604000000000"
    )
    assert read is not None
    assert read.values == {"water_level": 3.1, "water_flow": 2.0}
    assert read.marks == {"water_flow": "doubted"}


T = 1_577_836_800_000_000_000
GOOD_LINE = f"water,device=gauge-7 water_level=3.25 {T}\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"water,device=gauge-7 water_level=1,received_at=1e400 {T}", "a number in it is larger"),
        (f"water,device=gauge-7 water_level=1,q_water_level=1e400 {T}", "a number in it is larger"),
        (f"water,device=gauge-7 water_level=1,lat={'9' * 400}i,lon=5 {T}", "a number in it is larger"),
        (f'vehicle,device=gauge-7 alarms="{"[" * 100_000}" {T}', "a list in it is nested too deeply"),
        (f'text,device=gauge-7 text="\udcff" {T}', "byte 0xFF at character"),
        (f'text,device=gauge-7 text="{"x" * 3_000_000}" {T}', "a line of more than 1 MB was left out"),
    ],
)
def test_a_line_that_nobody_can_read_costs_itself(store: RollupStore, tmp_path: Path, line: str, said: str) -> None:
    """Each ended the import with a traceback: what stood behind it was not read, and what stood before had no rollups."""
    file = tmp_path / "old.lp"
    file.write_bytes(f"{line}\n{GOOD_LINE}".encode("utf-8", "surrogateescape"))
    done = take(store, tmp_path, file)
    assert (done.readings, done.stored, done.refused) == (2, 1, 1)
    assert done.rollups == 3
    (refused,) = (tmp_path / "refused.jsonl").read_text().splitlines()
    assert said in json.loads(refused)["detail"]


@pytest.mark.parametrize("damage", ["cut", "check"])
def test_packed_lines_that_break_off_are_used_as_far_as_they_go(
    store: RollupStore, tmp_path: Path, damage: str
) -> None:
    packed = gzip.compress("".join(f"water,device=gauge-7 water_level=3.25 {T + n}\n" for n in range(100_000)).encode())
    file = tmp_path / "old.lp.gz"
    file.write_bytes(packed[: len(packed) // 2] if damage == "cut" else packed[:-8] + bytes(8))
    done = take(store, tmp_path, file)
    assert done.stored == done.readings > 1_000
    assert done.rollups
    assert done.faults == {"truncated": 1}
