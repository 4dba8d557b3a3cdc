"""Query options of one request or one `$expand`: `$filter $orderby $select $expand $top $skip $count` (18-088, 9.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hub.api.problem import Problem
from hub.api.sensorthings.filtering import Node, parsed

TOP, TOP_MAX = 100, 1000
"""Entities of a page where `$top` says nothing, and at most."""
DEPTH_MAX = 6
KNOWN = ("$filter", "$orderby", "$select", "$expand", "$top", "$skip", "$count")


@dataclass(frozen=True)
class Options:
    filter: Node | None = None
    orderby: tuple[tuple[Node, bool], ...] = ()
    """Expressions, each with whether it goes down."""
    select: tuple[str, ...] = ()
    expand: tuple[tuple[str, Options], ...] = ()
    top: int = TOP
    skip: int = 0
    count: bool = False


def read(pairs: Iterable[tuple[str, str]], depth: int = 0) -> Options:
    """Raises `Problem`: 400 for what cannot be read, 501 for an option of OData that is not served."""
    given: dict[str, str] = {}
    for name, text in pairs:
        if name.startswith("$") and name not in KNOWN:
            raise Problem(501, f"the option {name[:50]!r} is not served; {', '.join(KNOWN)} are")
        if name not in KNOWN:
            raise Problem(400, f"{name[:50]!r} is no option; {', '.join(KNOWN)} are", known=list(KNOWN))
        if name in given:
            raise Problem(400, f"{name[:50]} is given twice")
        given[name] = text
    return Options(
        filter=parsed(given["$filter"]) if "$filter" in given else None,
        orderby=tuple(_order(part) for part in split(given.get("$orderby", ""), ",")),
        select=tuple(split(given.get("$select", ""), ",")),
        expand=_expand(given.get("$expand", ""), depth),
        top=min(_number("$top", given.get("$top", str(TOP))), TOP_MAX),
        skip=_number("$skip", given.get("$skip", "0")),
        count=_flag(given.get("$count", "false")),
    )


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise Problem(400, f"{name} is {text[:50]!r}; a whole number was meant")
    return int(text)


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise Problem(400, f"$count is {text[:50]!r}; true or false was meant")
    return text.lower() == "true"


def _order(part: str) -> tuple[Node, bool]:
    found = re.fullmatch(r"(.*?)(?:\s+(asc|desc))?", part, re.S | re.I)  # clients in use write DESC
    assert found is not None
    return parsed(found[1].strip()), (found[2] or "").lower() == "desc"


def _expand(text: str, depth: int) -> tuple[tuple[str, Options], ...]:
    """`Datastreams($top=1;$expand=Sensor),Locations`, `Datastreams/ObservedProperty`."""
    if text and depth >= DEPTH_MAX:
        raise Problem(400, f"$expand goes {DEPTH_MAX} relations deep at most")
    found: dict[str, Options] = {}
    for part in split(text, ","):
        shape = re.fullmatch(r"(\w+)(?:/([\w/]+))?(?:\((.*)\))?", part, re.S)
        if shape is None:
            raise Problem(400, f"$expand: {part[:100]!r} is no relation such as Datastreams($top=1)")
        name, further, inside = shape.groups()
        pairs = [_pair(option) for option in split(inside or "", ";")]
        if further is not None:
            pairs = [("$expand", f"{further}({inside})" if inside else further)]
        options = read(pairs, depth + 1)
        if name in found:  # Datastreams/Sensor,Datastreams/ObservedProperty
            merged = found[name].expand + options.expand
            options = Options(**{**found[name].__dict__, "expand": merged})
        found[name] = options
    return tuple(found.items())


def _pair(option: str) -> tuple[str, str]:
    name, _, text = option.partition("=")
    return name.strip(), text.strip()


def split(text: str, by: str) -> list[str]:
    """The parts between separators that stand in no brackets and no quotes."""
    parts, depth, quoted, begin = [], 0, False, 0
    for at, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
        elif letter == by and depth == 0:
            parts.append(text[begin:at].strip())
            begin = at + 1
    if depth or quoted:
        raise Problem(400, f"{text[:100]!r}: a bracket or quote is not closed")
    last = text[begin:].strip()
    return [*parts, last] if last or parts else []
