"""Secrets stand outside the city folder, in the environment or in files of their own. This is the one place where such files are read.

A file may begin with a byte order mark and end in a line break, as editors write them. What it says is in no sentence of this module.
"""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from hub.text_files import UTF_16

FILE_BYTES_MAX = 1 << 20
"""A file that is longer holds no secret: somebody named the wrong one."""


def secret(what: str, env: str | None, file: str | None) -> str:
    """The secret that the keys `{what}_env` and `{what}_file` speak of, "" where neither is set. Raises ValueError with a sentence where
    its place is empty: a door or a destination never goes without the secret that somebody meant it to have."""
    if env is not None:
        if not os.environ.get(env):
            raise ValueError(f"the environment variable {env} ({what}_env) is not set")
        return os.environ[env]
    if file is not None:
        return secret_of_file(file, f"{what}_file")
    return ""


def secret_of_file(file: str | Path, key: str = "") -> str:
    """The one line that a file holds. Raises ValueError with a sentence that names the file, and the key that names it."""
    named = f"{file} ({key})" if key else str(file)
    text = private_text(file, key).strip()
    if not text:
        raise ValueError(f"{named} is empty")
    if len(text.splitlines()) > 1:
        raise ValueError(f"{named} has several lines; a secret is one")
    if not text.isprintable():
        raise ValueError(f"{named} holds control characters; a secret is one line of text")
    return text


def private_table(file: str | Path, meant: str, key: str = "") -> dict[str, Any]:
    """A TOML file of secrets. Raises ValueError with a sentence that says what was `meant` to be in it."""
    named = f"{file} ({key})" if key else str(file)
    try:
        return tomllib.loads(private_text(file, key))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{named} is not valid TOML{_place(error)}; {meant} was meant") from None


def private_text(file: str | Path, key: str = "") -> str:
    """All of a file of secrets, without its byte order mark. Raises ValueError with a sentence."""
    named = f"{file} ({key})" if key else str(file)
    try:
        with open(file, "rb") as opened:
            data = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ValueError(f"{named} cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL in the name
        raise ValueError(f"{named!r} is no name of a file") from None
    if len(data) > FILE_BYTES_MAX:
        raise ValueError(f"{named} is longer than 1 MiB, so it holds no secret")
    if data.startswith(UTF_16):
        raise ValueError(f"{named} is UTF-16 text; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{named} is not UTF-8 text") from None


def exposed(file: str | Path) -> str:
    """A sentence where anybody on this machine may read or change the file, else ""."""
    try:
        mode = os.stat(file).st_mode
    except (OSError, ValueError):
        return ""
    if not stat.S_ISREG(mode) or not mode & (stat.S_IROTH | stat.S_IWOTH):
        return ""
    may = "change" if mode & stat.S_IWOTH else "read"
    return f"{file} holds secrets and anybody on this machine may {may} it (mode {mode & 0o777:o}); chmod o= {file}"


def _place(error: tomllib.TOMLDecodeError) -> str:
    """Where TOML ends to be such; its own sentence may repeat what stands there."""
    _, found, place = str(error).partition("(at ")
    return f" ({place}" if found else ""
