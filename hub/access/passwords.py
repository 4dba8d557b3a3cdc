"""Passwords: argon2id hashes (RFC 9106) in the data folder, beside nothing else, readable by the hub alone."""

from __future__ import annotations

import functools
import secrets
from pathlib import Path

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from hub.whole_file import make_folder, read, replace

FILE = "passwords.json"
LENGTH_MIN, LENGTH_MAX = 8, 200
"""NIST SP 800-63B, 5.1.1.2: at least 8 characters, and no rules of which kinds; longer than 200 only costs time."""

_HASHER = PasswordHasher()
"""argon2-cffi's defaults: RFC 9106's second choice, 64 MiB and three passes."""


@functools.cache
def _nobodys() -> str:
    """The hash of no one's password, held against where the name is not known, so that the time taken says nothing of who is."""
    return _HASHER.hash(secrets.token_hex(16))


def fit(password: str) -> str:
    """The password. Raises ValueError with a sentence where it is none."""
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        raise ValueError(f"a password has {LENGTH_MIN} to {LENGTH_MAX} characters")
    return password


def load(data: Path) -> dict[str, str]:
    """User → hash."""
    return read(data / FILE, lambda text: msgspec.json.decode(text, type=dict[str, str]), {})


def store(data: Path, user: str, password: str) -> None:
    """Keep the hash of this user's new password. Raises ValueError for what is none, OSError. Takes tenths of a second."""
    found = load(data) | {user: _HASHER.hash(fit(password))}
    make_folder(data)
    path = data / FILE
    if not path.exists():  # never readable by others, not even for a moment
        path.touch(0o600)
    replace(path, msgspec.json.format(msgspec.json.encode(found)), 0o600)


def right(kept: str | None, shown: str) -> bool:
    """Whether this is the password whose hash is kept; None for a user who has none. Takes tenths of a second, always."""
    nobody = _nobodys()  # for a known user too: else the first answer of a process would be slower for an unknown one
    try:
        _HASHER.verify(kept or nobody, shown[:LENGTH_MAX])
        return kept is not None
    except (Argon2Error, InvalidHashError):
        return False
