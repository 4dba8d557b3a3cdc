"""What a machine answers that only takes in and shows, where another one works."""

from __future__ import annotations

from typing import Any

from hub.api.problem import Problem


async def not_here(*_: Any) -> Any:
    raise Problem(409, "this machine only takes in and shows; ask the one that works (`cityhub health` names it)")


def kept_elsewhere(*_: Any) -> None:
    """As `not_here`, for a file that the working machine alone may replace."""
    raise Problem(409, "notes are kept by the machine that works; write them there (`cityhub health` names it)")
