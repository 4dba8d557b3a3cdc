"""One question to a hub, as plain data: asked and answered the same way by either client."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast
from urllib.parse import urlencode

import msgspec

from hub.client.errors import HubError, of_answer

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """`path` has its parts quoted. `asked` goes into the query of a GET and the body of a POST; only what differs from its defaults is sent. The answer
    is a `gives`."""

    method: str
    path: str
    gives: type[T]
    asked: msgspec.Struct | None = None
    body: bytes | None = None
    """Sent as it is, instead of `asked`: readings."""
    media: str = "application/json"

    @property
    def address(self) -> str:
        """Path and query."""
        pairs = self._sent if self.method == "GET" else {}
        return f"{self.path}?{urlencode(pairs, doseq=True)}" if pairs else self.path

    @property
    def content(self) -> bytes | None:
        if self.method == "GET":
            return None
        return msgspec.json.encode(self._sent) if self.body is None else self.body

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.method == "GET" else {"content-type": self.media}

    @property
    def _sent(self) -> dict[str, Any]:
        """The fields that say something, by the names that the hub knows. True is `true`."""
        found: dict[str, Any] = {}
        for field in msgspec.structs.fields(self.asked) if self.asked is not None else ():
            value = getattr(self.asked, field.name)
            if value is not None and value != field.default:
                found[field.encode_name] = (
                    str(value).lower() if self.method == "GET" and isinstance(value, bool) else value
                )
        return found

    def at(self, address: str) -> Call[T]:
        """The same question at the address that an answer says follows (`next`)."""
        return replace(self, path=address, asked=None)

    def read(self, status: int, headers: Any, content: bytes) -> T:
        """The answer. Raises `Refused`, `Away`, or `HubError` where it is no answer of a hub."""
        if status >= 400:
            raise of_answer(status, headers, content)
        if self.gives is bytes:  # a file
            return cast(T, content)
        try:
            return msgspec.json.decode(content, type=self.gives)
        except msgspec.MsgspecError as error:
            raise HubError(
                f"{self.path} answered {status} with something else than {self.gives.__name__}: {error}", status
            ) from None
