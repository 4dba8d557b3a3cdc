"""Unknown devices taken into the registry, or refused, while the hub runs: as changes of the city's own files, which people review.

`devices.csv` gets one line more and is otherwise left as it is, byte for byte; what is proposed is shown first, and is written only where the
file is still the one that was looked at. Refusals stand in `refused_devices.csv`.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from stat import S_IMODE
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

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


class Admission:
    """What the API asks of a running hub. `reload` takes the folder over. `alone`: the hub's only machine; of several each has a folder of its
    own, which is changed where they are all set up."""

    def __init__(self, folder: Path, reload: Callable[[], Awaitable[Any]], alone: bool) -> None:
        self._folder, self._reload, self._alone = folder, reload, alone

    def propose(self, device: str, row: Mapping[str, str]) -> Proposal:
        """See `propose`."""
        self._ask_where()
        return propose(self._folder, device, row)

    async def admit(self, proposal: Proposal) -> Any:
        """Written and taken over; what became of the reload. Raises OSError."""
        await asyncio.to_thread(_replace, self._folder / DEVICES, proposal.content)
        return await self._reload()

    async def refuse(self, refusals: Mapping[str, Refusal]) -> Any:
        """All refusals, written and taken over. Raises NotProposed, OSError."""
        self._ask_where()
        await asyncio.to_thread(refuse, self._folder, refusals)
        return await self._reload()

    def _ask_where(self) -> None:
        if not self._alone:
            raise NotProposed(
                "this city runs on several machines, each with a folder of its own; change devices.csv on all of them"
            )


class Proposal(msgspec.Struct, frozen=True):
    """A line more for `devices.csv`: where, what, and of which file (`base`, its SHA-256)."""

    file: str
    line: int
    added: str
    base: str
    content: bytes


def propose(folder: Path, device: str, row: Mapping[str, str]) -> Proposal:
    """The city's `devices.csv` with this device at its end. `row`: further columns and their texts. Blocks. Raises NotProposed, OSError."""
    path = folder / DEVICES
    data = path.read_bytes() if path.exists() else b""
    try:
        text = read_text(path) if data else ",".join(DEVICE_COLUMNS) + "\n"
    except NotText as error:
        raise NotProposed(f"{DEVICES} {error}") from None
    end = "\r\n" if "\r\n" in text else "\n"
    if not text.endswith("\n"):
        text += end
    header = [column.strip() for column in next(csv.reader(io.StringIO(text)), [])]
    given = {"device": device, **{column: said for column, said in row.items() if said}}
    if missing := [column for column in given if column not in header]:
        raise NotProposed(f"{DEVICES} has no column {missing[0]!r}; add it to its first line, or leave it out here")
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
    registry, mistakes = _read_back(DEVICES, text)
    if mistakes:
        raise NotProposed(f"{DEVICES} line {mistakes[0].line}: {mistakes[0].message}")
    found = registry.devices.get(device)
    if found is None or (found.name, found.kind, found.area) != tuple(given.get(part, "") for part in ("name", "kind", "area")):  # fmt: skip
        raise NotProposed(f"{device!r} cannot stand in {DEVICES} as it is written")


def refuse(folder: Path, refusals: Mapping[str, Refusal]) -> None:
    """All refusals, written anew. Blocks. Raises NotProposed, OSError."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(REFUSED_COLUMNS)
    writer.writerows([device, to_text(said.at), said.who, said.note] for device, said in refusals.items())
    registry, mistakes = _read_back(REFUSED, made.getvalue())
    if mistakes or registry.refused != refusals:
        raise NotProposed(f"{list(refusals)[-1]!r} cannot stand in {REFUSED} as it is written")
    _replace(folder / REFUSED, made.getvalue().encode())


def _read_back(name: str, text: str) -> tuple[Registry, list[Mistake]]:
    """What the hub would read of a file with this text."""
    with TemporaryDirectory() as folder:
        (Path(folder) / name).write_text(text, "utf-8", newline="")
        return load_registry(Path(folder))


def _replace(path: Path, content: bytes) -> None:
    """Whoever could read the file before can do so afterwards."""
    mode = S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    replace(path, content, mode)
