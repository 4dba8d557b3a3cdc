"""SenML's unit symbols (IANA registry "SenML Units", RFC 8428 §12.1 and RFC 8798) as the vocabulary spells them."""

from __future__ import annotations

_SPELLINGS = {
    "EL": "1",
    "%EL": "%",
    "%RH": "%",
    "/": "1",
    "/100": "%",
    "l": "L",
    "l/s": "L/s",
    "l/h": "L/h",
    "l/min": "L/min",
    "mg/l": "mg/L",
    "ug/l": "ug/L",
    "g/l": "g/L",
    "Bspl": "dB[SPL]",
    "beats": "count",
    "1/min": "1/min",
    "lat": "deg",
    "lon": "deg",
    "vars": "kvarh",
}


def to_ucum(symbol: str) -> str:
    """The spelling of `hub/units.py`; symbols that are the same in both, and unknown ones, pass as they are."""
    return _SPELLINGS.get(symbol, symbol)
