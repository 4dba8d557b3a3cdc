"""Text that XML 1.0 can hold (clause 2.2): control characters, lone surrogates and non-characters are replaced."""

from __future__ import annotations

import re

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
