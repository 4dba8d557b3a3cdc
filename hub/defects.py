"""What is kept of an exception that nobody foresaw: its type and the place in the code, not its words.

Python and its libraries quote in their words the value that they failed at (`could not convert string to float: 'Li Na, plate B-77'`). The value may tell of a person,
or be a password. Health, journals, the audit and the process's log are read by more people than may know it, so whoever catches an exception of any kind says it by
`told`, and the log's formatters write tracebacks by `traceback_of`. What was meant for people keeps its words: a `Text`, what the system says of a file or a
connection, and arithmetic, whose words hold no value.
"""

from __future__ import annotations

import traceback
from types import TracebackType

from hub.bilingual import Text, same
from hub.error_words import named, words_of

OURS = ("hub", "adapters", "rules")
"""Packages that are told of beside a library or a plug-in that they call."""
_CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
_MEANWHILE = "\nDuring handling of the above exception, another exception occurred:\n\n"


def told(error: BaseException) -> Text:
    """The exception for health, journals and the audit: `KeyError at hub.app.sources:72`, or `ValueError at json.decoder:355, called from hub.wire:80`."""
    if _meant_for_people(error):
        return words_of(error)
    if isinstance(error, OSError | ArithmeticError):
        return named(error)
    name, (place, caller) = type(error).__name__, _places(error.__traceback__)
    if not place:
        return same(name)
    if not caller:
        return Text(f"{name} at {place}", f"{name}（位于 {place}）")
    return Text(f"{name} at {place}, called from {caller}", f"{name}（位于 {place}，由 {caller} 调用）")


def _places(trace: TracebackType | None) -> tuple[str, str]:
    """`module:line` of the innermost frame, and of the innermost of our own code where that is another. Empty for what was never raised."""
    frames = [
        f"{frame.f_globals.get('__name__') or frame.f_code.co_name}:{line}" for frame, line in traceback.walk_tb(trace)
    ]
    ours = [place for place in frames if place.partition(".")[0] in OURS]
    place, caller = frames[-1] if frames else "", ours[-1] if ours else ""
    return place, caller if caller != place else ""


def traceback_of(error: BaseException) -> str:
    """As Python writes it, with what caused it, but without words that may quote a value."""
    return _chain(error, set()).rstrip("\n")


def _chain(error: BaseException, seen: set[int]) -> str:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    text = ""
    if before is not None and id(before) not in seen:
        text = _chain(before, seen) + (_CAUSED if error.__cause__ is not None else _MEANWHILE)
    text += "Traceback (most recent call last):\n" + "".join(traceback.format_tb(error.__traceback__))
    text += f"{_last_line(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        parts = (_chain(part, seen) for part in error.exceptions if id(part) not in seen)
        text += "".join(f"  | {line}\n" for part in parts for line in part.splitlines())
    return text


def _last_line(error: BaseException) -> str:
    if _meant_for_people(error) or isinstance(error, OSError | ArithmeticError):
        return named(error).en
    return type(error).__name__


def _meant_for_people(error: BaseException) -> bool:
    return bool(error.args) and isinstance(error.args[0], Text)
