"""A city whose people log in at an identity provider, and a browser that goes there and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from hub.api.provider import Provider
from hub.app.hub import Hub
from hub.clock import now
from tests.acceptance.running import write_city

SECRET = "s3cret/with+signs"
GROUPS = """
[[oidc.groups]]
group = "flood-desk"
role = "operator"
areas = ["north"]
[[oidc.groups]]
group = "chiefs"
role = "Administrator"
"""
USERS = """
[users.root]
name = "Root"
[[users.root.grants]]
role = "administrator"
[users.duty]
subject = "u-duty"
[[users.duty.grants]]
role = "engineer"
"""


def write(folder: Path, issuer: str, api: int, more: str = "", users: str = USERS) -> Path:
    (folder.parent / "secret.txt").write_text(SECRET + "\n")
    oidc = f'[oidc]\nissuer = "{issuer}"\nclient_id = "cityhub"\nclient_secret_file = "../secret.txt"\naddress = "http://127.0.0.1:{api}"\ntitle = "City Login"\n'
    write_city(folder, oidc + more + GROUPS, api=api)
    (folder / "users.toml").write_text(users)
    return folder


@asynccontextmanager
async def browser(hub: Hub, account: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """Cookies and redirects as of a browser that came by a link of another page."""
    headers = {"accept": "text/html", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}  # fmt: skip
    async with httpx.AsyncClient(base_url=hub.address, timeout=30, headers={**headers, "x-account": account}) as client:
        yield client


def ask_anew(hub: Hub) -> None:
    """As ten minutes later: what the provider is like is not known any more."""
    hub.state.provider = Provider(hub.state.config.oidc, now)


async def session(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.get("/api/v1/session", headers={"sec-fetch-site": "same-origin"})).json()  # type: ignore[no-any-return]
