"""A process whose event loop hangs ends, and says what it was doing; one whose loop turns goes on."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, threading, time
from hub.app.hanging import end_when_it_hangs

def stuck():
    {hangs}

async def main():
    guard = asyncio.create_task(end_when_it_hangs({limit_s}))
    await asyncio.sleep({before_s})
    stuck()
    {after}
    print("went on", flush=True)

asyncio.run(main())
"""


def ended(limit_s: float, before_s: float, hangs: str, after: str = "pass") -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(limit_s=limit_s, before_s=before_s, hangs=hangs, after=after)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "hangs",
    [
        "time.sleep(600)",
        "threading.Event().wait()",  # as Python waits for a thread that died before it had begun
        "while True: pass",
    ],
)
def test_a_loop_that_hangs_ends_the_process_and_the_trace_says_where(hangs: str) -> None:
    done = ended(0.3, 0.0, hangs)
    assert done.returncode == -signal.SIGALRM
    assert "in stuck" in done.stderr
    assert done.stdout == ""


def test_a_loop_that_turns_goes_on_past_the_limit() -> None:
    done = ended(3.0, 6.0, "pass")
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")


def test_who_has_ended_the_guard_may_take_its_time() -> None:
    done = ended(0.3, 0.0, "pass", "guard.cancel(); await asyncio.sleep(0); time.sleep(1)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")


def test_a_loop_that_turns_goes_on_after_a_moment_without_memory() -> None:
    without = """
    real, raised = asyncio.sleep, []
    async def sleep(seconds):
        if seconds and not raised:
            raised.append(seconds)
            raise MemoryError
        await real(seconds)
    asyncio.sleep = sleep
    await real(6.0)
    assert raised"""
    done = ended(3.0, 0.0, "pass", without)
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")
