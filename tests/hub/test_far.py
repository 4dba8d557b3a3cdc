"""Commands on a hub of another machine: `--hub URL`, with a token or a certificate, over TLS, and without a city folder beside them."""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from hub.access.users import RoleGrant, User, load_users, save_user
from hub.app.hub import Hub
from hub.cli import main, parser
from hub.cli.parsing import Parser
from tests import certificates
from tests.acceptance.running import write_city
from tests.hub.running import running, shown

TOKENS = """
[tokens.chief]
token = "chief-word"
roles = ["ingest", "view", "operate", "administer"]
[tokens.eye]
token = "eye-word"
roles = ["view"]
[tokens.north]
token = "north-word"
roles = ["view", "operate"]
areas = ["nowhere"]
"""
ZONES = (
    '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"zone": "yard", "kind": "yard", "name": "Yard"}, "geometry": '
    '{"type": "Polygon", "coordinates": [[[121.4907, 31.2407], [121.4913, 31.2407], [121.4913, 31.2411], [121.4907, 31.2407]]]}}]}'
)
TLS = (
    '[api]\nlisten = "127.0.0.1:0"\ntokens_file = "tokens.toml"\ntls_cert_file = "server.pem"\ntls_key_file = "server.key"\n'
    'tls_client_ca_file = "authority.pem"\n[[sinks]]\nname = "video"\nprotocol = "webhook"\nurl = "http://127.0.0.1:9/"\n'
)


class Far(NamedTuple):
    """A hub behind TLS, and an empty folder in which commands are called."""

    hub: Hub
    elsewhere: Path
    ca: str
    person: certificates.Files

    async def run(
        self, capsys: pytest.CaptureFixture[str], line: str, token: str = "chief-word", code: int = 0
    ) -> tuple[str, str]:
        """What the command says on its two outputs. Words of the line are parted by spaces."""
        file = self.elsewhere / "token"
        file.write_text(f"{token}\n")
        file.chmod(0o600)
        words = [*line.split(), "--hub", self.hub.address, "--ca-file", self.ca, "--token-file", str(file)]
        capsys.readouterr()
        assert await asyncio.to_thread(_code, words) == code, capsys.readouterr()
        told = capsys.readouterr()
        return told.out, told.err


def _code(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as usage:
        return int(str(usage.code))


@pytest.fixture
async def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Far]:
    city, elsewhere = tmp_path / "city", tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_city(city, TLS)
    (city / "tokens.toml").write_text(TOKENS)
    (city / "zones.geojson").write_text(ZONES)
    ca = certificates.authority(city)
    certificates.signed(city, ca, "server", "DNS:localhost,IP:127.0.0.1")
    save_user(city / "users.toml", User("li.example", "Li", (RoleGrant("viewer"),)))
    person = certificates.signed(elsewhere, ca, "li", "DNS:li.example")
    monkeypatch.chdir(elsewhere)
    monkeypatch.delenv("CITYHUB_TOKEN", raising=False)
    async with running(city) as hub:
        async with httpx.AsyncClient(
            base_url=hub.address, verify=ssl.create_default_context(cafile=ca.cert), headers={"authorization": "Bearer chief-word"}
        ) as client:  # fmt: skip
            told = [{"device": name, "values": {"water_depth": 0.5}} for name in ("underpass-1", "stranger")]
            assert (await client.post("/api/v1/readings", json=told)).status_code == 200
            async with asyncio.timeout(60):
                while not (await client.get("/api/v1/alerts")).json()["open"]:
                    await asyncio.sleep(0.02)
            await shown(client)
        yield Far(hub, elsewhere, ca.cert, person)


LOOKING = {
    "devices": ("underpass-1", "devices CITY"),
    "devices --unknown": ("stranger", "devices CITY --unknown"),
    "alerts": ("underpass-flooding", "alerts CITY"),
    "alerts --load": ("", None),
    "quarantine list": ("stranger", "quarantine CITY list"),
    "delivery list": ("video", None),
    "maintenance list": ("", "maintenance CITY list"),
    "notes": ("", "notes CITY"),
    "health": ("store", None),
    "rules list": ("underpass-flooding", None),
    "users list": ("li.example", "users list CITY"),
    "audit show": ("", None),
    "cameras --at 121.491,31.241": ("dome", "cameras CITY --at 121.491,31.241"),
    "cameras --zone yard": ("bridge", "cameras CITY --zone yard"),
    "cameras --at 121.4908,31.2408 --course 90 --speed 30": ("dome", None),
    "report fleet": ("", "report fleet CITY"),
}
"""A command that only looks → a word of its answer, where the scene has one; and the same beside the folder, but for answers that are of this very moment,
or that a hub gives shorter than a folder."""


async def test_what_looks_says_the_same_from_elsewhere_as_beside_the_folder(
    far: Far, capsys: pytest.CaptureFixture[str]
) -> None:
    moving = {"observed_at", "received_at", "skew_s"}
    for line, (word, beside) in LOOKING.items():
        there, _ = await far.run(capsys, f"{line} --json")
        assert word in there
        assert word in (await far.run(capsys, line))[0]
        if beside is None:
            continue
        words = beside.replace("CITY", str(far.hub.city.config.folder)).split()
        assert await asyncio.to_thread(_code, [*words, "--json"]) == 0
        here = capsys.readouterr().out
        assert [_without(moving, item) for item in there.splitlines()] == [
            _without(moving, item) for item in here.splitlines()
        ], line


def _without(names: set[str], line: str) -> dict[str, Any]:
    return {name: value for name, value in json.loads(line).items() if name not in names}


async def test_times_are_those_of_the_city_there(far: Far, capsys: pytest.CaptureFixture[str]) -> None:
    assert "+08:00" in (await far.run(capsys, "alerts"))[0]
    assert "+08:00" not in (await far.run(capsys, "alerts --utc"))[0]


async def test_acts_are_done_by_the_hub_under_the_tokens_name(far: Far, capsys: pytest.CaptureFixture[str]) -> None:
    assert "planned: underpass-1@" in (await far.run(capsys, "maintenance plan underpass-1 --for 2h --note pump"))[0]
    [window] = (await far.run(capsys, "maintenance list --json"))[0].splitlines()
    assert json.loads(window)["who"] == "chief"
    assert "cancelled" in (await far.run(capsys, f"maintenance cancel {json.loads(window)['id']}"))[0]
    assert (await far.run(capsys, "reload"))[0] == "nothing has changed\n"
    assert "rollups made anew" in (await far.run(capsys, "store rebuild"))[0]
    assert "0 dropped" in (await far.run(capsys, "delivery drop"))[0]
    assert "1 readings offered again: 0 stored, 1 still refused" in (await far.run(capsys, "quarantine retry 0"))[0]
    assert "did not take the exercise" in (await far.run(capsys, "delivery test video", code=1))[0]
    assert "has no connection to this hub" in (await far.run(capsys, "command underpass-1 locate", code=1))[1]
    await far.run(capsys, "audit export -o acts.jsonl")
    acts = (far.elsewhere / "acts.jsonl").read_text().splitlines()
    assert {json.loads(act)["who"] for act in acts} == {"chief"}
    assert [json.loads(act)["number"] for act in acts] == list(range(1, len(acts) + 1))
    shown, said = await far.run(capsys, "audit show --limit 2 --json")
    assert [json.loads(act)["number"] for act in shown.splitlines()] == [len(acts) - 1, len(acts)]
    assert "2 shown, and there are more" in said


async def test_users_are_managed_from_elsewhere_one_grant_at_a_time(
    far: Far, capsys: pytest.CaptureFixture[str]
) -> None:
    (far.elsewhere / "first").write_text("a long enough password\n")
    (far.elsewhere / "first").chmod(0o600)
    await far.run(capsys, "users add wang --role operator --area north --name Wang --password-file first")
    await far.run(capsys, "users grant wang --role viewer")
    await far.run(capsys, "users grant wang --role viewer")
    users = far.hub.city.config.folder / "users.toml"
    assert load_users(users)[0]["wang"] == User("wang", "Wang", (RoleGrant("operator", areas=("north",)), RoleGrant("viewer")))  # fmt: skip
    assert far.hub.roll.has_password("wang")
    assert "viewer" in (await far.run(capsys, "users revoke wang --role operator"))[0]
    assert load_users(users)[0]["wang"].grants == (RoleGrant("viewer"),)
    assert "disabled" in (await far.run(capsys, "users disable wang"))[0]
    assert load_users(users)[0]["wang"].disabled
    assert "no rights yet" in (await far.run(capsys, "users revoke wang"))[0]
    assert "there is a user 'wang' already" in (await far.run(capsys, "users add wang --no-password", code=1))[1]
    assert "there is no user" in (await far.run(capsys, "users enable nobody", code=1))[1]


async def test_a_token_sees_and_does_what_it_was_granted(far: Far, capsys: pytest.CaptureFixture[str]) -> None:
    assert "lacks the right 'engineer'" in (await far.run(capsys, "reload", "eye-word", code=1))[1]
    assert "lacks the right 'administer'" in (await far.run(capsys, "audit show", "eye-word", code=1))[1]
    assert (await far.run(capsys, "devices", "north-word"))[0] == "no devices: none registered, none heard\n"
    assert "a known token is needed" in (await far.run(capsys, "devices", "guessed", code=1))[1]


async def test_a_certificate_is_an_identity_too(far: Far, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["alerts", "--hub", far.hub.address, "--ca-file", far.ca]
    assert await asyncio.to_thread(_code, words) == 1
    assert "CITYHUB_TOKEN" in capsys.readouterr().err
    shown = ["--cert-file", far.person.cert, "--key-file", far.person.key]
    assert await asyncio.to_thread(_code, [*words, *shown]) == 0
    assert "underpass-flooding" in capsys.readouterr().out
    assert await asyncio.to_thread(_code, ["users", "list", *words[1:], *shown]) == 1
    assert "lacks the right" in capsys.readouterr().err


async def test_the_token_also_comes_from_the_environment(
    far: Far, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYHUB_TOKEN", "eye-word")
    assert await asyncio.to_thread(_code, ["alerts", f"--hub={far.hub.address}", "--ca-file", far.ca]) == 0
    assert "underpass-flooding" in capsys.readouterr().out


async def test_a_hub_that_cannot_prove_who_it_is_hears_no_token(far: Far, capsys: pytest.CaptureFixture[str]) -> None:
    assert await asyncio.to_thread(_code, ["alerts", "--hub", far.hub.address]) == 1
    said = capsys.readouterr().err
    assert "--ca-file" in said
    assert "Traceback" not in said


WRONG = {
    "alerts --hub hub.example:8443": "an address was meant",
    "alerts --hub ftp://hub.example": "an address was meant",
    "alerts --hub https://": "an address was meant",
    "alerts --hub https://a:b@hub.example": "an address was meant",
    "alerts --hub https://hub.example:port": "an address was meant",
    "alerts --hub http://hub.example --token-file token": "anybody on the way could read the token",
    "alerts --hub https://127.0.0.1:1 --token-file nowhere": "cannot be read",
    "alerts --hub https://127.0.0.1:1 --ca-file nowhere": "no usable certificates",
    "alerts --hub https://127.0.0.1:1 --ca-file token": "no usable certificates",
    "alerts": "required: dir",
    "alerts city --hub https://127.0.0.1:1": "unrecognized arguments: city",
    "audit verify --hub https://127.0.0.1:1": "not by --hub",
    "cameras --hub https://127.0.0.1:1": "--at, --zone or --geojson was meant",
    "cameras --road token --hub https://127.0.0.1:1": "needs the city's own folder",
    "backup --hub https://127.0.0.1:1": "required",
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_use_is_named(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("word\n")
    assert _code(line.split()) == 2
    assert WRONG[line] in " ".join(capsys.readouterr().err.split())


def test_a_hub_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert _code(["health", "--hub", "http://127.0.0.1:1"]) == 1
    assert "no answer from http://127.0.0.1:1" in capsys.readouterr().err


HERE_ONLY = {
    "init": "writes a folder", "check": "reads a folder", "run": "is the hub", "replay": "is a hub", "demo": "is a hub", "simulate": "plays devices",
    "plugins": "of this installation", "new": "writes a folder", "install-service": "of this machine", "decode": "needs no hub",
    "backtest": "reads a folder", "import": "reads files of its machine", "export": "writes a file on its machine", "backup": "copies a folder",
    "restore": "writes a folder", "upgrade": "reads a folder", "camera-list": "reads lists", "basemap": "writes a folder", "modbus": "asks a device",
    "dashboards": "asks Grafana", "schema": "needs no hub", "completion": "needs no hub", "man": "needs no hub",
}  # fmt: skip
"""Commands that cannot do with a hub alone, and why. A new command stands here, or takes `--hub`."""


def test_every_other_command_takes_a_hub() -> None:
    [commands] = [one for one in parser()._actions if isinstance(one, argparse._SubParsersAction)]
    taking = {name for name, one in commands.choices.items() if isinstance(one, Parser) and one.place is not None}
    assert taking == (set(commands.choices) - set(HERE_ONLY) - {"rules"})
