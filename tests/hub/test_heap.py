"""Memory that a hub has freed goes back to the system."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

KEPT_MB = """
import sys
from pathlib import Path
from hub.heap import give_back_soon

def held():
    return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) / 1024

if sys.argv[1] == "soon":
    give_back_soon()
large = b"x" * (30 << 20)
del large
before = held()
blocks = [b"x" * (1 << 20) for _ in range(20)]
del blocks
print(held() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library does as it does")
def test_what_a_burst_took_is_given_back() -> None:
    kept = {}
    for when in ("soon", "late"):
        code = [sys.executable, "-c", KEPT_MB, when]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
        kept[when] = float(subprocess.run(code, env=environment, capture_output=True, text=True, check=True).stdout)
    assert kept["soon"] < 1
    assert kept["late"] > 15, "glibc itself keeps it: without that this would be in vain"


FAULTS = """
import resource
from hub.heap import give_back_soon

give_back_soon()
for _ in range(5):
    block = b"x" * (256 << 10)
    del block
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    block = b"x" * (256 << 10)
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library does as it does")
def test_what_each_look_at_a_socket_takes_stays_at_hand() -> None:
    """asyncio asks for 256 kB each time: 64 pages, which the system would have to give and take each time."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    code = [sys.executable, "-c", FAULTS]
    faults = int(subprocess.run(code, env=environment, capture_output=True, text=True, check=True).stdout)
    assert faults < 640
