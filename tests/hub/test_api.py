"""The API: who may do what, what a wrong request hears, and that the hub goes on."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.api.auth import Token, load_tokens, who
from hub.moment import SECOND, to_text
from tests.acceptance.ports import free_port
from tests.acceptance.running import RunningHub, write_city

pytestmark = pytest.mark.xdist_group("api")

TOKENS = """
[tokens.weather-feed]
token = "feed-me"
roles = ["ingest"]
[tokens.logger]
token = "logger-only"
roles = ["ingest"]
devices = ["gauge-8", "gauge-7*"]
[tokens.desk]
sha256 = "{digest}"
roles = ["view", "operate"]
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    folder = tmp_path_factory.mktemp("city")
    api = free_port()
    (folder / "secrets").mkdir()
    (folder / "secrets" / "tokens.toml").write_text(TOKENS.format(digest=hashlib.sha256(b"look").hexdigest()))
    write_city(folder, api=api)
    toml = (folder / "hub.toml").read_text()
    (folder / "hub.toml").write_text(
        toml.replace("[api]\n", '[api]\ntokens_file = "secrets/tokens.toml"\nbody_bytes_max = 100000\n')
    )
    running = RunningHub(folder, api)
    yield running
    assert running.stop() == 0


def call(
    hub: RunningHub, method: str, path: str, token: str = "", body: bytes = b"", **headers: str
) -> tuple[int, Any, dict[str, str]]:
    link = http.client.HTTPConnection("127.0.0.1", hub.api, timeout=20)
    if token:
        headers["Authorization"] = f"Bearer {token}"
    link.request(method, path, body or None, headers)
    answer = link.getresponse()
    text = answer.read()
    link.close()
    shown = json.loads(text) if "json" in (answer.headers["content-type"] or "") else text.decode()
    return answer.status, shown, dict(answer.headers)


READING = b'{"device":"gauge-7","values":{"water_level":1.0}}'


def test_without_a_token_nobody_gets_in(hub: RunningHub) -> None:
    for method, path in (
        ("GET", "/api/v1/status"),
        ("GET", "/metrics"),
        ("POST", "/api/v1/readings"),
        ("GET", "/api/v1/stream"),
    ):
        status, answer, headers = call(hub, method, path, body=READING if method == "POST" else b"")
        assert status == 401
        assert "token" in answer["error"]
        assert headers["www-authenticate"] == "Bearer"
    assert call(hub, "GET", "/api/v1/status", "wrong")[0] == 401
    assert call(hub, "GET", "/api/v1/health")[0] == 200


def test_each_role_opens_its_own_doors(hub: RunningHub) -> None:
    assert call(hub, "POST", "/api/v1/readings", "feed-me", READING)[0] == 200
    assert call(hub, "GET", "/api/v1/status", "feed-me")[0] == 403
    assert call(hub, "GET", "/api/v1/status", "look")[0] == 200
    assert call(hub, "POST", "/api/v1/readings", "look", READING)[0] == 403


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "JSON"),
        (b"[]", ""),
        (b'{"device":"gauge-7"}', "values"),
        (b'{"device":"gauge-7","values":{"water_level":NaN}}', ""),
        (b'{"device":"gauge-7","values":{"water_level":"three"}}', "water_level"),
        (b'{"device":"gauge-7","time":"1970-01-01T00:00:00Z","values":{"water_level":1}}', "ago"),
        (b'{"device":"gauge-7","time":"2090-01-01T00:00:00Z","values":{"water_level":1}}', "in the future"),
        (b'{"device":"nobody","values":{"water_level":1}}', "not in the registry"),
        (b"\xff\xfe\x00", ""),
    ],
)
def test_what_cannot_be_used_hears_why(hub: RunningHub, body: bytes, sentence: str) -> None:
    status, answer, _ = call(hub, "POST", "/api/v1/readings", "feed-me", body)
    assert status == (200 if body == b"[]" else 400)
    assert sentence in json.dumps(answer)
    assert call(hub, "POST", "/api/v1/readings", "feed-me", READING)[0] == 200


def test_senml_is_told_by_content_type(hub: RunningHub) -> None:
    pack = b'[{"bn":"gauge-7/","n":"water_level","u":"m","v":2.5}]'
    status, answer, _ = call(
        hub, "POST", "/api/v1/readings", "feed-me", pack, **{"Content-Type": "application/senml+json"}
    )
    assert (status, answer) == (200, {"readings": 1, "faults": []})


def test_a_body_beyond_the_limit_is_refused(hub: RunningHub) -> None:
    status, answer, _ = call(hub, "POST", "/api/v1/readings", "feed-me", b" " * 200_000)
    assert status == 413
    assert "limit of 100000 bytes" in answer["error"]


def test_who_sees_a_place_an_area_and_what_moves(hub: RunningHub) -> None:
    found = call(hub, "GET", "/api/v1/cameras?at=121.4912,31.2408&error=20,5,45", "look")
    assert (found[0], "cameras" in found[1]) == (200, True)
    status, moving, _ = call(hub, "GET", "/api/v1/cameras?at=121.4912,31.2408&course=90&speed=30", "look")
    assert (status, isinstance(moving["handover"], list)) == (200, True)
    status, ground, _ = call(hub, "GET", "/api/v1/geojson/footprints", "look")
    assert (status, ground["type"]) == (200, "FeatureCollection")


def test_wrong_questions_get_sentences(hub: RunningHub) -> None:
    for path, status, sentence in (
        ("/api/v1/cameras", 400, "at=LON,LAT"),
        ("/api/v1/cameras?at=121.49,31.24&need=stare", 400, "no task"),
        ("/api/v1/cameras?at=31.24,121.49", 400, "were lon and lat swapped?"),
        ("/api/v1/cameras?at=121.49,31.24&error=far", 400, "half axis"),
        ("/api/v1/cameras?at=121.49,31.24&course=east", 400, "a number was meant"),
        ("/api/v1/cameras?at=121.49,31.24&course=90&speed=-1", 400, "more than 0"),
        ("/api/v1/cameras?at=121.49,31.24&limit=0", 400, "1 to 1000"),
        ("/api/v1/cameras?zone=nowhere", 400, "no zone"),
        ("/api/v1/geojson/clouds", 404, "footprints"),
        ("/api/v1/series?from=yesterday", 400, "not an ISO 8601 time"),
        ("/api/v1/quarantine?limit=many", 400, "whole number"),
        ("/api/v1/alerts?level=blue&level=purple", 400, "level: 'purple' is none of blue, yellow, orange, red"),
        (
            "/api/v1/series?from=2026-11-30T00:00:00Z&to=2026-11-29T00:00:00Z",
            400,
            "lies behind to (2026-11-29T00:00:00Z)",
        ),
        ("/api/v1/series?every=60&from=2026-11-30T00:00:00Z&to=2026-11-29T00:00:00Z", 400, "lies behind"),
        ("/api/v1/alerts?from=2026-11-30T00:00:00Z&to=2026-11-29T00:00:00Z", 400, "lies behind"),
        ("/api/v1/trips?device=van-1&from=2026-11-30T00:00:00Z&to=2026-11-29T00:00:00Z", 400, "does not lie before"),
        ("/api/v1/trips", 400, "device is missing"),
        ("/api/v1/air?span=9999-12", 400, "was meant"),
        ("/api/v1/fleet?day=9999-12-31", 400, "a day such as 2026-11-29"),
        ("/api/v1/nowhere", 404, ""),
    ):
        found, answer, _ = call(hub, "GET", path, "look")
        assert found == status
        assert sentence in json.dumps(answer)
    assert call(hub, "POST", "/api/v1/alerts/no-such/acknowledge", "look", b"{}")[0] == 404


def test_an_operator_acknowledges(hub: RunningHub) -> None:
    body = b'{"device":"underpass-1","values":{"water_depth":0.5}}'
    assert call(hub, "POST", "/api/v1/readings", "feed-me", body)[0] == 200
    hub.wait(lambda: bool(call(hub, "GET", "/api/v1/alerts", "look")[1]["open"]), "no alert")
    [alert] = call(hub, "GET", "/api/v1/alerts", "look")[1]["open"]
    path = f"/api/v1/alerts/{alert['alert']}/acknowledge".replace(" ", "%20")
    assert alert["level"] == "red"
    status, refused, _ = call(hub, "POST", path, "look", b'{"level":"orange"}')  # seen before it rose
    assert (status, refused["detail"]) == (409, "it is red by now, not orange: look at it again")
    assert call(hub, "POST", path.replace("acknowledge", "shelve"), "look", b'{"level":"blue","until":"2099-01-01T00:00:00Z"}')[0] == 409  # fmt: skip
    assert call(hub, "POST", path, "look", b'{"level":"purple"}')[0] == 400
    assert call(hub, "POST", path, "look", b'{"who":"Li","note":"pumps are on","level":"red"}')[0] == 200

    def newest() -> dict[str, Any]:
        found: dict[str, Any] = call(hub, "GET", "/api/v1/alerts", "look")[1]["open"][0]
        return found

    hub.wait(lambda: newest()["acknowledged_by"] == "desk", "not acknowledged under the name of the token")
    assert newest()["changes"][-1]["note"] == "pumps are on [Li]"


def test_the_console_and_the_stream_are_served(hub: RunningHub) -> None:
    status, page, headers = call(hub, "GET", "/")
    assert status == 200
    assert "text/html" in headers["content-type"]
    assert "<script" in page
    link = http.client.HTTPConnection("127.0.0.1", hub.api, timeout=20)
    link.request("GET", "/api/v1/stream", headers={"Authorization": "Bearer look"})
    answer = link.getresponse()
    assert answer.readline().startswith(b"id: ")
    assert answer.readline().startswith(b"event: ")
    link.close()


def test_metrics_speak_prometheus(hub: RunningHub) -> None:
    text = call(hub, "GET", "/metrics", "look")[1]
    for line in text.splitlines():
        assert line.startswith(("# HELP cityhub_", "# TYPE cityhub_", "cityhub_")), line
    counts = {line.split(" ")[0]: float(line.split(" ")[1]) for line in text.splitlines() if not line.startswith("#")}

    def of(name: str) -> float:
        return counts[f'cityhub_readings_{name}{{adapter="api"}}']

    assert of("received_total") == of("logged_total") + of("in_flight") + of("quarantined_total") + of(
        "duplicate_total"
    )
    assert of("received_total") > 0


def test_a_token_that_is_bound_to_devices_speaks_for_no_other(hub: RunningHub) -> None:
    status, said, _ = call(hub, "POST", "/api/v1/readings", "logger-only", READING)
    assert (status, said) == (200, {"readings": 1, "faults": []})
    status, said, _ = call(hub, "POST", "/api/v1/readings", "logger-only", READING.replace(b"gauge-7", b"camera-1"))
    assert status == 400
    assert said["faults"] == [{"kind": "unauthorised", "detail": "the token 'logger' may not speak for camera-1"}]


def test_tokens_are_compared_one_by_one() -> None:
    tokens = {name: Token(name, hashlib.sha256(name.encode()).hexdigest(), ("view",)) for name in ("a", "b")}
    assert who(None, {}) is None, "an empty list of tokens lets nobody in"
    assert who("Bearer b", tokens) is tokens["b"]
    assert who("Basic b", tokens) is None
    assert who("Bearer c", tokens) is None
    assert who(None, tokens) is None


def test_a_tokens_file_with_mistakes_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text('[tokens.a]\nroles = ["ingest"]\n[tokens.b]\ntoken = "x"\nroles = ["everything"]\n')
    tokens, mistakes = load_tokens(path)
    assert tokens == {}
    assert len(mistakes) == 2


def test_maintenance_is_planned_listed_and_cancelled(hub: RunningHub) -> None:
    def post(path: str, **given: Any) -> tuple[int, Any]:
        status, answer, _ = call(hub, "POST", path, "look", json.dumps(given).encode())
        return status, answer

    def windows() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = call(hub, "GET", "/api/v1/maintenance", "look")[1]["windows"]
        return found

    assert call(hub, "POST", "/api/v1/maintenance", "feed-me", b"{}")[0] == 403
    for given, status, sentence in (
        ({"target": "gauge-8", "until": "2100-01-01T00:00:00Z"}, 404, "was 'gauge-7' meant?"),
        ({"target": "area:nowhere", "until": "2100-01-01T00:00:00Z"}, 404, "was 'area:north' meant?"),
        ({"target": "gauge-7"}, 400, "until is missing"),
        ({"target": "gauge-7", "until": "2020-01-01T00:00:00Z", "from": "2019-01-01T00:00:00Z"}, 400, "over already"),
        ({"target": "gauge-7", "until": "soon"}, 400, "until: 'soon' is not an ISO 8601 time"),
        ({"target": "gauge-7", "until": "2100-01-01T00:00:00Z", "every_s": 60}, 400, "not shorter than the window"),
    ):
        found, answer = post("/api/v1/maintenance", **given)
        assert (found, sentence in answer["error"]) == (status, True), answer
    given = {"target": "area:north", "from": "2100-01-01T00:00", "until": "2100-01-01T02:00", "note": "new probes"}
    status, answer = post("/api/v1/maintenance", **given, every_s=86_400, who="li")
    assert (status, answer) == (200, {"id": "area:north@2099-12-31T16:00:00Z"}), "times without a zone are the city's"
    hub.wait(lambda: windows() != [], "the plan did not reach the rules")
    shown = windows()[0]
    assert {key: shown[key] for key in ("target", "from", "until", "every_s", "state", "who", "note")} == {
        "target": "area:north", "from": "2099-12-31T16:00:00Z", "until": "2099-12-31T18:00:00Z", "every_s": 86_400,
        "state": "planned", "who": "desk", "note": "new probes [li]",
    }  # fmt: skip
    assert call(hub, "GET", "/api/v1/status", "look")[1]["maintenance"] == windows()
    assert post("/api/v1/maintenance/area:south@x/cancel")[0] == 404
    assert post(f"/api/v1/maintenance/{answer['id']}/cancel") == (200, {"ok": True})
    hub.wait(lambda: windows() == [], "the plan was not cancelled")


def test_a_series_that_is_cut_gives_the_newest_and_the_way_on(hub: RunningHub) -> None:
    at = int(time.time()) - 5_000  # before what other tests say of this gauge
    until = to_text((at + 1) * SECOND)
    readings = [
        {"device": "gauge-7", "time": f"{to_text((at - n) * SECOND)}", "values": {"water_flow": n, "turbidity": n}}
        for n in range(30)
    ]
    assert call(hub, "POST", "/api/v1/readings", "feed-me", json.dumps(readings).encode())[0] == 200
    path = f"/api/v1/series?device=gauge-7&metric=water_flow&limit=8&to={until}"
    hub.wait(lambda: len(call(hub, "GET", path, "look")[1]["rows"]) == 8, "the store does not take them")
    found: list[float] = []
    while path:
        answer = call(hub, "GET", path, "look")[1]
        assert answer["truncated"] == bool(answer["next"])
        found = [row["value"] for row in answer["rows"]] + found
        path = answer["next"] or ""
    assert found == [float(n) for n in range(29, -1, -1)]
    both = call(hub, "GET", f"/api/v1/series?device=gauge-7&limit=5&to={until}", "look")[
        1
    ]  # two rows a moment: none is torn
    assert [row["value"] for row in both["rows"]] == [1.0, 1.0, 0.0, 0.0]
