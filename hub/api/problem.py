"""One shape for everything that did not work: problem details (RFC 9457), with `error` beside them, the field of old."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hub.bilingual import Text


class Problem(HTTPException):
    """What a handler raises: a status and a sentence for people; `more` are further fields of the answer. A sentence in both languages has its Chinese
    as `detail_zh`."""

    def __init__(self, status: int, detail: Text | str, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(status, str(detail), headers)
        self.more = {**more, "detail_zh": detail.zh} if isinstance(detail, Text) else more


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """`{"type": "about:blank", "title", "status", "detail", "error"}`: `title` is the status in words, `error` the same as `detail`."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "error": detail, **more}
    return Response(msgspec.json.encode(body), status, headers, "application/problem+json")
