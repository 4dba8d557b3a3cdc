"""Numbers as other makers write them: 1.554,25 with a decimal comma, -76 dBm with a unit behind."""

from __future__ import annotations

import re
from collections.abc import Callable

TEXT_MAX = 200
"""Characters; no number and what stands behind it is longer, and patterns take their time with long texts."""
_COMMA_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:[. \u00a0\u202f]\d{3})+|\d*)(?:,\d*)?(?:[eE][+-]?\d+)?")
"""A decimal comma; points, blanks or narrow blanks stand only between groups of three digits, so that 1.5 is no 15."""
_GROUPING = str.maketrans({".": None, " ": None, "\u00a0": None, "\u202f": None, ",": "."})


def number_reader(decimal: str = ".", suffix: str = "") -> Callable[[str], float]:
    """Reads a number with this decimal sign ("." or ",") and, behind it, what the pattern `suffix` says or nothing. What it reads
    raises ValueError where it is none; the pattern itself must be valid (`pattern_mistake`)."""
    if decimal == "." and not suffix:
        return float
    behind = re.compile(rf"(.*?)(?:{suffix})?")

    def read(text: str) -> float:
        if len(text) > TEXT_MAX:
            raise ValueError(text[:TEXT_MAX])
        found = behind.fullmatch(text.strip())
        number = found[1].strip() if found else text
        if decimal == ",":
            if not _COMMA_NUMBER.fullmatch(number):
                raise ValueError(number)
            number = number.translate(_GROUPING)
        return float(number)

    return read


def pattern_mistake(suffix: str) -> str:
    """Why `suffix` is no pattern, "" where it is one."""
    try:
        re.compile(suffix)
    except re.error as error:
        return f"suffix is no pattern: {error}"
    return ""
