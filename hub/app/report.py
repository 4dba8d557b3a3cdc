from __future__ import annotations
from typing import NamedTuple, Any


class Findings(NamedTuple):
    name: str
    zone: Any
    registry: Any
    book: Any
    tally: Any
    changes: Any
    observed: Any
    judged: Any
    events: Any


def report(findings: Findings) -> str:
    return ""
