"""A codec's own keys: one struct for each protocol, wherever they are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from docs.build_site import reference
from hub.app.codecs import codec_of, codec_options
from hub.app.plugins import Plugins
from hub.app.schemas import schema
from hub.app.signs import sign
from hub.backtest.recorded import open_recording
from hub.cli import main
from hub.config import load_config
from hub.keys import fields
from hub.ports import NoOptions
from hub.recording import RecordingError

PLUGINS = Plugins()
CODECS = sorted(name for name, plugin in PLUGINS.items() if plugin.codec)
SOURCES = sorted(name for name, plugin in PLUGINS.items() if plugin.adapter)
OTHERS: dict[str, dict[str, Any]] = {
    "gb26875": {"zone": "+09:00"},
    "gb32960": {"zone": "+09:00", "coordinates": "gcj02"},
    "gt06": {"zone": "login"},
    "hj212": {"zone": "UTC", "units": {"a01006": "hPa"}, "map": {"x1": "cod"}, "keys_file": "keys.toml"},
    "hub": {"hub": "city"},
    "jt808": {
        "zone": "UTC", "coordinates": "flagged", "subpackage_ack": "singly", "items": {"0x82": {"metric": "fuel_level"}},
        "auth_secret_env": "CITYHUB_TEST_SECRET", "auth_secret_file": "secret",
    },
    "json": {"map": "map.toml"},
    "modbus-rtu": {"map": "map.toml"},
    "modbus-tcp": {"map": "map.toml"},
    "nmea0183": {"device": "boat-1", "kind": "vessel"},
    "osmand": {"zone": "+09:00"},
    "sl651": {"zone": "UTC", "mode": "M1", "stay_online": True, "level_base": {"0011223344": 10.0}},
    "sparkplug": {"map": "map.toml"},
}  # fmt: skip
"""Of each codec that has keys, another value for every one."""


def toml(value: Any) -> str:
    """As hub.toml has it, in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {toml(inner)}' for key, inner in value.items()) + "}"
    return json.dumps(value)


def test_every_codec_is_made_from_its_struct() -> None:
    """By its defaults: nothing is needed. No key stands in both structs of a block, so each has one owner."""
    for name in CODECS:
        plugin = PLUGINS[name]
        assert plugin.codec is not None
        assert plugin.codec(plugin.codec_options()).feed(b"") == [], name
        assert not set(fields(plugin.codec_options)) & set(fields(plugin.options) if plugin.options else ()), name
    assert {name for name in CODECS if PLUGINS[name].codec_options is not NoOptions} == set(OTHERS)
    assert {name: set(fields(PLUGINS[name].codec_options)) for name in OTHERS} == {
        name: set(keys) for name, keys in OTHERS.items()
    }


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_every_option_of_a_command_line_has_its_type(name: str) -> None:
    """Numbers, flags and tables too, which came as texts or could not be given at all."""
    texts = {key: value if isinstance(value, str) else toml(value) for key, value in OTHERS[name].items()}
    made = codec_options(PLUGINS[name], texts)
    assert msgspec.structs.asdict(made) == OTHERS[name]
    assert all(getattr(made, key) != getattr(type(made)(), key) for key in OTHERS[name])


@pytest.mark.parametrize("name", CODECS)
def test_an_option_that_the_codec_does_not_have_is_refused_with_those_it_has(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{name} has no option 'zoen'; it has ") as raised:
        codec_of(PLUGINS[name], {"zoen": "UTC"})
    known = list(fields(PLUGINS[name].codec_options))
    assert str(raised.value).endswith(f"it has {', '.join(known) or 'none'}")
    for key in {"listen", "idle_timeout_s", "map"} - set(
        known
    ):  # of the adapter, which decodes nothing; of other codecs
        with pytest.raises(ValueError, match=f"has no option '{key}'"):
            codec_of(PLUGINS[name], {key: "1"})


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("sl651", "stay_online=perhaps", "stay_online = 'perhaps': expected `bool`, got `str`"),
        ("sl651", "level_base=10", "level_base = 10: expected `object`, got `int`"),
        ("sl651", 'level_base={a="high"}', "level_base = {'a': 'high'}: expected `float`, got `str`"),
        ("sl651", "mode=M9", "M1 (no confirmation) or M2"),
        ("hj212", "map=codes.toml", "map = 'codes.toml': expected `object`, got `str`"),
        ("hj212", 'units={xyz="hPa"}', "no metric is known for the factor 'xyz'"),
        ("hj212", "keys_file=/nonexistent", "/nonexistent"),
        ("jt808", "coordinates=bd09", "coordinates = 'bd09': one of wgs84, gcj02, flagged"),
        ("jt808", 'items={"0x82"={metric="nonsense"}}', "nonsense"),
        ("gb32960", "coordinates=flagged", "wgs84 or gcj02"),
        ("gt06", "zone=Mars/Olympus", "unknown time zone 'Mars/Olympus'"),
        ("nmea0183", "kind=boat", '"vehicle" or "vessel"'),
        ("hub", "hub=a b", "cannot stand before the names"),
        ("json", "map=/nonexistent", "/nonexistent"),
        ("ais", "zone=UTC", "ais has no option 'zone'; it has none"),
        ("sl651", "mode", "KEY=VALUE was meant"),
    ],
)
def test_decode_refuses_what_makes_no_sense(
    name: str, given: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "frames").write_text("")
    assert main(["decode", name, "--option", given, str(tmp_path / "frames")]) == 2
    assert said in capsys.readouterr().err


def test_decode_takes_a_map_only_where_the_codec_has_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "frames").write_text("")
    assert main(["decode", "ais", "--map", "x.toml", str(tmp_path / "frames")]) == 2
    assert "ais has no option 'map'; it has none" in capsys.readouterr().err
    with pytest.raises(RecordingError, match="gt06 has no option 'map'; it has zone"):
        open_recording([tmp_path / "frames"], "gt06", Path("x.toml"))
    with pytest.raises(RecordingError, match="nonexistent"):
        open_recording([tmp_path / "frames"], "json", Path("/nonexistent"))


# ------------------------------------------------------------------------------------------------- hub.toml


@pytest.mark.parametrize("name", sorted(set(OTHERS) & set(SOURCES)))
def test_every_key_of_a_block_reaches_the_codec(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYHUB_TEST_SECRET", "s3cret")
    (tmp_path / "keys.toml").write_text('"S1" = "00112233445566778899aabbccddeeff"\n')
    (tmp_path / "peers.toml").write_text('[peers.district]\ntoken = "a-long-token-of-a-peer-0123456789"\n')
    own = {key: value for key, value in OTHERS[name].items() if key != "auth_secret_file"}  # one or the other
    more = {"idle_timeout_s": 77.0} | ({"peers_file": "peers.toml"} if name == "hub" else {})
    lines = [f"{key} = {toml(value)}" for key, value in (own | more).items()]
    block = f'[[adapters]]\nprotocol = "{name}"\nlisten = "tcp://127.0.0.1:0"\n'
    (tmp_path / "hub.toml").write_text('[hub]\nname = "x"\n' + block + "\n".join(lines) + "\n")
    config, mistakes = load_config(tmp_path, PLUGINS)
    assert config is not None, mistakes
    (adapter,) = config.adapters
    assert isinstance(adapter.codec_options, PLUGINS[name].codec_options)
    expected = own | ({"keys_file": str(tmp_path / "keys.toml")} if "keys_file" in own else {})
    assert {key: getattr(adapter.codec_options, key) for key in own} == expected
    assert adapter.options.idle_timeout_s == 77.0


def test_a_mistake_in_either_struct_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text(
        '[hub]\nname = "x"\n[[adapters]]\nprotocol = "sl651"\nlisten = "tcp://127.0.0.1:0"\nidle_timeout_s = "long"\n'
        'stay_online = "true"\nzoen = "UTC"\nauth_secret = "x"\n'
    )
    config, mistakes = load_config(tmp_path, PLUGINS)
    assert config is None
    assert [(mistake.line, mistake.message) for mistake in mistakes[:3]] == [
        (6, "idle_timeout_s = 'long': expected `float`, got `str`"),
        (7, "stay_online = 'true': expected `bool`, got `str`"),
        (8, "unknown key 'zoen'; was 'zone' meant?"),
    ]
    assert len(mistakes) == 4


def test_another_content_of_a_file_that_the_codec_reads_is_another_block(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text(
        '[hub]\nname = "x"\n[[adapters]]\nprotocol = "hj212"\nlisten = "tcp://127.0.0.1:0"\nkeys_file = "keys.toml"\n'
    )
    signs = []
    for key in ("00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff", "ff" * 16):
        (tmp_path / "keys.toml").write_text(f'"S1" = "{key}"\n')
        config, mistakes = load_config(tmp_path, PLUGINS)
        assert config is not None, mistakes
        signs.append(sign(config.adapters[0]))
    assert signs[0] == signs[1] != signs[2]


# ------------------------------------------------------------------------------------------------- described


def test_the_schema_has_every_key_of_a_block() -> None:
    blocks = schema("hub.toml")["properties"]["adapters"]["items"]["oneOf"]
    keys = {block["title"]: set(block["properties"]) for block in blocks}
    assert sorted(keys) == SOURCES
    for name in SOURCES:
        plugin = PLUGINS[name]
        own = [*fields(plugin.codec_options), *(fields(plugin.options) if plugin.options else ())]
        assert keys[name] == {"name", "protocol", "unknown_devices", "clock", *own}
        assert len(own) == len(set(own)), name


def test_the_reference_lists_every_key_once() -> None:
    parts = dict(reference())["configuration"].split("\n## ")
    for name in sorted({*CODECS, *SOURCES}):
        plugin = PLUGINS[name]
        heads = (f'[[adapters]] protocol = "{name}"\n', f"Options of `cityhub decode {name}`\n")
        listed = [line.split("`")[1] for part in parts if part.startswith(heads) for line in part.splitlines() if line.startswith("| `")]  # fmt: skip
        own = [*fields(plugin.codec_options), *(fields(plugin.options) if plugin.options else ())]
        assert sorted(listed) == sorted(own), name
