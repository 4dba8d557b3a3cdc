"""What answers have in common: JSON, times in queries, and lists that may be cut. Every list says `limit`, `truncated` and `next`, the
address of what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hub.api.problem import Problem
from hub.api.state import State
from hub.bilingual import Text
from hub.moment import from_text, in_order

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
        kept = [(key, value) for key, value in request.query_params.multi_items() if key not in further]
        following = f"{quote(request.url.path)}?{urlencode([*kept, *further.items()])}"
    return {"limit": limit, "truncated": truncated, "next": following}


def reply(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(data), status, headers, "application/json")


def followed(state: State) -> None:
    """Raises `Problem` 409 on a machine that knows neither newest values nor open warnings: "none" would be a lie."""
    if not state.follows():
        raise Problem(
            409,
            Text(
                "this machine follows neither newest values nor warnings; ask one with the role api (`cityhub health` names them)",
                "本机不跟踪最新数值和预警；请询问具有 api 角色的机器（cityhub health 会列出）",
            ),
        )


def known_to_a_judge(state: State) -> None:
    """Raises `Problem` 503 while no machine judges: nobody else knows what work is planned."""
    if not state.judged():
        said = Text(
            "no machine judges now, so nobody knows what work is planned",
            "目前没有机器在执行规则判断，无法得知维护计划",
        )
        raise Problem(503, said, {"Retry-After": "5"})


def between(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """`from` and `to` of a query. Raises `Problem` 400."""
    try:
        return in_order(moment(start, "from"), moment(end, "to"))
    except ValueError as error:
        raise Problem(400, str(error)) from None


def moment(text: str | None, name: str) -> int | None:
    """A time of a query. A "+" in it reaches the hub as a blank."""
    if text is None:
        return None
    try:
        return from_text(text.replace(" ", "+"))
    except ValueError as error:
        raise Problem(400, f"{name}: {error}") from None
