"""`make bench`: every benchmark in turn. Prints figures; fails only where something does not run."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> int:
    print(
        f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d')}"
    )
    failed = []
    for path in sorted(FOLDER.glob("bench_*.py")):
        print(f"\n== {path.stem}", flush=True)
        if subprocess.run([sys.executable, "-m", f"tests.bench.{path.stem}"], check=False).returncode:
            failed.append(path.stem)
    if failed:
        print(f"\nDid not run to its end: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
