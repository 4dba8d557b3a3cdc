"""`cityhub check`: every mistake in a city folder, at once, by file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hub.app import history
from hub.app.certificates import old_certificates
from hub.app.city import load_city
from hub.app.plugins import Plugins
from hub.app.strange import strange, unlisted
from hub.config import split_address
from hub.mistakes import toml_lines
from hub.moment import from_text
from hub.registry import load_registry
from tests.acceptance.running import ROOT, cityhub
from tests.certificates import authority, signed

GOOD = '[hub]\nname = "harbour"\ntimezone = "Asia/Shanghai"\n'


def city(folder: Path, **files: str) -> Path:
    (folder / "rules").mkdir(exist_ok=True)
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.write_text(text)
    return folder


def mistakes(folder: Path) -> list[str]:
    return [str(mistake).removeprefix(f"{folder}/") for mistake in load_city(folder, Plugins())[1]]


def test_a_good_folder_has_none(tmp_path: Path) -> None:
    loaded, found = load_city(city(tmp_path, hub_dot_toml=GOOD), Plugins())
    assert found == []
    assert loaded is not None
    assert loaded.config.hub.name == "harbour"


def test_the_starter_folder_is_clean(tmp_path: Path) -> None:
    assert cityhub("init", tmp_path / "new").returncode == 0
    checked = cityhub("check", tmp_path / "new")
    assert checked.returncode == 0, checked.stdout
    assert "is fine" in checked.stdout
    assert cityhub("init", tmp_path / "new").returncode == 1


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ('[hub]\nnam = "x"\n', ["hub.toml:1: name is missing here", "hub.toml:2: unknown key 'nam'; was 'name' meant?"]),
        ("[hub]\nname = 5\n", ["hub.toml:2: name = 5: expected `str`, got `int`"]),
        ('[hub]\nname = "x"\ntimezone = "Shanghai"\n', ["hub.toml:3: unknown timezone 'Shanghai'; a name such as Asia/Shanghai was meant"]),
        (GOOD + "[stroe]\n", ["hub.toml:4: unknown key 'stroe'; was 'store' meant?"]),
        (GOOD + '[store]\nkind = "mysql"\n', ["hub.toml:5: unknown store 'mysql'; \"duckdb\" or \"influxdb\" was meant"]),
        (GOOD + '[store]\nkind = "influxdb"\n', ['hub.toml:4: url is missing here, such as url = "http://127.0.0.1:8086"']),
        (GOOD + '[store]\nkind = "influxdb"\nurl = "http://[::1"\n', ["hub.toml:6: url = 'http://[::1' is no address: [ and ] enclose an address of IPv6"]),
        (GOOD + '[store]\nkind = "influxdb"\nurl = "127.0.0.1:8086"\n', ["hub.toml:6: url = '127.0.0.1:8086': it should look like http://127.0.0.1:8086"]),
        (GOOD + '[store]\nbatch_lines = 0\n', ["batch_lines = 0: at least 1 was meant"]),
        (GOOD + '[[adapters]]\nname = "a"\nprotocol = "jt808"\nlisten = "tcp://1[[2:5"\n', ["hub.toml:7: listen = 'tcp://1[[2:5' is no address"]),
        (GOOD + '[[sinks]]\nprotocol = "webhook"\nurl = "http://127.0.0.1:notaport/x"\n', ["hub.toml:6: url = 'http://127.0.0.1:notaport/x' names no port between 1 and 65535"]),
        (GOOD + '[[sinks]]\nprotocol = "mqtt"\nconnect = "mqtt://127.0.0.1:99999"\n', ["hub.toml:6: connect = 'mqtt://127.0.0.1:99999' names no port between 1 and 65535"]),
        (GOOD + '[store]\nkind = "influxdb"\nurl = "http://127.0.0.1:80866"\n', ["hub.toml:6: url = 'http://127.0.0.1:80866' names no port between 1 and 65535"]),
        (GOOD + '[[sinks]]\nprotocol = "webhook"\nurl = "http://[x"\n', ["hub.toml:6: url = 'http://[x' is no address"]),
        (GOOD + '[[adapters]]\nname = "a"\n', ["hub.toml:4: this block names no protocol; one of"]),
        (GOOD + '[[adapters]]\nname = "a"\nprotocol = "mqqt"\n', ["hub.toml:6: unknown protocol 'mqqt'; was 'mqtt' meant?"]),
        (GOOD + '[[adapters]]\nname = "a"\nprotocol = "mqtt"\n', ["hub.toml:4: topics is missing here"]),
        (GOOD + '[api]\nlisten = "0.0.0.0:80"\n', ["hub.toml:5: 0.0.0.0:80 is reachable from outside, so tokens are needed, or users who log in"]),
        (GOOD + '[store]\nkind = "influxdb"\nurl = "http://x"\ntoken = "abc"\n', ["hub.toml:7: a secret stands in the file; name an environment variable with token_env"]),
        (GOOD + '[[sinks]]\nprotocol = "webhook"\nurl = "https://u:p@x/y"\n', ["hub.toml:6: a secret stands in the file (a password in the address)"]),
        (GOOD + '[[sinks]]\nprotocol = "webhook"\nurl = "https://x/y"\nsecret = "whsec_abc"\n', ["hub.toml:7: a secret stands in the file"]),
        (GOOD + '[[sinks]]\nprotocol = "webhook"\nurl = "https://x/y"\nlevels = ["pink"]\n', ["hub.toml:7: unknown level 'pink'"]),
        (GOOD + '[[sinks]]\nprotocol = "webhook"\nurl = "https://x/y"\ncontact = 0\n', ["hub.toml:7: contact = 0: a number from 1 to 9 was meant"]),
        (GOOD + '[api]\nlisten = "127.0.0.1:9000"\n[[adapters]]\nname = "a"\nprotocol = "ais"\nlisten = "tcp://0.0.0.0:9000"\n', ["hub.toml:9: port 9000 is used twice: [api] listens there already"]),
        (GOOD + '[[adapters]]\nname = "a"\nprotocol = "ais"\nlisten = "udp://0.0.0.0:9"\n[[adapters]]\nname = "a"\nprotocol = "ais"\nlisten = "udp://0.0.0.0:8"\n', ["hub.toml:8: the name 'a' is used in line 4 already"]),
        (GOOD + '[rules]\npacks = ["floood"]\n', ["unknown pack 'floood'"]),
        (GOOD + "[rules]\npartitions = 0\n", ["partitions must be from 1 to 64"]),
        (GOOD + '[log]\nkind = "kafka"\n', ["kind = 'kafka': files or jetstream were meant"]),
        (GOOD + '[log]\nkind = "jetstream"\n', ['kind = "jetstream" needs servers']),
        (GOOD + '[log]\nkind = "files"\nservers = ["nats://127.0.0.1:4222"]\n', ['kind = "files" is a log in the data folder, and servers are named']),
        (GOOD + "[api\n", ["hub.toml:4: is not valid TOML"]),
    ],
)  # fmt: skip
def test_each_mistake_in_hub_toml_is_named(tmp_path: Path, toml: str, expected: list[str]) -> None:
    found = mistakes(city(tmp_path, hub_dot_toml=toml))
    for sentence in expected:
        assert any(sentence in line for line in found), found


@pytest.mark.parametrize("log", ['kind = "files"', 'kind = "jetstream"\nservers = ["nats://127.0.0.1:4222"]'])
def test_a_log_may_be_called_what_it_is(tmp_path: Path, log: str) -> None:
    assert mistakes(city(tmp_path, hub_dot_toml=f"{GOOD}[log]\n{log}\n")) == []


@pytest.mark.parametrize("kind", ["duckdb", "influxdb"])
def test_every_documented_option_of_a_store_can_be_written(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the tables in hub/store/README.md reach the store as they were written."""
    (tmp_path / "ca.pem").write_text("")
    wanted: dict[str, Any] = {"memory_mb": 99, "threads": 3}
    if kind == "influxdb":
        wanted = {
            "url": "http://127.0.0.1:1",
            "version": 1,
            "database": "db/rp",
            "org": "o",
            "username": "u",
            "timeout_s": 3.0,
        }
        wanted |= {"gzip": False, "batch_lines": 77, "batch_bytes": 9_000, "ca_file": str(tmp_path / "ca.pem")}
    lines = [f"{key} = {json.dumps(value)}" for key, value in wanted.items()]
    folder = city(tmp_path, hub_dot_toml=GOOD + f'[store]\nkind = "{kind}"\n' + "\n".join(lines) + "\n")
    loaded, found = load_city(folder, Plugins())
    assert loaded is not None, found
    opened: list[dict[str, Any]] = []
    monkeypatch.setattr(history, "open_store", lambda kind, options, folder, areas: opened.append(dict(options)))
    history.open_city_store(loaded.config.store, tmp_path)
    assert opened[0].items() >= wanted.items()
    documented = (ROOT / "hub" / "store" / "README.md").read_text()
    assert all(f"`{key}`" in documented for key in wanted)


def test_all_mistakes_of_all_files_come_at_once(tmp_path: Path) -> None:
    city(
        tmp_path,
        hub_dot_toml=GOOD + "colour = 1\n",
        devices_dot_csv="device,name,kind,lon,lat\ngauge-7,A,river-gauge,121.5,31.2\ngauge-7,B,river-gauge,121.5,31.2\ngauge-8,C,river-gauge,31.2,121.5\n,D,x,,\n",
        cameras_dot_csv="camera,name,lon,lat,azimuth_deg\nc1,A,,,90\nc2,B,121.5,31.2,720\n",
        zones_dot_geojson='{"type":"FeatureCollection","features":[\n{"type":"Feature","properties":{"zone":"z","kind":"k"},"geometry":{"type":"Polygon","coordinates":[[[1,1],[2,1],[2,2],[1,2]]]}}]}',
        rules__own_dot_yaml="- rule: a\n  for_each: {kind: river-gauge}\n  levels:\n    red: water_levle >= 3 m\n    blue: water_level > 3 mm/h\n  source: {standard: house default}\n",
    )
    found = mistakes(tmp_path)
    for sentence in (
        "hub.toml:4: unknown key 'colour'",
        "devices.csv:3: device 'gauge-7' stands twice: first in devices.csv line 2",
        "devices.csv:4: lon 31.2, lat 121.5 is no place on Earth; were lon and lat swapped?",
        "devices.csv:5: this row has no device id",
        "cameras.csv:2: camera 'c1' has no position",
        "cameras.csv:3: azimuth_deg is 720; a number from 0 to 360 was meant",
        "zones.geojson:2: zone 'z': the polygon is not closed",
        "rules/own.yaml:4",
        "rules/own.yaml:5",
    ):
        assert any(line.startswith(sentence) for line in found), (sentence, found)


def test_check_prints_them_and_exits_1(tmp_path: Path) -> None:
    checked = cityhub("check", city(tmp_path, hub_dot_toml="[hub]\n"))
    assert checked.returncode == 1
    assert f"{tmp_path}/hub.toml:1: name is missing here" in checked.stdout
    assert cityhub("check", tmp_path / "nowhere").returncode == 1


def test_lines_of_toml_keys() -> None:
    lines = toml_lines("[a]\nx = 1\n[[b]]\ny = 2\n[[b]]\n  z.w = 3\n[b.sub]\nv = 4\n")
    assert lines[("a", "x")] == 2
    assert lines[("b", 0, "y")] == 4
    assert lines[("b", 1, "z")] == 6
    assert lines[("b", 1, "sub", "v")] == 8


def test_an_address_may_be_of_the_sixth_version() -> None:
    assert split_address("[::1]:80") == ("::1", 80)


def test_a_byte_order_mark_harms_no_file_that_people_write(tmp_path: Path) -> None:
    """Editors of Windows put one before UTF-8 text."""
    files = {
        "hub.toml": GOOD + '[api]\nlisten = "127.0.0.1:0"\ntokens_file = "tokens.toml"\n'
        "[ingest]\ndevice_secrets_file = 'secrets.toml'\n"
        '[[adapters]]\nname = "pumps"\nprotocol = "modbus"\nconnect = "tcp://10.0.0.5:502"\nmap = "pumps.toml"\n',
        "tokens.toml": '[tokens.duty]\ntoken = "a-long-and-secret-text"\nroles = ["view"]\n',
        "secrets.toml": '"jt808:1" = "code"\n',
        "users.toml": "",
        "pumps.toml": PUMPS.replace("pressur", "pressure"),
        "devices.csv": "device,name,kind\na,A,pump\n",
        "rules/own.yaml": "- rule: r\n  for_each: {kind: pump}\n  levels: {blue: flow > 1 L/s}\n",
        "token": "from-file\n",
    }
    (tmp_path / "rules").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8-sig")
    assert mistakes(tmp_path) == []


PUMPS = """[[devices]]
device = "pump-1"
unit = 17

  [[devices.fields]]
  metric = "flow"
  address = 100
  type = "float32"

  [[devices.fields]]
  metric = "pressur"
  address = 102
  type = "int16"
"""
MODBUS = (
    GOOD + '[[adapters]]\nname = "pumps"\nprotocol = "modbus"\nconnect = "tcp://10.0.0.5:502"\nmap = "pumps.toml"\n'
)
MAPPED = (
    GOOD
    + '[[adapters]]\nname = "m"\nprotocol = "mqtt"\nconnect = "mqtt://127.0.0.1"\ntopics = ["a"]\nmap = "map.toml"\n'
)
STREAM = GOOD + '[[adapters]]\nname = "t"\nprotocol = "jt808"\n'


def test_mistakes_in_a_register_map_have_its_own_lines(tmp_path: Path) -> None:
    (found,) = mistakes(city(tmp_path, hub_dot_toml=MODBUS, pumps_dot_toml=PUMPS))
    assert found == "pumps.toml:11: pump-1, pressur: the vocabulary has no metric 'pressur'; was pressure meant?"
    (found,) = mistakes(city(tmp_path, pumps_dot_toml="[[devices]]\nunit = \n"))
    assert found.startswith("pumps.toml:2: ")


def test_mistakes_in_a_payload_map_have_its_own_lines(tmp_path: Path) -> None:
    text = '[values]\nph = {path = "a"}\n\n[values.flo]\npath = "b"\n'
    found = mistakes(city(tmp_path, hub_dot_toml=MAPPED, map_dot_toml=text))
    assert found
    assert all(said.startswith("map.toml:") for said in found), found


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('listen = "tls://127.0.0.1:9"\ntls_cert_file = "bad.pem"', "hub.toml:4: tls_cert_file = '{folder}/bad.pem' (which must hold the key too): no PEM"),
        ('connect = "tls://127.0.0.1:9"\ntls_ca_file = "bad.pem"', "hub.toml:4: tls_ca_file = '{folder}/bad.pem': no PEM certificates of authorities"),
        ('listen = "udp://127.0.0.1:9"\ntls_cert_file = "bad.pem"', "hub.toml:4: tls_cert_file: there is no TLS over udp"),
        ('listen = "tcp://127.0.0.1:9"\ntls_key_file = "bad.pem"', "hub.toml:4: tls_key_file needs the certificate"),
        ('listen = "tcp://127.0.0.1:9"\nconnect = "tcp://127.0.0.1:9"', "hub.toml:4: state exactly one of listen, connect, file"),
        ('listen = "tcp://127.0.0.1:9"\nzone = "Mars/Base"', "hub.toml:4: unknown time zone 'Mars/Base'"),
        ('listen = "tcp://127.0.0.1:9"\n[adapters.items]\n0x82 = {metric = "speeed", type = "uint16"}', "hub.toml:4: "),
    ],
)  # fmt: skip
def test_what_only_the_adapter_can_see_is_found(tmp_path: Path, lines: str, expected: str) -> None:
    city(tmp_path, bad_dot_pem="no certificate", hub_dot_toml=STREAM + lines + "\n")
    (found,) = load_city(tmp_path, Plugins())[1]
    assert str(found).removeprefix(f"{tmp_path}/").startswith(expected.format(folder=tmp_path)), found


def test_options_that_exclude_each_other(tmp_path: Path) -> None:
    (found,) = mistakes(city(tmp_path, hub_dot_toml=MAPPED + 'format = "senml-json"\n', map_dot_toml="[values]\n"))
    assert "exclude each other" in found


def test_cameras_that_the_registry_does_not_have_are_named(tmp_path: Path) -> None:
    """For every destination that names cameras; those of hubs below this one (`district-a/c1`) need not be known here."""
    guid = "9f3b6c0e-1f5d-4b6e-8a57-0d9a3c3f6b11"
    toml = f"""[hub]
name = "x"
[[sinks]]
name = "domes"
protocol = "onvif"
cameras."gate-1" = {{ url = "http://h/ptz" }}
cameras."gate-l" = {{ url = "http://h/ptz" }}
cameras."district-a/c1" = {{ url = "http://h/ptz" }}
[[sinks]]
protocol = "milestone"
url = "http://h"
cameras = {{ nobody = "{guid}" }}
[[sinks]]
protocol = "frigate"
url = "http://h"
cameras = {{ gate-1 = "front", "gate 1" = "back" }}
"""
    found = mistakes(city(tmp_path, hub_dot_toml=toml, cameras_dot_csv="camera,lon,lat\ngate-1,121.5,31.2\n"))
    assert len(found) == 3
    assert found[0].startswith(
        "hub.toml:3: destination 'domes' names camera 'gate-l', which the registry does not have; was 'gate-1'"
    )
    assert found[1].endswith("destination 'milestone' names camera 'nobody', which the registry does not have")
    assert "camera 'gate 1'" in found[2]


@pytest.mark.parametrize("middle", [(11.6, 48.1), (-87.6, 41.9), (151.2, -33.9)])
def test_what_stands_far_off_because_its_coordinates_are_swapped(tmp_path: Path, middle: tuple[float, float]) -> None:
    lon, lat = middle
    (tmp_path / "devices.csv").write_text(f"device,lon,lat\na,{lon},{lat}\nb,{lon + 0.01},{lat}\nship,0,0\n")
    (tmp_path / "cameras.csv").write_text(f"camera,lon,lat\nc,{lon},{lat + 0.01}\nd,{lat},{lon}\n")
    found = load_registry(tmp_path)[1]
    assert [(Path(mistake.file).name, mistake.line) for mistake in found] == [("cameras.csv", 3)]
    assert "were lon and lat swapped?" in found[0].message


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"device;name;kind\na;A;pump\n", "devices.csv:1: its cells are set apart by semicolons; commas are meant"),
        (
            b"device,name,kind\nb,B,pump\na;A;pump\n",
            "devices.csv:3: its cells are set apart by semicolons; commas are meant",
        ),
        (
            b"device,name,kind\nb,B,pump\na\tA\tpump\n",
            "devices.csv:3: its cells are set apart by tabs; commas are meant",
        ),
        (b"\x1f\x8b\x08\0\0\0\0\0", "devices.csv:1: is packed by gzip; text was meant"),
        (b"PK\x03\x04", "devices.csv:1: is a ZIP archive or a spreadsheet (.xlsx, .ods)"),
        (
            "device,name\na,北京站\n".encode("gbk"),
            "devices.csv:1: is not UTF-8 text (line 2 has the byte 0xB1); save it as UTF-8",
        ),
        ("device,name\na,b\n".encode("utf-16"), "devices.csv:1: is UTF-16 text; save it as UTF-8"),
    ],
)
def test_a_list_of_devices_that_is_no_utf_8_is_called_what_it_is(tmp_path: Path, data: bytes, sentence: str) -> None:
    folder = city(tmp_path, hub_dot_toml=GOOD)
    (folder / "devices.csv").write_bytes(data)
    (told,) = mistakes(folder)
    assert told.startswith(sentence)
    assert "codec" not in told


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("a,North Gate,underpass-gauge,121.49,31", "devices.csv:2: the file ends in the middle of this line"),
        (
            "a,North Gate,underpass-gauge,121.49,31.24,3\nb,South Gate,under",
            "devices.csv:3: the file ends in the middle",
        ),
        ('a,"North Gate,underpass-gauge,121.49,31.24,3\nb,South Gate,pump,,,\n', "devices.csv:2: a quotation mark"),
        ('\na,"North,pump,,,\nb,"South",pump,,,\n', "devices.csv:3: a quotation mark is opened here"),
    ],
)
def test_a_list_that_was_not_written_to_its_end_is_not_taken(tmp_path: Path, rows: str, sentence: str) -> None:
    """Cut at latitude 31 a gauge stood 26 km away; cut in its kind no rule was for it; an open quotation mark took the next gauge into a name."""
    folder = city(tmp_path, hub_dot_toml=GOOD, devices_dot_csv=f"device,name,kind,lon,lat,elevation_m\n{rows}")
    (told,) = mistakes(folder)
    assert told.startswith(sentence)


def test_rows_that_leave_their_last_cells_out_and_texts_of_two_lines_are_rows(tmp_path: Path) -> None:
    rows = 'device,name,kind,note\na,5" pipe\nb,"two\nlines",pump,\nc,"North" Gate,pump,x'
    loaded, found = load_city(city(tmp_path, hub_dot_toml=GOOD, devices_dot_csv=rows), Plugins())
    assert loaded is not None, found
    assert [device.name for device in loaded.registry.devices.values()] == ['5" pipe', "two\nlines", "North Gate"]


def test_slips_in_the_list_of_devices_are_noted(tmp_path: Path) -> None:
    lines = "a,underpass-guage\ntt:8.64717E+14,vehicle\nE1,\nb,underpass-gauge\nc,vessel\nd,xyzzy\n1e5,phone\nA+B,\n+41791234567,phone\n"
    folder = city(tmp_path, hub_dot_toml=GOOD, devices_dot_csv=f"device,kind\n{lines}")
    loaded, found = load_city(folder, Plugins())
    assert loaded is not None, found
    told = strange(loaded.registry.devices.values(), loaded.book, Plugins())
    assert told == [
        "devices.csv: tt:8.64717E+14 looks like a number that a spreadsheet has shortened; write the id in full, as text",
        "devices.csv: 1e5 looks like a number that a spreadsheet has shortened; write the id in full, as text",
        "devices.csv: A+B reads as two that meet, A and B; their own warning would have this name, so give the device another",
        "devices.csv: no rule, pack or adapter knows the kind 'underpass-guage' (a); was 'underpass-gauge' meant?",
        "devices.csv: no rule, pack or adapter knows the kind 'xyzzy' (d)",
    ]


def test_a_device_of_a_register_map_that_nobody_listed_is_noted(tmp_path: Path) -> None:
    """A slip in the map makes a second device, without a place, and no rule ever hears the first."""
    text = (
        GOOD
        + '[[adapters]]\nname = "pumps"\nprotocol = "modbus"\nconnect = "tcp://127.0.0.1:502"\nmap = "pumps.toml"\n'
    )
    folder = city(tmp_path, hub_dot_toml=text, devices_dot_csv="device,kind\npump-1,pump\npump-2,pump\n")
    unit = 'unit = {}\ndevice = "{}"\n[[devices.fields]]\nmetric = "pressure"\naddress = 1\ntype = "uint16"\nunit = "kPa"\n'
    (folder / "pumps.toml").write_text(
        "".join(f"[[devices]]\n{unit.format(n, name)}" for n, name in enumerate(("pump-1", "pmup-2"), 1))
    )
    loaded, found = load_city(folder, Plugins())
    assert loaded is not None, found
    assert unlisted(loaded.config, loaded.registry.devices, Plugins()) == [
        "adapter pumps reads the device 'pmup-2', which devices.csv does not list, so what it says is taken without a place, a kind and a name; "
        "was 'pump-2' meant?"
    ]


def test_an_unknown_pack_is_placed_where_it_stands(tmp_path: Path) -> None:
    folder = city(tmp_path, hub_dot_toml=GOOD + '[rules]\npacks = [\n  "flood",\n  "martime",\n]\n')
    line = (folder / "hub.toml").read_text().splitlines().index('  "martime",') + 1
    assert mistakes(folder) == [f"hub.toml:{line}: unknown pack 'martime'; was maritime meant?"]


def test_certificates_that_have_ended_are_told(tmp_path: Path) -> None:
    """Nobody connected any more, and check said "is fine"."""
    ca = authority(tmp_path)
    old = signed(tmp_path, ca, "old", valid=("20200101000000Z", "20200201000000Z"))
    soon = signed(tmp_path, ca, "soon", valid=("20261101000000Z", "20261210000000Z"))
    good = signed(tmp_path, ca, "good", valid=("20261101000000Z", "20270210000000Z"))
    block = '[[adapters]]\nname = "{0}"\nprotocol = "jt808"\nlisten = "tls://127.0.0.1:0"\ntls_cert_file = "{1.cert}"\ntls_key_file = "{1.key}"\n'
    text = GOOD + "".join(block.format(f"a{n}", files) for n, files in enumerate((old, soon, good)))
    loaded, found = load_city(city(tmp_path, hub_dot_toml=text), Plugins())
    assert loaded is not None, found
    assert old_certificates(loaded.config, from_text("2026-11-30T00:00:00Z")) == [
        f"{old.cert}: the certificate ended on 2020-02-01T00:00:00Z; nobody who looks at it connects any more",
        f"{soon.cert}: the certificate ends in 10 days, on 2026-12-10T00:00:00Z",
    ]


def test_rows_of_a_kind_share_its_text(tmp_path: Path) -> None:
    """Of a large registry each row had its own copy of three words."""
    (tmp_path / "devices.csv").write_text("device,kind,area,operator\na,well,north,water\nb,well,north,water\n")
    one, other = load_registry(tmp_path)[0].devices.values()
    assert one.kind is other.kind
    assert one.area is other.area
    assert one.operator is other.operator
