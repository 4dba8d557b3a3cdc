"""Text files that people bring: in which encoding they are, and what they are where they are no text."""

from __future__ import annotations

import codecs
import gzip
import io
import re
from pathlib import Path
from typing import IO

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
GZIP = b"\x1f\x8b"
_KINDS = (
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet (.xlsx, .ods)"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet (.xls)"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF-", "a PDF document"),
    (b"BZh", "packed by bzip2"),
    (b"\xfd7zXZ", "packed by xz"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89HDF", "an HDF5 or netCDF file"),
    (b"CDF", "a netCDF file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)
FORMULA = r"^'*[=+@\t\r-]"
"""What a spreadsheet would run, or what stands for it: signs that begin a formula, also behind apostrophes that keep them from it.
DuckDB reads this pattern too (`hub.store.duckdb.copy_statement`)."""
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
"""A whole text that is a number, signed or not, and so no formula. DuckDB reads it too."""
_FORMULA, _NUMBER = re.compile(FORMULA), re.compile(NUMBER)
_LOST = re.compile("[\udc80-\udcff]")


def harmless(text: str) -> str:
    """The text for a CSV that a spreadsheet may open: an apostrophe stands before what would be a formula. Names and texts come from
    devices and people (CWE-1236)."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def as_written(text: str) -> str:
    """What `harmless` made it of."""
    return text[1:] if text[:1] == "'" and _FORMULA.match(text) else text


class NotText(ValueError):
    """What the file is instead, in a sentence."""


def open_text(path: Path, encoding: str = "") -> IO[str]:
    """The file as text, unpacked where it is gzip: in `encoding`, else in UTF-16 where it begins so, else in UTF-8. Bytes that are
    none come as surrogates, for `undecoded`. Raises OSError, and `NotText`."""
    raw = _unpacked(path)
    try:
        beginning = raw.peek(16)[:16]
        for sign, kind in _KINDS:
            if beginning.startswith(sign):
                raise NotText(f"{path} is {kind}; save or unpack it as text (CSV)")
        if not encoding:
            encoding = "utf-16" if beginning.startswith(UTF_16) else "utf-8-sig"
        return io.TextIOWrapper(raw, encoding, errors="replace" if "16" in encoding else "surrogateescape", newline="")
    except BaseException:
        raw.close()
        raise


def read_text(path: Path) -> str:
    """All of a small UTF-8 file. Raises OSError, and `NotText` with a sentence that names neither codecs nor their errors."""
    data = path.read_bytes()
    for sign, kind in ((GZIP, "packed by gzip"), *_KINDS):
        if data.startswith(sign):
            raise NotText(f"is {kind}; text was meant")
    if data.startswith(UTF_16):
        raise NotText("is UTF-16 text; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotText(
            f"is not UTF-8 text (line {line} has the byte 0x{data[error.start]:02X}); save it as UTF-8: spreadsheets often write "
            "the system's own encoding, such as GBK"
        ) from None


def _unpacked(path: Path) -> io.BufferedReader | gzip.GzipFile:
    raw = path.open("rb")
    if not raw.peek(2).startswith(GZIP) and path.suffix != ".gz":
        return raw
    raw.close()
    return gzip.open(path, "rb")


def undecoded(line: str, encoding: str = "") -> str:
    """A sentence where a line holds bytes that its encoding has not, else ""."""
    found = None if line.isascii() else _LOST.search(line)
    if found is None:
        return ""
    byte = ord(found[0]) - 0xDC00
    hint = (
        ""
        if encoding
        else '; say the file\'s in the map, such as encoding = "gb18030" for a Chinese spreadsheet or "cp1252"'
    )
    return f"byte 0x{byte:02X} at character {found.start() + 1} is no {encoding or 'UTF-8'}{hint}"


def known_encoding(name: str) -> bool:
    """Whether text can be read in an encoding of that name."""
    try:
        return codecs.lookup(name)._is_text_encoding
    except LookupError:
        return False
