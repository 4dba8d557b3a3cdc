"""Every role at every route: the table is made from the routes, so a new one is in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from hub.api.auth import ROLES
from hub.api.gate import Authority
from hub.api.routes import endpoints
from hub.app.hub import Hub
from tests.acceptance.running import write_city
from tests.hub.running import running

OPEN = {
    "/", "/healthz", "/readyz", "/api/v1/health", "/api/v1/openapi.json", "/api/v1/session", "/api/v1/login", "/api/v1/logout",
    "/tiles/basemap.pmtiles", "/api/v1/docs", "/oidc/login", "/oidc/back",
}  # fmt: skip
"""What nobody needs a token for. It tells nothing of the city."""


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    folder = write_city(tmp_path, '[api]\nlisten = "127.0.0.1:0"\ntokens_file = "tokens.toml"\n')
    (folder / "tokens.toml").write_text(
        "".join(f'[tokens.{role}]\ntoken = "{role}-token"\nroles = ["{role}"]\n' for role in ROLES)
    )
    async with running(folder) as hub:
        yield hub


async def test_each_role_opens_its_own_routes_and_no_other(hub: Hub) -> None:
    table = endpoints(hub.state, Authority(hub.state, False))
    assert {item.path for item in table if item.role is None} == OPEN
    async with httpx.AsyncClient(base_url=hub.address, timeout=30) as client:
        for item in table:
            path = item.path.replace("{device:path}", "gauge-7").replace("{alert:path}", "x").replace("{id:path}", "x")
            path = path.replace("{action}", "retry").replace("{what}", "zones")
            for shown in (None, "wrong", *ROLES):
                headers = {"content-type": "application/json"}
                if shown:
                    headers["authorization"] = f"Bearer {shown}-token"
                async with client.stream(item.method, path, headers=headers) as answer:
                    refused = answer.status_code in (401, 403) and not item.local
                    if item.role is None:
                        assert not refused, path
                    elif shown not in ROLES:
                        assert answer.status_code == 401, (path, shown)
                    elif shown != item.role:
                        assert answer.status_code == 403, (path, shown)
                    else:
                        assert not refused, (path, shown, answer.status_code)


async def test_reasons_are_shown_only_to_who_may_look(hub: Hub) -> None:
    hub.health.part("adapter/secret").report("down", "mqtt://10.1.2.3: refused")
    async with httpx.AsyncClient(base_url=hub.address) as client:
        for shown, seen in ((None, False), ("ingest", False), ("view", True)):
            headers = {"authorization": f"Bearer {shown}-token"} if shown else {}
            assert ("10.1.2.3" in (await client.get("/readyz", headers=headers)).text) is seen
