"""Every route, with whatever a client may send: no answer is a defect (500), and every refusal has one shape.

Routes and the fields that they take are enumerated, so a new one is tried by being there.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
import pytest

from hub.api.endpoint import CONTROLLED_BODY_MAX, Endpoint, names_of
from hub.api.gate import Authority
from hub.api.questions import Nothing
from hub.api.routes import endpoints
from hub.app.city import load_city
from hub.app.files import SOCKET
from hub.app.hub import Hub
from hub.app.plugins import Plugins
from tests.acceptance.running import write_city

VALUES: list[Any] = [
    None, True, 0, -1, 7, 2**31, 2**53, 2**63, 2**64, -(2**70), 1.5, -0.0, 1e308, "", "x", "7", "NaN", "é水\u0000\u202e", "x" * 5_000,
    [], [1], [None], ["x"], [2**70], {}, {"x": 1}, [[[[]]]], "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2262-04-12T00:00:00Z",
    "2026-11-29T04:00:00", "2026-13-45", "1e400", "-inf", "csv", "/", "../../etc/passwd",
]  # fmt: skip
BODIES: list[bytes] = [
    b"", b"null", b"[]", b"7", b'"x"', b"{", b"}", b"true", b"\xff\xfe\x00", b"\xef\xbb\xbf{}", '{"who":"x"}'.encode("utf-16"), b"NaN",
    b'{"offset":1e999}', b'{"who":"\\ud800"}', b'{"note":"\\u0000"}', b"[" * 100_000, b'{"a":' * 5_000, b'{"from":' + b"9" * 5_000 + b"}",
    b'{"offset":' + b"9" * 400 + b"}", b'{"numbers":[' + b"1," * 1_000 + b"]}", b"\x00", b"who=x&note=y", b'{"who":"x","who":[]}',
]  # fmt: skip
PATHS = ["x", "acknowledge", "retry", "drop", "%00", "%ff%fe", "..%2f..", "a b", "水", "x" * 3_000, "'", "%d800", "1"]


@pytest.fixture
async def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    write_city(tmp_path / "city")
    toml = tmp_path / "city" / "hub.toml"
    toml.write_text(toml.read_text() + '\n[api]\nlisten = "127.0.0.1:0"\n')
    city, mistakes = load_city(tmp_path / "city", Plugins())
    assert city is not None, mistakes
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    running = Hub(city)
    await running.start()
    yield running
    await running.stop()


def paths(item: Endpoint, known: dict[str, str]) -> Iterator[str]:
    """The route's path with one odd thing after another, and with what is there."""
    before, brace, rest = item.path.partition("{")
    if not brace:
        yield item.path
        return
    for odd in PATHS:
        yield from (f"{before}{odd}{tail}" for tail in paths_of(rest.partition("}")[2], known))
    for name, value in known.items():
        if name in rest.partition("}")[0]:
            yield from (f"{before}{quote(value)}{tail}" for tail in paths_of(rest.partition("}")[2], known))


def paths_of(rest: str, known: dict[str, str]) -> list[str]:
    if "{" not in rest:
        return [rest]
    before, _, after = rest.partition("{")
    return [f"{before}{word}{after.partition('}')[2]}" for word in ("acknowledge", "shelve", "x", "%00")]


def requests(
    item: Endpoint, known: dict[str, str], chance: random.Random, quarters: Sequence[int]
) -> Iterator[tuple[str, str, bytes | None]]:
    """(method, address, body) of everything tried on one route. Odd values and bodies are dealt out in quarters, another for every field."""

    def dealt(all_: Sequence[Any], number: int = 0) -> Iterator[Any]:
        return (one for at, one in enumerate(all_) if (at + number) % 4 in quarters)

    every = list(paths(item, known))
    likely = every[-1]
    fields = [] if item.takes is Nothing else [field.encode_name for field in msgspec.structs.fields(item.takes)]
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
        yield method, likely, None
    if item.method == "GET":
        for path in every:
            yield "GET", path, None
        for number, field in enumerate(fields):
            for value in dealt(VALUES, number):
                yield (
                    "GET",
                    f"{likely}?{urlencode({field: value if isinstance(value, str) else json.dumps(value)})}",
                    None,
                )
            yield "GET", f"{likely}?{field}=%ff%fe&{field}=%00", None
        return
    for body in (*dealt(BODIES), b" " * (CONTROLLED_BODY_MAX + 10)):
        yield "POST", likely, body
    for path in every:
        yield "POST", path, b"{}"
    for number, field in enumerate(fields or ["device", "time", "values", "lon"]):
        for value in dealt(VALUES, number):
            yield "POST", likely, json.dumps({field: value}).encode()
    for _ in range(8 * len(quarters)):
        some = {field: chance.choice(VALUES) for field in fields or ["device", "values"]}
        yield "POST", chance.choice([likely, *every]), json.dumps(some).encode()


def judged(method: str, where: str, body: bytes | None, answer: httpx.Response) -> None:
    told = f"{method} {where[:200]} {(body or b'')[:200]!r} → {answer.status_code} {answer.text[:300]}"
    assert answer.status_code != 500, told
    assert answer.status_code < 500 or answer.headers.get("retry-after"), told
    if answer.status_code >= 400 and method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json", told
        problem = answer.json()
        assert problem["status"] == answer.status_code, told
        assert problem["detail"] == problem["error"], told
        assert {"type", "title"} <= problem.keys(), told
    assert answer.headers["x-content-type-options"] == "nosniff", told
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], told


@pytest.mark.parametrize(
    ("trusted", "quarters"),
    [
        pytest.param(False, (0,), id="address", marks=pytest.mark.long),
        pytest.param(True, (1,), id="socket", marks=pytest.mark.long),
        pytest.param(False, (1, 2, 3), id="address, the rest", marks=pytest.mark.slow),
        pytest.param(True, (0, 2, 3), id="socket, the rest", marks=pytest.mark.slow),
    ],
)
async def test_no_request_is_answered_by_a_defect(hub: Hub, trusted: bool, quarters: tuple[int, ...]) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(hub.data / SOCKET)) if trusted else None
    base = "http://hub" if trusted else hub.address
    chance = random.Random(11)
    tried = 0
    async with httpx.AsyncClient(transport=transport, base_url=base, timeout=60) as client:
        await client.post("/api/v1/readings", json={"device": "underpass-1", "values": {"water_depth": 0.5}})
        await client.post("/api/v1/readings", json={"device": "nobody", "values": {"water_depth": 0.5}})
        known = {"alert": "", "device": "gauge-7", "what": "zones", "id": "gauge-7@2100-01-01T00:00:00Z"}
        async with asyncio.timeout(60):
            while not (found := (await client.get("/api/v1/alerts")).json()["open"]):
                await asyncio.sleep(0.02)
        known["alert"] = found[0]["alert"]
        for item in endpoints(hub.state, Authority(hub.state, trusted), trusted):
            for method, where, body in requests(item, known, chance, quarters):
                headers = {"content-type": "application/json"} if body is not None else {}
                if item.path.endswith("/stream") and method == "GET":
                    async with client.stream(method, where) as answer:
                        assert answer.status_code in (200, 400, 503), "it takes a language"
                    continue
                answer = await client.request(method, where, content=body, headers=headers)
                judged(method, where, body, answer)
                tried += 1
    assert tried > 1_000
    assert all(part.works for part in hub.health.parts() if part.required), [
        (part.name, part.reason) for part in hub.health.ill()
    ]


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/api/v1/quarantine/retry", b"[]", "an object was meant, not a list"),
        ("/api/v1/delivery/retry", b"7", "an object was meant, not a whole number"),
        ("/api/v1/store/rebuild", b'{"from": "x"}', "from: 'x' is not an ISO 8601 time"),
        ("/api/v1/maintenance", b'{"target": "gauge-7", "until": "9999-01-01T00:00:00Z"}', "until: 9999-01-01"),
        ("/api/v1/maintenance", b'{"target": ["gauge-7"]}', "target: a text was meant, not a list"),
        ("/api/v1/devices/gauge-7/command", b'{"command": "locate", "wait_s": "soon"}', "wait_s: a number was meant"),
        ("/api/v1/devices/gauge-7/command", b"", "command is missing"),
        ("/api/v1/quarantine/retry", b'{"offset": -1}', "offset: a whole number was meant of at least 0"),
        ("/api/v1/devices/gauge-7/command", b'{"command": "locate", "who": "\\u001b[2J"}', "who: a text on one line"),
    ],
)
async def test_wrong_bodies_hear_what_was_meant(hub: Hub, path: str, body: bytes, sentence: str) -> None:
    async with httpx.AsyncClient(base_url=hub.address, timeout=60) as client:
        answer = await client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


async def test_acknowledging_until_the_year_9999_is_refused_with_a_sentence(hub: Hub) -> None:
    async with httpx.AsyncClient(base_url=hub.address, timeout=60) as client:
        await client.post("/api/v1/readings", json={"device": "underpass-1", "values": {"water_depth": 0.5}})
        while not (found := (await client.get("/api/v1/alerts")).json()["open"]):
            pass
        path = f"/api/v1/alerts/{quote(found[0]['alert'])}/acknowledge"
        answer = await client.post(path, json={"until": "9999-12-31T23:59:59Z"})
        assert (answer.status_code, "lies outside the years 1677 to 2262" in answer.json()["error"]) == (400, True)


LENIENT = {"/", "/oidc/back"}
"""A page to which links lead, and what RFC 6749 wants to be ignored."""


async def test_a_name_that_a_route_does_not_have_is_refused_with_those_it_has(hub: Hub) -> None:
    """Over all routes, and each misspelt name of each: never answered as if nobody had asked for it."""
    places = {"device": "gauge-7", "alert": "x", "action": "retry", "id": "x", "what": "zones", "user": "x", "camera": "dome"}  # fmt: skip
    async with httpx.AsyncClient(base_url=hub.address, timeout=60) as client:
        for item in endpoints(hub.state, Authority(hub.state, False)):
            path = re.sub(r"\{(\w+)(:path)?\}", lambda found: places.get(found[1], "Things"), item.path)
            known = names_of(item.takes) if item.method == "GET" and item.takes is not Nothing else []
            for odd in ["nonsense", "", *(name.upper() for name in known), *(f"{name}s" for name in known)]:
                answer = await client.request(item.method, f"{path}?{urlencode({odd: '1'})}", json={} if item.method == "POST" else None)  # fmt: skip
                if item.path in LENIENT:
                    assert answer.json()["status"] != 400 if answer.status_code >= 400 else True, item.path
                    continue
                assert answer.status_code == 400, (item.method, item.path, odd, answer.status_code, answer.text[:200])
                assert answer.headers["content-type"] == "application/problem+json"
                if "sensorthings" not in item.path or item.method == "POST":
                    assert answer.json()["known"] == known, item.path
                assert all(name in answer.json()["detail"] for name in known), item.path


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("GET /api/v1/series?start=2026-01-01T00:00:00Z", "was 'from' meant? known here: device, metric, from, to, limit, every"),
        ("GET /api/v1/series?device=gauge-7&metrics=water_level", "was 'metric' meant?"),
        ("GET /api/v1/quarantine?skip=5", "known here: lang, limit, before"),
        ("GET /api/v1/unknown?lang=zh", "the query has the unknown name 'lang'"),
        ("GET /api/v1/status?x", "known here: lang"),
        ("GET /sensorthings/v1.1/Things?top=5", "'top' is no option; $filter"),
        ("GET /sensorthings/v1.1/Things?$expand=Datastreams(top=5)", "'top' is no option"),
        ('POST /api/v1/delivery/drop {"number": [1]}', "was 'numbers' meant?"),
        ('POST /api/v1/maintenance {"target": "gauge-7", "unitl": "2100-01-01T00:00:00Z"}', "was 'until' meant?"),
        ('POST /api/v1/store/rebuild {"start": "2026-01-01T00:00:00Z"}', "was 'from' meant? known here: from, to"),
        ('POST /api/v1/store/rebuild?from=2026-01-01T00:00:00Z {}', "it takes none"),
    ],
)  # fmt: skip
async def test_a_misspelt_name_hears_which_was_meant(hub: Hub, asked: str, sentence: str) -> None:
    method, path, *body = asked.split(" ", 2)
    headers = {"content-type": "application/json"} if body else {}
    async with httpx.AsyncClient(base_url=hub.address, timeout=60) as client:
        answer = await client.request(method, path, content=body[0] if body else None, headers=headers)
    assert answer.status_code == 400, answer.text
    assert sentence in answer.json()["detail"]
