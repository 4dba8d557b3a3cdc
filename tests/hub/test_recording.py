"""Recordings: layouts, maps, lookups, dirty rows, wrong clocks, raw frames. Every row is accounted for."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.model import Fault, FaultKind, Message, Reading
from hub.moment import from_text, to_text
from hub.recording import LINE_MAX, RecordingError, RowCount, load_map, read_files


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(*paths: Path, mapping: Path | None = None, count: RowCount | None = None) -> tuple[list[Reading], list[Fault]]:
    messages = [recorded.message for recorded in read_files(paths, load_map(mapping) if mapping else None, count=count)]
    return [r for m in messages for r in m.readings], [f for m in messages for f in m.faults]


# ------------------------------------------------------------------------------------------------- our own layouts


def test_long_and_wide_csv_say_the_same(tmp_path: Path) -> None:
    long = written(tmp_path, "a.csv", "time,device,metric,value,lon,lat\n2026-01-01T00:00:00Z,a,pm25,7.5,116.1,39.9\n")
    wide = written(tmp_path, "b.csv", "time,device,lon,lat,pm25,pm10\n2026-01-01T08:00:00+08:00,a,116.1,39.9,7.5,NA\n")
    assert read(long)[0] == read(wide)[0]


def test_the_kind_of_an_export_is_read_again(tmp_path: Path) -> None:
    """Rules of a kind saw nothing of devices that the registry does not list, though the hub itself had written their kind down."""
    long = written(tmp_path, "a.csv", "time,device,kind,metric,value,quality,lon,lat,received_at\n2026-11-01T00:00:00Z,r1,river-gauge,water_flow,3,0,,,\n")  # fmt: skip
    wide = written(tmp_path, "b.csv", "time,device,kind,water_flow\n2026-11-01T00:00:00Z,r2,river-gauge,3\n2026-11-01T00:00:00Z,r3,,3\n")  # fmt: skip
    readings, faults = read(long, wide)
    assert faults == []
    assert {(one.device, one.kind, one.values["water_flow"]) for one in readings} == {
        ("r1", "river-gauge", 3.0), ("r2", "river-gauge", 3.0), ("r3", "", 3.0)
    }  # fmt: skip


def test_what_an_export_holds_against_a_value_is_read_again(tmp_path: Path) -> None:
    """A value that had been denied came back as good."""
    rows = ("3,0", "9,10", "5,9", "8,4", "7,", "6,good", "4,-1")
    lines = "".join(f"2026-11-01T00:0{n}:00Z,r1,river-gauge,water_level,{row}\n" for n, row in enumerate(rows))
    readings, faults = read(written(tmp_path, "a.csv", f"time,device,kind,metric,value,quality\n{lines}"))
    marks = [(one.values["water_level"], (one.marks or {}).get("water_level")) for one in readings]
    assert marks == [(3.0, None), (9.0, "doubted"), (5.0, "estimated"), (8.0, "fault"), (7.0, None)]
    assert [(fault.kind, fault.readings) for fault in faults] == [(FaultKind.VALUE, 1)] * 2
    assert "quality is 'good'; the number of an export was meant" in faults[0].detail


def test_a_bad_cell_costs_its_value_and_an_unknown_metric_is_left_to_the_front_door(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "time,device,pm25,pm10,nonsense\n2026-01-01T00:00:00Z,a,0.2|0.3,5,1\n")
    readings, faults = read(path)
    assert readings[0].values == {"pm10": 5.0, "nonsense": "1"}
    assert [(fault.kind, fault.readings) for fault in faults] == [(FaultKind.VALUE, 0)]
    assert faults[0].detail == "a.csv line 2: a: pm25 is '0.2|0.3'; a number was meant"


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    rows = [
        "2026-01-01T00:00:00Z,a,1,2", "", "# a comment", "2026-01-01T01:00:00Z,a,NA,", "2026-01-01T02:00:00Z,a,x,NA", "yesterday,a,1,2",
        "2026-01-01T03:00:00,a,1,2", "2026-01-01T04:00:00Z,a", '2026-01-01T05:00:00Z,"a,1,2', "2026-01-01T06:00:00Z,a,3,4",
    ]  # fmt: skip
    count = RowCount()
    readings, faults = read(written(tmp_path, "a.csv", "time,device,pm25,pm10\n" + "\n".join(rows)), count=count)
    assert (count.rows, count.empty, count.left_out) == (8, 1, 0)
    assert len(readings) + sum(fault.readings for fault in faults) + count.empty == count.rows
    assert [fault.kind for fault in faults] == ["value", "time", "time", "syntax", "syntax"]
    assert "has no time zone" in faults[2].detail
    assert [to_text(reading.observed_at or 0) for reading in readings] == [
        "2026-01-01T00:00:00Z",
        "2026-01-01T06:00:00Z",
    ]


def test_a_foreign_header_is_named_with_what_was_meant(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"first line is 'No,year'.*--map"):
        read(written(tmp_path, "a.csv", "No,year\n1,2013\n"))


def test_an_endless_line_and_a_torn_file_cost_only_themselves(tmp_path: Path) -> None:
    text = "time,device,pm25\n2026-01-01T00:00:00Z,a,1\n" + "9" * (3 * LINE_MAX) + "\n2026-01-01T01:00:00Z,a,2\n"
    readings, faults = read(written(tmp_path, "a.csv", text))
    assert [reading.values["pm25"] for reading in readings] == [1.0, 2.0]
    assert [fault.kind for fault in faults] == ["oversize"]

    whole = gzip.compress(b"time,device,pm25\n" + b"".join(b"2026-01-01T00:00:00Z,a,%d\n" % n for n in range(5000)))
    readings, faults = read(written(tmp_path, "torn.csv.gz", whole[: len(whole) // 2]))
    assert [fault.kind for fault in faults[-1:]] == ["truncated"]
    assert len(readings) > 100


# ------------------------------------------------------------------------------------------------- maps


def test_a_map_reads_a_foreign_layout(tmp_path: Path) -> None:
    mapping = written(
        tmp_path,
        "map.toml",
        """
        missing = ["", "NA", "cv"]
        delimiter = ";"
        constants = { running = true }
        [time]
        column = ["day", "hour"]
        format = "%d/%m/%Y %H"
        zone = "Asia/Shanghai"
        [device]
        column = "site"
        prefix = "s-"
        kind = "river-gauge"
        [position]
        lon = "x"
        lat = "y"
        missing = ["0.0"]
        [values]
        water_level = { column = "ft", unit = "ft" }
        air_temperature = { column = "F", unit = "degF" }
        wind_direction = { column = "wind", texts = { N = 0, NE = 45 } }
        leak = { column = "event", true = ["True"] }
        state = "words"
        [[marks]]
        column = "flag"
        texts = { e = "estimated", Fld = "fault" }
        metrics = ["water_level"]
        [[where]]
        column = "keep"
        is_not = ["no"]
        """,
    )
    header = "day;hour;site;x;y;ft;F;wind;event;words;flag;keep\n"
    rows = "01/02/2026;08;7; -99.1;30.0;10;50;NE;True; ok ;Fld;yes\n01/02/2026;09;7;0.0;0.0;NA;NA;cv;False;;e;yes\n02/02/2026;1;7;1;1;1;1;N;x;x;x;no\n"
    count = RowCount()
    readings, faults = read(written(tmp_path, "a.csv", header + rows), mapping=mapping, count=count)
    assert not faults
    assert (count.rows, count.left_out) == (3, 1)
    first, second = readings
    assert (first.device, first.kind, to_text(first.observed_at or 0)) == ("s-7", "river-gauge", "2026-02-01T00:00:00Z")
    assert first.values == {
        "running": True, "water_level": pytest.approx(3.048), "air_temperature": pytest.approx(10.0), "wind_direction": 45.0, "leak": True, "state": "ok",
    }  # fmt: skip
    assert first.marks == {"water_level": "fault"}
    assert first.position is not None
    assert second.position is None
    assert second.values == {"running": True, "leak": False}


def test_the_last_words_of_a_gauge_are_a_mark_without_a_value(tmp_path: Path) -> None:
    mapping = written(
        tmp_path,
        "map.toml",
        """
        [time]
        column = "time"
        [device]
        column = "site"
        kind = "river-gauge"
        [values]
        water_level = "level"
        [[marks]]
        column = "state"
        texts = { FALLO = "fault" }
        """,
    )
    rows = "time,site,level,state\n2026-02-01T00:00:00Z,7,2.0,ok\n2026-02-01T00:15:00Z,7,,FALLO\n2026-02-01T00:30:00Z,7,,\n"
    readings, faults = read(written(tmp_path, "a.csv", rows), mapping=mapping)
    assert not faults
    assert [(reading.values, reading.marks) for reading in readings] == [
        ({"water_level": 2.0}, None),
        ({}, {"water_level": "fault"}),
    ]


def test_ids_are_looked_up_and_what_is_not_found_is_said(tmp_path: Path) -> None:
    written(tmp_path, "devices.csv", "device,site\nHunt,08165500\n")
    mapping = written(
        tmp_path,
        "map.toml",
        '[device]\ncolumn = "id"\nlookup = { file = "devices.csv", key = "site", value = "device" }\n[values]\npm25 = "v"\n',
    )
    path = written(tmp_path, "a.csv", "time,id,v\n2026-01-01T00:00:00Z,08165500,1\n2026-01-01T00:00:00Z,9,1\n")
    readings, faults = read(path, mapping=mapping)
    assert [reading.device for reading in readings] == ["Hunt"]
    assert [(fault.kind, fault.readings) for fault in faults] == [("unknown-device", 1)]
    assert "devices.csv has no row with site = '9'" in faults[0].detail


def test_whitespace_and_the_files_name(tmp_path: Path) -> None:
    mapping = written(
        tmp_path,
        "map.toml",
        'delimiter = "whitespace"\ncolumns = ["y", "m", "rain"]\n[time]\ncolumn = ["y", "m"]\nformat = "%Y %m"\n'
        '[device]\nfile_name = "(wa.+)_rain"\n[values]\nrainfall = { column = "rain", unit = "in" }\n',
    )
    readings, _ = read(written(tmp_path, "waMLP_rain.txt", "2015 \t 09 \t 2\n2015\t10\t0\n"), mapping=mapping)
    assert [(reading.device, reading.values["rainfall"]) for reading in readings] == [
        ("waMLP", pytest.approx(50.8)),
        ("waMLP", 0.0),
    ]
    with pytest.raises(RecordingError, match="does not match the map's file_name"):
        read(written(tmp_path, "other.txt", "2015 09 2\n"), mapping=mapping)


def test_several_devices_stand_in_one_row(tmp_path: Path) -> None:
    mapping = written(
        tmp_path,
        "map.toml",
        '[device]\nconstant = "a"\n[values]\nph = "p1"\n[[also]]\ndevice = { constant = "b", kind = "water-plant" }\nvalues.ph = "p2"\n'
        '[[also]]\ndevice = { constant = "c" }\nwhere = [{ column = "p2", is = ["7"] }]\nvalues.ph = "p1"\n',
    )
    readings, _ = read(
        written(tmp_path, "a.csv", "time,p1,p2\n2026-01-01T00:00:00Z,6,7\n2026-01-01T00:01:00Z,NA,8\n"), mapping=mapping
    )
    assert [(reading.device, reading.values["ph"]) for reading in readings] == [
        ("a", 6.0),
        ("b", 7.0),
        ("c", 6.0),
        ("b", 8.0),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[values]\npm25 = "v"\n', "exactly one of column, file_name and constant"),
        ('[device]\nconstant = "a"\n[values]\npm2 = "v"\n', "unknown metric 'pm2'; was pm25 meant"),
        ('[device]\nconstant = "a"\n[values]\npm25 = { column = "v", unit = "m" }\n', "no conversion between them"),
        ('[device]\nconstant = "a"\n[time]\nzone = "Peking"\n[values]\npm25 = "v"\n', "unknown zone 'Peking'"),
        ('[device]\nconstant = "a"\n[values]\npm25 = "v"\n[surprise]\n', "surprise"),
        ('order = "any"\n[device]\nconstant = "a"\n[values]\npm25 = "v"\n', "order is 'any'"),
        ('[device]\nconstant = "a"\n[values]\n', "nothing to read"),
        ('[device]\nfile_name = "x"\n[values]\npm25 = "v"\n', "needs a group"),
        ("[device", "map.toml"),
    ],
)
def test_mistakes_in_a_map_are_named(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(RecordingError, match=why):
        load_map(written(tmp_path, "map.toml", text))


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    mapping = written(tmp_path, "map.toml", '[device]\nconstant = "a"\n[values]\npm25 = "PM2.5"\n')
    with pytest.raises(RecordingError, match=r"names the column 'PM2.5'; the file has time, pm25"):
        read(written(tmp_path, "a.csv", "time,pm25\n"), mapping=mapping)


# ------------------------------------------------------------------------------------------------- time


def arrivals(folder: Path, times: list[str], order: str = "file") -> list[str]:
    mapping = written(folder, "map.toml", f'order = "{order}"\n[device]\nconstant = "a"\n[values]\npm25 = "v"\n')
    path = written(folder, "a.csv", "time,v\n" + "".join(f"{time}T00:00:00Z,1\n" for time in times))
    return [to_text(recorded.at)[:10] for recorded in read_files([path], load_map(mapping))]


def test_nothing_arrives_before_what_stands_in_front_of_it(tmp_path: Path) -> None:
    assert arrivals(tmp_path, ["2020-01-02", "2020-01-01", "2020-01-03"]) == ["2020-01-02", "2020-01-02", "2020-01-03"]


def test_one_wrong_clock_does_not_carry_the_others_with_it(tmp_path: Path) -> None:
    days = [f"2020-01-{day:02}" for day in range(1, 12)]
    assert arrivals(tmp_path, [*days[:5], "2090-01-01", "2091-01-01", *days[5:]]) == [
        *days[:5],
        days[4],
        days[4],
        *days[5:],
    ]


def test_real_gaps_are_believed(tmp_path: Path) -> None:
    times = ["2020-01-01", "2020-06-01", "2021-06-01", "2021-06-02"]
    assert arrivals(tmp_path, times) == times
    assert arrivals(tmp_path, ["2020-01-01", "2020-01-20"]) == ["2020-01-01", "2020-01-20"]
    assert arrivals(tmp_path, ["2020-01-01", "2090-01-01"]) == ["2020-01-01", "2020-01-01"]


def test_files_that_stand_in_another_order_are_sorted(tmp_path: Path) -> None:
    assert arrivals(tmp_path, ["2020-01-03", "2020-01-01", "2020-01-02"], "time") == [
        "2020-01-01",
        "2020-01-02",
        "2020-01-03",
    ]


def test_files_are_merged_by_time(tmp_path: Path) -> None:
    paths = [
        written(tmp_path, f"{name}.csv", "time,device,pm25\n" + "".join(f"2026-01-01T0{hour}:00:00Z,{name},1\n" for hour in hours))
        for name, hours in (("a", (0, 2, 4)), ("b", (1, 3)))
    ]  # fmt: skip
    assert [reading.device for reading in read(*paths)[0]] == ["a", "b", "a", "b", "a"]


# ------------------------------------------------------------------------------------------------- raw frames


class Timeless:
    """A codec whose frames are numbers without a time."""

    def feed(self, data: bytes, received_at: int | None = None) -> list[Message]:
        return [Message([Reading("a", None, {"pm25": float(data)})], [], "a")]

    def end(self, received_at: int | None = None) -> list[Message]:
        return []

    def reply(self, message: Message, verdict: object, now: int) -> bytes | None:
        return None


def test_frames_are_dated_by_what_stands_before_them(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "1\n2026-01-01T00:00:00Z\t2\n3\n1767225660\t4\n")
    recorded = list(read_files([path], codec=Timeless))
    assert [len(message.readings) for _, message in recorded] == [0, 1, 1, 1]
    assert recorded[0].message.faults[0].kind == "time"
    assert "--received" in recorded[0].message.faults[0].detail
    assert [to_text(at) for at, _ in recorded[1:]] == [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:01:00Z",
    ]
    received = from_text("2025-01-01T00:00:00Z")
    assert next(read_files([path], codec=Timeless, received=received)).at == received


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=400))
def test_no_bytes_crash_it(tmp_path: Path, junk: bytes) -> None:
    mapping = written(tmp_path, "map.toml", '[device]\ncolumn = "device"\n[values]\npm25 = "pm25"\nroute = "x"\n')
    path = written(tmp_path, "a.csv", b"time,device,pm25,x\n2026-01-01T00:00:00Z,a,1,y\n" + junk)
    count = RowCount()
    for chosen in (None, mapping):
        readings, faults = read(path, mapping=chosen, count=count)
        assert readings
        assert all(fault.detail for fault in faults)
    assert count.rows >= 2


def test_two_rows_of_the_hour_that_comes_twice_are_two_readings(tmp_path: Path) -> None:
    rows = "\n".join(
        f"2026-10-25 {at},{level}" for at, level in [("01:30", 1), ("02:30", 2), ("02:30", 3), ("03:30", 4)]
    )
    path = written(tmp_path, "a.csv", f"when,level\n{rows}\n")
    mapping = written(
        tmp_path,
        "m.toml",
        '[time]\ncolumn = "when"\nformat = "%Y-%m-%d %H:%M"\nzone = "Europe/Zurich"\n'
        '[device]\nconstant = "gauge"\n[values]\nwater_level = "level"\n',
    )
    readings, faults = read(path, mapping=mapping)
    assert not faults
    assert [to_text(reading.observed_at or 0)[11:16] for reading in readings] == ["23:30", "00:30", "01:30", "02:30"]


# ------------------------------------------------------------------------------------------------- files of other makers

HEADED = "time,device,metric,value\n2026-01-01T00:00:00Z,北京站,pm25,7.5\n"


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"PK\x03\x04\x14\0", "a spreadsheet (.xlsx"), (b"\xd0\xcf\x11\xe0\xa1\xb1", "a spreadsheet (.xls)"), (b"PAR1\x15\x04", "a Parquet file"),
        (b"BZh91AY", "packed by bzip2"), (b"\xfd7zXZ\0", "packed by xz"), (b"\x28\xb5\x2f\xfd", "packed by zstd"), (b"%PDF-1.7", "a PDF document"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_called_what_it_is(tmp_path: Path, beginning: bytes, kind: str) -> None:
    with pytest.raises(RecordingError, match="save or unpack it as text") as told:
        read(written(tmp_path, "a.csv", beginning + bytes(60)))
    assert kind in str(told.value)


def test_gzip_is_unpacked_whatever_its_name_and_a_bad_one_is_named(tmp_path: Path) -> None:
    packed = gzip.compress(HEADED.encode())
    assert len(read(written(tmp_path, "a.csv", packed))[0]) == 1
    with pytest.raises(RecordingError, match="no whole gzip file"):
        read(written(tmp_path, "b.csv.gz", b"time,device,metric,value\n"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marks_of_unicode_in_front_are_understood(tmp_path: Path, encoding: str) -> None:
    (reading,), faults = read(written(tmp_path, "a.csv", HEADED.encode(encoding)))
    assert (reading.device, faults) == ("北京站", [])


@pytest.mark.parametrize(("encoding", "name"), [("gb18030", "北京站"), ("cp1252", "Zürich Süd"), ("shift_jis", "東京")])
def test_another_encoding_costs_rows_until_the_map_names_it(tmp_path: Path, encoding: str, name: str) -> None:
    text = f"when,who,v\n2026-01-01T00:00:00Z,{name},1\n2026-01-01T00:01:00Z,b,2\n"
    path = written(tmp_path, "a.csv", text.encode(encoding))
    plain = '[time]\ncolumn = "when"\n[device]\ncolumn = "who"\n[values]\npm25 = "v"\n'
    count = RowCount()
    (other,), (fault,) = read(path, mapping=written(tmp_path, "m.toml", plain), count=count)
    assert (other.device, fault.kind, fault.readings, count.rows) == ("b", FaultKind.SYNTAX, 1, 2)
    assert "is no UTF-8; say the file's in the map" in fault.detail
    assert "surrogate" not in fault.detail
    readings, faults = read(path, mapping=written(tmp_path, "n.toml", f'encoding = "{encoding}"\n{plain}'))
    assert ([reading.device for reading in readings], faults) == ([name, "b"], [])


def test_a_heading_in_another_encoding_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        RecordingError, match=r'first line: byte 0x.. at character \d is no UTF-8; .*encoding = "gb18030"'
    ):
        read(written(tmp_path, "a.csv", "时间,device,metric,value\n".encode("gb18030")))


@pytest.mark.parametrize(
    ("options", "suffix", "text", "value"),
    [
        ('decimal = ","', "", "21,5", 21.5), ('decimal = ","', "", "1.554,25", 1554.25), ('decimal = ","', "", "-1 554,5", -1554.5),
        ('decimal = ","', "", "7", 7.0), ('decimal = ","', " ?°C", "21,5 °C", 21.5), ('decimal = ","', "", "1,5e2", 150.0),
        ("", " ?dBm", "-76 dBm", -76.0), ("", " ?dBm", "-76dBm", -76.0), ("", " ?dBm", "-76", -76.0), ("", r"\\.?[A-Z0-9]{3}", "1554.N0N", 1554.0),
        ('decimal = ","', "", "1.5", None), ('decimal = ","', "", "1.55.4", None), ('decimal = ","', "", ",", None), ("", "", "21,5", None),
        ("", " ?dBm", "-76 dB", None),
    ],
)  # fmt: skip
def test_numbers_as_others_write_them(
    tmp_path: Path, options: str, suffix: str, text: str, value: float | None
) -> None:
    mapping = f'delimiter = ";"\n{options}\n[time]\ncolumn = "t"\n[device]\ncolumn = "d"\n[values]\ncount = {{ column = "v", suffix = "{suffix}" }}\n'
    path = written(tmp_path, "a.csv", f"t;d;v\n2026-01-01T00:00:00Z;a;{text}\n")
    readings, faults = read(path, mapping=written(tmp_path, "m.toml", mapping))
    assert [reading.values for reading in readings] == ([{"count": value}] if value is not None else [])
    assert [fault.kind for fault in faults] == ([] if value is not None else [FaultKind.VALUE])


def test_positions_with_a_decimal_comma(tmp_path: Path) -> None:
    mapping = 'delimiter = ";"\ndecimal = ","\n[time]\ncolumn = "t"\n[device]\ncolumn = "d"\n[position]\nlon = "x"\nlat = "y"\n[values]\n'
    path = written(tmp_path, "a.csv", "t;d;x;y\n2026-01-01T00:00:00Z;a;8,54;47,37\n")
    (reading,), _ = read(path, mapping=written(tmp_path, "m.toml", mapping))
    assert reading.position is not None
    assert (reading.position.lon, reading.position.lat) == (8.54, 47.37)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('encoding = "gbk2"', "encoding is 'gbk2'; a name such as gb18030"),
        ('encoding = "base64"', "encoding is 'base64'"),
        ('decimal = "·"', 'decimal is \'·\'; "." or "," was meant'),
        ('decimal = ","', "decimal and delimiter are both ','"),
        ('[values.pm25]\ncolumn = "v"\nsuffix = "("', "pm25: suffix is no pattern"),
    ],
)
def test_such_options_of_a_map_are_checked(tmp_path: Path, lines: str, sentence: str) -> None:
    values = "" if "[values" in lines else '[values]\npm25 = "v"\n'
    with pytest.raises(RecordingError) as told:
        load_map(written(tmp_path, "m.toml", f'{lines}\n{values}[device]\ncolumn = "d"\n'))
    assert sentence in str(told.value)
