"""`$filter` and `$orderby` (18-088, 9.3.3): OData's expressions over one entity, its relations reached by paths."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, NamedTuple

import shapely
import shapely.geometry
from lark import Lark, LarkError, Token, Transformer

from hub.api.problem import Problem
from hub.geo import distance_m
from hub.moment import from_text

LENGTH_MAX = 2000
GRAMMAR = r"""
?start: or_
?or_: and_ | or_ _OR and_ -> either
?and_: not_ | and_ _AND not_ -> both
?not_: comparison | _NOT not_ -> negated
?comparison: sum | sum COMPARE sum -> compared
?sum: product | sum ADD product -> reckoned
?product: atom | product MULTIPLY atom -> reckoned
?atom: "(" or_ ")" | call | path | NUMBER -> number | "-" atom -> minus | STRING -> string | TIME -> time | GEO -> geography
     | DURATION -> duration
call: NAME "(" [or_ ("," or_)*] ")"
path: NAME ("/" NAME)*
_OR.5: /or\b/
_AND.5: /and\b/
_NOT.5: /not\b/
COMPARE.5: /(eq|ne|gt|ge|lt|le)\b/
ADD.5: /(add|sub)\b/
MULTIPLY.5: /(mul|div|mod)\b/
GEO.6: /geography'[^']*'/
DURATION.6: /duration'[^']*'/
STRING: /'(?:[^']|'')*'/
TIME.6: /\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+ -]\d\d:\d\d)?/
NUMBER.4: /\d+(\.\d+)?([eE][+-]?\d+)?/
NAME: /[A-Za-z_@$][\w.@$]*/
%ignore /[ \t]+/
"""


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr")


class Instant(NamedTuple):
    """A time, ns since the epoch."""

    ns: int


class Span(NamedTuple):
    """A stretch of time, ns."""

    ns: int


class Many(list[Any]):
    """What a path over a relation to many leads to; a comparison holds where it does for one of them."""


Node = tuple[Any, ...]
"""("path", "Thing", "name"), ("value", 7), ("compared", left, "eq", right), ("call", name, …), ("both", …) …"""
Find = Callable[[tuple[str, ...]], Any]
"""What stands under a path of the entity at hand; None where nothing does."""


class _Nodes(Transformer[Token, Node]):
    def either(self, found: list[Node]) -> Node:
        return ("either", *found)

    def both(self, found: list[Node]) -> Node:
        return ("both", *found)

    def negated(self, found: list[Node]) -> Node:
        return ("negated", *found)

    def compared(self, found: list[Any]) -> Node:
        return ("compared", found[0], str(found[1]), found[2])

    def reckoned(self, found: list[Any]) -> Node:
        return ("reckoned", found[0], str(found[1]), found[2])

    def minus(self, found: list[Node]) -> Node:
        return ("reckoned", ("value", 0), "sub", found[0])

    def call(self, found: list[Any]) -> Node:
        name, arguments = str(found[0]).lower(), [item for item in found[1:] if item is not None]
        if name not in FUNCTIONS:
            raise ValueError(f"there is no function {name!r}; {', '.join(sorted(FUNCTIONS))} are there")
        if len(arguments) not in FUNCTIONS[name][0]:
            raise ValueError(f"{name} takes {' or '.join(map(str, FUNCTIONS[name][0]))} arguments")
        return ("call", name, *arguments)

    def path(self, found: list[Token]) -> Node:
        words = {"true": True, "false": False, "null": None}
        if len(found) == 1 and str(found[0]) in words:
            return ("value", words[str(found[0])])
        return ("path", *map(str, found))

    def number(self, found: list[Token]) -> Node:
        text = str(found[0])
        return ("value", int(text) if text.isdigit() else float(text))

    def string(self, found: list[Token]) -> Node:
        return ("value", str(found[0])[1:-1].replace("''", "'"))

    def time(self, found: list[Token]) -> Node:
        return ("value", Instant(from_text(_zoned(str(found[0]).replace(" ", "+")))))

    def geography(self, found: list[Token]) -> Node:
        return ("value", shapely.from_wkt(str(found[0])[len("geography'") : -1]))

    def duration(self, found: list[Token]) -> Node:
        return ("value", Span(_duration(str(found[0])[len("duration'") : -1])))


def _zoned(text: str) -> str:
    return text if re.search(r"(Z|[+-]\d\d:\d\d)$", text) else f"{text}Z"


def _duration(text: str) -> int:
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", text)
    if found is None:
        raise ValueError(f"{text!r} is no duration such as PT1H")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return int((days * 86400 + hours * 3600 + minutes * 60 + seconds) * 1e9)


@lru_cache(maxsize=200)
def parsed(text: str) -> Node:
    """The expression as nodes. Raises `Problem` 400 with the place where it cannot be read."""
    if len(text) > LENGTH_MAX:
        raise Problem(400, f"an expression has at most {LENGTH_MAX} characters")
    try:
        return _Nodes().transform(_parser().parse(text))
    except LarkError as error:
        inner = getattr(error, "orig_exc", None)
        told = str(inner) if inner is not None else f"cannot be read from character {getattr(error, 'column', '?')} on"
        raise Problem(400, f"the expression {text[:200]!r}: {told}") from None
    except (RecursionError, shapely.errors.ShapelyError) as error:
        raise Problem(400, f"the expression {text[:200]!r} cannot be used: {type(error).__name__}") from None


def holds(node: Node, find: Find) -> bool:
    """Whether the entity at hand fulfils the expression. What has no value fulfils nothing."""
    found = value(node, find)
    return found is True or (isinstance(found, Many) and True in found)


def value(node: Node, find: Find) -> Any:
    """What the expression is for the entity at hand; None where it has no value, such as a text compared with a number."""
    match node:
        case ("value", found):
            return found
        case ("path", *steps):
            return find(tuple(steps))
        case ("either", left, right):
            return holds(left, find) or holds(right, find)
        case ("both", left, right):
            return holds(left, find) and holds(right, find)
        case ("negated", inner):
            return not holds(inner, find)
        case ("compared", left, word, right):
            return _compared(value(left, find), word, value(right, find))
        case ("reckoned", left, word, right):
            return _reckoned(value(left, find), word, value(right, find))
        case ("call", name, *arguments):
            given = [value(argument, find) for argument in arguments]
            if any(isinstance(one, Many) for one in given):
                at = next(at for at, one in enumerate(given) if isinstance(one, Many))
                return Many(_called(name, [*given[:at], one, *given[at + 1 :]]) for one in given[at])
            return _called(name, given)
    raise AssertionError(node)


def _called(name: str, given: list[Any]) -> Any:
    try:
        return FUNCTIONS[name][1](*given)
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError, shapely.errors.ShapelyError):
        return None


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq, "ne": operator.ne, "gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le,
}  # fmt: skip


def _compared(left: Any, word: str, right: Any) -> bool | None:
    if isinstance(left, Many):
        return any(_compared(one, word, right) for one in left)
    if isinstance(right, Many):
        return any(_compared(left, word, one) for one in right)
    if isinstance(left, Instant) is not isinstance(right, Instant) and isinstance(left, Instant | str) and isinstance(right, Instant | str):  # fmt: skip
        left, right = _instant(left), _instant(right)
    if word in ("eq", "ne") and (left is None or right is None):
        return (left is right) is (word == "eq")
    try:
        return bool(_COMPARE[word](left, right))
    except TypeError:
        return None


def _instant(found: Any) -> Any:
    """A text that is a time, as one."""
    if not isinstance(found, str):
        return found
    try:
        return Instant(from_text(_zoned(found)))
    except ValueError:
        return found


def _reckoned(left: Any, word: str, right: Any) -> Any:
    if isinstance(left, Instant) and isinstance(right, Span) and word in ("add", "sub"):
        return Instant(left.ns + (right.ns if word == "add" else -right.ns))
    if isinstance(left, Instant) and isinstance(right, Instant) and word == "sub":
        return Span(left.ns - right.ns)
    if not all(isinstance(item, int | float) and not isinstance(item, bool) for item in (left, right)):
        return None
    try:
        match word:
            case "add":
                return left + right
            case "sub":
                return left - right
            case "mul":
                return left * right
            case "div":
                return left / right
            case _:
                return math.fmod(left, right)
    except (ArithmeticError, ValueError):
        return None


def _when(at: Any) -> datetime:
    found = _instant(at)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=found.ns // 1000)


def _shape(found: Any) -> Any:
    return found if isinstance(found, shapely.Geometry) else shapely.geometry.shape(found)


def _distance(one: Any, other: Any) -> float:
    """Between points in metres; OData leaves the unit to the reference system, and metres are what people mean."""
    a, b = _shape(one), _shape(other)
    return distance_m(a.x, a.y, b.x, b.y)


def _spatial(test: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    return lambda one, other: bool(test(_shape(one), _shape(other)))


FUNCTIONS: Mapping[str, tuple[tuple[int, ...], Callable[..., Any]]] = {
    "substringof": ((2,), lambda part, whole: part in whole),
    "endswith": ((2,), lambda whole, part: whole.endswith(part)),
    "startswith": ((2,), lambda whole, part: whole.startswith(part)),
    "length": ((1,), len),
    "indexof": ((2,), lambda whole, part: whole.find(part)),
    "substring": (
        (2, 3),
        lambda whole, begin, count=None: whole[begin:] if count is None else whole[begin : begin + count],
    ),
    "tolower": ((1,), lambda text: text.lower()),
    "toupper": ((1,), lambda text: text.upper()),
    "trim": ((1,), lambda text: text.strip()),
    "concat": ((2,), lambda one, other: str.__add__(one, other)),
    "year": ((1,), lambda at: _when(at).year),
    "month": ((1,), lambda at: _when(at).month),
    "day": ((1,), lambda at: _when(at).day),
    "hour": ((1,), lambda at: _when(at).hour),
    "minute": ((1,), lambda at: _when(at).minute),
    "second": ((1,), lambda at: _when(at).second),
    "fractionalseconds": ((1,), lambda at: _when(at).microsecond / 1e6),
    "date": ((1,), lambda at: _when(at).date().isoformat()),
    "time": ((1,), lambda at: _when(at).time().isoformat()),
    "totaloffsetminutes": ((1,), lambda at: 0 if _when(at) else None),
    "now": ((0,), lambda: Instant(int(datetime.now(UTC).timestamp() * 1e9))),
    "mindatetime": ((0,), lambda: Instant(-(1 << 62))),
    "maxdatetime": ((0,), lambda: Instant(1 << 62)),
    "round": ((1,), lambda number: math.floor(number + 0.5)),
    "floor": ((1,), math.floor),
    "ceiling": ((1,), math.ceil),
    "geo.distance": ((2,), _distance),
    "geo.length": ((1,), lambda line: _shape(line).length),
    "geo.intersects": ((2,), _spatial(shapely.intersects)),
    "st_equals": ((2,), _spatial(shapely.equals)),
    "st_disjoint": ((2,), _spatial(shapely.disjoint)),
    "st_touches": ((2,), _spatial(shapely.touches)),
    "st_within": ((2,), _spatial(shapely.within)),
    "st_overlaps": ((2,), _spatial(shapely.overlaps)),
    "st_crosses": ((2,), _spatial(shapely.crosses)),
    "st_intersects": ((2,), _spatial(shapely.intersects)),
    "st_contains": ((2,), _spatial(shapely.contains)),
    "st_relate": ((3,), lambda one, other, how: bool(shapely.relate_pattern(_shape(one), _shape(other), how))),
}


def bounds(node: Node | None) -> tuple[int | None, int | None]:
    """The times (from inclusive, to exclusive, ns) outside of which no observation can fulfil the expression."""
    start: int | None = None
    end: int | None = None
    for part in _conjuncts(node):
        match part:
            case ("compared", ("path", "phenomenonTime"), word, ("value", at)) if isinstance(_instant(at), Instant):
                ns = _instant(at).ns
            case ("compared", ("value", at), word, ("path", "phenomenonTime")) if isinstance(_instant(at), Instant):
                ns, word = _instant(at).ns, {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge"}.get(word, word)
            case _:
                continue
        if word in ("ge", "eq", "gt"):
            start = max(start if start is not None else ns, ns)
        if word in ("le", "eq", "lt"):
            end = min(end if end is not None else ns + 1, ns + 1)
    return start, end


def _conjuncts(node: Node | None) -> list[Node]:
    if node is None:
        return []
    return [part for inner in node[1:] for part in _conjuncts(inner)] if node[0] == "both" else [node]


def instant_of(text: Any) -> Any:
    """A property that is a time, for comparisons."""
    return _instant(text)
