"""Clients of a hub in this process: as a user with a session, or by a token."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import msgspec

from hub.access import passwords
from hub.access.users import load_users
from hub.app.hub import Hub

PASSWORD = "correct horse battery"


@cache
def _kept() -> str:
    with TemporaryDirectory() as folder:
        passwords.store(Path(folder), "anybody", PASSWORD)
        [kept] = passwords.load(Path(folder)).values()
    return kept


def give_passwords(folder: Path) -> None:
    """Every user of a city folder gets `PASSWORD`, hashed once for all, as a hash costs a tenth of a second."""
    users = load_users(folder / "users.toml")[0]
    (folder / "var").mkdir(exist_ok=True)
    (folder / "var" / passwords.FILE).write_bytes(msgspec.json.encode(dict.fromkeys(users, _kept())))


def words_of(answer: httpx.Response) -> str:
    """What an answer says, of a spreadsheet what stands in its parts."""
    if not answer.content.startswith(b"PK"):
        return answer.text
    book = zipfile.ZipFile(io.BytesIO(answer.content))
    return "".join(book.read(name).decode() for name in book.namelist())


@asynccontextmanager
async def as_user(hub: Hub, user: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with this user's session, opened without the password's cost."""
    kept = hub.roll.kept(user)
    assert kept
    shown, session = hub.state.sessions.open(user, kept)
    async with httpx.AsyncClient(
        base_url=hub.address, timeout=30, cookies={"cityhub": shown}, headers={"X-CSRF-Token": session.csrf}
    ) as client:
        yield client


def as_token(hub: Hub, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=hub.address, timeout=30, headers={"authorization": f"Bearer {token}"})
