"""The console's files, served from memory: some forty small ones, all asked for at once by everybody who opens the page.

Starlette's StaticFiles, which serves the tiles, hands each file to threads several times; on a busy machine the page waited longer for those than for its files.
"""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response


class _Held(NamedTuple):
    """A file as it was when it had that stamp: modification time (ns) and size."""

    stamp: tuple[int, int]
    body: bytes
    tag: str
    media: str


class Shelf:
    """Files of one folder and those below it. One that was changed is read again; to look costs microseconds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._held: dict[str, _Held] = {}

    async def file(self, request: Request) -> Response:
        """The file of that name; 404 where there is none. `hub.api.transfer` packs it, and answers 304 to who has it."""
        name = request.path_params["path"]
        try:
            held = self._read(name)
        except (OSError, ValueError):  # ValueError: a name that no file can have
            self._held.pop(name, None)
            raise HTTPException(404) from None
        return Response(held.body, media_type=held.media, headers={"ETag": held.tag})

    def _read(self, name: str) -> _Held:
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder):
            raise FileNotFoundError(name)
        found = path.stat()
        stamp, held = (found.st_mtime_ns, found.st_size), self._held.get(name)
        if held is None or held.stamp != stamp:
            body = path.read_bytes()
            tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
            held = self._held[name] = _Held(stamp, body, tag, mimetypes.guess_type(name)[0] or "text/plain")
        return held
