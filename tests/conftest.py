"""Shared by all tests: a missing server is a loud skip on a laptop and a failure in CI."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

# Machines are noisy: how long an example took says nothing about whether it is right.
settings.register_profile("cityhub", deadline=None)
settings.load_profile("cityhub")


# jsonschema compiles 38 grammars of this package while it is imported, for IRI formats that no schema here has: 2.5 s of each worker.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

HERE = Path(__file__).parent
_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that failed leaves open what it had no time to close, and the traceback holds it until the next failure. It goes here,
    unheard: else its ResourceWarning, an error by our filter, would fail whichever test runs when it is collected."""
    outcome = yield
    if item.stash.get(_FAILED, False):
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            with suppress(AttributeError):
                delattr(sys, name)
        heard, sys.unraisablehook = sys.unraisablehook, lambda _: None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                gc.collect()
        finally:
            sys.unraisablehook = heard
    return outcome


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Nothing that is collected becomes garbage: Python does not look for any meanwhile, and looks through none of it while tests run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of the wheel and of documents first: they are long, and at the end one worker would have them while the others wait."""
    items.sort(key=lambda item: item.path.parent != HERE)
    if getattr(config.option, "loadgroup", False):  # so in a worker of `--dist loadgroup`
        for item in items:
            stay_together(item)


def stay_together(item: pytest.Item) -> None:
    """Let the test's `xdist_group` count. pytest-xdist 3.8 tells the scheduler of it by the end of the test's id, which it writes where pytest
    9.2 reads no more; tests that share a setup were then spread over all workers, silently (pytest-xdist issue 1386)."""
    group = item.get_closest_marker("xdist_group")
    if group is None or "@" in item.nodeid.rpartition("]")[2]:
        return
    told = f"{item.nodeid}@{group.args[0]}"
    item._id = type(item.id).parse(told)
    if item.nodeid != told:
        raise pytest.UsageError("pytest keeps a test's id elsewhere by now; see whether pytest-xdist writes it there")


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an InfluxDB of this worker; a test takes a database of its own."""
    from tests.acceptance.influx_server import influx_server

    with influx_server(tmp_path_factory.mktemp("influxd")) as url:
        yield url


@pytest.fixture(scope="session")
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
