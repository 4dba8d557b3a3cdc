"""The expression grammar: text in, a tree out, every node with the offset at which it stands.

depth >= 25 cm or (depth >= 15 cm and rise > 1 cm/min) for 2 min
mean(rain_intensity, 30 min, within 3 km, at least 2) > 20 mm/h
2 of 3 (pm25 > 250 ug/m3)          fire_alarm then smoke > 3 %/m within 10 min
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from math import isinf
from typing import Any, TypeAlias

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError

GRAMMAR = r"""
clause: expr ("for" quantity)?
?expr: disjunction
     | disjunction "then" disjunction "within" quantity -> then
?disjunction: conjunction ("or" conjunction)*
?conjunction: negation ("and" negation)*
?negation: "not" negation -> negate
         | comparison
?comparison: sum (COMPARE sum)*
           | STRING "in" sum -> contains
?sum: product
    | sum PLUS product -> arith
    | sum MINUS product -> arith
?product: unary
    | product TIMES unary -> arith
    | product OVER unary -> arith
?unary: MINUS unary -> minus
      | atom
?atom: quantity
     | NUMBER -> number
     | STRING -> text
     | PERCENT_OF atom -> percent_of
     | K_OF_N "(" expr ")" -> k_of_n
     | "true" -> true
     | "false" -> false
     | NAME "(" [argument ("," argument)*] ")" -> call
     | NAME -> name
     | "(" expr ")"
?argument: expr
         | "within" quantity -> within
         | UPSTREAM ("within" quantity)? -> upstream
         | SAME "area" -> same_area
         | SAME "zone" STRING? -> same_zone
         | AHEAD STRING? -> ahead
         | INSIDE -> inside
         | PASSING -> passing
         | "together" quantity -> together
         | "margin" quantity -> margin
         | "at" "least" NUMBER -> at_least
quantity: QUANTITY

UPSTREAM: "upstream"
SAME: "same"
AHEAD: "ahead"
INSIDE: "inside"
PASSING: "passing"
COMPARE: ">=" | "<=" | "==" | "!=" | ">" | "<"
PLUS: "+"
MINUS: "-"
TIMES: "*"
OVER: "/"
K_OF_N.3: /\d+\s+of\s+\d+/
PERCENT_OF.3: /\d+(?:\.\d+)?\s*%\s*of\b/
QUANTITY.2: /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\s*(?!(?:and|or|of|for|then|within|not)(?![A-Za-z0-9_\/]))[%°µμA-Za-z\[{][A-Za-z0-9%°µμ³²\/.\[\]{}_]*/
NUMBER: /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/
STRING: /"[^"\n]*"|'[^'\n]*'/
NAME: /[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*|#[a-z0-9][a-z0-9_]*)?/
%ignore /\s+/
"""

MAX_LENGTH = 2_000
"""Characters in one expression."""


@dataclass(frozen=True, slots=True)
class Quantity:
    value: float
    unit: str | None
    at: int


@dataclass(frozen=True, slots=True)
class Text:
    value: str
    at: int


@dataclass(frozen=True, slots=True)
class Truth:
    value: bool
    at: int


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Negative:
    operand: Tree
    at: int


@dataclass(frozen=True, slots=True)
class Arithmetic:
    op: str
    left: Tree
    right: Tree
    at: int


@dataclass(frozen=True, slots=True)
class Share:
    """`80 % of X`."""

    percent: float
    operand: Tree
    at: int


@dataclass(frozen=True, slots=True)
class Compare:
    op: str
    left: Tree
    right: Tree
    at: int


@dataclass(frozen=True, slots=True)
class Contains:
    text: str
    operand: Tree
    at: int


@dataclass(frozen=True, slots=True)
class Junction:
    op: str  # "and" or "or"
    parts: tuple[Tree, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Not:
    operand: Tree
    at: int


@dataclass(frozen=True, slots=True)
class KofN:
    k: int
    n: int
    operand: Tree
    at: int


@dataclass(frozen=True, slots=True)
class Then:
    first: Tree
    second: Tree
    within: Quantity
    at: int


@dataclass(frozen=True, slots=True)
class Scope:
    """Which other devices: "within" a distance, "upstream" (`distance` is then a time of travel), "same area", "same zone" (of that name or kind), that zone and those "ahead",
    all "inside" the place that is the subject, or all "passing" through it."""

    which: str
    distance: Quantity | None
    at: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class AtLeast:
    count: int
    at: int


@dataclass(frozen=True, slots=True)
class Margin:
    """How far beyond the edge of a zone one has to be to be out of it."""

    distance: Quantity
    at: int


@dataclass(frozen=True, slots=True)
class Together:
    """How far from one of them others may be to stand at one spot with it."""

    distance: Quantity
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: tuple[Tree | Aside, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition and how long it must hold."""

    condition: Tree
    duration: Quantity | None


Tree: TypeAlias = (
    Quantity
    | Text
    | Truth
    | Name
    | Negative
    | Arithmetic
    | Share
    | Compare
    | Contains
    | Junction
    | Not
    | KofN
    | Then
    | Call
)


Aside: TypeAlias = Scope | AtLeast | Margin | Together
"""What stands among the arguments of a function without being a value."""


class ExpressionError(ValueError):
    """Text that is not an expression: a sentence, and the offset at which it goes wrong."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def _at(item: Any) -> int:
    return int(item.start_pos or 0) if isinstance(item, Token) else int(item.at)


def _number(text: str, at: int) -> float:
    """The one place where the digits of an expression become a number."""
    value = float(text)
    if isinf(value):
        raise ExpressionError(f"{text[:20]} is larger than any number here", at)
    return value


@v_args(inline=True)
class _Build(Transformer[Token, Any]):
    def clause(self, condition: Tree, duration: Quantity | None = None) -> Clause:
        return Clause(condition, duration)

    def quantity(self, token: Token) -> Quantity:
        digits = len(token)
        for index, char in enumerate(token):
            exponent = (
                char in "eE" and index + 1 < len(token) and (token[index + 1].isdigit() or token[index + 1] in "+-")
            )
            if not (char.isdigit() or char in ".+-" or exponent):
                digits = index
                break
        return Quantity(_number(token[:digits].strip(), _at(token)), token[digits:].strip(), _at(token))

    def number(self, token: Token) -> Quantity:
        return Quantity(_number(token, _at(token)), None, _at(token))

    def text(self, token: Token) -> Text:
        return Text(token[1:-1], _at(token))

    def true(self) -> Truth:
        return Truth(True, 0)

    def false(self) -> Truth:
        return Truth(False, 0)

    def name(self, token: Token) -> Name:
        return Name(str(token), _at(token))

    def minus(self, sign: Token, operand: Tree) -> Tree:
        if isinstance(operand, Quantity):
            return Quantity(-operand.value, operand.unit, _at(sign))
        return Negative(operand, _at(sign))

    def arith(self, left: Tree, op: Token, right: Tree) -> Arithmetic:
        return Arithmetic(str(op), left, right, _at(op))

    def percent_of(self, token: Token, operand: Tree) -> Share:
        return Share(_number(token.split("%")[0], _at(token)), operand, _at(token))

    def comparison(self, first: Tree, *rest: Any) -> Tree:
        links: list[Tree] = []
        left = first
        for op, right in zip(rest[::2], rest[1::2], strict=True):
            links.append(Compare(str(op), left, right, _at(left)))
            left = right
        return links[0] if len(links) == 1 else Junction("and", tuple(links), _at(first))

    def contains(self, token: Token, operand: Tree) -> Contains:
        return Contains(token[1:-1], operand, _at(token))

    def negate(self, operand: Tree) -> Not:
        return Not(operand, _at(operand))

    def conjunction(self, *parts: Tree) -> Junction:
        return Junction("and", parts, _at(parts[0]))

    def disjunction(self, *parts: Tree) -> Junction:
        return Junction("or", parts, _at(parts[0]))

    def then(self, first: Tree, second: Tree, within: Quantity) -> Then:
        return Then(first, second, within, _at(first))

    def k_of_n(self, token: Token, operand: Tree) -> KofN:
        k, _, n = token.split()
        return KofN(int(_number(k, _at(token))), int(_number(n, _at(token))), operand, _at(token))

    def call(self, name: Token, *arguments: Any) -> Call:
        return Call(str(name), tuple(a for a in arguments if a is not None), _at(name))

    def within(self, distance: Quantity) -> Scope:
        return Scope("within", distance, distance.at)

    def upstream(self, token: Token, travel: Quantity | None = None) -> Scope:
        return Scope("upstream", travel, _at(token))

    def same_area(self, token: Token) -> Scope:
        return Scope("same area", None, _at(token))

    def same_zone(self, token: Token, name: Token | None = None) -> Scope:
        return Scope("same zone", None, _at(token), name[1:-1] if name else "")

    def inside(self, token: Token) -> Scope:
        return Scope("inside", None, _at(token))

    def ahead(self, token: Token, name: Token | None = None) -> Scope:
        return Scope("ahead", None, _at(token), name[1:-1] if name else "")

    def passing(self, token: Token) -> Scope:
        return Scope("passing", None, _at(token))

    def together(self, distance: Quantity) -> Together:
        return Together(distance, distance.at)

    def margin(self, distance: Quantity) -> Margin:
        return Margin(distance, distance.at)

    def at_least(self, token: Token) -> AtLeast:
        return AtLeast(int(_number(token, _at(token))), _at(token))


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, start="clause", parser="lalr", maybe_placeholders=True)


_SHOWN = {"QUANTITY": "a quantity such as 5 cm", "NUMBER": "a number", "NAME": "a name", "STRING": "a text in quotes"}


@lru_cache(maxsize=4096)
def parse(text: str) -> Clause:
    """The tree of an expression with its optional `for` duration; remembered, since a book is read and said many times over.
    Raises `ExpressionError`."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH} characters", 0)
    try:
        tree = _parser().parse(text)
        clause = _Build().transform(tree)
    except UnexpectedToken as error:
        raise ExpressionError(_explain(error, text), _offset(error, text)) from None
    except UnexpectedCharacters as error:
        position = _offset(error, text)
        hint = "; '==' was meant?" if text[position : position + 1] == "=" else ""
        raise ExpressionError(f"{text[position : position + 1]!r} does not belong here{hint}", position) from None
    except (UnexpectedEOF, UnexpectedInput) as error:
        raise ExpressionError("the expression ends too early", _offset(error, text)) from None
    except VisitError as error:
        if isinstance(error.orig_exc, ExpressionError):
            raise error.orig_exc from None
        raise ExpressionError("the expression is nested too deeply", 0) from None
    except RecursionError:
        raise ExpressionError("the expression is nested too deeply", 0) from None
    assert isinstance(clause, Clause)
    return clause


def _offset(error: UnexpectedInput, text: str) -> int:
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        return len(text)
    position = getattr(error, "pos_in_stream", None)
    return position if isinstance(position, int) and position >= 0 else len(text)


def _explain(error: UnexpectedToken, text: str) -> str:
    if error.token.type == "$END":
        return "the expression ends too early"
    found = str(error.token)
    if error.token.type == "NAME" and set(error.accepts or ()) >= {"COMPARE"}:
        return f"{found!r} does not belong here; a comparison, 'and', 'or' or 'for' could follow"
    wanted = sorted(_SHOWN[name] for name in (error.accepts or ()) if name in _SHOWN)
    return f"{found!r} does not belong here" + (f"; expected {' or '.join(wanted)}" if wanted else "")
