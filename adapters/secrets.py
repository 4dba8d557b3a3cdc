"""Secrets stand outside the city folder: in the environment or in a file of their own."""

from __future__ import annotations

import os
from pathlib import Path


def secret(what: str, env: str | None, file: str | None) -> str:
    """A secret from its place outside the city folder, "" where none is named. Raises ValueError where the place is empty."""
    if env:
        if not os.environ.get(env):
            raise ValueError(f"the environment variable {env} ({what}_env) is not set")
        return os.environ[env]
    if file:
        try:
            return Path(file).read_text("utf-8-sig").strip()
        except OSError as error:
            raise ValueError(f"{file} ({what}_file) cannot be read: {error.strerror}") from None
    return ""
