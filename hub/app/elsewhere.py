"""What a machine answers of which another fills the role."""

from __future__ import annotations

from typing import Any

from hub.api.problem import Problem


async def not_here(role: str) -> Any:
    raise Problem(409, f"this machine does not do {role} now; ask the one that does (`cityhub health` names it)")


def no_backup() -> None:
    raise Problem(409, "the log lies on servers; back up its streams with the servers' own tools (docs/scale.md)")


def kept_elsewhere() -> None:
    """As `not_here`, for what people write."""
    raise Problem(409, "notes are kept by the machine that does store; write them there (`cityhub health` names it)")
