"""Shared by all tests: a missing server is a loud skip on a laptop and a failure in CI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest
from hypothesis import settings

# Machines are noisy: how long an example took says nothing about whether it is right.
settings.register_profile("cityhub", deadline=None)
settings.load_profile("cityhub")


@pytest.fixture
def need_program() -> Callable[[str], str]:
    """Path of a program that a test needs, such as a broker."""

    def find(name: str) -> str:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path is None and os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed, and in CI every server that tests need must be there")
        if path is None:
            pytest.skip(f"LOUD SKIP: {name} is not installed here; `make servers` as root installs it")
        return path

    return find
