"""The audit: what people and programs did, refused acts too, in a file of its own that only grows.

`audit/YYYY-MM.jsonl` in the data folder, one JSON object a line. Each line ends with `"previous"`, the hash of the line before, and
`"hash"`, the SHA-256 of the line's own bytes up to `,"hash":`. Whoever changes, removes or inserts a line breaks the chain from there on;
`audit.head` beside the folder remembers how far the chain had come, so that a cut end shows too. Who can write both files can forge
both: note the head that `cityhub audit verify` prints somewhere else (docs/access.md).

Nothing is ever taken out of it, so what people write freely, which may name anybody, does not stand in it: of a note it has the length and the hash
(`FREE`). The words stand in the log and in `notes.json`, which forget.

`audit.reserve` is room that the audit gives up on a full disk, so that what is done about it can be noted: a backup, an export, an erasure. It is
taken again once there is room.

Several processes may append (the hub, and commands while it does not run): each holds a lock on the head while it does.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hub.moment import to_text
from hub.whole_file import make_folder, sync_folder

FOLDER, HEAD, RESERVE = "audit", "audit.head", "audit.reserve"
RESERVE_BYTES = 1 << 20
"""Some two thousand acts."""
FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
START = "0" * 64
"""What the first line has as its previous hash."""
DETAIL_MAX = 16 << 10
"""Bytes of `before` and of `after`; what is longer is kept as its beginning and its SHA-256."""
FREE = "note"
"""The key of what somebody wrote freely."""
SEAL = b',"hash":"'


class Act(msgspec.Struct, frozen=True):
    """One act. `outcome`: allowed (noted before it is done), failed (it could not be done after all), refused, done."""

    who: str
    kind: str
    address: str
    action: str
    target: str = ""
    outcome: str = "allowed"
    before: Any = None
    after: Any = None
    detail: str = ""


class AuditUnavailable(Exception):
    """The audit cannot be written; what cannot be noted is not done."""


class _Head(NamedTuple):
    number: int
    hash: str


class Audit:
    """Appends to the audit of one data folder. Threads may share it."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._mutex = threading.Lock()

    def append(self, act: Act, at: int) -> int:
        """Note an act, durably; gives its number. Raises `AuditUnavailable`. Blocking: a few milliseconds."""
        try:
            with self._mutex:
                try:
                    number = self._append(act, at)
                except OSError as error:
                    if error.errno not in FULL or not self._give_up_reserve():
                        raise
                    number = self._append(act, at)
                else:
                    self._keep_reserve()
                return number
        except OSError as error:
            raise AuditUnavailable(f"the audit cannot be written ({error.strerror or error})") from error

    def _give_up_reserve(self) -> bool:
        try:
            os.unlink(self._data / RESERVE)
        except OSError:
            return False
        return True

    def _keep_reserve(self) -> None:
        path, beginning = self._data / RESERVE, self._data / f"{RESERVE}.new"
        if path.exists():
            return
        try:
            fd = os.open(beginning, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(fd, 0, RESERVE_BYTES)
            finally:
                os.close(fd)
            os.rename(beginning, path)
        except OSError:  # no room: the next act tries again
            with suppress(OSError):
                os.unlink(beginning)

    def _append(self, act: Act, at: int) -> int:
        folder = self._data / FOLDER
        make_folder(folder)
        fd = os.open(self._data / HEAD, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            path = folder / f"{to_text(at)[:7]}.jsonl"
            newest = _files(folder)[-1:]
            if newest and newest[0].name > path.name:  # a clock that was set back must not part the chain
                path = newest[0]
            last = _last(newest[0]) if newest else _Head(0, START)
            line = _line(act, at, last)
            fresh = not path.exists()
            with open(path, "ab", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                whole = file.tell()
                try:
                    if file.write(line) < len(line):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    os.fdatasync(file.fileno())
                except OSError:  # what is not noted for sure is not noted at all
                    with suppress(OSError):
                        file.truncate(whole)
                    raise
            if fresh:
                sync_folder(folder)
            number, digest = last.number + 1, _hash_of(line)
            os.pwrite(fd, f"{number:20d} {digest}\n".encode(), 0)
            os.fdatasync(fd)
            return number
        finally:
            os.close(fd)


def _line(act: Act, at: int, last: _Head) -> bytes:
    shown = {
        "number": last.number + 1,
        "at": to_text(at),
        "who": act.who,
        "kind": act.kind,
        "address": act.address,
        "action": act.action,
        "target": act.target,
        "outcome": act.outcome,
        "before": _kept(act.before),
        "after": _kept(act.after),
        "detail": act.detail,
        "previous": last.hash,
    }
    body = msgspec.json.encode(shown)[:-1]
    return body + SEAL + hashlib.sha256(body).hexdigest().encode() + b'"}\n'


def of_note(text: str) -> Any:
    """What the audit keeps of a note: enough to prove one that somebody still has. An empty one says that nothing was written."""
    return {"characters": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()} if text else text


def _kept(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get(FREE), str):
        value = {**value, FREE: of_note(value[FREE])}
    encoded = msgspec.json.encode(value)
    if len(encoded) <= DETAIL_MAX:
        return msgspec.json.decode(encoded)
    return {"begins": encoded[:1000].decode("utf-8", "replace"), "bytes": len(encoded), "sha256": hashlib.sha256(encoded).hexdigest()}  # fmt: skip


def _hash_of(line: bytes) -> str:
    return line.rpartition(SEAL)[2][:64].decode("ascii", "replace")


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("????-??.jsonl"))


def _last(path: Path) -> _Head:
    """Number and hash of the file's last line. What a crash left behind it, a line without an end, was never acknowledged and goes."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        reach, tail = 4 * DETAIL_MAX, b""
        while True:
            file.seek(max(0, size - reach))
            tail = file.read()
            whole = tail[: tail.rfind(b"\n") + 1]
            lines = whole.splitlines()
            if len(lines) > 1 or reach >= size:
                break
            reach *= 4
        if len(whole) < len(tail):
            file.truncate(size - (len(tail) - len(whole)))
            os.fdatasync(file.fileno())
    if not lines:
        earlier = [other for other in _files(path.parent) if other < path]
        return _last(earlier[-1]) if earlier else _Head(0, START)
    try:
        number = int(msgspec.json.decode(lines[-1])["number"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        raise OSError(f"the last line of {path} is no entry; `cityhub audit verify` says more") from None
    return _Head(number, _hash_of(lines[-1]))


# ------------------------------------------------------------------------------------------------- reading


def entries(data: Path) -> Iterator[dict[str, Any]]:
    """All entries, oldest first; lines that are none are left out (`verify` names them)."""
    for path in _files(data / FOLDER):
        with path.open("rb") as file:
            for line in file:
                try:
                    found = msgspec.json.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue
                if isinstance(found, dict) and "number" in found:
                    yield found


class Verified(NamedTuple):
    """How many entries, the newest one's hash, and a sentence for each place where the chain is broken."""

    entries: int
    head: str
    faults: list[str]


def verify(data: Path) -> Verified:
    """Walk the whole chain."""
    last, count, faults = _Head(0, START), 0, []
    remembered = _remembered(data)
    reached = remembered == last
    for path in _files(data / FOLDER):
        with path.open("rb") as file:
            for at, line in enumerate(file, 1):
                told = _fault(line, last)
                if told:
                    faults.append(f"{path}:{at}: {told}")
                count += 1
                last = _Head(_number(line, last.number + 1), hashlib.sha256(line.rpartition(SEAL)[0]).hexdigest())
                reached = reached or last == remembered
    if remembered is not None and not reached:
        faults.append(
            f"{data / HEAD}: entry {remembered.number} with the hash {remembered.hash} is not in the chain: the end was cut off or replaced"
        )
    return Verified(count, last.hash, faults)


def _fault(line: bytes, last: _Head) -> str:
    body, seal, _ = line.rpartition(SEAL)
    try:
        entry = msgspec.json.decode(line)
        number, previous, shown = entry["number"], entry["previous"], entry["hash"]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return "this line is no entry"
    if not seal or line != body + SEAL + str(shown).encode() + b'"}\n':
        return "this line does not end with its hash"
    if hashlib.sha256(body).hexdigest() != shown:
        return f"entry {number} was changed: its hash is another"
    if number != last.number + 1:
        return f"entry {number} follows entry {last.number}: something was removed, inserted or moved here"
    return "" if previous == last.hash else f"entry {number} does not follow from the one before it"


def _number(line: bytes, otherwise: int) -> int:
    try:
        return int(msgspec.json.decode(line)["number"])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        return otherwise


def _remembered(data: Path) -> _Head | None:
    """How far the chain had come; nothing where it never began, or ended in a crash at its very first entry."""
    try:
        text = (data / HEAD).read_text("ascii").split()
        return _Head(int(text[0]), text[1]) if text else _Head(0, START)
    except (OSError, ValueError, IndexError):
        return None if not _files(data / FOLDER) else _Head(-1, "missing")
