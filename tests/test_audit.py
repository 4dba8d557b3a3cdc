"""`make audit`: a source that is silent, away or wrong never passes for a clean one."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import audit
from tests.adapters.http_peer import Heard, http_peer
from tests.audit import CANARIES, NotAudited, Pinned, pinned

OLD = {(one.name, one.version) for one in CANARIES}


def osv(more: dict[str, list[str]], blind: bool = False) -> Callable[[Heard], tuple[int, bytes]]:
    """OSV's answer: the canaries, unless blind, and what is known of `more` by name."""

    def answer(heard: Heard) -> tuple[int, bytes]:
        assert (heard.method, heard.path) == ("POST", "/v1/querybatch")
        results: list[dict[str, Any]] = []
        for query in json.loads(heard.body)["queries"]:
            name = query["package"]["name"]
            ids = more.get(name, ["CVE-0"] if (name, query["version"]) in OLD and not blind else [])
            results.append({"vulns": [{"id": id, "modified": "2026-01-01T00:00:00Z"} for id in ids]} if ids else {})
        return 200, json.dumps({"results": results}).encode()

    return answer


async def run(answer: Callable[[Heard], tuple[int, bytes]], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    async with http_peer(answer) as peer:
        code = await asyncio.to_thread(audit.main, ["--source", peer.url])
    told = capsys.readouterr()
    return code, told.out + told.err


def test_everything_that_is_pinned_is_asked_about() -> None:
    packages = pinned()
    lines = (audit.ROOT / "requirements.lock").read_text().splitlines()
    assert sum(one.ecosystem == audit.PYPI for one in packages) == sum("==" in line for line in lines if line[:1].strip())  # fmt: skip
    names = {one.name for one in packages}
    assert {"httpx", "msgspec", "uvicorn", "uplot"} <= names
    assert not OLD & {(one.name, one.version) for one in packages}


async def test_what_is_known_is_named_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = await run(osv({"httpx": ["GHSA-h8pj-cxx2-jfg2"]}), capsys)
    assert code == 1
    assert "https://osv.dev/GHSA-h8pj-cxx2-jfg2" in said
    assert "1 with known vulnerabilities" in said
    code, said = await run(osv({}), capsys)
    assert code == 0
    assert f"{len(pinned())} packages audited, 0 with" in said


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (osv({}, blind=True), "knows nothing of jinja2 2.4.1"),
        (lambda heard: (200, b'{"results": []}'), "answered about 0"),
        (lambda heard: (200, b"<html>log in</html>"), "something else than OSV does"),
        (lambda heard: (200, b'{"results": [null]}'), "something else than OSV does"),
        (lambda heard: (404, b"{}"), "was not reached"),
        (lambda heard: (503, b"{}"), "was not reached"),
        (lambda heard: (302, b""), "was not reached"),
    ],
)
async def test_a_source_that_cannot_be_believed_audits_nothing(
    answer: Callable[[Heard], tuple[int, bytes]], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = await run(answer, capsys)
    assert code == 2
    assert said.startswith("NOTHING WAS AUDITED")
    assert sentence in said
    assert "0 with known" not in said


def test_a_source_that_is_away_audits_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(["--source", "http://127.0.0.1:9"]) == 2
    assert "NOTHING WAS AUDITED: http://127.0.0.1:9 was not reached" in capsys.readouterr().err


def database(path: Path, *advisories: dict[str, Any]) -> Path:
    canary = {
        "id": "PYSEC-1",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "Jinja2"}, "versions": ["2.4.1"]}],
    }
    with zipfile.ZipFile(path, "w") as packed:
        for at, advisory in enumerate((canary, *advisories)):
            packed.writestr(f"{at}.json", json.dumps(advisory))
    return path


@pytest.mark.parametrize(
    ("version", "events", "known"),
    [
        ("1.4.9", [{"introduced": "0"}, {"fixed": "1.5"}], True),
        ("1.5", [{"introduced": "0"}, {"fixed": "1.5"}], False),
        ("1.5", [{"introduced": "0"}, {"last_affected": "1.5"}], True),
        ("1.5.1", [{"introduced": "0"}, {"last_affected": "1.5"}], False),
        ("0.9", [{"introduced": "1.0"}, {"fixed": "1.5"}], False),
        ("2.1", [{"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.2"}], True),
        ("1.9", [{"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.2"}], False),
        ("1.10", [{"introduced": "1.9"}], True),
    ],
)
def test_ranges_of_a_database_are_compared_as_versions(
    tmp_path: Path, version: str, events: list[dict[str, str]], known: bool
) -> None:
    advisory = {"id": "GHSA-x", "affected": [{"package": {"ecosystem": "PyPI", "name": "Some_Thing"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]}  # fmt: skip
    one = Pinned(audit.PYPI, "some-thing", version)
    assert bool(audit.audit([one], databases=[database(tmp_path / "all.zip", advisory)])[one]) is known
    withdrawn = database(tmp_path / "old.zip", {**advisory, "withdrawn": "2026-01-01T00:00:00Z"})
    assert not audit.audit([one], databases=[withdrawn])[one]


def test_a_database_that_is_none_audits_nothing(tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    for name in ("all.zip", "empty.zip", "missing.zip"):
        with pytest.raises(NotAudited):
            audit.audit([Pinned(audit.PYPI, "httpx", "1")], databases=[tmp_path / name])
