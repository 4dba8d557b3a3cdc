"""Users and their passwords as a running hub knows them: read again as soon as a file changes, without a restart.

A file that cannot be used any more changes nothing: the users of before stay, and the hub says what is wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from hub.access import passwords
from hub.access.users import User, load_users
from hub.bilingual import NOTHING, Text, quoted

logger = logging.getLogger(__name__)

Stamp = tuple[int, int, int] | None


class Roll:
    """The users of one city. `asks`: whether the hub asks people who they are; once it does, it does so until it ends."""

    def __init__(self, path: Path, data: Path, told: Callable[[Text], None] = lambda why: None) -> None:
        """`told` hears why the file cannot be used, "" when it can again."""
        self._path, self._data, self._told = path, data, told
        self._users: dict[str, User] = {}
        self._hashes: dict[str, str] = {}
        self._stamps: dict[Path, Stamp] = {}
        self._asks = path.exists()

    @property
    def asks(self) -> bool:
        return bool(self.users) or self._asks

    @property
    def path(self) -> Path:
        """Where the users stand."""
        return self._path

    @property
    def users(self) -> Mapping[str, User]:
        if self._changed(self._path):
            self._read()
        return self._users

    def kept(self, user: str) -> str | None:
        """The hash of the user's password; None where there is none, or the user may not come in."""
        found = self.users.get(user)
        return None if found is None or found.disabled else self._hash(user)

    def has_password(self, user: str) -> bool:
        """Whether there is a hash for this name, also of one who is disabled."""
        return self._hash(user) is not None

    def _hash(self, user: str) -> str | None:
        if self._changed(self._data / passwords.FILE):
            self._hashes = passwords.load(self._data)
        return self._hashes.get(user)

    def _read(self) -> None:
        if not self._path.exists():
            if self._asks:
                self._say(
                    Text(f"{self._path} is gone; the users of before stay", f"{self._path} 已不存在；仍沿用原有用户")
                )
            return
        self._asks = True
        users, mistakes = load_users(self._path)
        if mistakes:
            wrong = quoted("; ".join(map(str, mistakes[:3])))
            self._say(wrong + Text("; the users of before stay", "：用户文件有误，仍沿用原有用户"))
            return
        self._users = users
        self._told(NOTHING)

    def _say(self, why: Text) -> None:
        logger.error("users: %s", why)
        self._told(why)

    def _changed(self, path: Path) -> bool:
        stamp = _stamp(path)
        if path in self._stamps and self._stamps[path] == stamp:
            return False
        self._stamps[path] = stamp
        return True


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
