"""The console's files out of memory: what is there, as it is now, and nothing beside it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from hub.api.shelf import Shelf
from hub.api.transfer import Transfer


@pytest.fixture
def desk(tmp_path: Path) -> httpx.AsyncClient:
    (tmp_path / "secret.txt").write_text("not for the page")
    folder = tmp_path / "console"
    (folder / "vendor").mkdir(parents=True)
    (folder / "words.js").write_text("export const a = 1;\n" * 200)
    (folder / "vendor" / "vendor.css").write_text("a { }")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    app = Starlette(
        routes=[Route("/static/{path:path}", Shelf(folder).file, methods=["GET"])], middleware=[Middleware(Transfer)]
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub")


async def test_a_file_with_its_type_packed_and_told_once(desk: httpx.AsyncClient) -> None:
    answer = await desk.get("/static/words.js")
    assert (answer.status_code, answer.text) == (200, "export const a = 1;\n" * 200)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["content-encoding"] == "gzip"
    again = await desk.get("/static/words.js", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    below = await desk.get("/static/vendor/vendor.css")
    assert (below.text, below.headers["content-type"]) == ("a { }", "text/css; charset=utf-8")
    head = await desk.head("/static/vendor/vendor.css")
    assert (head.status_code, head.content) == (200, b"")


async def test_a_file_that_changes_is_read_again_and_one_that_goes_is_gone(
    desk: httpx.AsyncClient, tmp_path: Path
) -> None:
    path = tmp_path / "console" / "words.js"
    before = await desk.get("/static/words.js")
    path.write_text("export const b = 2;")
    after = await desk.get("/static/words.js", headers={"if-none-match": before.headers["etag"]})
    assert (after.status_code, after.text) == (200, "export const b = 2;")
    path.unlink()
    assert (await desk.get("/static/words.js")).status_code == 404


@pytest.mark.parametrize("name", ["../secret.txt", "%2e%2e/secret.txt", "vendor/%2e%2e/%2e%2e/secret.txt", "out.txt", "", "vendor", "none.js", "a%00b", "/etc/passwd", "%2Fetc/passwd", "x" * 5000])  # fmt: skip
async def test_nothing_beside_the_folder_is_told(desk: httpx.AsyncClient, name: str) -> None:
    answer = await desk.get(f"/static/{name}")
    assert answer.status_code == 404
    assert "not for the page" not in answer.text
