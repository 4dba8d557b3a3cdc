"""Lists that may be cut: every one says `limit`, `truncated` and `next`, the address of what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from starlette.requests import Request

T = TypeVar("T")


def page(items: Sequence[T], limit: int | None, skip: int = 0) -> tuple[Sequence[T], bool]:
    """So many of the items behind the first `skip`, and whether more follow. None: all of them."""
    if limit is None:
        return items[skip:], False
    return items[skip : skip + limit], len(items) > skip + limit


def marks(request: Request, limit: int | None, truncated: bool, **further: Any) -> dict[str, Any]:
    """The fields that every list has. `further`: the query's parameters that lead to what follows."""
    following = None
    if truncated:
        query = dict(request.query_params) | {key: str(value) for key, value in further.items()}
        following = f"{quote(request.url.path)}?{urlencode(query)}"
    return {"limit": limit, "truncated": truncated, "next": following}
