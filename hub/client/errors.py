"""What goes wrong between a program and a hub, as types. All are `HubError`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class HubError(Exception):
    """The hub did not do what it was asked. Its text is the hub's own sentence where there is one."""

    def __init__(
        self, detail: str, status: int | None = None, title: str = "", more: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail, self.status, self.title = detail, status, title
        """`status`: of HTTP; None where no answer came."""
        self.more = dict(more or {})
        """Further fields of the problem: `faults` of refused readings."""


class Refused(HubError):
    """4xx: asked again it is refused again."""


class Away(HubError):
    """Not now: no answer came, 429, or 5xx. The same may be asked again after `retry_after_s`."""

    def __init__(
        self,
        detail: str,
        status: int | None = None,
        title: str = "",
        more: Mapping[str, Any] | None = None,
        retry_after_s: float = 5.0,
    ) -> None:
        super().__init__(detail, status, title, more)
        self.retry_after_s = retry_after_s


class _Problem(msgspec.Struct):
    """RFC 9457, as much as is needed."""

    title: str = ""
    detail: str = ""


def of_answer(status: int, headers: Mapping[str, str], content: bytes) -> HubError:
    """The error that an answer of 400 and above is. A proxy's page is one too."""
    try:
        fields = msgspec.json.decode(content, type=dict[str, Any])
        told = msgspec.convert(fields, _Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        fields, told = {}, _Problem(detail=f"the answer was {status}: {content[:200].decode('utf-8', 'replace')}")
    more = {name: value for name, value in fields.items() if name not in ("type", "title", "status", "detail", "error")}
    if status == 429 or status >= 500:
        after = headers.get("retry-after", "")
        return Away(told.detail, status, told.title, more, float(after) if after.isdigit() else 5.0)
    return Refused(told.detail, status, told.title, more)
