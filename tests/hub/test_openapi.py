"""The API's description: no route is missing in it, and real answers are as it says."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from starlette.routing import Route

from hub.access.rights import RIGHTS
from hub.api.auth import ROLES
from hub.api.gate import Authority
from hub.api.routes import build, endpoints
from hub.app.hub import Hub
from tests.acceptance.running import ROOT, write_city
from tests.hub.running import running


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    city_folder = write_city(tmp_path)
    toml = city_folder / "hub.toml"
    toml.write_text(toml.read_text() + '\n[api]\nlisten = "127.0.0.1:0"\n')
    async with running(city_folder) as hub:
        yield hub


def plain(path: str) -> str:
    return re.sub(r":path\}", "}", path)


async def test_every_route_stands_in_the_document_and_in_the_docs(hub: Hub) -> None:
    async with httpx.AsyncClient(base_url=hub.address) as client:
        document = (await client.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    said = {(path, method) for path, item in document["paths"].items() for method in item}
    served = {
        (plain(route.path), method.lower())
        for route in build(hub.state).routes
        if isinstance(route, Route)
        for method in (route.methods or ()) - {"HEAD"}
    }
    assert said == served
    text = (ROOT / "docs" / "api.md").read_text("utf-8")
    for path, _ in said - {("/", "get")}:
        assert path.partition("{")[0].rstrip("/") in text, f"{path} is not in docs/api.md"


async def test_every_route_says_what_it_does_for_whom_and_what_it_answers(hub: Hub) -> None:
    for item in endpoints(hub.state, Authority(hub.state, False)):
        assert len(item.summary) > 10, item.path
        assert item.gives or item.media != "application/json" or item.path == "/api/v1/openapi.json", item.path
        assert item.role is None or item.role in ROLES
        assert item.right is None or item.right in RIGHTS
        others = ("/api/v1/readings", "/api/v1/login", "/api/v1/logout", "/sensorthings/v1.1/{path:path}")
        people = item.role == "administer" and item.path.startswith("/api/v1/users")
        assert item.role == "operate" or item.method == "GET" or item.path in others or people, (
            f"{item.path}: what does something needs the role operate, and who may do it is for administrators"
        )


async def test_references_lead_somewhere_and_operations_have_names_of_their_own(hub: Hub) -> None:
    async with httpx.AsyncClient(base_url=hub.address) as client:
        document = (await client.get("/api/v1/openapi.json")).json()
    text = json.dumps(document)
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert name in document["components"]["schemas"]
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    names = [item["operationId"] for methods in document["paths"].values() for item in methods.values()]
    assert len(names) == len(set(names))


async def test_real_answers_are_as_the_document_says(hub: Hub) -> None:
    async with httpx.AsyncClient(base_url=hub.address, timeout=30) as client:
        document = (await client.get("/api/v1/openapi.json")).json()
        reading = {"device": "underpass-1", "values": {"water_depth": 0.5}}
        stranger = {"device": "nobody", "values": {"water_depth": 0.5}}
        asked: list[tuple[str, str, str, Any]] = [
            ("post", "/api/v1/readings", "", reading),
            ("post", "/api/v1/readings", "", stranger),
            ("post", "/api/v1/maintenance", "", {"target": "gauge-7", "until": "2100-01-01T00:00:00Z"}),
            ("post", "/api/v1/quarantine/retry", "", {}),
            ("post", "/api/v1/store/rebuild", "", {}),
            ("post", "/api/v1/delivery/{action}", "/api/v1/delivery/drop", {}),
            ("get", "/api/v1/geojson/{what}", "/api/v1/geojson/zones", None),
            ("get", "/api/v1/cameras", "/api/v1/cameras?at=121.49,31.24", None),
            ("get", "/api/v1/cameras", "/api/v1/cameras?at=121.49,31.24&course=90", None),
            ("get", "/api/v1/series", "/api/v1/series?limit=1", None),
            ("get", "/api/v1/series", "/api/v1/series?from=2026-01-01T00:00:00Z&every=86400", None),
            ("get", "/api/v1/series", "/api/v1/series?from=x", None),
        ]
        asked += [
            ("get", path, "", None)
            for path, item in document["paths"].items()
            if "get" in item
            and "{" not in path
            and path not in ("/", "/metrics", "/api/v1/stream", "/api/v1/openapi.json", "/api/v1/docs")
        ]
        for method, path, address, body in asked:
            answer = await client.request(method.upper(), address or path, json=body) if body is not None else await client.get(address or path)  # fmt: skip
            responses = document["paths"][path][method]["responses"]
            status = str(answer.status_code)
            said = responses.get(status) or responses[f"{status[0]}XX"]
            [(media, content)] = said["content"].items()
            assert answer.headers["content-type"].partition(";")[0] == media, (path, answer.text)
            schema = {**content["schema"], "components": document["components"]}
            jsonschema.validate(answer.json(), schema)
