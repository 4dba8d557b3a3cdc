"""Where the recordings, vectors and facts beside the project lie, for tests that use them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def shared_path(name: str) -> Path:
    """The path of a file in the shared folder. Where it is absent the test is skipped, saying so; in CI it fails."""
    folder = Path(os.environ.get("CITYHUB_SHARED", ROOT.parent / "shared"))
    path = folder / name
    if not path.exists():
        message = f"{path} is absent; this test reads recordings or vectors kept beside the project"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(f"LOUD SKIP: {message}")
    return path
