"""The API against its own document, by schemathesis: whatever the document allows and much that it does not, no answer is a defect and none is
undocumented, for who is logged in, for a token of a part of the city, and for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import checks
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks as openapi_checks

from hub.app.hub import Hub
from tests.acceptance.running import write_city
from tests.hub.running import running

SETTINGS = settings(
    max_examples=2,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
"""A few of each operation, kind and asker: together some five hundred requests."""
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]
ENDLESS = "/api/v1/stream"
TOKENS = """
[tokens.chief]
token = "chief"
roles = ["ingest", "view", "operate", "administer"]
[tokens.part]
token = "part"
roles = ["ingest", "view", "operate"]
areas = ["north"]
"""


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    folder = write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\ntokens_file = "tokens.toml"\n')
    (folder / "tokens.toml").write_text(TOKENS)
    async with running(folder) as hub:
        yield hub


def answered(client: httpx.Client, case: Any, address: str) -> httpx.Response:
    """Sent by httpx: schemathesis' own way looks into urllib3, of which another package here brings a different one."""
    given = case.as_transport_kwargs(base_url=address)
    known = {name: given[name] for name in ("method", "url", "params", "headers", "json", "data") if name in given}
    ready = requests.Request(**known).prepare()
    headers = {name: value for name, value in ready.headers.items() if name.lower() not in ("authorization", "cookie")}
    return client.request(str(ready.method), str(ready.url), headers=headers, content=ready.body)


def hold(address: str, token: str) -> int:
    """Every operation with a few generated requests; gives how many were sent."""
    with httpx.Client(headers={"Authorization": f"Bearer {token}"} if token else {}, timeout=60) as client:
        return held(client, address, client.get(f"{address}/api/v1/openapi.json").json())


def held(client: httpx.Client, address: str, document: dict[str, Any]) -> int:
    schema = schemathesis.openapi.from_dict(document)
    sent, wrong = 0, []
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path == ENDLESS:
            continue
        for mode in schemathesis.GenerationMode:  # what the document allows, and what it does not

            @SETTINGS
            @given(case=operation.as_strategy(generation_mode=mode))
            def holds(case: Any) -> None:
                nonlocal sent
                sent += 1
                case.validate_response(answered(client, case, address), checks=CHECKS)

            try:
                holds()
            except (FailureGroup, AssertionError) as error:
                wrong.append(f"{operation.label}: {error}")
            except Unsatisfiable:
                assert mode is schemathesis.GenerationMode.NEGATIVE, (
                    operation.label
                )  # it takes nothing that could be wrong
    assert not wrong, "\n".join(wrong)
    return sent


@pytest.mark.parametrize("token", ["chief", "part", ""], ids=["everything", "a part", "nobody"])
async def test_every_answer_is_as_the_document_says(hub: Hub, token: str) -> None:
    assert await asyncio.to_thread(hold, hub.address, token) > 100
    assert all(part.works for part in hub.health.parts() if part.required)


async def test_a_document_that_says_something_else_is_found_out(hub: Hub) -> None:
    def wrong() -> None:
        with httpx.Client(timeout=60) as client:
            document = client.get(f"{hub.address}/api/v1/openapi.json").json()
            document["paths"] = {"/healthz": document["paths"]["/healthz"]}
            document["components"]["schemas"]["Alive"]["properties"]["ok"] = {"type": "string"}
            held(client, hub.address, document)

    with pytest.raises(AssertionError, match="healthz"):
        await asyncio.to_thread(wrong)
