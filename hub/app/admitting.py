"""Unknown devices taken into the registry, or refused: as changes of the city's own files, which people review.

`devices.csv` gets one line more and is otherwise left as it is, byte for byte; what is proposed is shown first, and is written only where the
file is still the one that was looked at. Refusals stand in `refused_devices.csv`.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from stat import S_IMODE
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from hub.bilingual import Text, quoted
from hub.mistakes import Mistake
from hub.model import Refusal
from hub.moment import to_text
from hub.registry import DEVICE_COLUMNS, REFUSED_COLUMNS, Registry, load_registry
from hub.text_files import NotText, read_text
from hub.whole_file import replace

DEVICES, REFUSED = "devices.csv", "refused_devices.csv"
BOM = b"\xef\xbb\xbf"


class NotProposed(ValueError):
    """The line cannot be written as it was meant; its text says why."""


class Proposal(msgspec.Struct, frozen=True):
    """A change of a file of the city: where, what comes, what goes, and of which file (`base`, its SHA-256). `before`: what is changed as it was, for the
    audit."""

    file: str
    line: int
    added: str
    base: str
    content: bytes
    removed: str = ""
    before: Any = None


def propose(folder: Path, device: str, row: Mapping[str, str]) -> Proposal:
    """The city's `devices.csv` with this device at its end. `row`: further columns and their texts. Blocks. Raises NotProposed, OSError."""
    path = folder / DEVICES
    data = path.read_bytes() if path.exists() else b""
    try:
        text = read_text(path) if data else ",".join(DEVICE_COLUMNS) + "\n"
    except NotText as error:
        raise NotProposed(quoted(f"{DEVICES} {error}")) from None
    end = "\r\n" if "\r\n" in text else "\n"
    if not text.endswith("\n"):
        text += end
    header = [column.strip() for column in next(csv.reader(io.StringIO(text)), [])]
    given = {"device": device, **{column: said for column, said in row.items() if said}}
    if missing := [column for column in given if column not in header]:
        raise NotProposed(
            Text(
                f"{DEVICES} has no column {missing[0]!r}; add it to its first line, or leave it out here",
                f"{DEVICES} 没有 {missing[0]!r} 列；请在首行添加，或在此留空",
            )
        )
    made = io.StringIO()
    csv.writer(made, lineterminator=end).writerow([given.get(column, "") for column in header])
    whole = text + made.getvalue()
    _hold(whole, device, given)
    content = (BOM if data.startswith(BOM) else b"") + whole.encode()
    return Proposal(
        DEVICES, whole.count("\n"), made.getvalue().rstrip("\r\n"), hashlib.sha256(data).hexdigest(), content
    )


def _hold(text: str, device: str, given: Mapping[str, str]) -> None:
    """The file must read back as what was meant: an id that begins as a comment does, or that is not clean, would not."""
    registry, mistakes = read_back(DEVICES, text)
    if mistakes:
        raise NotProposed(mistaken(DEVICES, mistakes[0]))
    found = registry.devices.get(device)
    if found is None or (found.name, found.kind, found.area) != tuple(given.get(part, "") for part in ("name", "kind", "area")):  # fmt: skip
        raise NotProposed(_unfit(device, DEVICES))


def refuse(folder: Path, refusals: Mapping[str, Refusal]) -> None:
    """All refusals, written anew. Blocks. Raises NotProposed, OSError."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(REFUSED_COLUMNS)
    writer.writerows([device, to_text(said.at), said.who, said.note] for device, said in refusals.items())
    registry, mistakes = read_back(REFUSED, made.getvalue())
    if mistakes or registry.refused != refusals:
        raise NotProposed(_unfit(list(refusals)[-1], REFUSED))
    replace_file(folder / REFUSED, made.getvalue().encode())


def mistaken(file: str, found: Mistake) -> Text:
    """What would be wrong in that file."""
    said = quoted(found.message)
    return Text(f"{file} line {found.line}: ", f"{file} 第 {found.line} 行：") + said


def _unfit(device: str, file: str) -> Text:
    return Text(f"{device!r} cannot stand in {file} as it is written", f"{device!r} 这样写无法存入 {file}")


def read_back(name: str, text: str) -> tuple[Registry, list[Mistake]]:
    """What the hub would read of a file with this text."""
    with TemporaryDirectory() as folder:
        (Path(folder) / name).write_text(text, "utf-8", newline="")
        return load_registry(Path(folder))


def replace_file(path: Path, content: bytes) -> None:
    """Whoever could read the file before can do so afterwards."""
    mode = S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    replace(path, content, mode)
