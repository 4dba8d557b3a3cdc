"""`python -m dashboards.bundle`: makes `dashboards/console/vendor/` where something in this folder is newer than it."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboards.bundle.npm import NpmError, install, locked, run_npm

HERE = Path(__file__).resolve().parent
MADE = [HERE.parent / "console" / "vendor" / name for name in ("vendor.js", "vendor.css")]
SOURCES = [HERE / "vendor.js", HERE / "package.json", HERE / "package-lock.json"]
BUNDLE_S = 120


def fresh() -> bool:
    """Whether what is made is newer than all that it is made of."""
    return all(path.exists() for path in MADE) and min(path.stat().st_mtime for path in MADE) >= max(
        path.stat().st_mtime for path in SOURCES
    )


def make() -> None:
    """Install and bundle. Raises NpmError."""
    if fresh():
        return
    install(HERE)
    with locked(HERE):
        if not fresh():
            run_npm(["run", "bundle"], BUNDLE_S, HERE)
            run_npm(["run", "styles"], BUNDLE_S, HERE)


if __name__ == "__main__":
    try:
        make()
    except NpmError as trouble:
        sys.exit(
            f"{trouble}. Without it the console has neither base map nor curves; warnings, cameras and figures work."
        )
