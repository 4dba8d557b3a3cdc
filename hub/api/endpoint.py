"""One route: who may use it, what it takes, what it does. Queries and bodies are decoded here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from hub.api.problem import Problem
from hub.api.questions import Nothing
from hub.content_coding import packed
from hub.json_once import key_repeated

T = TypeVar("T", bound=msgspec.Struct)
Handler = Callable[[Request, Any], Awaitable[Response]]
CONTROLLED_BODY_MAX = 1 << 20
"""Bytes of a body that is no reading: none of them needs more."""
LENGTH_DIGITS_MAX = 18
"""Of a stated length; with more no number is made of it."""


@dataclass(frozen=True)
class Endpoint:
    """`role` is what a token needs, None for everybody. `takes` is decoded from the query (GET) or the body (POST)."""

    method: str
    path: str
    role: str | None
    handler: Handler
    takes: type[msgspec.Struct] = Nothing
    gives: type[msgspec.Struct] | None = None
    """The answer's type, None where it is no JSON object of ours."""
    media: str = "application/json"
    raw: bool = False
    """The handler reads the body itself: readings, which come in several formats."""
    ill_alike: bool = False
    """Its 503 has the same shape as its 200: probes."""
    needs: str | None = None
    """The right that people and tokens need, where it is finer than `role`; see `hub.access.rights`."""
    whole: bool = False
    """It is about the whole hub: a grant that is limited to a part does not open it. All others show and do what the grant covers."""
    local: bool = False
    """Only for commands on this machine: refused at the address, whoever asks."""
    act: bool = True
    """A POST that stands in the audit; readings have the ledger, and the log-in its own entry."""

    probe: bool = False
    """Asked again and again by what watches the hub; no limit of requests holds it off."""

    lenient: bool = False
    """Names in its query that it does not know are left alone: a page to which links lead, or what another standard says must be."""

    also: tuple[int, ...] = ()
    """Further statuses it answers with, beside 200, 4XX and 503."""

    present: bool = False
    """It tells of newest values or open warnings, so only a machine that follows them answers it."""

    @property
    def right(self) -> str | None:
        return self.needs or self.role

    @property
    def summary(self) -> str:
        """The first line of the handler's own description."""
        return (self.handler.__doc__ or "").strip().partition("\n")[0]

    async def call(self, request: Request) -> Response:
        return await self.handler(request, await self.given(request))

    async def given(self, request: Request) -> msgspec.Struct:
        """What the request brings, decoded. Raises `Problem` 400."""
        query, of_query = request.query_params.multi_items(), self.takes if self.method == "GET" else Nothing
        if not self.lenient:
            _all_known(query, of_query)
        if self.raw:
            return Nothing()
        if self.method == "POST":
            return decoded(await body(request, CONTROLLED_BODY_MAX), self.takes)
        return asked(query, self.takes)


async def body(request: Request, limit: int) -> bytes:
    """The whole body. 413 beyond `limit` bytes, as soon as its length is stated; 415 where it is packed."""
    if why := packed(request.headers.getlist("content-encoding")):
        raise Problem(415, why, {"Accept-Encoding": "identity"})
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > LENGTH_DIGITS_MAX or int(length) > limit):
        raise Problem(413, _too_long(limit))
    taken = bytearray()
    try:
        async for chunk in request.stream():
            taken += chunk
            if len(taken) > limit:
                raise Problem(413, _too_long(limit))
    except ClientDisconnect:
        raise Problem(400, "the connection ended in the middle of the body") from None
    return bytes(taken)


def _too_long(limit: int) -> str:
    return f"the body is longer than the limit of {limit} bytes; send fewer at a time"


def _all_known(query: Sequence[tuple[str, str]], kind: type[msgspec.Struct]) -> None:
    """Raises `Problem` 400 for a name that this query has not: what is asked for by a misspelt name would be answered as if nobody had
    asked for it. The answer says which names there are."""
    known = names_of(kind)
    if odd := [name for name, _ in query if name not in known]:
        raise Problem(400, f"the query has the unknown name {odd[0][:100]!r}; {_meant(odd[0], known)}", known=known)


def names_of(kind: type[msgspec.Struct]) -> list[str]:
    """The names that it has in queries and bodies."""
    return [field.encode_name for field in msgspec.structs.fields(kind)]


# What is often said for a name of ours: other interfaces call it so.
ALIKE = {"start": "from", "begin": "from", "since": "from", "end": "to", "stop": "to", "until": "to", "offset": "skip", "count": "limit"}  # fmt: skip


def _meant(odd: str, known: Sequence[str]) -> str:
    if not known:
        return "it takes none"
    near = [ALIKE[odd]] if ALIKE.get(odd) in known else get_close_matches(odd, known, n=1)
    hint = f"was {near[0]!r} meant? " if near else ""
    return f"{hint}known here: {', '.join(known)}"


def decoded(data: bytes, kind: type[T]) -> T:
    """A JSON body; an empty one is `{}`. Raises `Problem` 400 that names what is wrong."""
    try:
        found = msgspec.json.decode(data or b"{}", type=kind)
        if data and (key := key_repeated(data)):
            raise Problem(400, f"the body names {key[:100]!r} twice in one object, and nobody can say which was meant")
        return found
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        if odd := re.fullmatch(r"Object contains unknown field `([^`]*)`", str(error)):
            known = names_of(kind)
            told = f"the body has the unknown field {odd[1][:100]!r}; {_meant(odd[1], known)}"
            raise Problem(400, told, known=known) from None
        raise Problem(400, _sentence(error, kind, None)) from None


def asked(items: Sequence[tuple[str, str]], kind: type[T]) -> T:
    """A query, its texts read as what the fields are: a list has every value of its name, anything else the last. Raises `Problem`
    400 that names what is wrong."""
    query: dict[str, Any] = dict(items)
    for name in _lists(kind) & query.keys():
        query[name] = [value for key, value in items if key == name]
    try:
        return msgspec.convert(query, kind, strict=False)
    except msgspec.MsgspecError as error:
        raise Problem(400, _sentence(error, kind, query)) from None


@cache
def _lists(kind: type[msgspec.Struct]) -> frozenset[str]:
    """The fields that are lists."""
    found = msgspec.inspect.type_info(kind)
    assert isinstance(found, msgspec.inspect.StructType)
    return frozenset(
        field.encode_name
        for field in found.fields
        for one in (field.type.types if isinstance(field.type, msgspec.inspect.UnionType) else (field.type,))
        if isinstance(one, msgspec.inspect.ListType)
    )


@cache
def _choices(kind: type[msgspec.Struct]) -> dict[str, tuple[str, ...]]:
    """The fields that take some texts alone, and which; a list takes them one by one."""
    found = msgspec.inspect.type_info(kind)
    assert isinstance(found, msgspec.inspect.StructType)
    chosen = {}
    for field in found.fields:
        for one in field.type.types if isinstance(field.type, msgspec.inspect.UnionType) else (field.type,):
            inner = one.item_type if isinstance(one, msgspec.inspect.ListType) else one
            if isinstance(inner, msgspec.inspect.LiteralType):
                chosen[field.encode_name] = tuple(map(str, inner.values))
            elif isinstance(inner, msgspec.inspect.EnumType):
                chosen[field.encode_name] = tuple(str(choice.value) for choice in inner.cls)
    return chosen


WORDS = {
    "int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", "array": "a list", "object": "an object",
    "null": "null",
}  # fmt: skip


def _sentence(error: Exception, kind: type[msgspec.Struct], query: Mapping[str, Any] | None) -> str:
    """ "limit is 'many'; a whole number was meant", "offset: an object was meant, not a list" …"""
    told = str(error)
    what, _, where = told.partition(" - at `$")
    name = where.rstrip("`").lstrip(".")
    field = name.partition("[")[0]
    if (odd := re.match(r"Invalid enum value (.+)$", what)) and (choices := _choices(kind).get(field)):
        return f"{field}: {odd[1][:100]} is none of {', '.join(choices)}"
    if missing := re.search(r"missing required field `(\w+)`", what):
        return f"{missing[1]} is missing"
    if wrong := re.match(r"Expected `([\w |]+)`(?:, got `(\w+)`)?$", what):
        meant = " or ".join(WORDS.get(word, word) for word in wrong[1].split(" | ") if word != "null")
        if query is not None and name in query:
            return f"{name} is {str(query[name])[:100]!r}; {meant} was meant"
        got = f", not {WORDS.get(wrong[2], wrong[2])}" if wrong[2] else ""
        return f"{name or 'the body'}: {meant} was meant{got}"
    what = re.sub(r"Expected `(\w+)`", lambda found: f"{WORDS.get(found[1], found[1])} was meant:", what)
    what = what.replace(": >= ", " of at least ").replace(": <= ", " of at most ").replace(": > ", " above ")
    return f"{name}: {what}" if name else what
