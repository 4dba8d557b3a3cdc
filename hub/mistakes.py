"""What is wrong in the city folder, and in which line: TOML's own reader keeps no lines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple


class Mistake(NamedTuple):
    """Something wrong in the city folder. `str()` gives the line that `cityhub check` prints."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def toml_lines(text: str) -> dict[tuple[Any, ...], int]:
    """Line of every table and key: ("adapters", 0, "listen") → 17. tomllib keeps no lines, so this reads the headers."""
    lines: dict[tuple[Any, ...], int] = {}
    counts: dict[str, int] = {}
    here: tuple[Any, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if array := re.match(r"\s*\[\[\s*([\w.-]+)\s*\]\]", line):
            here = (array[1], counts.get(array[1], 0))
            counts[array[1]] = here[1] + 1
            lines.setdefault((array[1],), number)
            lines[here] = number
        elif header := re.match(r"\s*\[\s*([\w.-]+)\s*\]", line):
            parts = header[1].split(".")
            parent = (parts[0], counts[parts[0]] - 1) if parts[0] in counts else (parts[0],)
            here = (*parent, *parts[1:])
            lines[here] = number
        elif key := re.match(r"""\s*["']?([\w-]+)["']?(?:\.[\w-]+)*\s*=""", line):
            lines.setdefault((*here, key[1]), number)
    return lines


def in_map(path: Path, sentence: str) -> Mistake:
    """ "pumps.toml: pump-1, flow: …" as a mistake in that file, at the line where pump-1's flow stands."""
    sentence = sentence.removeprefix(f"{path}: ").removeprefix(f"{path.name}: ")
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    line = 0
    if told := re.search(r"\(at line (\d+)", sentence):
        line = int(told[1]) - 1
    elif "(at end of document)" in sentence:
        line = len(lines) - 1
    elif ": " in sentence:
        for word in re.findall(r"[\w./-]+", sentence.partition(": ")[0]):
            named = re.compile(
                rf'["\'=]\s*{re.escape(word)}["\']|^\s*\W*{re.escape(word)}\W*\s*=|\[{re.escape(word)}\]'
            )
            line = next((number for number in range(line, len(lines)) if named.search(lines[number])), line)
    return Mistake(str(path), line + 1, sentence)
