"""Files of secrets, read in one place: what editors write around them, what is no secret, and who may read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.email.sink import EmailOptions
from adapters.grafana.sink import GrafanaOptions
from adapters.hj212.encryption import read_keys
from adapters.hub.peers import load_peers
from adapters.jt808 import Jt808CodecOptions, codec
from adapters.mqtt.options import MqttOptions
from hub.api.auth import load_tokens
from hub.app.city import load_secrets
from hub.app.plugins import Plugins
from hub.app.strange import exposed_secrets
from hub.config import load_config
from hub.secret_files import exposed, private_table, secret, secret_of_file


@pytest.mark.parametrize(
    "data", [b"Zq7x", b"Zq7x\n", b"\xef\xbb\xbfZq7x\r\n", b"  Zq7x  \n\n", "Zq7x\u00a0\n".encode()]
)
def test_what_editors_write_around_a_secret_is_no_part_of_it(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "token").write_bytes(data)
    assert secret("token", None, str(tmp_path / "token")) == "Zq7x"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \r\n", "is empty"),
        (b"one\ntwo\n", "several lines"),
        ("one\u2028two".encode(), "several lines"),
        (b"one\x00two", "control characters"),
        (b"one\ttwo", "control characters"),
        ("Zq7x".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (b"Zq\xe97", "is not UTF-8 text"),
        (b"x" * (1 << 20 | 1), "longer than 1 MiB"),
        (None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_secret_is_said_without_repeating_it(tmp_path: Path, data: bytes | None, why: str) -> None:
    """And nothing goes on without it: an empty file is no password of no characters."""
    file = tmp_path / "token"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(ValueError, match=why) as raised:
        secret("token", None, str(file))
    assert str(raised.value).startswith(f"{file} (token_file) ")
    assert "Zq" not in str(raised.value)
    assert "two" not in str(raised.value)


def test_a_name_that_is_no_file_is_said(tmp_path: Path) -> None:
    for name in (str(tmp_path), "a\0b", str(tmp_path / ("x" * 300))):
        with pytest.raises(ValueError, match=r"cannot be read|no name of a file"):
            secret_of_file(name)


def test_the_environment_goes_first_and_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITY_TOKEN", "from the environment")
    assert secret("token", "CITY_TOKEN", "/nowhere") == "from the environment"
    monkeypatch.setenv("CITY_TOKEN", "")
    with pytest.raises(ValueError, match=r"CITY_TOKEN \(token_env\) is not set"):
        secret("token", "CITY_TOKEN", None)
    assert secret("token", None, None) == ""


def test_a_mistake_in_a_table_of_secrets_repeats_none(tmp_path: Path) -> None:
    file = tmp_path / "secrets.toml"
    for text in ('"a" = "Zq7x"\n"a" = "Zq7x"\n', "a = Zq7x\n", 'Zq7x\n"a" = 1\n', '"Zq7x'):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"is not valid TOML.*; lines was meant") as raised:
            private_table(file, "lines")
        assert "Zq7x" not in str(raised.value)


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf \n", b"\xff\xfes\0", b"\x80\x81", None])
def test_every_door_and_destination_says_so(tmp_path: Path, data: bytes | None) -> None:
    """By its own options, as `cityhub check` makes it."""
    file = tmp_path / "place"
    if data is not None:
        file.write_bytes(data)
    name = str(file)
    plugins = Plugins()
    mail = EmailOptions(host="127.0.0.1", sender="a@example.org", recipients=["b@example.org"], username="a", password_file=name)  # fmt: skip
    for build in (
        lambda: codec(Jt808CodecOptions(auth_secret_file=name)),
        lambda: MqttOptions(connect="mqtt://127.0.0.1:1", topics=["x"], username="a", password_file=name).password(),
        lambda: plugins["grafana"].sink("g", GrafanaOptions(url="http://127.0.0.1:1", token_file=name)),  # type: ignore[misc]
        lambda: plugins["email"].sink("m", mail),  # type: ignore[misc]
    ):
        with pytest.raises(ValueError, match=f"^{file} "):
            build()  # type: ignore[no-untyped-call]
    if data and not data.startswith(b"\xef"):
        for read in (lambda: read_keys(file), lambda: load_peers(name, "here")):
            with pytest.raises(ValueError, match=f"^{file} .*UTF-"):
                read()  # type: ignore[no-untyped-call]
    for wrong in (load_tokens(file)[1], load_secrets(file)[1] if data is None or data.startswith((b"\xff", b"\x80")) else load_tokens(file)[1]):  # fmt: skip
        assert [mistake.file for mistake in wrong] == [name]


@pytest.mark.parametrize(("mode", "said"), [(0o600, ""), (0o640, ""), (0o644, "may read it (mode 644)"), (0o602, "may change it (mode 602)")])  # fmt: skip
def test_a_file_that_anybody_may_read_is_named(tmp_path: Path, mode: int, said: str) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text("")
    file.chmod(mode)
    assert said in exposed(file)
    assert bool(exposed(file)) is bool(said)
    (tmp_path / "hub.toml").write_text(
        '[hub]\nname = "x"\n[api]\ntokens_file = "tokens.toml"\n[[adapters]]\nname = "w"\nprotocol = "hj212"\nlisten = "tcp://127.0.0.1:1"\nkeys_file = "tokens.toml"\n'
    )
    config, mistakes = load_config(tmp_path, Plugins())
    assert config is not None, mistakes
    assert exposed_secrets(config) == [exposed(file)] * bool(said)  # once, however often it is named


def test_a_file_that_is_not_there_is_exposed_to_nobody(tmp_path: Path) -> None:
    assert exposed(tmp_path / "none") == exposed(tmp_path) == exposed("a\0b") == ""
