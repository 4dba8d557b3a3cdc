"""Packages built as wheels and installed in an environment of their own, as a user has them."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.shared import ROOT

UV = Path(sys.executable).parent / "uv"


def build(project: Path, into: Path) -> Path:
    """The wheel of a project's folder."""
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)], project)
    (wheel,) = into.glob(f"{project.name.replace('-', '_') if project != ROOT else 'cityhub'}-*.whl")
    return wheel


class Clean:
    """A virtual environment in which nothing of this checkout can be imported."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.home = folder.parent
        run([str(UV), "venv", "--quiet", "--python", sys.executable, str(folder)], self.home)
        (self.site,) = folder.glob("lib/python*/site-packages")

    def lend_dependencies(self) -> None:
        """What the checkout's environment has installed, without asking a registry. Its own .pth files are not read, so the
        checkout itself stays out."""
        (self.site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def install(self, *wheels: Path, dependencies: bool = False) -> None:
        """With `dependencies`, from the registry and in the versions of the lock file."""
        more = ["--constraint", str(ROOT / "requirements.lock")] if dependencies else ["--no-deps"]
        run(
            [str(UV), "pip", "install", "--quiet", "--python", str(self.bin / "python"), *more, *map(str, wheels)],
            self.home,
        )

    def run(self, *command: str, code: int = 0, timeout: float = 120) -> str:
        """Standard output of a command of the environment, run from an empty folder's side."""
        return run([str(self.bin / command[0]), *command[1:]], self.home, code, timeout)


def run(command: list[str], folder: Path, code: int = 0, timeout: float = 600) -> str:
    kept = {name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == code, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout
