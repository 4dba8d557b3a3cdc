"""Under whose name something is done."""

from __future__ import annotations

from starlette.requests import Request

from hub.access import Principal
from hub.api.auth import LOCAL
from hub.api.problem import Problem
from hub.api.state import State


def actor(
    state: State, request: Request, claimed: str | None, note: str | None, lines: bool = False
) -> tuple[str, str]:
    """Under whose name this is done, and the note. Approvals of public warnings go by the name.

    Who is known acts under that name, whatever the body says; another name given beside it is kept in the note. Where the hub asks
    nobody, the name given is all there is; it may not be that of a user or token. `lines`: the note may have several.
    """
    who: Principal = request.state.who
    for name, text in (("who", claimed), ("note", note)):
        if name == "note" and lines:
            text = (text or "").replace("\n", "")
        if text and not text.isprintable():
            raise Problem(400, f"{name}: a text on one line was meant, without control characters")
    said = (note or "").strip()
    claimed = (claimed or "").strip()
    if claimed != who.name and (claimed in (state.tokens or ()) or claimed in state.roll.users):
        what = "token" if claimed in (state.tokens or ()) else "user"
        raise Problem(403, f"{claimed!r} is the name of another {what}; only its holder acts under it")
    if who is LOCAL:
        return claimed or who.name, said
    return who.name, f"{said} [{claimed}]".strip() if claimed and claimed != who.name else said
