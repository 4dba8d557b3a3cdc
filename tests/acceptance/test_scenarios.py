"""`cityhub simulate --check`: scenarios through sockets, log, rules, cameras and the stand-in for the video platform."""

from __future__ import annotations

import json

import pytest

from simulators import shipped
from tests.acceptance.running import cityhub

pytestmark = pytest.mark.acceptance


def verify(*names: str, speed: int) -> None:
    done = cityhub("simulate", "--check", "--json", "--speed", speed, *names, timeout=900)
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert {finding["scenario"] for finding in findings} == set(names), done.stderr
    failed = [finding["sentence"] for finding in findings if not finding["met"]]
    assert not failed, "\n".join(failed) + "\n" + done.stderr[-3000:]
    assert done.returncode == 0


@pytest.mark.long
def test_the_cloudburst_end_to_end() -> None:
    verify("cloudburst", speed=8)


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_every_shipped_scenario_end_to_end() -> None:
    verify(*shipped(), speed=8)
